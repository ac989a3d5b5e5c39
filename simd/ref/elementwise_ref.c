/* Elementwise rows, rotary positions, and the optimiser's update. */
#include "simd/ref/ref.h"

#include <math.h>

void lt_ref_scale(float *y, float alpha, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] *= alpha;
}

void lt_ref_axpy(float *y, float alpha, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += alpha * x[i];
}

void lt_ref_multiply(float *y, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

void lt_ref_multiply_add(float *y, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a[i] * b[i];
}

void lt_ref_exp_scaled(float *y, const float *a, float shift, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = expf(a[i] - shift) * scale;
}

void lt_ref_rope(float *x, const float *cos, const float *sin, float direction, int64_t half)
{
    for (int64_t i = 0; i < half; i++) {
        float first = x[i], second = x[i + half], s = direction * sin[i];
        x[i] = first * cos[i] - second * s;
        x[i + half] = second * cos[i] + first * s;
    }
}

void lt_ref_adamw(float *param, float *m, float *v, const float *gradient, const lt_adamw_step *step, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float g = gradient[i] * step->gradient_scale;
        float p = param[i] - step->learning_rate * step->weight_decay * param[i];
        m[i] = step->beta1 * m[i] + (1 - step->beta1) * g;
        v[i] = step->beta2 * v[i] + (1 - step->beta2) * g * g;
        float denominator = sqrtf(v[i] / step->bias_correction2) + step->epsilon;
        param[i] = p - step->learning_rate * (m[i] / step->bias_correction1) / denominator;
    }
}
