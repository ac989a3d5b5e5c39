#include "adapt/lora.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/dora.h"
#include "adapt/low_rank.h"
#include "adapt/lora_embedding.h"
#include "adapt/lora_experts.h"
#include "adapt/lora_linear.h"
#include "adapt/residual.h"
#include "adapt/token_rows.h"
#include "core/rng.h"

/* One adapted linear layer. */
typedef struct entry {
    union {
        lt_dora dora; /* its lora part alone without DoRA */
        lt_residual residual;
    };
    /* Begun as a part of w: twice the rank, (2R,K) and (N,2R), A and B before what they began with, as the file has it */
    float *whole_a, *whole_b;
    lt_linear *linear;
    int a, b, m; /* indices of its tensors; m is -1 without DoRA */
} entry;

typedef struct lora {
    lt_model *model;
    const lt_peft_config *config;
    lt_peft_matcher *matcher;
    entry **entries; /* each by itself: the model points at their hooks */
    int count, capacity;
    lt_lora_experts *experts; /* NULL: none are adapted */
    lt_lora_embedding embedding;
    lt_token_rows *tokens; /* NULL: no rows of the embedding are trained */
    int embedding_a, embedding_b; /* -1: the embedding is not adapted */
    bool residual;                /* PiSSA, OLoRA */
    lt_arena own;                 /* then: whole_a, whole_b and b0 of every entry */
    lt_param_list exported;
    lt_peft_patterns ranks, alphas; /* of the file */
    /* while attaching */
    lt_param_list *params;
    lt_error *err;
    bool failed;
} lora;

static int add_tensor(lora *l, const char *module, lt_peft_part part, int dims, int64_t rows, int64_t cols)
{
    char key[LT_PEFT_KEY_MAX];
    lt_peft_key_compose(key, module, part);
    return lt_param_list_add(l->params, key, dims, (int64_t[]){rows, cols}, true);
}

static bool matches(lora *l, const char *module, lt_peft_module_kind kind, lt_peft_match *match)
{
    if (!lt_peft_matcher_match(l->matcher, module, kind, match, l->err)) {
        l->failed = true;
        return false;
    }
    return match->adapts && !lt_peft_saves_module(l->config, module);
}

static entry *new_entry(lora *l)
{
    if (l->count == l->capacity) {
        int capacity = l->capacity ? 2 * l->capacity : 256;
        entry **grown = realloc(l->entries, (size_t)capacity * sizeof *grown);
        if (!grown)
            return NULL;
        l->entries = grown;
        l->capacity = capacity;
    }
    entry *e = calloc(1, sizeof *e);
    if (e)
        l->entries[l->count++] = e;
    return e;
}

static void attach_linear(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    lora *l = context;
    lt_peft_match match;
    (void)block;
    if (l->failed || !matches(l, linear->module, slot == LT_LINEAR_SLOTS ? LT_PEFT_MODULE_HEAD : LT_PEFT_MODULE_LINEAR, &match))
        return;
    const lt_lora_config *c = &l->config->lora;
    entry *e = new_entry(l);
    if (!e) {
        l->failed = !lt_error_set(l->err, LT_ERR_MEMORY, "out of memory for the adapter");
        return;
    }
    e->linear = linear;
    e->a = add_tensor(l, linear->module, LT_PEFT_PART_LORA_A, 2, match.rank, linear->K);
    e->b = add_tensor(l, linear->module, LT_PEFT_PART_LORA_B, 2, linear->N, match.rank);
    e->m = -1;
    if (c->use_dora) {
        e->m = add_tensor(l, linear->module, LT_PEFT_PART_MAGNITUDE, 1, linear->N, 0);
        l->failed = !lt_dora_init(&e->dora, linear, match.rank, (float)match.scale, (float)c->dropout, l->err);
    } else if (l->residual) {
        if (match.rank > linear->N || match.rank > linear->K)
            l->failed = !lt_error_set(l->err, LT_ERR_USAGE, "init_lora_weights: '%s' has no %d singular values", linear->module, match.rank);
        lt_residual_init(&e->residual, match.rank, (float)match.scale, (float)c->dropout);
    } else {
        lt_lora_linear_init(&e->dora.lora, match.rank, (float)match.scale, (float)c->dropout);
        lt_lora_linear_lend(&e->dora.lora);
    }
    linear->hook = &e->dora.lora.hook;
}

