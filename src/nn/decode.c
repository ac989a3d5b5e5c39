#include "nn/decode.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "nn/block.h"

enum { TILE = 16 }; /* new tokens of one sequence that attend together */

/* One tile of attention: tokens first .. first+count-1 of the rows in hand, consecutive in one sequence. */
typedef struct tile {
    int64_t sequence, first, count;
} tile;

struct lt_decoder {
    lt_model *model;
    lt_decoder_shape shape;
    lt_arena arena, hook_arena;
    lt_workspace ws;
    lt_run run;
    lt_dtype cache_dtype;
    char **keys, **values; /* (L · sequences) each (capacity, K·D) */
    int64_t *lengths;      /* (sequences) */
    float *x;              /* (chunk,C) */
    float *hidden;         /* (chunk,C) */
    int32_t *positions;    /* (chunk) */
    tile *tiles;           /* (chunk) */
    int64_t tile_count;
    float *q, *scores, *mix; /* per thread: (TILE·G, D), (TILE·G, capacity), (TILE·G, D) */
    char *gemm;              /* per thread */
    int64_t gemm_bytes;
};

static int64_t group_rows(const lt_config *c) { return TILE * (c->H / c->K); }

static void hook_bytes(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    lt_decoder *d = context;
    (void)block;
    (void)slot;
    if (!linear->hook)
        return;
    int64_t bytes = linear->hook->scratch_bytes(linear->hook, linear, d->shape.chunk);
    if (bytes > d->hook_arena.size)
        d->hook_arena.size = bytes;
}

static void layout(lt_decoder *d)
{
    const lt_config *c = &d->model->config;
    lt_arena *a = &d->arena;
    int64_t n = d->shape.chunk, wide = lt_model_widest(d->model), rows = group_rows(c), S = d->shape.capacity;
    int threads = d->shape.threads;
    int64_t cache = lt_dtype_bytes(d->cache_dtype, S * c->K * c->D);
    for (int64_t i = 0; i < c->L * d->shape.sequences; i++) {
        char *k = lt_arena_alloc(a, cache), *v = lt_arena_alloc(a, cache);
        if (d->keys) {
            d->keys[i] = k;
            d->values[i] = v;
        }
    }
    d->ws.compute = d->shape.compute;
    d->run = (lt_run){.config = c, .ws = &d->ws, .chunk = n};
    d->x = LT_ARENA_NEW(a, float, n * c->C);
    d->hidden = LT_ARENA_NEW(a, float, n * c->C);
    d->positions = LT_ARENA_NEW(a, int32_t, n);
    d->tiles = LT_ARENA_NEW(a, tile, n);
    d->run.qkv = LT_ARENA_NEW(a, float, n * (c->H + 2 * c->K) * c->D);
    d->run.attn = LT_ARENA_NEW(a, float, n * c->H * c->D);
    d->run.xn = LT_ARENA_NEW(a, float, n * c->C);
    d->run.branch = LT_ARENA_NEW(a, float, n * c->C);
    d->run.gu = LT_ARENA_NEW(a, float, n * (c->gated_mlp ? 2 : 1) * c->F);
    d->run.act = LT_ARENA_NEW(a, float, n * c->F);
    for (int i = 0; i < c->rope_count; i++)
        lt_rope_table_init(&d->run.ropes[i], &c->ropes[i], S, S, a);
    d->q = LT_ARENA_NEW(a, float, threads * rows * c->D);
    d->mix = LT_ARENA_NEW(a, float, threads * rows * c->D);
    d->scores = LT_ARENA_NEW(a, float, threads * rows * S);
    d->gemm_bytes = lt_align_up(lt_gemm_scratch_bytes(d->shape.compute, rows, S > c->D ? S : c->D, 1));
    d->gemm = lt_arena_alloc(a, threads * d->gemm_bytes);
    d->ws.gemm = lt_arena_alloc(a, lt_gemm_scratch_bytes(d->shape.compute, n, wide, threads));
    d->ws.packed_x = lt_arena_alloc(a, lt_linear_packed_bytes(d->shape.compute, n, wide));
    d->hook_arena = (lt_arena){0};
    lt_model_each_linear(d->model, hook_bytes, d);
    d->hook_arena.base = lt_arena_alloc(a, d->hook_arena.size);
    d->ws.arena = &d->hook_arena;
}

static lt_dtype cache_dtype(lt_compute compute)
{
    return compute == LT_COMPUTE_BF16 ? LT_DTYPE_BF16 : LT_DTYPE_F32;
}

