/* Packing for the AVX-512 sets, for any stored type: a type is two loaders, the rest is shared.
 *
 * Where K runs along a row in memory, a line is loaded and converted whole. A goes out as it is; B needs its words
 * turned into columns, a 16 x 16 transposition of words (64 shuffles for 1 KB, about 70 cycles, against 16 · M cycles
 * of multiply-adds on the same words). Where columns run along a row, it is the other way round. */
#ifndef LT_SIMD_GEMM_PACK_AVX512_H
#define LT_SIMD_GEMM_PACK_AVX512_H

#include "simd/avx512/gemm_tile_avx512.h"

/* The elements of a row that `mask` names (bit i: element i) as the words of a line, zeros for the others. */
typedef __m512i (*lt_load_line)(const char *row, __mmask32 mask);

/* One word of K for the columns that `mask` names. A word of two elements takes the second from next_row, if next_mask
 * (mask or 0) says that it exists. */
typedef __m512i (*lt_load_columns)(const char *row, const char *next_row, __mmask16 mask, __mmask16 next_mask);

typedef struct lt_loaders {
    int word_elements;
    lt_load_line line;
    lt_load_columns columns;
} lt_loaders;

LT_INLINE int lt_at_most(int64_t count, int limit)
{
    return count < limit ? (int)count : limit;
}

/* The first `count` bits, at most 32. */
LT_INLINE __mmask32 lt_first(int64_t count)
{
    return count < 32 ? (__mmask32)((1u << count) - 1) : (__mmask32)-1;
}

LT_INLINE int64_t lt_row_bytes(const lt_matrix *matrix)
{
    return lt_dtype_bytes(matrix->dtype, matrix->row_stride);
}

/* r[i] word j becomes r[j] word i. */
LT_INLINE void lt_transpose_words(__m512i r[LT_LANES])
{
    __m512i t[LT_LANES];
    LT_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    LT_UNROLL
    for (int i = 0; i < 16; i += 4) { /* r[i + j]: column j of each 128-bit group, of rows i .. i+3 */
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    LT_UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xDD);
        t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xDD);
    }
    LT_UNROLL
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xDD);
        r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
        r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xDD);
    }
}

/* A (M,K): lines in the order of the rows. */
LT_INLINE void lt_pack_a_plain(lt_loaders load, const lt_matrix *a, int64_t m0, int64_t mn, int64_t k0, int64_t kn,
                               int panel_rows, void *packed)
{
    const int line_elements = LT_LANES * load.word_elements;
    const int64_t row_bytes = lt_row_bytes(a), line_bytes = lt_dtype_bytes(a->dtype, line_elements);
    char *out = packed;
    for (int64_t m = 0; m < mn; m += panel_rows) {
        int rows = lt_at_most(mn - m, panel_rows);
        const char *in = lt_gemm_at(a, m0 + m, k0);
        for (int64_t k = 0; k < kn; k += line_elements, in += line_bytes) {
            __mmask32 mask = lt_first(lt_at_most(kn - k, line_elements));
            for (int r = 0; r < rows; r++, out += LT_LINE_BYTES)
                _mm512_store_si512(out, load.line(in + r * row_bytes, mask));
        }
    }
}

/* A line's worth of K (`elements` of it) for the columns in `mask`, from rows of a (K, columns) matrix. */
LT_INLINE void lt_load_words(lt_loaders load, const char *in, int64_t row_bytes, int elements, __mmask16 mask,
                             __m512i r[LT_LANES])
{
    const int depth = load.word_elements;
    LT_UNROLL
    for (int w = 0; w < LT_LANES; w++, elements -= depth, in += depth * row_bytes)
        r[w] = elements > 0 ? load.columns(in, in + row_bytes, mask, elements > 1 ? mask : 0) : _mm512_setzero_si512();
}

/* A stored (K,M): 16 rows of op(A) at a time, transposed, go to the panels they fall into. A line's worth of K is taken
 * across all rows before the next, because that is how it lies in memory. */
