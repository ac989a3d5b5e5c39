/* exp, the logistic function and the normal distribution on 8 floats. The polynomials are least-maximum fits of our own
 * (Lawson's algorithm); errors are those of the f32 evaluation. NaN propagates everywhere. */
#ifndef LT_SIMD_MATH_AVX2_H
#define LT_SIMD_MATH_AVX2_H

#include "simd/avx2/avx2.h"

LT_INLINE __m256 lt_all(float value)
{
    return _mm256_set1_ps(value);
}

/* 2^k for whole k in -126 .. 127. */
LT_INLINE __m256 lt_power_of_two(__m256i k)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
}

/* x between the limits; NaN stays NaN (the second operand of min and max is the one returned then). */
LT_INLINE __m256 lt_clamp(__m256 x, float low, float high)
{
    return _mm256_max_ps(lt_all(low), _mm256_min_ps(lt_all(high), x));
}

/* e^x within 2 units in the last place; inf above 88.72, subnormal results rounded once more, 0 below -104.
 * x = n ln 2 + r, |r| ≤ ln 2 / 2, with ln 2 in two parts of which the first has so few bits that n times it is exact;
 * e^r = 1 + r + r² q(r); 2^n in two factors because n may be 128 or -151. */
LT_INLINE __m256 lt_exp(__m256 x)
{
    x = lt_clamp(x, -105, 89);
    __m256 n =
        _mm256_round_ps(_mm256_mul_ps(x, lt_all(1.44269504f)), SIMDE_MM_FROUND_TO_NEAREST_INT | SIMDE_MM_FROUND_NO_EXC);
    __m256 r = _mm256_fmadd_ps(n, lt_all(-0.693359375f), x);
    r = _mm256_fmadd_ps(n, lt_all(2.12194440e-4f), r);
    __m256 q = lt_all(0.00138145383f);
    q = _mm256_fmadd_ps(q, r, lt_all(0.00836874545f));
    q = _mm256_fmadd_ps(q, r, lt_all(0.0416683890f));
    q = _mm256_fmadd_ps(q, r, lt_all(0.166665211f));
    q = _mm256_fmadd_ps(q, r, lt_all(0.499999940f));
    __m256 e = _mm256_add_ps(_mm256_fmadd_ps(q, _mm256_mul_ps(r, r), r), lt_all(1));
    __m256i k = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(k, 1);
    return _mm256_mul_ps(_mm256_mul_ps(e, lt_power_of_two(half)), lt_power_of_two(_mm256_sub_epi32(k, half)));
}

/* 1 / (1 + e^-x) */
LT_INLINE __m256 lt_sigmoid(__m256 x)
{
    return _mm256_div_ps(lt_all(1), _mm256_add_ps(lt_all(1), lt_exp(_mm256_xor_ps(x, lt_all(-0.0f)))));
}

/* Φ(x), and φ(x) = e^(-x²/2) / √(2π). Φ(-|x|) = e^(-x²/2) P(t), t = 1 / (1 + 0.35 |x|), |error of P| < 4e-7 relative on
 * [0, 14], where the exponential is zero. (The form of Abramowitz & Stegun 26.2.17.) */
LT_INLINE __m256 lt_normal_cdf(__m256 x, __m256 *density)
{
    __m256 magnitude = _mm256_min_ps(lt_all(20), _mm256_andnot_ps(lt_all(-0.0f), x));
    __m256 e = lt_exp(_mm256_mul_ps(_mm256_mul_ps(magnitude, magnitude), lt_all(-0.5f)));
    __m256 t = _mm256_div_ps(lt_all(1), _mm256_fmadd_ps(magnitude, lt_all(0.35f), lt_all(1)));
    __m256 p = lt_all(-0.0291459281f);
    p = _mm256_fmadd_ps(p, t, lt_all(0.143971682f));
    p = _mm256_fmadd_ps(p, t, lt_all(-0.255714238f));
    p = _mm256_fmadd_ps(p, t, lt_all(0.159174129f));
    p = _mm256_fmadd_ps(p, t, lt_all(-0.0231098142f));
    p = _mm256_fmadd_ps(p, t, lt_all(0.105507992f));
    p = _mm256_fmadd_ps(p, t, lt_all(0.119832873f));
    p = _mm256_fmadd_ps(p, t, lt_all(0.139861867f));
    p = _mm256_fmadd_ps(p, t, lt_all(0.139621407f));
    __m256 tail = _mm256_mul_ps(e, _mm256_mul_ps(p, t));
    *density = _mm256_mul_ps(e, lt_all(0.398942280f));
    return _mm256_blendv_ps(_mm256_sub_ps(lt_all(1), tail), tail, x); /* by the sign of x */
}

#endif
