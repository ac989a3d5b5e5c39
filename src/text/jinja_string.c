/* Methods of strings that look at one character at a time: case, stripping, padding, questions. */
#include "text/jinja_string.h"

#include <string.h>

#include "text/jinja_builtin.h"

lt_jv lt_jstr_check(lt_jrun *run, lt_jv v, const char *what)
{
    if (v.type != LT_JV_STRING)
        lt_jinja_raise(run, "%s must be a string, not %s", what, lt_jv_type_name(v));
    return v;
}

static lt_jv finish(const lt_jtext *text, lt_jv like)
{
    lt_jv result = lt_jtext_value(text);
    result.markup = like.markup;
    return result;
}

/* ---- case ------------------------------------------------------------------------------------------------------ */

/* A sigma at the end of a word has a lower case of its own: a cased letter before it, none after it. */
static bool is_final_sigma(lt_jv s, size_t at)
{
    size_t before = at;
    bool cased = false;
    while (before > 0) {
        size_t start = before - 1;
        while (start > 0 && ((unsigned char)s.text[start] & 0xC0) == 0x80)
            start--;
        size_t read = start;
        uint32_t c = lt_jstr_next(s, &read);
        before = start;
        if (lt_juni_is_case_ignorable(c))
            continue;
        cased = lt_juni_is_cased(c);
        break;
    }
    if (!cased)
        return false;
    size_t after = at;
    lt_jstr_next(s, &after);
    while (after < s.size) {
        uint32_t c = lt_jstr_next(s, &after);
        if (!lt_juni_is_case_ignorable(c))
            return !lt_juni_is_cased(c);
    }
    return true;
}

/* Adds the character at `at` in the given case. */
static void add_mapped(lt_jrun *run, lt_jtext *text, lt_jv s, size_t at, lt_juni_case how)
{
    uint32_t mapped[3], c = lt_jstr_next(s, &(size_t){at});
    if (c == 0x3A3 && how == LT_JUNI_LOWER) {
        lt_jinja_charge(run, 1 + (int64_t)s.size / 64);
        lt_jtext_add_char(run, text, is_final_sigma(s, at) ? 0x3C2 : 0x3C3);
        return;
    }
    int n = lt_juni_map(c, how, mapped);
    for (int i = 0; i < n; i++)
        lt_jtext_add_char(run, text, mapped[i]);
}

/* Maps every character; `first` is for the first one. */
static lt_jv map_case(lt_jrun *run, lt_jv s, lt_juni_case first, lt_juni_case rest)
{
    lt_jtext text = {0};
    for (size_t at = 0; at < s.size;) {
        add_mapped(run, &text, s, at, at == 0 ? first : rest);
        lt_jstr_next(s, &at);
    }
    return finish(&text, s);
}

lt_jv lt_jstr_lower(lt_jrun *run, lt_jv s)
{
    return map_case(run, s, LT_JUNI_LOWER, LT_JUNI_LOWER);
}

lt_jv lt_jstr_upper(lt_jrun *run, lt_jv s)
{
    return map_case(run, s, LT_JUNI_UPPER, LT_JUNI_UPPER);
}

lt_jv lt_jstr_capitalize(lt_jrun *run, lt_jv s)
{
    return map_case(run, s, LT_JUNI_TITLE, LT_JUNI_LOWER);
}

static lt_jv str_lower(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, lt_jstr_lower(run, s);
}

static lt_jv str_upper(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, lt_jstr_upper(run, s);
}

static lt_jv str_capitalize(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, lt_jstr_capitalize(run, s);
}

static lt_jv str_casefold(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, map_case(run, s, LT_JUNI_FOLD, LT_JUNI_FOLD);
}

static lt_jv str_title(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    (void)a;
    lt_jtext text = {0};
    bool inside = false; /* of a word */
    for (size_t at = 0; at < s.size;) {
        add_mapped(run, &text, s, at, inside ? LT_JUNI_LOWER : LT_JUNI_TITLE);
        inside = lt_juni_is_cased(lt_jstr_next(s, &at));
    }
    return finish(&text, s);
}

static lt_jv str_swapcase(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    (void)a;
    lt_jtext text = {0};
    for (size_t at = 0; at < s.size;) {
        size_t begin = at;
        uint32_t c = lt_jstr_next(s, &at);
        if (lt_juni_is_upper(c) || lt_juni_is_lower(c))
            add_mapped(run, &text, s, begin, lt_juni_is_upper(c) ? LT_JUNI_LOWER : LT_JUNI_UPPER);
        else
            lt_jtext_add_char(run, &text, c);
    }
    return finish(&text, s);
}

/* ---- stripping ------------------------------------------------------------------------------------------------- */

