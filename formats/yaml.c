#include "formats/yaml.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "core/file.h"

#define TAG "tag:yaml.org,2002:"

typedef struct reader {
    yaml_parser_t yaml;
    const char *name;
    json_t *anchors; /* anchor name to finished node */
    json_t *lines;   /* outermost key to line, or NULL */
    int64_t nodes;   /* made so far */
    lt_error *err;
} reader;

static json_t *fail_at(reader *r, yaml_mark_t mark, const char *format, ...) __attribute__((format(printf, 3, 4)));

static json_t *fail_at(reader *r, yaml_mark_t mark, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lt_error_set(r->err, LT_ERR_FORMAT, "%s:%zu:%zu: %s", r->name, mark.line + 1, mark.column + 1, text);
    return NULL;
}

static json_t *fail_memory(reader *r)
{
    lt_error_set(r->err, LT_ERR_MEMORY, "%s: out of memory", r->name);
    return NULL;
}

static bool next_event(reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->yaml, event))
        return true;
    const yaml_parser_t *y = &r->yaml;
    if (y->error == YAML_MEMORY_ERROR)
        fail_memory(r);
    else if (y->error == YAML_READER_ERROR)
        lt_error_set(r->err, LT_ERR_FORMAT, "%s: byte %zu: %s", r->name, y->problem_offset, y->problem);
    else
        fail_at(r, y->problem_mark, "%s%s%s", y->context ? y->context : "", y->context ? ": " : "",
                y->problem ? y->problem : "not YAML");
    return false;
}

/* ---- scalars ---- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(text, *words))
            return true;
    return false;
}

static size_t digits(const char *s, const char *of)
{
    return strspn(s, of);
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *s)
{
    s += *s == '-' || *s == '+';
    size_t whole = digits(s, "0123456789"), fraction = 0;
    s += whole;
    if (*s == '.') {
        fraction = digits(s + 1, "0123456789");
        s += 1 + fraction;
    }
    if (!whole && !fraction)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        size_t exponent = digits(s, "0123456789");
        if (!exponent)
            return false;
        s += exponent;
    }
    return *s == '\0';
}

static bool is_int(const char *s)
{
    const char *of = "0123456789";
    if (s[0] == '0' && s[1] == 'o')
        s += 2, of = "01234567";
    else if (s[0] == '0' && s[1] == 'x')
        s += 2, of = "0123456789abcdefABCDEF";
    else
        s += *s == '-' || *s == '+';
    size_t n = digits(s, of);
    return n > 0 && s[n] == '\0';
}

static bool is_infinite_or_nan(const char *s)
{
    static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL}, *const inf[] = {".inf", ".Inf", ".INF", NULL};
    return is_one_of(s, nan) || is_one_of(s + (*s == '-' || *s == '+'), inf);
}

json_type lt_yaml_plain_type(const char *text, size_t size)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL},
                             *const trues[] = {"true", "True", "TRUE", NULL},
                             *const falses[] = {"false", "False", "FALSE", NULL};
    if (strlen(text) != size)
        return JSON_STRING;
    if (is_one_of(text, nulls))
        return JSON_NULL;
    if (is_one_of(text, trues))
        return JSON_TRUE;
    if (is_one_of(text, falses))
        return JSON_FALSE;
    if (is_int(text))
        return JSON_INTEGER;
    return is_float(text) || is_infinite_or_nan(text) ? JSON_REAL : JSON_STRING;
}

static json_t *integer(reader *r, yaml_mark_t mark, const char *text)
{
    bool octal = text[0] == '0' && text[1] == 'o', hex = text[0] == '0' && text[1] == 'x';
    errno = 0;
    long long v = strtoll(octal || hex ? text + 2 : text, NULL, octal ? 8 : hex ? 16 : 10);
    if (errno)
        return fail_at(r, mark, "expected an integer of 64 bits, found %.60s", text);
    json_t *made = json_integer(v);
    return made ? made : fail_memory(r);
}

static json_t *real(reader *r, yaml_mark_t mark, const char *text)
{
    double v = is_infinite_or_nan(text) ? INFINITY : strtod(text, NULL);
    if (!isfinite(v))
        return fail_at(r, mark, "expected a finite number, found %.60s", text);
    json_t *made = json_real(v);
    return made ? made : fail_memory(r);
}

static json_t *scalar(reader *r, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value, *tag = (const char *)event->data.scalar.tag;
    size_t size = event->data.scalar.length;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    json_type type = plain && event->data.scalar.plain_implicit ? lt_yaml_plain_type(text, size) : JSON_STRING;
    if (tag) { /* the tag says what the text must be */
        json_type is = lt_yaml_plain_type(text, size);
        bool fits;
        if (!strcmp(tag, TAG "str"))
            fits = true, is = JSON_STRING;
        else if (!strcmp(tag, TAG "int"))
            fits = is == JSON_INTEGER;
        else if (!strcmp(tag, TAG "float"))
            fits = is == JSON_REAL || (is == JSON_INTEGER && is_float(text)), is = JSON_REAL;
        else if (!strcmp(tag, TAG "bool"))
            fits = is == JSON_TRUE || is == JSON_FALSE;
        else if (!strcmp(tag, TAG "null"))
            fits = is == JSON_NULL;
        else
            return fail_at(r, event->start_mark, "expected a tag of the core schema, found '%.100s'", tag);
        if (!fits)
            return fail_at(r, event->start_mark, "'%.60s' does not fit the tag !!%s", text, tag + strlen(TAG));
        type = is;
    }
    json_t *made = type == JSON_NULL     ? json_null()
                   : type == JSON_TRUE   ? json_true()
                   : type == JSON_FALSE  ? json_false()
                   : type == JSON_STRING ? json_stringn(text, size)
                                         : NULL;
    if (type == JSON_INTEGER)
        return integer(r, event->start_mark, text);
    if (type == JSON_REAL)
        return real(r, event->start_mark, text);
    return made ? made : fail_memory(r);
}

