/* Decoding to bf16, 32 elements at a time and without a row of f32 in between. The formulas are those of simd/decode_blocks.h, with the
 * same operations on the same numbers, so the bits are those of decoding to f32 and rounding; the conversion instruction takes subnormal
 * numbers for zero, as the products do.
 *
 * A code of four or five bits has few values within a block: they are computed and rounded once, as a table that a permutation of words
 * looks up. A permutation looks at the lowest four (of 16 words) or five bits (of 32) of an index and passes over the rest. */
#include "simd/avx512/decode_avx512.h"
#include "simd/sets.h"

LT_INLINE void round_all(const float *in, uint16_t *out, int64_t n)
{
    for (; n >= 32; n -= 32, in += 32, out += 32)
        _mm512_storeu_si512(out, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(in + 16), _mm512_loadu_ps(in)));
    if (n > 0) {
        const __mmask32 left = (__mmask32)((1u << n) - 1);
        __m512 first = _mm512_maskz_loadu_ps((__mmask16)left, in);
        __m512 second = _mm512_maskz_loadu_ps((__mmask16)(left >> 16), in + 16);
        _mm512_mask_storeu_epi16(out, left, (__m512i)_mm512_cvtne2ps_pbh(second, first));
    }
}

/* Any piece of any type, the long way. */
static void decode_slowly(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out)
{
    float piece[LT_DECODE_PIECE];
    for (int64_t i = 0, step; i < n; i += step) {
        step = n - i < LT_DECODE_PIECE ? n - i : LT_DECODE_PIECE;
        lt_decode_with(lt_decode_avx512, m, row, col + i, step, piece);
        round_all(piece, out + i, step);
    }
}

LT_INLINE __m512 half_everywhere(const uint8_t *at)
{
    int16_t bits;
    memcpy(&bits, at, sizeof bits);
    return _mm512_cvtph_ps(_mm256_set1_epi16(bits));
}

/* first .. first + 15. */
LT_INLINE __m512 levels(int first)
{
    const __m512i count = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_cvtepi32_ps(_mm512_add_epi32(count, _mm512_set1_epi32(first)));
}

LT_INLINE __m256i bytes_as_words(const uint8_t *at)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)at));
}

LT_INLINE void store_16(uint16_t *out, __m256i words)
{
    _mm256_storeu_si256((__m256i *)(void *)out, words);
}

LT_INLINE __m512i in_order(__m512 first, __m512 second)
{
    return (__m512i)_mm512_cvtne2ps_pbh(second, first);
}

/* Groups [g, end) of 32 elements of the block at `block`, to out. */
typedef void (*decode_groups)(const uint8_t *block, int g, int end, uint16_t *out);

LT_INLINE __m512i scaled_bytes(__m256i codes, __m512 first_scale, __m512 second_scale)
{
    __m512 first = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_castsi256_si128(codes)));
    __m512 second = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_extracti128_si256(codes, 1)));
    return in_order(_mm512_mul_ps(first_scale, first), _mm512_mul_ps(second_scale, second));
}

LT_INLINE void groups_q8_0(const uint8_t *block, int g, int end, uint16_t *out)
{
    (void)g, (void)end;
    const __m512 d = half_everywhere(block);
    _mm512_storeu_si512(out, scaled_bytes(_mm256_loadu_si256((const __m256i *)(const void *)(block + 2)), d, d));
}

/* 16 bytes: the lower halves are elements 0 .. 15, the upper ones 16 .. 31. */
LT_INLINE void look_up_halves(const uint8_t *q, __m512 table, uint16_t *out)
{
    const __m256i codes = bytes_as_words(q), values = (__m256i)_mm512_cvtneps_pbh(table);
    store_16(out, _mm256_permutexvar_epi16(codes, values));
    store_16(out + 16, _mm256_permutexvar_epi16(_mm256_srli_epi16(codes, 4), values));
}

LT_INLINE void groups_q4_0(const uint8_t *block, int g, int end, uint16_t *out)
{
    (void)g, (void)end;
    look_up_halves(block + 2, _mm512_mul_ps(half_everywhere(block), levels(-8)), out);
}

LT_INLINE void groups_q4_1(const uint8_t *block, int g, int end, uint16_t *out)
{
    (void)g, (void)end;
    __m512 table = _mm512_mul_ps(half_everywhere(block), levels(0));
    look_up_halves(block + 4, _mm512_add_ps(table, half_everywhere(block + 2)), out);
}

/* The same with a fifth bit for each element. */
LT_INLINE void look_up_fifths(const uint8_t *fifth, const uint8_t *q, __m512i table, uint16_t *out)
{
    uint32_t bits;
    memcpy(&bits, fifth, sizeof bits);
    const __m256i codes = bytes_as_words(q);
    __m512i index = _mm512_inserti64x4(_mm512_castsi256_si512(codes), _mm256_srli_epi16(codes, 4), 1);
    index = _mm512_and_si512(index, _mm512_set1_epi16(15));
    index = _mm512_or_si512(index, _mm512_maskz_set1_epi16(bits, 16));
    _mm512_storeu_si512(out, _mm512_permutexvar_epi16(index, table));
}

