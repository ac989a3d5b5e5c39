/* The embedding: rows of a (V,C) matrix by token id, scaled, with what an adapter adds. An id below 0 is a virtual token: ~id is
 * its row of embed->virtual, taken as it is instead. Families that learn them add a row for
 * the position and one for the token's type, and some norm the sum. Rows are read with pread: they are few and scattered, and
 * mapping them would keep whole pages resident for each. */
#ifndef LT_NN_EMBED_H
#define LT_NN_EMBED_H

#include <stdbool.h>
#include <stdint.h>

#include "nn/norm.h"
#include "nn/virtual.h"
#include "nn/weights.h"

/* An adapter's view of the embedding. It passes over ids below 0. */
typedef struct lt_embed_hook lt_embed_hook;
struct lt_embed_hook {
    void (*forward)(lt_embed_hook *hook, const int32_t *ids, int64_t T, int64_t C, float *x);        /* x (T,C) += */
    /* gradients += scale · what dx (T,C) says: the embedding scales its rows after the hook */
    void (*backward)(lt_embed_hook *hook, const int32_t *ids, int64_t T, int64_t C, float scale, const float *dx);
    bool enabled;
};

typedef struct lt_embed {
    lt_weight weight; /* (V,C) */
    float scale;      /* multiplies every row */
    float *dweight;   /* (V,C) f32 when trained, else NULL */
    lt_embed_hook *hook;
    const lt_virtual *virtual;    /* of kind INPUTS, when ids may be below 0 */
    lt_weight positions, types;   /* (P,C) and (types,C); rows 0: the family has none */
    float *dpositions, *dtypes;   /* of their shapes when trained */
    float *row;                   /* (C) scratch: a table's row on its way; NULL without tables */
    lt_norm norm;                 /* of the sum; weight NULL: none */
    float *dnorm, *dnorm_bias;    /* (C) when trained */
} lt_embed;

/* The tokens of a step. positions (T) count from the start of each sequence; types (T), or NULL: all 0. */
typedef struct lt_embed_tokens {
    int64_t T;
    const int32_t *ids, *positions, *types;
} lt_embed_tokens;

/* x (T,C) f32; ids are in 0 .. V-1, or ~p for virtual token p. Fails when the file cannot be read, or a position or type has no row. */
bool lt_embed_forward(const lt_embed *embed, const lt_embed_tokens *tokens, float *x, lt_error *err);

/* From dx (T,C), which a norm changes in place: rows that occur more than once are summed in the order of t. scratch
 * (chunk,C) f32 and norm_scratch (lt_norm_scratch_bytes) are used when there is a norm. */
bool lt_embed_backward(const lt_embed *embed, const lt_embed_tokens *tokens, float *dx, int64_t chunk, float *scratch,
                       void *norm_scratch, lt_error *err);

bool lt_embed_trained(const lt_embed *embed);

#endif
