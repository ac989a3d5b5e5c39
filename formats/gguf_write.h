/* Writing GGUF version 3, streamed: metadata first, then all tensors declared, then their bytes in that order. The file appears
 * under its name only when complete (core/file.h). */
#ifndef LT_FORMATS_GGUF_WRITE_H
#define LT_FORMATS_GGUF_WRITE_H

#include "formats/gguf.h"

/* Metadata in the making. Start with {0}. A failure (out of memory) is remembered and reported by lt_gguf_create, so that a list
 * of keys reads as a list. Keys are written in the order in which they were set; each must be set once. */
typedef struct lt_gguf_metadata {
    unsigned char *data; /* owned */
    size_t size, capacity;
    uint64_t count;
    bool failed;
} lt_gguf_metadata;

void lt_gguf_metadata_free(lt_gguf_metadata *metadata);

void lt_gguf_set_u32(lt_gguf_metadata *metadata, const char *key, uint32_t value);
void lt_gguf_set_f32(lt_gguf_metadata *metadata, const char *key, float value);
void lt_gguf_set_bool(lt_gguf_metadata *metadata, const char *key, bool value);
void lt_gguf_set_string(lt_gguf_metadata *metadata, const char *key, const char *text, size_t size);
void lt_gguf_set_strings(lt_gguf_metadata *metadata, const char *key, const lt_gguf_string *list, uint64_t count);
void lt_gguf_set_f32s(lt_gguf_metadata *metadata, const char *key, const float *list, uint64_t count);
void lt_gguf_set_i32s(lt_gguf_metadata *metadata, const char *key, const int32_t *list, uint64_t count);
void lt_gguf_set_bools(lt_gguf_metadata *metadata, const char *key, const bool *list, uint64_t count);

/* An entry of another file under a key of this one, whatever its type. */
void lt_gguf_set_entry(lt_gguf_metadata *metadata, const char *key, const lt_gguf_entry *entry);

typedef struct lt_gguf_spec {
    const char *name;
    uint32_t type; /* as ggml numbers them: lt_gguf_type_of_dtype */
    int dims;
    int64_t shape[LT_GGUF_MAX_DIMS]; /* slowest first; the last is a whole number of blocks */
} lt_gguf_spec;

typedef struct lt_gguf_writer lt_gguf_writer;

/* Writes everything before the data. metadata may be freed afterwards. */
bool lt_gguf_create(lt_gguf_writer **writer, const char *path, const lt_gguf_metadata *metadata, const lt_gguf_spec *specs,
                    int64_t count, lt_error *err);

/* The next bytes of the tensors, in the order declared; padding between tensors is put in here. A call stays within a tensor. */
bool lt_gguf_append(lt_gguf_writer *writer, const void *data, int64_t bytes, lt_error *err);
bool lt_gguf_finish(lt_gguf_writer *writer, lt_error *err); /* frees the writer, also on failure */
void lt_gguf_abort(lt_gguf_writer *writer);                 /* frees; removes the temporary file; NULL is fine */

#endif
