/* The micro kernel of the AVX-512 sets, for any multiplication of 32-bit words.
 *
 * Tile: 8 rows x 3 vectors (48 columns) = 24 accumulators; 3 registers for B and one for the broadcast of A, 28 of 32.
 * A word of K is 24 multiply-adds for 3 vector loads and 8 broadcasts, 11 loads where the core can do two a cycle and
 * at most two multiply-adds: the loads hide. 24 chains are ample for a latency of 4 to 6 cycles. The panel of A (8
 * rows, 10 KB) stays in L1, B streams from L2 at 192 bytes per 24 multiply-adds.
 *
 * Every tile height and width is an instance of the same function, so that ragged edges cost what they are worth. */
#ifndef LT_SIMD_GEMM_TILE_AVX512_H
#define LT_SIMD_GEMM_TILE_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "simd/gemm_kernel.h"
#include "simd/unroll.h"

enum { LT_TILE_ROWS = 8, LT_TILE_VECTORS = 3, LT_LANES = 16, LT_LINE_BYTES = 64 };

/* acc + a · b, word by word. */
typedef __m512 (*lt_multiply)(__m512 acc, __m512i a, __m512i b);

LT_INLINE void lt_tile_store(const lt_gemm_out *out, int row, int vector, __m512 sum, __mmask16 mask)
{
    float *c = out->c + row * out->stride + vector * LT_LANES;
    __m512 alpha = _mm512_set1_ps(out->alpha), value;
    if (out->bias)
        value = _mm512_fmadd_ps(alpha, sum, _mm512_maskz_loadu_ps(mask, out->bias + vector * LT_LANES));
    else
        value = _mm512_mul_ps(alpha, sum);
    if (out->beta != 0)
        value = _mm512_fmadd_ps(_mm512_set1_ps(out->beta), _mm512_maskz_loadu_ps(mask, c), value);
    if (mask == 0xFFFF)
        _mm512_storeu_ps(c, value);
    else
        _mm512_mask_storeu_ps(c, mask, value);
}

LT_INLINE void lt_tile(lt_multiply multiply, int rows, int vectors, int64_t words, const void *packed_a,
                       const void *packed_b, const lt_gemm_out *out)
{
    const char *a = packed_a, *b = packed_b;
    __m512 sum[LT_TILE_ROWS][LT_TILE_VECTORS];
    LT_UNROLL
    for (int r = 0; r < rows; r++)
        LT_UNROLL
    for (int v = 0; v < vectors; v++)
        sum[r][v] = _mm512_setzero_ps();

    for (; words > 0; words -= LT_LANES, a += rows * LT_LINE_BYTES) {
        int count = words < LT_LANES ? (int)words : LT_LANES;
        for (int step = 0; step < count; step += LT_GEMM_WORD_STEP)
            LT_UNROLL
        for (int w = step; w < step + LT_GEMM_WORD_STEP; w++, b += vectors * LT_LINE_BYTES) {
            __m512i column[LT_TILE_VECTORS];
            LT_UNROLL
            for (int v = 0; v < vectors; v++)
                column[v] = _mm512_load_si512(b + v * LT_LINE_BYTES);
            LT_UNROLL
            for (int r = 0; r < rows; r++) {
                int32_t word;
                memcpy(&word, a + r * LT_LINE_BYTES + w * 4, sizeof word);
                LT_UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[r][v] = multiply(sum[r][v], _mm512_set1_epi32(word), column[v]);
            }
        }
    }

    int last = out->cols - (vectors - 1) * LT_LANES; /* columns of the last vector */
    LT_UNROLL
    for (int r = 0; r < rows; r++)
        LT_UNROLL
    for (int v = 0; v < vectors; v++)
        lt_tile_store(out, r, v, sum[r][v], v + 1 < vectors ? 0xFFFF : (__mmask16)((1u << last) - 1));
}

/* One function for each height and width: the constants make the loops disappear. */
LT_INLINE void lt_tile_any_width(lt_multiply multiply, int rows, int64_t words, const void *a, const void *b,
                                 const lt_gemm_out *out)
{
    switch ((out->cols + LT_LANES - 1) / LT_LANES) {
    case 1:
        lt_tile(multiply, rows, 1, words, a, b, out);
        break;
    case 2:
        lt_tile(multiply, rows, 2, words, a, b, out);
        break;
    default:
        lt_tile(multiply, rows, 3, words, a, b, out);
        break;
    }
}

LT_INLINE void lt_tile_any(lt_multiply multiply, int64_t words, const void *a, const void *b, const lt_gemm_out *out)
{
    switch (out->rows) {
    case 1:
        lt_tile_any_width(multiply, 1, words, a, b, out);
        break;
    case 2:
        lt_tile_any_width(multiply, 2, words, a, b, out);
        break;
    case 3:
        lt_tile_any_width(multiply, 3, words, a, b, out);
        break;
    case 4:
        lt_tile_any_width(multiply, 4, words, a, b, out);
        break;
    case 5:
        lt_tile_any_width(multiply, 5, words, a, b, out);
        break;
    case 6:
        lt_tile_any_width(multiply, 6, words, a, b, out);
        break;
    case 7:
        lt_tile_any_width(multiply, 7, words, a, b, out);
        break;
    default:
        lt_tile_any_width(multiply, 8, words, a, b, out);
        break;
    }
}

#endif
