/* The lexer. It works in one pass over the source with line ends made "\n" and one newline at the end taken off, as
 * jinja2 does; the whitespace rules are those of trim_blocks and lstrip_blocks:
 *
 *   -  on either side of a tag takes away all whitespace there, newlines too
 *   +  keeps it: before a tag no lstrip, after a tag no trim
 *      without a sign, blanks between the start of a line and a tag {% or {# go, and one newline after %} or #}
 */
#include "text/jinja_lexer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/jinja_unicode.h"

typedef struct lexer {
    lt_jrun *run;
    const char *s;
    size_t n, at;
    lt_jtokens tokens;
    bool line_starting; /* the last thing read ended a line */
    char brackets[LT_JINJA_MAX_NESTING];
    int open;
} lexer;

static lt_jtoken *add(lexer *lx, lt_jtoken_kind kind, size_t begin, size_t end)
{
    lt_jtokens *t = &lx->tokens;
    lt_jinja_charge(lx->run, 1);
    if (t->count == t->capacity)
        t->items = lt_jinja_grow(lx->run, t->items, t->count, &t->capacity, sizeof *t->items);
    t->items[t->count] = (lt_jtoken){kind, lx->run->line, lx->s + begin, end - begin, lt_jv_missing()};
    return &t->items[t->count++];
}

/* Moves to `end`, counting lines. */
static void advance(lexer *lx, size_t end)
{
    for (size_t i = lx->at; i < end; i++)
        lx->run->line += lx->s[i] == '\n';
    if (end > lx->at)
        lx->line_starting = lx->s[end - 1] == '\n';
    lx->at = end;
}

static size_t skip_space(const lexer *lx, size_t at)
{
    while (at < lx->n) {
        int size;
        if (!lt_juni_is_space(lt_juni_decode(lx->s + at, lx->n - at, &size)))
            break;
        at += (size_t)size;
    }
    return at;
}

static bool looking_at(const lexer *lx, size_t at, const char *what)
{
    size_t n = strlen(what);
    return lx->n - at >= n && memcmp(lx->s + at, what, n) == 0;
}

/* The end of a closing tag "%}" or "#}" at `at`, with what it swallows behind it; 0 when there is none. */
static size_t match_close(const lexer *lx, size_t at, const char *close)
{
    if (at < lx->n && lx->s[at] == '-' && looking_at(lx, at + 1, close))
        return skip_space(lx, at + 3);
    if (at < lx->n && lx->s[at] == '+' && looking_at(lx, at + 1, close))
        return at + 3;
    if (looking_at(lx, at, close))
        return at + 2 + (at + 2 < lx->n && lx->s[at + 2] == '\n');
    return 0;
}

/* Matches {%[-+]? raw %} at `at`: the end of it, or 0. trim_blocks does not apply to it. */
static size_t match_raw(const lexer *lx, size_t at)
{
    at += 2;
    if (at < lx->n && (lx->s[at] == '-' || lx->s[at] == '+'))
        at++;
    at = skip_space(lx, at);
    if (!looking_at(lx, at, "raw"))
        return 0;
    at = skip_space(lx, at + 3);
    if (looking_at(lx, at, "-%}"))
        return skip_space(lx, at + 3);
    return looking_at(lx, at, "%}") ? at + 2 : 0;
}

static char sign_at(const lexer *lx, size_t at)
{
    return at < lx->n && (lx->s[at] == '-' || lx->s[at] == '+') ? lx->s[at] : '\0';
}

/* Emits the text before a tag, stripped as the tag's sign asks. */
static void add_data(lexer *lx, size_t begin, size_t end, char sign, bool lstrip)
{
    size_t keep = end;
    if (sign == '-') {
        /* The last position behind which there is only whitespace. */
        size_t at = begin;
        keep = begin;
        while (at < end) {
            int size;
            bool space = lt_juni_is_space(lt_juni_decode(lx->s + at, end - at, &size));
            at += (size_t)size;
            if (!space)
                keep = at;
        }
    } else if (sign != '+' && lstrip) {
        size_t line = end;
        while (line > begin && lx->s[line - 1] != '\n')
            line--;
        if ((line > begin || lx->line_starting) && skip_space(lx, line) >= end)
            keep = line;
    }
    if (keep > begin)
        add(lx, LT_JT_DATA, begin, keep);
    lt_jinja_charge_bytes(lx->run, (int64_t)(end - begin));
    advance(lx, end);
}

