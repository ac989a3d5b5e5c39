#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/decode_internal.h"

int64_t lt_decode_longest(const lt_decoder_shape *shape) { return shape->capacity + (shape->prefixes ? shape->prefix_capacity : 0); }

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

static void layout_rows(lt_decoder *d)
{
    const lt_config *c = &d->model->config;
    lt_arena *a = &d->arena;
    int64_t n = d->shape.chunk, S = lt_decode_longest(&d->shape);
    d->ws.compute = d->shape.compute;
    d->run = (lt_run){.config = c, .ws = &d->ws, .chunk = n};
    d->x = LT_ARENA_NEW(a, float, n * c->C);
    d->hidden = LT_ARENA_NEW(a, float, n * c->C);
    d->positions = LT_ARENA_NEW(a, int32_t, n);
    d->virtual_ids = LT_ARENA_NEW(a, int32_t, d->P);
    d->row_sequence = LT_ARENA_NEW(a, int32_t, n);
    d->index = LT_ARENA_NEW(a, int32_t, n);
    d->rope_rows = LT_ARENA_NEW(a, int32_t, n);
    d->history = d->replay = NULL;
    if (c->rope_count && c->ropes[0].kind == LT_ROPE_LONGROPE && S > c->ropes[0].original_max_position) {
        d->history = LT_ARENA_NEW(a, int32_t, d->total * S);
        d->replay = LT_ARENA_NEW(a, int32_t, S);
    }
    d->tiles = LT_ARENA_NEW(a, lt_decode_tile, n);
    d->run.qkv = LT_ARENA_NEW(a, float, n * (c->H + 2 * c->K) * c->D);
    d->run.attn = LT_ARENA_NEW(a, float, n * c->H * c->D);
    d->run.xn = LT_ARENA_NEW(a, float, n * c->C);
    d->run.branch = LT_ARENA_NEW(a, float, n * c->C);
    d->run.gu = LT_ARENA_NEW(a, float, n * (c->gated_mlp ? 2 : 1) * c->F);
    d->run.act = LT_ARENA_NEW(a, float, n * c->F);
    lt_moe_layout(&d->run.moe, c, n, false, a);
    for (int i = 0; i < c->rope_count; i++)
        lt_rope_table_init(&d->run.ropes[i], &c->ropes[i], S, S, a);
}

static void layout(lt_decoder *d)
{
    const lt_config *c = &d->model->config;
    lt_arena *a = &d->arena;
    int64_t n = d->shape.chunk, wide = lt_model_widest(d->model), rows = lt_decode_attend_rows(c), S = lt_decode_longest(&d->shape);
    int threads = d->shape.threads;
    lt_decode_cache_layout(d);
    layout_rows(d);
    d->q = LT_ARENA_NEW(a, float, threads * rows * c->D);
    d->mix = LT_ARENA_NEW(a, float, threads * rows * c->D);
    d->scores = LT_ARENA_NEW(a, float, threads * rows * S);
    d->gemm_bytes = lt_align_up(lt_gemm_scratch_bytes(d->shape.compute, rows, S > c->D ? S : c->D, 1));
    d->gemm = lt_arena_alloc(a, threads * d->gemm_bytes);
    d->ws.gemm = lt_arena_alloc(a, lt_gemm_scratch_bytes(d->shape.compute, n, wide, threads));
    d->ws.packed_x = lt_arena_alloc(a, lt_linear_packed_bytes(d->shape.compute, n, wide));
    d->hook_arena = (lt_arena){0};
    lt_model_each_linear(d->model, hook_bytes, d);
    lt_model_each_expert(d->model, hook_bytes, d);
    d->hook_arena.base = lt_arena_alloc(a, d->hook_arena.size);
    d->ws.arena = &d->hook_arena;
}

static lt_decoder measured(const lt_model *model, const lt_decoder_shape *shape)
{
    int64_t P = lt_virtual_rows(model->virtual) + lt_virtual_keys(model->virtual);
    lt_decoder_shape roomy = *shape;
    roomy.capacity += P;
    roomy.prefix_capacity += shape->prefixes ? P : 0;
    return (lt_decoder){.model = (lt_model *)model,
                        .shape = roomy,
                        .P = P,
                        .arena = lt_arena_measure(),
                        .total = shape->sequences + shape->prefixes,
                        .cache_dtype = shape->compute == LT_COMPUTE_BF16 ? LT_DTYPE_BF16 : LT_DTYPE_F32};
}

int64_t lt_decoder_bytes(const lt_model *model, const lt_decoder_shape *shape)
{
    lt_decoder d = measured(model, shape);
    layout(&d);
    return d.arena.used;
}

int64_t lt_decoder_cache_bytes(const lt_model *model, const lt_decoder_shape *shape)
{
    lt_decoder d = measured(model, shape);
    lt_decode_cache_layout(&d);
    return d.arena.used;
}

