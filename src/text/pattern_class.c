#include <stdio.h>

#include "text/pattern_translate.h"

/* A set of characters: the inside of one PCRE2 class, and further alternatives that are not part of it. */
typedef struct set {
    lt_textbuf flat, others; /* others: "|alternative" each */
} set;

static void set_free(set *s)
{
    lt_textbuf_free(&s->flat);
    lt_textbuf_free(&s->others);
}

/* The set as an expression that matches one character. */
static bool put_set(lt_translator *t, lt_textbuf *out, const set *s, bool negative)
{
    if (s->others.size == 0) {
        if (s->flat.size == 0) /* nothing, or anything */
            return lt_put(t, out, negative ? "(?s:.)" : "(?!)");
        return lt_put(t, out, negative ? "[^" : "[") && lt_textbuf_append(out, s->flat.data, s->flat.size, t->err) &&
               lt_put(t, out, "]");
    }
    bool ok = lt_put(t, out, negative ? "(?:(?!" : "(?:");
    if (s->flat.size)
        ok = ok && lt_put(t, out, "[") && lt_textbuf_append(out, s->flat.data, s->flat.size, t->err) &&
             lt_put(t, out, "]") && lt_textbuf_append(out, s->others.data, s->others.size, t->err);
    else
        ok = ok && lt_textbuf_append(out, s->others.data + 1, s->others.size - 1, t->err);
    return ok && lt_put(t, out, negative ? ")(?s:.))" : ")");
}

/* [:name:] inside a class; t->at is at the '['. */
static bool parse_posix(lt_translator *t, set *s)
{
    static const char *const names[][2] = {{"digit", "\\p{Nd}"},       {"space", "\\s"},
                                           {"blank", "\\p{Zs}\\t"},    {"cntrl", "\\p{Cc}"},
                                           {"xdigit", LT_PATTERN_HEX}, {"ascii", "\\x{0}-\\x{7f}"},
                                           {"punct", "\\p{P}\\p{S}"},  {"word", LT_PATTERN_POSIX_WORD}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char plain[16], negative[16];
        snprintf(plain, sizeof plain, "[:%s:]", names[i][0]);
        snprintf(negative, sizeof negative, "[:^%s:]", names[i][0]);
        if (lt_looking_at(t, plain)) {
            t->at += strlen(plain);
            return lt_put(t, &s->flat, names[i][1]);
        }
        if (lt_looking_at(t, negative)) {
            t->at += strlen(negative);
            return lt_put(t, &s->others, "|[^") && lt_put(t, &s->others, names[i][1]) && lt_put(t, &s->others, "]");
        }
    }
    return lt_pattern_refuse(t, "a POSIX bracket that lathe does not know");
}

/* One member of a set: a character or range, an escape, or a set. */
static bool parse_member(lt_translator *t, set *s)
{
    if (lt_looking_at(t, "[:"))
        return parse_posix(t, s);
    if (*t->at == '[') {
        t->at++;
        return lt_put(t, &s->others, "|") && lt_pattern_class(t, &s->others);
    }
    uint32_t first, last;
    int one = 1;
    if (*t->at == '\\') {
        t->at++;
        if (lt_looking_at(t, "b")) { /* a backspace, in a class */
            t->at++;
            first = '\b';
        } else {
            one = lt_pattern_escaped_char(t, &first);
        }
    } else {
        first = lt_pattern_take(t);
    }
    if (one < 0)
        return false;
    if (one == 0) {
        char e = *t->at++;
        switch (e) {
        case 'd':
            return lt_put(t, &s->flat, "\\d");
        case 'D':
            return lt_put(t, &s->flat, "\\D");
        case 's':
            return lt_put(t, &s->flat, "\\s");
        case 'S':
            return lt_put(t, &s->flat, "\\S");
        case 'w':
            return lt_put(t, &s->flat, LT_PATTERN_WORD);
        case 'h':
            return lt_put(t, &s->flat, LT_PATTERN_HEX);
        case 'W':
            return lt_put(t, &s->others, "|[^" LT_PATTERN_WORD "]");
        case 'H':
            return lt_put(t, &s->others, "|[^" LT_PATTERN_HEX "]");
        case 'p':
        case 'P':
            return lt_pattern_property(t, &s->flat, e == 'P');
        default:
            return lt_pattern_refuse(t, "an escape that a class cannot hold");
        }
    }
    if (!(t->at + 1 < t->end && t->at[0] == '-' && t->at[1] != ']' && t->at[1] != '['))
        return lt_pattern_put_literal(t, &s->flat, first);
    t->at++;
    one = 1;
    if (*t->at == '\\') {
        t->at++;
        one = lt_pattern_escaped_char(t, &last);
    } else {
        last = lt_pattern_take(t);
    }
    if (one < 0)
        return false;
    if (one == 0 || last < first)
        return lt_pattern_refuse(t, "a malformed range of characters");
    return lt_pattern_put_literal(t, &s->flat, first) && lt_put(t, &s->flat, "-") &&
           lt_pattern_put_literal(t, &s->flat, last);
}

/* A class, appended to *out; t->at is behind its '['. */
bool lt_pattern_class(lt_translator *t, lt_textbuf *out)
{
    set s = {0};
    lt_textbuf both = {0}; /* lookaheads for what stood left of each && */
    bool ok = false, negative = false;
    if (++t->depth > LT_PATTERN_DEPTH) {
        lt_pattern_refuse(t, "too many nested sets");
        goto done;
    }
    if (lt_looking_at(t, "^")) {
        negative = true;
        t->at++;
    }
    for (bool first = true;; first = false) {
        if (t->at >= t->end) {
            lt_pattern_refuse(t, "a [ without ]");
            goto done;
        }
        if (*t->at == ']' && !first)
            break;
        if (lt_looking_at(t, "&&")) {
            t->at += 2;
            if (!lt_put(t, &both, "(?=") || !put_set(t, &both, &s, false) || !lt_put(t, &both, ")"))
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
        ok = lt_put(t, out, negative ? "(?:(?!" : "(?:") && lt_textbuf_append(out, both.data, both.size, t->err) &&
             put_set(t, out, &s, false) && lt_put(t, out, negative ? ")(?s:.))" : ")");
    }
done:
    t->depth--;
    set_free(&s);
    lt_textbuf_free(&both);
    return ok;
}