static void read_comment(lexer *lx)
{
    for (size_t at = lx->at; at < lx->n; at++) {
        size_t end = match_close(lx, at, "#}");
        if (end) {
            advance(lx, end);
            return;
        }
    }
    if (lx->at < lx->n) /* jinja2 lets it pass when nothing at all follows */
        lt_jinja_raise(lx->run, "a comment {# is not closed with #}");
}

static void read_raw(lexer *lx)
{
    size_t begin = lx->at;
    for (size_t at = begin; at + 1 < lx->n; at++) {
        if (lx->s[at] != '{' || lx->s[at + 1] != '%')
            continue;
        char sign = sign_at(lx, at + 2);
        size_t name = skip_space(lx, at + 2 + (sign != '\0'));
        if (!looking_at(lx, name, "endraw"))
            continue;
        size_t end = match_close(lx, skip_space(lx, name + 6), "%}");
        if (!end)
            continue;
        add_data(lx, begin, at, sign, true);
        advance(lx, end);
        return;
    }
    if (begin < lx->n)
        lt_jinja_raise(lx->run, "{%% raw %%} is not closed with {%% endraw %%}");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_digit_of(char c, int base)
{
    if (base == 16)
        return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
    return c >= '0' && c < '0' + base;
}

/* The end of digits with single underscores between them; `at` itself when there are none. */
static size_t match_digits(const lexer *lx, size_t at, int base)
{
    size_t end = at;
    while (at < lx->n && is_digit_of(lx->s[at], base)) {
        end = ++at;
        if (at < lx->n && lx->s[at] == '_')
            at++;
    }
    return end;
}

/* The end of a float at `at`, or 0. */
static size_t match_float(const lexer *lx, size_t at)
{
    if (at > 0 && lx->s[at - 1] == '.')
        return 0;
    size_t end = match_digits(lx, at, 10);
    if (end == at)
        return 0;
    bool is_float = false;
    if (end + 1 < lx->n && lx->s[end] == '.' && is_digit(lx->s[end + 1])) {
        end = match_digits(lx, end + 1, 10);
        is_float = true;
    }
    if (end < lx->n && (lx->s[end] | 0x20) == 'e') {
        size_t exponent = end + 1;
        if (exponent < lx->n && (lx->s[exponent] == '+' || lx->s[exponent] == '-'))
            exponent++;
        size_t exponent_end = match_digits(lx, exponent, 10);
        if (exponent_end > exponent)
            return exponent_end;
    }
    return is_float ? end : 0;
}

/* The end of an integer at `at` and its base; there is a digit at `at`. */
static size_t match_integer(const lexer *lx, size_t at, int *base)
{
    *base = 10;
    if (lx->s[at] != '0')
        return match_digits(lx, at, 10);
    if (at + 1 < lx->n) {
        char mark = (char)(lx->s[at + 1] | 0x20);
        int prefixed = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
        size_t digits = at + 2 + (at + 2 < lx->n && lx->s[at + 2] == '_');
        if (prefixed && match_digits(lx, digits, prefixed) > digits) {
            *base = prefixed;
            return match_digits(lx, digits, prefixed);
        }
    }
    size_t end = at + 1;
    while (end < lx->n && (lx->s[end] == '0' || (lx->s[end] == '_' && end + 1 < lx->n && lx->s[end + 1] == '0')))
        end++;
    return end;
}

static void read_number(lexer *lx)
{
    int base = 10;
    size_t begin = lx->at, end = match_float(lx, begin);
    bool is_float = end != 0;
    if (!is_float)
        end = match_integer(lx, begin, &base);
    char *digits = lt_jinja_alloc(lx->run, end - begin + 1), *to = digits;
    for (size_t i = base == 10 ? begin : begin + 2; i < end; i++)
        if (lx->s[i] != '_')
            *to++ = lx->s[i];
    *to = '\0';
    lt_jtoken *token = add(lx, is_float ? LT_JT_FLOAT : LT_JT_INTEGER, begin, end);
    if (is_float) {
        token->value = lt_jv_float(strtod(digits, NULL));
    } else {
        errno = 0;
        token->value = lt_jv_int(strtoll(digits, NULL, base));
        if (errno)
            lt_jinja_raise(lx->run, "the integer %.40s does not fit in 64 bits", digits);
    }
    advance(lx, end);
}

static uint32_t read_hex(lexer *lx, size_t *at, size_t end, int digits)
{
    uint32_t value = 0;
    for (int i = 0; i < digits; i++, ++*at) {
        if (*at >= end || !is_digit_of(lx->s[*at], 16))
            lt_jinja_raise(lx->run, "a string has an escape that is cut short");
        char c = lx->s[*at];
        value = value * 16 + (uint32_t)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* One escape; s[*at] is the character after the backslash. Unknown escapes keep their backslash, as in Python. */
static void unescape(lexer *lx, lt_jtext *text, size_t *at, size_t end)
{
    static const char NAMED[] = "n\nt\tr\r\\\\'\'\"\"a\ab\bf\fv\v";
    char c = lx->s[(*at)++];
    uint32_t code_point;
    for (const char *p = NAMED; *p; p += 2) {
        if (*p == c) {
            lt_jtext_add(lx->run, text, p + 1, 1);
            return;
        }
    }
    if (c == '\n')
        return;
    if (c >= '0' && c <= '7') {
        code_point = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *at < end && lx->s[*at] >= '0' && lx->s[*at] <= '7'; i++)
            code_point = code_point * 8 + (uint32_t)(lx->s[(*at)++] - '0');
    } else if (c == 'x') {
        code_point = read_hex(lx, at, end, 2);
    } else if (c == 'u') {
        code_point = read_hex(lx, at, end, 4);
    } else if (c == 'U') {
        code_point = read_hex(lx, at, end, 8);
    } else if (c == 'N') {
        lt_jinja_raise(lx->run, "a string has \\N{...}: characters by name are not supported, write \\u....");
    } else {
        lt_jtext_add(lx->run, text, "\\", 1);
        --*at;
        return;
    }
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000))
        lt_jinja_raise(lx->run, "a string has the escape of U+%04X, which is not a character", (unsigned)code_point);
    lt_jtext_add_char(lx->run, text, code_point);
}

