#include "formats/safetensors.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

enum { LARGE = 32 << 20 }; /* bytes from which on a file is a model, which will be mapped, rather than an adapter */

struct lt_safetensors_writer {
    lt_file_writer file;
    int64_t declared, written; /* bytes of data */
};

static json_t *describe(const lt_tensor_spec *spec, int64_t *offset)
{
    int64_t elements = 1, begin = *offset;
    json_t *shape = json_array();
    assert(spec->dims >= 0 && spec->dims <= LT_MAX_DIMS);
    for (int i = 0; i < spec->dims; i++) {
        elements *= spec->shape[i];
        json_array_append_new(shape, json_integer(spec->shape[i]));
    }
    *offset += lt_dtype_bytes(spec->dtype, elements);
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", lt_dtype_get(spec->dtype)->name, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)*offset);
}

/* The header as text, or NULL: a name that is not UTF-8 or that is declared twice has no place in it. */
static char *make_header(const char *path, const lt_tensor_spec *specs, int64_t count, const char *const *metadata,
                         int64_t *data_bytes, lt_error *err)
{
    char *text = NULL;
    json_t *root = json_object(), *meta = NULL;
    int64_t offset = 0;
    if (metadata && *metadata) {
        meta = json_object();
        json_object_set_new(root, "__metadata__", meta);
        for (; *metadata; metadata += 2)
            if (json_object_set_new(meta, metadata[0], json_string(metadata[1]))) {
                lt_error_set(err, LT_ERR_FORMAT, "%s: metadata '%s' is not UTF-8", path, metadata[0]);
                goto done;
            }
    }
    for (int64_t i = 0; i < count; i++) {
        if (json_object_get(root, specs[i].name)) {
            lt_error_set(err, LT_ERR_FORMAT, "%s: two tensors are named '%s'", path, specs[i].name);
            goto done;
        }
        if (json_object_set_new(root, specs[i].name, describe(&specs[i], &offset))) {
            lt_error_set(err, LT_ERR_FORMAT, "%s: '%s' cannot be the name of a tensor", path, specs[i].name);
            goto done;
        }
    }
    *data_bytes = offset;
    text = json_dumps(root, JSON_COMPACT);
    if (!text)
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for a header of %" PRId64 " tensors", path, count);
done:
    json_decref(root);
    return text;
}

static bool write_header(lt_file_writer *file, const char *text, lt_error *err)
{
    static const char spaces[] = "       ";
    size_t n = strlen(text), padding = -n & 7;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)((uint64_t)(n + padding) >> 8 * i);
    return lt_file_write(file, prefix, 8, err) && lt_file_write(file, text, n, err) &&
           lt_file_write(file, spaces, padding, err);
}

bool lt_safetensors_create(lt_safetensors_writer **out, const char *path, const lt_tensor_spec *specs, int64_t count,
                           const char *const *metadata, lt_error *err)
{
    bool ok = false;
    lt_safetensors_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    char *header = make_header(path, specs, count, metadata, &writer->declared, err);
    if (!header || !lt_file_create(&writer->file, path, err))
        goto done;
    if (writer->declared >= LARGE)
        lt_file_write_large(&writer->file);
    if (!write_header(&writer->file, header, err)) {
        lt_file_abort(&writer->file);
        goto done;
    }
    *out = writer;
    ok = true;
done:
    free(header);
    if (!ok)
        free(writer);
    return ok;
}

bool lt_safetensors_append(lt_safetensors_writer *writer, const void *data, int64_t bytes, lt_error *err)
{
    assert(bytes >= 0 && bytes <= writer->declared - writer->written && "more data than was declared");
    if (!lt_file_write(&writer->file, data, (size_t)bytes, err))
        return false;
    writer->written += bytes;
    return true;
}

bool lt_safetensors_finish(lt_safetensors_writer *writer, lt_error *err)
{
    assert(writer->written == writer->declared && "a declared tensor was not appended");
    bool ok = lt_file_commit(&writer->file, err);
    free(writer);
    return ok;
}

void lt_safetensors_abort(lt_safetensors_writer *writer)
{
    if (!writer)
        return;
    lt_file_abort(&writer->file);
    free(writer);
}
