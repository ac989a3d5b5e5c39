/* The activation store: rows of f32 kept between the forward and the backward pass at 32, 16 or 8 bits.
 *
 *   32   f32 as it is        16   bf16        8   int8 with one bf16 scale per LT_QUANT_BLOCK elements (kernels.h)
 *
 * A row is stored contiguously (codes, then scales), so any range of rows can be read on its own. */
#ifndef LT_NN_CKPT_H
#define LT_NN_CKPT_H

#include <stdint.h>

#include "core/arena.h"

/* Bytes of one stored row of `width` elements, a multiple of 4. bits is 8, 16 or 32. */
int64_t lt_ckpt_row_bytes(int bits, int64_t width);

/* Stores / loads T rows. x (T, x_stride) f32; store holds T · row_bytes. Parallel over rows. */
void lt_ckpt_put(int bits, const float *x, int64_t x_stride, int64_t width, int64_t T, void *store);
void lt_ckpt_get(int bits, const void *store, float *x, int64_t x_stride, int64_t width, int64_t T);

#endif