static bool strips(lt_jrun *run, uint32_t c, lt_jv chars)
{
    if (chars.type != LT_JV_STRING)
        return lt_juni_is_space(c);
    lt_jinja_charge_bytes(run, (int64_t)chars.size);
    for (size_t at = 0; at < chars.size;)
        if (lt_jstr_next(chars, &at) == c)
            return true;
    return false;
}

lt_jv lt_jstr_strip(lt_jrun *run, lt_jv s, lt_jv chars, bool left, bool right)
{
    if (chars.type != LT_JV_MISSING && chars.type != LT_JV_NONE)
        lt_jstr_check(run, chars, "what is stripped");
    size_t begin = 0, end = s.size;
    while (left && begin < end) {
        size_t at = begin;
        if (!strips(run, lt_jstr_next(s, &at), chars))
            break;
        begin = at;
    }
    while (right && end > begin) {
        size_t at = end - 1;
        while (at > begin && ((unsigned char)s.text[at] & 0xC0) == 0x80)
            at--;
        if (!strips(run, lt_jstr_next(s, &(size_t){at}), chars))
            break;
        end = at;
    }
    return lt_jv_part(s, begin, end);
}

static lt_jv str_strip(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return lt_jstr_strip(run, s, a[0], true, true);
}

static lt_jv str_lstrip(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return lt_jstr_strip(run, s, a[0], true, false);
}

static lt_jv str_rstrip(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return lt_jstr_strip(run, s, a[0], false, true);
}

/* ---- padding --------------------------------------------------------------------------------------------------- */

lt_jv lt_jstr_pad(lt_jrun *run, lt_jv s, int64_t width, lt_jv filler, lt_jstr_place place)
{
    if (filler.type == LT_JV_MISSING)
        filler = lt_jv_string_z(" ");
    if (filler.type != LT_JV_STRING || lt_jv_length(filler) != 1)
        lt_jinja_raise(run, "the fill character must be exactly one character long");
    int64_t length = lt_jv_length(s);
    if (width <= length)
        return s;
    int64_t missing = width - length, before = 0;
    if (place == LT_JSTR_CENTER)
        before = missing / 2 + (missing & width & 1);
    else if (place == LT_JSTR_RIGHT)
        before = missing;
    lt_jtext text = {0};
    lt_jtext_fill(run, &text, filler, before);
    lt_jtext_add(run, &text, s.text, s.size);
    lt_jtext_fill(run, &text, filler, missing - before);
    return finish(&text, s);
}

static lt_jv str_center(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return lt_jstr_pad(run, s, lt_jv_to_int(run, a[0], "a width"), a[1], LT_JSTR_CENTER);
}

static lt_jv str_ljust(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return lt_jstr_pad(run, s, lt_jv_to_int(run, a[0], "a width"), a[1], LT_JSTR_LEFT);
}

static lt_jv str_rjust(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return lt_jstr_pad(run, s, lt_jv_to_int(run, a[0], "a width"), a[1], LT_JSTR_RIGHT);
}

static lt_jv str_zfill(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    int64_t missing = lt_jv_to_int(run, a[0], "a width") - lt_jv_length(s);
    if (missing <= 0)
        return s;
    size_t sign = s.size && (*s.text == '+' || *s.text == '-');
    lt_jtext text = {0};
    lt_jtext_add(run, &text, s.text, sign);
    lt_jtext_fill(run, &text, lt_jv_string_z("0"), missing);
    lt_jtext_add(run, &text, s.text + sign, s.size - sign);
    return finish(&text, s);
}

static lt_jv str_expandtabs(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    int64_t size = a[0].type == LT_JV_MISSING ? 8 : lt_jv_to_int(run, a[0], "a tab size"), column = 0;
    lt_jtext text = {0};
    for (size_t at = 0; at < s.size;) {
        size_t begin = at;
        uint32_t c = lt_jstr_next(s, &at);
        if (c == '\t') {
            int64_t blanks = size > 0 ? size - column % size : 0;
            lt_jtext_fill(run, &text, lt_jv_string_z(" "), blanks);
            column += blanks;
            continue;
        }
        lt_jtext_add(run, &text, s.text + begin, at - begin);
        column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    return finish(&text, s);
}

/* ---- questions ------------------------------------------------------------------------------------------------- */

static lt_jv all_are(lt_jrun *run, lt_jv s, bool (*is)(uint32_t))
{
    lt_jinja_charge_bytes(run, (int64_t)s.size);
    for (size_t at = 0; at < s.size;)
        if (!is(lt_jstr_next(s, &at)))
            return lt_jv_bool(false);
    return lt_jv_bool(s.size > 0);
}

static bool is_alnum(uint32_t c)
{
    return lt_juni_is_alpha(c) || lt_juni_is_digit(c) || lt_juni_is_numeric(c);
}

static lt_jv str_isalpha(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, all_are(run, s, lt_juni_is_alpha);
}

static lt_jv str_isdigit(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, all_are(run, s, lt_juni_is_digit);
}

static lt_jv str_isdecimal(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, all_are(run, s, lt_juni_is_decimal);
}

static lt_jv str_isnumeric(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, all_are(run, s, lt_juni_is_numeric);
}

static lt_jv str_isalnum(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, all_are(run, s, is_alnum);
}

static lt_jv str_isspace(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, all_are(run, s, lt_juni_is_space);
}

static lt_jv str_isprintable(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, lt_jv_bool(s.size == 0 || all_are(run, s, lt_juni_is_printable).boolean);
}

static lt_jv str_isascii(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)run, (void)a, lt_jv_bool(lt_jv_string(s.text, s.size).ascii);
}

