/* Methods of strings that look for other strings: finding, replacing, splitting, joining. */
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_string.h"

int64_t lt_jstr_find(lt_jrun *run, lt_jv s, lt_jv part, size_t from)
{
    if (part.size > s.size - from)
        return -1;
    if (part.size == 0)
        return (int64_t)from;
    const char *found = memmem(s.text + from, s.size - from, part.text, part.size);
    int64_t at = found ? found - s.text : -1;
    lt_jinja_charge_bytes(run, (found ? at : (int64_t)s.size) - (int64_t)from);
    return at;
}

static int64_t find_last(lt_jrun *run, lt_jv s, lt_jv part)
{
    if (part.size > s.size)
        return -1;
    lt_jinja_charge_bytes(run, (int64_t)s.size);
    for (size_t at = s.size - part.size + 1; at-- > 0;) {
        lt_jinja_charge(run, (int64_t)part.size / 64);
        if (part.size == 0 || memcmp(s.text + at, part.text, part.size) == 0)
            return (int64_t)at;
    }
    return -1;
}

/* The part of s between two character positions, as in s[start:end]; *first is the position where it begins, or -1 when
 * start is beyond the end (where nothing is found, not even ''). */
static lt_jv window(lt_jrun *run, lt_jv s, lt_jv start, lt_jv end, int64_t *first)
{
    int64_t length = lt_jv_length(s);
    *first = 0;
    if (start.type == LT_JV_MISSING && end.type == LT_JV_MISSING)
        return s;
    *first = lt_jinja_slice_indices(run, length, start, end, lt_jv_missing()).first;
    if (lt_jv_is_integral(start) && lt_jv_integral(start) > length)
        *first = -1;
    return lt_jinja_slice(run, s, start, end, lt_jv_missing());
}

static int64_t characters_before(lt_jv s, int64_t byte)
{
    return lt_jv_length(lt_jv_part(s, 0, (size_t)byte));
}

static int64_t find(lt_jrun *run, lt_jv s, const lt_jv *a, bool last)
{
    int64_t first;
    lt_jv part = lt_jstr_check(run, a[0], "what is looked for"), within = window(run, s, a[1], a[2], &first);
    if (first < 0)
        return -1;
    int64_t at = last ? find_last(run, within, part) : lt_jstr_find(run, within, part, 0);
    return at < 0 ? -1 : first + characters_before(within, at);
}

static lt_jv str_find(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return lt_jv_int(find(run, s, a, false));
}

static lt_jv str_rfind(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return lt_jv_int(find(run, s, a, true));
}

static lt_jv found(lt_jrun *run, int64_t at)
{
    if (at < 0)
        lt_jinja_raise(run, "substring not found");
    return lt_jv_int(at);
}

static lt_jv str_index(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return found(run, find(run, s, a, false));
}

static lt_jv str_rindex(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return found(run, find(run, s, a, true));
}

static lt_jv str_count(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    int64_t first, count = 0;
    lt_jv part = lt_jstr_check(run, a[0], "what is counted"), within = window(run, s, a[1], a[2], &first);
    if (first < 0)
        return lt_jv_int(0);
    if (part.size == 0)
        return lt_jv_int(lt_jv_length(within) + 1);
    for (int64_t at = 0; (at = lt_jstr_find(run, within, part, (size_t)at)) >= 0; at += (int64_t)part.size)
        count++;
    return lt_jv_int(count);
}

static bool begins(lt_jv s, lt_jv part)
{
    return part.size <= s.size && memcmp(s.text, part.text, part.size) == 0;
}

static bool ends(lt_jv s, lt_jv part)
{
    return part.size <= s.size && memcmp(s.text + s.size - part.size, part.text, part.size) == 0;
}

static lt_jv affix(lt_jrun *run, lt_jv s, const lt_jv *a, bool (*matches)(lt_jv, lt_jv))
{
    int64_t first;
    lt_jv within = window(run, s, a[1], a[2], &first);
    if (a[0].type != LT_JV_TUPLE)
        return lt_jv_bool(matches(within, lt_jstr_check(run, a[0], "a prefix or suffix")) && first >= 0);
    for (int64_t i = 0; i < a[0].list->count; i++)
        if (matches(within, lt_jstr_check(run, a[0].list->items[i], "a prefix or suffix")) && first >= 0)
            return lt_jv_bool(true);
    return lt_jv_bool(false);
}