LT_INLINE void groups_q5_0(const uint8_t *block, int g, int end, uint16_t *out)
{
    (void)g, (void)end;
    const __m512 d = half_everywhere(block);
    look_up_fifths(block + 2, block + 6, in_order(_mm512_mul_ps(d, levels(-16)), _mm512_mul_ps(d, levels(0))), out);
}

LT_INLINE void groups_q5_1(const uint8_t *block, int g, int end, uint16_t *out)
{
    (void)g, (void)end;
    const __m512 d = half_everywhere(block), m = half_everywhere(block + 2);
    __m512 low = _mm512_add_ps(_mm512_mul_ps(d, levels(0)), m), high = _mm512_add_ps(_mm512_mul_ps(d, levels(16)), m);
    look_up_fifths(block + 4, block + 8, in_order(low, high), out);
}

/* Scales and minimums of the eight groups of Q4_K and Q5_K, times d and dmin; lt_scale_and_minimum says how they lie. */
LT_INLINE void scales_of_k(const uint8_t *block, float scale[8], float minimum[8])
{
    uint32_t s[3];
    memcpy(s, block + 4, sizeof s);
    const uint64_t sixes = 0x3F3F3F3F, fours = 0x0F0F0F0F, twos = 0x03030303;
    uint64_t scales = (s[0] & sixes) | ((s[2] & fours) | (s[0] >> 6 & twos) << 4) << 32;
    uint64_t minimums = (s[1] & sixes) | ((s[2] >> 4 & fours) | (s[1] >> 6 & twos) << 4) << 32;
    __m512i all = _mm512_cvtepu8_epi32(_mm_set_epi64x((int64_t)minimums, (int64_t)scales));
    __m512 factors = _mm512_mask_blend_ps(0xFF00, half_everywhere(block), half_everywhere(block + 2));
    __m512 products = _mm512_mul_ps(factors, _mm512_cvtepi32_ps(all));
    _mm256_storeu_ps(scale, _mm512_castps512_ps256(products));
    _mm256_storeu_ps(minimum, _mm512_extractf32x8_ps(products, 1));
}

LT_INLINE void groups_q4_k(const uint8_t *block, int g, int end, uint16_t *out)
{
    float scale[8], minimum[8];
    scales_of_k(block, scale, minimum);
    for (; g < end; g++, out += LT_GROUP) {
        __m512 table = _mm512_sub_ps(_mm512_mul_ps(_mm512_set1_ps(scale[g]), levels(0)), _mm512_set1_ps(minimum[g]));
        const __m256i values = (__m256i)_mm512_cvtneps_pbh(table);
        const uint8_t *q = block + 16 + g / 2 * 32;
        const __m128i shift = _mm_cvtsi32_si128(g % 2 * 4);
        store_16(out, _mm256_permutexvar_epi16(_mm256_srl_epi16(bytes_as_words(q), shift), values));
        store_16(out + 16, _mm256_permutexvar_epi16(_mm256_srl_epi16(bytes_as_words(q + 16), shift), values));
    }
}

LT_INLINE void groups_q5_k(const uint8_t *block, int g, int end, uint16_t *out)
{
    float scale[8], minimum[8];
    scales_of_k(block, scale, minimum);
    const __m512i fifth = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)(block + 16)));
    for (; g < end; g++, out += LT_GROUP) {
        const __m512 d = _mm512_set1_ps(scale[g]), m = _mm512_set1_ps(minimum[g]);
        __m512 low = _mm512_sub_ps(_mm512_mul_ps(d, levels(0)), m), high = _mm512_sub_ps(_mm512_mul_ps(d, levels(16)), m);
        __m512i index = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)(block + 48 + g / 2 * 32)));
        index = _mm512_and_si512(_mm512_srl_epi16(index, _mm_cvtsi32_si128(g % 2 * 4)), _mm512_set1_epi16(15));
        __mmask32 set = _mm512_test_epi16_mask(fifth, _mm512_set1_epi16((int16_t)(1 << g)));
        index = _mm512_or_si512(index, _mm512_maskz_set1_epi16(set, 16));
        _mm512_storeu_si512(out, _mm512_permutexvar_epi16(index, in_order(low, high)));
    }
}

LT_INLINE void groups_q6_k(const uint8_t *block, int g, int end, uint16_t *out)
{
    float scale[16];
    const __m512i all = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(block + 192)));
    _mm512_storeu_ps(scale, _mm512_mul_ps(half_everywhere(block + 208), _mm512_cvtepi32_ps(all)));
    for (; g < end; g++, out += LT_GROUP) {
        const int half = g / 4, part = g % 4;
        __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(block + half * 64 + part % 2 * 32));
        __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(block + 128 + half * 32));
        low = _mm256_and_si256(_mm256_srl_epi16(low, _mm_cvtsi32_si128(part / 2 * 4)), _mm256_set1_epi8(15));
        high = _mm256_and_si256(_mm256_srl_epi16(high, _mm_cvtsi32_si128(part * 2)), _mm256_set1_epi8(3));
        __m256i codes = _mm256_sub_epi8(_mm256_or_si256(low, _mm256_slli_epi16(high, 4)), _mm256_set1_epi8(32));
        _mm512_storeu_si512(out, scaled_bytes(codes, _mm512_set1_ps(scale[2 * g]), _mm512_set1_ps(scale[2 * g + 1])));
    }
}

