/* Expressions, in jinja2's order of precedence:
 *
 *   a if b else c  ·  or  ·  and  ·  not  ·  == != < <= > >= in not-in  ·  + -  ·  ~  ·  * / // %  ·  **
 *   ·  unary + -  ·  .name [item] (call)  ·  |filter, is test
 */
#include "text/jinja_parse.h"

#include <string.h>

static lt_jnode *parse_or(lt_jparser *p);
static lt_jnode *parse_unary(lt_jparser *p, bool with_filters);

lt_jnode *lt_jparse_binary(lt_jparser *p, lt_jnode_kind kind, int line, lt_jnode *a, lt_jnode *b)
{
    lt_jnode *node = lt_jparse_node(p, kind, line);
    node->a = a;
    node->b = b;
    return node;
}

lt_jnode *lt_jparse_expression(lt_jparser *p, bool with_condition)
{
    lt_jparse_enter(p);
    int line = p->token->line;
    lt_jnode *node = parse_or(p);
    while (with_condition && lt_jparse_skip_name(p, "if")) {
        lt_jnode *condition = lt_jparse_node(p, LT_JN_CONDITION, line);
        condition->a = node;
        condition->b = parse_or(p);
        if (lt_jparse_skip_name(p, "else"))
            condition->c = lt_jparse_expression(p, true);
        node = condition;
        line = p->token->line;
    }
    p->nesting--;
    return node;
}

/* ---- operators ------------------------------------------------------------------------------------------------- */

static lt_jnode *parse_power(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_unary(p, true);
    while (lt_jparse_skip_op(p, "**")) {
        left = lt_jparse_binary(p, LT_JN_POWER, line, left, parse_unary(p, true));
        line = p->token->line;
    }
    return left;
}

static lt_jnode *parse_product(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_power(p);
    for (;;) {
        lt_jnode_kind kind;
        if (lt_jparse_skip_op(p, "*"))
            kind = LT_JN_MULTIPLY;
        else if (lt_jparse_skip_op(p, "/"))
            kind = LT_JN_DIVIDE;
        else if (lt_jparse_skip_op(p, "//"))
            kind = LT_JN_FLOOR_DIVIDE;
        else if (lt_jparse_skip_op(p, "%"))
            kind = LT_JN_MODULO;
        else
            return left;
        left = lt_jparse_binary(p, kind, line, left, parse_power(p));
        line = p->token->line;
    }
}

static lt_jnode *parse_concat(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *first = parse_product(p);
    if (!lt_jparse_is_op(p, "~"))
        return first;
    lt_jnode *node = lt_jparse_node(p, LT_JN_CONCAT, line);
    lt_jparse_append(&node->list, first);
    while (lt_jparse_skip_op(p, "~"))
        lt_jparse_append(&node->list, parse_product(p));
    return node;
}

static lt_jnode *parse_sum(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_concat(p);
    for (;;) {
        lt_jnode_kind kind;
        if (lt_jparse_skip_op(p, "+"))
            kind = LT_JN_ADD;
        else if (lt_jparse_skip_op(p, "-"))
            kind = LT_JN_SUBTRACT;
        else
            return left;
        left = lt_jparse_binary(p, kind, line, left, parse_concat(p));
        line = p->token->line;
    }
}

/* Reads a comparison operator, if there is one. */
static bool skip_comparison(lt_jparser *p, uint8_t *compare)
{
    static const char *const OPS[] = {
        [LT_JC_EQUAL] = "==",      [LT_JC_UNEQUAL] = "!=", [LT_JC_LESS] = "<",
        [LT_JC_LESS_EQUAL] = "<=", [LT_JC_GREATER] = ">",  [LT_JC_GREATER_EQUAL] = ">=",
    };
    for (uint8_t i = 0; i < sizeof OPS / sizeof *OPS; i++) {
        if (lt_jparse_skip_op(p, OPS[i])) {
            *compare = i;
            return true;
        }
    }
    if (lt_jparse_skip_name(p, "in")) {
        *compare = LT_JC_IN;
        return true;
    }
    const lt_jtoken *after = p->token + 1;
    if (lt_jparse_is_name(p, "not") && after->kind == LT_JT_NAME && after->size == 2 &&
        memcmp(after->text, "in", 2) == 0) {
        lt_jparse_next(p);
        lt_jparse_next(p);
        *compare = LT_JC_NOT_IN;
        return true;
    }
    return false;
}

