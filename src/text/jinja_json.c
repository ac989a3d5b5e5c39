/* JSON out (tojson, as json.dumps writes it) and in (what jansson does not take but Python does). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_unicode.h"

typedef struct writer {
    lt_jrun *run;
    lt_jtext text;
    bool ascii, pretty, sort;
    lt_jv indent, comma, colon;
} writer;

static void write_value(writer *w, lt_jv v, int level);

static void write_escape(writer *w, uint32_t c)
{
    if (c >= 0x10000) {
        c -= 0x10000;
        lt_jtext_printf(w->run, &w->text, "\\u%04x\\u%04x", (unsigned)(0xD800 + (c >> 10)),
                        (unsigned)(0xDC00 + (c & 0x3FF)));
    } else {
        lt_jtext_printf(w->run, &w->text, "\\u%04x", (unsigned)c);
    }
}

static void write_string(writer *w, lt_jv s)
{
    lt_jtext_add_z(w->run, &w->text, "\"");
    size_t plain = 0;
    for (size_t at = 0; at < s.size;) {
        int size;
        uint32_t c = lt_juni_decode(s.text + at, s.size - at, &size);
        const char *named = c == '"'    ? "\\\""
                            : c == '\\' ? "\\\\"
                            : c == '\n' ? "\\n"
                            : c == '\r' ? "\\r"
                            : c == '\t' ? "\\t"
                            : c == '\f' ? "\\f"
                            : c == '\b' ? "\\b"
                                        : NULL;
        if (named || c < 0x20 || (w->ascii && c >= 0x7F)) {
            lt_jtext_add(w->run, &w->text, s.text + plain, at - plain);
            if (named)
                lt_jtext_add_z(w->run, &w->text, named);
            else
                write_escape(w, c);
            plain = at + (size_t)size;
        }
        at += (size_t)size;
    }
    lt_jtext_add(w->run, &w->text, s.text + plain, s.size - plain);
    lt_jtext_add_z(w->run, &w->text, "\"");
}

/* A number, true, false or null; false for anything else. */
static bool write_scalar(writer *w, lt_jv v)
{
    lt_jv text;
    switch (v.type) {
    case LT_JV_NONE:
        text = lt_jv_string_z("null");
        break;
    case LT_JV_BOOL:
        text = lt_jv_string_z(v.boolean ? "true" : "false");
        break;
    case LT_JV_FLOAT:
        if (isfinite(v.real))
            text = lt_jv_repr(w->run, v);
        else
            text = lt_jv_string_z(isnan(v.real) ? "NaN" : v.real > 0 ? "Infinity" : "-Infinity");
        break;
    case LT_JV_INT:
    case LT_JV_BIGINT:
        text = lt_jv_repr(w->run, v);
        break;
    default:
        return false;
    }
    lt_jtext_add(w->run, &w->text, text.text, text.size);
    return true;
}

static void write_break(writer *w, int level)
{
    if (!w->pretty)
        return;
    lt_jtext_add_z(w->run, &w->text, "\n");
    lt_jtext_fill(w->run, &w->text, w->indent, level);
}

static void write_list(writer *w, const lt_jv_list *list, int level)
{
    if (list->count == 0) {
        lt_jtext_add_z(w->run, &w->text, "[]");
        return;
    }
    lt_jtext_add_z(w->run, &w->text, "[");
    for (int64_t i = 0; i < list->count; i++) {
        if (i)
            lt_jtext_add(w->run, &w->text, w->comma.text, w->comma.size);
        write_break(w, level + 1);
        write_value(w, list->items[i], level + 1);
    }
    write_break(w, level);
    lt_jtext_add_z(w->run, &w->text, "]");
}

static void write_key(writer *w, lt_jv key)
{
    if (key.type == LT_JV_STRING) {
        write_string(w, key);
        return;
    }
    lt_jtext_add_z(w->run, &w->text, "\"");
    if (!write_scalar(w, key))
        lt_jinja_raise(w->run, "tojson: keys must be strings or numbers, not %s", lt_jv_type_name(key));
    lt_jtext_add_z(w->run, &w->text, "\"");
}

static void write_dict(writer *w, const lt_jv_dict *dict, int level)
{
    if (dict->count == 0) {
        lt_jtext_add_z(w->run, &w->text, "{}");
        return;
    }
    const lt_jv_entry *entries = dict->entries;
    if (w->sort) {
        size_t bytes = (size_t)dict->count * sizeof(lt_jv);
        lt_jv *keys = lt_jinja_alloc(w->run, bytes), *values = lt_jinja_alloc(w->run, bytes);
        lt_jv_entry *sorted = lt_jinja_alloc(w->run, (size_t)dict->count * sizeof *sorted);
        for (int64_t i = 0; i < dict->count; i++) {
            keys[i] = entries[i].key;
            values[i] = entries[i].value;
        }
        lt_jv_sort(w->run, values, keys, dict->count, false);
        for (int64_t i = 0; i < dict->count; i++)
            sorted[i] = (lt_jv_entry){keys[i], values[i], 0};
        entries = sorted;
    }
    lt_jtext_add_z(w->run, &w->text, "{");
    for (int64_t i = 0; i < dict->count; i++) {
        if (i)
            lt_jtext_add(w->run, &w->text, w->comma.text, w->comma.size);
        write_break(w, level + 1);
        write_key(w, entries[i].key);
        lt_jtext_add(w->run, &w->text, w->colon.text, w->colon.size);
        write_value(w, entries[i].value, level + 1);
    }
    write_break(w, level);
    lt_jtext_add_z(w->run, &w->text, "}");
}

