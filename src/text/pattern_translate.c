/* From Oniguruma's regular expressions (its own default syntax) to PCRE2's. Most of the language is the same; what differs
 * and occurs in tokenizers is rewritten here, what differs and does not occur is refused. The differences, from
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
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/pattern.h"

enum { MAX_DEPTH = 100 };

/* \w of Oniguruma: verified over all code points. */
#define WORD                                                                                                              \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}"       \
    "\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
#define HEX "0-9a-fA-F"

typedef struct translator {
    const char *at, *end, *start;
    lt_textbuf *out;
    int depth;
    const lt_json *place;
    lt_error *err;
} translator;

/* A set of characters: the inside of one PCRE2 class, and further alternatives that are not part of it. */
typedef struct set {
    lt_textbuf flat, others; /* others: "|alternative" each */
} set;

static bool parse_alternatives(translator *t);
static bool parse_class(translator *t, lt_textbuf *out);

static bool refuse(translator *t, const char *what)
{
    return lt_json_error(t->place, t->err, LT_ERR_UNSUPPORTED, "the pattern has %s at byte %td", what, t->at - t->start);
}

static bool put(translator *t, lt_textbuf *out, const char *text)
{
    return lt_textbuf_append(out, text, strlen(text), t->err);
}

static bool looking_at(const translator *t, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(t->end - t->at) >= n && memcmp(t->at, text, n) == 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool put_code_point(translator *t, lt_textbuf *out, uint32_t c)
{
    char text[16];
    snprintf(text, sizeof text, "\\x{%x}", c);
    return put(t, out, text);
}

/* A character that stands for itself, inside or outside a class. */
static bool put_literal(translator *t, lt_textbuf *out, uint32_t c)
{
    if (c >= 0x80 || c < 0x20 || c == 0x7F)
        return put_code_point(t, out, c);
    char text[2] = {'\\', (char)c};
    bool plain = is_letter((char)c) || is_digit((char)c) || c == ' ' || c == '_';
    return lt_textbuf_append(out, text + plain, 2 - (size_t)plain, t->err);
}

/* Takes one character of the source (the source is well-formed UTF-8: it comes out of the JSON parser). */
static uint32_t take(translator *t)
{
    uint32_t c;
    int length = lt_utf8_decode(t->at, (size_t)(t->end - t->at), &c);
    if (!length) {
        c = (unsigned char)*t->at;
        length = 1;
    }
    t->at += length;
    return c;
}

/* {name} of \p: long names of categories become short ones, scripts stay. t->at is behind the 'p'. */
static bool parse_property(translator *t, lt_textbuf *out, bool negative)
{
    static const char *const names[][2] = {
        {"letter", "L"}, {"uppercaseletter", "Lu"}, {"lowercaseletter", "Ll"}, {"titlecaseletter", "Lt"},
        {"modifierletter", "Lm"}, {"otherletter", "Lo"}, {"mark", "M"}, {"nonspacingmark", "Mn"},
        {"spacingmark", "Mc"}, {"enclosingmark", "Me"}, {"number", "N"}, {"decimalnumber", "Nd"},
        {"digit", "Nd"}, {"letternumber", "Nl"}, {"othernumber", "No"}, {"punctuation", "P"},
        {"connectorpunctuation", "Pc"}, {"dashpunctuation", "Pd"}, {"openpunctuation", "Ps"},
        {"closepunctuation", "Pe"}, {"initialpunctuation", "Pi"}, {"finalpunctuation", "Pf"},
        {"otherpunctuation", "Po"}, {"symbol", "S"}, {"mathsymbol", "Sm"}, {"currencysymbol", "Sc"},
        {"modifiersymbol", "Sk"}, {"othersymbol", "So"}, {"separator", "Z"}, {"spaceseparator", "Zs"},
        {"lineseparator", "Zl"}, {"paragraphseparator", "Zp"}, {"other", "C"}, {"control", "Cc"}, {"format", "Cf"},
        {"privateuse", "Co"}, {"unassigned", "Cn"}, {"any", "Any"},
        /* the properties of scripts that tokenizers name; PCRE2 wants its own spelling of them */
        {"han", "Han"}, {"hiragana", "Hiragana"}, {"katakana", "Katakana"}, {"hangul", "Hangul"}, {"latin", "Latin"},
        {"greek", "Greek"}, {"cyrillic", "Cyrillic"}, {"arabic", "Arabic"}, {"hebrew", "Hebrew"}, {"thai", "Thai"},
        {"devanagari", "Devanagari"}};
    const char *close = memchr(t->at, '}', (size_t)(t->end - t->at));
    if (!close)
        return refuse(t, "\\p{ without }");
    t->at++;
    if (*t->at == '^') {
        negative = !negative;
        t->at++;
    }
    char name[40];
    size_t n = 0;
    for (const char *s = t->at; s < close; s++)
        if (*s != ' ' && *s != '_' && *s != '-') {
            if (n + 1 == sizeof name)
                return refuse(t, "a property of an unknown name");
            name[n++] = (char)(*s >= 'A' && *s <= 'Z' ? *s | 0x20 : *s);
        }
    name[n] = '\0';
    const char *found = NULL;
    char two[3] = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++)
        if (!strcmp(name, names[i][0]))
            found = names[i][1];
    if (!found && (n == 1 || n == 2) && strchr("lmnpszc", name[0])) { /* a short name, PCRE2 knows whether it is one */
        two[0] = (char)(name[0] & ~0x20);
        two[1] = name[1];
        found = two;
    }
    if (!found)
        return refuse(t, "a property that lathe does not know");
    t->at = close + 1;
    return put(t, out, negative ? "\\P{" : "\\p{") && put(t, out, found) && put(t, out, "}");
}

