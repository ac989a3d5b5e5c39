/* Random weights, fast: a table lookup for every 16 bits of the generator. */
#ifndef LT_MODELS_INIT_VALUES_H
#define LT_MODELS_INIT_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/error.h"

/* The 65,536 midpoint quantiles of a normal distribution with mean 0, scaled to its exact standard deviation, and
 * already rounded to the stored type. No value is beyond 4.3 standard deviations, as in a sample of that size. */
typedef struct lt_init_normal {
    lt_dtype dtype;
    void *table; /* 65,536 elements of dtype */
} lt_init_normal;

bool lt_init_normal_make(lt_init_normal *normal, double deviation, lt_dtype dtype, lt_error *err);
void lt_init_normal_free(lt_init_normal *normal);

/* out (n) = elements first … first + n of the tensor with this stream number. first is a multiple of 8. Parallel; the
 * values do not depend on the number of threads nor on how a tensor is cut into calls. */
void lt_init_normal_fill(const lt_init_normal *normal, uint64_t seed, uint64_t stream, int64_t first, int64_t n,
                         void *out);

/* out (n) = value, in dtype. */
void lt_init_constant_fill(lt_dtype dtype, float value, int64_t n, void *out);

#endif
