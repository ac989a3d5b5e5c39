/* AVX2, FMA and F16C through SIMDe: the instructions themselves on x86-64, translated to what there is elsewhere. */
#ifndef LT_SIMD_AVX2_H
#define LT_SIMD_AVX2_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx2.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <stdint.h>
#include <string.h>

#include "simd/unroll.h"

enum { LT_LANES = 8 }; /* 32-bit words of a vector */

/* The first `count` (0 .. 8) floats, zeros after them. Nothing behind them is touched. */
LT_INLINE __m256 lt_load_part(const void *from, int64_t count)
{
    float part[LT_LANES] = {0};
    memcpy(part, from, (size_t)count * sizeof(float));
    return _mm256_loadu_ps(part);
}

LT_INLINE void lt_store_part(void *to, __m256 value, int64_t count)
{
    float part[LT_LANES];
    _mm256_storeu_ps(part, value);
    memcpy(to, part, (size_t)count * sizeof(float));
}

/* The first `count` 16-bit elements. */
LT_INLINE __m128i lt_load_part_16(const void *from, int64_t count)
{
    uint16_t part[LT_LANES] = {0};
    memcpy(part, from, (size_t)count * sizeof(uint16_t));
    return _mm_loadu_si128((const __m128i *)part);
}

LT_INLINE void lt_store_part_16(void *to, __m128i value, int64_t count)
{
    uint16_t part[LT_LANES];
    _mm_storeu_si128((__m128i *)part, value);
    memcpy(to, part, (size_t)count * sizeof(uint16_t));
}

LT_INLINE __m256 lt_bf16_widen(__m128i halves)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

/* Round to nearest even to bf16, kept in the upper half of each word (the lower half is zero); NaN stays NaN. */
LT_INLINE __m256i lt_bf16_round(__m256 value)
{
    __m256i bits = _mm256_castps_si256(value);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    return _mm256_and_si256(_mm256_blendv_epi8(up, quiet, nan), _mm256_set1_epi32((int)0xFFFF0000));
}

#endif
