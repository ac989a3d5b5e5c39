/* Products of f32 words with AVX2 and FMA: f32 compute, and bf16 compute with operands rounded to bf16.
 *
 * Tile: 6 rows x 2 vectors (16 columns) = 12 accumulators, 2 registers for B, one for the broadcast of A: 15 of 16. A
 * word of K is 12 multiply-adds for 8 loads, two of each a cycle. On 128-bit machines SIMDe makes 24 accumulators of
 * the 12, which fits the 32 registers of AArch64. */
#include "simd/avx2/gemm_pack_avx2.h"
#include "simd/sets.h"

enum { TILE_ROWS = 6, TILE_VECTORS = 2 };

/* c = beta c + (alpha sum + bias), of `count` columns. */
LT_INLINE void store(const lt_gemm_out *out, int row, int vector, __m256 sum, int count)
{
    float *c = out->c + row * out->stride + vector * LT_LANES;
    const bool full = count == LT_LANES;
    __m256 value = _mm256_mul_ps(_mm256_set1_ps(out->alpha), sum);
    if (out->bias) {
        const float *bias = out->bias + vector * LT_LANES;
        value =
            _mm256_fmadd_ps(_mm256_set1_ps(out->alpha), sum, full ? _mm256_loadu_ps(bias) : lt_load_part(bias, count));
    }
    if (out->beta != 0)
        value = _mm256_fmadd_ps(_mm256_set1_ps(out->beta), full ? _mm256_loadu_ps(c) : lt_load_part(c, count), value);
    if (full)
        _mm256_storeu_ps(c, value);
    else
        lt_store_part(c, value, count);
}

/* The loop over words is not unrolled: gcc then keeps every accumulator in its register, which it does not across
 * copies of the body, and the core issues the 24 instructions of a word faster than it multiplies. */
LT_INLINE void tile(int rows, int vectors, int64_t words, const void *packed_a, const void *packed_b,
                    const lt_gemm_out *out)
{
    const char *a = packed_a, *b = packed_b;
    __m256 sum[TILE_ROWS][TILE_VECTORS];
    LT_UNROLL
    for (int r = 0; r < rows; r++) {
        LT_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = _mm256_setzero_ps();
    }
    for (int64_t more = out->more_words;; words = more, more = 0, a = out->more_a, b = out->more_b) {
        for (; words > 0; words -= LT_LANES, a += rows * LT_LINE_BYTES) {
            int count = words < LT_LANES ? (int)words : LT_LANES;
            for (int w = 0; w < count; w += LT_GEMM_WORD_STEP)
                lt_gemm_ask(out->ahead);
            LT_NO_UNROLL
            for (int w = 0; w < count; w++, b += vectors * LT_LINE_BYTES) {
                __m256 column[TILE_VECTORS];
                LT_UNROLL
                for (int v = 0; v < vectors; v++)
                    column[v] = _mm256_loadu_ps((const float *)(const void *)(b + v * LT_LINE_BYTES));
                LT_UNROLL
                for (int r = 0; r < rows; r++) {
                    __m256 word = _mm256_broadcast_ss((const float *)(const void *)(a + r * LT_LINE_BYTES + w * 4));
                    LT_UNROLL
                    for (int v = 0; v < vectors; v++)
                        sum[r][v] = _mm256_fmadd_ps(word, column[v], sum[r][v]);
                }
            }
        }
        if (!more)
            break;
    }
    LT_UNROLL
    for (int r = 0; r < rows; r++) {
        LT_UNROLL
        for (int v = 0; v < vectors; v++)
            store(out, r, v, sum[r][v], v + 1 < vectors ? LT_LANES : out->cols - v * LT_LANES);
    }
}

/* One function for each height and width: the constants make the loops disappear. */
#define TILE(rows, vectors)                                                                                            \
    static void tile_##rows##x##vectors(int64_t words, const void *a, const void *b, const lt_gemm_out *out)           \
    {                                                                                                                  \
        tile(rows, vectors, words, a, b, out);                                                                         \
    }
#define TILES(rows) TILE(rows, 1) TILE(rows, 2)
#define TILE_NAMES(rows)                                                                                               \
    {                                                                                                                  \
        tile_##rows##x1, tile_##rows##x2                                                                               \
    }

TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)

static void micro(int64_t words, const void *a, const void *b, const lt_gemm_out *out)
{
    static const lt_gemm_micro tiles[TILE_ROWS][TILE_VECTORS] = {TILE_NAMES(1), TILE_NAMES(2), TILE_NAMES(3),
                                                                 TILE_NAMES(4), TILE_NAMES(5), TILE_NAMES(6)};
    tiles[out->rows - 1][out->cols > LT_LANES](words, a, b, out);
}

/* Few rows of A (decoding): 8 rows of the (N,K) matrix are read in place, transposed in registers and used at once, in
 * the micro kernel's order of summation. The 8 rows after these are asked for in the order in which they lie. */
