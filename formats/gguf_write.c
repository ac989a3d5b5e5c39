#include "formats/gguf_write.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/gguf_internal.h"

/* ---- bytes ---- */

static void put(lt_gguf_metadata *m, const void *data, size_t size)
{
    if (m->failed)
        return;
    if (m->size + size > m->capacity) {
        size_t capacity = 2 * (m->size + size) + 4096;
        unsigned char *grown = realloc(m->data, capacity);
        if (!grown) {
            m->failed = true;
            return;
        }
        m->data = grown;
        m->capacity = capacity;
    }
    if (size)
        memcpy(m->data + m->size, data, size);
    m->size += size;
}

/* Little-endian on any machine. */
static void put_number(lt_gguf_metadata *m, uint64_t value, int bytes)
{
    unsigned char out[8];
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> 8 * i);
    put(m, out, (size_t)bytes);
}

static void put_text(lt_gguf_metadata *m, const char *text, size_t size)
{
    put_number(m, size, 8);
    put(m, text, size);
}

static void put_key(lt_gguf_metadata *m, const char *key, lt_gguf_type type)
{
    put_text(m, key, strlen(key));
    put_number(m, type, 4);
    m->count++;
}

static void put_f32(lt_gguf_metadata *m, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(m, bits, 4);
}

void lt_gguf_metadata_free(lt_gguf_metadata *m)
{
    free(m->data);
    *m = (lt_gguf_metadata){0};
}

/* ---- entries ---- */

void lt_gguf_set_u32(lt_gguf_metadata *m, const char *key, uint32_t value)
{
    put_key(m, key, LT_GGUF_U32);
    put_number(m, value, 4);
}

void lt_gguf_set_f32(lt_gguf_metadata *m, const char *key, float value)
{
    put_key(m, key, LT_GGUF_F32);
    put_f32(m, value);
}

void lt_gguf_set_bool(lt_gguf_metadata *m, const char *key, bool value)
{
    put_key(m, key, LT_GGUF_BOOL);
    put_number(m, value, 1);
}

void lt_gguf_set_string(lt_gguf_metadata *m, const char *key, const char *text, size_t size)
{
    put_key(m, key, LT_GGUF_STRING);
    put_text(m, text, size);
}

static void put_array(lt_gguf_metadata *m, const char *key, lt_gguf_type element, uint64_t count)
{
    put_key(m, key, LT_GGUF_ARRAY);
    put_number(m, element, 4);
    put_number(m, count, 8);
}

void lt_gguf_set_strings(lt_gguf_metadata *m, const char *key, const lt_gguf_string *list, uint64_t count)
{
    put_array(m, key, LT_GGUF_STRING, count);
    for (uint64_t i = 0; i < count; i++)
        put_text(m, list[i].data, list[i].size);
}

void lt_gguf_set_f32s(lt_gguf_metadata *m, const char *key, const float *list, uint64_t count)
{
    put_array(m, key, LT_GGUF_F32, count);
    for (uint64_t i = 0; i < count; i++)
        put_f32(m, list[i]);
}

void lt_gguf_set_i32s(lt_gguf_metadata *m, const char *key, const int32_t *list, uint64_t count)
{
    put_array(m, key, LT_GGUF_I32, count);
    for (uint64_t i = 0; i < count; i++)
        put_number(m, (uint32_t)list[i], 4);
}

void lt_gguf_set_bools(lt_gguf_metadata *m, const char *key, const bool *list, uint64_t count)
{
    put_array(m, key, LT_GGUF_BOOL, count);
    for (uint64_t i = 0; i < count; i++)
        put_number(m, list[i], 1);
}

void lt_gguf_set_entry(lt_gguf_metadata *m, const char *key, const lt_gguf_entry *entry)
{
    if (entry->type == LT_GGUF_ARRAY)
        put_array(m, key, entry->element, entry->count);
    else
        put_key(m, key, entry->type);
    put(m, entry->value, entry->bytes);
}

/* ---- the file ---- */

struct lt_gguf_writer {
    lt_file_writer file;
    int64_t *sizes; /* of the tensors */
    int64_t count, at;
    int64_t written; /* bytes of tensor `at` */
};

