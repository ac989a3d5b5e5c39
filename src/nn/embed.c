#include "nn/embed.h"

bool lt_embed_trained(const lt_embed *embed)
{
    return embed->dweight || (embed->hook && embed->hook->enabled);
}

bool lt_embed_forward(const lt_embed *embed, const int32_t *ids, int64_t T, float *x, lt_error *err)
{
    int64_t C = embed->weight.matrix.cols;
    for (int64_t t = 0; t < T; t++)
        if (!lt_weights_read_row(&embed->weight, ids[t], x + t * C, err))
            return false;
    if (embed->hook && embed->hook->enabled)
        embed->hook->forward(embed->hook, ids, T, C, x);
    if (embed->scale != 1.0f)
        lt_kernels_get()->scale(x, embed->scale, T * C);
    return true;
}

void lt_embed_backward(const lt_embed *embed, const int32_t *ids, int64_t T, const float *dx)
{
    enum { COLUMNS = 64 };
    const lt_kernels *k = lt_kernels_get();
    int64_t C = embed->weight.matrix.cols;
    if (embed->hook && embed->hook->enabled)
        embed->hook->backward(embed->hook, ids, T, C, dx);
    if (!embed->dweight)
        return;
    /* Columns in parallel, rows in order: the same id twice is no race, and the sum has one order. */
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < C; c += COLUMNS)
        for (int64_t t = 0; t < T; t++)
            k->axpy(embed->dweight + ids[t] * C + c, embed->scale, dx + t * C + c, C - c < COLUMNS ? C - c : COLUMNS);
}
