/* Reductions of a row to one number. */
#include "simd/ref/ref.h"

#include <math.h>

float lt_ref_dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return (float)sum;
}

float lt_ref_sum(const float *a, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i];
    return (float)sum;
}

float lt_ref_max(const float *a, int64_t n)
{
    float max = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(a[i]))
            return a[i];
        if (a[i] > max)
            max = a[i];
    }
    return max;
}

float lt_ref_sum_exp(const float *a, float shift, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += expf(a[i] - shift);
    return (float)sum;
}

double lt_ref_sum_squares(const float *a, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * a[i];
    return sum;
}
