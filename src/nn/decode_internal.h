/* The state of a decoder. Internal: decode.c plans, opens and runs the layers, decode_cache.c keeps keys and values,
 * decode_attend.c attends to them. */
#ifndef LT_NN_DECODE_INTERNAL_H
#define LT_NN_DECODE_INTERNAL_H

#include "nn/block.h"
#include "nn/decode.h"

enum { LT_DECODE_TILE = 16 }; /* new tokens that attend together */

/* One cached sequence. Its first `shared` tokens lie in the cache of `prefix`. */
typedef struct lt_decode_sequence {
    int64_t prefix; /* another sequence, or -1 */
    int64_t shared;
    int64_t own; /* tokens in its own cache, virtual ones included */
    int64_t rope_length; /* longrope: the length for which the cached keys were rotated */
} lt_decode_sequence;

/* Rows index[first .. first+count) that attend together: consecutive tokens of one sequence, or one token each of several
 * sequences behind the same prefix. */
typedef struct lt_decode_tile {
    int64_t first, count;
    int64_t prefix, shared; /* of all of them */
    bool together;          /* one sequence */
} lt_decode_tile;

struct lt_decoder {
    lt_model *model;
    lt_decoder_shape shape;        /* capacities with P */
    int64_t P;                     /* virtual tokens of a sequence, in the stream or as keys */
    int32_t *virtual_ids;          /* (P) */
    lt_arena arena, hook_arena;
    lt_workspace ws;
    lt_run run;
    lt_dtype cache_dtype;
    int64_t total;                 /* sequences and prefixes */
    char **keys, **values;         /* (L · total) each (capacity, K·D) */
    lt_decode_sequence *sequences; /* (total) */
    float *x;                      /* (chunk,C) */
    float *hidden;                 /* (chunk,C) */
    int32_t *positions;            /* (chunk) */
    int32_t *row_sequence;         /* (chunk) */
    int32_t *rope_rows;            /* (chunk) */
    int32_t *history;              /* longrope: (total, longest) ids of each cache, else NULL */
    int32_t *replay;               /* (longest) */
    int32_t *index;                /* (chunk) rows in the order of tiles */
    lt_decode_tile *tiles;         /* (chunk) */
    int64_t tile_count;
    float *q, *scores, *mix; /* per thread: (TILE·G, D), (TILE·G, most tokens), (TILE·G, D) */
    char *gemm;              /* per thread */
    int64_t gemm_bytes;
};

/* Most tokens of a sequence with its prefix. */
int64_t lt_decode_longest(const lt_decoder_shape *shape);

/* decode_cache.c */
void lt_decode_cache_layout(lt_decoder *d);
/* Puts k and v of the n rows in hand into the caches of their sequences. */
void lt_decode_remember(const lt_decoder *d, int64_t layer, int64_t n);
/* One key and one value (K·D) f32 into the cache of a sequence. */
void lt_decode_remember_row(const lt_decoder *d, int64_t layer, int64_t sequence, int64_t position, const float *key, const float *value);

/* decode_attend.c */
int64_t lt_decode_attend_rows(const lt_config *c); /* rows of q of a tile */
void lt_decode_attend(const lt_decoder *d, const lt_attention *attention, int64_t layer, const lt_decode_tile *tile, int64_t kv);

#endif
