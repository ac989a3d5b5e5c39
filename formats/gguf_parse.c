/* Parsing a GGUF header out of memory. Nothing that the header claims is believed before it has been compared with what
 * is left of it: a count is bounded by the bytes that so many of the smallest possible elements would take. */
#include "formats/gguf_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_LIMIT_BYTES = 65535, /* the specification's bound on a key */
    NAME_LIMIT_BYTES = 1024, /* ggml's own is 64, later 128 */
    NESTING_LIMIT = 8,       /* arrays of arrays: no known file has any */
    LEAST_ENTRY_BYTES = 8 + 4 + 1,
    LEAST_TENSOR_BYTES = 8 + 4 + 4 + 8,
};

/* A place in the header, and what is read there for messages. */
typedef struct cursor {
    lt_gguf *file;
    const unsigned char *data;
    size_t size, at;
    bool short_of; /* ran over the end: more of the file may help */
    lt_error *err;
} cursor;

static bool bad(cursor *c, lt_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool bad(cursor *c, lt_status status, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return lt_error_set(c->err, status, "%s: %s", c->file->path, text);
}

static bool out_of_memory(cursor *c)
{
    return bad(c, LT_ERR_MEMORY, "out of memory for its header");
}

static bool need(cursor *c, uint64_t bytes)
{
    if (bytes <= c->size - c->at)
        return true;
    c->short_of = true;
    return bad(c, LT_ERR_FORMAT, "its header ends at byte %zu, in the middle of a value (truncated download?)", c->size);
}

static bool take(cursor *c, int bytes, uint64_t *out)
{
    *out = 0;
    if (!need(c, (uint64_t)bytes))
        return false;
    for (int i = bytes - 1; i >= 0; i--)
        *out = *out << 8 | c->data[c->at + (size_t)i];
    c->at += (size_t)bytes;
    return true;
}

/* A string of at most `limit` bytes without a NUL, copied. */
static bool take_name(cursor *c, size_t limit, const char *what, char **out)
{
    uint64_t size;
    if (!take(c, 8, &size))
        return false;
    if (size == 0 || size > limit)
        return bad(c, LT_ERR_FORMAT, "byte %zu: %s of %" PRIu64 " bytes, expected 1 to %zu", c->at - 8, what, size,
                   limit);
    if (!need(c, size))
        return false;
    if (memchr(c->data + c->at, 0, (size_t)size))
        return bad(c, LT_ERR_FORMAT, "byte %zu: %s with a NUL inside", c->at, what);
    *out = strndup((const char *)c->data + c->at, (size_t)size);
    c->at += (size_t)size;
    return *out || out_of_memory(c);
}

/* ---- values ---- */

int lt_gguf_width(lt_gguf_type type)
{
    static const int widths[LT_GGUF_TYPES] = {[LT_GGUF_U8] = 1,  [LT_GGUF_I8] = 1,  [LT_GGUF_U16] = 2,
                                              [LT_GGUF_I16] = 2, [LT_GGUF_U32] = 4, [LT_GGUF_I32] = 4,
                                              [LT_GGUF_F32] = 4, [LT_GGUF_BOOL] = 1, [LT_GGUF_U64] = 8,
                                              [LT_GGUF_I64] = 8, [LT_GGUF_F64] = 8};
    return widths[type];
}

static bool take_type(cursor *c, const char *key, lt_gguf_type *type)
{
    uint64_t number;
    if (!take(c, 4, &number))
        return false;
    if (number >= LT_GGUF_TYPES)
        return bad(c, LT_ERR_FORMAT, "'%.200s': %" PRIu64 " is no type of value (0 to %d are)", key, number,
                   LT_GGUF_TYPES - 1);
    *type = (lt_gguf_type)number;
    return true;
}

static bool skip_array(cursor *c, const char *key, int depth, lt_gguf_type *element, uint64_t *count);

static bool skip_value(cursor *c, const char *key, lt_gguf_type type, int depth)
{
    uint64_t size;
    lt_gguf_type element;
    if (type == LT_GGUF_ARRAY)
        return skip_array(c, key, depth + 1, &element, &size);
    if (type == LT_GGUF_STRING) {
        if (!take(c, 8, &size) || !need(c, size))
            return false;
    } else {
        size = (uint64_t)lt_gguf_width(type);
        if (!need(c, size))
            return false;
    }
    c->at += (size_t)size;
    return true;
}

static bool skip_array(cursor *c, const char *key, int depth, lt_gguf_type *element, uint64_t *count)
{
    if (depth > NESTING_LIMIT)
        return bad(c, LT_ERR_FORMAT, "'%.200s': arrays more than %d deep", key, NESTING_LIMIT);
    if (!take_type(c, key, element) || !take(c, 8, count))
        return false;
    uint64_t least = *element == LT_GGUF_ARRAY ? 12 : *element == LT_GGUF_STRING ? 8 : (uint64_t)lt_gguf_width(*element);
    /* Against the file, not just what is here of it: so much more is not worth waiting for. */
    if (*count > (uint64_t)c->file->file_bytes / least)
        return bad(c, LT_ERR_FORMAT,
                   "'%.200s': an array of %" PRIu64 " elements, but the file has %" PRId64 " bytes (truncated download?)", key,
                   *count, c->file->file_bytes);
    if (*element != LT_GGUF_ARRAY && *element != LT_GGUF_STRING) {
        if (!need(c, *count * least))
            return false;
        c->at += (size_t)(*count * least);
        return true;
    }
    for (uint64_t i = 0; i < *count; i++)
        if (!skip_value(c, key, *element, depth))
            return false;
    return true;
}

static bool check_bools(cursor *c, const lt_gguf_entry *entry)
{
    if (entry->element != LT_GGUF_BOOL)
        return true;
    for (uint64_t i = 0; i < entry->count; i++)
        if (entry->value[i] > 1)
            return bad(c, LT_ERR_FORMAT, "'%.200s': expected a boolean, found %d", entry->key, entry->value[i]);
    return true;
}

static bool take_entry(cursor *c, lt_gguf_entry *entry)
{
    if (!take_name(c, KEY_LIMIT_BYTES, "a key", &entry->key) || !take_type(c, entry->key, &entry->type))
        return false;
    size_t begin = c->at;
    entry->element = entry->type;
    entry->count = 1;
    if (entry->type == LT_GGUF_ARRAY) {
        begin += 12;
        if (!skip_array(c, entry->key, 1, &entry->element, &entry->count))
            return false;
    } else if (!skip_value(c, entry->key, entry->type, 0))
        return false;
    entry->value = c->data + begin;
    entry->bytes = c->at - begin;
    return check_bools(c, entry);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const lt_gguf_entry *)a)->key, ((const lt_gguf_entry *)b)->key);
}

