#include "nn/moe.h"

#include <math.h>
#include <string.h>

void lt_moe_layout(lt_moe_rows *rows, const lt_config *config, int64_t n, bool training, lt_arena *arena)
{
    int64_t C = config->C, E = config->experts, k = config->experts_per_token;
    int64_t W = config->expert_F > config->shared_F ? config->expert_F : config->shared_F;
    if (E == 0)
        return;
    rows->probability = LT_ARENA_NEW(arena, float, n * E);
    rows->choice = LT_ARENA_NEW(arena, int32_t, n * k);
    rows->weight = LT_ARENA_NEW(arena, float, n * k);
    rows->list = LT_ARENA_NEW(arena, int32_t, n * k);
    rows->start = LT_ARENA_NEW(arena, int32_t, E + 1);
    rows->x = LT_ARENA_NEW(arena, float, n * C);
    rows->y = LT_ARENA_NEW(arena, float, n * C);
    rows->gu = LT_ARENA_NEW(arena, float, n * 2 * W);
    rows->act = LT_ARENA_NEW(arena, float, n * W);
    rows->sigma = LT_ARENA_NEW(arena, float, n * 2);
    if (!training)
        return;
    rows->dlogits = LT_ARENA_NEW(arena, float, n * E);
    rows->dweight = LT_ARENA_NEW(arena, float, n * k);
    rows->dx = LT_ARENA_NEW(arena, float, n * C);
    rows->dact = LT_ARENA_NEW(arena, float, n * W);
}

/* ---- routing ---- */

/* The k largest of p (E), the first of equal ones; their weights. */
static void choose(const lt_config *config, const float *p, int32_t *choice, float *weight)
{
    int64_t E = config->experts, k = config->experts_per_token;
    float sum = 0;
    for (int64_t i = 0; i < k; i++) {
        int64_t best = -1;
        for (int64_t e = 0; e < E; e++) {
            bool taken = false;
            for (int64_t j = 0; j < i; j++)
                taken |= choice[j] == e;
            if (!taken && (best < 0 || p[e] > p[best]))
                best = e;
        }
        choice[i] = (int32_t)best;
        weight[i] = p[best];
        sum += p[best];
    }
    for (int64_t i = 0; i < k && config->normalise_routing; i++)
        weight[i] /= sum;
}

/* Fills probability, choice, weight, and the list of each expert's tokens. */
static void route(const lt_moe *moe, const lt_config *config, lt_workspace *ws, const lt_moe_rows *rows, const float *x, int64_t n)
{
    const lt_kernels *kernels = lt_kernels_get();
    const lt_linear *router = &moe->router;
    int64_t E = config->experts, k = config->experts_per_token;
    lt_linear_forward(&router, 1, ws, x, config->C, n, &(float *){rows->probability}, E);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < n; t++) {
        float *p = rows->probability + t * E, max = kernels->max(p, E);
        kernels->exp_scaled(p, p, max, 1.0f / kernels->sum_exp(p, max, E), E);
        choose(config, p, rows->choice + t * k, rows->weight + t * k);
    }
    memset(rows->start, 0, (size_t)(E + 1) * sizeof *rows->start);
    for (int64_t i = 0; i < n * k; i++)
        rows->start[rows->choice[i] + 1]++;
    for (int64_t e = 0; e < E; e++)
        rows->start[e + 1] += rows->start[e];
    for (int64_t i = 0; i < n * k; i++) /* start[e] moves to the end of e's tokens … */
        rows->list[rows->start[rows->choice[i]]++] = (int32_t)i;
    for (int64_t e = E; e > 0; e--) /* … and back */
        rows->start[e] = rows->start[e - 1];
    rows->start[0] = 0;
    for (int64_t e = 0; e < E; e++)
        for (int part = 0; part < LT_EXPERT_PARTS && rows->start[e + 1] > rows->start[e]; part++)
            lt_linear_prefetch(&moe->experts[e][part]);
}