int64_t lt_decoder_bytes(const lt_model *model, const lt_decoder_shape *shape)
{
    lt_decoder d = {.model = (lt_model *)model, .shape = *shape, .arena = lt_arena_measure(),
                    .cache_dtype = cache_dtype(shape->compute)};
    layout(&d);
    return d.arena.used;
}

bool lt_decoder_open(lt_decoder **out, lt_model *model, const lt_decoder_shape *shape, lt_error *err)
{
    int64_t caches = model->config.L * shape->sequences;
    lt_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    d->model = model;
    d->shape = *shape;
    d->cache_dtype = cache_dtype(shape->compute);
    d->keys = calloc((size_t)caches, sizeof *d->keys);
    d->values = calloc((size_t)caches, sizeof *d->values);
    d->lengths = calloc((size_t)shape->sequences, sizeof *d->lengths);
    if (!d->keys || !d->values || !d->lengths) {
        lt_decoder_close(d);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    }
    if (!lt_arena_init(&d->arena, lt_decoder_bytes(model, shape), err)) {
        lt_decoder_close(d);
        return false;
    }
    layout(d);
    *out = d;
    return true;
}

void lt_decoder_close(lt_decoder *d)
{
    if (!d)
        return;
    lt_arena_free(&d->arena);
    free(d->keys);
    free(d->values);
    free(d->lengths);
    free(d);
}

int64_t lt_decoder_length(const lt_decoder *d, int64_t sequence)
{
    return d->lengths[sequence];
}

void lt_decoder_rewind(lt_decoder *d, int64_t sequence, int64_t length)
{
    assert(length >= 0 && length <= d->lengths[sequence]);
    d->lengths[sequence] = length;
}

void lt_decoder_copy(lt_decoder *d, int64_t from, int64_t to)
{
    const lt_config *c = &d->model->config;
    int64_t bytes = lt_dtype_bytes(d->cache_dtype, d->lengths[from] * c->K * c->D);
    for (int64_t l = 0; l < c->L && from != to; l++) {
        memcpy(d->keys[l * d->shape.sequences + to], d->keys[l * d->shape.sequences + from], (size_t)bytes);
        memcpy(d->values[l * d->shape.sequences + to], d->values[l * d->shape.sequences + from], (size_t)bytes);
    }
    d->lengths[to] = d->lengths[from];
}

/* Puts rows of k or v (n, K·D of rows QKV wide) into the cache at their positions. */
static void remember(const lt_decoder *d, int64_t layer, const tile *t)
{
    const lt_config *c = &d->model->config;
    const lt_kernels *k = lt_kernels_get();
    int64_t QKV = (c->H + 2 * c->K) * c->D, KD = c->K * c->D, at = layer * d->shape.sequences + t->sequence;
    for (int64_t i = t->first; i < t->first + t->count; i++) {
        const float *key = d->run.qkv + i * QKV + c->H * c->D, *value = key + KD;
        int64_t offset = lt_dtype_bytes(d->cache_dtype, d->positions[i] * KD);
        if (d->cache_dtype == LT_DTYPE_BF16) {
            k->f32_to_bf16(key, (uint16_t *)(d->keys[at] + offset), KD);
            k->f32_to_bf16(value, (uint16_t *)(d->values[at] + offset), KD);
        } else {
            memcpy(d->keys[at] + offset, key, (size_t)KD * sizeof(float));
            memcpy(d->values[at] + offset, value, (size_t)KD * sizeof(float));
        }
    }
}

/* scores (S) of one query at `position` become probabilities; entries outside what it may see become 0. */
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

/* Attention of one tile for one key/value head: all query heads of its group at once. */
static void attend(const lt_decoder *d, const lt_attention *attention, int64_t layer, const tile *t, int64_t kv)
{
    const lt_config *c = &d->model->config;
    int64_t G = c->H / c->K, D = c->D, QKV = (c->H + 2 * c->K) * D, rows = t->count * G, thread = lt_threads_index();
    int64_t S = d->positions[t->first + t->count - 1] + 1, at = layer * d->shape.sequences + t->sequence;
    float *q = d->q + thread * group_rows(c) * D, *mix = d->mix + thread * group_rows(c) * D;
    float *scores = d->scores + thread * group_rows(c) * d->shape.capacity;
    for (int64_t i = 0; i < t->count; i++)
        memcpy(q + i * G * D, d->run.qkv + (t->first + i) * QKV + kv * G * D, (size_t)(G * D) * sizeof *q);
    int64_t column = lt_dtype_bytes(d->cache_dtype, kv * D);
    lt_matrix qm = lt_matrix_f32(q, rows, D), pm = lt_matrix_f32(scores, rows, S);
    lt_matrix key = {d->keys[at] + column, d->cache_dtype, S, D, c->K * D};
    lt_matrix value = {d->values[at] + column, d->cache_dtype, S, D, c->K * D};
    void *scratch = d->gemm + thread * d->gemm_bytes;
    lt_gemm(&(lt_gemm_call){.M = rows, .N = S, .K = D, .compute = d->shape.compute, .a = &qm, .b = &key, .transpose_b = true, .c = scores,
                            .c_stride = S, .alpha = attention->scale, .serial = true, .scratch = scratch});
    for (int64_t i = 0; i < rows; i++)
        softmax_row(attention, scores + i * S, S, d->positions[t->first + i / G]);
    lt_gemm(&(lt_gemm_call){.M = rows, .N = D, .K = S, .compute = d->shape.compute, .a = &pm, .b = &value, .c = mix, .c_stride = D,
                            .alpha = 1, .serial = true, .scratch = scratch});
    for (int64_t i = 0; i < t->count; i++)
        memcpy(d->run.attn + (t->first + i) * c->H * D + kv * G * D, mix + i * G * D, (size_t)(G * D) * sizeof *mix);
}

