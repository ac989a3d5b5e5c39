#include "text/tokenizer_json.h"

#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/utf8.h"

enum {
    MAX_FILE_BYTES = 512 << 20,
    /* A parsed value weighs up to 150 bytes, so the number of values is what bounds memory. The greatest vocabularies
     * in use have a quarter of a million entries and half a million merges, two million values. */
    MAX_VALUES = 12 << 20,
};

/* Feeds the parser piece by piece, and counts what may start a value. */
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
        lt_error_set(r->err, LT_ERR_FORMAT, "%s: has more than %d values, too many for a tokenizer", r->path,
                     MAX_VALUES);
        r->failed = true;
        return (size_t)-1;
    }
    return n;
}

json_t *lt_tokenizer_json_load(const char *path, lt_error *err)
{
    reader r = {.path = path, .err = err};
    json_t *root = NULL;
    r.fd = lt_file_open(path, &r.size, err);
    if (r.fd < 0)
        return NULL;
    if (r.size > MAX_FILE_BYTES) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: has %lld bytes, at most %d are accepted", path, (long long)r.size,
                     MAX_FILE_BYTES);
    } else {
        json_error_t why;
        root = json_load_callback(read_some, &r, JSON_REJECT_DUPLICATES, &why);
        if (!root && !r.failed)
            lt_error_set(err, LT_ERR_FORMAT, "%s: line %d, column %d: not valid JSON: %s", path, why.line, why.column,
                         why.text);
    }
    close(r.fd);
    if (root && !json_is_object(root)) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: expected an object, found %s", path, lt_json_type_name(root));
        json_decref(root);
        root = NULL;
    }
    return root;
}

bool lt_json_expected(const lt_json *at, const char *what, lt_error *err)
{
    if (json_is_string(at->value))
        return lt_json_error(at, err, LT_ERR_FORMAT, "expected %s, found the string \"%.60s\"", what,
                             json_string_value(at->value));
    if (json_is_integer(at->value))
        return lt_json_error(at, err, LT_ERR_FORMAT, "expected %s, found %lld", what,
                             (long long)json_integer_value(at->value));
    return lt_json_error(at, err, LT_ERR_FORMAT, "expected %s, found %s", what, lt_json_type_name(at->value));
}

bool lt_json_need(const lt_json *from, const char *key, lt_json *out, lt_error *err)
{
    if (!lt_json_object(from, err))
        return false;
    if (lt_json_member(from, key, out))
        return true;
    const char *how = json_object_get(from->value, key) ? "is null" : "is missing";
    return lt_json_error(from, err, LT_ERR_FORMAT, "its '%s' %s", key, how);
}

bool lt_json_need_bool(const lt_json *from, const char *key, bool *out, lt_error *err)
{
    lt_json at;
    return lt_json_need(from, key, &at, err) && lt_json_bool(&at, out, err);
}

bool lt_json_need_int(const lt_json *from, const char *key, int64_t low, int64_t high, int64_t *out, lt_error *err)
{
    lt_json at;
    return lt_json_need(from, key, &at, err) && lt_json_int(&at, low, high, out, err);
}

bool lt_json_need_string(const lt_json *from, const char *key, const char **out, lt_error *err)
{
    lt_json at;
    *out = "";
    return lt_json_need(from, key, &at, err) && lt_json_string(&at, out, err);
}

bool lt_json_need_array(const lt_json *from, const char *key, lt_json *out, size_t *count, lt_error *err)
{
    *count = 0;
    if (!lt_json_need(from, key, out, err) || !lt_json_array(out, err))
        return false;
    *count = json_array_size(out->value);
    return true;
}

bool lt_json_need_object(const lt_json *from, const char *key, lt_json *out, lt_error *err)
{
    return lt_json_need(from, key, out, err) && lt_json_object(out, err);
}

bool lt_json_need_char(const lt_json *from, const char *key, uint32_t *code_point, lt_error *err)
{
    lt_json at;
    const char *text = "";
    if (!lt_json_need(from, key, &at, err) || !lt_json_string(&at, &text, err))
        return false;
    size_t size = strlen(text);
    if (size == 0 || (size_t)lt_utf8_decode(text, size, code_point) != size)
        return lt_json_expected(&at, "a string of one character", err);
    return true;
}