static void attach_embedding(lora *l)
{
    const lt_config *c = &l->model->config;
    lt_peft_match match;
    if (!matches(l, c->embed_name, LT_PEFT_MODULE_EMBEDDING, &match))
        return;
    if (l->residual) {
        l->failed = !lt_error_set(l->err, LT_ERR_UNSUPPORTED, "init_lora_weights: PiSSA and OLoRA on the embedding '%s' are not supported",
                                  c->embed_name);
        return;
    }
    if (l->config->lora.use_dora) {
        l->failed = !lt_error_set(l->err, LT_ERR_UNSUPPORTED, "DoRA on the embedding '%s' is not supported; leave it out of target_modules",
                                  c->embed_name);
        return;
    }
    l->embedding_a = add_tensor(l, c->embed_name, LT_PEFT_PART_EMBEDDING_A, 2, match.rank, c->V);
    l->embedding_b = add_tensor(l, c->embed_name, LT_PEFT_PART_EMBEDDING_B, 2, c->C, match.rank);
    lt_lora_embedding_init(&l->embedding, match.rank, c->V, (float)match.scale);
    l->model->embed.hook = &l->embedding.hook;
}

static void name_module(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    char *list = context;
    if (block == 0 && slot != LT_LINEAR_SLOTS)
        snprintf(list + strlen(list), 512 - strlen(list), "%s%s", *list ? ", " : "", strrchr(linear->module, '.') + 1);
}

static void detach(void *state)
{
    lora *l = state;
    for (int i = 0; i < l->count; i++) {
        l->entries[i]->linear->hook = NULL;
        if (!l->residual)
            lt_dora_free(&l->entries[i]->dora);
        free(l->entries[i]);
    }
    lt_lora_experts_detach(l->experts);
    lt_token_rows_detach(l->tokens);
    if (l->embedding_a >= 0)
        l->model->embed.hook = NULL;
    lt_peft_matcher_free(l->matcher);
    lt_param_list_free(&l->exported);
    lt_arena_free(&l->own);
    free(l->ranks.items); /* the keys are the configuration's */
    free(l->alphas.items);
    free(l->entries);
    free(l);
}

static void layout_residual(lora *l, lt_arena *arena)
{
    for (int i = 0; i < l->count; i++) {
        entry *e = l->entries[i];
        int64_t R = e->residual.lora.R, N = e->linear->N, K = e->linear->K;
        e->whole_a = LT_ARENA_NEW(arena, float, 2 * R * K);
        e->whole_b = LT_ARENA_NEW(arena, float, N * 2 * R);
        e->residual.a0 = e->whole_a + (e->whole_a ? R * K : 0);
        e->residual.b0 = LT_ARENA_NEW(arena, float, N * R);
    }
}

static bool take_residual(lora *l, lt_error *err)
{
    lt_arena measure = lt_arena_measure();
    layout_residual(l, &measure);
    if (!lt_arena_init(&l->own, measure.used, err))
        return false;
    memset(l->own.base, 0, (size_t)measure.used); /* resident: plans begin from what the process holds */
    layout_residual(l, &l->own);
    return true;
}

static bool attach(void **state, lt_model *model, const lt_peft_config *config, lt_param_list *params, lt_error *err)
{
    bool residual = config->lora.init == LT_LORA_INIT_PISSA || config->lora.init == LT_LORA_INIT_OLORA;
    if (residual && config->lora.use_dora)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "init_lora_weights: PiSSA and OLoRA cannot be used with DoRA");
    lora *l = calloc(1, sizeof *l);
    if (!l)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    *l = (lora){.model = model, .config = config, .params = params, .err = err, .embedding_a = -1, .residual = residual};
    if (!lt_peft_matcher_create(&l->matcher, config, err)) {
        detach(l);
        return false;
    }
    attach_embedding(l);
    lt_model_each_linear(model, attach_linear, l);
    if (!l->failed)
        l->failed = !lt_lora_experts_attach(&l->experts, model, config, params, err);
    if (!l->failed && l->experts && residual)
        l->failed = !lt_error_set(err, LT_ERR_UNSUPPORTED, "init_lora_weights: PiSSA and OLoRA on target_parameters are not supported");
    if (!l->failed && !l->experts && l->count == 0 && l->embedding_a < 0) {
        char list[512] = "";
        lt_model_each_linear(model, name_module, list);
        l->failed = !lt_error_set(err, LT_ERR_USAGE, "target_modules match no layer of the model; its blocks have: %s", list);
    }
    if (!l->failed)
        l->failed = !lt_token_rows_attach(&l->tokens, model, config, params, err);
    if (!l->failed && residual)
        l->failed = !take_residual(l, err);
    if (l->failed) {
        detach(l);
        return false;
    }
    *state = l;
    return true;
}

