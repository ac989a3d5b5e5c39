#include "adapt/prompt_encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/dense.h"
#include "adapt/lstm.h"
#include "core/rng.h"
#include "simd/kernels.h"

enum { MOST_DENSE = 3 };

struct lt_prompt_encoder_net {
    lt_prompt_encoder_shape shape;
    int embedding;
    float *e, *de; /* (P,C) */
    lt_lstm *lstm; /* (layers) */
    int layers;    /* of the LSTM; 0: none */
    lt_dense dense[MOST_DENSE];
    int depth;
    lt_arena arena;
    float **hidden;          /* (layers) the LSTM's outputs (P,2E) */
    float **passed;          /* (layers) what the next layer gets of them: hidden, or with dropout a copy */
    float **mask;            /* (layers) with dropout: 0, or 1 / (1 - p); else NULL */
    float *act[MOST_DENSE];  /* inputs of the dense layers */
    float *da, *db, *part;   /* (P, widest) gradients on their way down */
    void *scratch;
};

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static void layout(lt_prompt_encoder_net *n, lt_arena *arena)
{
    int64_t P = n->shape.P, wide = most(n->shape.W, most(n->shape.C, 2 * n->shape.E)), scratch = 0;
    for (int l = 0; l < n->layers; l++) {
        lt_lstm_layout(&n->lstm[l], P, arena);
        n->hidden[l] = LT_ARENA_NEW(arena, float, P * 2 * n->shape.E);
        bool drops = n->shape.dropout > 0 && l + 1 < n->layers;
        n->passed[l] = drops ? LT_ARENA_NEW(arena, float, P * 2 * n->shape.E) : n->hidden[l];
        n->mask[l] = drops ? LT_ARENA_NEW(arena, float, P * 2 * n->shape.E) : NULL;
        scratch = most(scratch, lt_lstm_scratch_bytes(&n->lstm[l], P));
    }
    for (int d = 0; d < n->depth; d++) {
        n->act[d] = LT_ARENA_NEW(arena, float, P * n->dense[d].K);
        scratch = most(scratch, lt_dense_scratch_bytes(&n->dense[d], P));
    }
    n->da = LT_ARENA_NEW(arena, float, P * wide);
    n->db = LT_ARENA_NEW(arena, float, P * wide);
    n->part = LT_ARENA_NEW(arena, float, P * wide);
    n->scratch = lt_arena_alloc(arena, scratch);
}

static void add_dense(lt_prompt_encoder_net *n, lt_param_list *params, const char *name, int64_t out, int64_t in)
{
    lt_dense_add(&n->dense[n->depth++], params, name, out, in);
}

static void add_tensors(lt_prompt_encoder_net *n, lt_param_list *params)
{
    const lt_prompt_encoder_shape *s = &n->shape;
    n->embedding = lt_param_list_add(params, "prompt_encoder.embedding.weight", 2, (int64_t[]){s->P, s->C}, true);
    switch (s->kind) {
    case LT_PROMPT_ENCODER_NET_MLP:
        add_dense(n, params, "prompt_encoder.mlp_head.0", s->E, s->C);
        add_dense(n, params, "prompt_encoder.mlp_head.2", s->E, s->E);
        add_dense(n, params, "prompt_encoder.mlp_head.4", s->W, s->E);
        break;
    case LT_PROMPT_ENCODER_NET_LSTM:
        for (int l = 0; l < n->layers; l++)
            lt_lstm_add(&n->lstm[l], params, "prompt_encoder.lstm_head", l, l ? 2 * s->E : s->C, s->E);
        add_dense(n, params, "prompt_encoder.mlp_head.0", 2 * s->E, 2 * s->E);
        add_dense(n, params, "prompt_encoder.mlp_head.2", s->W, 2 * s->E);
        break;
    case LT_PROMPT_ENCODER_NET_PREFIX:
        add_dense(n, params, "prompt_encoder.transform.0", s->E, s->C);
        add_dense(n, params, "prompt_encoder.transform.2", s->W, s->E);
        break;
    }
}

bool lt_prompt_encoder_open(lt_prompt_encoder_net **out, const lt_prompt_encoder_shape *shape, lt_param_list *params, lt_error *err)
{
    lt_prompt_encoder_net *n = calloc(1, sizeof *n);
    lt_arena measure = lt_arena_measure();
    if (!n)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the prompt encoder");
    n->shape = *shape;
    n->layers = shape->kind == LT_PROMPT_ENCODER_NET_LSTM ? shape->layers : 0;
    n->lstm = calloc((size_t)n->layers + 1, sizeof *n->lstm);
    n->hidden = calloc((size_t)n->layers + 1, sizeof *n->hidden);
    n->passed = calloc((size_t)n->layers + 1, sizeof *n->passed);
    n->mask = calloc((size_t)n->layers + 1, sizeof *n->mask);
    if (!n->lstm || !n->hidden || !n->passed || !n->mask) {
        lt_prompt_encoder_close(n);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the prompt encoder");
    }
    add_tensors(n, params);
    layout(n, &measure);
    if (!lt_arena_init(&n->arena, measure.used, err)) {
        lt_prompt_encoder_close(n);
        return false;
    }
    memset(n->arena.base, 0, (size_t)measure.used); /* resident: plans begin from what the process holds */
    layout(n, &n->arena);
    *out = n;
    return true;
}

