/* Attention over packed sequences, tiled: no T × T array exists, memory grows with T, time with the sum of T_s².
 *
 *   S = scale q kᵀ  (softcap: S = cap tanh(S / cap)),  P = softmax(S + mask),  o = P v        per head, per sequence
 *
 * Tiles of queries meet tiles of keys with the running maximum and sum of Milakov & Gimelshein (2018) / FlashAttention
 * (Dao et al. 2022); the backward pass recomputes P from the log-sum-exp (FlashAttention, Appendix B.4). Attention
 * never crosses a sequence boundary; tiles that the mask empties (future, outside the window) are skipped. Grouped
 * queries: head h reads key/value head h / (H / K). */
#ifndef LT_NN_ATTENTION_H
#define LT_NN_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "simd/gemm.h"

typedef struct lt_attention {
    int64_t H, K, D;
    float scale;
    float softcap;  /* 0 = none */
    int64_t window; /* tokens a query sees, itself included; 0 = all. Causal: t-window < s ≤ t. Bidirectional: |t-s| <
                       window */
    bool bidirectional;
    lt_compute compute; /* of the products; softmax is f32 always */
    int64_t prefix; /* keys and values put before every sequence (prefix tuning), not subject to window; usually 0 */
} lt_attention;

/* The packed rows: token t has q at qkv[t][0 .. HD), k at [HD ..), v at [(H+K)D .. (H+2K)D). */
typedef struct lt_attention_rows {
    int64_t T, sequences;
    const int32_t *starts; /* (sequences + 1): sequence s is rows starts[s] .. starts[s+1]-1; starts[sequences] = T */
    const float *qkv;      /* (T, qkv_stride) f32, q and k rotated already */
    int64_t qkv_stride;
    const float *prefix_k, *prefix_v; /* (prefix, K·D) f32, or NULL */
} lt_attention_rows;

/* out (T, out_stride) f32: heads side by side, H·D wide. lse (T,H) f32: log-sum-exp of S, for the backward pass; may be
 * NULL. */
void lt_attention_forward(const lt_attention *attention, const lt_attention_rows *rows, float *out, int64_t out_stride,
                          float *lse, void *scratch);

/* From dout (T, out_stride), and out and lse of the forward pass: dqkv (T, qkv_stride) f32 (written, not added). dqkv
 * may not overlap qkv. dprefix_k, dprefix_v (prefix, K·D) f32 += , or NULL. Same bytes for any number of threads. */
void lt_attention_backward(const lt_attention *attention, const lt_attention_rows *rows, const float *out,
                           const float *dout, int64_t out_stride, const float *lse, float *dqkv, float *dprefix_k,
                           float *dprefix_v, void *scratch);

/* Enough for either direction, for steps of up to max_T tokens whose longest sequence is max_sequence, on `threads`
 * threads. */
int64_t lt_attention_scratch_bytes(const lt_attention *attention, int64_t max_T, int64_t max_sequence, int threads);

#endif
