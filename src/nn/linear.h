/* A linear layer y = x wᵀ + b over a streamed matrix, with what an adapter does to it.
 *
 *     forward    y  (T,N)  = x (T,K) · wᵀ + b
 *     backward   dx (T,K) += dy (T,N) · w        dw (N,K) += dyᵀ · x and db += Σ dy only when they are trained
 *
 * Layers that share an input (q, k, v; gate, up) run as a group: x is packed once. */
#ifndef LT_NN_LINEAR_H
#define LT_NN_LINEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "nn/weights.h"

/* What a linear layer and its hook may use while they run; one per engine, laid out by the plan. */
typedef struct lt_workspace {
    lt_compute compute;
    int threads;
    void *gemm;         /* lt_gemm_scratch_bytes for the largest call */
    void *packed;       /* a packed group input */
    lt_arena *arena;    /* step arena: mark, alloc, release within one call */
    uint64_t seed;      /* dropout: values are a function of (seed, stream, element), see core/rng.h */
    uint64_t step;
    bool training;      /* dropout applies */
    int64_t token_offset; /* index of the first row within the step, so that chunks draw the dropout of their tokens */
} lt_workspace;

typedef struct lt_linear lt_linear;

/* An adapter's view of one linear layer. Implementations live in src/adapt, one file each. */
typedef struct lt_linear_hook lt_linear_hook;
struct lt_linear_hook {
    /* After the base product: y (T,N) += or rescaled. packed_x is x packed for lt_gemm (M = T, K). */
    void (*forward)(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const float *x, int64_t x_stride,
                    const void *packed_x, int64_t T, float *y, int64_t y_stride);
    /* Before the base product's dx: adds its own share to dx (T,K), sums its parameters' gradients, and may change dy (T,N) in
     * place into what the base product shall see. dx is NULL when nothing below is trained. */
    void (*backward)(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const float *x, int64_t x_stride,
                     int64_t T, float *dy, int64_t dy_stride, float *dx, int64_t dx_stride);
    /* Bytes of ws->arena that forward or backward take at once for T rows. */
    int64_t (*scratch_bytes)(const lt_linear_hook *hook, const lt_linear *linear, int64_t T);
    bool enabled; /* off: the layer is the frozen base (the reference of a preference objective) */
};

struct lt_linear {
    char *module;        /* "model.layers.0.self_attn.q_proj" */
    int64_t N, K;        /* out, in */
    lt_weight weight;    /* (N,K), or (K,N) when transposed (GPT-2's Conv1D) */
    bool transposed;
    const float *bias;   /* (N) f32, resident, or NULL */
    float *dweight;      /* (N,K) f32 when the matrix is trained (transposed: (K,N)), else NULL */
    float *dbias;        /* (N) f32 when the bias is trained, else NULL */
    lt_linear_hook *hook; /* NULL: no adapter */
    uint64_t id;         /* unique in the model: the dropout stream */
};

/* y[i] (T, N_i) f32 for i < count; all read x (T,K). Rows of x and y are strides apart. */
void lt_linear_forward(const lt_linear *const *linears, int count, lt_workspace *ws, const float *x, int64_t x_stride, int64_t T,
                       float *const *y, int64_t y_stride);

/* dx (T,K) = accumulate ? dx + … : …; NULL when it is not needed. dy[i] may be changed (hooks). */
void lt_linear_backward(const lt_linear *const *linears, int count, lt_workspace *ws, const float *x, int64_t x_stride, int64_t T,
                        float *const *dy, int64_t dy_stride, float *dx, int64_t dx_stride, bool accumulate);

void lt_linear_prefetch(const lt_linear *linear);

/* True when something about this layer is trained. */
bool lt_linear_trained(const lt_linear *linear);

#endif
