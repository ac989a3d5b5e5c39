#include "nn/engine.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

#include "nn/cross_entropy.h"
#include "nn/engine_layout.h"

lt_engine_bytes lt_engine_measure(const lt_model *model, const lt_engine_shape *shape)
{
    lt_engine e = {.model = (lt_model *)model, .shape = *shape, .arena = lt_arena_measure()};
    e.lowest = lt_model_lowest_trained(e.model);
    lt_engine_layout(&e);
    return e.bytes;
}

/* transformers counts a prefix in a layer's window, attention here shows it to every token: the same as long as rows fit. */
static bool prefix_fits(const lt_model *model, const lt_engine_shape *shape, lt_error *err)
{
    for (int64_t l = 0; l < model->config.L && lt_virtual_keys(model->virtual); l++)
        if (model->config.layers[l].window > 0 && model->config.layers[l].window < shape->max_sequence)
            return lt_error_set(err, LT_ERR_UNSUPPORTED,
                                "prefix tuning: rows of %lld tokens, virtual ones included, are longer than the window of layer %lld, "
                                "%d tokens; a smaller max_length would do",
                                (long long)shape->max_sequence, (long long)l, model->config.layers[l].window);
    return true;
}

bool lt_engine_open(lt_engine **out, lt_model *model, const lt_engine_shape *shape, lt_error *err)
{
    if (!prefix_fits(model, shape, err))
        return false;
    lt_engine *e = calloc(1, sizeof *e);
    if (!e || !(e->kept = calloc((size_t)model->config.L, sizeof *e->kept))) {
        free(e);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    }
    e->model = model;
    e->shape = *shape;
    e->lowest = lt_model_lowest_trained(model);
    if (!lt_arena_init(&e->arena, lt_engine_measure(model, shape).total, err)) {
        lt_engine_close(e);
        return false;
    }
    lt_engine_layout(e);
    *out = e;
    return true;
}

void lt_engine_close(lt_engine *e)
{
    if (!e)
        return;
    lt_arena_free(&e->arena);
    free(e->kept);
    free(e);
}

int64_t lt_engine_overhead(const lt_engine *e) { return lt_virtual_rows(e->model->virtual); }

void lt_engine_set_step(lt_engine *e, uint64_t seed, uint64_t step)
{
    e->ws.seed = seed;
    e->ws.step = step;
    e->ws.training = e->shape.training;
}

void lt_engine_set_dropout(lt_engine *e, bool on)
{
    e->ws.training = on && e->shape.training;
}

/* The stream's own ids and starts: P virtual tokens before every sequence of the batch. */
static void insert_virtual(lt_engine *e, const lt_batch *batch, int64_t P)
{
    int64_t at = 0;
    for (int64_t s = 0; s < batch->sequences; s++) {
        e->starts[s] = (int32_t)at;
        int64_t n = batch->starts[s + 1] - batch->starts[s];
        for (int64_t p = 0; p < P; p++) {
            e->types[at] = 0;
            e->ids[at++] = (int32_t)~p;
        }
        memcpy(e->ids + at, batch->ids + batch->starts[s], (size_t)n * sizeof *e->ids);
        if (batch->types)
            memcpy(e->types + at, batch->types + batch->starts[s], (size_t)n * sizeof *e->types);
        at += n;
    }
    e->starts[batch->sequences] = (int32_t)at;
    e->run.starts = e->starts;
    e->stream_ids = e->ids;
    e->stream_types = batch->types ? e->types : NULL;
}

