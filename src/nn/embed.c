#include "nn/embed.h"

#include <inttypes.h>
#include <string.h>

bool lt_embed_trained(const lt_embed *embed)
{
    return embed->dweight || (embed->hook && embed->hook->enabled) || embed->dpositions || embed->dtypes ||
           embed->dnorm || embed->dnorm_bias || lt_virtual_rows(embed->virtual);
}

/* x (T,C) += rows of a learned table; indices NULL: row 0 for all. */
static bool add_rows(const lt_embed *embed, const lt_weight *table, const char *what, const int32_t *indices, int64_t T,
                     float *x, lt_error *err)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t C = table->matrix.cols, rows = table->matrix.rows, held = -1;
    for (int64_t t = 0; t < T && rows > 0; t++) {
        int64_t row = indices ? indices[t] : 0;
        if (row < 0 || row >= rows)
            return lt_error_set(err, LT_ERR_FORMAT, "a token has %s %" PRId64 ", but the model knows only 0 to %" PRId64,
                                what, row, rows - 1);
        if (row != held && !lt_weights_read_row(table, row, embed->row, err))
            return false;
        held = row;
        k->axpy(x + t * C, 1.0f, embed->row, C);
    }
    return true;
}

/* Everything but the norm, for tokens first .. first + n - 1. */
static bool sum_rows(const lt_embed *embed, const lt_embed_tokens *tokens, int64_t first, int64_t n, float *x, lt_error *err)
{
    const int64_t C = embed->weight.matrix.cols;
    const int32_t *ids = tokens->ids + first;
    for (int64_t t = 0; t < n; t++)
        if (ids[t] >= 0 && !lt_weights_read_row(&embed->weight, ids[t], x + t * C, err))
            return false;
    if (embed->hook && embed->hook->enabled)
        embed->hook->forward(embed->hook, ids, n, C, x);
    for (int64_t t = 0; t < n; t++)
        if (ids[t] < 0)
            memcpy(x + t * C, embed->virtual->values + ~ids[t] * C, (size_t)C * sizeof *x);
        else if (embed->scale != 1.0f)
            lt_kernels_get()->scale(x + t * C, embed->scale, C);
    return add_rows(embed, &embed->positions, "position", tokens->positions + first, n, x, err) &&
           add_rows(embed, &embed->types, "type", tokens->types ? tokens->types + first : NULL, n, x, err);
}

bool lt_embed_forward(const lt_embed *embed, const lt_embed_tokens *tokens, float *x, lt_error *err)
{
    const int64_t C = embed->weight.matrix.cols;
    if (!sum_rows(embed, tokens, 0, tokens->T, x, err))
        return false;
    if (embed->norm.weight)
        lt_norm_forward(&embed->norm, x, C, x, C, tokens->T);
    return true;
}

/* table (rows,C) += scale · dx; indices below 0 have no row there. Columns in parallel, rows in order: the same row twice is no race, and the sum has one order. */
static void scatter(float *table, const int32_t *indices, int64_t T, int64_t C, float scale, const float *dx)
{
    enum { COLUMNS = 64 };
    const lt_kernels *k = lt_kernels_get();
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < C; c += COLUMNS)
        for (int64_t t = 0; t < T; t++)
            if (!indices || indices[t] >= 0)
                k->axpy(table + (indices ? indices[t] : 0) * C + c, scale, dx + t * C + c, C - c < COLUMNS ? C - c : COLUMNS);
}

bool lt_embed_backward(const lt_embed *embed, const lt_embed_tokens *tokens, float *dx, int64_t chunk, float *scratch,
                       void *norm_scratch, lt_error *err)
{
    const int64_t C = embed->weight.matrix.cols, T = tokens->T;
    for (int64_t t = 0; t < T && embed->norm.weight; t += chunk) {
        int64_t n = T - t < chunk ? T - t : chunk;
        float *d = dx + t * C;
        if (!sum_rows(embed, tokens, t, n, scratch, err))
            return false;
        lt_norm_backward(&embed->norm, scratch, C, d, C, d, C, false, embed->dnorm, embed->dnorm_bias, n, norm_scratch);
    }
    if (embed->hook && embed->hook->enabled)
        embed->hook->backward(embed->hook, tokens->ids, T, C, embed->scale, dx);
    for (int64_t t = 0; embed->virtual && embed->virtual->gradient && t < T; t++)
        if (tokens->ids[t] < 0)
            lt_kernels_get()->axpy(embed->virtual->gradient + ~tokens->ids[t] * C, 1.0f, dx + t * C, C);
    if (embed->dweight)
        scatter(embed->dweight, tokens->ids, T, C, embed->scale, dx);
    if (embed->dpositions)
        scatter(embed->dpositions, tokens->positions, T, C, 1.0f, dx);
    if (embed->dtypes)
        scatter(embed->dtypes, tokens->types, T, C, 1.0f, dx);
    return true;
}