static lt_jv str_startswith(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return affix(run, s, a, begins);
}

static lt_jv str_endswith(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return affix(run, s, a, ends);
}

static lt_jv str_removeprefix(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    lt_jv part = lt_jstr_check(run, a[0], "a prefix");
    return begins(s, part) ? lt_jv_part(s, part.size, s.size) : s;
}

static lt_jv str_removesuffix(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    lt_jv part = lt_jstr_check(run, a[0], "a suffix");
    return ends(s, part) ? lt_jv_part(s, 0, s.size - part.size) : s;
}

/* ---- replacing ------------------------------------------------------------------------------------------------- */

/* An empty string is found before every character and at the end. */
static void replace_nothing(lt_jrun *run, lt_jtext *text, lt_jv s, lt_jv replacement, int64_t count)
{
    size_t at = 0;
    while (count != 0) {
        size_t begin = at;
        lt_jtext_add(run, text, replacement.text, replacement.size);
        lt_jinja_charge(run, 1);
        count--;
        if (at >= s.size)
            return;
        lt_jstr_next(s, &at);
        lt_jtext_add(run, text, s.text + begin, at - begin);
    }
    lt_jtext_add(run, text, s.text + at, s.size - at);
}

lt_jv lt_jstr_replace(lt_jrun *run, lt_jv s, lt_jv old, lt_jv replacement, int64_t count)
{
    lt_jtext text = {0};
    if (old.size == 0) {
        replace_nothing(run, &text, s, replacement, count);
    } else {
        size_t done = 0;
        for (int64_t at; count != 0 && (at = lt_jstr_find(run, s, old, done)) >= 0; count--) {
            lt_jtext_add(run, &text, s.text + done, (size_t)at - done);
            lt_jtext_add(run, &text, replacement.text, replacement.size);
            done = (size_t)at + old.size;
        }
        if (done == 0)
            return s;
        lt_jtext_add(run, &text, s.text + done, s.size - done);
    }
    lt_jv result = lt_jtext_value(&text);
    result.markup = s.markup;
    return result;
}

static lt_jv str_replace(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    lt_jv old = lt_jstr_check(run, a[0], "what is replaced"), replacement = lt_jstr_check(run, a[1], "the replacement");
    if (s.markup)
        replacement = lt_jv_escape(run, replacement);
    return lt_jstr_replace(run, s, old, replacement,
                           a[2].type == LT_JV_MISSING ? -1 : lt_jv_to_int(run, a[2], "a count"));
}

/* ---- splitting ------------------------------------------------------------------------------------------------- */

static lt_jv_list *split_at(lt_jrun *run, lt_jv s, lt_jv separator, int64_t count)
{
    lt_jv_list *parts = lt_jv_list_new(run, 0);
    size_t done = 0;
    for (int64_t at; count != 0 && (at = lt_jstr_find(run, s, separator, done)) >= 0; count--) {
        lt_jv_list_add(run, parts, lt_jv_part(s, done, (size_t)at));
        done = (size_t)at + separator.size;
    }
    lt_jv_list_add(run, parts, lt_jv_part(s, done, s.size));
    return parts;
}

static lt_jv_list *split_spaces(lt_jrun *run, lt_jv s, int64_t count)
{
    lt_jv_list *parts = lt_jv_list_new(run, 0);
    lt_jv none = lt_jv_none();
    for (lt_jv rest = lt_jstr_strip(run, s, none, true, false); rest.size; count--) {
        size_t end = 0, at = 0;
        if (count == 0) {
            lt_jv_list_add(run, parts, rest);
            break;
        }
        while (at < rest.size && !lt_juni_is_space(lt_jstr_next(rest, &at)))
            end = at;
        lt_jinja_charge_bytes(run, (int64_t)end);
        lt_jv_list_add(run, parts, lt_jv_part(rest, 0, end));
        rest = lt_jstr_strip(run, lt_jv_part(rest, end, rest.size), none, true, false);
    }
    return parts;
}