static void bind(void *state, lt_param_list *params)
{
    lora *l = state;
    for (int i = 0; i < l->count; i++) {
        entry *e = l->entries[i];
        lt_lora_linear *lin = &e->dora.lora;
        lin->a = params->items[e->a].value;
        lin->da = params->items[e->a].gradient;
        lin->b = params->items[e->b].value;
        lin->db = params->items[e->b].gradient;
        if (e->m >= 0) {
            e->dora.m = params->items[e->m].value;
            e->dora.dm = params->items[e->m].gradient;
        }
    }
    lt_lora_experts_bind(l->experts, params);
    lt_token_rows_bind(l->tokens, params);
    if (l->embedding_a >= 0) {
        l->embedding.a = params->items[l->embedding_a].value;
        l->embedding.da = params->items[l->embedding_a].gradient;
        l->embedding.b = params->items[l->embedding_b].value;
        l->embedding.db = params->items[l->embedding_b].gradient;
    }
}

static void fill_uniform(lt_param *p, float bound, uint64_t seed, uint64_t stream)
{
    lt_rng rng = lt_rng_make(seed, stream);
    for (int64_t i = 0; i < p->elements; i++)
        p->value[i] = bound * (2 * lt_rng_uniform(&rng) - 1);
}

static void fill_normal(lt_param *p, float deviation, uint64_t seed, uint64_t stream)
{
    lt_rng rng = lt_rng_make(seed, stream);
    for (int64_t i = 0; i < p->elements; i++)
        p->value[i] = deviation * lt_rng_normal(&rng);
}

static void fill_zero(lt_param *p)
{
    memset(p->value, 0, (size_t)p->elements * sizeof *p->value);
}

/* A stream of random numbers per tensor, apart from those of dropout and shuffling. */
static uint64_t stream_of(int param)
{
    return (uint64_t)1 << 62 | (uint64_t)param;
}

/* Rows of q (R,R), filled with normal numbers, become orthonormal: Gram and Schmidt, twice. */
static void orthonormal_rows(float *q, int64_t R)
{
    const lt_kernels *k = lt_kernels_get();
    for (int64_t i = 0; i < R; i++) {
        for (int64_t j = 0; j < 2 * i; j++)
            k->axpy(q + i * R, -k->dot(q + i * R, q + j % i * R, R), q + j % i * R, R);
        k->scale(q + i * R, 1.0f / sqrtf(k->dot(q + i * R, q + i * R, R)), R);
    }
}

/* A = (X Q_even)ᵀ / 10 and B = Y Q_odd / 10 with X (K,R/2), Y (N,R/2) normal and Q's rows orthonormal: B A is 0, neither is. */
static bool fill_orthogonal(lt_param *a, lt_param *b, int64_t R, uint64_t seed, uint64_t stream, lt_error *err)
{
    int64_t K = a->shape[1], N = b->shape[0];
    if (R % 2)
        return lt_error_set(err, LT_ERR_USAGE, "init_lora_weights: orthogonal needs an even rank, found %lld", (long long)R);
    lt_rng rng = lt_rng_make(seed, stream);
    float *q = malloc((size_t)(R * R) * sizeof *q);
    if (!q)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    for (int64_t i = 0; i < R * R; i++)
        q[i] = lt_rng_normal(&rng);
    orthonormal_rows(q, R);
    fill_zero(a);
    fill_zero(b);
    for (int64_t h = 0; h < R; h += 2)
        for (int64_t k = 0; k < K; k++) {
            float x = 0.1f * lt_rng_normal(&rng);
            for (int64_t r = 0; r < R; r++)
                a->value[r * K + k] += x * q[h * R + r];
        }
    for (int64_t n = 0; n < N; n++)
        for (int64_t h = 1; h < R; h += 2)
            lt_kernels_get()->axpy(b->value + n * R, 0.1f * lt_rng_normal(&rng), q + h * R, R);
    free(q);
    return true;
}

/* ---- PiSSA and OLoRA ---- */

/* b (N,R) = factor · rows of x (R,N), transposed. */
static void to_columns(const float *x, int64_t R, int64_t N, float factor, float *b)
{
    for (int64_t n = 0; n < N; n++)
        for (int64_t r = 0; r < R; r++)
            b[n * R + r] = factor * x[r * N + n];
}

