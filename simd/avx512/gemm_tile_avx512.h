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

/* sum += `count` words of K. */
LT_INLINE void lt_tile_add(lt_multiply multiply, int rows, int vectors, int count, const char *a, const char *b,
                           __m512 sum[LT_TILE_ROWS][LT_TILE_VECTORS])
{
    LT_UNROLL
    for (int w = 0; w < count; w++) {
        __m512i column[LT_TILE_VECTORS];
        LT_UNROLL
        for (int v = 0; v < vectors; v++)
            column[v] = _mm512_load_si512(b + (w * vectors + v) * LT_LINE_BYTES);
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

LT_INLINE void lt_tile(lt_multiply multiply, int rows, int vectors, int64_t words, const void *packed_a,
                       const void *packed_b, const lt_gemm_out *out)
{
    const char *a = packed_a, *b = packed_b;
    const int step_bytes = LT_GEMM_WORD_STEP * vectors * LT_LINE_BYTES;
    __m512 sum[LT_TILE_ROWS][LT_TILE_VECTORS];
    LT_UNROLL
    for (int r = 0; r < rows; r++) {
        LT_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = _mm512_setzero_ps();
    }
    for (int64_t more = out->more_words;; words = more, more = 0, a = out->more_a, b = out->more_b) {
        for (; words > 0; words -= LT_LANES, a += rows * LT_LINE_BYTES) {
            int count = words < LT_LANES ? (int)words : LT_LANES;
            for (int w = 0; w < count; w += LT_GEMM_WORD_STEP, b += step_bytes) {
                lt_tile_add(multiply, rows, vectors, LT_GEMM_WORD_STEP, a + w * 4, b, sum);
                lt_gemm_ask(out->ahead);
            }
        }
        if (!more)
            break;
    }
    int last = out->cols - (vectors - 1) * LT_LANES; /* columns of the last vector */
    LT_UNROLL
    for (int r = 0; r < rows; r++) {
        LT_UNROLL
        for (int v = 0; v < vectors; v++)
            lt_tile_store(out, r, v, sum[r][v], v + 1 < vectors ? 0xFFFF : (__mmask16)((1u << last) - 1));
    }
}

/* One function for each height and width (the constants make the loops disappear), and `micro`, which picks. The file
 * that expands this has a `multiply`. */
#define LT_TILE(rows, vectors)                                                                                         \
    static void tile_##rows##x##vectors(int64_t words, const void *a, const void *b, const lt_gemm_out *out)           \
    {                                                                                                                  \
        lt_tile(multiply, rows, vectors, words, a, b, out);                                                            \
    }
#define LT_TILES(rows) LT_TILE(rows, 1) LT_TILE(rows, 2) LT_TILE(rows, 3)
#define LT_TILE_NAMES(rows)                                                                                            \
    {                                                                                                                  \
        tile_##rows##x1, tile_##rows##x2, tile_##rows##x3                                                              \
    }

#define LT_MICRO_AVX512                                                                                                \
    LT_TILES(1)                                                                                                        \
    LT_TILES(2)                                                                                                        \
    LT_TILES(3)                                                                                                        \
    LT_TILES(4)                                                                                                        \
    LT_TILES(5)                                                                                                        \
    LT_TILES(6)                                                                                                        \
    LT_TILES(7) LT_TILES(8) static void micro(int64_t words, const void *a, const void *b, const lt_gemm_out *out)     \
    {                                                                                                                  \
        static const lt_gemm_micro tiles[LT_TILE_ROWS][LT_TILE_VECTORS] = {                                            \
            LT_TILE_NAMES(1), LT_TILE_NAMES(2), LT_TILE_NAMES(3), LT_TILE_NAMES(4),                                    \
            LT_TILE_NAMES(5), LT_TILE_NAMES(6), LT_TILE_NAMES(7), LT_TILE_NAMES(8)};                                   \
        tiles[out->rows - 1][(out->cols - 1) / LT_LANES](words, a, b, out);                                            \
    }

#endif
