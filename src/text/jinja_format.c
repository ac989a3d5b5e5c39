/* How one value is written by a format, and str.format. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_format.h"
#include "text/jinja_string.h"

/* ---- numbers --------------------------------------------------------------------------------------------------- */

/* Whole-number digits in a base, without sign. */
void lt_jformat_digits(int64_t value, int base, bool upper, char *out)
{
    char reversed[80];
    int n = 0;
    uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        reversed[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % (unsigned)base];
        v /= (unsigned)base;
    } while (v);
    while (n)
        *out++ = reversed[--n];
    *out = '\0';
}

/* Adds a number made of sign, prefix and digits, grouped and padded. */
void lt_jformat_number(lt_jrun *run, lt_jtext *text, const lt_jformat *s, bool negative, const char *prefix,
                       const char *digits)
{
    lt_jtext body = {0};
    char sign[2] = {negative ? '-' : s->sign, '\0'};
    size_t whole = strspn(digits, "0123456789abcdefABCDEF");
    if (s->group) {
        size_t step = s->type == 'x' || s->type == 'X' || s->type == 'o' || s->type == 'b' ? 4 : 3;
        whole = step == 4 ? whole : strspn(digits, "0123456789");
        for (size_t i = 0; i < whole; i++) {
            if (i && (whole - i) % step == 0)
                lt_jtext_add(run, &body, &s->group, 1);
            lt_jtext_add(run, &body, digits + i, 1);
        }
        lt_jtext_add_z(run, &body, digits + whole);
    } else {
        lt_jtext_add_z(run, &body, digits);
    }
    int64_t missing = s->width - body.size - (int64_t)strlen(sign) - (int64_t)strlen(prefix);
    char align = s->align ? s->align : s->zero ? '=' : '>';
    lt_jv fill = lt_jv_string_z(*s->fill ? s->fill : s->zero ? "0" : " ");
    missing = missing > 0 ? missing : 0;
    if (align == '>')
        lt_jtext_fill(run, text, fill, missing);
    else if (align == '^')
        lt_jtext_fill(run, text, fill, missing / 2);
    lt_jtext_add_z(run, text, sign);
    lt_jtext_add_z(run, text, prefix);
    if (align == '=')
        lt_jtext_fill(run, text, fill, missing);
    lt_jtext_add(run, text, body.data, (size_t)body.size);
    if (align == '<')
        lt_jtext_fill(run, text, fill, missing);
    else if (align == '^')
        lt_jtext_fill(run, text, fill, missing - missing / 2);
}

void lt_jformat_integer(lt_jrun *run, lt_jtext *text, const lt_jformat *s, int64_t value)
{
    char digits[80];
    int base = s->type == 'x' || s->type == 'X' ? 16 : s->type == 'o' ? 8 : s->type == 'b' ? 2 : 10;
    char prefix[3] = {'0', s->type, '\0'};
    lt_jformat_digits(value, base, s->type == 'X', digits);
    lt_jformat_number(run, text, s, value < 0, s->alternate && base != 10 ? prefix : "", digits);
}

void lt_jformat_float(lt_jrun *run, lt_jtext *text, const lt_jformat *s, double value)
{
    char digits[700], format[16];
    char type = s->type == '%' ? 'f' : s->type;
    double magnitude = fabs(s->type == '%' ? value * 100 : value);
    if (!isfinite(value)) {
        strcpy(digits, isnan(value) ? "nan" : "inf");
    } else if (type == 0 && s->precision < 0) {
        lt_jv_format_float(magnitude, digits);
    } else {
        int precision = s->precision < 0 ? 6 : s->precision;
        /* Without a type a precision means 'g' that keeps one digit after the point. */
        snprintf(format, sizeof format, "%%%s.*%c", s->alternate ? "#" : "", type ? type : 'g');
        snprintf(digits, sizeof digits - 4, format, precision, magnitude);
        if (type == 0 && !strpbrk(digits, ".e"))
            strcat(digits, ".0");
    }
    if (isupper((unsigned char)type))
        for (char *p = digits; *p; p++)
            *p = (char)toupper((unsigned char)*p);
    if (s->type == '%')
        strcat(digits, "%");
    lt_jformat_number(run, text, s, signbit(value) && !isnan(value), "", digits);
}

