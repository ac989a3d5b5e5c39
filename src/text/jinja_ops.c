/* Arithmetic, as Python does it; integers are 64 bits wide and an overflow is an error. */
#include <math.h>
#include <string.h>

#include "text/jinja_builtin.h"

const char *lt_jinja_operator_text(lt_jnode_kind kind)
{
    switch (kind) {
    case LT_JN_ADD:
        return "+";
    case LT_JN_SUBTRACT:
        return "-";
    case LT_JN_MULTIPLY:
        return "*";
    case LT_JN_DIVIDE:
        return "/";
    case LT_JN_FLOOR_DIVIDE:
        return "//";
    case LT_JN_MODULO:
        return "%";
    default:
        return "**";
    }
}

static _Noreturn void overflow(lt_jrun *run, lt_jnode_kind kind)
{
    lt_jinja_raise(run, "the result of %s does not fit in 64 bits", lt_jinja_operator_text(kind));
}

static _Noreturn void divided_by_zero(lt_jrun *run)
{
    lt_jinja_raise(run, "division by zero");
}

static double to_float(lt_jv v)
{
    return v.type == LT_JV_FLOAT ? v.real : (double)lt_jv_integral(v);
}

/* Division rounds down, the remainder has the sign of the divisor. */
static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static double float_modulo(double a, double b)
{
    double r = fmod(a, b);
    if (r == 0)
        return copysign(0.0, b);
    return (r < 0) != (b < 0) ? r + b : r;
}

static double float_floor_divide(double a, double b)
{
    double r = fmod(a, b), quotient = (a - r) / b;
    if (r != 0 && (r < 0) != (b < 0))
        quotient -= 1;
    if (quotient == 0)
        return copysign(0.0, a / b);
    double whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

static lt_jv integer_power(lt_jrun *run, int64_t base, int64_t exponent)
{
    if (exponent < 0) {
        if (base == 0)
            lt_jinja_raise(run, "0.0 cannot be raised to a negative power");
        return lt_jv_float(pow((double)base, (double)exponent));
    }
    int64_t result = 1;
    while (exponent > 0) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
            overflow(run, LT_JN_POWER);
        exponent >>= 1;
        if (exponent && __builtin_mul_overflow(base, base, &base))
            overflow(run, LT_JN_POWER);
    }
    return lt_jv_int(result);
}

static lt_jv integer_arithmetic(lt_jrun *run, lt_jnode_kind kind, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool over = false;
    switch (kind) {
    case LT_JN_ADD:
        over = __builtin_add_overflow(a, b, &result);
        break;
    case LT_JN_SUBTRACT:
        over = __builtin_sub_overflow(a, b, &result);
        break;
    case LT_JN_MULTIPLY:
        over = __builtin_mul_overflow(a, b, &result);
        break;
    case LT_JN_DIVIDE:
        if (b == 0)
            divided_by_zero(run);
        /* Long double holds both exactly, so the quotient is rounded like Python's. */
        return lt_jv_float((double)((long double)a / (long double)b));
    case LT_JN_FLOOR_DIVIDE:
    case LT_JN_MODULO:
        if (b == 0)
            divided_by_zero(run);
        if (b == -1) { /* INT64_MIN / -1 traps */
            over = kind == LT_JN_FLOOR_DIVIDE && __builtin_sub_overflow(0, a, &result);
            break;
        }
        result = kind == LT_JN_FLOOR_DIVIDE ? floor_divide(a, b) : a - floor_divide(a, b) * b;
        break;
    default:
        return integer_power(run, a, b);
    }
    if (over)
        overflow(run, kind);
    return lt_jv_int(result);
}

static lt_jv float_power(lt_jrun *run, double a, double b)
{
    if (a == 0 && b < 0)
        lt_jinja_raise(run, "0.0 cannot be raised to a negative power");
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
        lt_jinja_raise(run, "a negative number to a fractional power is complex: not supported");
    double result = pow(a, b);
    if (isinf(result) && isfinite(a) && isfinite(b))
        lt_jinja_raise(run, "the result of ** is too large");
    return lt_jv_float(result);
}

static lt_jv float_arithmetic(lt_jrun *run, lt_jnode_kind kind, double a, double b)
{
    switch (kind) {
    case LT_JN_ADD:
        return lt_jv_float(a + b);
    case LT_JN_SUBTRACT:
        return lt_jv_float(a - b);
    case LT_JN_MULTIPLY:
        return lt_jv_float(a * b);
    case LT_JN_POWER:
        return float_power(run, a, b);
    default:
        break;
    }
    if (b == 0)
        divided_by_zero(run);
    if (kind == LT_JN_DIVIDE)
        return lt_jv_float(a / b);
    return lt_jv_float(kind == LT_JN_MODULO ? float_modulo(a, b) : float_floor_divide(a, b));
}

