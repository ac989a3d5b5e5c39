/* Cross-entropy. A row of logits is read once, in blocks that stay in the first-level cache, with a running maximum and
 * sum (Milakov & Gimelshein 2018); it is read a second time, and written, only for the gradient. */
#include "nn/cross_entropy.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/threads.h"
#include "nn/softcap.h"

enum { BLOCK = 2048 };

typedef struct ce_call {
    const lt_kernels *kernels;
    float scale, softcap;
    bool wants_entropy;
} ce_call;

typedef struct ce_sums {
    float max;        /* of z so far */
    double sum;       /* Σ exp(z - max) */
    double sum_times; /* Σ exp(z - max) (z - max), for the entropy */
} ce_sums;

/* z of a block of logits: the logits themselves where there is nothing to do, otherwise in space. */
static const float *transform(const ce_call *call, const float *logits, float *space, int64_t n)
{
    if (call->softcap == 0 && call->scale == 1)
        return logits;
    if (call->softcap == 0) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            space[i] = logits[i] * call->scale;
        return space;
    }
    lt_softcap_row(call->kernels, logits, space, call->scale, call->softcap, n);
    return space;
}

/* Moves the running maximum up to `max`. NaN is taken over and stays. */
static void raise_maximum(ce_sums *sums, float max)
{
    if (max <= sums->max)
        return;
    if (sums->sum > 0) {
        double shift = (double)sums->max - max, shrink = exp(shift);
        sums->sum_times = (sums->sum_times + shift * sums->sum) * shrink;
        sums->sum *= shrink;
    }
    sums->max = max;
}

static void add_block(const ce_call *call, ce_sums *sums, const float *z, int64_t n)
{
    float max = call->kernels->max(z, n), space[BLOCK];
    if (max == -INFINITY)
        return;
    raise_maximum(sums, max);
    sums->sum += call->kernels->sum_exp(z, sums->max, n);
    if (!call->wants_entropy)
        return;
    call->kernels->exp_scaled(space, z, sums->max, 1, n);
    double times = 0;
    for (int64_t i = 0; i < n; i++)
        times += space[i] > 0 ? (double)space[i] * (z[i] - sums->max) : 0; /* 0 · -inf is 0 here */
    sums->sum_times += times;
}

/* dz = weight · (softmax(z) - onehot), then through softcap and scale. */
static void gradient_row(const ce_call *call, float *logits, int64_t V, int32_t label, float weight,
                         const ce_sums *sums)
{
    const float weight_over_sum = (float)(weight / sums->sum);
    float space[BLOCK];
    for (int64_t i = 0; i < V; i += BLOCK) {
        const int64_t n = V - i < BLOCK ? V - i : BLOCK;
        const float *z = transform(call, logits + i, space, n);
        float *dz = logits + i;
        call->kernels->exp_scaled(dz, z, sums->max, weight_over_sum, n);
        if (label >= i && label < i + n)
            dz[label - i] -= weight;
        if (call->softcap != 0) {
            const float cap_inverse = 1 / call->softcap;
#pragma omp simd
            for (int64_t j = 0; j < n; j++) {
                float t = z[j] * cap_inverse;
                dz[j] *= call->scale * (1 - t * t);
            }
        } else if (call->scale != 1) {
            call->kernels->scale(dz, call->scale, n);
        }
    }
}

static void loss_row(const ce_call *call, float *logits, int64_t V, int32_t label, const float *weight, float *logp,
                     float *entropy)
{
    ce_sums sums = {.max = -INFINITY};
    float space[BLOCK], label_space[1];
    for (int64_t i = 0; i < V; i += BLOCK) {
        const int64_t n = V - i < BLOCK ? V - i : BLOCK;
        add_block(call, &sums, transform(call, logits + i, space, n), n);
    }
    const float z = *transform(call, logits + label, label_space, 1);
    *logp = (float)((double)(z - sums.max) - log(sums.sum)); /* a row of -inf gives NaN, as in the reference */
    if (entropy)
        *entropy = (float)(log(sums.sum) - sums.sum_times / sums.sum);
    if (!weight)
        return;
    if (*weight == 0)
        memset(logits, 0, (size_t)V * sizeof(float));
    else
        gradient_row(call, logits, V, label, *weight, &sums);
}

void lt_cross_entropy(float *logits, int64_t T, int64_t V, const int32_t *labels, const float *weight, float scale,
                      float softcap, float *logp, float *entropy)
{
    const ce_call call = {lt_kernels_get(), scale, softcap, entropy != NULL};
#pragma omp parallel for schedule(static) if (T * V > 8192)
    for (int64_t t = 0; t < T; t++) {
        assert(labels[t] >= 0 && labels[t] < V);
        loss_row(&call, logits + t * V, V, labels[t], weight ? weight + t : NULL, logp + t,
                 entropy ? entropy + t : NULL);
    }
}

void lt_cross_entropy_finish_logits(float *logits, int64_t T, int64_t V, float scale, float softcap)
{
    const lt_kernels *k = lt_kernels_get();
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < T; t++) {
        float *row = logits + t * V;
        if (softcap > 0)
            lt_softcap_row(k, row, row, scale, softcap, V);
        else if (scale != 1.0f)
            k->scale(row, scale, V);
    }
}