static void index_batch(lt_engine *e, const lt_batch *batch)
{
    int64_t P = lt_virtual_rows(e->model->virtual), n = 0;
    e->batch = batch;
    e->run.T = batch->T + batch->sequences * P;
    e->run.sequences = batch->sequences;
    e->run.starts = batch->starts;
    e->stream_ids = batch->ids;
    e->stream_types = batch->types;
    e->run.rope_rows = e->rope_rows;
    e->run.prefix = lt_virtual_keys(e->model->virtual);
    assert(e->run.T <= e->shape.max_T);
    if (P)
        insert_virtual(e, batch, P);
    for (int64_t s = 0; s < batch->sequences; s++) {
        int64_t shift = (s + 1) * P; /* of a row of the batch, in the stream */
        int64_t length = e->run.starts[s + 1] - e->run.starts[s] + e->run.prefix;
        for (int32_t t = e->run.starts[s]; t < e->run.starts[s + 1]; t++) {
            e->positions[t] = t - e->run.starts[s] + (int32_t)e->run.prefix;
            e->rope_rows[t] = lt_rope_row(&e->run.ropes[0], e->positions[t], length);
        }
        if (batch->firsts && batch->firsts[s] >= 0) {
            assert(P > 0);
            e->rows[n] = (int32_t)(e->run.starts[s] + P - 1);
            e->labels[n++] = batch->firsts[s];
        }
        for (int64_t t = batch->starts[s]; t < batch->starts[s + 1]; t++)
            if (batch->targets[t] >= 0) {
                e->rows[n] = (int32_t)(t + shift);
                e->labels[n++] = batch->targets[t];
            }
    }
    assert(n == batch->target_count);
    memset(e->has_gradient, 0, (size_t)e->run.T);
}

/* Where a row of the batch is in the stream. */
static int64_t stream_row(const lt_engine *e, int64_t row)
{
    int64_t P = e->run.starts == e->starts ? lt_virtual_rows(e->model->virtual) : 0, s = 0;
    while (P && e->batch->starts[s + 1] <= row)
        s++;
    return row + (P ? (s + 1) * P : 0);
}

/* The prefix's rows (P, L·2·KD) to keys and values of each layer; or their gradients the other way, added. */
static void copy_prefix(lt_engine *e, bool back)
{
    const lt_config *c = &e->model->config;
    const lt_virtual *v = e->model->virtual;
    const lt_kernels *k = lt_kernels_get();
    int64_t KD = c->K * c->D;
    for (int64_t l = 0; l < c->L; l++)
        for (int64_t p = 0; p < v->P; p++) {
            int64_t row = (p * c->L + l) * 2 * KD, at = (l * v->P + p) * KD;
            if (back) {
                k->axpy(v->gradient + row, 1.0f, e->run.dprefix_k + at, KD);
                k->axpy(v->gradient + row + KD, 1.0f, e->run.dprefix_v + at, KD);
            } else {
                memcpy(e->run.prefix_k + at, v->values + row, (size_t)KD * sizeof(float));
                memcpy(e->run.prefix_v + at, v->values + row + KD, (size_t)KD * sizeof(float));
            }
        }
}

static void begin_virtual(lt_engine *e)
{
    lt_virtual *v = e->model->virtual;
    if (!v || !v->enabled)
        return;
    if (v->forward)
        v->forward(v, e->ws.seed, e->ws.step, e->ws.training);
    if (e->run.prefix)
        copy_prefix(e, false);
}

static void clear_prefix_gradients(lt_engine *e)
{
    const lt_config *c = &e->model->config;
    size_t bytes = (size_t)(c->L * e->run.prefix * c->K * c->D) * sizeof(float);
    if (bytes) {
        memset(e->run.dprefix_k, 0, bytes);
        memset(e->run.dprefix_v, 0, bytes);
    }
}

static void end_virtual(lt_engine *e)
{
    lt_virtual *v = e->model->virtual;
    if (!v || !v->enabled || !v->gradient)
        return;
    if (e->run.prefix)
        copy_prefix(e, true);
    if (v->backward)
        v->backward(v);
}

static lt_embed_tokens embedded(const lt_engine *e)
{
    return (lt_embed_tokens){.T = e->run.T, .ids = e->stream_ids, .positions = e->positions, .types = e->stream_types};
}

/* Blocks begin … end - 1 over the stream. */
static void forward_blocks(lt_engine *e, int64_t begin, int64_t end)
{
    lt_model *m = e->model;
    for (int64_t l = begin; l < end; l++) {
        if (l + 1 < m->config.L)
            lt_block_prefetch(&m->blocks[l + 1]);
        else
            lt_linear_prefetch(&m->head);
        bool keep = e->shape.training && l >= e->lowest;
        lt_block_forward(&e->run, &m->blocks[l], l, keep ? &e->kept[l] : NULL);
    }
}

