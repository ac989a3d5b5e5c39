#include "adapt/low_rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/threads.h"

/* Products of P rows with the matrix: the layer without bias and adapter, in f32. */
typedef struct products {
    lt_linear bare;
    lt_workspace ws;
    lt_arena arena;
    int64_t P;
} products;

static void layout(products *p, lt_arena *arena)
{
    int64_t wide = p->bare.N > p->bare.K ? p->bare.N : p->bare.K;
    p->ws.gemm = lt_arena_alloc(arena, lt_gemm_scratch_bytes(LT_COMPUTE_F32, p->P, wide, lt_threads_count()));
    p->ws.packed_x = lt_arena_alloc(arena, lt_linear_packed_bytes(LT_COMPUTE_F32, p->P, wide));
    p->ws.packed_dy = lt_arena_alloc(arena, lt_linear_packed_bytes(LT_COMPUTE_F32, p->P, wide));
}

static bool open_products(products *p, const lt_linear *linear, int64_t P, lt_error *err)
{
    lt_arena measure = lt_arena_measure();
    *p = (products){.bare = *linear, .ws = {.compute = LT_COMPUTE_F32}, .P = P};
    p->bare.hook = NULL;
    p->bare.bias = NULL;
    p->bare.dweight = p->bare.dbias = NULL;
    layout(p, &measure);
    if (!lt_arena_init(&p->arena, measure.used, err))
        return false;
    layout(p, &p->arena);
    return true;
}

/* y (P,N) = x (P,K) wᵀ */
static void times_transposed(products *p, const float *x, float *y)
{
    lt_linear_forward(&(const lt_linear *){&p->bare}, 1, &p->ws, x, p->bare.K, p->P, &y, p->bare.N);
}

/* x (P,K) = y (P,N) w; y may be rearranged on the way, so it is copied by the caller when it is needed afterwards */
static void times(products *p, float *y, float *x)
{
    lt_linear_backward(&(const lt_linear *){&p->bare}, 1, &p->ws, x, p->bare.K, p->P, &y, p->bare.N, x, p->bare.K, false);
}

/* Rows of q (P,n) become orthonormal, in their order: Gram and Schmidt, twice. A row that nothing is left of becomes zero. */
static void orthonormalise(float *q, int64_t P, int64_t n)
{
    const lt_kernels *k = lt_kernels_get();
    for (int64_t i = 0; i < P; i++) {
        float *row = q + i * n;
        float before = sqrtf(k->dot(row, row, n));
        for (int64_t j = 0; j < 2 * i; j++)
            k->axpy(row, -k->dot(row, q + j % i * n, n), q + j % i * n, n);
        float norm = sqrtf(k->dot(row, row, n));
        k->scale(row, norm > 1e-6f * before && norm > 0 ? 1.0f / norm : 0.0f, n);
    }
}

/* Eigenvectors (columns of e) and values of a symmetric matrix g (P,P), largest first: cyclic Jacobi rotations. */
static void eigen(double *g, int64_t P, double *e, double *value)
{
    memset(e, 0, (size_t)(P * P) * sizeof *e);
    for (int64_t i = 0; i < P; i++)
        e[i * P + i] = 1;
    for (int sweep = 0; sweep < 60; sweep++) {
        double off = 0, all = 0;
        for (int64_t i = 0; i < P * P; i++) {
            all += g[i] * g[i];
            off += i / P == i % P ? 0 : g[i] * g[i];
        }
        if (off <= 1e-28 * all)
            break;
        for (int64_t p = 0; p < P; p++)
            for (int64_t q = p + 1; q < P; q++) {
                if (g[p * P + q] == 0)
                    continue;
                double theta = (g[q * P + q] - g[p * P + p]) / (2 * g[p * P + q]);
                double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), s = t * c;
                for (int64_t i = 0; i < P; i++) {
                    double a = g[i * P + p], b = g[i * P + q];
                    g[i * P + p] = c * a - s * b;
                    g[i * P + q] = s * a + c * b;
                }
                for (int64_t i = 0; i < P; i++) {
                    double a = g[p * P + i], b = g[q * P + i];
                    g[p * P + i] = c * a - s * b;
                    g[q * P + i] = s * a + c * b;
                    a = e[i * P + p], b = e[i * P + q];
                    e[i * P + p] = c * a - s * b;
                    e[i * P + q] = s * a + c * b;
                }
            }
    }
    for (int64_t i = 0; i < P; i++) { /* selection sort, columns along */
        int64_t best = i;
        for (int64_t j = i + 1; j < P; j++)
            best = g[j * P + j] > g[best * P + best] ? j : best;
        double swap = g[i * P + i];
        value[i] = g[best * P + best];
        g[best * P + best] = swap;
        for (int64_t r = 0; r < P && best != i; r++) {
            double v = e[r * P + i];
            e[r * P + i] = e[r * P + best];
            e[r * P + best] = v;
        }
    }
}