void lt_jformat_string(lt_jrun *run, lt_jtext *text, const lt_jformat *s, lt_jv v)
{
    if (s->precision >= 0)
        v = lt_jinja_slice(run, v, lt_jv_missing(), lt_jv_int(s->precision), lt_jv_missing());
    lt_jstr_place place = s->align == '>' ? LT_JSTR_RIGHT : s->align == '^' ? LT_JSTR_CENTER : LT_JSTR_LEFT;
    int64_t missing = s->width - lt_jv_length(v), before = place == LT_JSTR_RIGHT ? missing : 0;
    if (place == LT_JSTR_CENTER && missing > 0)
        before = missing / 2;
    lt_jv fill = lt_jv_string_z(*s->fill ? s->fill : " ");
    lt_jtext_fill(run, text, fill, before);
    lt_jtext_add(run, text, v.text, v.size);
    lt_jtext_fill(run, text, fill, missing - (before > 0 ? before : 0));
}

/* Digits at *at, or `absent`. */
int64_t lt_jformat_read_digits(lt_jrun *run, lt_jv s, size_t *at, int64_t absent)
{
    int64_t value = absent;
    while (*at < s.size && s.text[*at] >= '0' && s.text[*at] <= '9') {
        value = (value < 0 ? 0 : value) * 10 + (s.text[(*at)++] - '0');
        if (value > 100 * 1000 * 1000)
            lt_jinja_raise(run, "a width or precision in a format is too large");
    }
    return value;
}

int lt_jformat_check_precision(lt_jrun *run, int64_t precision)
{
    if (precision > LT_JFORMAT_MAX_PRECISION)
        lt_jinja_raise(run, "a precision in a format is above %d", LT_JFORMAT_MAX_PRECISION);
    return (int)precision;
}

double lt_jformat_to_float(lt_jrun *run, lt_jv v)
{
    if (!lt_jv_is_number(v))
        lt_jinja_raise(run, "must be real number, not %s", lt_jv_type_name(v));
    return v.type == LT_JV_FLOAT ? v.real : (double)lt_jv_integral(v);
}

lt_jv lt_jformat_character(lt_jrun *run, int64_t code_point)
{
    lt_jtext one = {0};
    if (code_point < 0 || code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000))
        lt_jinja_raise(run, "%lld is not the number of a character", (long long)code_point);
    lt_jtext_add_char(run, &one, (uint32_t)code_point);
    return lt_jtext_value(&one);
}

/* ---- str.format ------------------------------------------------------------------------------------------------ */

typedef struct formatter {
    lt_jrun *run;
    const lt_jargs *args;
    int64_t next; /* automatic numbering */
    bool automatic, manual;
    bool markup;
} formatter;

static lt_jv argument(formatter *f, lt_jv name)
{
    int64_t index;
    if (name.size == 0) {
        f->automatic = true;
        index = f->next++;
    } else if (lt_jinja_parse_int(f->run, name, 10, &index) && *name.text >= '0' && *name.text <= '9') {
        f->manual = true;
    } else {
        for (int64_t i = 0; i < f->args->keyword_count; i++)
            if (lt_jv_is_text(f->args->keywords[i].name, name.text, name.size))
                return f->args->keywords[i].value;
        lt_jinja_raise(f->run, "format has no argument named %s", lt_jv_brief(f->run, name));
    }
    if (f->automatic && f->manual)
        lt_jinja_raise(f->run, "format: automatic and manual field numbering cannot be mixed");
    if (index >= f->args->count)
        lt_jinja_raise(f->run, "format: argument %lld is out of range", (long long)index);
    return f->args->positional[index];
}