static bool take_entries(cursor *c, uint64_t count)
{
    lt_gguf *file = c->file;
    int64_t capacity = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (file->entry_count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            lt_gguf_entry *grown = realloc(file->entries, (size_t)capacity * sizeof *grown);
            if (!grown)
                return out_of_memory(c);
            file->entries = grown;
        }
        lt_gguf_entry *entry = &file->entries[file->entry_count++];
        *entry = (lt_gguf_entry){0};
        if (!take_entry(c, entry))
            return false;
    }
    if (file->entry_count)
        qsort(file->entries, (size_t)file->entry_count, sizeof *file->entries, by_key);
    for (int64_t i = 1; i < file->entry_count; i++)
        if (strcmp(file->entries[i - 1].key, file->entries[i].key) == 0)
            return bad(c, LT_ERR_FORMAT, "'%.200s' is given twice", file->entries[i].key);
    return true;
}

/* ---- tensors ---- */

static bool take_shape(cursor *c, lt_gguf_tensor *tensor)
{
    uint64_t dims, size;
    if (!take(c, 4, &dims))
        return false;
    if (dims == 0 || dims > LT_GGUF_MAX_DIMS)
        return bad(c, LT_ERR_FORMAT, "tensor '%.200s': expected 1 to %d dimensions, found %" PRIu64, tensor->name,
                   LT_GGUF_MAX_DIMS, dims);
    tensor->dims = (int)dims;
    tensor->elements = 1;
    for (int i = tensor->dims - 1; i >= 0; i--) {
        if (!take(c, 8, &size))
            return false;
        if (size == 0 || size > INT64_MAX ||
            __builtin_mul_overflow(tensor->elements, (int64_t)size, &tensor->elements))
            return bad(c, LT_ERR_FORMAT, "tensor '%.200s': a dimension of %" PRIu64 " elements", tensor->name, size);
        tensor->shape[i] = (int64_t)size;
    }
    return true;
}