/* \x41, \x{1F600}, \u00E9, \012: t->at is behind the letter, or at the first octal digit. */
static bool parse_number(translator *t, int base, int most_digits, uint32_t *c)
{
    bool braces = base == 16 && looking_at(t, "{");
    t->at += braces;
    int digits = 0, limit = braces ? 6 : most_digits;
    *c = 0;
    while (t->at < t->end && digits < limit && hex_value(*t->at) >= 0 && hex_value(*t->at) < base) {
        *c = *c * (uint32_t)base + (uint32_t)hex_value(*t->at++);
        digits++;
    }
    if (digits == 0 || *c > 0x10FFFF || (*c >= 0xD800 && *c <= 0xDFFF) || (most_digits == 4 && !braces && digits != 4))
        return refuse(t, "a malformed character number");
    if (braces && !looking_at(t, "}"))
        return refuse(t, "a character number without }");
    if (!braces && most_digits < 4 && *c >= 0x80)
        return refuse(t, "a single byte above 7F, which is not a character");
    t->at += braces;
    return true;
}

/* An escape that means one character, common to classes and what is outside. Returns 1 with the character, 0 when it is
 * something else (t->at then stands at the letter behind the backslash), -1 on error. */
static int parse_escaped_char(translator *t, uint32_t *c)
{
    static const char from[] = "tnrfaev", to[] = "\t\n\r\f\a\x1b\v";
    if (t->at == t->end)
        return refuse(t, "a backslash at its end") - 1;
    char e = *t->at;
    const char *known = strchr(from, e);
    if (known && e) {
        t->at++;
        *c = (unsigned char)to[known - from];
        return 1;
    }
    if (e == 'x' || e == 'u') {
        t->at++;
        return parse_number(t, 16, e == 'x' ? 2 : 4, c) ? 1 : -1;
    }
    if (e == '0')
        return parse_number(t, 8, 3, c) ? 1 : -1;
    if (e == 'c' || e == 'C' || e == 'M')
        return refuse(t, "a control escape") - 1;
    if (is_digit(e) || (e && strchr("dDsSwWhHbBAzZGRXKONkgyY", e)))
        return 0;
    if ((e == 'p' || e == 'P') && t->at + 1 < t->end && t->at[1] == '{')
        return 0;
    *c = take(t); /* any other character stands for itself */
    return 1;
}