/* dlogits (n,E) from dweight: through the division by their sum, and through the softmax. */
static void route_backward(const lt_config *config, const lt_moe_rows *rows, int64_t n)
{
    int64_t E = config->experts, k = config->experts_per_token;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < n; t++) {
        const float *p = rows->probability + t * E, *w = rows->weight + t * k;
        float *dw = rows->dweight + t * k, *dl = rows->dlogits + t * E, sum = 0, mean = 0, inner = 0;
        for (int64_t i = 0; i < k; i++) {
            sum += p[rows->choice[t * k + i]];
            mean += dw[i] * w[i];
        }
        for (int64_t i = 0; i < k && config->normalise_routing; i++)
            dw[i] = (dw[i] - mean) / sum;
        for (int64_t i = 0; i < k; i++)
            inner += p[rows->choice[t * k + i]] * dw[i];
        for (int64_t e = 0; e < E; e++)
            dl[e] = -p[e] * inner;
        for (int64_t i = 0; i < k; i++)
            dl[rows->choice[t * k + i]] += p[rows->choice[t * k + i]] * dw[i];
    }
}

/* ---- one expert ---- */

/* act(gate x) · up x into rows->act, and y (n,C) = down of that; gu keeps gate and up. */
static void expert_forward(const lt_linear *parts, const lt_config *config, lt_workspace *ws, const lt_moe_rows *rows, const float *x,
                           int64_t n, float *y)
{
    const lt_kernels *kernels = lt_kernels_get();
    const lt_linear *in[2] = {&parts[LT_EXPERT_GATE], &parts[LT_EXPERT_UP]}, *down = &parts[LT_EXPERT_DOWN];
    int64_t F = in[0]->N;
    lt_linear_forward(in, 2, ws, x, config->C, n, (float *[]){rows->gu, rows->gu + F}, 2 * F);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < n; t++)
        kernels->act_forward(config->activation, rows->gu + t * 2 * F, rows->gu + t * 2 * F + F, rows->act + t * F, F);
    lt_linear_forward(&down, 1, ws, rows->act, F, n, &y, config->C);
}

/* dx (n,C) from dy (n,C), after expert_forward on the same rows; dy may be changed. */
static void expert_backward(const lt_linear *parts, const lt_config *config, lt_workspace *ws, const lt_moe_rows *rows, const float *x,
                            int64_t n, float *dy, float *dx)
{
    const lt_kernels *kernels = lt_kernels_get();
    const lt_linear *in[2] = {&parts[LT_EXPERT_GATE], &parts[LT_EXPERT_UP]}, *down = &parts[LT_EXPERT_DOWN];
    int64_t F = in[0]->N;
    lt_linear_backward(&down, 1, ws, rows->act, F, n, &dy, config->C, rows->dact, F, false);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < n; t++) {
        float *gate = rows->gu + t * 2 * F, *up = gate + F;
        kernels->act_backward(config->activation, gate, up, rows->dact + t * F, gate, up, F);
    }
    lt_linear_backward(in, 2, ws, x, config->C, n, (float *[]){rows->gu, rows->gu + F}, 2 * F, dx, config->C, false);
}

/* The rows of x that the list names. */
static void gather(const lt_moe_rows *rows, const float *x, int64_t C, int64_t k, const int32_t *list, int64_t count)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++)
        memcpy(rows->x + i * C, x + list[i] / k * C, (size_t)C * sizeof *x);
}

/* ---- the shared expert ---- */

/* σ into rows->sigma (n), the expert's output into rows->y. */
static void shared_forward(const lt_moe *moe, const lt_config *config, lt_workspace *ws, const lt_moe_rows *rows, const float *x,
                           int64_t n)
{
    const lt_linear *gate = &moe->shared_gate;
    lt_linear_forward(&gate, 1, ws, x, config->C, n, &(float *){rows->sigma}, 1);
    for (int64_t t = 0; t < n; t++)
        rows->sigma[t] = 1.0f / (1.0f + expf(-rows->sigma[t]));
    expert_forward(moe->shared, config, ws, rows, x, n, rows->y);
}

