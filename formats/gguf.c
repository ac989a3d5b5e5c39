#include "formats/gguf.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "formats/gguf_internal.h"

enum {
    FIRST_READ_BYTES = 1 << 20,     /* of a header whose length nobody says */
    HEADER_LIMIT_BYTES = 512 << 20, /* a quarter of a million tokens and their merges take 15 MB */
};

bool lt_gguf_is(const char *path)
{
    char magic[4];
    int64_t size;
    lt_error err;
    if (lt_file_is_folder(path))
        return false;
    int fd = lt_file_open(path, &size, &err);
    if (fd < 0)
        return false;
    bool is = size >= 4 && lt_file_pread(fd, path, magic, 4, 0, &err) && memcmp(magic, "GGUF", 4) == 0;
    close(fd);
    return is;
}

static lt_gguf *new_file(const char *path, lt_error *err)
{
    lt_gguf *file = calloc(1, sizeof *file);
    if (file && (file->path = strdup(path))) {
        file->fd = -1;
        return file;
    }
    free(file);
    lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    return NULL;
}

/* Reads the start of the file, and more of it until the header is whole. */
static bool read_header(lt_gguf *file, lt_error *err)
{
    int64_t limit = file->file_bytes < HEADER_LIMIT_BYTES ? file->file_bytes : HEADER_LIMIT_BYTES, have = 0;
    for (int64_t want = FIRST_READ_BYTES;; want *= 4) {
        bool short_of;
        want = want < limit ? want : limit;
        unsigned char *grown = realloc(file->header, (size_t)want + 1);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its header", file->path);
        file->header = grown;
        if (!lt_file_pread(file->fd, file->path, grown + have, (size_t)(want - have), have, err))
            return false;
        have = want;
        if (lt_gguf_parse_header(file, grown, (size_t)have, &short_of, err))
            return true;
        if (!short_of || have == file->file_bytes)
            return false;
        if (have == limit)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: its header is over %d MB", file->path, HEADER_LIMIT_BYTES >> 20);
        lt_gguf_clear(file);
    }
}

bool lt_gguf_open(lt_gguf **out, const char *path, lt_error *err)
{
    lt_gguf *file = new_file(path, err);
    if (!file)
        return false;
    file->fd = lt_file_open(path, &file->file_bytes, err);
    if (file->fd < 0 || !read_header(file, err)) {
        lt_gguf_close(file);
        return false;
    }
    *out = file;
    return true;
}

bool lt_gguf_parse(lt_gguf **out, const char *source, const void *data, size_t size, int64_t file_bytes, lt_error *err)
{
    bool short_of;
    lt_gguf *file = new_file(source, err);
    if (!file)
        return false;
    file->file_bytes = file_bytes;
    if (!lt_gguf_parse_header(file, data, size, &short_of, err)) {
        lt_gguf_close(file);
        return false;
    }
    *out = file;
    return true;
}

void lt_gguf_clear(lt_gguf *file)
{
    for (int64_t i = 0; i < file->entry_count; i++)
        free(file->entries[i].key);
    for (int64_t i = 0; i < file->tensor_count; i++)
        free(file->tensors[i].name);
    free(file->entries);
    free(file->tensors);
    file->entries = NULL;
    file->tensors = NULL;
    file->entry_count = file->tensor_count = 0;
}

void lt_gguf_close(lt_gguf *file)
{
    if (!file)
        return;
    lt_gguf_clear(file);
    if (file->fd >= 0)
        close(file->fd);
    free(file->header);
    free(file->path);
    free(file);
}

/* ---- looking up ---- */

