/* What the parts of the parser share: statements (jinja_parse.c), expressions (jinja_parse_expr.c) and what follows a
 * value in them (jinja_parse_postfix.c). */
#ifndef LT_TEXT_JINJA_PARSE_H
#define LT_TEXT_JINJA_PARSE_H

#include "text/jinja_ast.h"
#include "text/jinja_lexer.h"

typedef struct lt_jparser {
    lt_jrun *run;
    lt_jinja_template *template;
    const lt_jtoken *token; /* the current one; never moves past LT_JT_END */
    const char **names;     /* interned: a hash table */
    int64_t name_count, name_capacity;
    int nesting;       /* of expressions and tags */
    int loops;         /* for loops around, within the same function */
    const char *block; /* names of the {% block %}s seen are kept in `blocks` */
    lt_jlist blocks;
} lt_jparser;

_Noreturn void lt_jparse_fail(lt_jparser *p, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *lt_jparse_token_text(lt_jparser *p, const lt_jtoken *token); /* for messages */

lt_jnode *lt_jparse_node(lt_jparser *p, lt_jnode_kind kind, int line);
void lt_jparse_append(lt_jlist *list, lt_jnode *node);
const char *lt_jparse_intern(lt_jparser *p, const char *text, size_t size);

void lt_jparse_next(lt_jparser *p);
bool lt_jparse_is_op(const lt_jparser *p, const char *op);
bool lt_jparse_is_name(const lt_jparser *p, const char *name);
bool lt_jparse_skip_op(lt_jparser *p, const char *op);
bool lt_jparse_skip_name(lt_jparser *p, const char *name);
void lt_jparse_expect_op(lt_jparser *p, const char *op);
const char *lt_jparse_expect_name(lt_jparser *p); /* any name, interned */
void lt_jparse_enter(lt_jparser *p);              /* one level of nesting; left by p->nesting-- */

lt_jnode *lt_jparse_expression(lt_jparser *p, bool with_condition);
/* Expressions separated by commas make a tuple. stop: a name that ends it ("in", "recursive"), or NULL. simple: only
 * names and literals, for targets; namespaces: `a.b` is a target. */
lt_jnode *lt_jparse_tuple(lt_jparser *p, bool simple, bool with_condition, const char *stop, bool parentheses,
                          bool namespaces);
lt_jnode *lt_jparse_target(lt_jparser *p, const char *stop, bool namespaces);
lt_jnode *lt_jparse_primary(lt_jparser *p, bool namespaces); /* a literal, a name, or something in brackets */
lt_jnode *lt_jparse_binary(lt_jparser *p, lt_jnode_kind kind, int line, lt_jnode *a, lt_jnode *b);

/* What follows node, the current token being the first of it. */
lt_jnode *lt_jparse_postfix(lt_jparser *p, lt_jnode *node); /* all of .name, [item] and (call) */
lt_jnode *lt_jparse_call(lt_jparser *p, lt_jnode *node);
lt_jnode *lt_jparse_test(lt_jparser *p, lt_jnode *node);
lt_jnode *lt_jparse_filters(lt_jparser *p, lt_jnode *node,
                            bool start_inline); /* start_inline: the first '|' is not there */

#endif
