/* The merged model as one GGUF file. Experts of a layer, each a tensor of its own everywhere else, are written as one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/merge_gguf.h"
#include "api/merge_internal.h"
#include "core/file.h"
#include "models/gguf.h"

enum { MOST_ROPE = 4 };

/* A file in the making. */
typedef struct writing {
    lt_merge *merge;
    lt_gguf_metadata metadata;
    lt_gguf_spec *specs;
    int64_t count;
    const lt_gguf_tensor *copied[MOST_ROPE]; /* of the source's rope */
    int copied_count;
    lt_gguf_rope_tensor made[LT_GGUF_ROPE_TENSORS]; /* of a folder's */
    int made_count;
    lt_gguf_writer *writer;
} writing;

static bool append_gguf(void *writer, const void *data, int64_t bytes, lt_error *err)
{
    return lt_gguf_append(writer, data, bytes, err);
}

/* general.file_type, as ggml numbers what most tensors are. */
static uint32_t file_type(lt_dtype dtype)
{
    static const struct {
        const char *name;
        uint32_t type;
    } known[] = {{"F32", 0}, {"F16", 1}, {"Q4_0", 2}, {"Q4_1", 3}, {"Q8_0", 7}, {"Q5_0", 8}, {"Q5_1", 9}, {"Q4_K", 15},
                 {"Q5_K", 17}, {"Q6_K", 18}, {"BF16", 32}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, lt_dtype_get(dtype)->name))
            return known[i].type;
    return 0;
}

static bool make_metadata(writing *w)
{
    lt_merge *m = w->merge;
    if (m->source)
        lt_gguf_metadata_copy(&w->metadata, m->source);
    else if (!lt_gguf_metadata_of_folder(&w->metadata, m->options->model, &m->config, m->err))
        return false;
    lt_gguf_set_u32(&w->metadata, "general.file_type", file_type(lt_merge_matrix_dtype(m)));
    if (!m->source || !lt_gguf_find(m->source, "general.quantization_version"))
        lt_gguf_set_u32(&w->metadata, "general.quantization_version", 2);
    return true;
}

/* ---- what the file declares ---- */

static bool declare_rope(writing *w)
{
    const lt_gguf *source = w->merge->source;
    for (int64_t i = 0; source && i < source->tensor_count && w->copied_count < MOST_ROPE; i++) {
        const lt_gguf_tensor *tensor = &source->tensors[i];
        if (strncmp(tensor->name, "rope_f", 6))
            continue;
        lt_gguf_spec *spec = &w->specs[w->count++];
        *spec = (lt_gguf_spec){.name = tensor->name, .type = tensor->type, .dims = tensor->dims};
        memcpy(spec->shape, tensor->shape, sizeof spec->shape);
        w->copied[w->copied_count++] = tensor;
    }
    if (!source && !lt_gguf_rope_tensors(&w->merge->config, w->made, &w->made_count, w->merge->err))
        return false;
    for (int i = 0; i < w->made_count; i++)
        w->specs[w->count++] = (lt_gguf_spec){.name = w->made[i].name, .dims = 1, .shape = {w->made[i].count}};
    return true;
}

/* An expert after the first of its layer lengthens the tensor that the first one began. */
static bool declare_item(writing *w, const lt_merge_tensor *item)
{
    if (item->expert > 0) {
        w->specs[w->count - 1].shape[0]++;
        return true;
    }
    lt_gguf_spec *spec = &w->specs[w->count++];
    *spec = (lt_gguf_spec){.name = item->gguf, .dims = item->dims};
    memcpy(spec->shape, item->shape, sizeof spec->shape);
    if (item->rows_are_inputs && item->dims == 2) {
        spec->shape[0] = item->shape[1];
        spec->shape[1] = item->shape[0];
    }
    if (item->expert == 0) {
        spec->dims = 3;
        memmove(spec->shape + 1, spec->shape, 2 * sizeof *spec->shape);
        spec->shape[0] = 1;
    }
    return lt_gguf_type_of_dtype(item->dtype, &spec->type) ||
           lt_error_set(w->merge->err, LT_ERR_UNSUPPORTED, "%s: a GGUF has no %s", w->merge->options->output, lt_dtype_get(item->dtype)->name);
}

static bool declare(writing *w)
{
    lt_merge *m = w->merge;
    w->specs = calloc((size_t)m->count + MOST_ROPE, sizeof *w->specs);
    if (!w->specs)
        return lt_error_set(m->err, LT_ERR_MEMORY, "out of memory for the list of tensors");
    bool ok = declare_rope(w);
    for (int64_t i = 0; ok && i < m->count; i++)
        ok = declare_item(w, &m->items[i]);
    return ok;
}

/* ---- its bytes ---- */

static bool write_rope(writing *w)
{
    lt_merge *m = w->merge;
    bool ok = true;
    for (int i = 0; ok && i < w->made_count; i++)
        ok = lt_gguf_append(w->writer, w->made[i].values, w->made[i].count * (int64_t)sizeof(float), m->err);
    for (int i = 0; ok && i < w->copied_count; i++) {
        const lt_gguf_tensor *tensor = w->copied[i];
        void *data = malloc((size_t)tensor->bytes);
        ok = (data || lt_error_set(m->err, LT_ERR_MEMORY, "out of memory")) &&
             lt_file_pread(m->source->fd, m->source->path, data, (size_t)tensor->bytes, tensor->offset, m->err) &&
             lt_gguf_append(w->writer, data, tensor->bytes, m->err);
        free(data);
    }
    return ok;
}

static bool write_all(writing *w)
{
    lt_merge *m = w->merge;
    bool ok = lt_gguf_create(&w->writer, m->options->output, &w->metadata, w->specs, w->count, m->err) && write_rope(w);
    for (int64_t i = 0; ok && i < m->count; i++)
        ok = lt_merge_stream(m, &m->items[i], append_gguf, w->writer);
    if (ok)
        return lt_gguf_finish(w->writer, m->err);
    lt_gguf_abort(w->writer);
    return false;
}

bool lt_merge_write_gguf(lt_merge *m)
{
    writing w = {.merge = m};
    const char *output = m->options->output;
    bool ok = !lt_file_exists(output) || lt_error_set(m->err, LT_ERR_USAGE, "%s: exists already", output);
    ok = ok && make_metadata(&w) && declare(&w) && write_all(&w);
    if (ok && !m->source && !lt_gguf_check_written(output, &m->config, m->err)) {
        unlink(output);
        ok = false;
    }
    lt_gguf_metadata_free(&w.metadata);
    lt_gguf_rope_tensors_free(w.made, w.made_count);
    free(w.specs);
    return ok;
}
