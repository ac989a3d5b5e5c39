/* Numbers to codes: what `lathe quantize` writes. The formats are said in nn/weights_quant.h. */
#ifndef LT_MODELS_QUANTIZE_VALUES_H
#define LT_MODELS_QUANTIZE_VALUES_H

#include <stdint.h>

enum { LT_NF4_BLOCK = 64, LT_NF4_NESTED = 256 };

/* The 16 values of NF4 (Dettmers et al. 2023, appendix E): quantiles of a normal distribution, with a zero. */
extern const float lt_nf4_values[16];

/* Values x (n) as codes, two a byte, the first in the upper half; absmax (one per 64 values, the last block may be short) is
 * the largest magnitude. The code is the nearest value to x / absmax, 0 for a block of zeros. In parallel. */
void lt_nf4_encode(const float *x, int64_t n, uint8_t *codes, float *absmax);

/* Double quantisation of the n scales of a tensor: absmax[i] = table[codes[i]] · scales[i / 256] + offset, offset their mean. */
void lt_nf4_encode_scales(const float *absmax, int64_t n, const float table[256], uint8_t *codes, float *scales, float *offset);

/* bitsandbytes' dynamic map for signed bytes (create_dynamic_map): 127 magnitudes in seven decades, finer towards 1, both signs, 0
 * and 1. Rising. */
void lt_nf4_dynamic_map(float table[256]);

/* Rows x (rows, cols) to int8: code = round(x · 127 / largest magnitude of the row), which is `largest`. In parallel. */
void lt_int8_encode(const float *x, int64_t rows, int64_t cols, int8_t *codes, float *largest);

#endif
