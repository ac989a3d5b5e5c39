/* exp, the logistic function and the normal distribution on 16 floats; the same polynomials as simd/avx2/math_avx2.h,
 * where they are explained. NaN propagates everywhere. */
#ifndef LT_SIMD_MATH_AVX512_H
#define LT_SIMD_MATH_AVX512_H

#include <immintrin.h>

#include "simd/unroll.h"

LT_INLINE __m512 lt_all(float value)
{
    return _mm512_set1_ps(value);
}

/* x between the limits; NaN stays NaN (the second operand of min and max is the one returned then). */
LT_INLINE __m512 lt_clamp(__m512 x, float low, float high)
{
    return _mm512_max_ps(lt_all(low), _mm512_min_ps(lt_all(high), x));
}

/* e^x within 2 units in the last place; inf above 88.72, 0 below -104. The clamp keeps infinities out of n ln 2. */
LT_INLINE __m512 lt_exp(__m512 x)
{
    x = lt_clamp(x, -105, 89);
    __m512 n =
        _mm512_roundscale_ps(_mm512_mul_ps(x, lt_all(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fmadd_ps(n, lt_all(-0.693359375f), x);
    r = _mm512_fmadd_ps(n, lt_all(2.12194440e-4f), r);
    __m512 q = lt_all(0.00138145383f);
    q = _mm512_fmadd_ps(q, r, lt_all(0.00836874545f));
    q = _mm512_fmadd_ps(q, r, lt_all(0.0416683890f));
    q = _mm512_fmadd_ps(q, r, lt_all(0.166665211f));
    q = _mm512_fmadd_ps(q, r, lt_all(0.499999940f));
    __m512 e = _mm512_add_ps(_mm512_fmadd_ps(q, _mm512_mul_ps(r, r), r), lt_all(1));
    return _mm512_scalef_ps(e, n);
}

/* 1 / (1 + e^-x) */
LT_INLINE __m512 lt_sigmoid(__m512 x)
{
    return _mm512_div_ps(lt_all(1), _mm512_add_ps(lt_all(1), lt_exp(_mm512_xor_ps(x, lt_all(-0.0f)))));
}

/* Φ(x), and φ(x) = e^(-x²/2) / √(2π). */
LT_INLINE __m512 lt_normal_cdf(__m512 x, __m512 *density)
{
    __m512 magnitude = _mm512_min_ps(lt_all(20), _mm512_andnot_ps(lt_all(-0.0f), x));
    __m512 e = lt_exp(_mm512_mul_ps(_mm512_mul_ps(magnitude, magnitude), lt_all(-0.5f)));
    __m512 t = _mm512_div_ps(lt_all(1), _mm512_fmadd_ps(magnitude, lt_all(0.35f), lt_all(1)));
    __m512 p = lt_all(-0.0291459281f);
    p = _mm512_fmadd_ps(p, t, lt_all(0.143971682f));
    p = _mm512_fmadd_ps(p, t, lt_all(-0.255714238f));
    p = _mm512_fmadd_ps(p, t, lt_all(0.159174129f));
    p = _mm512_fmadd_ps(p, t, lt_all(-0.0231098142f));
    p = _mm512_fmadd_ps(p, t, lt_all(0.105507992f));
    p = _mm512_fmadd_ps(p, t, lt_all(0.119832873f));
    p = _mm512_fmadd_ps(p, t, lt_all(0.139861867f));
    p = _mm512_fmadd_ps(p, t, lt_all(0.139621407f));
    __m512 tail = _mm512_mul_ps(e, _mm512_mul_ps(p, t));
    *density = _mm512_mul_ps(e, lt_all(0.398942280f));
    __mmask16 negative = _mm512_movepi32_mask(_mm512_castps_si512(x));
    return _mm512_mask_mov_ps(_mm512_sub_ps(lt_all(1), tail), negative, tail);
}

#endif