typedef struct svd {
    products p;
    float *q, *copy, *b; /* (P,N), (P,N), (P,K) */
    double *gram, *vectors, *values, *last;
} svd;

static void free_svd(svd *d)
{
    lt_arena_free(&d->p.arena);
    free(d->q);
    free(d->copy);
    free(d->b);
    free(d->gram);
    free(d->vectors);
    free(d->values);
    free(d->last);
}

/* b = q w, and the eigenvalues of b bᵀ: squares of the singular values within the subspace. */
static void project(svd *d)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t P = d->p.P, K = d->p.bare.K;
    memcpy(d->copy, d->q, (size_t)(P * d->p.bare.N) * sizeof *d->q);
    times(&d->p, d->copy, d->b);
    for (int64_t i = 0; i < P; i++)
        for (int64_t j = 0; j <= i; j++)
            d->gram[i * P + j] = d->gram[j * P + i] = k->dot(d->b + i * K, d->b + j * K, K);
    eigen(d->gram, P, d->vectors, d->values);
}

static bool stands_still(svd *d, int64_t R)
{
    double change = 0, sum = 0;
    for (int64_t i = 0; i < R; i++) {
        change += fabs(d->values[i] - d->last[i]);
        sum += d->values[i];
    }
    memcpy(d->last, d->values, (size_t)R * sizeof *d->last);
    return change <= 4e-6 * sum; /* f32 products do not tell less */
}

/* u = vectorsᵀ q, v = vectorsᵀ b / s. */
static void turn(const svd *d, int64_t R, float *u, float *s, float *v)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t P = d->p.P, N = d->p.bare.N, K = d->p.bare.K;
    memset(u, 0, (size_t)(R * N) * sizeof *u);
    memset(v, 0, (size_t)(R * K) * sizeof *v);
    for (int64_t r = 0; r < R; r++) {
        s[r] = (float)sqrt(d->values[r] > 0 ? d->values[r] : 0);
        for (int64_t i = 0; i < P; i++) {
            k->axpy(u + r * N, (float)d->vectors[i * P + r], d->q + i * N, N);
            k->axpy(v + r * K, s[r] > 0 ? (float)(d->vectors[i * P + r] / s[r]) : 0, d->b + i * K, K);
        }
    }
}

bool lt_low_rank_svd(const lt_linear *linear, int64_t R, int iterations, uint64_t seed, float *u, float *s, float *v, lt_error *err)
{
    enum { MORE = 8, MOST = 24 };
    int64_t N = linear->N, K = linear->K, least = N < K ? N : K, P = iterations || R + MORE > least ? R : R + MORE;
    svd d = {0};
    if (!open_products(&d.p, linear, P, err))
        return false;
    d.q = malloc((size_t)(P * N) * sizeof *d.q);
    d.copy = malloc((size_t)(P * N) * sizeof *d.copy);
    d.b = malloc((size_t)(P * K) * sizeof *d.b);
    d.gram = malloc((size_t)(P * P) * sizeof *d.gram);
    d.vectors = malloc((size_t)(P * P) * sizeof *d.vectors);
    d.values = calloc((size_t)P, sizeof *d.values);
    d.last = calloc((size_t)P, sizeof *d.last);
    bool ok = d.q && d.copy && d.b && d.gram && d.vectors && d.values && d.last;
    if (!ok) {
        free_svd(&d);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a decomposition");
    }
    lt_rng rng = lt_rng_make(seed, 0x737664ull << 32 | linear->id);
    for (int64_t i = 0; i < P * K; i++)
        d.b[i] = lt_rng_normal(&rng);
    times_transposed(&d.p, d.b, d.q);
    orthonormalise(d.q, P, N);
    for (int i = 0; i < (iterations ? iterations : MOST); i++) {
        project(&d);
        if (!iterations && stands_still(&d, R))
            break;
        orthonormalise(d.b, P, K);
        times_transposed(&d.p, d.b, d.q);
        orthonormalise(d.q, P, N);
    }
    project(&d);
    turn(&d, R, u, s, v);
    free_svd(&d);
    return true;
}

bool lt_low_rank_qr(const lt_linear *linear, int64_t R, float *q, float *r, lt_error *err)
{
    products p;
    int64_t N = linear->N, K = linear->K;
    if (!open_products(&p, linear, R, err))
        return false;
    float *copy = malloc((size_t)(R * N) * sizeof *copy);
    if (!copy) {
        lt_arena_free(&p.arena);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a decomposition");
    }
    memset(r, 0, (size_t)(R * K) * sizeof *r);
    for (int64_t i = 0; i < R; i++)
        r[i * K + i] = 1;
    times_transposed(&p, r, q);
    orthonormalise(q, R, N);
    memcpy(copy, q, (size_t)(R * N) * sizeof *copy);
    times(&p, copy, r);
    free(copy);
    lt_arena_free(&p.arena);
    return true;
}
