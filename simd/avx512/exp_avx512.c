/* Exponentials of a row. */
#include "simd/avx512/math_avx512.h"
#include "simd/avx512/rows_avx512.h"

void lt_avx512_exp_scaled(float *y, const float *a, float shift, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_WIDTH) {
        __mmask16 lanes = lt_lanes(n - i);
        __m512 e = lt_exp(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, a + i), lt_all(shift)));
        _mm512_mask_storeu_ps(y + i, lanes, _mm512_mul_ps(e, lt_all(scale)));
    }
}

/* f32 sums in 64 lanes over stretches, whose sums are added up in double. */
float lt_avx512_sum_exp(const float *a, float shift, int64_t n)
{
    enum { STRETCH = 2048, CHAINS = 4 };
    double total = 0;
    for (int64_t start = 0; start < n; start += STRETCH) {
        int64_t end = n - start < STRETCH ? n : start + STRETCH, i = start;
        __m512 sum[CHAINS] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
        for (; i + CHAINS * LT_WIDTH <= end; i += CHAINS * LT_WIDTH) {
            LT_UNROLL
            for (int c = 0; c < CHAINS; c++)
                sum[c] =
                    _mm512_add_ps(sum[c], lt_exp(_mm512_sub_ps(_mm512_loadu_ps(a + i + c * LT_WIDTH), lt_all(shift))));
        }
        for (; i < end; i += LT_WIDTH) {
            __mmask16 lanes = lt_lanes(end - i);
            __m512 e = lt_exp(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, a + i), lt_all(shift)));
            sum[0] = _mm512_mask_add_ps(sum[0], lanes, sum[0], e);
        }
        total +=
            (double)_mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
    }
    return (float)total;
}