/* ---- nodes ---- */

static json_t *node(reader *r, yaml_event_t *event, int depth);

static bool count_node(reader *r, yaml_mark_t mark, int depth)
{
    if (++r->nodes > LT_YAML_NODES_MAX)
        return fail_at(r, mark, "more than %d values, aliases included", LT_YAML_NODES_MAX) != NULL;
    if (depth > LT_YAML_DEPTH_MAX)
        return fail_at(r, mark, "nested more than %d deep", LT_YAML_DEPTH_MAX) != NULL;
    return true;
}

/* A copy, so that no two places share a value; counted as if it had been written out. */
static json_t *copy(reader *r, yaml_mark_t mark, const json_t *from, int depth)
{
    if (!count_node(r, mark, depth))
        return NULL;
    json_t *to = NULL;
    if (json_is_array(from)) {
        to = json_array();
        for (size_t i = 0; to && i < json_array_size(from); i++) {
            json_t *item = copy(r, mark, json_array_get(from, i), depth + 1);
            if (!item || json_array_append_new(to, item))
                goto fail;
        }
    } else if (json_is_object(from)) {
        to = json_object();
        for (void *it = json_object_iter((json_t *)from); to && it; it = json_object_iter_next((json_t *)from, it)) {
            json_t *item = copy(r, mark, json_object_iter_value(it), depth + 1);
            if (!item || json_object_set_new_nocheck(to, json_object_iter_key(it), item))
                goto fail;
        }
    } else {
        to = json_copy((json_t *)from);
    }
    return to ? to : fail_memory(r);
fail:
    json_decref(to);
    return NULL;
}

static json_t *alias(reader *r, const yaml_event_t *event, int depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    const json_t *target = json_object_get(r->anchors, name);
    if (!target)
        return fail_at(r, event->start_mark, "the alias '*%.100s' names no finished anchor before it", name);
    return copy(r, event->start_mark, target, depth);
}

static json_t *sequence(reader *r, int depth)
{
    json_t *array = json_array();
    if (!array)
        return fail_memory(r);
    for (;;) {
        yaml_event_t event;
        if (!next_event(r, &event))
            goto fail;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        json_t *item = end ? NULL : node(r, &event, depth + 1);
        yaml_event_delete(&event);
        if (end)
            return array;
        if (!item)
            goto fail;
        if (json_array_append_new(array, item)) {
            fail_memory(r);
            goto fail;
        }
    }
fail:
    json_decref(array);
    return NULL;
}

/* The key of a mapping's next pair, or NULL with *err set. */
static const char *mapping_key(reader *r, const yaml_event_t *event, const json_t *object)
{
    yaml_mark_t mark = event->start_mark;
    if (event->type != YAML_SCALAR_EVENT) {
        fail_at(r, mark, "expected a key that is a string, found %s",
                event->type == YAML_ALIAS_EVENT ? "an alias" : "a collection");
        return NULL;
    }
    const char *key = (const char *)event->data.scalar.value;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (strlen(key) != event->data.scalar.length)
        fail_at(r, mark, "expected a key without NUL");
    else if (plain && !*key)
        fail_at(r, mark, "expected a key before ':'");
    else if (plain && !strcmp(key, "<<"))
        fail_at(r, mark, "merge keys ('<<') are not part of YAML 1.2; write the keys out");
    else if (json_object_get(object, key))
        fail_at(r, mark, "the key '%.100s' appears twice", key);
    else
        return key;
    return NULL;
}