/* ---- sequences ------------------------------------------------------------------------------------------------- */

static lt_jv concatenate_strings(lt_jrun *run, lt_jv a, lt_jv b)
{
    bool markup = a.markup || b.markup;
    if (markup) {
        a = lt_jv_escape(run, a);
        b = lt_jv_escape(run, b);
    }
    lt_jtext text = {0};
    lt_jtext_add(run, &text, a.text, a.size);
    lt_jtext_add(run, &text, b.text, b.size);
    lt_jv result = lt_jtext_value(&text);
    result.markup = markup;
    return result;
}

static lt_jv concatenate_lists(lt_jrun *run, lt_jv a, lt_jv b)
{
    lt_jv_list *list = lt_jv_list_new(run, a.list->count + b.list->count);
    for (int64_t i = 0; i < a.list->count; i++)
        lt_jv_list_add(run, list, a.list->items[i]);
    for (int64_t i = 0; i < b.list->count; i++)
        lt_jv_list_add(run, list, b.list->items[i]);
    return a.type == LT_JV_LIST ? lt_jv_from_list(list) : lt_jv_tuple(list);
}

static bool is_sequence(lt_jv v)
{
    return v.type == LT_JV_STRING || v.type == LT_JV_LIST || v.type == LT_JV_TUPLE;
}

static lt_jv repeat(lt_jrun *run, lt_jv sequence, int64_t times)
{
    if (sequence.type == LT_JV_STRING) {
        lt_jtext text = {0};
        lt_jtext_fill(run, &text, sequence, times);
        lt_jv result = lt_jtext_value(&text);
        result.markup = sequence.markup;
        return result;
    }
    int64_t count = sequence.list->count;
    if (times > 0 && count > 0 && times > INT64_MAX / 1024 / count)
        lt_jinja_raise_status(run, LT_ERR_MEMORY, "a list grows too long");
    lt_jv_list *list = lt_jv_list_new(run, times > 0 ? times * count : 0);
    for (int64_t i = 0; i < times && count > 0; i++)
        for (int64_t k = 0; k < count; k++)
            lt_jv_list_add(run, list, sequence.list->items[k]);
    return sequence.type == LT_JV_LIST ? lt_jv_from_list(list) : lt_jv_tuple(list);
}

lt_jv lt_jinja_arithmetic(lt_jrun *run, lt_jnode_kind kind, lt_jv a, lt_jv b)
{
    if (kind == LT_JN_MODULO && a.type == LT_JV_STRING)
        return lt_jinja_percent(run, a, b);
    if (lt_jv_is_integral(a) && lt_jv_is_integral(b))
        return integer_arithmetic(run, kind, lt_jv_integral(a), lt_jv_integral(b));
    if (lt_jv_is_number(a) && lt_jv_is_number(b))
        return float_arithmetic(run, kind, to_float(a), to_float(b));
    if (a.type == LT_JV_UNDEFINED || b.type == LT_JV_UNDEFINED)
        lt_jinja_raise(run, "%s", (a.type == LT_JV_UNDEFINED ? a : b).undefined->message);
    if (kind == LT_JN_ADD && a.type == b.type && is_sequence(a))
        return a.type == LT_JV_STRING ? concatenate_strings(run, a, b) : concatenate_lists(run, a, b);
    if (kind == LT_JN_MULTIPLY && is_sequence(a) && lt_jv_is_integral(b))
        return repeat(run, a, lt_jv_integral(b));
    if (kind == LT_JN_MULTIPLY && is_sequence(b) && lt_jv_is_integral(a))
        return repeat(run, b, lt_jv_integral(a));
    lt_jinja_raise(run, "%s is not defined between '%s' and '%s'", lt_jinja_operator_text(kind), lt_jv_type_name(a),
                   lt_jv_type_name(b));
}

lt_jv lt_jinja_negate(lt_jrun *run, lt_jv a, bool minus)
{
    if (a.type == LT_JV_UNDEFINED)
        lt_jinja_raise(run, "%s", a.undefined->message);
    if (!lt_jv_is_number(a))
        lt_jinja_raise(run, "unary %c is not defined for '%s'", minus ? '-' : '+', lt_jv_type_name(a));
    if (a.type == LT_JV_FLOAT)
        return lt_jv_float(minus ? -a.real : a.real);
    if (minus && lt_jv_integral(a) == INT64_MIN)
        overflow(run, LT_JN_SUBTRACT);
    return lt_jv_int(minus ? -lt_jv_integral(a) : lt_jv_integral(a));
}
