#include "formats/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

json_t *lt_json_parse(const char *text, size_t n, const char *source, lt_error *err)
{
    const size_t flags = JSON_REJECT_DUPLICATES;
    json_error_t at;
    json_t *root = json_loadb(text, n, flags, &at);
    if (!root && json_error_code(&at) == json_error_numeric_overflow)
        root = json_loadb(text, n, flags | JSON_DECODE_INT_AS_REAL, &at);
    if (!root) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: line %d, column %d: not valid JSON: %s", source, at.line, at.column,
                     at.text);
        return NULL;
    }
    if (!json_is_object(root)) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: expected an object, found %s", source, lt_json_type_name(root));
        json_decref(root);
        return NULL;
    }
    return root;
}

json_t *lt_json_load(const char *path, int64_t limit_bytes, lt_error *err)
{
    char *text;
    size_t n;
    if (!lt_file_read(path, limit_bytes, &text, &n, err))
        return NULL;
    json_t *root = lt_json_parse(text, n, path, err);
    free(text);
    return root;
}

lt_json lt_json_root(const json_t *root, const char *source)
{
    return (lt_json){.value = root, .key = source};
}

bool lt_json_member(const lt_json *from, const char *key, lt_json *out)
{
    const json_t *value = json_object_get(from->value, key);
    if (!value || json_is_null(value))
        return false;
    *out = (lt_json){.value = value, .parent = from, .key = key};
    return true;
}

bool lt_json_has(const lt_json *from, const char *key)
{
    lt_json unused;
    return lt_json_member(from, key, &unused);
}

lt_json lt_json_element(const lt_json *array, size_t index)
{
    const json_t *value = json_array_get(array->value, index);
    assert(value);
    return (lt_json){.value = value, .parent = array, .index = index};
}

const char *lt_json_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: break;
    }
    return "null";
}

/* "a.b[3]", cut where it does not fit: names in a file can have any length. Returns the bytes used. */
static size_t describe_place(const lt_json *at, char *out, size_t capacity)
{
    if (!at->parent)
        return 0;
    size_t used = describe_place(at->parent, out, capacity);
    if (used >= capacity - 1)
        return used;
    int n = at->key ? snprintf(out + used, capacity - used, "%s%s", used ? "." : "", at->key)
                    : snprintf(out + used, capacity - used, "[%zu]", at->index);
    used += (size_t)n;
    return used < capacity ? used : capacity - 1;
}

static const char *source_of(const lt_json *at)
{
    while (at->parent)
        at = at->parent;
    return at->key;
}

bool lt_json_error(const lt_json *at, lt_error *err, lt_status status, const char *format, ...)
{
    char text[512], place[256] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    describe_place(at, place, sizeof place);
    if (!*place)
        return lt_error_set(err, status, "%s: %s", source_of(at), text);
    return lt_error_set(err, status, "%s: field '%s': %s", source_of(at), place, text);
}

static bool wrong_type(const lt_json *at, const char *expected, lt_error *err)
{
    if (json_is_string(at->value))
        return lt_json_error(at, err, LT_ERR_FORMAT, "expected %s, found the string \"%.100s\"", expected,
                             json_string_value(at->value));
    return lt_json_error(at, err, LT_ERR_FORMAT, "expected %s, found %s", expected, lt_json_type_name(at->value));
}

bool lt_json_int(const lt_json *at, int64_t low, int64_t high, int64_t *out, lt_error *err)
{
    const char *expected = low == 1 ? "a positive integer" : low == 0 ? "an integer, not negative" : "an integer";
    int64_t value;
    if (json_is_integer(at->value)) {
        value = json_integer_value(at->value);
    } else if (json_is_real(at->value)) {
        double real = json_real_value(at->value);
        if (real != floor(real) || fabs(real) > 0x1p53)
            return lt_json_error(at, err, LT_ERR_FORMAT, "expected %s, found %g", expected, real);
        value = (int64_t)real;
    } else {
        return wrong_type(at, expected, err);
    }
    if (value < low)
        return lt_json_error(at, err, LT_ERR_FORMAT, "expected %s, found %" PRId64, expected, value);
    if (value > high)
        return lt_json_error(at, err, LT_ERR_FORMAT, "expected at most %" PRId64 ", found %" PRId64, high, value);
    *out = value;
    return true;
}

bool lt_json_real(const lt_json *at, double *out, lt_error *err)
{
    if (!json_is_number(at->value))
        return wrong_type(at, "a number", err);
    *out = json_number_value(at->value);
    return true;
}

bool lt_json_bool(const lt_json *at, bool *out, lt_error *err)
{
    if (!json_is_boolean(at->value))
        return wrong_type(at, "true or false", err);
    *out = json_is_true(at->value);
    return true;
}

bool lt_json_string(const lt_json *at, const char **out, lt_error *err)
{
    if (!json_is_string(at->value))
        return wrong_type(at, "a string", err);
    *out = json_string_value(at->value);
    return true;
}

bool lt_json_array(const lt_json *at, lt_error *err)
{
    return json_is_array(at->value) || wrong_type(at, "a list", err);
}

bool lt_json_object(const lt_json *at, lt_error *err)
{
    return json_is_object(at->value) || wrong_type(at, "an object", err);
}

bool lt_json_get_int(const lt_json *from, const char *key, int64_t low, int64_t high, int64_t *out, lt_error *err)
{
    lt_json at;
    return !lt_json_member(from, key, &at) || lt_json_int(&at, low, high, out, err);
}

bool lt_json_get_real(const lt_json *from, const char *key, double *out, lt_error *err)
{
    lt_json at;
    return !lt_json_member(from, key, &at) || lt_json_real(&at, out, err);
}

bool lt_json_get_bool(const lt_json *from, const char *key, bool *out, lt_error *err)
{
    lt_json at;
    return !lt_json_member(from, key, &at) || lt_json_bool(&at, out, err);
}

bool lt_json_get_string(const lt_json *from, const char *key, const char **out, lt_error *err)
{
    lt_json at;
    return !lt_json_member(from, key, &at) || lt_json_string(&at, out, err);
}