LT_INLINE void lt_pack_a_transposed(lt_loaders load, const lt_matrix *a, int64_t m0, int64_t mn, int64_t k0, int64_t kn,
                                    int panel_rows, void *packed)
{
    const int line_elements = LT_LANES * load.word_elements;
    const int64_t row_bytes = lt_row_bytes(a), lines = (kn + line_elements - 1) / line_elements;
    for (int64_t line = 0; line < lines; line++) {
        char *panel = packed;
        int height = lt_at_most(mn, panel_rows), row = 0; /* of the panel; next row in it */
        int64_t below = mn;                               /* rows from this panel on */
        for (int64_t m = 0; m < mn; m += LT_LANES) {
            const __mmask16 mask = (__mmask16)lt_first(mn - m);
            const char *in = lt_gemm_at(a, k0 + line * line_elements, m0 + m);
            __m512i r[LT_LANES];
            lt_load_words(load, in, row_bytes, lt_at_most(kn - line * line_elements, line_elements), mask, r);
            lt_transpose_words(r);
            for (int i = 0; i < LT_LANES && i < mn - m; i++) {
                _mm512_store_si512(panel + (line * height + row) * LT_LINE_BYTES, r[i]);
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

/* 16 rows of a (N,K) matrix from n on. Where there are fewer, the last one again: those columns of C are not stored. */
LT_INLINE void lt_row_addresses(const lt_matrix *b, int64_t n, int rows, int64_t k, const char *row[LT_LANES])
{
    for (int i = 0; i < LT_LANES; i++)
        row[i] = lt_gemm_at(b, n + (i < rows ? i : rows - 1), k);
}

/* A line of each of 16 rows as 16 words of 16 columns. */
LT_INLINE void lt_load_square(lt_loaders load, const char *const row[LT_LANES], int64_t offset, __mmask32 mask,
                              __m512i r[LT_LANES])
{
    LT_UNROLL
    for (int i = 0; i < LT_LANES; i++)
        r[i] = load.line(row[i] + offset, mask);
    lt_transpose_words(r);
}

/* B stored (N,K). */
LT_INLINE void lt_pack_b_transposed(lt_loaders load, const lt_matrix *b, int64_t n0, int64_t nn, int64_t k0, int64_t kn,
                                    void *packed)
{
    const int line_elements = LT_LANES * load.word_elements;
    const int64_t line_bytes = lt_dtype_bytes(b->dtype, line_elements);
    const int64_t word_bytes = (nn + LT_LANES - 1) / LT_LANES * LT_LINE_BYTES;
    for (int64_t n = 0; n < nn; n += LT_LANES) {
        const char *row[LT_LANES];
        lt_row_addresses(b, n0 + n, lt_at_most(nn - n, LT_LANES), k0, row);
        char *out = (char *)packed + n / LT_LANES * LT_LINE_BYTES;
        int64_t offset = 0;
        for (int64_t k = 0; k < kn; k += line_elements, offset += line_bytes) {
            __m512i r[LT_LANES];
            lt_load_square(load, row, offset, lt_first(lt_at_most(kn - k, line_elements)), r);
            LT_UNROLL
            for (int w = 0; w < LT_LANES; w++, out += word_bytes)
                _mm512_store_si512(out, r[w]);
        }
    }
}

/* B (K,N). */
LT_INLINE void lt_pack_b_plain(lt_loaders load, const lt_matrix *b, int64_t n0, int64_t nn, int64_t k0, int64_t kn,
                               void *packed)
{
    const int depth = load.word_elements, step = LT_GEMM_WORD_STEP * depth;
    const int64_t row_bytes = lt_row_bytes(b), vector_bytes = lt_dtype_bytes(b->dtype, LT_LANES);
    const int vectors = (int)((nn + LT_LANES - 1) / LT_LANES);
    const __mmask16 last = (__mmask16)lt_first(nn - (vectors - 1) * LT_LANES);
    const char *in = lt_gemm_at(b, k0, n0);
    char *out = packed;
    for (int64_t k = 0; k < kn; k += depth, in += depth * row_bytes)
        for (int v = 0; v < vectors; v++, out += LT_LINE_BYTES) {
            const char *at = in + v * vector_bytes;
            __mmask16 mask = v + 1 < vectors ? 0xFFFF : last;
            _mm512_store_si512(out, load.columns(at, at + row_bytes, mask, kn - k > 1 ? mask : 0));
        }
    for (int64_t k = (kn + depth - 1) / depth * depth; k % step; k += depth)
        for (int v = 0; v < vectors; v++, out += LT_LINE_BYTES)
            _mm512_store_si512(out, _mm512_setzero_si512());
}

/* sum[m] += one line of row m · r, over `words` words in order, for `rows` rows side by side. */
LT_INLINE void lt_few_rows_chains(lt_multiply multiply, int rows, int words, const char *a, const __m512i r[LT_LANES],
                                  __m512 *sum)
{
    __m512 s[LT_TILE_ROWS];
    LT_UNROLL
    for (int m = 0; m < rows; m++)
        s[m] = sum[m];
    LT_UNROLL
    for (int w = 0; w < words; w++) {
        LT_UNROLL
        for (int m = 0; m < rows; m++) {
            int32_t word;
            memcpy(&word, a + m * LT_LINE_BYTES + w * 4, sizeof word);
            s[m] = multiply(s[m], _mm512_set1_epi32(word), r[w]);
        }
    }
    LT_UNROLL
    for (int m = 0; m < rows; m++)
        sum[m] = s[m];
}

/* A chain of dependent multiply-adds is slow alone: 8 or 4 rows at once keep the core busy. */
LT_INLINE void lt_few_rows_line(lt_multiply multiply, int rows, int words, const char *a, const __m512i r[LT_LANES],
                                __m512 *sum)
{
    int m = 0;
    if (words < LT_LANES) { /* where K ends */
        for (; m < rows; m++)
            for (int w = 0; w < words; w++) {
                int32_t word;
                memcpy(&word, a + m * LT_LINE_BYTES + w * 4, sizeof word);
                sum[m] = multiply(sum[m], _mm512_set1_epi32(word), r[w]);
            }
        return;
    }
    for (; m + 8 <= rows; m += 8)
        lt_few_rows_chains(multiply, 8, LT_LANES, a + m * LT_LINE_BYTES, r, sum + m);
    for (; m + 4 <= rows; m += 4)
        lt_few_rows_chains(multiply, 4, LT_LANES, a + m * LT_LINE_BYTES, r, sum + m);
    for (; m < rows; m++)
        lt_few_rows_chains(multiply, 1, LT_LANES, a + m * LT_LINE_BYTES, r, sum + m);
}

/* Few rows of A (decoding): 16 rows of the (N,K) matrix are read in place, transposed in registers and used at once. On
 * two cores this is bound by memory, and it sums as the micro kernel does, so a token decoded alone has the bytes it
 * would have in a batch. The 16 rows after these are asked for in the order in which they lie in memory. */
LT_INLINE void lt_few_rows_vector(lt_multiply multiply, lt_loaders load, const lt_gemm_call *call, const char *a,
                                  int64_t block_words, int64_t n, int columns)
{
    const int rows = (int)call->M, line_elements = LT_LANES * load.word_elements;
    const int64_t line_bytes = lt_dtype_bytes(call->b->dtype, line_elements);
    const char *row[LT_LANES], *ahead = lt_gemm_at(call->b, n + LT_LANES, 0);
    lt_row_addresses(call->b, n, columns, 0, row);
    lt_gemm_out out = {.c = call->c + n,
                       .stride = call->c_stride,
                       .alpha = call->alpha,
                       .beta = call->beta,
                       .bias = call->bias ? call->bias + n : NULL};
    int64_t end = 0, offset = 0;
    for (int64_t k = 0; k < call->K;) {
        __m512 sum[LT_TILE_ROWS];
        for (int m = 0; m < rows; m++)
            sum[m] = _mm512_setzero_ps();
        end += block_words * load.word_elements;
        if (end > call->K)
            end = call->K;
        for (; k < end; k += line_elements, offset += line_bytes, a += rows * LT_LINE_BYTES) {
            const int elements = lt_at_most(end - k, line_elements), step = LT_GEMM_WORD_STEP * load.word_elements;
            __m512i r[LT_LANES];
            lt_load_square(load, row, offset, lt_first(elements), r);
            for (int64_t i = 0; i < LT_LANES * line_bytes; i += LT_LINE_BYTES, ahead += LT_LINE_BYTES)
                _mm_prefetch(ahead, _MM_HINT_T0);
            lt_few_rows_line(multiply, rows, (elements + step - 1) / step * LT_GEMM_WORD_STEP, a, r, sum);
        }
        for (int m = 0; m < rows; m++)
            lt_tile_store(&out, m, 0, sum[m], (__mmask16)lt_first(columns));
        out.beta = 1;
        out.bias = NULL;
    }
}

LT_INLINE void lt_few_rows(lt_multiply multiply, lt_loaders load, const lt_gemm_call *call, const void *a,
                           int64_t block_words, int64_t n0, int64_t n1)
{
    for (int64_t n = n0; n < n1; n += LT_LANES)
        lt_few_rows_vector(multiply, load, call, a, block_words, n, lt_at_most(n1 - n, LT_LANES));
}

/* The five functions of a type, from its loaders; the file that expands this has a `multiply`. */
#define LT_PACKERS_AVX512(type, elements, load_line, load_columns)                                                     \
    static const lt_loaders loaders_##type = {elements, load_line, load_columns};                                      \
    static void pack_a_plain_##type(const lt_matrix *a, int64_t m0, int64_t mn, int64_t k0, int64_t kn, int rows,      \
                                    void *packed)                                                                      \
    {                                                                                                                  \
        lt_pack_a_plain(loaders_##type, a, m0, mn, k0, kn, rows, packed);                                              \
    }                                                                                                                  \
    static void pack_a_transposed_##type(const lt_matrix *a, int64_t m0, int64_t mn, int64_t k0, int64_t kn, int rows, \
                                         void *packed)                                                                 \
    {                                                                                                                  \
        lt_pack_a_transposed(loaders_##type, a, m0, mn, k0, kn, rows, packed);                                         \
    }                                                                                                                  \
    static void pack_b_plain_##type(const lt_matrix *b, int64_t n0, int64_t nn, int64_t k0, int64_t kn, void *packed)  \
    {                                                                                                                  \
        lt_pack_b_plain(loaders_##type, b, n0, nn, k0, kn, packed);                                                    \
    }                                                                                                                  \
    static void pack_b_transposed_##type(const lt_matrix *b, int64_t n0, int64_t nn, int64_t k0, int64_t kn,           \
                                         void *packed)                                                                 \
    {                                                                                                                  \
        lt_pack_b_transposed(loaders_##type, b, n0, nn, k0, kn, packed);                                               \
    }                                                                                                                  \
    static void few_rows_##type(const lt_gemm_call *call, const void *packed_a, int64_t block_words, int64_t n0,       \
                                int64_t n1)                                                                            \
    {                                                                                                                  \
        lt_few_rows(multiply, loaders_##type, call, packed_a, block_words, n0, n1);                                    \
    }

#define LT_PACKER_ROW_AVX512(type)                                                                                     \
    {                                                                                                                  \
        {pack_a_plain_##type, pack_a_transposed_##type}, {pack_b_plain_##type, pack_b_transposed_##type},              \
            few_rows_##type                                                                                            \
    }

/* Blocks: a panel of A 8 x 320 words is 10 KB of L1; a block of B 320 words x 240 columns is 307 KB of L2. */
#define LT_GEMM_SIZES_AVX512                                                                                           \
    .rows = LT_TILE_ROWS, .vectors = LT_TILE_VECTORS, .lanes = LT_LANES, .block_words = 320, .block_vectors = 15

#endif
