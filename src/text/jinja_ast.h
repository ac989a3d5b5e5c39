/* The tree of a template. Names are interned: the same name is the same pointer. */
#ifndef LT_TEXT_JINJA_AST_H
#define LT_TEXT_JINJA_AST_H

#include "text/jinja_value.h"

typedef enum lt_jnode_kind {
    /* expressions */
    LT_JN_CONST,
    LT_JN_NAME,
    LT_JN_NSREF, /* target only: namespace.attribute */
    LT_JN_TUPLE,
    LT_JN_LIST,
    LT_JN_DICT, /* list: key, value, key, value … */
    LT_JN_OR,
    LT_JN_AND,
    LT_JN_NOT,
    LT_JN_NEGATE,
    LT_JN_PLUS,
    LT_JN_ADD,
    LT_JN_SUBTRACT,
    LT_JN_MULTIPLY,
    LT_JN_DIVIDE,
    LT_JN_FLOOR_DIVIDE,
    LT_JN_MODULO,
    LT_JN_POWER,
    LT_JN_CONCAT,    /* list: the operands of ~ */
    LT_JN_COMPARE,   /* a, then list of LT_JN_OPERAND */
    LT_JN_OPERAND,   /* operator, a */
    LT_JN_CONDITION, /* a if b else c (c may be NULL) */
    LT_JN_ATTRIBUTE, /* a.name */
    LT_JN_ITEM,      /* a[b] */
    LT_JN_SLICE,     /* a:b:c, any NULL; only as b of LT_JN_ITEM */
    LT_JN_CALL,      /* a(arguments) */
    LT_JN_FILTER,    /* a|name(arguments); a NULL: the text of the block around */
    LT_JN_TEST,      /* a is name(arguments) */

    /* statements */
    LT_JN_TEXT,
    LT_JN_PRINT,        /* a */
    LT_JN_FOR,          /* see lt_jfor */
    LT_JN_IF,           /* a, list; otherwise: the else part, of which an elif is one LT_JN_IF */
    LT_JN_MACRO,        /* see lt_jcallable; name */
    LT_JN_CALL_BLOCK,   /* see lt_jcallable; a the call */
    LT_JN_GENERATION,   /* see lt_jcallable */
    LT_JN_FILTER_BLOCK, /* a the filter chain, list */
    LT_JN_SET,          /* a target, b value */
    LT_JN_SET_BLOCK,    /* a target, b the filter chain or NULL, list */
    LT_JN_WITH,         /* targets, values (both lists by next), list */
    LT_JN_SCOPE,        /* list: a scope of its own (autoescape false) */
    LT_JN_BLOCK,        /* see lt_jcallable; name */
    LT_JN_BREAK,
    LT_JN_CONTINUE,
    LT_JN_NO_LOADER /* include, import, extends: there is nothing to load from, when it is reached */
} lt_jnode_kind;

typedef enum lt_jcompare {
    LT_JC_EQUAL,
    LT_JC_UNEQUAL,
    LT_JC_LESS,
    LT_JC_LESS_EQUAL,
    LT_JC_GREATER,
    LT_JC_GREATER_EQUAL,
    LT_JC_IN,
    LT_JC_NOT_IN
} lt_jcompare;

typedef struct lt_jnode lt_jnode;
typedef struct lt_jscope lt_jscope;
typedef struct lt_jcode lt_jcode;

typedef struct lt_jlist {
    lt_jnode *first, *last; /* linked by next */
    int count;
} lt_jlist;

/* What stands between the parentheses of a call. */
typedef struct lt_jarguments {
    lt_jlist positional;
    lt_jlist keywords; /* the values; name is the keyword */
    lt_jnode *star, *star_star;
} lt_jarguments;

/* Where a variable lives: slot of the activation `hops` functions out. */
typedef struct lt_jref {
    int hops, slot;
} lt_jref;

typedef struct lt_jfor {
    lt_jnode *target, *iterable, *test; /* test may be NULL */
    lt_jnode *test_target;              /* the target again, in the scope of the test */
    lt_jlist body, otherwise;
    bool recursive, extended; /* extended: the body looks at `loop` */
    lt_jref loop;
    lt_jscope *body_scope, *else_scope, *test_scope;
    lt_jcode *code, *test_code; /* functions of their own: a recursive loop; the test */
} lt_jfor;

/* A body that becomes a function: macro, call block, generation, block. */
typedef struct lt_jcallable {
    lt_jlist parameters; /* LT_JN_NAME; the default, if any, is a */
    lt_jlist body;
    lt_jcode *code;
    lt_jscope *scope;
    bool takes_caller, takes_kwargs, takes_varargs; /* the body mentions them, so they are parameters too */
    lt_jref caller, kwargs, varargs;
} lt_jcallable;

struct lt_jnode {
    lt_jnode_kind kind;
    int line;
    bool soft;     /* filter, test: an unknown name is an error only when reached */
    bool exported; /* set: at the top of the template */
    uint8_t compare;
    lt_jnode *next;
    const char *name;
    lt_jnode *a, *b, *c;
    lt_jlist list, otherwise;
    union {
        lt_jv value;              /* const; text: a string */
        lt_jref ref;              /* name, namespace reference; macro: where it is stored; with/scope: unused */
        lt_jarguments *arguments; /* call, filter, test */
        lt_jfor *loop;
    };
    lt_jscope *scope; /* filter block, set block, with, scope */
    lt_jcallable *callable;
    const void *builtin; /* filter, test: the row of its table, or NULL when unknown */
};

/* ---- variables, resolved when compiling (jinja_scope.c) -------------------------------------------------------- */

/* A function at run time has one activation: an array of slots and the activation of the function around it. */
struct lt_jcode {
    lt_jcode *outer;
    int slots;
};

typedef enum lt_jload_kind {
    LT_JL_PARAMETER, /* stored by the construct itself */
    LT_JL_CONTEXT,   /* starts as the context's variable of that name */
    LT_JL_ALIAS,     /* starts as the variable of the scope around */
    LT_JL_UNSET
} lt_jload_kind;

typedef struct lt_jload {
    int slot;
    lt_jload_kind kind;
    const char *name;
    lt_jref alias;
} lt_jload;

/* What entering a scope does to the slots it owns. */
struct lt_jscope {
    lt_jload *loads;
    int count;
};

typedef struct lt_jactivation {
    lt_jv *slots;
    struct lt_jactivation *outer;
} lt_jactivation;

struct lt_jv_macro {
    const lt_jnode *node;       /* LT_JN_MACRO, LT_JN_CALL_BLOCK, LT_JN_GENERATION */
    lt_jactivation *activation; /* where it was defined */
};

struct lt_jinja_template {
    lt_jrun memory; /* owns the tree */
    char *name;
    lt_jlist body;
    lt_jcode code;
    lt_jscope *scope;
    bool has_generation, has_blocks;
    const char *loop_name, *caller_name, *kwargs_name, *varargs_name; /* interned */
};

/* Source to tree, inside a run (raises). Names that are not declared are resolved by lt_jinja_resolve. */
void lt_jinja_parse(lt_jrun *run, lt_jinja_template *template, const char *source, size_t size);
void lt_jinja_resolve(lt_jrun *run, lt_jinja_template *template);

#endif
