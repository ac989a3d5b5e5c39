#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "formats/json.h"

/* ---- numbers, as Python's repr ---- */

void lt_json_real_text(double value, char *out)
{
    char digits[32];
    int precision = 0, exponent;
    do /* the fewest digits that read back as the same number */
        snprintf(digits, sizeof digits, "%.*e", precision++, value);
    while (precision < 17 && strtod(digits, NULL) != value);
    exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent >= -4 && exponent < 16) {
        int decimals = precision - 1 - exponent;
        snprintf(out, 32, "%.*f", decimals > 1 ? decimals : 1, value);
    } else {
        snprintf(out, 32, "%s", digits);
    }
}

/* ---- a growing string ---- */

typedef struct text {
    char *data;
    size_t used, capacity;
    bool failed;
    int indent;
    bool sort_keys;
} text;

static void put(text *out, const char *s, size_t n)
{
    if (out->used + n + 1 > out->capacity && !out->failed) {
        size_t capacity = 2 * (out->used + n) + 256;
        char *data = realloc(out->data, capacity);
        out->failed = !data;
        if (data) {
            out->data = data;
            out->capacity = capacity;
        }
    }
    if (out->failed)
        return;
    memcpy(out->data + out->used, s, n);
    out->used += n;
    out->data[out->used] = '\0';
}

static void put_text(text *out, const char *s)
{
    put(out, s, strlen(s));
}

static void put_string(text *out, const char *s, size_t n)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    char unit[16];
    put(out, "\"", 1);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = lt_utf8_decode(s + i, n - i, &c); /* jansson holds valid UTF-8 only */
        const char *place = c && c < 128 ? strchr(escaped, (int)c) : NULL;
        i += (size_t)(length ? length : 1);
        if (place)
            snprintf(unit, sizeof unit, "\\%c", letters[place - escaped]);
        else if (c >= 0x20 && c < 0x7F)
            snprintf(unit, sizeof unit, "%c", (int)c);
        else if (c < 0x10000)
            snprintf(unit, sizeof unit, "\\u%04x", c);
        else
            snprintf(unit, sizeof unit, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
        put_text(out, unit);
    }
    put(out, "\"", 1);
}

static void put_break(text *out, int depth, bool first)
{
    if (!first)
        put_text(out, out->indent ? "," : ", ");
    if (out->indent) {
        put(out, "\n", 1);
        for (int i = 0; i < depth * out->indent; i++)
            put(out, " ", 1);
    }
}

/* ---- values ---- */

static void put_value(text *out, const json_t *value, int depth);

typedef struct member {
    const char *key;
    const json_t *value;
} member;

static int compare_members(const void *a, const void *b)
{
    return strcmp(((const member *)a)->key, ((const member *)b)->key);
}

static void put_object(text *out, const json_t *object, int depth)
{
    size_t n = json_object_size(object), used = 0;
    member *members = malloc((n + 1) * sizeof *members);
    const char *key;
    json_t *value;
    if (!members) {
        out->failed = true;
        return;
    }
    json_object_foreach ((json_t *)object, key, value)
        members[used++] = (member){key, value};
    if (out->sort_keys)
        qsort(members, n, sizeof *members, compare_members);
    put(out, "{", 1);
    for (size_t i = 0; i < n; i++) {
        put_break(out, depth + 1, i == 0);
        put_string(out, members[i].key, strlen(members[i].key));
        put_text(out, ": ");
        put_value(out, members[i].value, depth + 1);
    }
    if (n && out->indent)
        put_break(out, depth, true);
    put(out, "}", 1);
    free(members);
}

static void put_array(text *out, const json_t *array, int depth)
{
    size_t n = json_array_size(array);
    put(out, "[", 1);
    for (size_t i = 0; i < n; i++) {
        put_break(out, depth + 1, i == 0);
        put_value(out, json_array_get(array, i), depth + 1);
    }
    if (n && out->indent)
        put_break(out, depth, true);
    put(out, "]", 1);
}

static void put_value(text *out, const json_t *value, int depth)
{
    char number[32];
    switch (json_typeof(value)) {
    case JSON_OBJECT: put_object(out, value, depth); break;
    case JSON_ARRAY: put_array(out, value, depth); break;
    case JSON_STRING: put_string(out, json_string_value(value), json_string_length(value)); break;
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        put_text(out, number);
        break;
    case JSON_REAL:
        lt_json_real_text(json_real_value(value), number);
        put_text(out, number);
        break;
    case JSON_TRUE: put_text(out, "true"); break;
    case JSON_FALSE: put_text(out, "false"); break;
    case JSON_NULL: put_text(out, "null"); break;
    }
}

char *lt_json_text(const json_t *value, int indent, bool sort_keys)
{
    text out = {.indent = indent, .sort_keys = sort_keys};
    put_value(&out, value, 0);
    if (out.failed) {
        free(out.data);
        return NULL;
    }
    return out.data;
}
