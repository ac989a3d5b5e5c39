/* Filters on single values: default, conversions, numbers, escaping, JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_string.h"

static bool given(lt_jv v)
{
    return v.type != LT_JV_MISSING;
}

static bool flag(lt_jrun *run, lt_jv v)
{
    return given(v) && lt_jv_truth(run, v);
}

static lt_jv filter_default(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    if (value.type == LT_JV_UNDEFINED || (flag(run, a[1]) && !lt_jv_truth(run, value)))
        return given(a[0]) ? a[0] : lt_jv_string("", 0);
    return value;
}

static lt_jv filter_string(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    return value.type == LT_JV_STRING ? value : lt_jv_str(run, value);
}

static lt_jv filter_length(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    if (value.type == LT_JV_LOOP)
        return lt_jinja_loop_attribute(run, value.loop, "length", 6);
    int64_t length = lt_jv_length(value);
    lt_jinja_charge(run, length / 64);
    if (length < 0)
        lt_jinja_raise(run, "object of type '%s' has no length", lt_jv_type_name(value));
    return lt_jv_int(length);
}

static void refuse_undefined(lt_jrun *run, lt_jv value)
{
    if (value.type == LT_JV_UNDEFINED)
        lt_jinja_raise(run, "%s", value.undefined->message);
}

static lt_jv float_to_int(lt_jrun *run, double value)
{
    if (!(fabs(value) < 9223372036854775808.0))
        lt_jinja_raise(run, "the number does not fit in 64 bits");
    return lt_jv_int((int64_t)value);
}

static lt_jv filter_int(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    int64_t integer;
    double real;
    lt_jv fallback = given(a[0]) ? a[0] : lt_jv_int(0);
    int64_t base = given(a[1]) ? lt_jv_to_int(run, a[1], "a base") : 10;
    refuse_undefined(run, value);
    if (lt_jv_is_integral(value))
        return lt_jv_int(lt_jv_integral(value));
    if (value.type == LT_JV_FLOAT)
        return isnan(value.real) ? fallback : float_to_int(run, value.real);
    if (value.type != LT_JV_STRING)
        return fallback;
    if (lt_jinja_parse_int(run, value, (int)(base < -1 || base > 99 ? 99 : base), &integer))
        return lt_jv_int(integer);
    if (lt_jinja_parse_float(value, &real) && isfinite(real)) /* "42.23" gives 42 */
        return float_to_int(run, real);
    return fallback;
}

static lt_jv filter_float(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    double real;
    refuse_undefined(run, value);
    if (value.type == LT_JV_FLOAT)
        return value;
    if (lt_jv_is_integral(value))
        return lt_jv_float((double)lt_jv_integral(value));
    if (value.type == LT_JV_STRING && lt_jinja_parse_float(value, &real))
        return lt_jv_float(real);
    return given(a[0]) ? a[0] : lt_jv_float(0);
}

static lt_jv filter_abs(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    if (!lt_jv_is_number(value))
        lt_jinja_raise(run, "bad operand type for abs(): '%s'", lt_jv_type_name(value));
    if (value.type == LT_JV_FLOAT)
        return lt_jv_float(fabs(value.real));
    return lt_jv_integral(value) < 0 ? lt_jinja_negate(run, value, true) : lt_jv_int(lt_jv_integral(value));
}

/* ---- rounding -------------------------------------------------------------------------------------------------- */

/* Half to even on the exact decimal value, as Python: the C library's printf rounds the same way. */
static double round_float(double value, int64_t digits)
{
    char text[400];
    if (!isfinite(value) || digits > 300)
        return value;
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, value);
        return strtod(text, NULL);
    }
    if (digits < -308)
        return copysign(0, value);
    snprintf(text, sizeof text, "%.20e", value);
    int exponent = atoi(strchr(text, 'e') + 1), kept = exponent + (int)digits;
    if (kept < -1)
        return copysign(0, value);
    if (kept == -1) { /* either 0 or one unit of the last place kept */
        double unit = pow(10, (double)-digits);
        return fabs(value) > unit / 2 ? copysign(unit, value) : copysign(0, value);
    }
    snprintf(text, sizeof text, "%.*e", kept, value);
    return strtod(text, NULL);
}

static int64_t round_integer(lt_jrun *run, int64_t value, int64_t digits)
{
    if (digits >= 0)
        return value;
    if (digits < -18)
        return 0;
    int64_t unit = 1;
    for (int64_t i = 0; i < -digits; i++)
        unit *= 10;
    int64_t rest = value % unit, base = value - rest;
    int64_t twice = 2 * (rest < 0 ? -rest : rest);
    if (rest != 0 && (twice > unit || (twice == unit && base / unit % 2 != 0)) &&
        __builtin_add_overflow(base, rest < 0 ? -unit : unit, &base))
        lt_jinja_raise(run, "the number does not fit in 64 bits");
    return base;
}

