/* Decoding: new tokens of one or more sequences against their cached keys and values.
 *
 * Answers to the same prompt share it: the prompt's keys and values are cached once, as a prefix, and every answer has a
 * cache for its own tokens alone. In a pass all answers attend to the prefix together, so it is read once for all of
 * them. What a sequence gives does not depend on the others of a pass: the same tokens behind the same prefix have the
 * same logits to the last bit, alone or in a batch.
 *
 * A model's virtual tokens (virtual.h) come before the first token of every sequence or prefix by themselves; lengths and
 * capacities do not count them. */
#ifndef LT_NN_DECODE_H
#define LT_NN_DECODE_H

#include "nn/model.h"

typedef struct lt_decoder lt_decoder;

typedef struct lt_decoder_shape {
    lt_compute compute;
    int threads;
    int64_t sequences;       /* cached at the same time */
    int64_t capacity;        /* tokens of each, beside those of its prefix */
    int64_t chunk;           /* tokens that pass the layers at once: of a prompt, or one of each of so many sequences */
    int64_t prefixes;        /* shared prompts; 0: none */
    int64_t prefix_capacity; /* tokens of each */
} lt_decoder_shape;

/* Bytes of a decoder: cache (bf16 with bf16 compute, else f32) and workspace. */
int64_t lt_decoder_bytes(const lt_model *model, const lt_decoder_shape *shape);

/* Of those, the bytes of the caches. */
int64_t lt_decoder_cache_bytes(const lt_model *model, const lt_decoder_shape *shape);

bool lt_decoder_open(lt_decoder **decoder, lt_model *model, const lt_decoder_shape *shape, lt_error *err);
void lt_decoder_close(lt_decoder *decoder);

/* Prefix i (below shape.prefixes) as a sequence: it is fed, asked for its length and rewound as any other. */
int64_t lt_decoder_prefix(const lt_decoder *decoder, int64_t i);

/* Empties a sequence and puts it behind all tokens that the prefix has now. The prefix is one of lt_decoder_prefix and
 * does not change while sequences are behind it. -1: no prefix. */
void lt_decoder_attach(lt_decoder *decoder, int64_t sequence, int64_t prefix);

/* Tokens in the cache of a sequence, its prefix included; all caches start empty. */
int64_t lt_decoder_length(const lt_decoder *decoder, int64_t sequence);

/* Forgets the tokens of a sequence from `length` on; never those of its prefix. */
void lt_decoder_rewind(lt_decoder *decoder, int64_t sequence, int64_t length);

/* Copies the cache of a sequence to another, which then has the same prefix. */
void lt_decoder_copy(lt_decoder *decoder, int64_t from, int64_t to);

/* Appends ids (n ≥ 1) to a sequence; logits (V) f32 predict what follows the last of them. It must have room. */
bool lt_decoder_feed(lt_decoder *decoder, int64_t sequence, const int32_t *ids, int64_t n, float *logits, lt_error *err);

/* Appends one token to each of n different sequences in one pass; logits (n,V) f32. n ≤ chunk. */
bool lt_decoder_step(lt_decoder *decoder, const int64_t *sequences, const int32_t *ids, int64_t n, float *logits, lt_error *err);

#endif
