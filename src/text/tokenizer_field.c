#include "text/tokenizer_field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/utf8.h"

enum {
    MAX_FILE_BYTES = 512 << 20,
    /* A parsed value weighs up to 150 bytes, so the number of values is what bounds memory. The greatest vocabularies in
     * use have a quarter of a million entries and half a million merges, two million values. */
    MAX_VALUES = 12 << 20,
};

/* Feeds the parser without ever holding the file and its values at the same time, and counts what may start a value. */
typedef struct reader {
    int fd;
    const char *path;
    int64_t at, size;
    size_t values;
    lt_error *err;
    bool failed; /* err says why */
} reader;

static size_t read_some(void *buffer, size_t size, void *data)
{
    reader *r = data;
    size_t n = size < (size_t)(r->size - r->at) ? size : (size_t)(r->size - r->at);
    if (n == 0)
        return 0;
    if (!lt_file_pread(r->fd, r->path, buffer, n, r->at, r->err)) {
        r->failed = true;
        return (size_t)-1;
    }
    r->at += (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        char c = ((const char *)buffer)[i];
        r->values += c == ',' || c == '[' || c == '{';
    }
    if (r->values > MAX_VALUES) {
        lt_error_set(r->err, LT_ERR_FORMAT, "%s: has more than %d values, too many for a tokenizer", r->path, MAX_VALUES);
        r->failed = true;
        return (size_t)-1;
    }
    return n;
}

bool lt_field_load(const char *path, bool wide_integers, json_t **root, lt_error *err)
{
    reader r = {.path = path, .err = err};
    r.fd = lt_file_open(path, &r.size, err);
    if (r.fd < 0)
        return false;
    *root = NULL;
    if (r.size > MAX_FILE_BYTES) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: has %lld bytes, at most %d are accepted", path, (long long)r.size,
                     MAX_FILE_BYTES);
    } else {
        json_error_t why;
        size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | (wide_integers ? JSON_DECODE_INT_AS_REAL : 0);
        *root = json_load_callback(read_some, &r, flags, &why);
        if (!*root && !r.failed)
            lt_error_set(err, LT_ERR_FORMAT, "%s: line %d, column %d: not valid JSON: %s", path, why.line, why.column,
                         why.text);
    }
    close(r.fd);
    return *root != NULL;
}

/* Writes "file: a.b[3].c" to out, outermost first; returns the length so far. */
static size_t write_place(const lt_field *field, char *out, size_t capacity)
{
    if (!field->parent)
        return (size_t)snprintf(out, capacity, "%s", field->key);
    size_t n = write_place(field->parent, out, capacity);
    if (n >= capacity)
        return n;
    const char *dot = field->parent->parent ? "." : ": ";
    if (field->key)
        return n + (size_t)snprintf(out + n, capacity - n, "%s%.80s", dot, field->key);
    return n + (size_t)snprintf(out + n, capacity - n, "%s[%zu]", field->parent->parent ? "" : ": ", field->index);
}

bool lt_field_error(const lt_field *field, lt_error *err, lt_status status, const char *format, ...)
{
    char place[600], message[400];
    write_place(field, place, sizeof place);
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return lt_error_set(err, status, "%s: %s", place, message);
}

bool lt_field_expected(const lt_field *field, lt_error *err, const char *what)
{
    const json_t *v = field->value;
    if (!v)
        return lt_field_error(field, err, LT_ERR_FORMAT, "expected %s, but the field is missing", what);
    switch (json_typeof(v)) {
    case JSON_STRING:
        return lt_field_error(field, err, LT_ERR_FORMAT, "expected %s, found the string \"%.60s\"", what,
                              json_string_value(v));
    case JSON_INTEGER:
        return lt_field_error(field, err, LT_ERR_FORMAT, "expected %s, found %lld", what,
                              (long long)json_integer_value(v));
    case JSON_REAL:
        return lt_field_error(field, err, LT_ERR_FORMAT, "expected %s, found %g", what, json_real_value(v));
    default:
        return lt_field_error(field, err, LT_ERR_FORMAT, "expected %s, found %s", what,
                              json_is_object(v)  ? "an object"
                              : json_is_array(v) ? "an array"
                              : json_is_null(v)  ? "null"
                              : json_is_true(v)  ? "true"
                                                 : "false");
    }
}

bool lt_field_object(const lt_field *field, lt_error *err)
{
    return json_is_object(field->value) || lt_field_expected(field, err, "an object");
}

bool lt_field_array(const lt_field *field, size_t *count, lt_error *err)
{
    if (!json_is_array(field->value))
        return lt_field_expected(field, err, "an array");
    *count = json_array_size(field->value);
    return true;
}

bool lt_field_string(const lt_field *field, const char **text, size_t *size, lt_error *err)
{
    if (!json_is_string(field->value))
        return lt_field_expected(field, err, "a string");
    *text = json_string_value(field->value);
    if (size)
        *size = json_string_length(field->value);
    return true;
}

bool lt_field_bool(const lt_field *field, bool *out, lt_error *err)
{
    if (!json_is_boolean(field->value))
        return lt_field_expected(field, err, "true or false");
    *out = json_is_true(field->value);
    return true;
}

bool lt_field_int(const lt_field *field, int64_t least, int64_t most, int64_t *out, lt_error *err)
{
    const json_t *v = field->value;
    char what[80];
    snprintf(what, sizeof what, "a whole number from %lld to %lld", (long long)least, (long long)most);
    if (json_is_integer(v) && json_integer_value(v) >= least && json_integer_value(v) <= most) {
        *out = json_integer_value(v);
        return true;
    }
    double real = json_is_real(v) ? json_real_value(v) : -0.5; /* integers of a file read with wide_integers */
    if (json_is_real(v) && real >= (double)least && real <= (double)most && real == (double)(int64_t)real) {
        *out = (int64_t)real;
        return true;
    }
    return lt_field_expected(field, err, what);
}

bool lt_field_char(const lt_field *field, uint32_t *code_point, lt_error *err)
{
    const char *text = NULL;
    size_t size = 0;
    if (!lt_field_string(field, &text, &size, err))
        return false;
    if (size == 0 || (size_t)lt_utf8_decode(text, size, code_point) != size)
        return lt_field_expected(field, err, "a string of one character");
    return true;
}

bool lt_field_bool_or(const lt_field *field, bool *out, lt_error *err)
{
    return !lt_field_given(field) || lt_field_bool(field, out, err);
}

bool lt_field_string_or(const lt_field *field, const char **text, size_t *size, lt_error *err)
{
    return !lt_field_given(field) || lt_field_string(field, text, size, err);
}