static void reverse(lt_jv_list *list)
{
    for (int64_t i = 0, k = list->count - 1; i < k; i++, k--) {
        lt_jv swap = list->items[i];
        list->items[i] = list->items[k];
        list->items[k] = swap;
    }
}

static lt_jv_list *rsplit_at(lt_jrun *run, lt_jv s, lt_jv separator, int64_t count)
{
    lt_jv_list *parts = lt_jv_list_new(run, 0);
    lt_jv rest = s;
    for (int64_t at; count != 0 && (at = find_last(run, rest, separator)) >= 0; count--) {
        lt_jv_list_add(run, parts, lt_jv_part(rest, (size_t)at + separator.size, rest.size));
        rest = lt_jv_part(rest, 0, (size_t)at);
    }
    lt_jv_list_add(run, parts, rest);
    reverse(parts);
    return parts;
}

static lt_jv_list *rsplit_spaces(lt_jrun *run, lt_jv s, int64_t count)
{
    lt_jv_list *parts = lt_jv_list_new(run, 0);
    lt_jv none = lt_jv_none();
    for (lt_jv rest = lt_jstr_strip(run, s, none, false, true); rest.size; count--) {
        if (count == 0) {
            lt_jv_list_add(run, parts, rest);
            break;
        }
        size_t begin = rest.size;
        while (begin > 0) {
            size_t at = begin - 1;
            while (at > 0 && ((unsigned char)rest.text[at] & 0xC0) == 0x80)
                at--;
            if (lt_juni_is_space(lt_jstr_next(rest, &(size_t){at})))
                break;
            begin = at;
        }
        lt_jinja_charge_bytes(run, (int64_t)(rest.size - begin));
        lt_jv_list_add(run, parts, lt_jv_part(rest, begin, rest.size));
        rest = lt_jstr_strip(run, lt_jv_part(rest, 0, begin), none, false, true);
    }
    reverse(parts);
    return parts;
}

static lt_jv split(lt_jrun *run, lt_jv s, const lt_jv *a, bool right)
{
    int64_t count = a[1].type == LT_JV_MISSING ? -1 : lt_jv_to_int(run, a[1], "maxsplit");
    if (a[0].type == LT_JV_MISSING || a[0].type == LT_JV_NONE)
        return lt_jv_from_list(right ? rsplit_spaces(run, s, count) : split_spaces(run, s, count));
    lt_jv separator = lt_jstr_check(run, a[0], "a separator");
    if (separator.size == 0)
        lt_jinja_raise(run, "empty separator");
    return lt_jv_from_list(right ? rsplit_at(run, s, separator, count) : split_at(run, s, separator, count));
}

static lt_jv str_split(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return split(run, s, a, false);
}

static lt_jv str_rsplit(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return split(run, s, a, true);
}

lt_jv_list *lt_jstr_lines(lt_jrun *run, lt_jv s, bool keep_ends)
{
    lt_jv_list *lines = lt_jv_list_new(run, 0);
    lt_jinja_charge_bytes(run, (int64_t)s.size);
    for (size_t at = 0, begin = 0; at < s.size;) {
        size_t end = at;
        uint32_t c = lt_jstr_next(s, &at);
        bool line_end = lt_juni_is_line_end(c);
        if (c == '\r' && at < s.size && s.text[at] == '\n')
            at++;
        if (line_end || at == s.size) {
            lt_jv_list_add(run, lines, lt_jv_part(s, begin, line_end && !keep_ends ? end : at));
            begin = at;
        }
    }
    return lines;
}

static lt_jv str_splitlines(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return lt_jv_from_list(lt_jstr_lines(run, s, a[0].type != LT_JV_MISSING && lt_jv_truth(run, a[0])));
}

static lt_jv triple(lt_jrun *run, lt_jv first, lt_jv second, lt_jv third)
{
    lt_jv_list *list = lt_jv_list_new(run, 3);
    lt_jv_list_add(run, list, first);
    lt_jv_list_add(run, list, second);
    lt_jv_list_add(run, list, third);
    return lt_jv_tuple(list);
}

