/* The tables of filters, tests, methods and global functions, and how arguments reach them. */
#ifndef LT_TEXT_JINJA_BUILTIN_H
#define LT_TEXT_JINJA_BUILTIN_H

#include "text/jinja_ast.h"

/* Evaluated arguments of a call. */
typedef struct lt_jkeyword {
    lt_jv name; /* a string */
    lt_jv value;
} lt_jkeyword;

typedef struct lt_jargs {
    lt_jv *positional;
    int64_t count;
    lt_jkeyword *keywords;
    int64_t keyword_count;
} lt_jargs;

enum { LT_JINJA_MAX_PARAMETERS = 6 };

/* Spreads the arguments of a call over named parameters; those not given become LT_JV_MISSING.
 * parameters: names separated by blanks, e.g. "value default_value boolean", after a "/" if they cannot be given by
 * name; the first `required` must be given. Raises where Python raises a TypeError. */
void lt_jinja_bind(lt_jrun *run, const char *function, const char *parameters, int required, const lt_jargs *args,
                   lt_jv out[LT_JINJA_MAX_PARAMETERS]);

/* A filter or test: called with the value and the bound parameters a[0] …, or, with parameters NULL, with the
 * arguments as they are. */
typedef struct lt_jfilter {
    const char *name;
    const char *parameters;
    int required;
    lt_jv (*bound)(lt_jrun *run, lt_jv value, const lt_jv *a);
    lt_jv (*free)(lt_jrun *run, lt_jv value, const lt_jargs *args);
} lt_jfilter;

typedef struct lt_jtest {
    const char *name;
    const char *parameters;
    int required;
    bool (*test)(lt_jrun *run, lt_jv value, const lt_jv *a);
} lt_jtest;

const lt_jfilter *lt_jinja_find_filter(const char *name, size_t size); /* NULL when there is none */
const lt_jtest *lt_jinja_find_test(const char *name, size_t size);
lt_jv lt_jinja_apply_filter(lt_jrun *run, const lt_jfilter *filter, lt_jv value, const lt_jargs *args);
bool lt_jinja_apply_test(lt_jrun *run, const lt_jtest *test, lt_jv value, const lt_jargs *args);

/* The groups of filters; each ends with a row without a name. */
extern const lt_jfilter lt_jinja_value_filters[], lt_jinja_text_filters[], lt_jinja_sequence_filters[],
    lt_jinja_select_filters[];

/* Global functions. */
struct lt_jinja_function {
    const char *name;
    lt_jv (*call)(lt_jrun *run, const lt_jargs *args);
};
const lt_jinja_function *lt_jinja_find_function(const char *name);

/* Methods of values. */
typedef struct lt_jmethod_row {
    const char *name;
    const char *parameters; /* as in lt_jinja_bind; NULL: as they are */
    int required;
    lt_jv (*bound)(lt_jrun *run, lt_jv self, const lt_jv *a);
    lt_jv (*free)(lt_jrun *run, lt_jv self, const lt_jargs *args);
    bool forbidden; /* would change the value: the sandbox refuses it */
} lt_jmethod_row;

struct lt_jv_method {
    lt_jv self;
    const lt_jmethod_row *row;
};

extern const lt_jmethod_row lt_jinja_string_methods[], lt_jinja_string_search_methods[], lt_jinja_list_methods[],
    lt_jinja_tuple_methods[], lt_jinja_dict_methods[], lt_jinja_range_methods[], lt_jinja_loop_methods[],
    lt_jinja_cycler_methods[];

/* value.name and value[name], with jinja2's fallbacks from one to the other; undefined when there is neither. */
lt_jv lt_jinja_get_attribute(lt_jrun *run, lt_jv value, const char *name);
lt_jv lt_jinja_get_item(lt_jrun *run, lt_jv value, lt_jv key);
/* The attribute alone: LT_JV_MISSING when there is none. */
lt_jv lt_jinja_find_attribute(lt_jrun *run, lt_jv value, const char *name, size_t size);
/* value[start:stop:step]; parts may be LT_JV_MISSING or none. */
lt_jv lt_jinja_slice(lt_jrun *run, lt_jv value, lt_jv start, lt_jv stop, lt_jv step);
/* Python's slice.indices: where a slice of a sequence of `length` begins and stops, and how many items it has. */
typedef struct lt_jslice {
    int64_t first, stop, step, count;
} lt_jslice;
lt_jslice lt_jinja_slice_indices(lt_jrun *run, int64_t length, lt_jv start, lt_jv stop, lt_jv step);

/* Calls a macro, method, function …; raises for anything else. */
lt_jv lt_jinja_call(lt_jrun *run, lt_jv callee, const lt_jargs *args);
lt_jv lt_jinja_call_macro(lt_jrun *run, const lt_jv_macro *macro, const lt_jargs *args);
lt_jv lt_jinja_call_loop(lt_jrun *run, lt_jv_loop *loop, const lt_jargs *args);
lt_jv lt_jinja_loop_attribute(lt_jrun *run, lt_jv_loop *loop, const char *name, size_t size);

/* Operators. kind is one of the arithmetic LT_JN_ kinds. */
lt_jv lt_jinja_arithmetic(lt_jrun *run, lt_jnode_kind kind, lt_jv a, lt_jv b);
lt_jv lt_jinja_negate(lt_jrun *run, lt_jv a, bool minus);
const char *lt_jinja_operator_text(lt_jnode_kind kind);

/* Formatting: format % args and format.format(args). */
lt_jv lt_jinja_percent(lt_jrun *run, lt_jv format, lt_jv args);
lt_jv lt_jinja_str_format(lt_jrun *run, lt_jv format, const lt_jargs *args);
lt_jv lt_jinja_tojson(lt_jrun *run, lt_jv value, const lt_jv *a);

/* float(text) and int(text, base) as Python reads them; false when the text is not a number (or does not fit). */
bool lt_jinja_parse_float(lt_jv text, double *out);
bool lt_jinja_parse_int(lt_jrun *run, lt_jv text, int base, int64_t *out);

#endif
