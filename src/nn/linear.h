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

#include "core/arena.h"
#include "nn/weights.h"

/* What a linear layer and its hook may use while they run; one per engine, laid out by the plan. */
typedef struct lt_workspace {
    lt_compute compute;
    void *gemm;         /* lt_gemm_scratch_bytes for the largest call */
    void *packed_x;     /* a group's input, packed (lt_linear_packed_bytes) */
    void *packed_dy;    /* one output gradient, packed; NULL when nothing is trained */
    lt_arena *arena;    /* what hooks take, and give back before they return */
    uint64_t seed, step; /* dropout: a value is a function of (seed, step, layer, token, element), see core/rng.h */
    bool training;      /* dropout applies */
    int64_t token;      /* index of the first row within the step, so that chunks draw the dropout of their tokens */
} lt_workspace;

typedef struct lt_linear lt_linear;

/* Rows of a linear layer on their way through it. */
typedef struct lt_linear_io {
    int64_t T;
    const float *x; /* (T,K) f32, x_stride apart */
    int64_t x_stride;
    const void *packed_x;  /* x packed for lt_gemm (M = T, K) */
    const void *packed_dy; /* backward: dy packed (M = T, K = N) */
    float *y;              /* forward: y, backward: dy; (T,N) f32 */
    int64_t y_stride;
    float *dx; /* backward: (T,K) f32, or NULL when nothing below is trained */
    int64_t dx_stride;
} lt_linear_io;

/* left (T,R) · right: what an adapter of low rank adds to y, with right (N,R) as stored, or to dx, with right (R,K). The layer adds it
 * inside the base product. left lies in ws->arena. */
typedef struct lt_low_rank {
    int64_t R;
    const float *left, *right;
} lt_low_rank;

/* An adapter's view of one linear layer. Implementations live in src/adapt, one file each. */
typedef struct lt_linear_hook lt_linear_hook;
struct lt_linear_hook {
    /* After the base product: y (T,N) += or rescaled. */
    void (*forward)(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io);
    /* Before the base product's dx: adds its own share to dx and sums its parameters' gradients. A hook with changes_dy may
     * replace dy in place by what the base product shall see. */
    void (*backward)(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io);
    /* Bytes of ws->arena that forward or backward take at once for T rows. */
    int64_t (*scratch_bytes)(const lt_linear_hook *hook, const lt_linear *linear, int64_t T);
    bool changes_dy;
    bool enabled; /* off: the layer is the frozen base (the reference of a preference objective) */
    /* (K) f32 that multiplies the base product's input, or NULL: y = (x · scale) wᵀ + b. The layer then applies it both ways itself;
     * forward is not called, and backward comes after the base product, with io->dx the gradient at the scaled input. */
    const float *input_scale;
    /* In place of forward and backward where they can; NULL: never. They come before the base product, touch neither y nor dx, and leave
     * what they take from the arena to the layer. False: not now, the others are called. */
    bool (*forward_low)(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, lt_low_rank *low);
    bool (*backward_low)(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, lt_low_rank *low);
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

/* Workspace for layers of up to max_T rows and width (larger of N and K) max_width. */
int64_t lt_linear_packed_bytes(lt_compute compute, int64_t max_T, int64_t max_width);

/* ws->packed_dy for this layer and up to max_T rows: of all of dy when a hook reads it, else of as many columns as are packed at once. */
int64_t lt_linear_packed_dy_bytes(const lt_linear *linear, lt_compute compute, int64_t max_T);

/* True when something about this layer is trained. */
bool lt_linear_trained(const lt_linear *linear);

#endif
