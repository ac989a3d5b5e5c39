/* Attention of new tokens to cached ones. The scores of a row stand in one piece, those of the prefix first: the rows of a
 * tile multiply with the prefix together, and with their own tokens each sequence for itself. */
#include <math.h>
#include <string.h>

#include "core/threads.h"
#include "nn/decode_internal.h"

int64_t lt_decode_attend_rows(const lt_config *c) { return LT_DECODE_TILE * (c->H / c->K); }

/* What one call works on: `group` query heads of each row share the key/value head. */
typedef struct work {
    const lt_decoder *d;
    const lt_attention *attention;
    int64_t layer, kv, group;
    float *q, *scores, *mix;
    int64_t stride; /* of scores */
    void *scratch;
} work;

/* scores (stride) of one query at `position` become probabilities; entries of the first S that it may not see become 0. */
static void softmax_row(const lt_attention *attention, float *scores, int64_t S, int64_t position)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t end = position + 1, begin = attention->window && end > attention->window ? end - attention->window : 0;
    if (attention->softcap > 0)
        for (int64_t s = begin; s < end; s++)
            scores[s] = attention->softcap * tanhf(scores[s] / attention->softcap);
    float max = k->max(scores + begin, end - begin), sum = k->sum_exp(scores + begin, max, end - begin);
    k->exp_scaled(scores + begin, scores + begin, max, 1.0f / sum, end - begin);
    memset(scores, 0, (size_t)begin * sizeof *scores);
    memset(scores + end, 0, (size_t)(S - end) * sizeof *scores);
}

/* The first S cached tokens of a sequence, one head of them. */
static lt_matrix cached(const work *w, char **cache, int64_t sequence, int64_t S)
{
    const lt_config *c = &w->d->model->config;
    const char *data = cache[w->layer * w->d->total + sequence] + lt_dtype_bytes(w->d->cache_dtype, w->kv * c->D);
    return (lt_matrix){data, w->d->cache_dtype, S, c->D, c->K * c->D};
}

/* Rows row .. row+count of q against S tokens of a sequence, to column `column` of their scores. */
static void score(const work *w, int64_t row, int64_t count, int64_t sequence, int64_t S, int64_t column)
{
    int64_t D = w->d->model->config.D;
    lt_matrix q = lt_matrix_f32(w->q + row * D, count, D), keys = cached(w, w->d->keys, sequence, S);
    lt_gemm(&(lt_gemm_call){.M = count, .N = S, .K = D, .compute = w->d->shape.compute, .a = &q, .b = &keys, .transpose_b = true,
                            .c = w->scores + row * w->stride + column, .c_stride = w->stride, .alpha = w->attention->scale,
                            .serial = true, .scratch = w->scratch});
}

/* Adds the values of those tokens, or begins with them. */
static void gather(const work *w, int64_t row, int64_t count, int64_t sequence, int64_t S, int64_t column, bool add)
{
    int64_t D = w->d->model->config.D;
    lt_matrix p = {w->scores + row * w->stride + column, LT_DTYPE_F32, count, S, w->stride};
    lt_matrix values = cached(w, w->d->values, sequence, S);
    lt_gemm(&(lt_gemm_call){.M = count, .N = D, .K = S, .compute = w->d->shape.compute, .a = &p, .b = &values,
                            .c = w->mix + row * D, .c_stride = D, .alpha = 1, .beta = add ? 1 : 0, .serial = true,
                            .scratch = w->scratch});
}

static void heads(const work *w, const lt_decode_tile *t, bool out)
{
    const lt_config *c = &w->d->model->config;
    int64_t D = c->D, QKV = (c->H + 2 * c->K) * D, width = w->group * D;
    for (int64_t i = 0; i < t->count; i++) {
        int64_t row = w->d->index[t->first + i];
        if (out)
            memcpy(w->d->run.attn + row * c->H * D + w->kv * width, w->mix + i * width, (size_t)width * sizeof(float));
        else
            memcpy(w->q + i * width, w->d->run.qkv + row * QKV + w->kv * width, (size_t)width * sizeof(float));
    }
}

void lt_decode_attend(const lt_decoder *d, const lt_attention *attention, int64_t layer, const lt_decode_tile *t, int64_t kv)
{
    const lt_config *c = &d->model->config;
    int64_t thread = lt_threads_index(), rows = lt_decode_attend_rows(c), G = c->H / c->K;
    work w = {.d = d, .attention = attention, .layer = layer, .kv = kv, .group = G, .stride = lt_decode_longest(&d->shape)};
    w.q = d->q + thread * rows * c->D;
    w.mix = d->mix + thread * rows * c->D;
    w.scores = d->scores + thread * rows * w.stride;
    w.scratch = d->gemm + thread * d->gemm_bytes;
    heads(&w, t, false);
    if (t->shared)
        score(&w, 0, t->count * G, t->prefix, t->shared, 0);
    int64_t step = t->together ? t->count : 1; /* rows whose own tokens lie in one cache */
    for (int64_t i = 0; i < t->count; i += step) {
        const int32_t *index = d->index + t->first + i;
        int64_t S = d->positions[index[step - 1]] + 1;
        score(&w, i * G, step * G, d->row_sequence[*index], S - t->shared, t->shared);
        for (int64_t r = 0; r < step * G; r++)
            softmax_row(attention, w.scores + (i * G + r) * w.stride, S, d->positions[index[r / G]]);
    }
    if (t->shared)
        gather(&w, 0, t->count * G, t->prefix, t->shared, 0, false);
    for (int64_t i = 0; i < t->count; i += step) {
        const int32_t *index = d->index + t->first + i;
        int64_t S = d->positions[index[step - 1]] + 1;
        gather(&w, i * G, step * G, d->row_sequence[*index], S - t->shared, t->shared, t->shared > 0);
    }
    heads(&w, t, true);
}
