/* Numbers from text, as float() and int() read them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text/jinja_builtin.h"
#include "text/jinja_string.h"

/* Copies the text without whitespace at the ends and without the underscores between digits, every decimal digit as
 * ASCII. NULL when it is not such a text, or is longer than any number need be. */
static char *clean(lt_jv text, char *out, size_t capacity)
{
    size_t n = 0, begin = 0, end = text.size;
    while (begin < end) {
        size_t at = begin;
        if (!lt_juni_is_space(lt_jstr_next(text, &at)))
            break;
        begin = at;
    }
    for (size_t at = begin, trailing = begin; at < end;) {
        bool space = lt_juni_is_space(lt_jstr_next(text, &at));
        trailing = space ? trailing : at;
        if (at >= end)
            end = trailing;
    }
    for (size_t at = begin; at < end;) {
        uint32_t c = lt_jstr_next(text, &at);
        int digit = lt_juni_decimal_value(c);
        if (n + 1 >= capacity || (digit < 0 && c >= 0x80))
            return NULL;
        out[n++] = digit >= 0 ? (char)('0' + digit) : (char)c;
    }
    out[n] = '\0';
    return n ? out : NULL;
}

static bool is_digit_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Removes single underscores between digits; false when one is elsewhere. */
static bool remove_underscores(char *s)
{
    char *to = s;
    for (const char *from = s; *from; from++) {
        if (*from == '_') {
            if (from == s || !is_digit_char(from[-1]) || !is_digit_char(from[1]))
                return false;
            continue;
        }
        *to++ = *from;
    }
    *to = '\0';
    return true;
}

bool lt_jinja_parse_float(lt_jv text, double *out)
{
    char buffer[1024];
    char *s = clean(text, buffer, sizeof buffer);
    if (!s || !remove_underscores(s))
        return false;
    const char *body = s + (*s == '+' || *s == '-');
    if (strcasecmp(body, "inf") == 0 || strcasecmp(body, "infinity") == 0) {
        *out = *s == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (strcasecmp(body, "nan") == 0) {
        *out = NAN;
        return true;
    }
    if (strspn(body, "0123456789.eE+-") != strlen(body))
        return false; /* strtod would take hexadecimal */
    char *end;
    *out = strtod(s, &end);
    return *end == '\0' && end != s;
}

bool lt_jinja_parse_int(lt_jrun *run, lt_jv text, int base, int64_t *out)
{
    char buffer[1024];
    char *s = clean(text, buffer, sizeof buffer);
    if (base != 0 && (base < 2 || base > 36))
        lt_jinja_raise(run, "an integer's base must be 2 to 36, or 0");
    if (!s)
        return false;
    bool negative = *s == '-';
    s += *s == '+' || *s == '-';
    char mark = s[0] == '0' && s[1] ? (char)(s[1] | 0x20) : '\0';
    int prefixed = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (prefixed && (base == 0 || base == prefixed)) {
        s += 2 + (s[2] == '_');
        base = prefixed;
    } else if (base == 0) {
        if (*s == '0' && strspn(s, "0_") != strlen(s))
            return false;
        base = 10;
    }
    if (!remove_underscores(s) || !*s)
        return false;
    int64_t value = 0;
    for (; *s; s++) {
        int digit = *s >= '0' && *s <= '9' ? *s - '0' : is_digit_char(*s) ? (*s | 0x20) - 'a' + 10 : 99;
        if (digit >= base)
            return false;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            lt_jinja_raise(run, "the integer %s does not fit in 64 bits", lt_jv_brief(run, text));
    }
    *out = value;
    return true;
}
