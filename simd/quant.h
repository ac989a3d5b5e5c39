/* A matrix as it is stored, and the scales of types that keep them outside of their blocks.
 *
 * Block types (Q8_0 … Q6_K) are whole rows of blocks with scales inside. Two types have theirs in other tensors:
 *
 *     NF4    w[e] = values[code e] · scale of block e >> block_shift      e counts the elements of the whole tensor in
 *            row-major order, two codes a byte, the first in the upper half; a block may cross rows
 *     I8     w[row][col] = code · scale of row
 *
 * A scale is absmax[i] · factor, or with double quantisation
 *
 *     code_values[codes[i]] · code_scales[i >> nested_shift] + offset
 *
 * as bitsandbytes stores it (functional.py: quantize_4bit with compress_statistics), product and sum rounded to nested_dtype. */
#ifndef LT_SIMD_QUANT_H
#define LT_SIMD_QUANT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/dtype.h"

/* Borrowed by the matrices of a tensor. */
typedef struct lt_quant_scales {
    int block_shift;       /* NF4: log2 of the elements of a block */
    const void *absmax;    /* any alignment; NULL with double quantisation */
    lt_dtype absmax_dtype; /* F32, BF16 or F16 */
    float factor;          /* of absmax */
    const uint8_t *codes;  /* double quantisation: one byte per block */
    int nested_shift;      /* log2 of the blocks that share a scale of scales */
    const float *code_values, *code_scales; /* (256), and one per 1 << nested_shift blocks */
    float offset;
    lt_dtype nested_dtype; /* F32, BF16 or F16 */
    float values[16]; /* NF4: what a code stands for */
} lt_quant_scales;

/* A matrix somewhere in memory, borrowed. Any alignment, down to a single byte (safetensors promise none). */
typedef struct lt_matrix {
    const void *data;
    lt_dtype dtype; /* F32, F16 or BF16; as B of a product also the block types, NF4 and I8 */
    int64_t rows, cols;
    int64_t row_stride;            /* elements from one row to the next, ≥ cols */
    const lt_quant_scales *scales; /* NF4, I8: those of the whole tensor */
    int64_t first_row;             /* NF4, I8: the row of the tensor that row 0 is */
} lt_matrix;

/* Rows [row, row + rows) of a matrix as one of its own. */
static inline lt_matrix lt_matrix_part(const lt_matrix *matrix, int64_t row, int64_t rows)
{
    lt_matrix part = *matrix; /* the rows before them may end inside a byte */
    int64_t before = lt_dtype_bytes(matrix->dtype, matrix->first_row * matrix->row_stride);
    part.first_row += row;
    part.rows = rows;
    part.data = (const char *)matrix->data + lt_dtype_bytes(matrix->dtype, part.first_row * matrix->row_stride) - before;
    return part;
}

static inline float lt_quant_round(lt_dtype dtype, float value)
{
    return dtype == LT_DTYPE_F32    ? value
           : dtype == LT_DTYPE_BF16 ? lt_bf16_to_f32(lt_f32_to_bf16(value))
                                    : lt_f16_to_f32(lt_f32_to_f16(value));
}

static inline float lt_quant_scale(const lt_quant_scales *scales, int64_t index)
{
    float value;
    uint16_t half;
    if (!scales->codes && scales->absmax_dtype == LT_DTYPE_F32) {
        memcpy(&value, (const char *)scales->absmax + index * (int64_t)sizeof value, sizeof value);
        return value * scales->factor;
    }
    if (!scales->codes) {
        memcpy(&half, (const char *)scales->absmax + index * (int64_t)sizeof half, sizeof half);
        return (scales->absmax_dtype == LT_DTYPE_BF16 ? lt_bf16_to_f32(half) : lt_f16_to_f32(half)) * scales->factor;
    }
    value = scales->code_values[scales->codes[index]] * scales->code_scales[index >> scales->nested_shift];
    return lt_quant_round(scales->nested_dtype, lt_quant_round(scales->nested_dtype, value) + scales->offset);
}

/* Types that are decoded on their way into a product. */
static inline bool lt_quant_is(lt_dtype dtype)
{
    return lt_dtype_is_block(dtype) || dtype == LT_DTYPE_I8;
}

#endif
