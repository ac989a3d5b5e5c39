/* A model folder from a configuration alone: random weights as transformers initialises them, for pretraining and for
 * measuring shapes that nobody wants to download.
 *
 * Matrices and embeddings are normal with standard deviation initializer_range, norms are ones (zeros where the family adds
 * one), biases and the padding token's row zeros. Weights are generated and written piece by piece: memory does not grow
 * with the model. */
#ifndef LT_MODELS_INIT_H
#define LT_MODELS_INIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/error.h"

typedef struct lt_init_options {
    const char *config;  /* a config.json, or a folder that has one */
    const char *output;  /* the folder to make; it may exist if it is empty */
    lt_dtype dtype;      /* LT_DTYPE_F32, _BF16 or _F16; LT_DTYPE_COUNT: as the configuration says, else F32 */
    uint64_t seed;
    int64_t shard_bytes; /* a file is begun when this many bytes would be exceeded; 0: 5 GB */

    /* Called now and then; false stops with LT_ERR_INTERRUPTED. May be NULL. */
    bool (*progress)(int64_t done_bytes, int64_t total_bytes, void *context);
    void *context;
} lt_init_options;

typedef struct lt_init_result {
    int64_t parameters, bytes; /* bytes of weights */
    int shards;
    lt_dtype dtype;            /* what was written */
} lt_init_result;

/* Makes the folder: weights, config.json with its dtype set, and the tokenizer's files that lie beside the configuration.
 * Everything is written in a folder beside it that is renamed at the end: output appears whole, or not at all. The bytes
 * depend on configuration, dtype and seed alone. */
bool lt_init_create(const lt_init_options *options, lt_init_result *result, lt_error *err);

#endif