static lt_jv filter_round(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    int64_t digits = given(a[0]) ? lt_jv_to_int(run, a[0], "the precision of round") : 0;
    bool common = !given(a[1]) || lt_jv_is_text(a[1], "common", 6), up = given(a[1]) && lt_jv_is_text(a[1], "ceil", 4);
    if (!common && !up && !lt_jv_is_text(a[1], "floor", 5))
        lt_jinja_raise(run, "the method of round must be common, ceil or floor");
    refuse_undefined(run, value);
    if (!lt_jv_is_number(value))
        lt_jinja_raise(run, "type %s cannot be rounded", lt_jv_type_name(value));
    if (common && value.type == LT_JV_FLOAT)
        return lt_jv_float(round_float(value.real, digits));
    if (common)
        return lt_jv_int(round_integer(run, lt_jv_integral(value), digits));
    lt_jv power = lt_jinja_arithmetic(run, LT_JN_POWER, lt_jv_int(10), lt_jv_int(digits));
    lt_jv scaled = lt_jinja_arithmetic(run, LT_JN_MULTIPLY, value, power);
    if (scaled.type == LT_JV_FLOAT)
        scaled = float_to_int(run, up ? ceil(scaled.real) : floor(scaled.real));
    return lt_jinja_arithmetic(run, LT_JN_DIVIDE, scaled, power);
}

/* ---- HTML and JSON --------------------------------------------------------------------------------------------- */

static lt_jv filter_escape(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return (void)a, lt_jv_escape(run, value);
}

static lt_jv filter_forceescape(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return (void)a, lt_jv_escape(run, lt_jv_str(run, value));
}

static lt_jv filter_safe(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    value = lt_jv_str(run, value);
    value.markup = true;
    return value;
}

static lt_jv filter_attr(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    lt_jv name = lt_jstr_check(run, a[0], "the name of an attribute");
    refuse_undefined(run, value);
    lt_jv found = lt_jinja_find_attribute(run, value, name.text, name.size);
    if (found.type != LT_JV_MISSING)
        return found;
    return lt_jv_undefined_new(run, "'%s object' has no attribute '%.*s'", lt_jv_type_name(value),
                               (int)(name.size < 60 ? name.size : 60), name.text);
}

static lt_jv filter_filesizeformat(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    static const char *const DECIMAL[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
    static const char *const BINARY[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
    bool binary = flag(run, a[0]);
    double bytes, base = binary ? 1024 : 1000, unit = base;
    lt_jv number = filter_float(run, value, (lt_jv[]){lt_jv_none()});
    lt_jtext text = {0};
    if (number.type != LT_JV_FLOAT)
        lt_jinja_raise(run, "filesizeformat expects a number, got %s", lt_jv_type_name(value));
    bytes = number.real;
    if (bytes == 1) {
        lt_jtext_add_z(run, &text, "1 Byte");
    } else if (bytes < base) {
        lt_jtext_printf(run, &text, "%lld Bytes", (long long)float_to_int(run, bytes).integer);
    } else {
        int i = 0;
        for (unit = base * base; i < 7 && bytes >= unit; i++)
            unit *= base;
        lt_jtext_printf(run, &text, "%.1f %s", base * bytes / unit, (binary ? BINARY : DECIMAL)[i]);
    }
    return lt_jtext_value(&text);
}

const lt_jfilter lt_jinja_value_filters[] = {
    {"default", "default_value boolean", 0, filter_default, NULL},
    {"d", "default_value boolean", 0, filter_default, NULL},
    {"string", "", 0, filter_string, NULL},
    {"length", "/", 0, filter_length, NULL},
    {"count", "/", 0, filter_length, NULL},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, lt_jinja_tojson, NULL},
    {"int", "default base", 0, filter_int, NULL},
    {"float", "default", 0, filter_float, NULL},
    {"abs", "/", 0, filter_abs, NULL},
    {"round", "precision method", 0, filter_round, NULL},
    {"safe", "", 0, filter_safe, NULL},
    {"escape", "/", 0, filter_escape, NULL},
    {"e", "/", 0, filter_escape, NULL},
    {"forceescape", "", 0, filter_forceescape, NULL},
    {"attr", "name", 1, filter_attr, NULL},
    {"filesizeformat", "binary", 0, filter_filesizeformat, NULL},
    {0},
};
