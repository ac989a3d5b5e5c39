/* Exponentials, rounding to bf16 and the optimiser's update. */
#include "simd/avx512/math_avx512.h"
#include "simd/avx512/rows_avx512.h"

/* In integers: VCVTNEPS2BF16 would be shorter, but takes subnormals for zero. */
void lt_avx512_f32_to_bf16(const float *in, uint16_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_WIDTH) {
        __mmask16 lanes = lt_lanes(n - i);
        __m512 value = _mm512_maskz_loadu_ps(lanes, in + i);
        __m512i bits = _mm512_castps_si512(value);
        __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
        __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
        up = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
        _mm256_mask_storeu_epi16(out + i, lanes, _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16)));
    }
}

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

void lt_avx512_adamw(float *param, float *m, float *v, const float *gradient, const lt_adamw_step *step, int64_t n)
{
    const __m512 keep = lt_all(1 - step->learning_rate * step->weight_decay);
    const __m512 rate = lt_all(-step->learning_rate / step->bias_correction1);
    for (int64_t i = 0; i < n; i += LT_WIDTH) {
        __mmask16 lanes = lt_lanes(n - i);
        __m512 g = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, gradient + i), lt_all(step->gradient_scale));
        __m512 mean = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, m + i), lt_all(step->beta1));
        __m512 square = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, v + i), lt_all(step->beta2));
        mean = _mm512_fmadd_ps(lt_all(1 - step->beta1), g, mean);
        square = _mm512_fmadd_ps(_mm512_mul_ps(lt_all(1 - step->beta2), g), g, square);
        __m512 root = _mm512_sqrt_ps(_mm512_div_ps(square, lt_all(step->bias_correction2)));
        __m512 change = _mm512_div_ps(mean, _mm512_add_ps(root, lt_all(step->epsilon)));
        __m512 p = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, param + i), keep);
        _mm512_mask_storeu_ps(m + i, lanes, mean);
        _mm512_mask_storeu_ps(v + i, lanes, square);
        _mm512_mask_storeu_ps(param + i, lanes, _mm512_fmadd_ps(rate, change, p));
    }
}
