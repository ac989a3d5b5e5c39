/* A row is read three times: for the maxima, for the sums, and for divergence and gradient together. The logarithms of the sums are
 * known by then, so that the divergence is a sum of p · (difference of log-probabilities): where student and teacher agree it is 0 to
 * the last digit, which a difference of two large sums would not be. */
#include "nn/distill.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "nn/cross_entropy.h"
#include "simd/kernels.h"

enum { BLOCK = 2048 };

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* A row's softmax at some temperature: exp(z · inverse - max) / sum. */
typedef struct softmax {
    float inverse, max; /* 1 / τ; largest of z · inverse */
    double sum, log_sum;
} softmax;

/* z · inverse, in space unless that is z. */
static const float *at_temperature(const float *z, float *space, float inverse, int64_t n)
{
    if (inverse == 1)
        return z;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        space[i] = z[i] * inverse;
    return space;
}

static softmax softmax_of(const lt_kernels *k, const float *z, int64_t n, float inverse)
{
    float space[BLOCK];
    softmax s = {.inverse = inverse, .max = k->max(z, n) * inverse};
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t m = min64(BLOCK, n - i);
        s.sum += k->sum_exp(at_temperature(z + i, space, inverse, m), s.max, m);
    }
    s.log_sum = log(s.sum);
    return s;
}

/* What is known of a row before its last reading. */
typedef struct row {
    const lt_distill *d;
    const lt_kernels *k;
    softmax whole, student, teacher; /* over V at τ = 1; over the common entries at τ */
    bool same;                       /* whole is student */
} row;

/* Σ p (log p - log q) over a block; v = z / τ, u = teacher / τ. */
static double divergence(const row *r, const float *p, const float *u, const float *v, int64_t n)
{
    const double shift = ((double)r->teacher.max - r->student.max) + (r->teacher.log_sum - r->student.log_sum);
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += p[i] > 0 ? p[i] * (((double)u[i] - v[i]) - shift) : 0;
    return sum;
}

/* dz (n) over z: weight · softmax(z) (the label is the caller's) + pull · (q - p); p NULL: beyond the common entries. */
static void gradient(const row *r, float *z, const float *v, const float *p, float weight, float pull, int64_t n)
{
    const float softcap = r->d->softcap, scale = r->d->scale;
    float before[BLOCK], q[BLOCK];
    memcpy(before, z, (size_t)n * sizeof *z);
    if (!p) {
        r->k->exp_scaled(z, before, r->whole.max, (float)(weight / r->whole.sum), n);
    } else {
        r->k->exp_scaled(q, v == z ? before : v, r->student.max, (float)(1 / r->student.sum), n);
        if (r->same) {
#pragma omp simd
            for (int64_t i = 0; i < n; i++)
                z[i] = weight * q[i] + pull * (q[i] - p[i]);
        } else {
            r->k->exp_scaled(z, before, r->whole.max, (float)(weight / r->whole.sum), n);
#pragma omp simd
            for (int64_t i = 0; i < n; i++)
                z[i] += pull * (q[i] - p[i]);
        }
    }
    if (softcap != 0) {
        const float inverse = 1 / softcap;
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            float t = before[i] * inverse;
            z[i] *= scale * (1 - t * t);
        }
    } else if (scale != 1) {
        r->k->scale(z, scale, n);
    }
}

/* What onehot(label) takes from the label's gradient, through softcap and scale. */
static float label_share(const lt_distill *d, float z, float weight)
{
    float t = d->softcap != 0 ? z / d->softcap : 0;
    return weight * d->scale * (1 - t * t);
}

static void distill_row(const lt_distill *d, float *z, const float *teacher, int32_t label, const float *weight, const float *kl_weight,
                        float *logp, float *kl)
{
    const float inverse = 1 / d->temperature, z_label = z[label];
    row r = {.d = d, .k = lt_kernels_get(), .same = d->temperature == 1 && d->common == d->V};
    r.whole = softmax_of(r.k, z, d->V, 1);
    r.student = r.same ? r.whole : softmax_of(r.k, z, d->common, inverse);
    r.teacher = softmax_of(r.k, teacher, d->common, inverse);
    *logp = (float)((double)(z_label - r.whole.max) - r.whole.log_sum);
    double sum = 0;
    for (int64_t i = 0, n; i < d->common; i += n) {
        float u_space[BLOCK], v_space[BLOCK], p[BLOCK];
        n = min64(BLOCK, d->common - i);
        const float *u = at_temperature(teacher + i, u_space, inverse, n), *v = at_temperature(z + i, v_space, inverse, n);
        r.k->exp_scaled(p, u, r.teacher.max, (float)(1 / r.teacher.sum), n);
        sum += divergence(&r, p, u, v, n);
        if (weight)
            gradient(&r, z + i, v, p, *weight, *kl_weight * inverse, n);
    }
    *kl = (float)sum;
    if (!weight)
        return;
    for (int64_t i = d->common; i < d->V; i += BLOCK)
        gradient(&r, z + i, NULL, NULL, *weight, 0, min64(BLOCK, d->V - i));
    z[label] -= label_share(d, z_label, *weight);
}

void lt_distill_rows(const lt_distill *d, float *logits, const float *teacher, int64_t T, const int32_t *labels, const float *weight,
                     const float *kl_weight, float *logp, float *kl)
{
    assert(d->common > 0 && d->common <= d->V && d->common <= d->teacher_V && d->temperature > 0 && !weight == !kl_weight);
    lt_cross_entropy_finish_logits(logits, T, d->V, d->scale, d->softcap);
#pragma omp parallel for schedule(static) if (T * d->V > 8192)
    for (int64_t t = 0; t < T; t++) {
        assert(labels[t] >= 0 && labels[t] < d->V);
        distill_row(d, logits + t * d->V, teacher + t * d->teacher_V, labels[t], weight ? weight + t : NULL,
                    kl_weight ? kl_weight + t : NULL, logp + t, kl + t);
    }
}