void lt_prompt_encoder_close(lt_prompt_encoder_net *n)
{
    if (!n)
        return;
    lt_arena_free(&n->arena);
    free(n->lstm);
    free(n->hidden);
    free(n->passed);
    free(n->mask);
    free(n);
}

void lt_prompt_encoder_bind(lt_prompt_encoder_net *n, lt_param_list *params)
{
    n->e = params->items[n->embedding].value;
    n->de = params->items[n->embedding].gradient;
    for (int l = 0; l < n->layers; l++)
        lt_lstm_bind(&n->lstm[l], params);
    for (int d = 0; d < n->depth; d++)
        lt_dense_bind(&n->dense[d], params);
}

void lt_prompt_encoder_init(lt_prompt_encoder_net *n, lt_param_list *params, uint64_t seed, bool zero)
{
    lt_param_fill_normal(&params->items[n->embedding], n->embedding, 1.0f, seed);
    for (int l = 0; l < n->layers; l++)
        lt_lstm_init(&n->lstm[l], params, seed);
    for (int d = 0; d < n->depth; d++)
        lt_dense_init(&n->dense[d], seed);
    const lt_dense *last = &n->dense[n->depth - 1];
    if (zero) {
        memset(last->w, 0, (size_t)(last->N * last->K) * sizeof *last->w);
        memset(last->b, 0, (size_t)last->N * sizeof *last->b);
    }
}

/* passed = hidden · mask; without dropout the mask is all ones. */
static void drop(lt_prompt_encoder_net *n, int layer, uint64_t seed, uint64_t step, bool dropout)
{
    int64_t elements = n->shape.P * 2 * n->shape.E;
    uint32_t threshold = (uint32_t)(n->shape.dropout * 4294967296.0);
    lt_rng rng = lt_rng_make(seed, (uint64_t)3 << 62 | (uint64_t)layer << 32 | (step & 0xFFFFFFFFu));
    for (int64_t i = 0; n->mask[layer] && i < elements; i++) {
        n->mask[layer][i] = !dropout ? 1.0f : lt_rng_u32(&rng) < threshold ? 0.0f : 1.0f / (1.0f - n->shape.dropout);
        n->passed[layer][i] = n->hidden[layer][i] * n->mask[layer][i];
    }
}

static void drop_backward(const lt_prompt_encoder_net *n, int layer, float *dx)
{
    int64_t elements = n->shape.P * 2 * n->shape.E;
    for (int64_t i = 0; n->mask[layer] && i < elements; i++)
        dx[i] *= n->mask[layer][i];
}

/* Between the dense layers. */
static void activate(const lt_prompt_encoder_net *n, float *x, int64_t elements)
{
    bool tanh = n->shape.kind == LT_PROMPT_ENCODER_NET_PREFIX;
    for (int64_t i = 0; i < elements; i++)
        x[i] = tanh ? tanhf(x[i]) : x[i] > 0 ? x[i] : 0.0f;
}

static void activate_backward(const lt_prompt_encoder_net *n, const float *y, float *dy, int64_t elements)
{
    bool tanh = n->shape.kind == LT_PROMPT_ENCODER_NET_PREFIX;
    for (int64_t i = 0; i < elements; i++)
        dy[i] *= tanh ? 1 - y[i] * y[i] : y[i] > 0 ? 1.0f : 0.0f;
}

void lt_prompt_encoder_forward(lt_prompt_encoder_net *n, float *values, uint64_t seed, uint64_t step, bool dropout)
{
    int64_t P = n->shape.P;
    const float *x = n->e;
    for (int l = 0; l < n->layers; l++) {
        lt_lstm_forward(&n->lstm[l], x, P, n->hidden[l], n->scratch);
        drop(n, l, seed, step, dropout);
        x = n->passed[l];
    }
    memcpy(n->act[0], x, (size_t)(P * n->dense[0].K) * sizeof *x);
    for (int d = 0; d < n->depth; d++) {
        float *y = d + 1 < n->depth ? n->act[d + 1] : values;
        lt_dense_forward(&n->dense[d], n->act[d], P, y, n->scratch);
        if (d + 1 < n->depth)
            activate(n, y, P * n->dense[d].N);
    }
}

void lt_prompt_encoder_backward(lt_prompt_encoder_net *n, const float *dvalues)
{
    int64_t P = n->shape.P;
    const float *dy = dvalues;
    float *dx = n->da, *other = n->db;
    for (int d = n->depth - 1; d >= 0; d--) {
        lt_dense_backward(&n->dense[d], n->act[d], dy, P, dx, n->scratch);
        if (d > 0)
            activate_backward(n, n->act[d], dx, P * n->dense[d].K);
        dy = dx;
        dx = other;
        other = (float *)dy;
    }
    for (int l = n->layers - 1; l >= 0; l--) {
        drop_backward(n, l, other); /* dy */
        lt_lstm_backward(&n->lstm[l], l ? n->passed[l - 1] : n->e, n->hidden[l], dy, P, dx, n->part, n->scratch);
        dy = dx;
        dx = other;
        other = (float *)dy;
    }
    lt_kernels_get()->axpy(n->de, 1.0f, dy, P * n->shape.C);
}