/* name, name.attribute, name[item] … */
static lt_jv field_value(formatter *f, lt_jv field)
{
    size_t at = 0;
    while (at < field.size && field.text[at] != '.' && field.text[at] != '[')
        at++;
    lt_jv value = argument(f, lt_jv_part(field, 0, at));
    while (at < field.size) {
        bool item = field.text[at] == '[';
        size_t begin = ++at;
        while (at < field.size && (item ? field.text[at] != ']' : field.text[at] != '.' && field.text[at] != '['))
            at++;
        lt_jv name = lt_jv_part(field, begin, at);
        int64_t index;
        if (name.size == 0 || (item && at >= field.size))
            lt_jinja_raise(f->run, "format: empty attribute or missing ']'");
        at += item;
        if (item && at < field.size && field.text[at] != '.' && field.text[at] != '[')
            lt_jinja_raise(f->run, "format: only '.' or '[' may follow ']'");
        if (!item) {
            char *z = lt_jinja_alloc(f->run, name.size + 1);
            memcpy(z, name.text, name.size);
            z[name.size] = '\0';
            value = lt_jinja_get_attribute(f->run, value, z);
        } else if (*name.text >= '0' && *name.text <= '9' && lt_jinja_parse_int(f->run, name, 10, &index)) {
            value = lt_jinja_get_item(f->run, value, lt_jv_int(index));
        } else {
            value = lt_jinja_get_item(f->run, value, name);
        }
    }
    return value;
}

static bool is_align(char c)
{
    return c == '<' || c == '>' || c == '=' || c == '^';
}

/* [[fill]align][sign][#][0][width][grouping][.precision][type] */
static lt_jformat read_spec(lt_jrun *run, lt_jv text)
{
    lt_jformat s = {.precision = -1};
    size_t at = 0, first = 0;
    if (text.size)
        lt_jstr_next(text, &first);
    if (first && first < text.size && is_align(text.text[first])) {
        memcpy(s.fill, text.text, first);
        s.align = text.text[first];
        at = first + 1;
    } else if (text.size && is_align(*text.text)) {
        s.align = text.text[at++];
    }
    if (at < text.size && (text.text[at] == '+' || text.text[at] == '-' || text.text[at] == ' ')) {
        s.sign = text.text[at] == '-' ? '\0' : text.text[at];
        at++;
    }
    if (at < text.size && text.text[at] == '#') {
        s.alternate = true;
        at++;
    }
    if (at < text.size && text.text[at] == '0') {
        s.zero = true;
        at++;
    }
    s.width = lt_jformat_read_digits(run, text, &at, 0);
    if (at < text.size && (text.text[at] == ',' || text.text[at] == '_'))
        s.group = text.text[at++];
    if (at < text.size && text.text[at] == '.') {
        at++;
        int64_t precision = lt_jformat_read_digits(run, text, &at, -1);
        if (precision < 0)
            lt_jinja_raise(run, "format specifier missing precision");
        s.precision = (int)precision;
    }
    if (at < text.size)
        s.type = text.text[at++];
    if (at < text.size)
        lt_jinja_raise(run, "invalid format specifier %s", lt_jv_brief(run, text));
    return s;
}

static void format_value(formatter *f, lt_jtext *text, lt_jv value, lt_jv spec_text)
{
    lt_jrun *run = f->run;
    lt_jformat s = read_spec(run, spec_text);
    if (value.type == LT_JV_STRING || (value.type == LT_JV_BOOL && spec_text.size == 0)) {
        if ((s.type && s.type != 's') || s.sign || s.group || s.alternate || s.align == '=')
            lt_jinja_raise(run, "invalid format specifier %s for a string", lt_jv_brief(run, spec_text));
        if (s.zero && !s.align) /* pads with zeros on the right */
            s.fill[0] = *s.fill ? *s.fill : '0';
        lt_jv string = f->markup ? lt_jv_escape(run, value) : lt_jv_str(run, value);
        lt_jformat_string(run, text, &s, string);
        return;
    }
    bool floating = s.type && strchr("eEfFgG%", s.type);
    if (lt_jv_is_number(value) && (floating || (value.type == LT_JV_FLOAT && !s.type))) {
        s.precision = s.precision < 0 ? -1 : lt_jformat_check_precision(run, s.precision);
        if (s.type == '%' && !isfinite(lt_jformat_to_float(run, value) * 100))
            lt_jinja_raise(run, "format: the number is too large");
        lt_jformat_float(run, text, &s, lt_jformat_to_float(run, value));
        return;
    }
    if (lt_jv_is_integral(value) && (!s.type || strchr("dboxXn", s.type)) && s.precision < 0) {
        lt_jformat_integer(run, text, &s, lt_jv_integral(value));
        return;
    }
    if (lt_jv_is_integral(value) && s.type == 'c') {
        s.type = '\0';
        s.align = s.align ? s.align : '>';
        lt_jformat_string(run, text, &s, lt_jformat_character(run, lt_jv_integral(value)));
        return;
    }
    if (spec_text.size || lt_jv_is_number(value))
        lt_jinja_raise(run, "invalid format specifier %s for '%s'", lt_jv_brief(run, spec_text),
                       lt_jv_type_name(value));
    lt_jv string = f->markup ? lt_jv_escape(run, value) : lt_jv_str(run, value);
    lt_jtext_add(run, text, string.text, string.size);
}

