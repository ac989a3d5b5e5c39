/* Activations and their derivatives; the formulas are in simd/ref/activation_ref.c. The hyperbolic tangent of gelu_tanh
 * is not needed: ½ (1 + tanh u) = σ(2u), and ½ (1 - tanh² u) = 2 σ (1 - σ). */
#include "simd/avx2/math_avx2.h"
#include "simd/avx2/rows_avx2.h"

#include <assert.h>

typedef struct act_result {
    __m256 value, slope;
} act_result;

LT_INLINE act_result silu(__m256 x)
{
    __m256 s = lt_sigmoid(x), rest = _mm256_sub_ps(lt_all(1), s);
    return (act_result){_mm256_mul_ps(x, s), _mm256_mul_ps(s, _mm256_fmadd_ps(x, rest, lt_all(1)))};
}

LT_INLINE act_result gelu_tanh(__m256 x)
{
    const float c = 1.59576912f, a = 0.044715f; /* 2 √(2/π) */
    __m256 z = lt_clamp(x, -10, 10), square = _mm256_mul_ps(z, z);
    __m256 s = lt_sigmoid(_mm256_mul_ps(_mm256_mul_ps(z, lt_all(c)), _mm256_fmadd_ps(square, lt_all(a), lt_all(1))));
    __m256 inner = _mm256_mul_ps(lt_all(c), _mm256_fmadd_ps(square, lt_all(3 * a), lt_all(1)));
    __m256 bend = _mm256_mul_ps(s, _mm256_sub_ps(lt_all(1), s));
    return (act_result){_mm256_mul_ps(x, s), _mm256_fmadd_ps(_mm256_mul_ps(z, bend), inner, s)};
}

LT_INLINE act_result gelu_erf(__m256 x)
{
    __m256 density, cdf = lt_normal_cdf(x, &density);
    return (act_result){_mm256_mul_ps(x, cdf), _mm256_fmadd_ps(lt_clamp(x, -20, 20), density, cdf)};
}

LT_INLINE act_result relu(__m256 x)
{
    __m256 positive = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ);
    return (act_result){_mm256_max_ps(_mm256_setzero_ps(), x), _mm256_and_ps(positive, lt_all(1))};
}

LT_INLINE act_result evaluate(lt_activation act, __m256 x)
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
    for (int64_t i = 0; i < n; i += LT_LANES) {
        int64_t count = n - i;
        __m256 y = evaluate(act, lt_load(gate + i, count)).value;
        if (up)
            y = _mm256_mul_ps(y, lt_load(up + i, count));
        lt_store(out + i, y, count);
    }
}

LT_INLINE void backward(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
                        float *dup, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_LANES) {
        int64_t count = n - i;
        act_result r = evaluate(act, lt_load(gate + i, count));
        __m256 d = lt_load(dout + i, count), down = d;
        if (up)
            down = _mm256_mul_ps(d, lt_load(up + i, count));
        lt_store(dgate + i, _mm256_mul_ps(down, r.slope), count);
        if (dup)
            lt_store(dup + i, _mm256_mul_ps(d, r.value), count);
    }
}

void lt_avx2_act_forward(lt_activation act, const float *gate, const float *up, float *out, int64_t n)
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

void lt_avx2_act_backward(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
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
