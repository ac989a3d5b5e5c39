/* Activations and their derivatives, as in simd/avx2/activation_avx2.c. */
#include "simd/avx512/math_avx512.h"
#include "simd/avx512/rows_avx512.h"

#include <assert.h>

typedef struct act_result {
    __m512 value, slope;
} act_result;

LT_INLINE act_result silu(__m512 x)
{
    __m512 s = lt_sigmoid(x), rest = _mm512_sub_ps(lt_all(1), s);
    return (act_result){_mm512_mul_ps(x, s), _mm512_mul_ps(s, _mm512_fmadd_ps(x, rest, lt_all(1)))};
}

LT_INLINE act_result gelu_tanh(__m512 x)
{
    const float c = 1.59576912f, a = 0.044715f; /* 2 √(2/π) */
    __m512 z = lt_clamp(x, -10, 10), square = _mm512_mul_ps(z, z);
    __m512 s = lt_sigmoid(_mm512_mul_ps(_mm512_mul_ps(z, lt_all(c)), _mm512_fmadd_ps(square, lt_all(a), lt_all(1))));
    __m512 inner = _mm512_mul_ps(lt_all(c), _mm512_fmadd_ps(square, lt_all(3 * a), lt_all(1)));
    __m512 bend = _mm512_mul_ps(s, _mm512_sub_ps(lt_all(1), s));
    return (act_result){_mm512_mul_ps(x, s), _mm512_fmadd_ps(_mm512_mul_ps(z, bend), inner, s)};
}

LT_INLINE act_result gelu_erf(__m512 x)
{
    __m512 density, cdf = lt_normal_cdf(x, &density);
    return (act_result){_mm512_mul_ps(x, cdf), _mm512_fmadd_ps(lt_clamp(x, -20, 20), density, cdf)};
}

LT_INLINE act_result relu(__m512 x)
{
    __mmask16 positive = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
    return (act_result){_mm512_max_ps(_mm512_setzero_ps(), x), _mm512_maskz_mov_ps(positive, lt_all(1))};
}

LT_INLINE act_result evaluate(lt_activation act, __m512 x)
{
    switch (act) {
    case LT_ACT_SILU:
        return silu(x);
    case LT_ACT_GELU_TANH:
        return gelu_tanh(x);
    case LT_ACT_GELU_ERF:
        return gelu_erf(x);
    default:
        return relu(x);
    }
}

LT_INLINE void forward(lt_activation act, const float *gate, const float *up, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_WIDTH) {
        __mmask16 lanes = lt_lanes(n - i);
        __m512 y = evaluate(act, _mm512_maskz_loadu_ps(lanes, gate + i)).value;
        if (up)
            y = _mm512_mul_ps(y, _mm512_maskz_loadu_ps(lanes, up + i));
        _mm512_mask_storeu_ps(out + i, lanes, y);
    }
}

LT_INLINE void backward(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
                        float *dup, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_WIDTH) {
        __mmask16 lanes = lt_lanes(n - i);
        act_result r = evaluate(act, _mm512_maskz_loadu_ps(lanes, gate + i));
        __m512 d = _mm512_maskz_loadu_ps(lanes, dout + i), down = d;
        if (up)
            down = _mm512_mul_ps(d, _mm512_maskz_loadu_ps(lanes, up + i));
        _mm512_mask_storeu_ps(dgate + i, lanes, _mm512_mul_ps(down, r.slope));
        if (dup)
            _mm512_mask_storeu_ps(dup + i, lanes, _mm512_mul_ps(d, r.value));
    }
}

void lt_avx512_act_forward(lt_activation act, const float *gate, const float *up, float *out, int64_t n)
{
    switch (act) {
    case LT_ACT_SILU:
        forward(LT_ACT_SILU, gate, up, out, n);
        break;
    case LT_ACT_GELU_TANH:
        forward(LT_ACT_GELU_TANH, gate, up, out, n);
        break;
    case LT_ACT_GELU_ERF:
        forward(LT_ACT_GELU_ERF, gate, up, out, n);
        break;
    case LT_ACT_RELU:
        forward(LT_ACT_RELU, gate, up, out, n);
        break;
    case LT_ACT_COUNT:
        assert(!"unknown activation");
    }
}

void lt_avx512_act_backward(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
                            float *dup, int64_t n)
{
    assert(!up == !dup);
    switch (act) {
    case LT_ACT_SILU:
        backward(LT_ACT_SILU, gate, up, dout, dgate, dup, n);
        break;
    case LT_ACT_GELU_TANH:
        backward(LT_ACT_GELU_TANH, gate, up, dout, dgate, dup, n);
        break;
    case LT_ACT_GELU_ERF:
        backward(LT_ACT_GELU_ERF, gate, up, dout, dgate, dup, n);
        break;
    case LT_ACT_RELU:
        backward(LT_ACT_RELU, gate, up, dout, dgate, dup, n);
        break;
    case LT_ACT_COUNT:
        assert(!"unknown activation");
    }
}