/* PiSSA: w ≈ U S V, A = √(S / s) V, B = U √(S / s). OLoRA: w = Q R, A = R, B = Q. */
static bool factorise(const lora *l, const entry *e, uint64_t seed, float *a, float *b, lt_error *err)
{
    const lt_lora_config *c = &l->config->lora;
    int64_t R = e->residual.lora.R, N = e->linear->N, K = e->linear->K;
    float *u = malloc((size_t)(R * N) * sizeof *u), *s = malloc((size_t)R * sizeof *s);
    bool ok = (u && s) || lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    if (ok && c->init == LT_LORA_INIT_OLORA)
        ok = lt_low_rank_qr(e->linear, R, u, a, err);
    else if (ok && (ok = lt_low_rank_svd(e->linear, R, c->pissa_niter, seed, u, s, a, err)))
        for (int64_t r = 0; r < R; r++) {
            float root = sqrtf(s[r] / e->residual.lora.scale);
            lt_kernels_get()->scale(a + r * K, root, K);
            lt_kernels_get()->scale(u + r * N, root, N);
        }
    if (ok)
        to_columns(u, R, N, 1, b);
    free(u);
    free(s);
    return ok;
}

/* The half that does not change, from the beginning that a0 and b0 hold. */
static void remember_beginning(entry *e)
{
    int64_t R = e->residual.lora.R;
    for (int64_t n = 0; n < e->linear->N; n++)
        for (int64_t r = 0; r < R; r++)
            e->whole_b[n * 2 * R + R + r] = -e->residual.b0[n * R + r];
}

static bool init_residual(lora *l, lt_param_list *params, uint64_t seed, lt_error *err)
{
    for (int i = 0; i < l->count; i++) {
        entry *e = l->entries[i];
        lt_param *a = &params->items[e->a], *b = &params->items[e->b];
        if (!factorise(l, e, seed, a->value, b->value, err))
            return false;
        memcpy(e->residual.a0, a->value, (size_t)a->elements * sizeof(float));
        memcpy(e->residual.b0, b->value, (size_t)b->elements * sizeof(float));
        remember_beginning(e);
    }
    return true;
}

static bool exports(const void *state)
{
    return ((const lora *)state)->residual;
}

static entry *entry_of(const lora *l, int param)
{
    for (int i = 0; i < l->count; i++)
        if (l->entries[i]->a == param || l->entries[i]->b == param)
            return l->entries[i];
    return NULL;
}

/* (w - s B0 A0) + s B A = w + s [B, -B0] [A; A0]: a plain LoRA of twice the rank on the base as it is. */
static bool exported(void *state, const lt_param_list *params, const lt_param_list **list, lt_error *err)
{
    lora *l = state;
    (void)err;
    lt_param_list_free(&l->exported);
    for (int i = 0; i < params->count; i++) {
        const lt_param *p = &params->items[i];
        entry *e = entry_of(l, i);
        int64_t shape[4] = {p->shape[0], p->shape[1], p->shape[2], p->shape[3]}, R = e ? e->residual.lora.R : 0;
        if (e)
            shape[e->a == i ? 0 : 1] *= 2;
        int at = lt_param_list_add(&l->exported, p->name, p->dims, shape, p->decay);
        l->exported.items[at].value = !e ? p->value : e->a == i ? e->whole_a : e->whole_b;
        if (e && e->a == i)
            memcpy(e->whole_a, p->value, (size_t)p->elements * sizeof(float));
        for (int64_t n = 0; e && e->b == i && n < e->linear->N; n++)
            memcpy(e->whole_b + n * 2 * R, p->value + n * R, (size_t)R * sizeof(float));
    }
    *list = &l->exported;
    return true;
}

static bool times(lt_peft_patterns *out, const lt_peft_patterns *in, double factor)
{
    free(out->items);
    *out = (lt_peft_patterns){.items = calloc((size_t)in->count + 1, sizeof *out->items), .count = in->count};
    for (int i = 0; out->items && i < in->count; i++)
        out->items[i] = (lt_peft_pattern){in->items[i].key, in->items[i].value * factor};
    return out->items != NULL;
}

/* Twice the rank at the same scale. */
static bool export_config(void *state, lt_peft_config *config, lt_error *err)
{
    lora *l = state;
    double factor = config->lora.use_rslora ? sqrt(2) : 2;
    if (!times(&l->ranks, &config->lora.rank_pattern, 2) || !times(&l->alphas, &config->lora.alpha_pattern, factor))
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    config->lora.rank *= 2;
    config->lora.alpha *= factor;
    config->lora.rank_pattern = l->ranks;
    config->lora.alpha_pattern = l->alphas;
    config->lora.init = LT_LORA_INIT_KAIMING;
    return true;
}