/* An escape outside a class. t->at is behind the backslash. */
static bool parse_escape(translator *t)
{
    static const char *const plain[][2] = {
        {"d", "\\d"}, {"D", "\\D"}, {"s", "\\s"}, {"S", "\\S"}, {"w", "[" WORD "]"}, {"W", "[^" WORD "]"},
        {"h", "[" HEX "]"}, {"H", "[^" HEX "]"}, {"A", "\\A"}, {"z", "\\z"}, {"Z", "\\Z"}, {"G", "\\G"},
        {"R", "\\R"}, {"X", "\\X"}, {"K", "\\K"}, {"O", "(?s:.)"}, {"N", "\\N"},
        {"b", "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))"},
        {"B", "(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))"}};
    uint32_t c;
    int one = parse_escaped_char(t, &c);
    if (one)
        return one > 0 && put_literal(t, t->out, c);
    char e = *t->at;
    if (e == 'p' || e == 'P') {
        t->at++;
        return parse_property(t, t->out, e == 'P');
    }
    if (is_digit(e)) {
        char reference[16];
        int number = 0;
        while (t->at < t->end && is_digit(*t->at) && number < 100)
            number = number * 10 + (*t->at++ - '0');
        snprintf(reference, sizeof reference, "\\g{%d}", number);
        return put(t, t->out, reference);
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (plain[i][0][0] == e) {
            t->at++;
            return put(t, t->out, plain[i][1]);
        }
    return refuse(t, "an escape that lathe does not know");
}

static void set_free(set *s)
{
    lt_textbuf_free(&s->flat);
    lt_textbuf_free(&s->others);
}

/* The set as an expression that matches one character. */
static bool put_set(translator *t, lt_textbuf *out, const set *s, bool negative)
{
    if (s->others.size == 0) {
        if (s->flat.size == 0) /* nothing, or anything */
            return put(t, out, negative ? "(?s:.)" : "(?!)");
        return put(t, out, negative ? "[^" : "[") && lt_textbuf_append(out, s->flat.data, s->flat.size, t->err) &&
               put(t, out, "]");
    }
    bool ok = put(t, out, negative ? "(?:(?!" : "(?:");
    if (s->flat.size)
        ok = ok && put(t, out, "[") && lt_textbuf_append(out, s->flat.data, s->flat.size, t->err) && put(t, out, "]") &&
             lt_textbuf_append(out, s->others.data, s->others.size, t->err);
    else
        ok = ok && lt_textbuf_append(out, s->others.data + 1, s->others.size - 1, t->err);
    return ok && put(t, out, negative ? ")(?s:.))" : ")");
}

/* [:name:] inside a class; t->at is at the '['. */
static bool parse_posix(translator *t, set *s)
{
    static const char *const names[][2] = {{"digit", "\\p{Nd}"}, {"space", "\\s"}, {"blank", "\\p{Zs}\\t"},
                                           {"cntrl", "\\p{Cc}"}, {"xdigit", HEX},  {"ascii", "\\x{0}-\\x{7f}"},
                                           {"punct", "\\p{P}$+<=>\\^`|~"}, {"word", WORD}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char plain[16], negative[16];
        snprintf(plain, sizeof plain, "[:%s:]", names[i][0]);
        snprintf(negative, sizeof negative, "[:^%s:]", names[i][0]);
        if (looking_at(t, plain)) {
            t->at += strlen(plain);
            return put(t, &s->flat, names[i][1]);
        }
        if (looking_at(t, negative)) {
            t->at += strlen(negative);
            return put(t, &s->others, "|[^") && put(t, &s->others, names[i][1]) && put(t, &s->others, "]");
        }
    }
    return refuse(t, "a POSIX bracket that lathe does not know");
}

/* One member of a set: a character or range, an escape, or a set. */
static bool parse_member(translator *t, set *s)
{
    if (looking_at(t, "[:"))
        return parse_posix(t, s);
    if (*t->at == '[') {
        t->at++;
        return put(t, &s->others, "|") && parse_class(t, &s->others);
    }
    uint32_t first, last;
    int one = 1;
    if (*t->at == '\\') {
        t->at++;
        if (looking_at(t, "b")) { /* a backspace, in a class */
            t->at++;
            first = '\b';
        } else {
            one = parse_escaped_char(t, &first);
        }
    } else {
        first = take(t);
    }
    if (one < 0)
        return false;
    if (one == 0) {
        char e = *t->at++;
        switch (e) {
        case 'd': return put(t, &s->flat, "\\d");
        case 'D': return put(t, &s->flat, "\\D");
        case 's': return put(t, &s->flat, "\\s");
        case 'S': return put(t, &s->flat, "\\S");
        case 'w': return put(t, &s->flat, WORD);
        case 'h': return put(t, &s->flat, HEX);
        case 'W': return put(t, &s->others, "|[^" WORD "]");
        case 'H': return put(t, &s->others, "|[^" HEX "]");
        case 'p':
        case 'P': return parse_property(t, &s->flat, e == 'P');
        default: return refuse(t, "an escape that a class cannot hold");
        }
    }
    if (!(t->at + 1 < t->end && t->at[0] == '-' && t->at[1] != ']' && t->at[1] != '['))
        return put_literal(t, &s->flat, first);
    t->at++;
    one = 1;
    if (*t->at == '\\') {
        t->at++;
        one = parse_escaped_char(t, &last);
    } else {
        last = take(t);
    }
    if (one < 0)
        return false;
    if (one == 0 || last < first)
        return refuse(t, "a malformed range of characters");
    return put_literal(t, &s->flat, first) && put(t, &s->flat, "-") && put_literal(t, &s->flat, last);
}

/* A class, appended to *out; t->at is behind its '['. */
static bool parse_class(translator *t, lt_textbuf *out)
{
    set s = {0};
    lt_textbuf both = {0}; /* lookaheads for what stood left of each && */
    bool ok = false, negative = false;
    if (++t->depth > MAX_DEPTH) {
        refuse(t, "too many nested sets");
        goto done;
    }
    if (looking_at(t, "^")) {
        negative = true;
        t->at++;
    }
    for (bool first = true;; first = false) {
        if (t->at >= t->end) {
            refuse(t, "a [ without ]");
            goto done;
        }
        if (*t->at == ']' && !first)
            break;
        if (looking_at(t, "&&")) {
            t->at += 2;
            if (!put(t, &both, "(?=") || !put_set(t, &both, &s, false) || !put(t, &both, ")"))
                goto done;
            s.flat.size = s.others.size = 0;
        } else if (!parse_member(t, &s)) {
            goto done;
        }
    }
    t->at++;
    if (both.size == 0) {
        ok = put_set(t, out, &s, negative);
    } else { /* (?:(?=left)right), turned round by a negative lookahead */
        ok = put(t, out, negative ? "(?:(?!" : "(?:") && lt_textbuf_append(out, both.data, both.size, t->err) &&
             put_set(t, out, &s, false) && put(t, out, negative ? ")(?s:.))" : ")");
    }
done:
    t->depth--;
    set_free(&s);
    lt_textbuf_free(&both);
    return ok;
}

/* (?flags) and (?flags:…); t->at is behind "(?". */
static bool parse_flags(translator *t)
{
    char flags[16] = "(?";
    size_t n = 2;
    for (; t->at < t->end && *t->at != ')' && *t->at != ':'; t->at++) {
        char f = *t->at == 'm' ? 's' : *t->at; /* i and - mean the same */
        if ((f != 'i' && f != 's' && f != '-') || *t->at == 's' || n + 3 > sizeof flags)
            return refuse(t, "a group option that lathe does not know");
        flags[n++] = f;
    }
    if (t->at == t->end)
        return refuse(t, "a group without )");
    flags[n++] = ':';
    flags[n] = '\0';
    bool isolated = *t->at++ == ')';
    if (!put(t, t->out, flags) || !parse_alternatives(t))
        return false;
    if (!isolated) {
        if (!looking_at(t, ")"))
            return refuse(t, "a group without )");
        t->at++;
    }
    return put(t, t->out, ")");
}

/* A group; t->at is behind its '('. */
static bool parse_group(translator *t)
{
    static const char *const heads[] = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
    if (looking_at(t, "?#")) {
        const char *close = memchr(t->at, ')', (size_t)(t->end - t->at));
        if (!close)
            return refuse(t, "a comment without )");
        t->at = close + 1;
        return true;
    }
    const char *head = "";
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (looking_at(t, heads[i]))
            head = heads[i];
    if (!*head && looking_at(t, "?")) {
        if (looking_at(t, "?<") || looking_at(t, "?P") || looking_at(t, "?~") || looking_at(t, "?("))
            return refuse(t, "a group of a kind that lathe does not know");
        t->at++;
        return parse_flags(t);
    }
    t->at += strlen(head);
    if (!put(t, t->out, "(") || !put(t, t->out, head) || !parse_alternatives(t))
        return false;
    if (!looking_at(t, ")"))
        return refuse(t, "a group without )");
    t->at++;
    return put(t, t->out, ")");
}

/* {n}, {n,}, {,m} or {n,m} at t->at: 0 when it is none (then { stands for itself), else its length. */
static size_t interval(const translator *t, char text[32], bool *fixed)
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
static bool wrap(translator *t, size_t start)
{
    if (!put(t, t->out, "(?:)"))
        return false;
    memmove(t->out->data + start + 3, t->out->data + start, t->out->size - 4 - start);
    memcpy(t->out->data + start, "(?:", 3);
    t->out->data[t->out->size - 1] = ')';
    return true;
}

/* The quantifiers behind an atom that stands in *out from `start` on. */
static bool parse_quantifiers(translator *t, size_t start, bool has_atom)
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
            return refuse(t, "a quantifier with nothing to repeat");
        t->at += length;
        /* "?" makes it lazy and "+" possessive, but an interval is never possessive and {n} never lazy: there the sign is a
         * quantifier of its own and comes round again. */
        if (t->at < t->end && ((*t->at == '?' && !fixed) || (*t->at == '+' && !is_interval)))
            strncat(text, t->at++, 1);
        if (again && !wrap(t, start))
            return false;
        if (t->out->size - start > 1 << 16)
            return refuse(t, "too long an expression");
        if (!put(t, t->out, text))
            return false;
    }
    return true;
}

