/* Decoding: new tokens of one or more sequences against their cached keys and values. */
#ifndef LT_NN_DECODE_H
#define LT_NN_DECODE_H

#include "nn/model.h"

typedef struct lt_decoder lt_decoder;

typedef struct lt_decoder_shape {
    lt_compute compute;
    int threads;
    int64_t sequences; /* cached at the same time */
    int64_t capacity;  /* tokens of each */
    int64_t chunk;     /* tokens that pass the layers at once while a prompt is read */
} lt_decoder_shape;

/* Bytes of a decoder: cache (bf16 with bf16 compute, else f32) and workspace. */
int64_t lt_decoder_bytes(const lt_model *model, const lt_decoder_shape *shape);

bool lt_decoder_open(lt_decoder **decoder, lt_model *model, const lt_decoder_shape *shape, lt_error *err);
void lt_decoder_close(lt_decoder *decoder);

/* Tokens in the cache of a sequence; all caches start empty. */
int64_t lt_decoder_length(const lt_decoder *decoder, int64_t sequence);

/* Forgets the tokens of a sequence from `length` on. */
void lt_decoder_rewind(lt_decoder *decoder, int64_t sequence, int64_t length);

/* Copies the cache of a sequence to another: answers that share a prompt read it once. */
void lt_decoder_copy(lt_decoder *decoder, int64_t from, int64_t to);

/* Appends ids (n ≥ 1) to a sequence; logits (V) f32 predict what follows the last of them. Length + n ≤ capacity. */
bool lt_decoder_feed(lt_decoder *decoder, int64_t sequence, const int32_t *ids, int64_t n, float *logits, lt_error *err);

/* Appends one token to each of n different sequences in one pass; logits (n,V) f32. n ≤ chunk. */
bool lt_decoder_step(lt_decoder *decoder, const int64_t *sequences, const int32_t *ids, int64_t n, float *logits, lt_error *err);

#endif