static lt_jv format_text(formatter *f, lt_jv format, int nesting);

/* One {field!conversion:spec}; at is behind the '{'. */
static void replacement_field(formatter *f, lt_jtext *text, lt_jv format, size_t *at, int nesting)
{
    size_t begin = *at, end = begin;
    int open = 1, brackets = 0;
    size_t conversion = 0, colon = 0;
    for (; end < format.size; end++) {
        char c = format.text[end];
        if (c == '[' && !colon)
            brackets = 1;
        else if (c == ']' && !colon)
            brackets = 0;
        if (brackets)
            continue;
        if (c == '{')
            open++;
        else if (c == '}' && --open == 0)
            break;
        else if (c == ':' && !colon)
            colon = end;
        else if (c == '!' && !colon && !conversion)
            conversion = end;
    }
    if (end >= format.size)
        lt_jinja_raise(f->run, "format: expected '}' before end of string");
    size_t name_end = conversion ? conversion : colon ? colon : end;
    lt_jv value = field_value(f, lt_jv_part(format, begin, name_end));
    if (conversion) {
        char how = conversion + 1 < end ? format.text[conversion + 1] : '\0';
        if (how == '\0' || !strchr("rsa", how) || conversion + 2 != (colon ? colon : end))
            lt_jinja_raise(f->run, "format: unknown conversion");
        value = how == 's' ? lt_jv_str(f->run, value) : lt_jv_repr(f->run, value);
    }
    lt_jv spec_text = colon ? lt_jv_part(format, colon + 1, end) : lt_jv_part(format, 0, 0);
    if (spec_text.size && memchr(spec_text.text, '{', spec_text.size)) {
        if (nesting >= 2)
            lt_jinja_raise(f->run, "format: fields are nested too deep");
        spec_text = format_text(f, spec_text, nesting + 1);
    }
    format_value(f, text, value, spec_text);
    *at = end + 1;
}

static lt_jv format_text(formatter *f, lt_jv format, int nesting)
{
    lt_jtext text = {0};
    for (size_t at = 0; at < format.size;) {
        size_t plain = at;
        while (at < format.size && format.text[at] != '{' && format.text[at] != '}')
            at++;
        lt_jtext_add(f->run, &text, format.text + plain, at - plain);
        if (at >= format.size)
            break;
        char c = format.text[at++];
        if (at < format.size && format.text[at] == c) {
            lt_jtext_add(f->run, &text, &c, 1);
            at++;
        } else if (c == '}') {
            lt_jinja_raise(f->run, "format: single '}' in format string");
        } else {
            lt_jinja_charge(f->run, 1);
            replacement_field(f, &text, format, &at, nesting);
        }
    }
    return lt_jtext_value(&text);
}

lt_jv lt_jinja_str_format(lt_jrun *run, lt_jv format, const lt_jargs *args)
{
    formatter f = {.run = run, .args = args, .markup = format.markup};
    lt_jv result = format_text(&f, format, 1);
    result.markup = format.markup;
    return result;
}