static bool take_tensor(cursor *c, lt_gguf_tensor *tensor)
{
    uint64_t type, offset;
    if (!take_name(c, NAME_LIMIT_BYTES, "the name of a tensor", &tensor->name) || !take_shape(c, tensor) ||
        !take(c, 4, &type) || !take(c, 8, &offset))
        return false;
    tensor->type = (uint32_t)type;
    const lt_gguf_tensor_type *info = lt_gguf_tensor_type_get(tensor->type);
    if (!info)
        return bad(c, LT_ERR_UNSUPPORTED, "tensor '%.200s': type %" PRIu64 " is not known", tensor->name, type);
    int64_t columns = tensor->shape[tensor->dims - 1];
    if (columns % info->block_elements)
        return bad(c, LT_ERR_FORMAT, "tensor '%.200s': rows of %" PRId64 " elements are no whole blocks of %s (%d)",
                   tensor->name, columns, info->name, info->block_elements);
    if (__builtin_mul_overflow(tensor->elements / info->block_elements, (int64_t)info->block_bytes, &tensor->bytes))
        return bad(c, LT_ERR_FORMAT, "tensor '%.200s': its size exceeds 64 bits", tensor->name);
    if (offset > (uint64_t)c->file->file_bytes)
        return bad(c, LT_ERR_FORMAT,
                   "tensor '%.200s': begins at byte %" PRIu64 " of the data, the file has %" PRId64 " bytes (truncated download?)",
                   tensor->name, offset, c->file->file_bytes);
    if (offset % c->file->alignment)
        return bad(c, LT_ERR_FORMAT, "tensor '%.200s': begins at byte %" PRIu64 ", which is no multiple of %u", tensor->name,
                   offset, c->file->alignment);
    tensor->offset = (int64_t)offset;
    return true;
}

static bool take_tensors(cursor *c, uint64_t count)
{
    lt_gguf *file = c->file;
    int64_t capacity = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (file->tensor_count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            lt_gguf_tensor *grown = realloc(file->tensors, (size_t)capacity * sizeof *grown);
            if (!grown)
                return out_of_memory(c);
            file->tensors = grown;
        }
        lt_gguf_tensor *tensor = &file->tensors[file->tensor_count++];
        *tensor = (lt_gguf_tensor){0};
        if (!take_tensor(c, tensor))
            return false;
    }
    return true;
}

static int by_offset(const void *a, const void *b)
{
    const lt_gguf_tensor *x = *(lt_gguf_tensor *const *)a, *y = *(lt_gguf_tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(lt_gguf_tensor *const *)a)->name, (*(lt_gguf_tensor *const *)b)->name);
}