static void read_string(lexer *lx)
{
    char quote = lx->s[lx->at];
    size_t begin = lx->at + 1, end = begin;
    bool escapes = false;
    while (end < lx->n && lx->s[end] != quote) {
        escapes |= lx->s[end] == '\\';
        end += lx->s[end] == '\\' ? 2 : 1;
    }
    if (end >= lx->n)
        lt_jinja_raise(lx->run, "a string is not closed with %c", quote);
    lt_jtoken *token = add(lx, LT_JT_STRING, lx->at, end + 1);
    if (escapes) {
        lt_jtext text = {0};
        for (size_t at = begin; at < end;) {
            size_t plain = at;
            while (plain < end && lx->s[plain] != '\\')
                plain++;
            lt_jtext_add(lx->run, &text, lx->s + at, plain - at);
            at = plain;
            if (at < end) {
                at++;
                unescape(lx, &text, &at, end);
            }
        }
        token->value = lt_jtext_value(&text);
    } else {
        token->value = lt_jv_string(lx->s + begin, end - begin);
    }
    advance(lx, end + 1);
}

static void read_name(lexer *lx)
{
    size_t end = lx->at;
    while (end < lx->n) {
        int size;
        uint32_t c = lt_juni_decode(lx->s + end, lx->n - end, &size);
        if (!lt_juni_is_name_part(c))
            break;
        end += (size_t)size;
    }
    add(lx, LT_JT_NAME, lx->at, end);
    advance(lx, end);
}

