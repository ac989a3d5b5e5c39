/* Quantised rows to f32: the formulas, in plain C that a compiler turns into vectors. Every set expands this header with
 * its own flags and its own way of looking up 16 numbers, and gives the same bits: a product of a half-precision scale and
 * small integers is exact in f32, so only the last operation rounds.
 *
 * The layouts are those of GGUF (ggml-common.h, ggml-quants.c: dequantize_row_*). A group is 32 elements, the widest
 * piece that has one formula in every type. */
#ifndef LT_SIMD_DECODE_BLOCKS_H
#define LT_SIMD_DECODE_BLOCKS_H

#include "simd/quant.h"
#include "simd/unroll.h"

enum { LT_GROUP = 32 };

/* What a set does itself. */
typedef struct lt_decode_ways {
    float (*half)(uint16_t bits); /* f16 to f32 */
    /* out (32) = table[code], two codes in each of 16 bytes, the first in the upper half */
    void (*lookup)(const uint8_t *bytes, const float table[16], float *out);
} lt_decode_ways;

/* Group `group` of the block at `block` to out (32). */
typedef void (*lt_decode_group)(lt_decode_ways ways, const uint8_t *block, int group, float *out);

LT_INLINE float lt_half_at(lt_decode_ways ways, const uint8_t *at)
{
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return ways.half(bits);
}

/* {f16 d, int8 q[32]}: d q */
LT_INLINE void lt_group_q8_0(lt_decode_ways ways, const uint8_t *block, int group, float *out)
{
    (void)group;
    const float d = lt_half_at(ways, block);
    const int8_t *q = (const int8_t *)block + 2;
    for (int i = 0; i < LT_GROUP; i++)
        out[i] = d * (float)q[i];
}

/* {f16 d, q[16]}: d (q - 8), elements 0 .. 15 in the lower halves. */
LT_INLINE void lt_group_q4_0(lt_decode_ways ways, const uint8_t *block, int group, float *out)
{
    (void)group;
    const float d = lt_half_at(ways, block);
    const uint8_t *q = block + 2;
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((q[i] & 15) - 8);
        out[i + 16] = d * (float)((q[i] >> 4) - 8);
    }
}

/* {f16 d, f16 m, q[16]}: d q + m */
LT_INLINE void lt_group_q4_1(lt_decode_ways ways, const uint8_t *block, int group, float *out)
{
    (void)group;
    const float d = lt_half_at(ways, block), m = lt_half_at(ways, block + 2);
    const uint8_t *q = block + 4;
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)(q[i] & 15) + m;
        out[i + 16] = d * (float)(q[i] >> 4) + m;
    }
}

/* {f16 d, u32 fifth bits, q[16]}: d (q - 16) */
LT_INLINE void lt_group_q5_0(lt_decode_ways ways, const uint8_t *block, int group, float *out)
{
    (void)group;
    const float d = lt_half_at(ways, block);
    const uint8_t *q = block + 6;
    uint32_t fifth;
    memcpy(&fifth, block + 2, sizeof fifth);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((int)((q[i] & 15) | (fifth >> i & 1) << 4) - 16);
        out[i + 16] = d * (float)((int)(q[i] >> 4 | (fifth >> (i + 16) & 1) << 4) - 16);
    }
}

/* {f16 d, f16 m, u32 fifth bits, q[16]}: d q + m */
LT_INLINE void lt_group_q5_1(lt_decode_ways ways, const uint8_t *block, int group, float *out)
{
    (void)group;
    const float d = lt_half_at(ways, block), m = lt_half_at(ways, block + 2);
    const uint8_t *q = block + 8;
    uint32_t fifth;
    memcpy(&fifth, block + 4, sizeof fifth);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)(int)((q[i] & 15) | (fifth >> i & 1) << 4) + m;
        out[i + 16] = d * (float)(int)(q[i] >> 4 | (fifth >> (i + 16) & 1) << 4) + m;
    }
}