bool lt_decoder_open(lt_decoder **out, lt_model *model, const lt_decoder_shape *shape, lt_error *err)
{
    if (model->config.bidirectional)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: an encoder (%s) cannot generate text", model->path, model->config.model_type);
    if (!lt_model_has_head(model, err))
        return false;
    lt_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    *d = measured(model, shape);
    d->arena = (lt_arena){0};
    d->keys = calloc((size_t)(model->config.L * d->total), sizeof *d->keys);
    d->values = calloc((size_t)(model->config.L * d->total), sizeof *d->values);
    d->sequences = calloc((size_t)d->total, sizeof *d->sequences);
    if (!d->keys || !d->values || !d->sequences) {
        lt_decoder_close(d);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    }
    if (!lt_arena_init(&d->arena, lt_decoder_bytes(model, shape), err)) {
        lt_decoder_close(d);
        return false;
    }
    layout(d);
    for (int64_t s = 0; s < d->total; s++)
        d->sequences[s].prefix = -1;
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
    free(d->sequences);
    free(d);
}

/* The n rows in hand through all layers; their tiles, sequences and positions are set. */
static bool run_layers(lt_decoder *d, const int32_t *ids, int64_t n, lt_error *err)
{
    lt_model *m = d->model;
    int64_t K = m->config.K;
    if (!lt_embed_forward(&m->embed, &(lt_embed_tokens){.T = n, .ids = ids, .positions = d->positions}, d->x, err))
        return false;
    for (int64_t l = 0; l < m->config.L; l++) {
        if (l + 1 < m->config.L)
            lt_block_prefetch(&m->blocks[l + 1]);
        lt_block_project(&d->run, &m->blocks[l], l, d->x, d->rope_rows, n, d->run.qkv);
        lt_decode_remember(d, l, n);
        lt_attention attention = lt_block_attention(&d->run, l);
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < d->tile_count * K; i++)
            lt_decode_attend(d, &attention, l, &d->tiles[i / K], i % K);
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

/* Row i of the rows in hand is `position` of a sequence that these rows make `length` tokens long. */
static void place_row(lt_decoder *d, int64_t i, int64_t sequence, int64_t position, int64_t length)
{
    d->positions[i] = (int32_t)position;
    d->row_sequence[i] = (int32_t)sequence;
    d->rope_rows[i] = lt_rope_row(&d->run.ropes[0], position, length);
}

/* Longrope turns every position of a sequence by its length, below or above a limit: does a cache that is to have `length` tokens
 * hold keys for the other side of it? */
static bool must_replay(const lt_decoder *d, int64_t sequence, int64_t length)
{
    const lt_decode_sequence *s = &d->sequences[sequence];
    int64_t limit = d->run.ropes[0].short_limit;
    return d->history && s->shared + s->own > 0 && (s->rope_length > limit) != (length > limit);
}

/* logits NULL: nobody asks what follows. */
static bool feed(lt_decoder *d, int64_t sequence, const int32_t *ids, int64_t n, float *logits, lt_error *err);

/* Virtual tokens are cached before a sequence's first token, as they are at that time. */
static bool begin_sequence(lt_decoder *d, int64_t sequence, lt_error *err)
{
    lt_virtual *v = d->model->virtual;
    const lt_config *c = &d->model->config;
    int64_t KD = c->K * c->D;
    if (d->P == 0 || d->sequences[sequence].shared + d->sequences[sequence].own)
        return true;
    if (v->forward)
        v->forward(v, 0, 0, false);
    for (int64_t p = 0; p < d->P; p++) {
        d->virtual_ids[p] = (int32_t)~p;
        for (int64_t l = 0; v->kind == LT_VIRTUAL_KEYS && l < c->L; l++) {
            const float *key = v->values + (p * c->L + l) * 2 * KD;
            lt_decode_remember_row(d, l, sequence, p, key, key + KD);
        }
    }
    if (v->kind == LT_VIRTUAL_INPUTS)
        return feed(d, sequence, d->virtual_ids, d->P, NULL, err);
    d->sequences[sequence].own = d->P;
    return true;
}

/* Computes everything that the cache holds, and n more tokens, anew. */
static bool replay(lt_decoder *d, int64_t sequence, const int32_t *ids, int64_t n, float *logits, lt_error *err)
{
    lt_decode_sequence *s = &d->sequences[sequence];
    int64_t longest = lt_decode_longest(&d->shape), held = s->shared + s->own;
    if (s->shared && held + n > d->shape.capacity)
        return lt_error_set(err, LT_ERR_UNSUPPORTED,
                            "an answer grows beyond %lld tokens, where this model turns all its positions otherwise, behind a "
                            "prompt that it shares",
                            (long long)d->run.ropes[0].short_limit);
    if (s->shared)
        memcpy(d->replay, d->history + s->prefix * longest, (size_t)s->shared * sizeof *ids);
    memcpy(d->replay + s->shared, d->history + sequence * longest, (size_t)s->own * sizeof *ids);
    memcpy(d->replay + held, ids, (size_t)n * sizeof *ids);
    *s = (lt_decode_sequence){.prefix = -1};
    int64_t keys = lt_virtual_keys(d->model->virtual); /* they are not rotated, and have no ids */
    if (keys && !begin_sequence(d, sequence, err))
        return false;
    return feed(d, sequence, d->replay + keys, held + n - keys, logits, err);
}

bool lt_decoder_feed(lt_decoder *d, int64_t sequence, const int32_t *ids, int64_t n, float *logits, lt_error *err)
{
    if (!begin_sequence(d, sequence, err))
        return false;
    const lt_decode_sequence *s = &d->sequences[sequence];
    assert(n >= 1 && s->own + n <= (sequence < d->shape.sequences ? d->shape.capacity : d->shape.prefix_capacity));
    return (must_replay(d, sequence, s->shared + s->own + n) ? replay : feed)(d, sequence, ids, n, logits, err);
}

static bool feed(lt_decoder *d, int64_t sequence, const int32_t *ids, int64_t n, float *logits, lt_error *err)
{
    lt_decode_sequence *s = &d->sequences[sequence];
    int64_t length = s->shared + s->own + n;
    if (d->history)
        memcpy(d->history + sequence * lt_decode_longest(&d->shape) + s->own, ids, (size_t)n * sizeof *ids);
    s->rope_length = length;
    for (int64_t done = 0; done < n;) {
        int64_t take = n - done < d->shape.chunk ? n - done : d->shape.chunk, begin = s->shared + s->own;
        d->tile_count = 0;
        for (int64_t i = 0; i < take; i++) {
            place_row(d, i, sequence, begin + i, length);
            d->index[i] = (int32_t)i;
            if (i % LT_DECODE_TILE == 0)
                d->tiles[d->tile_count++] = (lt_decode_tile){i, take - i < LT_DECODE_TILE ? take - i : LT_DECODE_TILE, s->prefix,
                                                             s->shared, true};
        }
        if (!run_layers(d, ids + done, take, err))
            return false;
        s->own += take;
        done += take;
        if (done == n && logits)
            head(d, take - 1, 1, logits);
    }
    return true;
}

/* Tiles of rows that share a prefix, in the order of the prefixes. */
static void make_tiles(lt_decoder *d, int64_t n)
{
    int64_t placed = 0;
    d->tile_count = 0;
    for (int64_t prefix = -1; placed < n; prefix++) {
        if (prefix >= 0 && prefix < d->shape.sequences)
            prefix = d->shape.sequences; /* where prefixes begin */
        for (int64_t i = 0; i < n; i++) {
            const lt_decode_sequence *s = &d->sequences[d->row_sequence[i]];
            if (s->prefix != prefix)
                continue;
            lt_decode_tile *last = d->tile_count ? &d->tiles[d->tile_count - 1] : NULL;
            bool joins = last && prefix >= 0 && last->prefix == prefix && last->shared == s->shared && last->count < LT_DECODE_TILE;
            if (joins)
                last->count++;
            else
                d->tiles[d->tile_count++] = (lt_decode_tile){placed, 1, s->prefix, s->shared, false};
            d->index[placed++] = (int32_t)i;
        }
    }
}

/* A step in which some cache must be computed anew: one sequence after the other. */
static bool step_apart(lt_decoder *d, const int64_t *sequences, const int32_t *ids, int64_t n, float *logits, lt_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (!lt_decoder_feed(d, sequences[i], ids + i, 1, logits + i * d->model->config.V, err))
            return false;
    return true;
}

bool lt_decoder_step(lt_decoder *d, const int64_t *sequences, const int32_t *ids, int64_t n, float *logits, lt_error *err)
{
    assert(n >= 1 && n <= d->shape.chunk);
    for (int64_t i = 0; i < n; i++)
        if (!begin_sequence(d, sequences[i], err))
            return false;
    for (int64_t i = 0; i < n; i++)
        if (must_replay(d, sequences[i], d->sequences[sequences[i]].shared + d->sequences[sequences[i]].own + 1))
            return step_apart(d, sequences, ids, n, logits, err);
    for (int64_t i = 0; i < n; i++) {
        lt_decode_sequence *s = &d->sequences[sequences[i]];
        assert(s->own < d->shape.capacity);
        s->rope_length = s->shared + s->own + 1;
        place_row(d, i, sequences[i], s->rope_length - 1, s->rope_length);
        if (d->history)
            d->history[sequences[i] * lt_decode_longest(&d->shape) + s->own] = ids[i];
    }
    make_tiles(d, n);
    if (!run_layers(d, ids, n, err))
        return false;
    for (int64_t i = 0; i < n; i++)
        d->sequences[sequences[i]].own++;
    head(d, 0, n, logits);
    return true;
}