static void write_value(writer *w, lt_jv v, int level)
{
    lt_jinja_charge(w->run, 1);
    lt_jinja_enter(w->run);
    if (v.type == LT_JV_STRING)
        write_string(w, v);
    else if (v.type == LT_JV_LIST || v.type == LT_JV_TUPLE)
        write_list(w, v.list, level);
    else if (v.type == LT_JV_DICT)
        write_dict(w, v.dict, level);
    else if (!write_scalar(w, v))
        lt_jinja_raise(w->run, "tojson: an object of type %s is not JSON serializable", lt_jv_type_name(v));
    w->run->depth--;
}

static void set_indent(writer *w, lt_jv indent)
{
    w->pretty = indent.type != LT_JV_MISSING && indent.type != LT_JV_NONE;
    w->indent = lt_jv_string("", 0);
    if (!w->pretty)
        return;
    if (indent.type == LT_JV_STRING) {
        w->indent = indent;
        return;
    }
    lt_jtext blanks = {0};
    lt_jtext_fill(w->run, &blanks, lt_jv_string_z(" "), lt_jv_to_int(w->run, indent, "the indent of tojson"));
    w->indent = lt_jtext_value(&blanks);
}

static void set_separators(writer *w, lt_jv separators)
{
    w->comma = lt_jv_string_z(w->pretty ? "," : ", ");
    w->colon = lt_jv_string_z(": ");
    if (separators.type == LT_JV_MISSING || separators.type == LT_JV_NONE)
        return;
    const lt_jv_list *pair = lt_jinja_to_list(w->run, separators);
    if (pair->count != 2 || pair->items[0].type != LT_JV_STRING || pair->items[1].type != LT_JV_STRING)
        lt_jinja_raise(w->run, "the separators of tojson must be two strings");
    w->comma = pair->items[0];
    w->colon = pair->items[1];
}

/* a: ensure_ascii, indent, separators, sort_keys */
lt_jv lt_jinja_tojson(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    writer w = {.run = run};
    w.ascii = lt_jv_truth(run, a[0]);
    w.sort = lt_jv_truth(run, a[3]);
    set_indent(&w, a[1]);
    set_separators(&w, a[2]);
    write_value(&w, value, 0);
    return lt_jtext_value(&w.text);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* True when the integer literal text[0..n) is beyond 64 bits. */
static bool is_beyond(const char *text, size_t n)
{
    char copy[32];
    if (n >= sizeof copy)
        return true;
    memcpy(copy, text, n);
    copy[n] = '\0';
    errno = 0;
    strtoll(copy, NULL, 10);
    return errno == ERANGE;
}

/* Rewrites integers beyond 64 bits as marked strings; returns NULL when there are none or without memory. */
static char *mark_big_integers(const char *text, size_t size, size_t *marked_size, bool *out_of_memory)
{
    static const char MARK[] = "\"\\u0000integer:";
    char *copy = NULL;
    size_t used = 0, plain = 0, capacity = 0;
    for (size_t i = 0; i < size;) {
        if (text[i] == '"') {
            for (i++; i < size && text[i] != '"'; i++)
                i += text[i] == '\\';
            i++;
            continue;
        }
        if (text[i] != '-' && (text[i] < '0' || text[i] > '9')) {
            i++;
            continue;
        }
        size_t begin = i;
        bool integer = true;
        for (i += text[i] == '-'; i < size && text[i] && strchr("0123456789+-.eE", text[i]); i++)
            integer &= text[i] >= '0' && text[i] <= '9';
        size_t digits = begin + (text[begin] == '-');
        if (!integer || i - digits < 19 || text[digits] == '0' || !is_beyond(text + begin, i - begin))
            continue;
        size_t need = used + (begin - plain) + sizeof MARK + (i - begin) + 1 + (size - i);
        if (need > capacity) {
            char *grown = realloc(copy, capacity = need * 2);
            if (!grown) {
                free(copy);
                *out_of_memory = true;
                return NULL;
            }
            copy = grown;
        }
        memcpy(copy + used, text + plain, begin - plain);
        used += begin - plain;
        memcpy(copy + used, MARK, sizeof MARK - 1);
        used += sizeof MARK - 1;
        memcpy(copy + used, text + begin, i - begin);
        used += i - begin;
        copy[used++] = '"';
        plain = i;
    }
    if (copy) {
        memcpy(copy + used, text + plain, size - plain);
        *marked_size = used + size - plain;
    }
    return copy;
}

json_t *lt_jinja_parse_json(const char *name, const char *text, size_t size, lt_error *err)
{
    bool out_of_memory = false;
    size_t marked_size = 0;
    char *marked = mark_big_integers(text, size, &marked_size, &out_of_memory);
    json_error_t where;
    json_t *json = NULL;
    if (out_of_memory) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", name);
    } else {
        json = json_loadb(marked ? marked : text, marked ? marked_size : size,
                          JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &where);
        if (!json)
            lt_error_set(err, LT_ERR_FORMAT, "%s:%d:%d: %s", name, where.line, where.column, where.text);
    }
    free(marked);
    return json;
}