static bool frozen_blocks(lt_engine *e, const lt_engine_prefix *prefix, lt_error *err)
{
    bool have = false;
    if (!prefix->load(e->run.stream, &have, prefix->context, err))
        return false;
    if (have)
        return true;
    lt_block_prefetch(&e->model->blocks[0]);
    lt_embed_tokens tokens = embedded(e);
    if (!lt_embed_forward(&e->model->embed, &tokens, e->run.stream, err))
        return false;
    forward_blocks(e, 0, e->lowest);
    return lt_weights_check(e->model->weights, err) && prefix->store(e->run.stream, prefix->context, err);
}

bool lt_engine_forward_cached(lt_engine *e, const lt_batch *batch, const lt_engine_prefix *prefix, lt_error *err)
{
    assert(e->lowest > 0); /* so there are no virtual tokens */
    index_batch(e, batch);
    if (!frozen_blocks(e, prefix, err))
        return false;
    forward_blocks(e, e->lowest, e->model->config.L);
    return lt_weights_check(e->model->weights, err);
}

void lt_engine_set_noise(lt_engine *e, double alpha) { e->noise = alpha; }

/* NEFTune's: a function of seed, step and token. Its gradient is the embedding's. */
static void add_noise(lt_engine *e)
{
    static const uint64_t NOISE_STREAM = 0x6e6f6973ull << 32;
    const int64_t C = e->model->config.C;
    if (e->noise <= 0 || !e->ws.training)
        return;
    /* Virtual tokens stand before every sequence, and are no embeddings. */
    int64_t inserted = e->run.starts == e->starts ? lt_virtual_rows(e->model->virtual) : 0;
    for (int64_t s = 0; s < e->run.sequences; s++) {
        int64_t begin = e->run.starts[s] + inserted, end = e->run.starts[s + 1];
        float magnitude = (float)(e->noise / sqrt((double)((end - begin) * C)));
#pragma omp parallel for schedule(static)
        for (int64_t t = begin; t < end; t++)
            for (int64_t c = 0; c < C; c += 4) {
                uint32_t word[4];
                lt_rng_block(e->ws.seed, NOISE_STREAM + e->ws.step, (uint64_t)(t * C + c), word);
                for (int64_t i = 0; i < 4 && c + i < C; i++)
                    e->run.stream[t * C + c + i] += magnitude * ((float)word[i] * 0x1p-31f - 1.0f);
            }
    }
}

bool lt_engine_forward(lt_engine *e, const lt_batch *batch, lt_error *err)
{
    lt_model *m = e->model;
    index_batch(e, batch);
    begin_virtual(e);
    lt_block_prefetch(&m->blocks[0]);
    lt_embed_tokens tokens = embedded(e);
    if (!lt_embed_forward(&m->embed, &tokens, e->run.stream, err))
        return false;
    add_noise(e);
    forward_blocks(e, 0, m->config.L);
    return lt_weights_check(m->weights, err);
}

static void normed(const lt_engine *e, const float *x, float *y, int64_t n)
{
    int64_t C = e->model->config.C;
    if (e->model->final_norm.weight)
        lt_norm_forward(&e->model->final_norm, x, C, y, C, n);
    else
        memcpy(y, x, (size_t)(n * C) * sizeof *y);
}

/* From d loss / d (final norm's output) of rows, gathered in dy (n,C), to the stream's gradient; x (n,C) are the stream's
 * rows. */
static void final_norm_backward(lt_engine *e, const float *x, float *dy, const int32_t *rows, int64_t n)
{
    lt_model *m = e->model;
    int64_t C = m->config.C;
    if (m->final_norm.weight)
        lt_norm_backward(&m->final_norm, x, C, dy, C, dy, C, false, m->dfinal_norm, m->dfinal_norm_bias, n,
                         e->run.norm_scratch);
    for (int64_t i = 0; i < n; i++) {
        memcpy(e->run.stream + rows[i] * C, dy + i * C, (size_t)C * sizeof *dy);
        e->has_gradient[rows[i]] = 1;
    }
}

