/* RMSNorm and LayerNorm over the last dimension. Rows are independent and run in parallel.
 *
 *   rms     r = 1/sqrt(mean(x²) + ε)        y = x r w         (plus-one: w + 1 for w)
 *   layer   r = 1/sqrt(var(x) + ε)          y = (x - mean) r w + b          biased variance
 *
 * The backward pass recomputes the row statistics from x: they cost one pass over a row that is read anyway. */
#ifndef LT_NN_NORM_H
#define LT_NN_NORM_H

#include <stdint.h>

#include "nn/config.h"

typedef struct lt_norm {
    lt_norm_kind kind;
    float epsilon;
    int64_t width;       /* C, or D for the norm of a head */
    const float *weight; /* (width) */
    const float *bias;   /* (width) or NULL */
} lt_norm;

/* y (T,width) f32 = norm(x (T,width) f32); rows x_stride and y_stride apart (elements); y may be x. */
void lt_norm_forward(const lt_norm *norm, const float *x, int64_t x_stride, float *y, int64_t y_stride, int64_t T);

/* dx (T,width) f32 = accumulate ? dx + … : …, from x and dy. dx may be dy. dweight, dbias (width) f32 += when not NULL: summed in
 * an order that depends on T alone; scratch then holds lt_norm_scratch_bytes. */
void lt_norm_backward(const lt_norm *norm, const float *x, int64_t x_stride, const float *dy, int64_t dy_stride, float *dx,
                      int64_t dx_stride, bool accumulate, float *dweight, float *dbias, int64_t T, void *scratch);
int64_t lt_norm_scratch_bytes(int64_t width);

#endif
