/* Activations and their derivatives.
 *     silu        x σ(x)                                 σ (1 + x (1 - σ))
 *     gelu_tanh   ½ x (1 + t), t = tanh(c (x + a x³))    ½ (1 + t) + ½ x (1 - t²) c (1 + 3 a x²)
 *     gelu_erf    ½ x (1 + erf(x / √2))                  ½ (1 + erf(x / √2)) + x exp(-x²/2) / √(2π)
 *     relu        max(x, 0)                              x > 0 */
#include "simd/ref/ref.h"

#include <assert.h>
#include <math.h>

static const float GELU_C = 0.7978845608f; /* √(2/π) */
static const float GELU_A = 0.044715f;
static const float SQRT_HALF = 0.7071067812f;
static const float INV_SQRT_2PI = 0.3989422804f;

typedef struct act_result {
    float value, slope;
} act_result;

static act_result silu(float x)
{
    float s = 1 / (1 + expf(-x));
    return (act_result){x * s, s * (1 + x * (1 - s))};
}

static float clamp(float x, float limit)
{
    return x > limit ? limit : x < -limit ? -limit : x; /* NaN passes */
}

/* From |x| = 10 on, 1 - t² is zero in f32; the clamp keeps the cube finite, and 0 · ∞ out of the slope. */
static act_result gelu_tanh(float x)
{
    float z = clamp(x, 10);
    float t = tanhf(GELU_C * (z + GELU_A * z * z * z));
    float slope = 0.5f * (1 + t) + 0.5f * z * (1 - t * t) * GELU_C * (1 + 3 * GELU_A * z * z);
    return (act_result){0.5f * x * (1 + t), slope};
}

static act_result gelu_erf(float x)
{
    float cdf = 0.5f * (1 + erff(x * SQRT_HALF)), z = clamp(x, 20);
    return (act_result){x * cdf, cdf + z * expf(-0.5f * z * z) * INV_SQRT_2PI};
}

static act_result relu(float x)
{
    return x > 0 ? (act_result){x, 1} : (act_result){isnan(x) ? x : 0, 0};
}

static act_result evaluate(lt_activation act, float x)
{
    switch (act) {
    case LT_ACT_SILU:
        return silu(x);
    case LT_ACT_GELU_TANH:
        return gelu_tanh(x);
    case LT_ACT_GELU_ERF:
        return gelu_erf(x);
    case LT_ACT_RELU:
        return relu(x);
    case LT_ACT_COUNT:
        break;
    }
    assert(!"unknown activation");
    return (act_result){NAN, NAN};
}

void lt_ref_act_forward(lt_activation act, const float *gate, const float *up, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float value = evaluate(act, gate[i]).value;
        out[i] = up ? value * up[i] : value;
    }
}

void lt_ref_act_backward(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
                         float *dup, int64_t n)
{
    assert(!up == !dup);
    for (int64_t i = 0; i < n; i++) {
        act_result r = evaluate(act, gate[i]);
        float d = dout[i], u = up ? up[i] : 1;
        dgate[i] = d * u * r.slope;
        if (dup)
            dup[i] = d * r.value;
    }
}
