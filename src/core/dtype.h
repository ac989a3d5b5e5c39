/* Element types of stored tensors, and what each weighs. */
#ifndef LT_CORE_DTYPE_H
#define LT_CORE_DTYPE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef enum lt_dtype {
    LT_DTYPE_F32,
    LT_DTYPE_F16,
    LT_DTYPE_BF16,
    LT_DTYPE_F64,
    LT_DTYPE_I64,
    LT_DTYPE_I32,
    LT_DTYPE_I16,
    LT_DTYPE_I8,
    LT_DTYPE_U8,
    LT_DTYPE_BOOL,
    /* Blocks of a row with their own scales inside: GGUF's types of these names (simd/ref/decode_ref.c has the formulas). */
    LT_DTYPE_Q8_0,
    LT_DTYPE_Q4_0,
    LT_DTYPE_Q4_1,
    LT_DTYPE_Q5_0,
    LT_DTYPE_Q5_1,
    LT_DTYPE_Q4_K,
    LT_DTYPE_Q5_K,
    LT_DTYPE_Q6_K,
    /* Four bits an element, an index into a table of 16 numbers; the scales are other tensors (simd/quant.h). */
    LT_DTYPE_NF4,
    LT_DTYPE_COUNT
} lt_dtype;

/* A row of the dtype table. Quantised types have block_elements > 1: a matrix row is a whole number of blocks. (int8 with a
 * scale per row is LT_DTYPE_I8 with scales beside it, see simd/quant.h.) */
typedef struct lt_dtype_info {
    const char *name;   /* as safetensors or GGUF spells it */
    int block_elements; /* elements per block, 1 for plain types */
    int block_bytes;    /* bytes per block */
    bool is_float;      /* elements stand for real numbers, quantised ones too */
} lt_dtype_info;

const lt_dtype_info *lt_dtype_get(lt_dtype dtype);

/* Finds a plain dtype by safetensors name; false when there is none. */
bool lt_dtype_parse(const char *name, lt_dtype *dtype);

/* Bytes of `elements` elements, a multiple of the block size. */
static inline int64_t lt_dtype_bytes(lt_dtype dtype, int64_t elements)
{
    const lt_dtype_info *info = lt_dtype_get(dtype);
    return elements / info->block_elements * info->block_bytes;
}

/* Bytes of a matrix row of `columns` elements; false when that is no whole number of blocks (or negative). */
static inline bool lt_dtype_row_bytes(lt_dtype dtype, int64_t columns, int64_t *bytes)
{
    if (columns < 0 || columns % lt_dtype_get(dtype)->block_elements)
        return false;
    *bytes = lt_dtype_bytes(dtype, columns);
    return true;
}

/* True for types whose elements cannot be addressed one by one: converting them takes lt_kernels.decode_row. */
static inline bool lt_dtype_is_block(lt_dtype dtype)
{
    return lt_dtype_get(dtype)->block_elements > 1;
}

static inline float lt_bf16_to_f32(uint16_t v)
{
    uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Round to nearest even; NaN stays NaN. */
static inline uint16_t lt_f32_to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float lt_f16_to_f32(uint16_t v);
uint16_t lt_f32_to_f16(float f); /* round to nearest even, overflow to infinity */

#endif
