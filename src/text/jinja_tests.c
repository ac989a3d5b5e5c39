/* Tests: `value is name(argument)`. */
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_unicode.h"

static bool test_defined(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    return v.type != LT_JV_UNDEFINED;
}

static bool test_undefined(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return !test_defined(run, v, a);
}

static bool test_none(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    return v.type == LT_JV_NONE;
}

static bool test_boolean(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    return v.type == LT_JV_BOOL;
}

static bool test_true(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return test_boolean(run, v, a) && v.boolean;
}

static bool test_false(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return test_boolean(run, v, a) && !v.boolean;
}

static bool test_integer(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    return v.type == LT_JV_INT || v.type == LT_JV_BIGINT;
}

static bool test_float(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    return v.type == LT_JV_FLOAT;
}

static bool test_number(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return lt_jv_is_number(v) || test_integer(run, v, a);
}

static bool test_string(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    return v.type == LT_JV_STRING;
}

static bool test_mapping(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    return v.type == LT_JV_DICT;
}

static bool test_iterable(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)a;
    return v.type == LT_JV_LOOP || lt_jinja_try_iterate(run, v) != NULL;
}

static bool test_sequence(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    switch (v.type) {
    case LT_JV_UNDEFINED:
    case LT_JV_STRING:
    case LT_JV_LIST:
    case LT_JV_TUPLE:
    case LT_JV_DICT:
    case LT_JV_RANGE:
        return true;
    default:
        return false;
    }
}

static bool test_callable(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    return lt_jv_callable(v);
}

static bool test_escaped(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run, (void)a;
    return v.type == LT_JV_STRING && v.markup;
}

static bool test_sameas(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)run;
    return lt_jv_same(v, a[0]);
}

static bool test_in(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return lt_jv_contains(run, a[0], v);
}

/* value % divisor == wanted, with Python's % */
static bool remainder_is(lt_jrun *run, lt_jv v, lt_jv divisor, int64_t wanted)
{
    return lt_jv_equal(run, lt_jinja_arithmetic(run, LT_JN_MODULO, v, divisor), lt_jv_int(wanted));
}

static bool test_odd(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)a;
    return remainder_is(run, v, lt_jv_int(2), 1);
}

static bool test_even(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)a;
    return remainder_is(run, v, lt_jv_int(2), 0);
}

static bool test_divisibleby(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return remainder_is(run, v, a[0], 0);
}

static bool test_eq(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return lt_jv_equal(run, v, a[0]);
}

static bool test_ne(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return !lt_jv_equal(run, v, a[0]);
}

static bool test_lt(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return lt_jv_less(run, v, a[0]);
}

static bool test_gt(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return lt_jv_less(run, a[0], v);
}

static bool test_le(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return lt_jv_less(run, v, a[0]) || lt_jv_equal(run, v, a[0]);
}

static bool test_ge(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    return lt_jv_less(run, a[0], v) || lt_jv_equal(run, v, a[0]);
}

/* At least one cased character, and none of the other case. */
static bool has_case(lt_jrun *run, lt_jv v, bool upper)
{
    lt_jv s = lt_jv_str(run, v);
    bool found = false;
    lt_jinja_charge_bytes(run, (int64_t)s.size);
    for (size_t at = 0; at < s.size;) {
        int size;
        uint32_t c = lt_juni_decode(s.text + at, s.size - at, &size);
        if (lt_juni_is_title(c) || (upper ? lt_juni_is_lower(c) : lt_juni_is_upper(c)))
            return false;
        found |= upper ? lt_juni_is_upper(c) : lt_juni_is_lower(c);
        at += (size_t)size;
    }
    return found;
}

static bool test_lower(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)a;
    return has_case(run, v, false);
}

static bool test_upper(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)a;
    return has_case(run, v, true);
}

static bool test_filter(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)a;
    lt_jv_hash(run, v); /* looked up in a dictionary: raises when it cannot be */
    return v.type == LT_JV_STRING && lt_jinja_find_filter(v.text, v.size);
}

static bool test_test(lt_jrun *run, lt_jv v, const lt_jv *a)
{
    (void)a;
    lt_jv_hash(run, v);
    return v.type == LT_JV_STRING && lt_jinja_find_test(v.text, v.size);
}

static const lt_jtest TESTS[] = {
    {"defined", "", 0, test_defined},   {"undefined", "", 0, test_undefined},
    {"none", "", 0, test_none},         {"string", "", 0, test_string},
    {"mapping", "", 0, test_mapping},   {"iterable", "", 0, test_iterable},
    {"sequence", "", 0, test_sequence}, {"number", "", 0, test_number},
    {"integer", "", 0, test_integer},   {"float", "", 0, test_float},
    {"boolean", "", 0, test_boolean},   {"true", "", 0, test_true},
    {"false", "", 0, test_false},       {"callable", "/", 0, test_callable},
    {"escaped", "", 0, test_escaped},   {"sameas", "other", 1, test_sameas},
    {"in", "seq", 1, test_in},          {"odd", "", 0, test_odd},
    {"even", "", 0, test_even},         {"divisibleby", "num", 1, test_divisibleby},
    {"lower", "", 0, test_lower},       {"upper", "", 0, test_upper},
    {"filter", "", 0, test_filter},     {"test", "", 0, test_test},
    {"==", "/ b", 1, test_eq},          {"eq", "/ b", 1, test_eq},
    {"equalto", "/ b", 1, test_eq},     {"!=", "/ b", 1, test_ne},
    {"ne", "/ b", 1, test_ne},          {"<", "/ b", 1, test_lt},
    {"lt", "/ b", 1, test_lt},          {"lessthan", "/ b", 1, test_lt},
    {">", "/ b", 1, test_gt},           {"gt", "/ b", 1, test_gt},
    {"greaterthan", "/ b", 1, test_gt}, {"<=", "/ b", 1, test_le},
    {"le", "/ b", 1, test_le},          {">=", "/ b", 1, test_ge},
    {"ge", "/ b", 1, test_ge},
};

const lt_jtest *lt_jinja_find_test(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof TESTS / sizeof *TESTS; i++)
        if (strlen(TESTS[i].name) == size && memcmp(TESTS[i].name, name, size) == 0)
            return &TESTS[i];
    return NULL;
}