/* Six-bit scale and minimum of group j, of 12 bytes: four low sixes each, then their tops and four more. */
LT_INLINE void lt_scale_and_minimum(const uint8_t *s, int j, int *scale, int *minimum)
{
    *scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
    *minimum = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
}

/* {f16 d, f16 dmin, scales[12], q[128]}: (d scale) q - (dmin minimum); two groups share 32 bytes, the first in the lower
 * halves. */
LT_INLINE void lt_group_q4_k(lt_decode_ways ways, const uint8_t *block, int group, float *out)
{
    int scale, minimum;
    lt_scale_and_minimum(block + 4, group, &scale, &minimum);
    const float d = lt_half_at(ways, block) * (float)scale, m = lt_half_at(ways, block + 2) * (float)minimum;
    const uint8_t *q = block + 16 + group / 2 * 32;
    const int shift = group % 2 * 4;
    for (int i = 0; i < LT_GROUP; i++)
        out[i] = d * (float)(q[i] >> shift & 15) - m;
}

/* {f16 d, f16 dmin, scales[12], fifth bits[32], q[128]}: bit j of fifth[i] belongs to element i of group j. */
LT_INLINE void lt_group_q5_k(lt_decode_ways ways, const uint8_t *block, int group, float *out)
{
    int scale, minimum;
    lt_scale_and_minimum(block + 4, group, &scale, &minimum);
    const float d = lt_half_at(ways, block) * (float)scale, m = lt_half_at(ways, block + 2) * (float)minimum;
    const uint8_t *fifth = block + 16, *q = block + 48 + group / 2 * 32;
    const int shift = group % 2 * 4;
    for (int i = 0; i < LT_GROUP; i++)
        out[i] = d * (float)((q[i] >> shift & 15) | (fifth[i] >> group & 1) << 4) - m;
}

/* {low[128], high[64], int8 scales[16], f16 d}: (d scale) (q - 32), a scale for every 16; each half of the block has its 64
 * bytes of low halves and 32 of high pairs. */
LT_INLINE void lt_group_q6_k(lt_decode_ways ways, const uint8_t *block, int group, float *out)
{
    const int half = group / 4, part = group % 4;
    const uint8_t *low = block + half * 64 + part % 2 * 32, *high = block + 128 + half * 32;
    const int8_t *scale = (const int8_t *)block + 192 + half * 8 + part * 2;
    const int low_shift = part / 2 * 4, high_shift = part * 2;
    const float d = lt_half_at(ways, block + 208);
    for (int s = 0; s < 2; s++) {
        const float ds = d * (float)scale[s];
        for (int i = s * 16; i < s * 16 + 16; i++)
            out[i] = ds * (float)(((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4) - 32);
    }
}

/* Elements [col, col + n) of a row of blocks. */
LT_INLINE void lt_decode_blocks(lt_decode_ways ways, lt_decode_group decode, int block_elements, int block_bytes,
                                const uint8_t *row, int64_t col, int64_t n, float *out)
{
    for (int step; n > 0; col += step, n -= step, out += step) {
        const uint8_t *block = row + col / block_elements * block_bytes;
        const int group = (int)(col % block_elements) / LT_GROUP, skip = (int)(col % LT_GROUP);
        if (skip == 0 && n >= LT_GROUP) {
            decode(ways, block, group, out);
            step = LT_GROUP;
        } else { /* a piece of a group */
            float whole[LT_GROUP];
            decode(ways, block, group, whole);
            step = n < LT_GROUP - skip ? (int)n : LT_GROUP - skip;
            memcpy(out, whole + skip, (size_t)step * sizeof *out);
        }
    }
}

/* NF4: element e of the tensor on, all of one block. */
LT_INLINE void lt_decode_nf4_run(lt_decode_ways ways, const uint8_t *codes, int64_t e, int64_t n, const float table[16],
                                 float *out)
{
    for (; n > 0 && e % 2; e++, n--)
        *out++ = table[codes[e / 2] & 15];
    for (; n >= LT_GROUP; e += LT_GROUP, n -= LT_GROUP, out += LT_GROUP)
        ways.lookup(codes + e / 2, table, out);
    for (; n > 0; e++, n--)
        *out++ = table[codes[e / 2] >> (e % 2 ? 0 : 4) & 15];
}

LT_INLINE void lt_decode_nf4(lt_decode_ways ways, const lt_matrix *m, int64_t row, int64_t col, int64_t n, float *out)
{
    const lt_quant_scales *scales = m->scales;
    const int64_t first = m->first_row * m->row_stride, size = (int64_t)1 << scales->block_shift;
    const uint8_t *codes = (const uint8_t *)m->data - first / 2; /* of element 0 of the tensor */
    for (int64_t e = first + row * m->row_stride + col, step; n > 0; e += step, n -= step, out += step) {
        float table[16], scale = lt_quant_scale(scales, e >> scales->block_shift);
        for (int i = 0; i < 16; i++)
            table[i] = scales->values[i] * scale;
        step = size - (e & (size - 1));
        step = step < n ? step : n;
        lt_decode_nf4_run(ways, codes, e, step, table, out);
    }
}

LT_INLINE void lt_decode_i8(const lt_matrix *m, int64_t row, int64_t col, int64_t n, float *out)
{
    const int8_t *codes = (const int8_t *)m->data + row * m->row_stride + col;
    const float scale = lt_quant_scale(m->scales, m->first_row + row);
    for (int64_t i = 0; i < n; i++)
        out[i] = scale * (float)codes[i];
}

LT_INLINE void lt_decode_halves(lt_decode_ways ways, bool bf16, const uint8_t *row, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, row + 2 * i, sizeof bits);
        out[i] = bf16 ? lt_bf16_to_f32(bits) : ways.half(bits);
    }
}