static json_t *mapping(reader *r, int depth)
{
    json_t *object = json_object();
    if (!object)
        return fail_memory(r);
    for (;;) {
        yaml_event_t key_event, event;
        if (!next_event(r, &key_event))
            goto fail;
        bool end = key_event.type == YAML_MAPPING_END_EVENT;
        const char *key = end ? NULL : mapping_key(r, &key_event, object);
        bool ok = key && next_event(r, &event);
        json_t *value = NULL;
        if (ok) {
            value = node(r, &event, depth + 1);
            yaml_event_delete(&event);
            ok = value != NULL;
        }
        if (ok && json_object_set_new_nocheck(object, key, value))
            ok = fail_memory(r) != NULL;
        if (ok && depth == 1 && r->lines &&
            json_object_set_new_nocheck(r->lines, key, json_integer((json_int_t)key_event.start_mark.line + 1)))
            ok = fail_memory(r) != NULL;
        yaml_event_delete(&key_event);
        if (end)
            return object;
        if (!ok)
            goto fail;
    }
fail:
    json_decref(object);
    return NULL;
}

static json_t *collection(reader *r, const yaml_event_t *event, int depth)
{
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    assert(list || event->type == YAML_MAPPING_START_EVENT);
    const char *tag = (const char *)(list ? event->data.sequence_start.tag : event->data.mapping_start.tag);
    if (tag && strcmp(tag, "!") && strcmp(tag, list ? TAG "seq" : TAG "map"))
        return fail_at(r, event->start_mark, "expected a tag of the core schema, found '%.100s'", tag);
    return list ? sequence(r, depth) : mapping(r, depth);
}

static json_t *node(reader *r, yaml_event_t *event, int depth)
{
    if (event->type == YAML_ALIAS_EVENT)
        return alias(r, event, depth);
    if (!count_node(r, event->start_mark, depth))
        return NULL;
    bool is_scalar = event->type == YAML_SCALAR_EVENT;
    json_t *made = is_scalar ? scalar(r, event) : collection(r, event, depth);
    const yaml_char_t *anchor = is_scalar                                  ? event->data.scalar.anchor
                                : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                                                           : event->data.mapping_start.anchor;
    if (made && anchor && json_object_set_nocheck(r->anchors, (const char *)anchor, made)) {
        json_decref(made);
        return fail_memory(r);
    }
    return made;
}

/* The one document of the stream. */
static json_t *document(reader *r)
{
    json_t *root = NULL;
    for (;;) {
        yaml_event_t event;
        if (!next_event(r, &event))
            goto fail;
        yaml_event_type_t type = event.type;
        bool failed = false;
        if (type == YAML_DOCUMENT_START_EVENT && root) {
            fail_at(r, event.start_mark, "expected one document, found a second");
            failed = true;
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
                   type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT) {
            root = node(r, &event, 1);
            failed = !root;
        }
        yaml_event_delete(&event);
        if (failed)
            goto fail;
        if (type == YAML_STREAM_END_EVENT)
            return root ? root : json_null();
    }
fail:
    json_decref(root);
    return NULL;
}

bool lt_yaml_parse(const char *name, const char *text, size_t size, json_t **out, json_t **lines, lt_error *err)
{
    if (size > LT_YAML_BYTES_MAX)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: has %zu bytes, at most %d are accepted", name, size,
                            LT_YAML_BYTES_MAX);
    reader r = {.name = name, .err = err, .anchors = json_object(), .lines = lines ? json_object() : NULL};
    json_t *root = NULL;
    if (!r.anchors || (lines && !r.lines) || !yaml_parser_initialize(&r.yaml)) {
        fail_memory(&r);
    } else {
        yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&r.yaml, (const unsigned char *)text, size);
        root = document(&r);
        yaml_parser_delete(&r.yaml);
    }
    json_decref(r.anchors);
    if (!root) {
        json_decref(r.lines);
        return false;
    }
    *out = root;
    if (lines)
        *lines = r.lines;
    return true;
}

bool lt_yaml_read(const char *path, json_t **out, json_t **lines, lt_error *err)
{
    char *text;
    size_t size;
    if (!lt_file_read(path, LT_YAML_BYTES_MAX, &text, &size, err))
        return false;
    bool ok = lt_yaml_parse(path, text, size, out, lines, err);
    free(text);
    return ok;
}
