/* Conversions between stored float formats. */
#include "simd/avx2/rows_avx2.h"

LT_INLINE __m128i load_halves(const uint16_t *from, int64_t left)
{
    return left >= LT_LANES ? _mm_loadu_si128((const __m128i *)(const void *)from) : lt_load_part_16(from, left);
}

LT_INLINE void store_halves(uint16_t *to, __m128i value, int64_t left)
{
    if (left >= LT_LANES)
        _mm_storeu_si128((__m128i *)(void *)to, value);
    else
        lt_store_part_16(to, value, left);
}

void lt_avx2_f32_to_bf16(const float *in, uint16_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES) {
        __m256i upper = _mm256_srli_epi32(lt_bf16_round(lt_load(in + i, n - i)), 16);
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(upper, upper), 0x08);
        store_halves(out + i, _mm256_castsi256_si128(packed), n - i);
    }
}

void lt_avx2_bf16_to_f32(const uint16_t *in, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES)
        lt_store(out + i, lt_bf16_widen(load_halves(in + i, n - i)), n - i);
}

void lt_avx2_f32_to_f16(const float *in, uint16_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES)
        store_halves(out + i, _mm256_cvtps_ph(lt_load(in + i, n - i), _MM_FROUND_TO_NEAREST_INT), n - i);
}

void lt_avx2_f16_to_f32(const uint16_t *in, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES)
        lt_store(out + i, _mm256_cvtph_ps(load_halves(in + i, n - i)), n - i);
}