static lt_jv str_isidentifier(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    (void)a;
    size_t at = 0;
    if (s.size == 0 || !lt_juni_is_name_start(lt_jstr_next(s, &at)))
        return lt_jv_bool(false);
    return lt_jv_bool(at == s.size || all_are(run, lt_jv_part(s, at, s.size), lt_juni_is_name_part).boolean);
}

static lt_jv str_islower(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, lt_jv_bool(lt_jinja_find_test("lower", 5)->test(run, s, NULL));
}

static lt_jv str_isupper(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return (void)a, lt_jv_bool(lt_jinja_find_test("upper", 5)->test(run, s, NULL));
}

static lt_jv str_istitle(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    (void)a;
    bool inside = false, found = false;
    lt_jinja_charge_bytes(run, (int64_t)s.size);
    for (size_t at = 0; at < s.size;) {
        uint32_t c = lt_jstr_next(s, &at);
        bool starts = lt_juni_is_upper(c) || lt_juni_is_title(c), goes_on = lt_juni_is_lower(c);
        if ((starts && inside) || (goes_on && !inside))
            return lt_jv_bool(false);
        inside = starts || goes_on;
        found |= inside;
    }
    return lt_jv_bool(found);
}

static lt_jv str_encode(lt_jrun *run, lt_jv s, const lt_jargs *args)
{
    (void)s, (void)args;
    lt_jinja_raise(run, "encode() is not supported: templates work with text, not with bytes");
}

static lt_jv str_translate(lt_jrun *run, lt_jv s, const lt_jargs *args)
{
    (void)s, (void)args;
    lt_jinja_raise(run, "translate() and maketrans() are not supported; replace() is");
}

const lt_jmethod_row lt_jinja_string_methods[] = {
    {"strip", "/ chars", 0, str_strip, NULL, false},
    {"lstrip", "/ chars", 0, str_lstrip, NULL, false},
    {"rstrip", "/ chars", 0, str_rstrip, NULL, false},
    {"lower", "", 0, str_lower, NULL, false},
    {"upper", "", 0, str_upper, NULL, false},
    {"capitalize", "", 0, str_capitalize, NULL, false},
    {"title", "", 0, str_title, NULL, false},
    {"swapcase", "", 0, str_swapcase, NULL, false},
    {"casefold", "", 0, str_casefold, NULL, false},
    {"center", "/ width fillchar", 1, str_center, NULL, false},
    {"ljust", "/ width fillchar", 1, str_ljust, NULL, false},
    {"rjust", "/ width fillchar", 1, str_rjust, NULL, false},
    {"zfill", "/ width", 1, str_zfill, NULL, false},
    {"expandtabs", "tabsize", 0, str_expandtabs, NULL, false},
    {"isalpha", "", 0, str_isalpha, NULL, false},
    {"isdigit", "", 0, str_isdigit, NULL, false},
    {"isdecimal", "", 0, str_isdecimal, NULL, false},
    {"isnumeric", "", 0, str_isnumeric, NULL, false},
    {"isalnum", "", 0, str_isalnum, NULL, false},
    {"isspace", "", 0, str_isspace, NULL, false},
    {"islower", "", 0, str_islower, NULL, false},
    {"isupper", "", 0, str_isupper, NULL, false},
    {"istitle", "", 0, str_istitle, NULL, false},
    {"isascii", "", 0, str_isascii, NULL, false},
    {"isidentifier", "", 0, str_isidentifier, NULL, false},
    {"isprintable", "", 0, str_isprintable, NULL, false},
    {"encode", NULL, 0, NULL, str_encode, false},
    {"translate", NULL, 0, NULL, str_translate, false},
    {"maketrans", NULL, 0, NULL, str_translate, false},
    {0},
};