static lt_jv partition(lt_jrun *run, lt_jv s, const lt_jv *a, bool right)
{
    lt_jv separator = lt_jstr_check(run, a[0], "a separator"), nothing = lt_jv_part(s, 0, 0);
    if (separator.size == 0)
        lt_jinja_raise(run, "empty separator");
    int64_t at = right ? find_last(run, s, separator) : lt_jstr_find(run, s, separator, 0);
    if (at < 0)
        return right ? triple(run, nothing, nothing, s) : triple(run, s, nothing, nothing);
    size_t begin = (size_t)at, end = begin + separator.size;
    return triple(run, lt_jv_part(s, 0, begin), lt_jv_part(s, begin, end), lt_jv_part(s, end, s.size));
}

static lt_jv str_partition(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return partition(run, s, a, false);
}

static lt_jv str_rpartition(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    return partition(run, s, a, true);
}

/* ---- joining --------------------------------------------------------------------------------------------------- */

static lt_jv str_join(lt_jrun *run, lt_jv s, const lt_jv *a)
{
    lt_jtext text = {0};
    lt_jv item;
    lt_jv_iterator *it = lt_jinja_iterate(run, a[0]);
    for (bool first = true; lt_jinja_next(run, it, &item); first = false) {
        if (!first)
            lt_jtext_add(run, &text, s.text, s.size);
        item = s.markup ? lt_jv_escape(run, item) : lt_jstr_check(run, item, "an item to be joined");
        lt_jtext_add(run, &text, item.text, item.size);
    }
    lt_jv result = lt_jtext_value(&text);
    result.markup = s.markup;
    return result;
}

static lt_jv str_format_map(lt_jrun *run, lt_jv s, const lt_jargs *args)
{
    lt_jv a[LT_JINJA_MAX_PARAMETERS];
    lt_jinja_bind(run, "format_map", "/ mapping", 1, args, a);
    if (a[0].type != LT_JV_DICT)
        lt_jinja_raise(run, "format_map() expects a mapping, got %s", lt_jv_type_name(a[0]));
    lt_jargs named = {.keyword_count = a[0].dict->count};
    named.keywords = lt_jinja_alloc(run, (size_t)named.keyword_count * sizeof *named.keywords);
    for (int64_t i = 0; i < named.keyword_count; i++)
        named.keywords[i] = (lt_jkeyword){a[0].dict->entries[i].key, a[0].dict->entries[i].value};
    return lt_jinja_str_format(run, s, &named);
}

const lt_jmethod_row lt_jinja_string_search_methods[] = {
    {"split", "sep maxsplit", 0, str_split, NULL, false},
    {"rsplit", "sep maxsplit", 0, str_rsplit, NULL, false},
    {"splitlines", "keepends", 0, str_splitlines, NULL, false},
    {"startswith", "/ prefix start end", 1, str_startswith, NULL, false},
    {"endswith", "/ suffix start end", 1, str_endswith, NULL, false},
    {"replace", "/ old new count", 2, str_replace, NULL, false},
    {"join", "/ iterable", 1, str_join, NULL, false},
    {"format", NULL, 0, NULL, lt_jinja_str_format, false},
    {"format_map", NULL, 0, NULL, str_format_map, false},
    {"find", "/ sub start end", 1, str_find, NULL, false},
    {"rfind", "/ sub start end", 1, str_rfind, NULL, false},
    {"index", "/ sub start end", 1, str_index, NULL, false},
    {"rindex", "/ sub start end", 1, str_rindex, NULL, false},
    {"count", "/ sub start end", 1, str_count, NULL, false},
    {"removeprefix", "/ prefix", 1, str_removeprefix, NULL, false},
    {"removesuffix", "/ suffix", 1, str_removesuffix, NULL, false},
    {"partition", "/ sep", 1, str_partition, NULL, false},
    {"rpartition", "/ sep", 1, str_rpartition, NULL, false},
    {0},
};