LT_INLINE void few_rows_vector(lt_load load, const lt_gemm_call *call, const char *a, int64_t block_words, int64_t n,
                               int columns)
{
    const int rows = (int)call->M;
    const int64_t line_bytes = lt_dtype_bytes(call->b->dtype, LT_LANES);
    const char *row[LT_LANES], *ahead = lt_gemm_at(call->b, n + LT_LANES, 0);
    lt_row_addresses(call->b, n, columns, 0, row);
    lt_gemm_out out = {.c = call->c + n,
                       .stride = call->c_stride,
                       .alpha = call->alpha,
                       .beta = call->beta,
                       .bias = call->bias ? call->bias + n : NULL};
    int64_t end = 0, offset = 0;
    for (int64_t k = 0; k < call->K;) {
        __m256 sum[TILE_ROWS];
        for (int m = 0; m < rows; m++)
            sum[m] = _mm256_setzero_ps();
        end = call->K - end < block_words ? call->K : end + block_words;
        for (; k < end; k += LT_LANES, offset += line_bytes, a += rows * LT_LINE_BYTES) {
            const int count = lt_at_most(end - k, LT_LANES);
            const int words = count > LT_GEMM_WORD_STEP ? LT_LANES : LT_GEMM_WORD_STEP;
            __m256 r[LT_LANES];
            lt_load_square(load, row, offset, count, r);
            for (int64_t i = 0; i < LT_LANES * line_bytes; i += 64, ahead += 64)
                _mm_prefetch(ahead, _MM_HINT_T0);
            for (int m = 0; m < rows; m++)
                for (int w = 0; w < words; w++)
                    sum[m] = _mm256_fmadd_ps(
                        _mm256_broadcast_ss((const float *)(const void *)(a + m * LT_LINE_BYTES + w * 4)), r[w],
                        sum[m]);
        }
        for (int m = 0; m < rows; m++)
            store(&out, m, 0, sum[m], columns);
        out.beta = 1;
        out.bias = NULL;
    }
}

LT_INLINE void few_rows(lt_load load, const lt_gemm_call *call, const void *a, int64_t block_words, int64_t n0,
                        int64_t n1)
{
    for (int64_t n = n0; n < n1; n += LT_LANES)
        few_rows_vector(load, call, a, block_words, n, lt_at_most(n1 - n, LT_LANES));
}

LT_INLINE __m128i halves(const char *from, int count)
{
    return count == LT_LANES ? _mm_loadu_si128((const __m128i *)(const void *)from) : lt_load_part_16(from, count);
}

LT_INLINE __m256 load_f32(const char *from, int count)
{
    return count == LT_LANES ? _mm256_loadu_ps((const float *)(const void *)from) : lt_load_part(from, count);
}

LT_INLINE __m256 load_f16(const char *from, int count)
{
    return _mm256_cvtph_ps(halves(from, count));
}

LT_INLINE __m256 load_bf16(const char *from, int count)
{
    return lt_bf16_widen(halves(from, count));
}

LT_INLINE __m256 load_f32_rounded(const char *from, int count)
{
    return _mm256_castsi256_ps(lt_bf16_round(load_f32(from, count)));
}

LT_INLINE __m256 load_f16_rounded(const char *from, int count)
{
    return _mm256_castsi256_ps(lt_bf16_round(load_f16(from, count)));
}

#define PACKERS(type)                                                                                                  \
    LT_PACKERS_AVX2(type)                                                                                              \
    static void few_rows_##type(const lt_gemm_call *call, const void *packed_a, int64_t block_words, int64_t n0,       \
                                int64_t n1)                                                                            \
    {                                                                                                                  \
        few_rows(load_##type, call, packed_a, block_words, n0, n1);                                                    \
    }

PACKERS(f32)
PACKERS(f16)
PACKERS(bf16)
PACKERS(f32_rounded)
PACKERS(f16_rounded)

#define PACKER_ROW(type)                                                                                               \
    {                                                                                                                  \
        {pack_a_plain_##type, pack_a_transposed_##type}, {pack_b_plain_##type, pack_b_transposed_##type},              \
            few_rows_##type                                                                                            \
    }

/* Blocks: a panel of A 6 x 320 words is 8 KB of L1; a block of B 320 words x 240 columns is 307 KB of L2. */
#define SIZES .rows = TILE_ROWS, .vectors = TILE_VECTORS, .lanes = LT_LANES, .block_words = 320, .block_vectors = 30

const lt_gemm_kernel lt_gemm_f32_avx2 = {
    .name = "f32 avx2, tile 6 x 16",
    SIZES,
    .word_elements = 1,
    .micro = micro,
    .packers = {[LT_DTYPE_F32] = PACKER_ROW(f32), [LT_DTYPE_F16] = PACKER_ROW(f16), [LT_DTYPE_BF16] = PACKER_ROW(bf16)},
};

const lt_gemm_kernel lt_gemm_bf16_avx2 = {
    .name = "bf16 as f32 avx2, tile 6 x 16",
    SIZES,
    .word_elements = 1,
    .micro = micro,
    .packers = {[LT_DTYPE_F32] = PACKER_ROW(f32_rounded),
                [LT_DTYPE_F16] = PACKER_ROW(f16_rounded),
                [LT_DTYPE_BF16] = PACKER_ROW(bf16)},
};