const float *lt_engine_head_forward(lt_engine *e, int64_t first, int64_t n)
{
    lt_model *m = e->model;
    const lt_linear *head = &m->head;
    int64_t C = m->config.C;
    e->ws.token = first;
    for (int64_t r = 0; r < n; r++)
        memcpy(e->head_x + r * C, e->run.stream + e->rows[first + r] * C, (size_t)C * sizeof(float));
    normed(e, e->head_x, e->head_xn, n);
    const float *top = e->head_xn;
    if (lt_head_transform_has(m)) {
        lt_head_transform_forward(m, &e->ws, e->head_xn, n, &e->transform);
        top = e->transform.out;
    }
    lt_linear_forward(&head, 1, &e->ws, top, C, n, &e->logits, m->config.V);
    return top;
}

void lt_engine_head_backward(lt_engine *e, const float *top, int64_t first, int64_t n)
{
    lt_model *m = e->model;
    const lt_linear *head = &m->head;
    int64_t C = m->config.C;
    bool need = e->lowest < m->config.L || m->dfinal_norm || m->dfinal_norm_bias || lt_head_transform_trained(m);
    lt_linear_backward(&head, 1, &e->ws, top, C, n, &e->logits, m->config.V, need ? e->head_dx : NULL, C, false);
    if (need && lt_head_transform_has(m)) {
        lt_head_transform_backward(m, &e->ws, e->head_xn, n, &e->transform, e->head_dx, e->run.norm_scratch);
        final_norm_backward(e, e->head_x, e->transform.out, e->rows + first, n);
    } else if (need) {
        if (e->target_gradient)
            lt_kernels_get()->axpy(e->head_dx, 1.0f, e->target_gradient + first * C, n * C);
        final_norm_backward(e, e->head_x, e->head_dx, e->rows + first, n);
    }
}

bool lt_engine_head(lt_engine *e, const float *weight, float *logp, float *entropy, lt_logits_sink sink, void *context,
                    lt_error *err)
{
    const lt_config *c = &e->model->config;
    float scale = (float)c->logit_scale, softcap = (float)c->logit_softcap;
    assert((!weight || e->shape.training) && !(weight && sink));
    for (int64_t i = 0; i < e->batch->target_count; i += e->shape.head_chunk) {
        int64_t n = e->batch->target_count - i < e->shape.head_chunk ? e->batch->target_count - i : e->shape.head_chunk;
        const float *top = lt_engine_head_forward(e, i, n);
        if (sink) {
            lt_cross_entropy_finish_logits(e->logits, n, c->V, scale, softcap);
            sink(i, n, e->logits, context);
        }
        lt_cross_entropy(e->logits, n, c->V, e->labels + i, weight ? weight + i : NULL, sink ? 1.0f : scale,
                         sink ? 0.0f : softcap, logp + i, entropy ? entropy + i : NULL);
        if (weight)
            lt_engine_head_backward(e, top, i, n);
    }
    if (weight)
        e->target_gradient = NULL;
    return lt_weights_check(e->model->weights, err);
}

void lt_engine_add_target_gradients(lt_engine *e, const float *gradient)
{
    assert(!lt_head_transform_has(e->model));
    e->target_gradient = gradient;
}

int64_t lt_engine_width(const lt_engine *e) { return e->model->config.C; }

void lt_engine_hidden(lt_engine *e, int64_t row, float *out)
{
    normed(e, e->run.stream + stream_row(e, row) * e->model->config.C, out, 1);
}

void lt_engine_add_hidden_gradient(lt_engine *e, int64_t row, const float *gradient)
{
    int64_t C = e->model->config.C;
    int32_t at = (int32_t)stream_row(e, row);
    assert(!e->has_gradient[at] && "one gradient a row: sum them first");
    memcpy(e->head_x, e->run.stream + at * C, (size_t)C * sizeof(float));
    memcpy(e->head_dx, gradient, (size_t)C * sizeof(float));
    final_norm_backward(e, e->head_x, e->head_dx, &at, 1);
}

