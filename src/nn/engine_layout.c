#include "nn/engine_layout.h"

#include "nn/ckpt.h"

static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* What was handed out since *mark; moves the mark. */
static int64_t since(const lt_arena *arena, int64_t *mark)
{
    int64_t bytes = arena->used - *mark;
    *mark = arena->used;
    return bytes;
}

/* The prefix as attention wants it, layer by layer. */
static void layout_prefix(lt_engine *e)
{
    const lt_config *c = &e->model->config;
    const lt_virtual *v = e->model->virtual;
    if (!v || v->kind != LT_VIRTUAL_KEYS)
        return;
    int64_t elements = c->L * v->P * c->K * c->D;
    e->run.prefix = v->P;
    e->run.prefix_k = LT_ARENA_NEW(&e->arena, float, elements);
    e->run.prefix_v = LT_ARENA_NEW(&e->arena, float, elements);
    if (e->shape.training) {
        e->run.dprefix_k = LT_ARENA_NEW(&e->arena, float, elements);
        e->run.dprefix_v = LT_ARENA_NEW(&e->arena, float, elements);
    }
}

static void layout_residual(lt_engine *e)
{
    const lt_config *c = &e->model->config;
    lt_arena *a = &e->arena;
    int64_t T = e->shape.max_T;
    layout_prefix(e);
    e->run.stream = LT_ARENA_NEW(a, float, T * c->C);
    e->positions = LT_ARENA_NEW(a, int32_t, T);
    e->rope_rows = LT_ARENA_NEW(a, int32_t, T);
    if (e->model->embed.virtual) {
        e->ids = LT_ARENA_NEW(a, int32_t, T);
        e->types = LT_ARENA_NEW(a, int32_t, T);
        e->starts = LT_ARENA_NEW(a, int32_t, T + 1);
    }
    e->rows = LT_ARENA_NEW(a, int32_t, T);
    e->labels = LT_ARENA_NEW(a, int32_t, T);
    e->has_gradient = LT_ARENA_NEW(a, char, T);
    for (int i = 0; i < c->rope_count; i++)
        lt_rope_table_init(&e->run.ropes[i], &c->ropes[i], e->shape.max_sequence, e->shape.max_sequence, a);
    if (e->shape.training)
        e->run.norm_scratch = lt_arena_alloc(a, lt_norm_scratch_bytes(max64(c->C, c->H * c->D)));
}

/* What lives through all of a block, attention and MLP. */
static void layout_block(lt_engine *e)
{
    const lt_config *c = &e->model->config;
    lt_arena *a = &e->arena;
    int64_t T = e->shape.max_T, n = e->shape.chunk;
    bool qk_norm = lt_config_has_norm(c, LT_NORM_Q) || lt_config_has_norm(c, LT_NORM_K);
    e->run.qkv = LT_ARENA_NEW(a, float, T * (c->H + 2 * c->K) * c->D);
    e->run.attn = LT_ARENA_NEW(a, float, T * c->H * c->D);
    e->run.raw_qk = NULL;
    e->run.xn = LT_ARENA_NEW(a, float, n * c->C);
    e->run.branch = LT_ARENA_NEW(a, float, n * c->C);
    if (e->shape.training) {
        e->run.dattn = LT_ARENA_NEW(a, float, T * c->H * c->D);
        e->run.lse = LT_ARENA_NEW(a, float, T * c->H);
        if (qk_norm)
            e->run.raw_qk = LT_ARENA_NEW(a, float, T * (c->H + c->K) * c->D);
        e->run.mid = LT_ARENA_NEW(a, float, n * c->C);
        e->run.dxn = LT_ARENA_NEW(a, float, n * c->C);
    }
}

/* What attention alone needs: nothing of it is alive while the MLP runs, forward or backward. */
static void layout_attention(lt_engine *e)
{
    const lt_config *c = &e->model->config;
    lt_arena *a = &e->arena;
    int64_t T = e->shape.max_T, scratch = 0;
    if (e->shape.training)
        e->run.dqkv = LT_ARENA_NEW(a, float, T * (c->H + 2 * c->K) * c->D);
    for (int64_t l = 0; l < c->L; l++) {
        lt_attention attention = lt_block_attention(&e->run, l);
        scratch = max64(scratch, lt_attention_scratch_bytes(&attention, T, e->shape.max_sequence, e->shape.threads));
    }
    e->run.attention_scratch = lt_arena_alloc(a, scratch);
}

static void layout_mlp(lt_engine *e)
{
    const lt_config *c = &e->model->config;
    lt_arena *a = &e->arena;
    int64_t n = e->shape.chunk;
    e->run.gu = LT_ARENA_NEW(a, float, n * (c->gated_mlp ? 2 : 1) * c->F);
    e->run.act = LT_ARENA_NEW(a, float, n * c->F);
    if (e->shape.training)
        e->run.dact = LT_ARENA_NEW(a, float, n * c->F);
    lt_moe_layout(&e->run.moe, c, n, e->shape.training, a);
}

static void layout_head(lt_engine *e)
{
    const lt_config *c = &e->model->config;
    lt_arena *a = &e->arena;
    int64_t n = e->shape.head_chunk;
    e->head_x = LT_ARENA_NEW(a, float, n * c->C);
    e->head_xn = LT_ARENA_NEW(a, float, n * c->C);
    e->logits = LT_ARENA_NEW(a, float, e->model->head.module ? n * c->V : 0);
    if (lt_head_transform_has(e->model)) {
        e->transform.pre = LT_ARENA_NEW(a, float, n * c->C);
        e->transform.act = LT_ARENA_NEW(a, float, n * c->C);
        e->transform.out = LT_ARENA_NEW(a, float, n * c->C);
    }
    if (e->shape.training)
        e->head_dx = LT_ARENA_NEW(a, float, n * c->C);
}