const lt_gguf_entry *lt_gguf_find(const lt_gguf *file, const char *key)
{
    int64_t low = 0, high = file->entry_count;
    while (low < high) { /* entries are sorted by key */
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(file->entries[middle].key, key);
        if (order == 0)
            return &file->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const lt_gguf_tensor *lt_gguf_find_tensor(const lt_gguf *file, const char *name)
{
    for (int64_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

static bool wrong(const lt_gguf *file, const lt_gguf_entry *entry, const char *expected, lt_error *err)
{
    return lt_error_set(err, LT_ERR_FORMAT, "%s: '%.200s': expected %s, found %s", file->path, entry->key, expected,
                        entry->type == LT_GGUF_ARRAY ? "an array" : lt_gguf_type_name(entry->type));
}

static uint64_t load(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

/* Sign-extends a number of `bytes` bytes. */
static int64_t extend(uint64_t value, int bytes)
{
    int shift = 64 - 8 * bytes;
    return (int64_t)(value << shift) >> shift;
}

static double load_real(uint64_t bits, lt_gguf_type type)
{
    uint32_t narrow = (uint32_t)bits;
    float f;
    double d;
    memcpy(&f, &narrow, sizeof f);
    memcpy(&d, &bits, sizeof d);
    return type == LT_GGUF_F32 ? (double)f : d;
}

bool lt_gguf_number(const lt_gguf_entry *entry, uint64_t i, double *real, int64_t *integer)
{
    lt_gguf_type type = entry->element;
    int width = lt_gguf_width(type);
    if (width == 0 || i >= entry->count)
        return false;
    uint64_t bits = load(entry->value + i * (uint64_t)width, width);
    bool is_real = type == LT_GGUF_F32 || type == LT_GGUF_F64;
    bool is_signed = type == LT_GGUF_I8 || type == LT_GGUF_I16 || type == LT_GGUF_I32 || type == LT_GGUF_I64;
    double value = is_real ? load_real(bits, type) : is_signed ? (double)extend(bits, width) : (double)bits;
    if (real)
        *real = value;
    if (integer && is_real) {
        if (!(fabs(value) < 9e15) || value != floor(value))
            return false;
        *integer = (int64_t)value;
    } else if (integer)
        *integer = is_signed ? extend(bits, width) : bits > INT64_MAX ? INT64_MAX : (int64_t)bits;
    return true;
}

bool lt_gguf_get_int(const lt_gguf *file, const char *key, int64_t low, int64_t high, int64_t *out, lt_error *err)
{
    const lt_gguf_entry *entry = lt_gguf_find(file, key);
    int64_t value;
    if (!entry)
        return true;
    if (entry->type == LT_GGUF_ARRAY || entry->type == LT_GGUF_BOOL || !lt_gguf_number(entry, 0, NULL, &value))
        return wrong(file, entry, "an integer", err);
    if (value < low || value > high)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: '%.200s': expected %" PRId64 " to %" PRId64 ", found %" PRId64,
                            file->path, key, low, high, value);
    *out = value;
    return true;
}

bool lt_gguf_get_real(const lt_gguf *file, const char *key, double *out, lt_error *err)
{
    const lt_gguf_entry *entry = lt_gguf_find(file, key);
    double value;
    if (!entry)
        return true;
    if (entry->type == LT_GGUF_ARRAY || entry->type == LT_GGUF_BOOL || !lt_gguf_number(entry, 0, &value, NULL))
        return wrong(file, entry, "a number", err);
    if (!isfinite(value))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: '%.200s': expected a finite number, found %g", file->path, key, value);
    *out = value;
    return true;
}

bool lt_gguf_get_bool(const lt_gguf *file, const char *key, bool *out, lt_error *err)
{
    const lt_gguf_entry *entry = lt_gguf_find(file, key);
    if (!entry)
        return true;
    if (entry->type != LT_GGUF_BOOL)
        return wrong(file, entry, "a boolean", err);
    *out = entry->value[0] != 0;
    return true;
}

bool lt_gguf_get_string(const lt_gguf *file, const char *key, lt_gguf_string *out, lt_error *err)
{
    const lt_gguf_entry *entry = lt_gguf_find(file, key);
    if (!entry)
        return true;
    if (entry->type != LT_GGUF_STRING)
        return wrong(file, entry, "a string", err);
    *out = (lt_gguf_string){(const char *)entry->value + 8, entry->bytes - 8};
    return true;
}

bool lt_gguf_strings(const lt_gguf *file, const lt_gguf_entry *entry, lt_gguf_string **out, lt_error *err)
{
    *out = NULL;
    if (entry->type != LT_GGUF_ARRAY || entry->element != LT_GGUF_STRING)
        return wrong(file, entry, "an array of strings", err);
    lt_gguf_string *list = malloc((size_t)(entry->count + 1) * sizeof *list);
    if (!list)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for the %" PRIu64 " strings of '%.200s'", file->path,
                            entry->count, entry->key);
    const unsigned char *at = entry->value;
    for (uint64_t i = 0; i < entry->count; i++) {
        size_t size = (size_t)load(at, 8);
        list[i] = (lt_gguf_string){(const char *)at + 8, size};
        at += 8 + size;
    }
    *out = list;
    return true;
}
