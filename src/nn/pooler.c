#include "nn/pooler.h"

#include <math.h>
#include <string.h>

#include "nn/engine_layout.h"

/* Rows go in chunks of the head's, which the engine's memory is laid out for. */
static int64_t chunk_of(const lt_engine *e, int64_t left)
{
    return left < e->shape.head_chunk ? left : e->shape.head_chunk;
}

void lt_pooler_forward(lt_engine *e, const float *x, int64_t n, float *pooled)
{
    const lt_linear *linear = &e->model->pooler;
    int64_t C = e->model->config.C;
    if (!linear->module) {
        memcpy(pooled, x, (size_t)(n * C) * sizeof *x);
        return;
    }
    for (int64_t i = 0, m; i < n; i += m) {
        m = chunk_of(e, n - i);
        e->ws.token = i;
        lt_linear_forward(&linear, 1, &e->ws, x + i * C, C, m, &(float *){pooled + i * C}, C);
    }
    for (int64_t i = 0; i < n * C; i++)
        pooled[i] = tanhf(pooled[i]);
}

void lt_pooler_backward(lt_engine *e, const float *x, float *pooled, int64_t n, float *d)
{
    const lt_linear *linear = &e->model->pooler;
    int64_t C = e->model->config.C;
    if (!linear->module)
        return;
    for (int64_t i = 0; i < n * C; i++)
        pooled[i] = d[i] * (1 - pooled[i] * pooled[i]);
    for (int64_t i = 0, m; i < n; i += m) {
        m = chunk_of(e, n - i);
        e->ws.token = i;
        lt_linear_backward(&linear, 1, &e->ws, x + i * C, C, m, &(float *){pooled + i * C}, C, d + i * C, C, false);
    }
}