/* The phases of a step take turns in the same memory:
 *
 *     | block: qkv attn … | dqkv, attention's scratch   |
 *     |                   | or the MLP's gu act dact    |
 *     | or the head: logits and their rows              | */
static void layout_phases(lt_engine *e)
{
    lt_arena *a = &e->arena;
    int64_t begin = a->used, mark = begin;
    layout_block(e);
    int64_t shared = a->used;
    layout_attention(e);
    int64_t end = a->used;
    e->bytes.attention = since(a, &mark);
    lt_arena_release(a, mark = shared);
    layout_mlp(e);
    end = max64(end, a->used);
    e->bytes.mlp = since(a, &mark);
    lt_arena_release(a, mark = begin);
    layout_head(e);
    end = max64(end, a->used);
    e->bytes.head = since(a, &mark);
    lt_arena_alloc(a, end - a->used);
}

/* Bytes that the largest hook takes at once. */
static void hook_bytes(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    lt_engine *e = context;
    (void)slot;
    if (!linear->hook)
        return;
    int64_t T = block == e->model->config.L ? e->shape.head_chunk : e->shape.chunk;
    e->hook_arena.size = max64(e->hook_arena.size, linear->hook->scratch_bytes(linear->hook, linear, T));
}

/* Scratch of the matrix products: activations (chunk rows) against weights, and weight gradients (as many rows as a layer
 * is wide, summed over the chunk). */
static void layout_gemm(lt_engine *e)
{
    const lt_config *c = &e->model->config;
    const lt_engine_shape *s = &e->shape;
    int64_t wide = lt_model_widest(e->model), head = e->model->head.dweight || e->model->head.hook ? c->V : 0;
    int64_t bytes = max64(lt_gemm_scratch_bytes(s->compute, s->chunk, wide, s->threads),
                          lt_gemm_scratch_bytes(s->compute, s->head_chunk, c->C, s->threads));
    if (s->training)
        bytes = max64(bytes, max64(lt_gemm_scratch_bytes(s->compute, wide, s->chunk, s->threads),
                                   lt_gemm_scratch_bytes(s->compute, max64(c->C, head), s->head_chunk, s->threads)));
    e->ws.gemm = lt_arena_alloc(&e->arena, bytes);
    e->ws.packed_x = lt_arena_alloc(&e->arena, max64(lt_linear_packed_bytes(s->compute, s->chunk, wide),
                                                     lt_linear_packed_bytes(s->compute, s->head_chunk, c->C)));
    e->ws.packed_dy = NULL;
    if (s->training)
        e->ws.packed_dy = lt_arena_alloc(&e->arena, max64(lt_linear_packed_bytes(s->compute, s->chunk, wide),
                                                          max64(lt_linear_packed_bytes(s->compute, s->head_chunk, c->C),
                                                                lt_linear_packed_dy_bytes(&e->model->head, s->compute, s->head_chunk))));
    e->hook_arena = (lt_arena){0};
    lt_model_each_linear(e->model, hook_bytes, e);
    lt_model_each_expert(e->model, hook_bytes, e);
    e->hook_arena.base = lt_arena_alloc(&e->arena, e->hook_arena.size);
    e->ws.arena = &e->hook_arena;
}

static char *store(lt_engine *e, int bits, int64_t width)
{
    return lt_arena_alloc(&e->arena, e->shape.max_T * lt_ckpt_row_bytes(bits, width));
}

/* The layers from the top: keep_all of them everything, keep_attention their attention, the rest down to the lowest trained one
 * their input. Later layers are needed first, so what they keep is short-lived either way. */
static void layout_store(lt_engine *e)
{
    const lt_config *c = &e->model->config;
    int bits = e->shape.activation_bits;
    for (int64_t l = c->L - 1; l >= e->lowest && e->shape.training; l--) {
        int64_t from_top = c->L - 1 - l;
        lt_kept kept = {.level = from_top < e->shape.keep_all ? LT_KEEP_ALL
                                 : from_top < e->shape.keep_all + e->shape.keep_attention ? LT_KEEP_ATTENTION
                                                                                          : LT_KEEP_INPUT,
                        .bits = bits, .input_bits = e->shape.input_bits};
        if (c->layers[l].sparse && kept.level == LT_KEEP_ALL)
            kept.level = LT_KEEP_ATTENTION; /* experts keep nothing: which tokens they see is not known beforehand */
        kept.input = store(e, kept.level == LT_KEEP_INPUT ? kept.input_bits : bits, c->C);
        if (kept.level >= LT_KEEP_ATTENTION) {
            kept.qkv = store(e, bits, (c->H + 2 * c->K) * c->D);
            kept.attn = store(e, bits, c->H * c->D);
            kept.lse = LT_ARENA_NEW(&e->arena, float, e->shape.max_T * c->H);
            kept.mid = store(e, bits, c->C);
        }
        if (kept.level == LT_KEEP_ALL)
            kept.gu = store(e, bits, (c->gated_mlp ? 2 : 1) * c->F);
        if (e->kept)
            e->kept[l] = kept;
    }
}

void lt_engine_layout(lt_engine *e)
{
    int64_t mark = e->arena.used, begin = mark;
    e->ws.compute = e->shape.compute;
    e->run.config = &e->model->config;
    e->run.ws = &e->ws;
    e->run.chunk = e->shape.chunk;
    layout_residual(e);
    e->bytes.residual = since(&e->arena, &mark);
    layout_phases(e);
    mark = e->arena.used;
    layout_gemm(e);
    e->bytes.gemm = since(&e->arena, &mark);
    layout_store(e);
    e->bytes.store = since(&e->arena, &mark);
    e->bytes.total = e->arena.used - begin;
}
