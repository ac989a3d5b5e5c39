/* Filters on text. */
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

/* Anything is taken as its text. */
static lt_jv soft(lt_jrun *run, lt_jv value)
{
    return value.type == LT_JV_STRING ? value : lt_jv_str(run, value);
}

static lt_jv filter_trim(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return lt_jstr_strip(run, soft(run, value), a[0], true, true);
}

static lt_jv filter_upper(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return (void)a, lt_jstr_upper(run, soft(run, value));
}

static lt_jv filter_lower(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return (void)a, lt_jstr_lower(run, soft(run, value));
}

static lt_jv filter_capitalize(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return (void)a, lt_jstr_capitalize(run, soft(run, value));
}

static bool begins_word(uint32_t c)
{
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || lt_juni_is_space(c);
}

/* Unlike str.title only these begin a word: blanks, '-' and opening brackets. */
static lt_jv filter_title(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    lt_jv s = soft(run, value);
    lt_jtext text = {0};
    for (size_t at = 0; at < s.size;) {
        size_t begin = at, end = at;
        bool separator = begins_word(lt_jstr_next(s, &at));
        size_t second = at;
        for (end = at; at < s.size && begins_word(lt_jstr_next(s, &at)) == separator;)
            end = at;
        lt_jv first = lt_jv_part(s, begin, second), rest = lt_jv_part(s, second, end);
        if (!separator) {
            first = lt_jstr_upper(run, first);
            rest = lt_jstr_lower(run, rest);
        }
        lt_jtext_add(run, &text, first.text, first.size);
        lt_jtext_add(run, &text, rest.text, rest.size);
        at = end;
    }
    return lt_jtext_value(&text);
}

static lt_jv filter_replace(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    int64_t count = given(a[2]) && a[2].type != LT_JV_NONE ? lt_jv_to_int(run, a[2], "the count of replace") : -1;
    return lt_jstr_replace(run, lt_jv_str(run, value), lt_jv_str(run, a[0]), lt_jv_str(run, a[1]), count);
}

static lt_jv filter_center(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    int64_t width = given(a[0]) ? lt_jv_to_int(run, a[0], "the width of center") : 80;
    return lt_jstr_pad(run, soft(run, value), width, lt_jv_missing(), LT_JSTR_CENTER);
}

static lt_jv filter_indent(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    lt_jtext text = {0}, blanks = {0};
    bool blank = flag(run, a[2]);
    lt_jv s = lt_jstr_check(run, value, "what is indented"), indention;
    if (given(a[0]) && a[0].type == LT_JV_STRING) {
        indention = a[0];
    } else {
        int64_t width = given(a[0]) ? lt_jv_to_int(run, a[0], "the width of indent") : 4;
        lt_jtext_fill(run, &blanks, lt_jv_string_z(" "), width);
        indention = lt_jtext_value(&blanks);
    }
    if (flag(run, a[1]))
        lt_jtext_add(run, &text, indention.text, indention.size);
    /* jinja2 appends a newline before it splits: a newline at the end makes an empty last line. */
    lt_jv newline = lt_jv_string_z("\n");
    const lt_jv_list *lines = lt_jstr_lines(run, lt_jinja_arithmetic(run, LT_JN_ADD, s, newline), false);
    for (int64_t i = 0; i < lines->count; i++) {
        lt_jv line = lines->items[i];
        if (i)
            lt_jtext_add_z(run, &text, "\n");
        if (i && (line.size || blank))
            lt_jtext_add(run, &text, indention.text, indention.size);
        lt_jtext_add(run, &text, line.text, line.size);
    }
    lt_jv result = lt_jtext_value(&text);
    result.markup = s.markup;
    return result;
}

/* a: length, killwords, end, leeway */
static lt_jv filter_truncate(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    int64_t length = given(a[0]) ? lt_jv_to_int(run, a[0], "the length of truncate") : 255;
    lt_jv end = given(a[2]) ? lt_jstr_check(run, a[2], "the end of truncate") : lt_jv_string_z("...");
    int64_t leeway = given(a[3]) && a[3].type != LT_JV_NONE ? lt_jv_to_int(run, a[3], "the leeway of truncate") : 5;
    int64_t keep = length - lt_jv_length(end);
    if (keep < 0 || leeway < 0)
        lt_jinja_raise(run, "truncate: expected a length of at least the end's and no negative leeway");
    if (lt_jv_length(value) >= 0 && lt_jv_length(value) - leeway <= length)
        return value;
    lt_jv s = lt_jstr_check(run, value, "what is truncated");
    s = lt_jinja_slice(run, s, lt_jv_missing(), lt_jv_int(keep), lt_jv_missing());
    if (!flag(run, a[1])) { /* back to the last blank, if there is one */
        const char *space = s.size ? memrchr(s.text, ' ', s.size) : NULL;
        if (space)
            s = lt_jv_part(s, 0, (size_t)(space - s.text));
    }
    return lt_jinja_arithmetic(run, LT_JN_ADD, s, end);
}

