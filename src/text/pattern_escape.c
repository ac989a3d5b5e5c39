#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "core/utf8.h"
#include "text/pattern_translate.h"

/* From 10.40 on a bare script name means its extensions as well. */
#if PCRE2_MAJOR > 10 || PCRE2_MINOR >= 40
#define SCRIPT "sc:"
#else
#define SCRIPT ""
#endif

bool lt_pattern_refuse(lt_translator *t, const char *what)
{
    return lt_json_error(t->place, t->err, LT_ERR_UNSUPPORTED, "the pattern has %s at byte %td", what,
                         t->at - t->start);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool put_code_point(lt_translator *t, lt_textbuf *out, uint32_t c)
{
    char text[16];
    snprintf(text, sizeof text, "\\x{%x}", c);
    return lt_put(t, out, text);
}

/* A character that stands for itself, inside or outside a class. */
bool lt_pattern_put_literal(lt_translator *t, lt_textbuf *out, uint32_t c)
{
    if (c >= 0x80 || c < 0x20 || c == 0x7F)
        return put_code_point(t, out, c);
    char text[2] = {'\\', (char)c};
    bool plain = is_letter((char)c) || is_digit((char)c) || c == ' ' || c == '_';
    return lt_textbuf_append(out, text + plain, 2 - (size_t)plain, t->err);
}

/* Takes one character of the source (the source is well-formed UTF-8: it comes out of the JSON parser). */
uint32_t lt_pattern_take(lt_translator *t)
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
bool lt_pattern_property(lt_translator *t, lt_textbuf *out, bool negative)
{
    static const char *const names[][2] = {
        {"letter", "L"},
        {"uppercaseletter", "Lu"},
        {"lowercaseletter", "Ll"},
        {"titlecaseletter", "Lt"},
        {"modifierletter", "Lm"},
        {"otherletter", "Lo"},
        {"mark", "M"},
        {"nonspacingmark", "Mn"},
        {"spacingmark", "Mc"},
        {"enclosingmark", "Me"},
        {"number", "N"},
        {"decimalnumber", "Nd"},
        {"digit", "Nd"},
        {"letternumber", "Nl"},
        {"othernumber", "No"},
        {"punctuation", "P"},
        {"connectorpunctuation", "Pc"},
        {"dashpunctuation", "Pd"},
        {"openpunctuation", "Ps"},
        {"closepunctuation", "Pe"},
        {"initialpunctuation", "Pi"},
        {"finalpunctuation", "Pf"},
        {"otherpunctuation", "Po"},
        {"symbol", "S"},
        {"mathsymbol", "Sm"},
        {"currencysymbol", "Sc"},
        {"modifiersymbol", "Sk"},
        {"othersymbol", "So"},
        {"separator", "Z"},
        {"spaceseparator", "Zs"},
        {"lineseparator", "Zl"},
        {"paragraphseparator", "Zp"},
        {"other", "C"},
        {"control", "Cc"},
        {"format", "Cf"},
        {"privateuse", "Co"},
        {"unassigned", "Cn"},
        {"any", "Any"},
        /* the scripts that tokenizers name, each by its own characters (not those it shares with others) */
        {"han", SCRIPT "Han"},
        {"hiragana", SCRIPT "Hiragana"},
        {"katakana", SCRIPT "Katakana"},
        {"hangul", SCRIPT "Hangul"},
        {"latin", SCRIPT "Latin"},
        {"greek", SCRIPT "Greek"},
        {"cyrillic", SCRIPT "Cyrillic"},
        {"arabic", SCRIPT "Arabic"},
        {"hebrew", SCRIPT "Hebrew"},
        {"thai", SCRIPT "Thai"},
        {"devanagari", SCRIPT "Devanagari"}};
    const char *close = memchr(t->at, '}', (size_t)(t->end - t->at));
    if (!close)
        return lt_pattern_refuse(t, "\\p{ without }");
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
                return lt_pattern_refuse(t, "a property of an unknown name");
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
        return lt_pattern_refuse(t, "a property that lathe does not know");
    t->at = close + 1;
    return lt_put(t, out, negative ? "\\P{" : "\\p{") && lt_put(t, out, found) && lt_put(t, out, "}");
}

/* \x41, \x{1F600}, \u00E9, \012: t->at is behind the letter, or at the first octal digit. */
static bool parse_number(lt_translator *t, int base, int most_digits, uint32_t *c)
{
    bool braces = base == 16 && lt_looking_at(t, "{");
    t->at += braces;
    int digits = 0, limit = braces ? 6 : most_digits;
    *c = 0;
    while (t->at < t->end && digits < limit && hex_value(*t->at) >= 0 && hex_value(*t->at) < base) {
        *c = *c * (uint32_t)base + (uint32_t)hex_value(*t->at++);
        digits++;
    }
    if (digits == 0 || *c > 0x10FFFF || (*c >= 0xD800 && *c <= 0xDFFF) || (most_digits == 4 && !braces && digits != 4))
        return lt_pattern_refuse(t, "a malformed character number");
    if (braces && !lt_looking_at(t, "}"))
        return lt_pattern_refuse(t, "a character number without }");
    if (!braces && most_digits < 4 && *c >= 0x80)
        return lt_pattern_refuse(t, "a single byte above 7F, which is not a character");
    t->at += braces;
    return true;
}

/* An escape that means one character, common to classes and what is outside. Returns 1 with the character, 0 when it is
 * something else (t->at then stands at the letter behind the backslash), -1 on error. */
int lt_pattern_escaped_char(lt_translator *t, uint32_t *c)
{
    static const char from[] = "tnrfaev", to[] = "\t\n\r\f\a\x1b\v";
    if (t->at == t->end)
        return lt_pattern_refuse(t, "a backslash at its end") - 1;
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
        return lt_pattern_refuse(t, "a control escape") - 1;
    if (is_digit(e) || (e && strchr("dDsSwWhHbBAzZGRXKONkgyY", e)))
        return 0;
    if ((e == 'p' || e == 'P') && t->at + 1 < t->end && t->at[1] == '{')
        return 0;
    *c = lt_pattern_take(t); /* any other character stands for itself */
    return 1;
}