static bool parse_alternatives(translator *t)
{
    if (++t->depth > MAX_DEPTH)
        return refuse(t, "too many nested groups");
    while (t->at < t->end && *t->at != ')') {
        size_t start = t->out->size;
        bool ok, atom = true, fixed;
        char c = *t->at, range[32];
        if (c == '|') {
            t->at++;
            ok = put(t, t->out, "|");
            atom = false;
        } else if (c == '(') {
            t->at++;
            ok = parse_group(t);
        } else if (c == '[') {
            t->at++;
            ok = parse_class(t, t->out);
        } else if (c == '\\') {
            t->at++;
            ok = parse_escape(t);
        } else if (c == '.' || c == '^' || c == '$') {
            t->at++;
            ok = lt_textbuf_append(t->out, &c, 1, t->err);
        } else if (c == '*' || c == '+' || c == '?' || (c == '{' && interval(t, range, &fixed))) {
            return refuse(t, "a quantifier with nothing to repeat");
        } else {
            ok = put_literal(t, t->out, take(t));
        }
        if (!ok || !parse_quantifiers(t, start, atom))
            return false;
    }
    t->depth--;
    return true;
}

bool lt_pattern_translate(const char *source, size_t size, lt_textbuf *out, const lt_json *at, lt_error *err)
{
    translator t = {.at = source, .end = source + size, .start = source, .out = out, .place = at, .err = err};
    if (!parse_alternatives(&t))
        return false;
    return t.at == t.end || refuse(&t, "a ) without (");
}
