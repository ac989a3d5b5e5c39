/* safetensors, one file or many: https://github.com/huggingface/safetensors (format: 8-byte little-endian header length,
 * JSON header, tensor bytes). Headers are read with pread into memory of our own and checked in full: bounds against
 * fstat of the same descriptor, overflow of every product, overlaps, holes, duplicates, header above 100 MB. */
#ifndef LT_FORMATS_SAFETENSORS_H
#define LT_FORMATS_SAFETENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/error.h"

enum { LT_MAX_DIMS = 8 };

/* How stored numbers become those of the Hugging Face layout that everything above expects. */
typedef enum lt_tensor_view {
    LT_VIEW_PLAIN,       /* they are it */
    LT_VIEW_PAIRED_ROWS, /* rows of each head of head_rows lie in pairs: row 2i is row i, row 2i + 1 is row i + head_rows / 2 */
    LT_VIEW_PLUS_ONE,    /* each has one added */
} lt_tensor_view;

typedef struct lt_tensor_info {
    const char *name; /* owned by the set */
    lt_dtype dtype;
    int dims;
    int64_t shape[LT_MAX_DIMS];
    int64_t elements;
    int shard;             /* which file */
    int64_t offset, bytes; /* of the data, from the start of that file; possibly unaligned */
    lt_tensor_view view;   /* of GGUF tensors; safetensors are plain */
    int64_t head_rows;     /* LT_VIEW_PAIRED_ROWS: even, divides the rows */
} lt_tensor_info;

/* Where stored row (or element of a vector) `row` of a tensor belongs. */
static inline int64_t lt_tensor_row(lt_tensor_view view, int64_t head_rows, int64_t row)
{
    if (view != LT_VIEW_PAIRED_ROWS)
        return row;
    int64_t inside = row % head_rows;
    return row - inside + inside / 2 + inside % 2 * (head_rows / 2);
}

typedef struct lt_safetensors lt_safetensors; /* open shards and their tensors, sorted by shard and offset */

/* path: a .safetensors file, or a folder with model.safetensors.index.json (shard names must be plain names inside the
 * folder; links as a hub cache has them are fine) or model.safetensors. */
bool lt_safetensors_open(lt_safetensors **set, const char *path, lt_error *err);
void lt_safetensors_close(lt_safetensors *set);

/* A set over tensors that another format's reader found: infos (malloc'ed, names too; sorted by shard and offset) lie in the files
 * `paths`. Takes over infos, also on failure. Bounds must have been checked; a file that has become shorter is an error. */
bool lt_safetensors_assemble(lt_safetensors **set, const char *const *paths, int path_count, lt_tensor_info *infos, int64_t count,
                             lt_error *err);

int64_t lt_safetensors_count(const lt_safetensors *set);
const lt_tensor_info *lt_safetensors_at(const lt_safetensors *set, int64_t index);
const lt_tensor_info *lt_safetensors_find(const lt_safetensors *set, const char *name); /* NULL when absent */
const char *lt_safetensors_metadata(const lt_safetensors *set, const char *key);        /* __metadata__ of the first file */

int lt_safetensors_shard_count(const lt_safetensors *set);
const char *lt_safetensors_shard_path(const lt_safetensors *set, int shard);
int lt_safetensors_shard_fd(const lt_safetensors *set, int shard);
int64_t lt_safetensors_shard_bytes(const lt_safetensors *set, int shard);

/* Size, mtime and inode of every shard still as at opening? For checkpoints: a base that changed under a run is an error. */
bool lt_safetensors_unchanged(const lt_safetensors *set, lt_error *err);

/* Reads a whole tensor with pread, as stored (out holds info->bytes), or converted to f32 (any type that stands for real numbers)
 * and in the order and scale of its view. */
bool lt_safetensors_read(const lt_safetensors *set, const lt_tensor_info *tensor, void *out, lt_error *err);
bool lt_safetensors_read_f32(const lt_safetensors *set, const lt_tensor_info *tensor, float *out, lt_error *err);

/* The same for rows [first, first + count) of its first dimension (elements of a vector). A tensor with paired rows is read in
 * whole heads: first and count are multiples of head_rows. */
bool lt_safetensors_read_rows(const lt_safetensors *set, const lt_tensor_info *tensor, int64_t first, int64_t count, float *out,
                              lt_error *err);

/* Writing, streamed: declare all tensors, then append their bytes in the order declared. The file appears under its name
 * only when complete (core/file.h). Offsets are laid out as declared; data starts 8-byte aligned. */
typedef struct lt_safetensors_writer lt_safetensors_writer;

typedef struct lt_tensor_spec {
    const char *name;
    lt_dtype dtype;
    int dims;
    int64_t shape[LT_MAX_DIMS];
} lt_tensor_spec;

/* metadata: NULL-terminated key, value, key, value … or NULL. */
bool lt_safetensors_create(lt_safetensors_writer **writer, const char *path, const lt_tensor_spec *specs, int64_t count,
                           const char *const *metadata, lt_error *err);
bool lt_safetensors_append(lt_safetensors_writer *writer, const void *data, int64_t bytes, lt_error *err);
bool lt_safetensors_finish(lt_safetensors_writer *writer, lt_error *err); /* frees the writer, also on failure */
void lt_safetensors_abort(lt_safetensors_writer *writer);                 /* frees; removes the temporary file */

#endif
