/* Reductions of a row to one number. f32 sums run in 32 lanes over stretches of STRETCH elements, whose sums are added
 * up in double: a vocabulary of logits loses no more than a short row. */
#include "simd/avx2/math_avx2.h"
#include "simd/avx2/rows_avx2.h"

#include <math.h>

enum { STRETCH = 1024, CHAINS = 4 };

LT_INLINE double horizontal_sum(const __m256 sum[CHAINS])
{
    float lanes[LT_LANES];
    _mm256_storeu_ps(lanes, _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
    return ((double)lanes[0] + lanes[1] + lanes[2] + lanes[3]) + ((double)lanes[4] + lanes[5] + lanes[6] + lanes[7]);
}

/* What is summed: one vector of terms from the rows at i, of which `left` elements remain. */
typedef __m256 (*terms)(const float *a, const float *b, __m256 shift, int64_t left);

LT_INLINE double sum_of(terms term, const float *a, const float *b, __m256 shift, int64_t n)
{
    double total = 0;
    for (int64_t start = 0; start < n; start += STRETCH) {
        int64_t end = n - start < STRETCH ? n : start + STRETCH, i = start;
        __m256 sum[CHAINS] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
        for (; i + CHAINS * LT_LANES <= end; i += CHAINS * LT_LANES) {
            LT_UNROLL
            for (int c = 0; c < CHAINS; c++)
                sum[c] = _mm256_add_ps(sum[c], term(a + i + c * LT_LANES, b + i + c * LT_LANES, shift, LT_LANES));
        }
        for (; i < end; i += LT_LANES)
            sum[0] = _mm256_add_ps(sum[0], term(a + i, b + i, shift, end - i));
        total += horizontal_sum(sum);
    }
    return total;
}

LT_INLINE __m256 product(const float *a, const float *b, __m256 shift, int64_t left)
{
    (void)shift;
    return _mm256_mul_ps(lt_load(a, left), lt_load(b, left));
}

LT_INLINE __m256 plain(const float *a, const float *b, __m256 shift, int64_t left)
{
    (void)b, (void)shift;
    return lt_load(a, left);
}

/* Lanes past the end hold zeros, which are not to be counted: they become -inf before the exponential. */
LT_INLINE __m256 exponential(const float *a, const float *b, __m256 shift, int64_t left)
{
    (void)b;
    if (left >= LT_LANES)
        return lt_exp(_mm256_sub_ps(_mm256_loadu_ps(a), shift));
    float part[LT_LANES];
    for (int i = 0; i < LT_LANES; i++)
        part[i] = i < left ? a[i] : -INFINITY;
    __m256 e = lt_exp(_mm256_sub_ps(_mm256_loadu_ps(part), shift));
    _mm256_storeu_ps(part, e);
    return lt_load_part(part, left);
}

float lt_avx2_dot(const float *a, const float *b, int64_t n)
{
    return (float)sum_of(product, a, b, _mm256_setzero_ps(), n);
}

float lt_avx2_sum(const float *a, int64_t n)
{
    return (float)sum_of(plain, a, a, _mm256_setzero_ps(), n);
}

float lt_avx2_sum_exp(const float *a, float shift, int64_t n)
{
    return (float)sum_of(exponential, a, a, lt_all(shift), n);
}

/* max_ps forgets a NaN when the next number comes, so NaNs are collected beside it. */
float lt_avx2_max(const float *a, int64_t n)
{
    __m256 max[CHAINS], nan = _mm256_setzero_ps();
    for (int c = 0; c < CHAINS; c++)
        max[c] = lt_all(-INFINITY);
    int64_t i = 0;
    for (; i + CHAINS * LT_LANES <= n; i += CHAINS * LT_LANES) {
        LT_UNROLL
        for (int c = 0; c < CHAINS; c++) {
            __m256 x = _mm256_loadu_ps(a + i + c * LT_LANES);
            nan = _mm256_or_ps(nan, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
            max[c] = _mm256_max_ps(max[c], x);
        }
    }
    max[0] = _mm256_max_ps(_mm256_max_ps(max[0], max[1]), _mm256_max_ps(max[2], max[3]));
    float lanes[LT_LANES], result = -INFINITY;
    bool any_nan = _mm256_movemask_ps(nan) != 0;
    _mm256_storeu_ps(lanes, max[0]);
    for (int l = 0; l < LT_LANES; l++)
        result = lanes[l] > result ? lanes[l] : result;
    for (; i < n; i++) {
        any_nan |= isnan(a[i]) != 0;
        result = a[i] > result ? a[i] : result;
    }
    return any_nan ? NAN : result;
}

LT_INLINE __m256d square_add(__m128 x, __m256d sum)
{
    __m256d wide = _mm256_cvtps_pd(x);
    return _mm256_fmadd_pd(wide, wide, sum);
}

double lt_avx2_sum_squares(const float *a, int64_t n)
{
    __m256d sum[CHAINS] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()};
    int64_t i = 0;
    for (; i + 2 * LT_LANES <= n; i += 2 * LT_LANES) {
        LT_UNROLL
        for (int c = 0; c < CHAINS; c++)
            sum[c] = square_add(_mm_loadu_ps(a + i + c * 4), sum[c]);
    }
    double lanes[4], total = 0;
    _mm256_storeu_pd(lanes, _mm256_add_pd(_mm256_add_pd(sum[0], sum[1]), _mm256_add_pd(sum[2], sum[3])));
    for (int l = 0; l < 4; l++)
        total += lanes[l];
    for (; i < n; i++)
        total += (double)a[i] * a[i];
    return total;
}