static int64_t padding(int64_t bytes)
{
    return -bytes & (LT_GGUF_ALIGNMENT - 1);
}

/* Fills the table of tensors into `head`; sizes go to the writer. */
static bool put_tensors(lt_gguf_metadata *head, lt_gguf_writer *writer, const lt_gguf_spec *specs, lt_error *err)
{
    int64_t offset = 0;
    for (int64_t i = 0; i < writer->count; i++) {
        const lt_gguf_tensor_type *type = lt_gguf_tensor_type_get(specs[i].type);
        int64_t elements = 1;
        assert(type && specs[i].dims > 0 && specs[i].dims <= LT_GGUF_MAX_DIMS);
        put_text(head, specs[i].name, strlen(specs[i].name));
        put_number(head, (uint64_t)specs[i].dims, 4);
        for (int d = specs[i].dims - 1; d >= 0; d--) {
            put_number(head, (uint64_t)specs[i].shape[d], 8);
            elements *= specs[i].shape[d];
        }
        if (specs[i].shape[specs[i].dims - 1] % type->block_elements)
            return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: tensor '%s': rows of %lld elements are no whole blocks of %s",
                                writer->file.path, specs[i].name, (long long)specs[i].shape[specs[i].dims - 1], type->name);
        put_number(head, type->id, 4);
        put_number(head, (uint64_t)offset, 8);
        writer->sizes[i] = elements / type->block_elements * type->block_bytes;
        offset += writer->sizes[i] + padding(writer->sizes[i]);
    }
    return true;
}

static bool write_head(lt_gguf_writer *writer, const lt_gguf_metadata *metadata, const lt_gguf_spec *specs, lt_error *err)
{
    static const char zeros[LT_GGUF_ALIGNMENT];
    lt_gguf_metadata head = {0};
    put(&head, "GGUF", 4);
    put_number(&head, 3, 4);
    put_number(&head, (uint64_t)writer->count, 8);
    put_number(&head, metadata->count, 8);
    put(&head, metadata->data, metadata->size);
    bool ok = put_tensors(&head, writer, specs, err);
    put(&head, zeros, (size_t)padding((int64_t)head.size));
    if (ok && (metadata->failed || head.failed))
        ok = lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its header", writer->file.path);
    ok = ok && lt_file_write(&writer->file, head.data, head.size, err);
    lt_gguf_metadata_free(&head);
    return ok;
}

bool lt_gguf_create(lt_gguf_writer **out, const char *path, const lt_gguf_metadata *metadata, const lt_gguf_spec *specs,
                    int64_t count, lt_error *err)
{
    lt_gguf_writer *writer = calloc(1, sizeof *writer);
    int64_t *sizes = calloc((size_t)count + 1, sizeof *sizes);
    if (!writer || !sizes) {
        free(writer);
        free(sizes);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    }
    writer->sizes = sizes;
    writer->count = count;
    bool ok = lt_file_create(&writer->file, path, err);
    if (ok)
        lt_file_write_large(&writer->file);
    if (!ok || !write_head(writer, metadata, specs, err)) {
        lt_gguf_abort(writer);
        return false;
    }
    *out = writer;
    return true;
}

bool lt_gguf_append(lt_gguf_writer *writer, const void *data, int64_t bytes, lt_error *err)
{
    static const char zeros[LT_GGUF_ALIGNMENT];
    assert(writer->at < writer->count && writer->written + bytes <= writer->sizes[writer->at]);
    if (!lt_file_write(&writer->file, data, (size_t)bytes, err))
        return false;
    writer->written += bytes;
    if (writer->written < writer->sizes[writer->at])
        return true;
    int64_t pad = padding(writer->written);
    writer->at++;
    writer->written = 0;
    return lt_file_write(&writer->file, zeros, (size_t)pad, err);
}

bool lt_gguf_finish(lt_gguf_writer *writer, lt_error *err)
{
    assert(writer->at == writer->count);
    bool ok = lt_file_commit(&writer->file, err);
    free(writer->sizes);
    free(writer);
    return ok;
}

void lt_gguf_abort(lt_gguf_writer *writer)
{
    if (!writer)
        return;
    lt_file_abort(&writer->file);
    free(writer->sizes);
    free(writer);
}
