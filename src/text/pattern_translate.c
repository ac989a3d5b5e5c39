/* From Oniguruma's regular expressions (its own default syntax) to PCRE2's. Most of the language is the same; what
 * differs and occurs in tokenizers is rewritten here, what differs and does not occur is refused. The differences, from
 * Oniguruma's document RE and PCRE2's pcre2pattern(3):
 *
 *   (?m:…)         dot matches a line end: (?s:…). There is no (?s:…).
 *   a(?i)b|c       the option governs the rest of the group, alternatives included: a(?i:b|c)
 *   \h \H          hexadecimal digit, not white space;  \v is a vertical tab;  \O any character;  \uHHHH
 *   \w \b          letters, marks, numbers Nd and Nl, connectors and some symbols, not PCRE2's letters and numbers
 *   {,n}           at most n;  {n}? is optional, {n,m}+ repeats: they are not lazy and not possessive
 *   [a[bc]]        a set inside a set;  [a&&b] what is in both
 *   \p{Letter}     long names of categories */
#include <stdio.h>

#include "text/pattern_translate.h"

static bool parse_alternatives(lt_translator *t);

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* An escape outside a class. t->at is behind the backslash. */
static bool parse_escape(lt_translator *t)
{
    static const char *const plain[][2] = {{"d", "\\d"},
                                           {"D", "\\D"},
                                           {"s", "\\s"},
                                           {"S", "\\S"},
                                           {"w", "[" LT_PATTERN_WORD "]"},
                                           {"W", "[^" LT_PATTERN_WORD "]"},
                                           {"h", "[" LT_PATTERN_HEX "]"},
                                           {"H", "[^" LT_PATTERN_HEX "]"},
                                           {"A", "\\A"},
                                           {"z", "\\z"},
                                           {"Z", "\\Z"},
                                           {"G", "\\G"},
                                           {"R", "\\R"},
                                           {"X", "\\X"},
                                           {"K", "\\K"},
                                           {"O", "(?s:.)"},
                                           {"N", "\\N"},
                                           {"b", "(?:(?<=[" LT_PATTERN_WORD "])(?![" LT_PATTERN_WORD
                                                 "])|(?<![" LT_PATTERN_WORD "])(?=[" LT_PATTERN_WORD "]))"},
                                           {"B", "(?:(?<=[" LT_PATTERN_WORD "])(?=[" LT_PATTERN_WORD
                                                 "])|(?<![" LT_PATTERN_WORD "])(?![" LT_PATTERN_WORD "]))"}};
    uint32_t c;
    int one = lt_pattern_escaped_char(t, &c);
    if (one)
        return one > 0 && lt_pattern_put_literal(t, t->out, c);
    char e = *t->at;
    if (e == 'p' || e == 'P') {
        t->at++;
        return lt_pattern_property(t, t->out, e == 'P');
    }
    if (is_digit(e)) {
        char reference[16];
        int number = 0;
        while (t->at < t->end && is_digit(*t->at) && number < 100)
            number = number * 10 + (*t->at++ - '0');
        snprintf(reference, sizeof reference, "\\g{%d}", number);
        return lt_put(t, t->out, reference);
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (plain[i][0][0] == e) {
            t->at++;
            return lt_put(t, t->out, plain[i][1]);
        }
    return lt_pattern_refuse(t, "an escape that lathe does not know");
}

/* (?flags) and (?flags:…); t->at is behind "(?". */
static bool parse_flags(lt_translator *t)
{
    char flags[16] = "(?";
    size_t n = 2;
    for (; t->at < t->end && *t->at != ')' && *t->at != ':'; t->at++) {
        char f = *t->at == 'm' ? 's' : *t->at; /* i and - mean the same */
        if ((f != 'i' && f != 's' && f != '-') || *t->at == 's' || n + 3 > sizeof flags)
            return lt_pattern_refuse(t, "a group option that lathe does not know");
        flags[n++] = f;
    }
    if (t->at == t->end)
        return lt_pattern_refuse(t, "a group without )");
    flags[n++] = ':';
    flags[n] = '\0';
    bool isolated = *t->at++ == ')';
    if (!lt_put(t, t->out, flags) || !parse_alternatives(t))
        return false;
    if (!isolated) {
        if (!lt_looking_at(t, ")"))
            return lt_pattern_refuse(t, "a group without )");
        t->at++;
    }
    return lt_put(t, t->out, ")");
}

/* A group; t->at is behind its '('. */
static bool parse_group(lt_translator *t)
{
    static const char *const heads[] = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
    if (lt_looking_at(t, "?#")) {
        const char *close = memchr(t->at, ')', (size_t)(t->end - t->at));
        if (!close)
            return lt_pattern_refuse(t, "a comment without )");
        t->at = close + 1;
        return true;
    }
    const char *head = "";
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (lt_looking_at(t, heads[i]))
            head = heads[i];
    if (!*head && lt_looking_at(t, "?")) {
        if (lt_looking_at(t, "?<") || lt_looking_at(t, "?P") || lt_looking_at(t, "?~") || lt_looking_at(t, "?("))
            return lt_pattern_refuse(t, "a group of a kind that lathe does not know");
        t->at++;
        return parse_flags(t);
    }
    t->at += strlen(head);
    if (!lt_put(t, t->out, "(") || !lt_put(t, t->out, head) || !parse_alternatives(t))
        return false;
    if (!lt_looking_at(t, ")"))
        return lt_pattern_refuse(t, "a group without )");
    t->at++;
    return lt_put(t, t->out, ")");
}

/* {n}, {n,}, {,m} or {n,m} at t->at: 0 when it is none (then { stands for itself), else its length. */
static size_t interval(const lt_translator *t, char text[32], bool *fixed)
{
    const char *s = t->at + 1;
    size_t n = 1;
    bool low = false, high = false, comma = false;
    text[0] = '{';
    for (; s < t->end && n < 24 && (is_digit(*s) || (*s == ',' && !comma)); s++) {
        if (*s == ',') {
            comma = true;
            if (!low)
                text[n++] = '0';
        } else if (comma) {
            high = true;
        } else {
            low = true;
        }
        text[n++] = *s;
    }
    if (s >= t->end || *s != '}' || (!low && !high))
        return 0;
    text[n++] = '}';
    text[n] = '\0';
    *fixed = !comma;
    return (size_t)(s + 1 - t->at);
}

/* Puts what stands in *out from `start` on into a group. */
static bool wrap(lt_translator *t, size_t start)
{
    if (!lt_put(t, t->out, "(?:)"))
        return false;
    memmove(t->out->data + start + 3, t->out->data + start, t->out->size - 4 - start);
    memcpy(t->out->data + start, "(?:", 3);
    t->out->data[t->out->size - 1] = ')';
    return true;
}

/* The quantifiers behind an atom that stands in *out from `start` on. */
static bool parse_quantifiers(lt_translator *t, size_t start, bool has_atom)
{
    for (bool again = false; t->at < t->end; again = true) {
        char text[40] = {*t->at, 0}, range[32];
        size_t length = 1;
        bool fixed = false, is_interval = false;
        if (*t->at == '{') {
            length = interval(t, range, &fixed);
            if (!length)
                return true;
            is_interval = true;
            memcpy(text, range, sizeof range);
        } else if (*t->at != '*' && *t->at != '+' && *t->at != '?') {
            return true;
        }
        if (!has_atom)
            return lt_pattern_refuse(t, "a quantifier with nothing to repeat");
        t->at += length;
        /* "?" makes it lazy and "+" possessive, but an interval is never possessive and {n} never lazy: there the sign
         * is a quantifier of its own and comes round again. */
        if (t->at < t->end && ((*t->at == '?' && !fixed) || (*t->at == '+' && !is_interval)))
            strncat(text, t->at++, 1);
        if (again && !wrap(t, start))
            return false;
        if (t->out->size - start > 1 << 16)
            return lt_pattern_refuse(t, "too long an expression");
        if (!lt_put(t, t->out, text))
            return false;
    }
    return true;
}

static bool parse_alternatives(lt_translator *t)
{
    if (++t->depth > LT_PATTERN_DEPTH)
        return lt_pattern_refuse(t, "too many nested groups");
    while (t->at < t->end && *t->at != ')') {
        size_t start = t->out->size;
        bool ok, atom = true, fixed;
        char c = *t->at, range[32];
        if (c == '|') {
            t->at++;
            ok = lt_put(t, t->out, "|");
            atom = false;
        } else if (c == '(') {
            t->at++;
            ok = parse_group(t);
        } else if (c == '[') {
            t->at++;
            ok = lt_pattern_class(t, t->out);
        } else if (c == '\\') {
            t->at++;
            ok = parse_escape(t);
        } else if (c == '.' || c == '^' || c == '$') {
            t->at++;
            ok = lt_textbuf_append(t->out, &c, 1, t->err);
        } else if (c == '*' || c == '+' || c == '?' || (c == '{' && interval(t, range, &fixed))) {
            return lt_pattern_refuse(t, "a quantifier with nothing to repeat");
        } else {
            ok = lt_pattern_put_literal(t, t->out, lt_pattern_take(t));
        }
        if (!ok || !parse_quantifiers(t, start, atom))
            return false;
    }
    t->depth--;
    return true;
}

bool lt_pattern_translate(const char *source, size_t size, lt_textbuf *out, const lt_json *at, lt_error *err)
{
    lt_translator t = {.at = source, .end = source + size, .start = source, .out = out, .place = at, .err = err};
    if (!parse_alternatives(&t))
        return false;
    return t.at == t.end || lt_pattern_refuse(&t, "a ) without (");
}
