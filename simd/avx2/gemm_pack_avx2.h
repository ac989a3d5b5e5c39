/* Packing for the AVX2 set. A stored type is one loader, of 8 neighbouring elements as f32; a word of K is one element.
 * Where K runs along a row, B needs its words turned into columns: an 8 x 8 transposition. */
#ifndef LT_SIMD_GEMM_PACK_AVX2_H
#define LT_SIMD_GEMM_PACK_AVX2_H

#include "simd/avx2/avx2.h"
#include "simd/gemm_kernel.h"

enum { LT_LINE_BYTES = 32 };

/* `count` (1 .. 8) elements as f32, zeros after them. */
typedef __m256 (*lt_load)(const char *from, int count);

LT_INLINE int lt_at_most(int64_t count, int limit)
{
    return count < limit ? (int)count : limit;
}

LT_INLINE int64_t lt_row_bytes(const lt_matrix *matrix)
{
    return lt_dtype_bytes(matrix->dtype, matrix->row_stride);
}

LT_INLINE void lt_put(char *to, __m256 line)
{
    _mm256_storeu_ps((float *)(void *)to, line);
}

/* r[i] word j becomes r[j] word i. */
LT_INLINE void lt_transpose_words(__m256 r[LT_LANES])
{
    __m256 t[LT_LANES];
    LT_UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    LT_UNROLL
    for (int i = 0; i < 8; i += 4) { /* r[i + j]: column j of each 128-bit half, of rows i .. i+3 */
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    LT_UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    LT_UNROLL
    for (int i = 0; i < 8; i++)
        r[i] = t[i];
}

/* A (M,K): lines in the order of the rows. */
LT_INLINE void lt_pack_a_plain(lt_load load, const lt_matrix *a, int64_t m0, int64_t mn, int64_t k0, int64_t kn,
                               int panel_rows, void *packed)
{
    const int64_t row_bytes = lt_row_bytes(a), line_bytes = lt_dtype_bytes(a->dtype, LT_LANES);
    char *out = packed;
    for (int64_t m = 0; m < mn; m += panel_rows) {
        int rows = lt_at_most(mn - m, panel_rows);
        const char *in = lt_gemm_at(a, m0 + m, k0);
        for (int64_t k = 0; k < kn; k += LT_LANES, in += line_bytes)
            for (int r = 0; r < rows; r++, out += LT_LINE_BYTES)
                lt_put(out, load(in + r * row_bytes, lt_at_most(kn - k, LT_LANES)));
    }
}

/* A line's worth of K (`count` of it) for `columns` columns, from rows of a (K, columns) matrix. */
LT_INLINE void lt_load_words(lt_load load, const char *in, int64_t row_bytes, int count, int columns,
                             __m256 r[LT_LANES])
{
    for (int w = 0; w < LT_LANES; w++, in += row_bytes)
        r[w] = w < count ? load(in, columns) : _mm256_setzero_ps();
}

/* A stored (K,M): 8 rows of op(A) at a time, transposed, go to the panels they fall into. A line's worth of K is taken
 * across all rows before the next, because that is how it lies in memory. */
LT_INLINE void lt_pack_a_transposed(lt_load load, const lt_matrix *a, int64_t m0, int64_t mn, int64_t k0, int64_t kn,
                                    int panel_rows, void *packed)
{
    const int64_t row_bytes = lt_row_bytes(a), lines = (kn + LT_LANES - 1) / LT_LANES;
    for (int64_t line = 0; line < lines; line++) {
        char *panel = packed;
        int height = lt_at_most(mn, panel_rows), row = 0; /* of the panel; next row in it */
        int64_t below = mn;                               /* rows from this panel on */
        for (int64_t m = 0; m < mn; m += LT_LANES) {
            const int rows = lt_at_most(mn - m, LT_LANES);
            const char *in = lt_gemm_at(a, k0 + line * LT_LANES, m0 + m);
            __m256 r[LT_LANES];
            lt_load_words(load, in, row_bytes, lt_at_most(kn - line * LT_LANES, LT_LANES), rows, r);
            lt_transpose_words(r);
            for (int i = 0; i < rows; i++) {
                lt_put(panel + (line * height + row) * LT_LINE_BYTES, r[i]);
                if (++row == height) {
                    panel += height * lines * LT_LINE_BYTES;
                    below -= height;
                    height = lt_at_most(below, panel_rows);
                    row = 0;
                }
            }
        }
    }
}

/* 8 rows of a (N,K) matrix from n on. Where there are fewer, the last one again: those columns of C are not stored. */
LT_INLINE void lt_row_addresses(const lt_matrix *b, int64_t n, int rows, int64_t k, const char *row[LT_LANES])
{
    for (int i = 0; i < LT_LANES; i++)
        row[i] = lt_gemm_at(b, n + (i < rows ? i : rows - 1), k);
}

/* A line of each of 8 rows as 8 words of 8 columns. */
LT_INLINE void lt_load_square(lt_load load, const char *const row[LT_LANES], int64_t offset, int count,
                              __m256 r[LT_LANES])
{
    LT_UNROLL
    for (int i = 0; i < LT_LANES; i++)
        r[i] = load(row[i] + offset, count);
    lt_transpose_words(r);
}

/* B stored (N,K). */
LT_INLINE void lt_pack_b_transposed(lt_load load, const lt_matrix *b, int64_t n0, int64_t nn, int64_t k0, int64_t kn,
                                    void *packed)
{
    const int64_t line_bytes = lt_dtype_bytes(b->dtype, LT_LANES);
    const int64_t word_bytes = (nn + LT_LANES - 1) / LT_LANES * LT_LINE_BYTES;
    for (int64_t n = 0; n < nn; n += LT_LANES) {
        const char *row[LT_LANES];
        lt_row_addresses(b, n0 + n, lt_at_most(nn - n, LT_LANES), k0, row);
        char *out = (char *)packed + n / LT_LANES * LT_LINE_BYTES;
        int64_t offset = 0;
        for (int64_t k = 0; k < kn; k += LT_LANES, offset += line_bytes) {
            __m256 r[LT_LANES];
            lt_load_square(load, row, offset, lt_at_most(kn - k, LT_LANES), r);
            LT_UNROLL
            for (int w = 0; w < LT_LANES; w++, out += word_bytes)
                lt_put(out, r[w]);
        }
    }
}

/* B (K,N). */
LT_INLINE void lt_pack_b_plain(lt_load load, const lt_matrix *b, int64_t n0, int64_t nn, int64_t k0, int64_t kn,
                               void *packed)
{
    const int64_t row_bytes = lt_row_bytes(b), vector_bytes = lt_dtype_bytes(b->dtype, LT_LANES);
    const char *in = lt_gemm_at(b, k0, n0);
    char *out = packed;
    for (int64_t k = 0; k < kn; k++, in += row_bytes)
        for (int64_t n = 0; n < nn; n += LT_LANES, out += LT_LINE_BYTES)
            lt_put(out, load(in + n / LT_LANES * vector_bytes, lt_at_most(nn - n, LT_LANES)));
    for (int64_t k = kn; k % LT_GEMM_WORD_STEP; k++)
        for (int64_t n = 0; n < nn; n += LT_LANES, out += LT_LINE_BYTES)
            lt_put(out, _mm256_setzero_ps());
}

/* The four packers of a type, from its loader. */
#define LT_PACKERS_AVX2(type)                                                                                          \
    static void pack_a_plain_##type(const lt_matrix *a, int64_t m0, int64_t mn, int64_t k0, int64_t kn, int rows,      \
                                    void *packed)                                                                      \
    {                                                                                                                  \
        lt_pack_a_plain(load_##type, a, m0, mn, k0, kn, rows, packed);                                                 \
    }                                                                                                                  \
    static void pack_a_transposed_##type(const lt_matrix *a, int64_t m0, int64_t mn, int64_t k0, int64_t kn, int rows, \
                                         void *packed)                                                                 \
    {                                                                                                                  \
        lt_pack_a_transposed(load_##type, a, m0, mn, k0, kn, rows, packed);                                            \
    }                                                                                                                  \
    static void pack_b_plain_##type(const lt_matrix *b, int64_t n0, int64_t nn, int64_t k0, int64_t kn, void *packed)  \
    {                                                                                                                  \
        lt_pack_b_plain(load_##type, b, n0, nn, k0, kn, packed);                                                       \
    }                                                                                                                  \
    static void pack_b_transposed_##type(const lt_matrix *b, int64_t n0, int64_t nn, int64_t k0, int64_t kn,           \
                                         void *packed)                                                                 \
    {                                                                                                                  \
        lt_pack_b_transposed(load_##type, b, n0, nn, k0, kn, packed);                                                  \
    }

#endif
