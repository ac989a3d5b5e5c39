/* format % values. */
#include <math.h>
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_format.h"

typedef struct percent {
    lt_jrun *run;
    lt_jv format, args;
    int64_t used; /* of the positional values */
    bool named;
    lt_jtext text;
} percent;

static lt_jv next_value(percent *p)
{
    if (p->args.type != LT_JV_TUPLE) {
        if (p->used++)
            lt_jinja_raise(p->run, "not enough arguments for format string");
        return p->args;
    }
    if (p->used >= p->args.list->count)
        lt_jinja_raise(p->run, "not enough arguments for format string");
    return p->args.list->items[p->used++];
}

/* "%(name)…": the value of that name. */
static lt_jv named_value(percent *p, size_t *at)
{
    size_t begin = ++*at;
    int open = 1;
    while (*at < p->format.size && open) {
        open += p->format.text[*at] == '(' ? 1 : p->format.text[*at] == ')' ? -1 : 0;
        ++*at;
    }
    if (open)
        lt_jinja_raise(p->run, "incomplete format key");
    if (p->args.type != LT_JV_DICT)
        lt_jinja_raise(p->run, "format requires a mapping");
    lt_jv key = lt_jv_part(p->format, begin, *at - 1);
    const lt_jv *value = lt_jv_dict_get(p->run, p->args.dict, key);
    if (!value)
        lt_jinja_raise(p->run, "the mapping has no key %s", lt_jv_brief(p->run, key));
    p->named = true;
    return *value;
}

static int64_t star_or_digits(percent *p, size_t *at, int64_t absent)
{
    if (*at < p->format.size && p->format.text[*at] == '*') {
        ++*at;
        return lt_jv_to_int(p->run, next_value(p), "a * in a format");
    }
    return lt_jformat_read_digits(p->run, p->format, at, absent);
}

static void percent_integer(percent *p, lt_jformat *s, lt_jv v)
{
    bool decimal = s->type == 'd' || s->type == 'i' || s->type == 'u';
    if (v.type == LT_JV_FLOAT && decimal) {
        if (!(fabs(v.real) < 9.2e18))
            lt_jinja_raise(p->run, "the number does not fit in 64 bits");
        v = lt_jv_int((int64_t)v.real);
    }
    if (!lt_jv_is_integral(v))
        lt_jinja_raise(p->run, "%%%c format: an integer is required, not %s", s->type, lt_jv_type_name(v));
    s->type = decimal ? 'd' : s->type;
    if (s->precision > 0) { /* at least so many digits */
        char digits[80], padded[LT_JFORMAT_MAX_PRECISION + 80];
        int64_t value = lt_jv_integral(v);
        lt_jformat_digits(value, s->type == 'd' ? 10 : s->type == 'o' ? 8 : 16, s->type == 'X', digits);
        int zeros = s->precision - (int)strlen(digits);
        zeros = zeros > 0 ? zeros : 0;
        memset(padded, '0', (size_t)zeros);
        strcpy(padded + zeros, digits);
        lt_jformat_number(p->run, &p->text, s, value < 0,
                          s->alternate && s->type != 'd' ? (char[]){'0', s->type, 0} : "", padded);
        return;
    }
    lt_jformat_integer(p->run, &p->text, s, lt_jv_integral(v));
}

static void percent_string(percent *p, lt_jformat *s, lt_jv v)
{
    lt_jv text;
    if (s->type == 'c') {
        text = v;
        if (lt_jv_is_integral(v))
            text = lt_jformat_character(p->run, lt_jv_integral(v));
        else if (v.type != LT_JV_STRING || lt_jv_length(v) != 1)
            lt_jinja_raise(p->run, "%%c requires an int or a single character");
    } else {
        text = s->type == 's' ? lt_jv_str(p->run, v) : lt_jv_repr(p->run, v);
        if (p->format.markup && s->type == 's')
            text = lt_jv_escape(p->run, v);
    }
    s->align = s->align == '<' ? '<' : '>';
    s->fill[0] = '\0';
    lt_jformat_string(p->run, &p->text, s, text);
}

/* Flags, width, precision and type of a conversion. */
static lt_jformat read_conversion(percent *p, size_t *at)
{
    lt_jv f = p->format;
    lt_jformat s = {.precision = -1};
    for (; *at < f.size && f.text[*at] && strchr("-+ #0", f.text[*at]); ++*at) {
        char c = f.text[*at];
        if (c == '-')
            s.align = '<';
        else if (c == '0')
            s.zero = true;
        else if (c == '#')
            s.alternate = true;
        else if (s.sign != '+')
            s.sign = c;
    }
    s.width = star_or_digits(p, at, 0);
    if (s.width < 0) {
        s.align = '<';
        s.width = s.width > -100000000 ? -s.width : 100000000;
    }
    if (*at < f.size && f.text[*at] == '.') {
        ++*at;
        int64_t precision = star_or_digits(p, at, 0);
        s.precision = lt_jformat_check_precision(p->run, precision < 0 ? 0 : precision);
    }
    while (*at < f.size && (f.text[*at] == 'h' || f.text[*at] == 'l' || f.text[*at] == 'L'))
        ++*at;
    if (*at >= f.size)
        lt_jinja_raise(p->run, "incomplete format");
    s.type = f.text[(*at)++];
    if (s.type == '\0')
        lt_jinja_raise(p->run, "unsupported format character");
    return s;
}

/* One conversion; at is behind the '%'. */
static void percent_conversion(percent *p, size_t *at)
{
    lt_jv value = lt_jv_missing();
    if (*at < p->format.size && p->format.text[*at] == '(')
        value = named_value(p, at);
    lt_jformat s = read_conversion(p, at);
    if (s.type == '%') {
        lt_jtext_add_z(p->run, &p->text, "%");
        return;
    }
    if (value.type == LT_JV_MISSING)
        value = next_value(p);
    if (strchr("diuoxX", s.type))
        percent_integer(p, &s, value);
    else if (strchr("eEfFgG", s.type))
        lt_jformat_float(p->run, &p->text, &s, lt_jformat_to_float(p->run, value));
    else if (strchr("srac", s.type))
        percent_string(p, &s, value);
    else
        lt_jinja_raise(p->run, "unsupported format character '%c'", s.type);
}

lt_jv lt_jinja_percent(lt_jrun *run, lt_jv format, lt_jv args)
{
    percent p = {.run = run, .format = format, .args = args};
    size_t plain = 0;
    for (size_t at = 0; at < format.size;) {
        if (format.text[at] != '%') {
            at++;
            continue;
        }
        lt_jtext_add(run, &p.text, format.text + plain, at - plain);
        at++;
        lt_jinja_charge(run, 1);
        percent_conversion(&p, &at);
        plain = at;
    }
    lt_jtext_add(run, &p.text, format.text + plain, format.size - plain);
    /* A single value that is a mapping or a sequence may stay unused. */
    bool left = args.type == LT_JV_TUPLE ? p.used < args.list->count
                                         : p.used == 0 && args.type != LT_JV_DICT && args.type != LT_JV_LIST &&
                                               args.type != LT_JV_UNDEFINED && args.type != LT_JV_RANGE;
    if (left && !p.named)
        lt_jinja_raise(run, "not all arguments converted during string formatting");
    lt_jv result = lt_jtext_value(&p.text);
    result.markup = format.markup;
    return result;
}
