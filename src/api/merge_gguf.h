/* Metadata of a GGUF file from a model in a folder. */
#ifndef LT_API_MERGE_GGUF_H
#define LT_API_MERGE_GGUF_H

#include "formats/gguf_write.h"
#include "nn/config.h"

/* All of a GGUF file's entries but those that say how it is stored or split. */
void lt_gguf_metadata_copy(lt_gguf_metadata *metadata, const lt_gguf *from);

/* Architecture, sizes and, where folder has a tokenizer.json, vocabulary and chat template. LT_ERR_UNSUPPORTED when there is no
 * architecture, or no way to say something, in GGUF. */
bool lt_gguf_metadata_of_folder(lt_gguf_metadata *metadata, const char *folder, const lt_config *config, lt_error *err);

/* Reads the configuration of a written file back: LT_ERR_UNSUPPORTED names what it does not say as the model had it. */
bool lt_gguf_check_written(const char *path, const lt_config *was, lt_error *err);

/* Vectors beside the weights that say how a rope is stretched: rope_freqs.weight, what each frequency of Llama 3.1's rule is divided
 * by, or rope_factors_long.weight and rope_factors_short.weight. */
typedef struct lt_gguf_rope_tensor {
    const char *name;
    float *values; /* count of them, owned */
    int64_t count;
} lt_gguf_rope_tensor;

enum { LT_GGUF_ROPE_TENSORS = 2 };

/* *count: how many there are, 0 for most models. */
bool lt_gguf_rope_tensors(const lt_config *config, lt_gguf_rope_tensor out[LT_GGUF_ROPE_TENSORS], int *count, lt_error *err);
void lt_gguf_rope_tensors_free(lt_gguf_rope_tensor *tensors, int count);

#endif