/* dx (n,C) += the shared expert's share. */
static void shared_backward(const lt_moe *moe, const lt_config *config, lt_workspace *ws, const lt_moe_rows *rows, const float *x,
                            int64_t n, const float *dy, float *dx)
{
    const lt_kernels *kernels = lt_kernels_get();
    const lt_linear *gate = &moe->shared_gate;
    int64_t C = config->C;
    float *dz = rows->sigma + n;
    shared_forward(moe, config, ws, rows, x, n);
    for (int64_t t = 0; t < n; t++) {
        float sigma = rows->sigma[t];
        dz[t] = kernels->dot(dy + t * C, rows->y + t * C, C) * sigma * (1 - sigma);
        memcpy(rows->y + t * C, dy + t * C, (size_t)C * sizeof *dy);
        kernels->scale(rows->y + t * C, sigma, C);
    }
    expert_backward(moe->shared, config, ws, rows, x, n, rows->y, rows->dx);
    kernels->axpy(dx, 1.0f, rows->dx, n * C);
    lt_linear_backward(&gate, 1, ws, x, C, n, &dz, 1, dx, C, true);
}

/* ---- the whole ---- */

void lt_moe_forward(const lt_moe *moe, const lt_config *config, lt_workspace *ws, const lt_moe_rows *rows, const float *x, int64_t n,
                    float *y)
{
    const lt_kernels *kernels = lt_kernels_get();
    int64_t C = config->C, k = config->experts_per_token;
    memset(y, 0, (size_t)(n * C) * sizeof *y);
    route(moe, config, ws, rows, x, n);
    for (int64_t e = 0; e < config->experts; e++) {
        const int32_t *list = rows->list + rows->start[e];
        int64_t count = rows->start[e + 1] - rows->start[e];
        if (count == 0)
            continue;
        gather(rows, x, C, k, list, count);
        expert_forward(moe->experts[e], config, ws, rows, rows->x, count, rows->y);
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++)
            kernels->axpy(y + list[i] / k * C, rows->weight[list[i]], rows->y + i * C, C);
    }
    if (!moe->shared_gate.module)
        return;
    shared_forward(moe, config, ws, rows, x, n);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < n; t++)
        kernels->axpy(y + t * C, rows->sigma[t], rows->y + t * C, C);
}

void lt_moe_backward(const lt_moe *moe, const lt_config *config, lt_workspace *ws, const lt_moe_rows *rows, const float *x, int64_t n,
                     const float *dy, float *dx)
{
    const lt_kernels *kernels = lt_kernels_get();
    const lt_linear *router = &moe->router;
    int64_t C = config->C, k = config->experts_per_token;
    memset(dx, 0, (size_t)(n * C) * sizeof *dx);
    route(moe, config, ws, rows, x, n);
    for (int64_t e = 0; e < config->experts; e++) {
        const int32_t *list = rows->list + rows->start[e];
        int64_t count = rows->start[e + 1] - rows->start[e];
        if (count == 0)
            continue;
        gather(rows, x, C, k, list, count);
        expert_forward(moe->experts[e], config, ws, rows, rows->x, count, rows->y);
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++) { /* y becomes its own gradient */
            const float *d = dy + list[i] / k * C;
            rows->dweight[list[i]] = kernels->dot(d, rows->y + i * C, C);
            memcpy(rows->y + i * C, d, (size_t)C * sizeof *d);
            kernels->scale(rows->y + i * C, rows->weight[list[i]], C);
        }
        expert_backward(moe->experts[e], config, ws, rows, rows->x, count, rows->y, rows->dx);
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++)
            kernels->axpy(dx + list[i] / k * C, 1.0f, rows->dx + i * C, C);
    }
    route_backward(config, rows, n);
    lt_linear_backward(&router, 1, ws, x, C, n, &(float *){rows->dlogits}, config->experts, dx, C, true);
    if (moe->shared_gate.module)
        shared_backward(moe, config, ws, rows, x, n, dy, dx);
}