/* Turns offsets in the data into offsets in the file, and refuses tensors outside it, inside one another, or of one name. */
static bool place_tensors(cursor *c)
{
    lt_gguf *file = c->file;
    lt_gguf_tensor **order = malloc((size_t)(file->tensor_count + 1) * sizeof *order);
    bool ok = order || out_of_memory(c);
    for (int64_t i = 0; ok && i < file->tensor_count; i++) {
        lt_gguf_tensor *tensor = order[i] = &file->tensors[i];
        int64_t room = file->file_bytes - file->data_begin - tensor->offset; /* no overflow: all within the file */
        if (tensor->bytes > room)
            ok = bad(c, LT_ERR_FORMAT,
                     "tensor '%.200s': needs %" PRId64 " bytes from byte %" PRId64 " on, but the file has %" PRId64
                     " (truncated download?)",
                     tensor->name, tensor->bytes, file->data_begin + tensor->offset, file->file_bytes);
        tensor->offset += file->data_begin;
    }
    if (ok && file->tensor_count)
        qsort(order, (size_t)file->tensor_count, sizeof *order, by_offset);
    for (int64_t i = 1; ok && i < file->tensor_count; i++)
        if (order[i]->offset < order[i - 1]->offset + order[i - 1]->bytes)
            ok = bad(c, LT_ERR_FORMAT, "tensor '%.200s': begins inside tensor '%.200s'", order[i]->name,
                     order[i - 1]->name);
    if (ok && file->tensor_count)
        qsort(order, (size_t)file->tensor_count, sizeof *order, by_name);
    for (int64_t i = 1; ok && i < file->tensor_count; i++)
        if (strcmp(order[i]->name, order[i - 1]->name) == 0)
            ok = bad(c, LT_ERR_FORMAT, "tensor '%.200s' is there twice", order[i]->name);
    free(order);
    return ok;
}

/* ---- the whole ---- */

static bool take_head(cursor *c, uint64_t *tensors, uint64_t *entries)
{
    uint64_t version;
    if (!need(c, 8) || memcmp(c->data, "GGUF", 4) != 0)
        return bad(c, LT_ERR_FORMAT, "expected a GGUF file, found other bytes at its start");
    c->at = 4;
    if (!take(c, 4, &version))
        return false;
    if (version == 2u << 24 || version == 3u << 24)
        return bad(c, LT_ERR_UNSUPPORTED, "is a GGUF file of a big-endian machine; little-endian ones are read");
    if (version != 2 && version != 3)
        return bad(c, LT_ERR_UNSUPPORTED, "GGUF version %" PRIu64 " is not read (2 and 3 are)", version);
    c->file->version = (uint32_t)version;
    if (!take(c, 8, tensors) || !take(c, 8, entries))
        return false;
    uint64_t left = (uint64_t)c->file->file_bytes;
    if (*tensors > left / LEAST_TENSOR_BYTES || *entries > left / LEAST_ENTRY_BYTES)
        return bad(c, LT_ERR_FORMAT,
                   "claims %" PRIu64 " tensors and %" PRIu64 " entries, but has %" PRIu64 " bytes (truncated download?)",
                   *tensors, *entries, left);
    return true;
}

static bool read_alignment(cursor *c)
{
    int64_t alignment = LT_GGUF_ALIGNMENT;
    if (!lt_gguf_get_int(c->file, "general.alignment", 1, 1 << 24, &alignment, c->err))
        return false;
    if (alignment & (alignment - 1))
        return bad(c, LT_ERR_FORMAT, "general.alignment: expected a power of two, found %" PRId64, alignment);
    c->file->alignment = (uint32_t)alignment;
    return true;
}

bool lt_gguf_parse_header(lt_gguf *file, const unsigned char *data, size_t size, bool *short_of, lt_error *err)
{
    cursor c = {.file = file, .data = data, .size = size, .err = err};
    uint64_t tensors = 0, entries = 0;
    bool ok = take_head(&c, &tensors, &entries) && take_entries(&c, entries) && read_alignment(&c) &&
              take_tensors(&c, tensors);
    *short_of = c.short_of;
    if (!ok)
        return false;
    uint64_t mask = file->alignment - 1, begin = ((uint64_t)c.at + mask) & ~mask;
    if (begin > (uint64_t)file->file_bytes) /* a file without tensors may end before the padding */
        begin = (uint64_t)file->file_bytes;
    file->data_begin = (int64_t)begin;
    return place_tensors(&c);
}
