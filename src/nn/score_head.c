#include "nn/score_head.h"

#include "core/rng.h"

/* Few rows and few outputs: plain loops, one thread per row, or per row of a matrix whose gradient is summed. */

static float dot(const float *a, const float *b, int64_t n)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* y (n,N) = x (n,C) · wᵀ + b */
static void affine(const float *x, int64_t n, int64_t C, const float *w, const float *b, int64_t N, float *y)
{
#pragma omp parallel for schedule(static) if (n * N * C > 65536)
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < N; j++)
            y[i * N + j] = dot(x + i * C, w + j * C, C) + (b ? b[j] : 0);
}

/* dw (N,C) += dyᵀ · x and db (N) += Σ dy, either may be NULL */
static void affine_gradients(const float *x, const float *dy, int64_t n, int64_t C, int64_t N, float *dw, float *db)
{
#pragma omp parallel for schedule(static) if (n * N * C > 65536)
    for (int64_t j = 0; j < N; j++)
        for (int64_t i = 0; i < n; i++) {
            float d = dy[i * N + j];
            if (db)
                db[j] += d;
            for (int64_t c = 0; dw && c < C; c++)
                dw[j * C + c] += d * x[i * C + c];
        }
}

/* dx (n,C) = dy (n,N) · w */
static void affine_input(const float *dy, int64_t n, int64_t C, const float *w, int64_t N, float *dx)
{
#pragma omp parallel for schedule(static) if (n * N * C > 65536)
    for (int64_t i = 0; i < n; i++) {
        float *out = dx + i * C;
        for (int64_t c = 0; c < C; c++)
            out[c] = 0;
        for (int64_t j = 0; j < N; j++)
            for (int64_t c = 0; c < C; c++)
                out[c] += dy[i * N + j] * w[j * C + c];
    }
}

void lt_score_head_forward(const lt_score_head *head, const float *x, int64_t n, float *score)
{
    affine(x, n, head->C, head->weight, head->bias, head->N, score);
}

void lt_score_head_backward(const lt_score_head *head, const float *x, int64_t n, const float *dscore, float *dx)
{
    affine_gradients(x, dscore, n, head->C, head->N, head->dweight, head->dbias);
    affine_input(dscore, n, head->C, head->weight, head->N, dx);
}

int64_t lt_score_head_position(const int32_t *ids, int64_t n, int32_t pad_id)
{
    for (int64_t i = n - 1; i > 0; i--)
        if (ids[i] != pad_id)
            return i;
    return 0;
}

void lt_score_head_draw(float *weight, float *bias, int64_t N, int64_t C, uint64_t seed)
{
    lt_rng rng = lt_rng_make(seed, 0x73636f72650000ull);
    for (int64_t i = 0; i < N * C; i++)
        weight[i] = 0.02f * lt_rng_normal(&rng);
    for (int64_t i = 0; bias && i < N; i++)
        bias[i] = 0;
}