/* The other way: what a checkpoint of this run holds. */
static bool load(void *state, lt_param_list *params, const char *folder, lt_error *err)
{
    lora *l = state;
    const lt_param_list *list;
    lt_safetensors *set;
    if (!exported(l, params, &list, err) || !lt_peft_open_tensors(&set, folder, err))
        return false;
    bool ok = true;
    for (int i = 0; ok && i < list->count; i++)
        ok = lt_adapter_load_tensor(set, &list->items[i], folder, err);
    lt_safetensors_close(set);
    for (int i = 0; ok && i < l->count; i++) {
        entry *e = l->entries[i];
        lt_param *a = &params->items[e->a], *b = &params->items[e->b];
        int64_t R = e->residual.lora.R;
        memcpy(a->value, e->whole_a, (size_t)a->elements * sizeof(float)); /* a0 is the rest of whole_a */
        for (int64_t n = 0; n < e->linear->N; n++)
            for (int64_t r = 0; r < R; r++) {
                b->value[n * R + r] = e->whole_b[n * 2 * R + r];
                e->residual.b0[n * R + r] = -e->whole_b[n * 2 * R + R + r];
            }
    }
    return ok;
}

static bool init(void *state, lt_param_list *params, uint64_t seed, lt_error *err)
{
    lora *l = state;
    lt_lora_init kind = l->config->lora.init;
    if (!lt_token_rows_init(l->tokens, err))
        return false;
    if (l->residual)
        return init_residual(l, params, seed, err);
    if (kind == LT_LORA_INIT_EVA)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "init_lora_weights: a new adapter cannot start as \"eva\"");
    for (int i = 0; i < l->count; i++) {
        entry *e = l->entries[i];
        lt_param *a = &params->items[e->a], *b = &params->items[e->b];
        int64_t R = e->dora.lora.R;
        if (kind == LT_LORA_INIT_GAUSSIAN)
            fill_normal(a, 1.0f / (float)R, seed, stream_of(e->a));
        else /* kaiming_uniform(a = sqrt 5) of nn.Linear: bound 1 / sqrt(fan-in) */
            fill_uniform(a, 1.0f / sqrtf((float)e->linear->K), seed, stream_of(e->a));
        if (kind == LT_LORA_INIT_ORTHOGONAL && !fill_orthogonal(a, b, R, seed, stream_of(e->a), err))
            return false;
        if (kind == LT_LORA_INIT_ORTHOGONAL)
            ;
        else if (kind == LT_LORA_INIT_RANDOM)
            fill_uniform(b, 1.0f / sqrtf((float)R), seed, stream_of(e->b));
        else
            fill_zero(b);
        if (e->m >= 0)
            lt_dora_row_norms(&e->dora, e->linear, params->items[e->m].value);
    }
    int a, b;
    int64_t in;
    for (int i = 0; lt_lora_experts_tensors(l->experts, i, &a, &b, &in); i++) {
        if (kind == LT_LORA_INIT_GAUSSIAN)
            fill_normal(&params->items[a], 1.0f / (float)l->config->lora.rank, seed, stream_of(a));
        else
            fill_uniform(&params->items[a], 1.0f / sqrtf((float)in), seed, stream_of(a));
        if (kind == LT_LORA_INIT_RANDOM)
            fill_uniform(&params->items[b], 1.0f / sqrtf((float)params->items[b].shape[1]), seed, stream_of(b));
        else
            fill_zero(&params->items[b]);
    }
    if (l->embedding_a >= 0) { /* nn.Embedding's way: the zero is A, so that a token's row begins as it was */
        fill_zero(&params->items[l->embedding_a]);
        if (kind == LT_LORA_INIT_RANDOM)
            fill_normal(&params->items[l->embedding_a], 1.0f, seed, stream_of(l->embedding_a));
        fill_normal(&params->items[l->embedding_b], 1.0f, seed, stream_of(l->embedding_b));
    }
    return true;
}

static void enable(void *state, bool enabled)
{
    lora *l = state;
    for (int i = 0; i < l->count; i++)
        l->entries[i]->dora.lora.hook.enabled = enabled;
    lt_lora_experts_enable(l->experts, enabled);
    lt_token_rows_enable(l->tokens, enabled);
    l->embedding.hook.enabled = enabled;
}

const lt_adapter_method lt_adapter_lora = {.type = LT_PEFT_LORA, .can = LT_PEFT_CAN_DORA | LT_PEFT_CAN_TOKENS | LT_PEFT_CAN_PARAMETERS,
                                           .attach = attach, .bind = bind, .init = init, .exports = exports, .exported = exported,
                                           .export_config = export_config, .load = load, .enable = enable, .detach = detach};
