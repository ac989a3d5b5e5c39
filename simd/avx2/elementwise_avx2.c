/* Elementwise rows, rotary positions, and the optimiser's update. */
#include "simd/avx2/math_avx2.h"
#include "simd/avx2/rows_avx2.h"

void lt_avx2_scale(float *y, float alpha, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES)
        lt_store(y + i, _mm256_mul_ps(lt_load(y + i, n - i), lt_all(alpha)), n - i);
}

void lt_avx2_axpy(float *y, float alpha, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES)
        lt_store(y + i, _mm256_fmadd_ps(lt_all(alpha), lt_load(x + i, n - i), lt_load(y + i, n - i)), n - i);
}

void lt_avx2_multiply(float *y, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES)
        lt_store(y + i, _mm256_mul_ps(lt_load(a + i, n - i), lt_load(b + i, n - i)), n - i);
}

void lt_avx2_multiply_add(float *y, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES)
        lt_store(y + i, _mm256_fmadd_ps(lt_load(a + i, n - i), lt_load(b + i, n - i), lt_load(y + i, n - i)), n - i);
}

void lt_avx2_exp_scaled(float *y, const float *a, float shift, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES) {
        __m256 e = lt_exp(_mm256_sub_ps(lt_load(a + i, n - i), lt_all(shift)));
        lt_store(y + i, _mm256_mul_ps(e, lt_all(scale)), n - i);
    }
}

void lt_avx2_rope(float *x, const float *cos, const float *sin, float direction, int64_t half)
{
    for (int64_t i = 0; i < half; i += LT_LANES) {
        int64_t left = half - i;
        __m256 first = lt_load(x + i, left), second = lt_load(x + half + i, left);
        __m256 c = lt_load(cos + i, left), s = _mm256_mul_ps(lt_load(sin + i, left), lt_all(direction));
        lt_store(x + i, _mm256_fmsub_ps(first, c, _mm256_mul_ps(second, s)), left);
        lt_store(x + half + i, _mm256_fmadd_ps(second, c, _mm256_mul_ps(first, s)), left);
    }
}

void lt_avx2_adamw(float *param, float *m, float *v, const float *gradient, const lt_adamw_step *step, int64_t n)
{
    const __m256 keep = lt_all(1 - step->learning_rate * step->weight_decay);
    const __m256 rate = lt_all(-step->learning_rate / step->bias_correction1);
    for (int64_t i = 0; i < n; i += LT_LANES) {
        int64_t left = n - i;
        __m256 g = _mm256_mul_ps(lt_load(gradient + i, left), lt_all(step->gradient_scale));
        __m256 mean = _mm256_mul_ps(lt_load(m + i, left), lt_all(step->beta1));
        __m256 square = _mm256_mul_ps(lt_load(v + i, left), lt_all(step->beta2));
        mean = _mm256_fmadd_ps(lt_all(1 - step->beta1), g, mean);
        square = _mm256_fmadd_ps(_mm256_mul_ps(lt_all(1 - step->beta2), g), g, square);
        __m256 root = _mm256_sqrt_ps(_mm256_div_ps(square, lt_all(step->bias_correction2)));
        __m256 change = _mm256_div_ps(mean, _mm256_add_ps(root, lt_all(step->epsilon)));
        __m256 p = _mm256_mul_ps(lt_load(param + i, left), keep);
        lt_store(m + i, mean, left);
        lt_store(v + i, square, left);
        lt_store(param + i, _mm256_fmadd_ps(rate, change, p), left);
    }
}