static lt_jnode *parse_comparison(lt_jparser *p)
{
    lt_jnode *first = parse_sum(p), *node = NULL;
    uint8_t compare;
    int line = p->token->line;
    while (skip_comparison(p, &compare)) {
        if (!node) {
            node = lt_jparse_node(p, LT_JN_COMPARE, line);
            node->a = first;
        }
        lt_jnode *operand = lt_jparse_node(p, LT_JN_OPERAND, line);
        operand->compare = compare;
        operand->a = parse_sum(p);
        lt_jparse_append(&node->list, operand);
        line = p->token->line;
    }
    return node ? node : first;
}

static lt_jnode *parse_not(lt_jparser *p)
{
    if (!lt_jparse_is_name(p, "not"))
        return parse_comparison(p);
    lt_jparse_enter(p);
    lt_jnode *node = lt_jparse_node(p, LT_JN_NOT, p->token->line);
    lt_jparse_next(p);
    node->a = parse_not(p);
    p->nesting--;
    return node;
}

static lt_jnode *parse_and(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_not(p);
    while (lt_jparse_skip_name(p, "and")) {
        left = lt_jparse_binary(p, LT_JN_AND, line, left, parse_not(p));
        line = p->token->line;
    }
    return left;
}

static lt_jnode *parse_or(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_and(p);
    while (lt_jparse_skip_name(p, "or")) {
        left = lt_jparse_binary(p, LT_JN_OR, line, left, parse_and(p));
        line = p->token->line;
    }
    return left;
}

/* ---- unary operators and what follows a value ------------------------------------------------------------------ */

static lt_jnode *parse_unary(lt_jparser *p, bool with_filters)
{
    int line = p->token->line;
    lt_jnode *node;
    bool minus = lt_jparse_is_op(p, "-");
    lt_jparse_enter(p);
    if (minus || lt_jparse_is_op(p, "+")) {
        lt_jparse_next(p);
        node = lt_jparse_binary(p, minus ? LT_JN_NEGATE : LT_JN_PLUS, line, parse_unary(p, false), NULL);
    } else {
        node = lt_jparse_primary(p, false);
    }
    node = lt_jparse_postfix(p, node);
    while (with_filters) {
        if (lt_jparse_is_op(p, "|"))
            node = lt_jparse_filters(p, node, false);
        else if (lt_jparse_is_name(p, "is"))
            node = lt_jparse_test(p, node);
        else if (lt_jparse_is_op(p, "("))
            node = lt_jparse_call(p, node);
        else
            break;
    }
    p->nesting--;
    return node;
}

/* ---- literals and names ---------------------------------------------------------------------------------------- */

static lt_jnode *constant(lt_jparser *p, int line, lt_jv value)
{
    lt_jnode *node = lt_jparse_node(p, LT_JN_CONST, line);
    node->value = value;
    return node;
}

static lt_jnode *parse_name(lt_jparser *p, bool namespaces)
{
    int line = p->token->line;
    const char *name = lt_jparse_expect_name(p);
    if (strcmp(name, "true") == 0 || strcmp(name, "True") == 0)
        return constant(p, line, lt_jv_bool(true));
    if (strcmp(name, "false") == 0 || strcmp(name, "False") == 0)
        return constant(p, line, lt_jv_bool(false));
    if (strcmp(name, "none") == 0 || strcmp(name, "None") == 0)
        return constant(p, line, lt_jv_none());
    bool reference = namespaces && lt_jparse_skip_op(p, ".");
    lt_jnode *node = lt_jparse_node(p, reference ? LT_JN_NSREF : LT_JN_NAME, line);
    node->name = name;
    if (reference)
        node->a = constant(p, line, lt_jv_string_z(lt_jparse_expect_name(p)));
    return node;
}

