/* The embedding: rows of a (V,C) matrix by token id, scaled, with what an adapter adds. Rows are read with pread: they are few and
 * scattered, and mapping them would keep whole pages resident for each. */
#ifndef LT_NN_EMBED_H
#define LT_NN_EMBED_H

#include <stdbool.h>
#include <stdint.h>

#include "nn/weights.h"

/* An adapter's view of the embedding. */
typedef struct lt_embed_hook lt_embed_hook;
struct lt_embed_hook {
    void (*forward)(lt_embed_hook *hook, const int32_t *ids, int64_t T, int64_t C, float *x);        /* x (T,C) += */
    void (*backward)(lt_embed_hook *hook, const int32_t *ids, int64_t T, int64_t C, const float *dx); /* gradients += */
    bool enabled;
};

typedef struct lt_embed {
    lt_weight weight; /* (V,C) */
    float scale;      /* multiplies every row */
    float *dweight;   /* (V,C) f32 when trained, else NULL */
    lt_embed_hook *hook;
} lt_embed;

/* x (T,C) f32; ids are in 0 .. V-1. Fails only when the file cannot be read. */
bool lt_embed_forward(const lt_embed *embed, const int32_t *ids, int64_t T, float *x, lt_error *err);

/* From dx (T,C): rows that occur more than once are summed in the order of t. */
void lt_embed_backward(const lt_embed *embed, const int32_t *ids, int64_t T, const float *dx);

bool lt_embed_trained(const lt_embed *embed);

#endif
