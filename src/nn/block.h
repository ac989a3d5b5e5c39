/* One transformer block, forward beside backward, over all tokens of a step.
 *
 *     a   = attention(rotate(qkv(norm(x))))        x' = x  + s · [norm] o(a)
 *     m   = act(gate(norm(x'))) · up(norm(x'))     x  = x' + s · [norm] down(m)
 *
 * Work that does not mix tokens goes in chunks, so that no (T, F) array exists; attention sees all rows. */
#ifndef LT_NN_BLOCK_H
#define LT_NN_BLOCK_H

#include "nn/attention.h"
#include "nn/engine.h"
#include "nn/rope.h"

/* What all blocks share while a step runs; laid out by the engine. GU is 2 F for a gated MLP, else F; QKV = (H + 2K) D. */
typedef struct lt_run {
    const lt_config *config;
    lt_workspace *ws;
    int64_t T, sequences, chunk;
    const int32_t *starts;    /* (sequences + 1) */
    const int32_t *rope_rows; /* (T) row of the ropes' tables for each token: its place in its sequence, or as lt_rope_row says */
    lt_rope_table ropes[LT_MAX_ROPES];

    float *stream;       /* (T,C) the residual stream; in the backward pass its gradient */
    float *qkv, *dqkv;   /* (T,QKV) */
    float *raw_qk;       /* (T,(H+K)D) q and k before their norm; NULL without q/k norms */
    float *attn, *dattn; /* (T,HD) */
    float *lse;          /* (T,H) */
    int64_t prefix;      /* keys and values before every sequence; 0 unless a prefix is trained or used */
    float *prefix_k, *prefix_v, *dprefix_k, *dprefix_v; /* (L,prefix,KD) each; gradients only in training */
    float *xn, *dxn;     /* (chunk,C) a normed input and its gradient */
    float *mid, *branch; /* (chunk,C) */
    float *gu;           /* (chunk,GU) */
    float *act, *dact;   /* (chunk,F) */
    lt_moe_rows moe;     /* chunk rows of a mixture of experts */
    void *attention_scratch, *norm_scratch;
} lt_run;

/* Where a block's activations are kept between the passes; pointers beyond its level are NULL. */
typedef struct lt_kept {
    lt_keep level;
    int bits, input_bits;
    char *input; /* (T,C) */
    char *qkv;   /* (T,QKV) before q/k norm and rotation */
    char *attn;  /* (T,HD) */
    float *lse;  /* (T,H) */
    char *mid;   /* (T,C) */
    char *gu;    /* (T,GU) */
} lt_kept;

/* run->stream (T,C) in and out. kept is NULL when no backward pass will follow. */
void lt_block_forward(const lt_run *run, const lt_block *block, int64_t layer, const lt_kept *kept);

/* run->stream holds d loss / d output and becomes d loss / d input, unless need_dx is false: then nothing below is trained and
 * it is left undefined. Adds to the gradients of what is trained. */
void lt_block_backward(const lt_run *run, const lt_block *block, int64_t layer, const lt_kept *kept, bool need_dx);

/* The parts of the forward pass, for decoding, whose attention reads a cache. All on n ≤ chunk rows.
 * project: qkv (n,QKV) = projections of norm(x), q and k normed and rotated. */
void lt_block_project(const lt_run *run, const lt_block *block, int64_t layer, const float *x, const int32_t *rope_rows, int64_t n,
                      float *qkv);
/* x (n,C) += s · o(attn (n,HD)), then the MLP's branch. */
void lt_block_finish(const lt_run *run, const lt_block *block, const float *attn, int64_t n, float *x);

/* How attention runs in this layer. */
lt_attention lt_block_attention(const lt_run *run, int64_t layer);

void lt_block_prefetch(const lt_block *block);

#endif