static lt_jnode *parse_strings(lt_jparser *p)
{
    int line = p->token->line;
    lt_jv first = p->token->value;
    lt_jparse_next(p);
    if (p->token->kind != LT_JT_STRING)
        return constant(p, line, first);
    lt_jtext text = {0};
    lt_jtext_add(p->run, &text, first.text, first.size);
    for (; p->token->kind == LT_JT_STRING; lt_jparse_next(p))
        lt_jtext_add(p->run, &text, p->token->value.text, p->token->value.size);
    return constant(p, line, lt_jtext_value(&text));
}

/* [a, b] or {a: b}; a comma may follow the last. */
static lt_jnode *parse_display(lt_jparser *p, bool dict)
{
    lt_jnode *node = lt_jparse_node(p, dict ? LT_JN_DICT : LT_JN_LIST, p->token->line);
    const char *close = dict ? "}" : "]";
    lt_jparse_next(p);
    while (!lt_jparse_is_op(p, close)) {
        if (node->list.count) {
            lt_jparse_expect_op(p, ",");
            if (lt_jparse_is_op(p, close))
                break;
        }
        lt_jparse_append(&node->list, lt_jparse_expression(p, true));
        if (dict) {
            lt_jparse_expect_op(p, ":");
            lt_jparse_append(&node->list, lt_jparse_expression(p, true));
        }
    }
    lt_jparse_expect_op(p, close);
    return node;
}

lt_jnode *lt_jparse_primary(lt_jparser *p, bool namespaces)
{
    switch (p->token->kind) {
    case LT_JT_NAME:
        return parse_name(p, namespaces);
    case LT_JT_STRING:
        return parse_strings(p);
    case LT_JT_INTEGER:
    case LT_JT_FLOAT: {
        lt_jnode *node = constant(p, p->token->line, p->token->value);
        lt_jparse_next(p);
        return node;
    }
    default:
        break;
    }
    if (lt_jparse_skip_op(p, "(")) {
        lt_jnode *node = lt_jparse_tuple(p, false, true, NULL, true, false);
        lt_jparse_expect_op(p, ")");
        return node;
    }
    if (lt_jparse_is_op(p, "[") || lt_jparse_is_op(p, "{"))
        return parse_display(p, lt_jparse_is_op(p, "{"));
    lt_jparse_fail(p, p->token->line, "expected an expression, got %s", lt_jparse_token_text(p, p->token));
}

static bool at_tuple_end(const lt_jparser *p, const char *stop)
{
    return p->token->kind == LT_JT_VARIABLE_END || p->token->kind == LT_JT_BLOCK_END || lt_jparse_is_op(p, ")") ||
           (stop && lt_jparse_is_name(p, stop));
}

lt_jnode *lt_jparse_tuple(lt_jparser *p, bool simple, bool with_condition, const char *stop, bool parentheses,
                          bool namespaces)
{
    int line = p->token->line;
    lt_jlist items = {0};
    bool is_tuple = false;
    lt_jparse_enter(p);
    for (;;) {
        if (items.count)
            lt_jparse_expect_op(p, ",");
        if (at_tuple_end(p, stop))
            break;
        lt_jparse_append(&items, simple ? lt_jparse_primary(p, namespaces) : lt_jparse_expression(p, with_condition));
        if (!lt_jparse_is_op(p, ","))
            break;
        is_tuple = true;
    }
    p->nesting--;
    if (!is_tuple && items.count)
        return items.first;
    if (!is_tuple && !parentheses)
        lt_jparse_fail(p, line, "expected an expression, got %s", lt_jparse_token_text(p, p->token));
    lt_jnode *node = lt_jparse_node(p, LT_JN_TUPLE, line);
    node->list = items;
    return node;
}

static void check_target(lt_jparser *p, const lt_jnode *node)
{
    if (node->kind == LT_JN_TUPLE) {
        for (const lt_jnode *item = node->list.first; item; item = item->next)
            check_target(p, item);
    } else if (node->kind != LT_JN_NAME && node->kind != LT_JN_NSREF) {
        lt_jparse_fail(p, node->line,
                       "cannot assign to this expression: a name, a tuple of names or a namespace's "
                       "attribute was expected");
    }
}

lt_jnode *lt_jparse_target(lt_jparser *p, const char *stop, bool namespaces)
{
    lt_jnode *node = lt_jparse_tuple(p, true, true, stop, false, namespaces);
    check_target(p, node);
    return node;
}