/* Columns [col, col + n) of a row of any stored type. */
LT_INLINE void lt_decode_with(lt_decode_ways ways, const lt_matrix *m, int64_t row, int64_t col, int64_t n, float *out)
{
    const uint8_t *at = (const uint8_t *)m->data + (m->dtype == LT_DTYPE_NF4 ? 0 : lt_dtype_bytes(m->dtype, row * m->row_stride));
    switch (m->dtype) {
    case LT_DTYPE_Q8_0: lt_decode_blocks(ways, lt_group_q8_0, 32, 34, at, col, n, out); break;
    case LT_DTYPE_Q4_0: lt_decode_blocks(ways, lt_group_q4_0, 32, 18, at, col, n, out); break;
    case LT_DTYPE_Q4_1: lt_decode_blocks(ways, lt_group_q4_1, 32, 20, at, col, n, out); break;
    case LT_DTYPE_Q5_0: lt_decode_blocks(ways, lt_group_q5_0, 32, 22, at, col, n, out); break;
    case LT_DTYPE_Q5_1: lt_decode_blocks(ways, lt_group_q5_1, 32, 24, at, col, n, out); break;
    case LT_DTYPE_Q4_K: lt_decode_blocks(ways, lt_group_q4_k, 256, 144, at, col, n, out); break;
    case LT_DTYPE_Q5_K: lt_decode_blocks(ways, lt_group_q5_k, 256, 176, at, col, n, out); break;
    case LT_DTYPE_Q6_K: lt_decode_blocks(ways, lt_group_q6_k, 256, 210, at, col, n, out); break;
    case LT_DTYPE_NF4: lt_decode_nf4(ways, m, row, col, n, out); break;
    case LT_DTYPE_I8: lt_decode_i8(m, row, col, n, out); break;
    case LT_DTYPE_F16:
    case LT_DTYPE_BF16: lt_decode_halves(ways, m->dtype == LT_DTYPE_BF16, at + 2 * col, n, out); break;
    default: memcpy(out, at + 4 * col, (size_t)n * sizeof *out); break; /* F32 */
    }
}

#endif