bool lt_engine_backward(lt_engine *e, lt_error *err)
{
    lt_model *m = e->model;
    int64_t C = m->config.C;
    assert(e->shape.training);
    for (int64_t t = 0; t < e->run.T; t++)
        if (!e->has_gradient[t])
            memset(e->run.stream + t * C, 0, (size_t)C * sizeof(float));
    bool embed = lt_embed_trained(&m->embed);
    clear_prefix_gradients(e);
    for (int64_t l = m->config.L - 1; l >= e->lowest; l--) {
        if (l > e->lowest)
            lt_block_prefetch(&m->blocks[l - 1]);
        lt_block_backward(&e->run, &m->blocks[l], l, &e->kept[l], l > e->lowest || embed);
    }
    lt_embed_tokens tokens = embedded(e);
    if (embed && !lt_embed_backward(&m->embed, &tokens, e->run.stream, e->run.chunk, e->run.xn, e->run.norm_scratch, err))
        return false;
    end_virtual(e);
    return lt_weights_check(m->weights, err);
}

/* Multiply-adds per token of a block's matrices, and of those that are computed again in its backward pass. */
static void block_macs(const lt_config *c, double *all, double *qkv_o, double *gate_up)
{
    int64_t sparse = 0;
    for (int64_t l = 0; l < c->L; l++)
        sparse += c->layers[l].sparse;
    double dense = (double)(c->L - sparse) / (double)c->L, mixed = (double)sparse / (double)c->L;
    *all = *qkv_o = *gate_up = 0;
    for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++) {
        if (!lt_config_has_linear(c, (lt_linear_slot)slot))
            continue;
        double macs = (double)lt_config_linear_out(c, (lt_linear_slot)slot) * (double)lt_config_linear_in(c, (lt_linear_slot)slot);
        if (slot > LT_LINEAR_O) /* of the layers that have an MLP of their own */
            macs *= dense;
        *all += macs;
        if (slot <= LT_LINEAR_O)
            *qkv_o += macs;
        else if (slot != LT_LINEAR_DOWN)
            *gate_up += macs;
    }
    double experts = mixed * (double)c->C * (double)(c->experts_per_token * c->expert_F + c->shared_F);
    *all += 3 * experts;
    *gate_up += 3 * experts; /* an expert's down is computed again too: its output weighs the routing's gradient */
}

double lt_engine_flops(const lt_engine_shape *shape, const lt_model *model, int64_t T, int64_t targets, double *useful)
{
    const lt_config *c = &model->config;
    double all, qkv_o, gate_up;
    block_macs(c, &all, &qkv_o, &gate_up);
    int64_t lowest = shape->training ? lt_model_lowest_trained((lt_model *)model) : c->L, trained = c->L - lowest;
    double sequence = (double)(T < shape->max_sequence ? T : shape->max_sequence);
    double attention = sequence * (double)(c->H * c->D); /* MACs a token: q·k and p·v, half of the square each */
    double L = (double)c->L, head = (double)(c->V * c->C) * (double)targets / (double)(T ? T : 1);
    double forward = L * (all + attention) + head;
    double backward = shape->training ? (double)trained * (all + 2.5 * attention) + head : 0;
    double full = model->head.dweight || model->blocks[c->L - 1].linear[LT_LINEAR_DOWN].dweight ? backward : 0;
    int64_t keep_attention = trained < shape->keep_all + shape->keep_attention ? trained - shape->keep_all : shape->keep_attention;
    double again = (double)keep_attention * gate_up;
    int64_t input = trained - shape->keep_all - shape->keep_attention;
    if (input > 0)
        again += (double)input * (qkv_o + gate_up + attention);
    if (useful)
        *useful = 2 * (double)T * (L * all + (double)trained * all + (shape->training ? 2 : 1) * head + full);
    return 2 * (double)T * (forward + backward + full + (shape->training ? again : 0));
}