static void read_operator(lexer *lx)
{
    static const char *const LONG[] = {"//", "**", "==", "!=", ">=", "<="};
    size_t size = 1;
    for (size_t i = 0; i < sizeof LONG / sizeof *LONG; i++)
        if (looking_at(lx, lx->at, LONG[i]))
            size = 2;
    char c = lx->s[lx->at];
    if (size == 1 && (c == '\0' || !strchr("+-/*%~[](){}><=.:|,;", c))) {
        char shown[8] = {0};
        int bytes;
        lt_juni_decode(lx->s + lx->at, lx->n - lx->at, &bytes);
        memcpy(shown, lx->s + lx->at, (size_t)bytes);
        lt_jinja_raise(lx->run, "unexpected character '%s'", shown);
    }
    if (c == '(' || c == '[' || c == '{') {
        if (lx->open == LT_JINJA_MAX_NESTING)
            lt_jinja_raise(lx->run, "brackets are nested more than %d deep", LT_JINJA_MAX_NESTING);
        lx->brackets[lx->open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (lx->open == 0)
            lt_jinja_raise(lx->run, "unexpected '%c'", c);
        if (lx->brackets[--lx->open] != c)
            lt_jinja_raise(lx->run, "unexpected '%c', expected '%c'", c, lx->brackets[lx->open]);
    }
    add(lx, LT_JT_OPERATOR, lx->at, lx->at + size);
    advance(lx, lx->at + size);
}

/* The tokens inside {{ }} or {% %}, up to and with the end of the tag. */
static void read_tag(lexer *lx, bool variable)
{
    lx->open = 0;
    for (;;) {
        if (lx->at >= lx->n)
            return; /* the parser says what it was looking for */
        if (lx->open == 0) {
            size_t end;
            if (!variable)
                end = match_close(lx, lx->at, "%}");
            else if (looking_at(lx, lx->at, "-}}"))
                end = skip_space(lx, lx->at + 3);
            else
                end = looking_at(lx, lx->at, "}}") ? lx->at + 2 : 0;
            if (end) {
                add(lx, variable ? LT_JT_VARIABLE_END : LT_JT_BLOCK_END, lx->at, end);
                advance(lx, end);
                return;
            }
        }
        int size;
        uint32_t c = lt_juni_decode(lx->s + lx->at, lx->n - lx->at, &size);
        if (lt_juni_is_space(c))
            advance(lx, skip_space(lx, lx->at));
        else if (c < 0x80 && is_digit((char)c))
            read_number(lx);
        else if (lt_juni_is_name_start(c))
            read_name(lx);
        else if (c == '\'' || c == '"')
            read_string(lx);
        else
            read_operator(lx);
    }
}

/* "\r\n" and "\r" become "\n"; one newline at the end goes. */
static void normalise(lexer *lx, const char *source, size_t size)
{
    char *copy = lt_jinja_alloc(lx->run, size + 1);
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (source[i] == '\r') {
            copy[n++] = '\n';
            i += i + 1 < size && source[i + 1] == '\n';
        } else {
            copy[n++] = source[i];
        }
    }
    if (n && copy[n - 1] == '\n')
        n--;
    copy[n] = '\0';
    lx->s = copy;
    lx->n = n;
}

lt_jtokens lt_jinja_tokenize(lt_jrun *run, const char *source, size_t size)
{
    lexer lx = {.run = run, .line_starting = true};
    size_t bad;
    run->line = 1;
    if (!lt_utf8_valid(source, size, &bad))
        lt_jinja_raise(run, "the template is not UTF-8 (byte %zu)", bad);
    normalise(&lx, source, size);
    while (lx.at < lx.n) {
        size_t begin = lx.at, at = begin;
        while (at < lx.n && !(lx.s[at] == '{' && at + 1 < lx.n && strchr("{%#", lx.s[at + 1]) && lx.s[at + 1]))
            at++;
        if (at >= lx.n) {
            add(&lx, LT_JT_DATA, begin, lx.n);
            advance(&lx, lx.n);
            break;
        }
        char sign = sign_at(&lx, at + 2), kind = lx.s[at + 1];
        add_data(&lx, begin, at, sign, kind != '{');
        size_t raw = kind == '%' ? match_raw(&lx, at) : 0;
        if (raw) {
            advance(&lx, raw);
            read_raw(&lx);
            continue;
        }
        if (kind != '#')
            add(&lx, kind == '{' ? LT_JT_VARIABLE_BEGIN : LT_JT_BLOCK_BEGIN, at, at + 2);
        advance(&lx, at + 2 + (sign != '\0'));
        if (kind == '#')
            read_comment(&lx);
        else
            read_tag(&lx, kind == '{');
    }
    add(&lx, LT_JT_END, lx.n, lx.n);
    return lx.tokens;
}