/* Elements [col, col + n) of a row of blocks. */
LT_INLINE void decode_blocks(decode_groups decode, int elements, int bytes, const uint8_t *row, int64_t col, int64_t n, uint16_t *out)
{
    for (int64_t step; n > 0; col += step, n -= step, out += step) {
        const uint8_t *block = row + col / elements * bytes;
        const int in = (int)(col % elements), group = in / LT_GROUP, skip = in % LT_GROUP;
        if (skip == 0 && n >= LT_GROUP) {
            int groups = elements / LT_GROUP - group;
            groups = n / LT_GROUP < groups ? (int)(n / LT_GROUP) : groups;
            decode(block, group, group + groups, out);
            step = (int64_t)groups * LT_GROUP;
        } else { /* a piece of a group */
            uint16_t whole[LT_GROUP];
            decode(block, group, group + 1, whole);
            step = n < LT_GROUP - skip ? n : LT_GROUP - skip;
            memcpy(out, whole + skip, (size_t)step * sizeof *out);
        }
    }
}

/* 32 codes in 16 bytes, the first of each in the upper half; table has 16 values, twice. */
LT_INLINE __m512i look_up_pairs(const uint8_t *codes, __m512i table)
{
    __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)codes));
    __m512i index = _mm512_or_si512(_mm512_srli_epi32(bytes, 4), _mm512_slli_epi32(bytes, 16));
    return _mm512_permutexvar_epi16(index, table);
}

static void decode_nf4(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out)
{
    const lt_quant_scales *scales = m->scales;
    const int64_t first = m->first_row * m->row_stride, size = (int64_t)1 << scales->block_shift;
    const uint8_t *codes = (const uint8_t *)m->data - first / 2; /* of element 0 of the tensor */
    const __m512 values = _mm512_loadu_ps(scales->values);
    for (int64_t e = first + row * m->row_stride + col, end = e + n, step; e < end; e += step, col += step, out += step) {
        step = size - (e & (size - 1));
        step = step < end - e ? step : end - e;
        if (e % 2 || step % LT_GROUP) {
            decode_slowly(m, row, col, step, out);
            continue;
        }
        __m512 table = _mm512_mul_ps(values, _mm512_set1_ps(lt_quant_scale(scales, e >> scales->block_shift)));
        const __m512i twice = in_order(table, table);
        for (int64_t i = 0; i < step; i += LT_GROUP)
            _mm512_storeu_si512(out + i, look_up_pairs(codes + (e + i) / 2, twice));
    }
}

static void decode_i8(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out)
{
    const int8_t *codes = (const int8_t *)m->data + row * m->row_stride + col;
    const __m512 scale = _mm512_set1_ps(lt_quant_scale(m->scales, m->first_row + row));
    int64_t i = 0;
    for (; i + LT_GROUP <= n; i += LT_GROUP)
        _mm512_storeu_si512(out + i, scaled_bytes(_mm256_loadu_si256((const __m256i *)(const void *)(codes + i)), scale, scale));
    if (i < n) {
        const __mmask32 left = (__mmask32)((1u << (n - i)) - 1);
        _mm512_mask_storeu_epi16(out + i, left, scaled_bytes(_mm256_maskz_loadu_epi8(left, codes + i), scale, scale));
    }
}

void lt_avx512bf16_decode_bf16(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out)
{
    const uint8_t *at = (const uint8_t *)m->data + (m->dtype == LT_DTYPE_NF4 ? 0 : lt_dtype_bytes(m->dtype, row * m->row_stride));
    switch (m->dtype) {
    case LT_DTYPE_Q8_0: decode_blocks(groups_q8_0, 32, 34, at, col, n, out); break;
    case LT_DTYPE_Q4_0: decode_blocks(groups_q4_0, 32, 18, at, col, n, out); break;
    case LT_DTYPE_Q4_1: decode_blocks(groups_q4_1, 32, 20, at, col, n, out); break;
    case LT_DTYPE_Q5_0: decode_blocks(groups_q5_0, 32, 22, at, col, n, out); break;
    case LT_DTYPE_Q5_1: decode_blocks(groups_q5_1, 32, 24, at, col, n, out); break;
    case LT_DTYPE_Q4_K: decode_blocks(groups_q4_k, 256, 144, at, col, n, out); break;
    case LT_DTYPE_Q5_K: decode_blocks(groups_q5_k, 256, 176, at, col, n, out); break;
    case LT_DTYPE_Q6_K: decode_blocks(groups_q6_k, 256, 210, at, col, n, out); break;
    case LT_DTYPE_NF4: decode_nf4(m, row, col, n, out); break;
    case LT_DTYPE_I8: decode_i8(m, row, col, n, out); break;
    default: decode_slowly(m, row, col, n, out); break;
    }
}

void lt_avx512bf16_overlay(lt_kernels *table)
{
    table->decode_bf16 = lt_avx512bf16_decode_bf16;
}