/* The n rows in hand through all layers; their tiles and positions are set. */
static bool run_layers(lt_decoder *d, const int32_t *ids, int64_t n, lt_error *err)
{
    lt_model *m = d->model;
    int64_t K = m->config.K;
    if (!lt_embed_forward(&m->embed, ids, n, d->x, err))
        return false;
    for (int64_t l = 0; l < m->config.L; l++) {
        if (l + 1 < m->config.L)
            lt_block_prefetch(&m->blocks[l + 1]);
        lt_block_project(&d->run, &m->blocks[l], l, d->x, d->positions, n, d->run.qkv);
        for (int64_t i = 0; i < d->tile_count; i++)
            remember(d, l, &d->tiles[i]);
        lt_attention attention = lt_block_attention(&d->run, l);
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < d->tile_count * K; i++)
            attend(d, &attention, l, &d->tiles[i / K], i % K);
        lt_block_finish(&d->run, &m->blocks[l], d->run.attn, n, d->x);
    }
    return lt_weights_check(m->weights, err);
}

/* logits (n,V) of rows of d->x from `first` on. */
static void head(lt_decoder *d, int64_t first, int64_t n, float *logits)
{
    const lt_model *m = d->model;
    const lt_config *c = &m->config;
    const lt_linear *linear = &m->head;
    if (m->final_norm.weight)
        lt_norm_forward(&m->final_norm, d->x + first * c->C, c->C, d->hidden, c->C, n);
    else
        memcpy(d->hidden, d->x + first * c->C, (size_t)(n * c->C) * sizeof(float));
    lt_linear_forward(&linear, 1, &d->ws, d->hidden, c->C, n, &logits, c->V);
    if (c->logit_scale != 1)
        lt_kernels_get()->scale(logits, (float)c->logit_scale, n * c->V);
    if (c->logit_softcap > 0)
        for (int64_t i = 0; i < n * c->V; i++)
            logits[i] = (float)c->logit_softcap * tanhf(logits[i] / (float)c->logit_softcap);
}

bool lt_decoder_feed(lt_decoder *d, int64_t sequence, const int32_t *ids, int64_t n, float *logits, lt_error *err)
{
    assert(n >= 1 && d->lengths[sequence] + n <= d->shape.capacity);
    for (int64_t done = 0; done < n;) {
        int64_t take = n - done < d->shape.chunk ? n - done : d->shape.chunk;
        d->tile_count = 0;
        for (int64_t i = 0; i < take; i++) {
            d->positions[i] = (int32_t)(d->lengths[sequence] + i);
            if (i % TILE == 0)
                d->tiles[d->tile_count++] = (tile){sequence, i, take - i < TILE ? take - i : TILE};
        }
        if (!run_layers(d, ids + done, take, err))
            return false;
        d->lengths[sequence] += take;
        done += take;
        if (done == n)
            head(d, take - 1, 1, logits);
    }
    return true;
}

bool lt_decoder_step(lt_decoder *d, const int64_t *sequences, const int32_t *ids, int64_t n, float *logits, lt_error *err)
{
    assert(n >= 1 && n <= d->shape.chunk);
    d->tile_count = n;
    for (int64_t i = 0; i < n; i++) {
        assert(d->lengths[sequences[i]] < d->shape.capacity);
        d->positions[i] = (int32_t)d->lengths[sequences[i]];
        d->tiles[i] = (tile){sequences[i], i, 1};
    }
    if (!run_layers(d, ids, n, err))
        return false;
    for (int64_t i = 0; i < n; i++)
        d->lengths[sequences[i]]++;
    head(d, 0, n, logits);
    return true;
}
