/* The values a template works with. They live in the memory of a run and are passed by value (24 bytes); lists, tuples
 * and dictionaries never change once they are made (the sandbox refuses methods that would), so parts of them are
 * shared. */
#ifndef LT_TEXT_JINJA_VALUE_H
#define LT_TEXT_JINJA_VALUE_H

#include "text/jinja_run.h"

typedef enum lt_jv_type {
    LT_JV_MISSING, /* no value at all: an argument not given, a variable never set */
    LT_JV_UNDEFINED,
    LT_JV_NONE,
    LT_JV_BOOL,
    LT_JV_INT,
    LT_JV_BIGINT, /* an integer of the context beyond 64 bits, as digits: it prints, nothing else */
    LT_JV_FLOAT,
    LT_JV_STRING,
    LT_JV_LIST,
    LT_JV_TUPLE,
    LT_JV_DICT,
    LT_JV_VIEW, /* dict.keys(), .values(), .items() */
    LT_JV_RANGE,
    LT_JV_ITERATOR, /* yields its items once: what map, select, reverse … return */
    LT_JV_NAMESPACE,
    LT_JV_LOOP,
    LT_JV_MACRO,
    LT_JV_FUNCTION, /* a global function */
    LT_JV_METHOD,   /* x.strip, not yet called */
    LT_JV_CYCLER,
    LT_JV_JOINER
} lt_jv_type;

typedef struct lt_jv lt_jv;
typedef struct lt_jv_list lt_jv_list;
typedef struct lt_jv_dict lt_jv_dict;
typedef struct lt_jv_undefined lt_jv_undefined;
typedef struct lt_jv_view lt_jv_view;
typedef struct lt_jv_range lt_jv_range;
typedef struct lt_jv_iterator lt_jv_iterator;
typedef struct lt_jv_loop lt_jv_loop;
typedef struct lt_jv_macro lt_jv_macro;
typedef struct lt_jv_method lt_jv_method;
typedef struct lt_jv_cycler lt_jv_cycler;
typedef struct lt_jv_joiner lt_jv_joiner;
typedef struct lt_jinja_function lt_jinja_function;

struct lt_jv {
    uint8_t type;
    bool markup; /* strings: safe for HTML (jinja's Markup); adding a plain string to it escapes that string */
    bool ascii;  /* strings: known to be ASCII, so that positions are bytes */
    size_t size; /* strings: bytes */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text; /* UTF-8, not terminated */
        lt_jv_list *list; /* also of a tuple */
        lt_jv_dict *dict; /* also of a namespace */
        lt_jv_undefined *undefined;
        lt_jv_view *view;
        lt_jv_range *range;
        lt_jv_iterator *iterator;
        lt_jv_loop *loop;
        lt_jv_macro *macro;
        lt_jv_method *method;
        lt_jv_cycler *cycler;
        lt_jv_joiner *joiner;
        const lt_jinja_function *function;
        const void *object;
    };
};

struct lt_jv_list {
    lt_jv *items;
    int64_t count, capacity; /* capacity: room at items while the list is being made */
    bool grouped;            /* a (grouper, list) pair of the filter groupby */
};

typedef struct lt_jv_entry {
    lt_jv key, value;
    uint64_t hash;
} lt_jv_entry;

/* Keeps the order of insertion. index is a power-of-two table of entry numbers + 1, made once there are more than eight
 * entries. */
struct lt_jv_dict {
    lt_jv_entry *entries;
    int64_t count, capacity;
    uint32_t *index;
    int64_t index_size;
};

struct lt_jv_undefined {
    const char *message; /* what an operation on it says */
};

typedef enum lt_jv_view_kind { LT_JV_KEYS, LT_JV_VALUES, LT_JV_ITEMS } lt_jv_view_kind;

struct lt_jv_view {
    lt_jv_dict *dict;
    lt_jv_view_kind kind;
};

struct lt_jv_range {
    int64_t start, stop, step, count;
};

/* next() stores the next item and returns true, or returns false at the end. Kinds with more state embed it first. */
struct lt_jv_iterator {
    bool (*next)(lt_jrun *run, lt_jv_iterator *iterator, lt_jv *item);
    lt_jv source;
    int64_t index;
    lt_jv_iterator *inner;
    const char *type_name;
};

