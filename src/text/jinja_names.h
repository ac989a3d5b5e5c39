/* The names of a scope, as the analysis of variables knows them. Used by jinja_names.c, which finds them, and by
 * jinja_scope.c, which gives every name its slot. */
#ifndef LT_TEXT_JINJA_NAMES_H
#define LT_TEXT_JINJA_NAMES_H

#include "text/jinja_ast.h"

typedef struct lt_jvariable {
    const char *name;
    lt_jcode *code;
    int slot;
    struct lt_jvariable *next;
} lt_jvariable;

/* What a variable starts as. */
typedef struct lt_jstart {
    lt_jvariable *target;
    lt_jload_kind kind;
    const lt_jvariable *alias;
} lt_jstart;

typedef struct lt_jname {
    const char *name;
    lt_jvariable *target;
} lt_jname;

/* The names of one scope as known so far. The branches of an if work on copies, which share `own`. */
typedef struct lt_jnames {
    struct lt_jnames *parent;
    lt_jcode *code;
    lt_jvariable **own; /* list of the variables of this scope */
    lt_jname *refs;
    lt_jstart *starts;
    const char **stores;
    int64_t ref_count, ref_capacity, start_count, start_capacity, store_count, store_capacity;
} lt_jnames;

lt_jnames *lt_jnames_new(lt_jrun *run, lt_jnames *parent, lt_jcode *code);

/* The variable a name means in this scope or around it; NULL when none is known. */
lt_jvariable *lt_jnames_find(lt_jrun *run, const lt_jnames *names, const char *name);

/* Notes a parameter of the scope: a variable that the construct itself stores. */
lt_jvariable *lt_jnames_add_parameter(lt_jrun *run, lt_jnames *names, const char *name);

/* Notes what statements or an expression (NULL is fine) read and set in this scope, not in scopes inside it. */
void lt_jnames_collect(lt_jrun *run, lt_jnames *names, const lt_jnode *node);
void lt_jnames_collect_list(lt_jrun *run, lt_jnames *names, const lt_jlist *list);
/* The same for the target of an assignment; parameter: it is a parameter of the scope. */
void lt_jnames_collect_target(lt_jrun *run, lt_jnames *names, const lt_jnode *target, bool parameter);

/* Whether `name` is read in a body before anything of that name is assigned, in the order of the source and through
 * inner functions: what makes a loop offer `loop`, and a macro take `caller`, `kwargs`, `varargs`. */
bool lt_jnames_mentions(lt_jrun *run, const lt_jlist *body, const char *name);

#endif
