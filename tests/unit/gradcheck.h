/* Finite differences against analytic gradients.
 *
 * A function under test maps a flat vector of f32 inputs to a scalar; its own sums over outputs are in double. A
 * central difference (f(x + h u) - f(x - h u)) / 2h has a rounding error of about 1e-7 |f| / h and a truncation error
 * of order h²: h between 1e-3 and 1e-2 suits f32 forward passes. The inputs as stored, x ± h u rounded to f32, are what
 * is divided by. */
#ifndef LT_TEST_GRADCHECK_H
#define LT_TEST_GRADCHECK_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/rng.h"

typedef double (*gradcheck_function)(const float *x, void *context);

static inline void gradcheck_normal(float *x, int64_t n, uint64_t seed, float deviation)
{
    lt_rng rng = lt_rng_make(seed, 0x6772616463686bull);
    for (int64_t i = 0; i < n; i++)
        x[i] = deviation * lt_rng_normal(&rng);
}

/* Σ a b in double: the scalar that most checks use, with fixed random b. */
static inline double gradcheck_dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* The derivative of f at x (n) along u, and what `gradient` says it is. x is restored. */
static inline void gradcheck_along(gradcheck_function f, void *context, float *x, int64_t n, const float *gradient,
                                   const float *u, double h, double *measured, double *claimed)
{
    float *kept = malloc((size_t)n * sizeof(float));
    double up, down;
    *claimed = 0;
    for (int64_t i = 0; i < n; i++) {
        kept[i] = x[i];
        float above = (float)(x[i] + h * u[i]), below = (float)(x[i] - h * u[i]);
        *claimed += (double)gradient[i] * ((double)above - below) / (2 * h);
        x[i] = above;
    }
    up = f(x, context);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(kept[i] - h * u[i]);
    down = f(x, context);
    for (int64_t i = 0; i < n; i++)
        x[i] = kept[i];
    free(kept);
    *measured = (up - down) / (2 * h);
}

/* Random directions of unit length in root mean square: every element of the gradient takes part in each. */
static inline void gradcheck_directions(gradcheck_function f, void *context, float *x, int64_t n, const float *gradient,
                                        double h, double tolerance, int count)
{
    float *u = malloc((size_t)n * sizeof(float));
    double norm = sqrt(gradcheck_dot(gradient, gradient, n));
    for (int k = 0; k < count; k++) {
        double measured, claimed;
        gradcheck_normal(u, n, 1000 + (uint64_t)k, 1);
        gradcheck_along(f, context, x, n, gradient, u, h, &measured, &claimed);
        cr_assert(fabs(measured - claimed) <= tolerance * norm,
                  "direction %d: finite difference %.9g, gradient %.9g, norm %.9g", k, measured, claimed, norm);
    }
    free(u);
}

/* Every stride-th element alone; the error is compared with the root mean square of the gradient. */
static inline void gradcheck_elements(gradcheck_function f, void *context, float *x, int64_t n, const float *gradient,
                                      double h, double tolerance, int64_t stride)
{
    float *u = calloc((size_t)n, sizeof(float));
    double scale = sqrt(gradcheck_dot(gradient, gradient, n) / (double)n);
    for (int64_t i = 0; i < n; i += stride) {
        double measured, claimed;
        u[i] = 1;
        gradcheck_along(f, context, x, n, gradient, u, h, &measured, &claimed);
        u[i] = 0;
        cr_assert(fabs(measured - claimed) <= tolerance * (scale + fabs(claimed)),
                  "element %lld: finite difference %.9g, gradient %.9g", (long long)i, measured, claimed);
    }
    free(u);
}

/* √(Σ (a-b)² / Σ b²), b the reference. */
static inline double relative_distance(const float *a, const double *b, int64_t n)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

#endif