struct lt_jv_loop {
    lt_jv iterable;
    lt_jv_iterator *iterator;
    int64_t index0, length; /* length -1: not counted yet */
    lt_jv current, before, after;
    bool has_after, ended;
    lt_jv last_changed; /* the tuple changed() saw last */
    int64_t depth0;
    const struct lt_jnode *recurse; /* the {% for … recursive %}, or NULL */
    struct lt_jactivation *activation;
};

struct lt_jv_cycler {
    lt_jv_list *items;
    int64_t position;
};

struct lt_jv_joiner {
    lt_jv separator;
    bool used;
};

/* ---- making values --------------------------------------------------------------------------------------------- */

static inline lt_jv lt_jv_missing(void)
{
    return (lt_jv){.type = LT_JV_MISSING};
}
static inline lt_jv lt_jv_none(void)
{
    return (lt_jv){.type = LT_JV_NONE};
}
static inline lt_jv lt_jv_bool(bool value)
{
    return (lt_jv){.type = LT_JV_BOOL, .boolean = value};
}
static inline lt_jv lt_jv_int(int64_t value)
{
    return (lt_jv){.type = LT_JV_INT, .integer = value};
}
static inline lt_jv lt_jv_float(double value)
{
    return (lt_jv){.type = LT_JV_FLOAT, .real = value};
}
static inline lt_jv lt_jv_tuple(lt_jv_list *list)
{
    return (lt_jv){.type = LT_JV_TUPLE, .list = list};
}
static inline lt_jv lt_jv_from_list(lt_jv_list *list)
{
    return (lt_jv){.type = LT_JV_LIST, .list = list};
}
static inline lt_jv lt_jv_from_dict(lt_jv_dict *dict)
{
    return (lt_jv){.type = LT_JV_DICT, .dict = dict};
}
static inline lt_jv lt_jv_from_iterator(lt_jv_iterator *it)
{
    return (lt_jv){.type = LT_JV_ITERATOR, .iterator = it};
}