static lt_jv filter_wordcount(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    lt_jv s = soft(run, value);
    int64_t words = 0;
    bool inside = false;
    lt_jinja_charge_bytes(run, (int64_t)s.size);
    for (size_t at = 0; at < s.size;) {
        uint32_t c = lt_jstr_next(s, &at);
        bool word = c == '_' || lt_juni_is_alpha(c) || lt_juni_is_numeric(c);
        words += word && !inside;
        inside = word;
    }
    return lt_jv_int(words);
}

static lt_jv filter_format(lt_jrun *run, lt_jv value, const lt_jargs *args)
{
    lt_jv values;
    if (args->count && args->keyword_count)
        lt_jinja_raise(run, "format cannot handle positional and keyword arguments at the same time");
    if (args->keyword_count) {
        lt_jv_dict *dict = lt_jv_dict_new(run);
        for (int64_t i = 0; i < args->keyword_count; i++)
            lt_jv_dict_set(run, dict, args->keywords[i].name, args->keywords[i].value);
        values = lt_jv_from_dict(dict);
    } else {
        lt_jv_list *list = lt_jv_list_new(run, args->count);
        for (int64_t i = 0; i < args->count; i++)
            lt_jv_list_add(run, list, args->positional[i]);
        values = lt_jv_tuple(list);
    }
    return lt_jinja_percent(run, soft(run, value), values);
}

static void add_quoted(lt_jrun *run, lt_jtext *text, lt_jv value, bool query)
{
    lt_jv s = lt_jv_str(run, value);
    for (size_t i = 0; i < s.size; i++) {
        unsigned char c = (unsigned char)s.text[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("_.-~", c));
        if (plain || (c == '/' && !query))
            lt_jtext_add(run, text, s.text + i, 1);
        else if (c == ' ' && query)
            lt_jtext_add_z(run, text, "+");
        else
            lt_jtext_printf(run, text, "%%%02X", c);
    }
}

static lt_jv filter_urlencode(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    lt_jtext text = {0};
    lt_jv_iterator *it = value.type == LT_JV_STRING ? NULL : lt_jinja_try_iterate(run, value);
    if (!it) {
        add_quoted(run, &text, value, false);
        return lt_jtext_value(&text);
    }
    if (value.type == LT_JV_DICT)
        it = lt_jinja_iterate(run, lt_jinja_call(run, lt_jinja_find_attribute(run, value, "items", 5), &(lt_jargs){0}));
    for (lt_jv item; lt_jinja_next(run, it, &item);) {
        const lt_jv_list *pair = lt_jinja_to_list(run, item);
        if (pair->count != 2)
            lt_jinja_raise(run, "urlencode expects pairs");
        if (text.size)
            lt_jtext_add_z(run, &text, "&");
        add_quoted(run, &text, pair->items[0], true);
        lt_jtext_add_z(run, &text, "=");
        add_quoted(run, &text, pair->items[1], true);
    }
    return lt_jtext_value(&text);
}

const lt_jfilter lt_jinja_text_filters[] = {
    {"trim", "chars", 0, filter_trim, NULL},
    {"upper", "", 0, filter_upper, NULL},
    {"lower", "", 0, filter_lower, NULL},
    {"capitalize", "", 0, filter_capitalize, NULL},
    {"title", "", 0, filter_title, NULL},
    {"replace", "old new count", 2, filter_replace, NULL},
    {"center", "width", 0, filter_center, NULL},
    {"indent", "width first blank", 0, filter_indent, NULL},
    {"truncate", "length killwords end leeway", 0, filter_truncate, NULL},
    {"wordcount", "", 0, filter_wordcount, NULL},
    {"format", NULL, 0, NULL, filter_format},
    {"urlencode", "", 0, filter_urlencode, NULL},
    {0},
};
