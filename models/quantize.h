/* A model folder with its linear layers quantised, in the forms that bitsandbytes has and transformers loads: NF4 in blocks of
 * 64 with double quantisation, or int8 with a scale per row. Embeddings, norms, biases and the head stay as they are. Tensors
 * are read, quantised and written piece by piece: memory does not grow with the model. */
#ifndef LT_MODELS_QUANTIZE_H
#define LT_MODELS_QUANTIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/error.h"

typedef struct lt_quantize_options {
    const char *model;   /* a Hugging Face folder with plain weights */
    const char *output;  /* the folder to make; it may exist if it is empty */
    lt_dtype type;       /* LT_DTYPE_NF4 or LT_DTYPE_I8 */
    int64_t shard_bytes; /* a file is begun when this many bytes would be exceeded; 0: 5 GB */

    /* Called now and then; false stops with LT_ERR_INTERRUPTED. May be NULL. */
    bool (*progress)(int64_t done_bytes, int64_t total_bytes, void *context);
    void *context;
} lt_quantize_options;

typedef struct lt_quantize_result {
    int64_t bytes_before, bytes; /* of weights */
    int64_t quantised;           /* matrices */
    int shards;
} lt_quantize_result;

/* Output appears whole, or not at all. Its bytes depend on the model and the type alone. */
bool lt_quantize_run(const lt_quantize_options *options, lt_quantize_result *result, lt_error *err);

#endif