/* A string over bytes that outlive the run, or that belong to it. */
lt_jv lt_jv_string(const char *text, size_t size);
lt_jv lt_jv_string_z(const char *text);
/* A part of a string, sharing its bytes and flags. */
lt_jv lt_jv_part(lt_jv string, size_t begin, size_t end);
lt_jv lt_jv_undefined_new(lt_jrun *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

lt_jv_list *lt_jv_list_new(lt_jrun *run, int64_t capacity);
void lt_jv_list_add(lt_jrun *run, lt_jv_list *list, lt_jv item);
lt_jv lt_jv_pair(lt_jrun *run, lt_jv first, lt_jv second); /* a tuple of two */

/* Conversion of JSON; the strings are borrowed. */
lt_jv lt_jv_from_json(lt_jrun *run, const json_t *json);

/* ---- asking about values --------------------------------------------------------------------------------------- */

static inline bool lt_jv_is_number(lt_jv v)
{
    return v.type == LT_JV_BOOL || v.type == LT_JV_INT || v.type == LT_JV_FLOAT;
}
static inline bool lt_jv_is_integral(lt_jv v)
{
    return v.type == LT_JV_BOOL || v.type == LT_JV_INT;
}
static inline int64_t lt_jv_integral(lt_jv v)
{
    return v.type == LT_JV_BOOL ? v.boolean : v.integer;
}
static inline bool lt_jv_is_text(lt_jv v, const char *text, size_t size);

const char *lt_jv_type_name(lt_jv value); /* as Python calls it: 'int', 'str', 'NoneType' … */
bool lt_jv_truth(lt_jrun *run, lt_jv value);
bool lt_jv_callable(lt_jv value);

/* len(value), or -1 when it has none. */
int64_t lt_jv_length(lt_jv value);

/* value as an index; raises "what must be an integer". */
int64_t lt_jv_to_int(lt_jrun *run, lt_jv value, const char *what);

/* ---- dictionaries ---------------------------------------------------------------------------------------------- */

lt_jv_dict *lt_jv_dict_new(lt_jrun *run);
/* Sets a key (raises when it is not hashable); an existing key keeps its place. */
void lt_jv_dict_set(lt_jrun *run, lt_jv_dict *dict, lt_jv key, lt_jv value);
/* The value of a key, or NULL. Raises when the key is not hashable. */
lt_jv *lt_jv_dict_get(lt_jrun *run, lt_jv_dict *dict, lt_jv key);
lt_jv *lt_jv_dict_get_z(lt_jrun *run, lt_jv_dict *dict, const char *key);
bool lt_jv_hashable(lt_jv value);

/* Marks a string of the context as an integer beyond 64 bits; made by lt_jinja_parse_json alone. */
#define LT_JINJA_BIG_INTEGER "\0integer:"

/* ---- comparing ------------------------------------------------------------------------------------------------- */

bool lt_jv_equal(lt_jrun *run, lt_jv a, lt_jv b);               /* a == b */
bool lt_jv_same(lt_jv a, lt_jv b);                              /* a is b */
bool lt_jv_less(lt_jrun *run, lt_jv a, lt_jv b);                /* a < b; raises when they have no order */
int lt_jv_compare_numbers(lt_jv a, lt_jv b);                    /* -1, 0, 1, or 2 when one is NaN */
bool lt_jv_contains(lt_jrun *run, lt_jv container, lt_jv item); /* item in container */
uint64_t lt_jv_hash(lt_jrun *run, lt_jv value); /* equal values have equal hashes; raises when not hashable */

/* Sorts by key, stable; keys[i] belongs to items[i]. */
void lt_jv_sort(lt_jrun *run, lt_jv *items, lt_jv *keys, int64_t count, bool reverse);

/* ---- iterating ------------------------------------------------------------------------------------------------- */

/* An iterator over the value's items; NULL when it cannot be iterated. lt_jinja_iterate raises instead. */
lt_jv_iterator *lt_jinja_try_iterate(lt_jrun *run, lt_jv value);
lt_jv_iterator *lt_jinja_iterate(lt_jrun *run, lt_jv value);
/* Charged: every step of an iteration is paid. */
bool lt_jinja_next(lt_jrun *run, lt_jv_iterator *iterator, lt_jv *item);
lt_jv_list *lt_jinja_to_list(lt_jrun *run, lt_jv value);
lt_jv_iterator *lt_jinja_reversed(lt_jrun *run, lt_jv value); /* NULL when it cannot be reversed */
/* The i-th item of a range or a list-like value. */
static inline lt_jv lt_jv_range_item(const lt_jv_range *range, int64_t i)
{
    return lt_jv_int(range->start + i * range->step);
}

/* ---- printing -------------------------------------------------------------------------------------------------- */

/* A text in the run's memory that grows. */
typedef struct lt_jtext {
    char *data;
    int64_t size, capacity;
} lt_jtext;

void lt_jtext_add(lt_jrun *run, lt_jtext *text, const char *data, size_t size);
void lt_jtext_add_z(lt_jrun *run, lt_jtext *text, const char *data);
void lt_jtext_add_char(lt_jrun *run, lt_jtext *text, uint32_t code_point);
void lt_jtext_fill(lt_jrun *run, lt_jtext *text, lt_jv filler, int64_t count);
void lt_jtext_printf(lt_jrun *run, lt_jtext *text, const char *format, ...) __attribute__((format(printf, 3, 4)));
lt_jv lt_jtext_value(const lt_jtext *text);

lt_jv lt_jv_str(lt_jrun *run, lt_jv value);    /* str(value); never Markup */
lt_jv lt_jv_repr(lt_jrun *run, lt_jv value);   /* repr(value) */
lt_jv lt_jv_escape(lt_jrun *run, lt_jv value); /* markupsafe.escape: HTML characters replaced, result is Markup */
/* repr of a float: the shortest digits that read back as the same number. out has at least 32 bytes. */
void lt_jv_format_float(double value, char *out);
/* A value for a message: its repr, cut to about 60 bytes. */
const char *lt_jv_brief(lt_jrun *run, lt_jv value);

static inline bool lt_jv_is_text(lt_jv v, const char *text, size_t size)
{
    return v.type == LT_JV_STRING && v.size == size && __builtin_memcmp(v.text, text, size) == 0;
}

#endif
