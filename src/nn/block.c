#include "nn/block.h"

#include <string.h>

#include "nn/ckpt.h"
#include "nn/rope.h"

/* The linear layers of a block that share an input, and where each one's output begins in a row. */
typedef struct group {
    const lt_linear *linears[3];
    int64_t offset[3];
    int count;
} group;

static group collect(const lt_config *config, const lt_block *block, const lt_linear_slot *slots, int n)
{
    group g = {.count = 0};
    for (int i = 0; i < n; i++)
        if (block->linear[slots[i]].module) {
            g.linears[g.count] = &block->linear[slots[i]];
            g.offset[g.count++] = lt_config_linear_offset(config, slots[i]);
        }
    return g;
}

static group qkv_group(const lt_config *config, const lt_block *block)
{
    static const lt_linear_slot slots[] = {LT_LINEAR_Q, LT_LINEAR_K, LT_LINEAR_V, LT_LINEAR_QKV};
    return collect(config, block, slots, 4);
}

static group mlp_group(const lt_config *config, const lt_block *block)
{
    static const lt_linear_slot slots[] = {LT_LINEAR_GATE, LT_LINEAR_UP, LT_LINEAR_GATE_UP};
    return collect(config, block, slots, 3);
}

static void group_forward(const group *g, lt_workspace *ws, const float *x, int64_t x_stride, int64_t n, float *y, int64_t y_stride)
{
    float *outputs[3];
    for (int i = 0; i < g->count; i++)
        outputs[i] = y + g->offset[i];
    lt_linear_forward(g->linears, g->count, ws, x, x_stride, n, outputs, y_stride);
}

static void group_backward(const group *g, lt_workspace *ws, const float *x, int64_t x_stride, int64_t n, float *dy, int64_t dy_stride,
                           float *dx, int64_t dx_stride)
{
    float *gradients[3];
    for (int i = 0; i < g->count; i++)
        gradients[i] = dy + g->offset[i];
    lt_linear_backward(g->linears, g->count, ws, x, x_stride, n, gradients, dy_stride, dx, dx_stride, false);
}

static int64_t qkv_width(const lt_config *c) { return (c->H + 2 * c->K) * c->D; }
static int64_t gu_width(const lt_config *c) { return (c->gated_mlp ? 2 : 1) * c->F; }

static void norm_or_copy(const lt_norm *norm, const float *x, float *y, int64_t C, int64_t n)
{
    if (norm->weight)
        lt_norm_forward(norm, x, C, y, C, n);
    else
        memcpy(y, x, (size_t)(n * C) * sizeof *y);
}

/* dx (n,C) += gradient through norm(x); identity without a norm. */
static void norm_backward_add(const lt_run *run, const lt_block *block, lt_norm_slot slot, const float *x, const float *dy, float *dx,
                              int64_t n)
{
    int64_t C = run->config->C;
    const lt_norm *norm = &block->norm[slot];
    if (norm->weight)
        lt_norm_backward(norm, x, C, dy, C, dx, C, true, block->dnorm[slot], block->dnorm_bias[slot], n, run->norm_scratch);
    else
        lt_kernels_get()->axpy(dx, 1.0f, dy, n * C);
}

/* x (n,C) += residual_scale · branch. */
static void join(const lt_config *config, float *x, const float *branch, int64_t n)
{
    const lt_kernels *k = lt_kernels_get();
    float scale = (float)config->residual_scale;
#pragma omp parallel for schedule(static) if (n * config->C > 16384)
    for (int64_t t = 0; t < n; t++)
        k->axpy(x + t * config->C, scale, branch + t * config->C, config->C);
}

/* x (n,C) = norm(x), where the family norms the stream itself. */
static void norm_stream(const lt_run *run, const lt_block *block, lt_norm_slot slot, float *x, int64_t n)
{
    const lt_norm *norm = &block->norm[slot];
    if (norm->weight)
        lt_norm_forward(norm, x, run->config->C, x, run->config->C, n);
}

/* dstream (n,C) through that norm. before (n,C) is the stream without the branch, branch what joined it; becomes their sum. */
static void norm_stream_backward(const lt_run *run, const lt_block *block, lt_norm_slot slot, const float *before, float *branch,
                                 float *dstream, int64_t n)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t C = run->config->C;
    if (run->config->residual_scale != 1)
        k->scale(branch, (float)run->config->residual_scale, n * C);
    k->axpy(branch, 1.0f, before, n * C);
    lt_norm_backward(&block->norm[slot], branch, C, dstream, C, dstream, C, false, block->dnorm[slot], block->dnorm_bias[slot], n,
                     run->norm_scratch);
}

static void activate(const lt_config *config, const float *gu, float *act, int64_t n)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t F = config->F, GU = gu_width(config);
#pragma omp parallel for schedule(static) if (n * F > 16384)
    for (int64_t t = 0; t < n; t++)
        k->act_forward(config->activation, gu + t * GU, config->gated_mlp ? gu + t * GU + F : NULL, act + t * F, F);
}

/* gu becomes its own gradient. */
static void activate_backward(const lt_config *config, float *gu, const float *dact, int64_t n)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t F = config->F, GU = gu_width(config);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < n; t++) {
        float *gate = gu + t * GU, *up = config->gated_mlp ? gate + F : NULL;
        k->act_backward(config->activation, gate, up, dact + t * F, gate, up, F);
    }
}

/* q/k norm on rows of qkv (n,QKV), in place; forward only. */
static void norm_qk(const lt_run *run, const lt_block *block, float *qkv, int64_t n)
{
    const lt_config *c = run->config;
    int64_t QKV = qkv_width(c);
    for (int which = 0; which < 2; which++) {
        const lt_norm *norm = &block->norm[which ? LT_NORM_K : LT_NORM_Q];
        if (!norm->weight)
            continue;
        float *part = qkv + (which ? c->H * c->D : 0);
        int64_t width = (which ? c->K : c->H) * c->D;
        for (int64_t at = 0; at < width; at += norm->width) /* all heads at once when the norm is as wide as they are */
            lt_norm_forward(norm, part + at, QKV, part + at, QKV, n);
    }
}

static void norm_qk_backward(const lt_run *run, const lt_block *block, int64_t t0, int64_t n)
{
    const lt_config *c = run->config;
    int64_t QKV = qkv_width(c), QK = (c->H + c->K) * c->D;
    for (int which = 0; which < 2; which++) {
        lt_norm_slot slot = which ? LT_NORM_K : LT_NORM_Q;
        const lt_norm *norm = &block->norm[slot];
        if (!norm->weight)
            continue;
        int64_t begin = which ? c->H * c->D : 0, width = (which ? c->K : c->H) * c->D;
        for (int64_t at = begin; at < begin + width; at += norm->width) {
            float *d = run->dqkv + t0 * QKV + at;
            lt_norm_backward(norm, run->raw_qk + t0 * QK + at, QK, d, QKV, d, QKV, false, block->dnorm[slot],
                             block->dnorm_bias[slot], n, run->norm_scratch);
        }
    }
}

static void rotate(const lt_run *run, int64_t layer, float *qkv, const int32_t *rope_rows, int64_t n, int direction)
{
    const lt_config *c = run->config;
    int rope = c->layers[layer].rope;
    if (rope >= 0)
        lt_rope_apply(&run->ropes[rope], qkv, qkv_width(c), rope_rows, c->H + c->K, c->D, n, direction);
}

/* Rows t0 .. t0+n of qkv, as projected, made ready for attention; remembers q and k before their norm where needed. */
static void prepare_qkv(const lt_run *run, const lt_block *block, int64_t layer, int64_t t0, int64_t n)
{
    const lt_config *c = run->config;
    int64_t QKV = qkv_width(c), QK = (c->H + c->K) * c->D;
    float *qkv = run->qkv + t0 * QKV;
    if (run->raw_qk)
        for (int64_t t = 0; t < n; t++)
            memcpy(run->raw_qk + (t0 + t) * QK, qkv + t * QKV, (size_t)QK * sizeof *qkv);
    norm_qk(run, block, qkv, n);
    rotate(run, layer, qkv, run->rope_rows + t0, n, +1);
}

static void project_raw(const lt_run *run, const lt_block *block, const float *x, int64_t n, float *qkv)
{
    const lt_config *c = run->config;
    group g = qkv_group(c, block);
    norm_or_copy(&block->norm[LT_NORM_BEFORE_ATTENTION], x, run->xn, c->C, n);
    group_forward(&g, run->ws, run->xn, c->C, n, qkv, qkv_width(c));
}

void lt_block_project(const lt_run *run, const lt_block *block, int64_t layer, const float *x, const int32_t *rope_rows, int64_t n,
                      float *qkv)
{
    project_raw(run, block, x, n, qkv);
    norm_qk(run, block, qkv, n);
    rotate(run, layer, qkv, rope_rows, n, +1);
}

lt_attention lt_block_attention(const lt_run *run, int64_t layer)
{
    const lt_config *c = run->config;
    int divisor = c->layers[layer].score_divisor;
    return (lt_attention){.H = c->H, .K = c->K, .D = c->D, .scale = (float)(c->attention_scale / (divisor ? divisor : 1)),
                          .softcap = (float)c->attention_softcap, .window = c->layers[layer].window,
                          .bidirectional = c->bidirectional, .compute = run->ws->compute, .prefix = run->prefix};
}

static int64_t prefix_at(const lt_run *run, int64_t layer)
{
    return layer * run->prefix * run->config->K * run->config->D;
}

static lt_attention_rows attention_rows(const lt_run *run, int64_t layer)
{
    lt_attention_rows rows = {.T = run->T, .sequences = run->sequences, .starts = run->starts, .qkv = run->qkv,
                              .qkv_stride = qkv_width(run->config)};
    if (run->prefix) {
        rows.prefix_k = run->prefix_k + prefix_at(run, layer);
        rows.prefix_v = run->prefix_v + prefix_at(run, layer);
    }
    return rows;
}

/* branch (n,C) = o(attn), before its norm. */
static void attention_branch(const lt_run *run, const lt_block *block, const float *attn, int64_t n, float *branch)
{
    const lt_config *c = run->config;
    const lt_linear *o = &block->linear[LT_LINEAR_O];
    lt_linear_forward(&o, 1, run->ws, attn, c->H * c->D, n, &branch, c->C);
}

static void join_attention(const lt_run *run, const lt_block *block, const float *attn, int64_t n, float *x)
{
    attention_branch(run, block, attn, n, run->branch);
    const lt_norm *after = &block->norm[LT_NORM_AFTER_ATTENTION];
    if (after->weight)
        lt_norm_forward(after, run->branch, run->config->C, run->branch, run->config->C, n);
    join(run->config, x, run->branch, n);
    norm_stream(run, block, LT_NORM_STREAM_ATTENTION, x, n);
}

/* run->xn = norm(x); run->gu = gate and up of it, where the block has an MLP of its own. */
static void mlp_in(const lt_run *run, const lt_block *block, const float *x, int64_t n)
{
    const lt_config *c = run->config;
    group g = mlp_group(c, block);
    norm_or_copy(&block->norm[LT_NORM_BEFORE_MLP], x, run->xn, c->C, n);
    if (!block->moe)
        group_forward(&g, run->ws, run->xn, c->C, n, run->gu, gu_width(c));
}

/* run->branch = down(act(gu)), before its norm; run->act holds act(gu). Or what the experts give for run->xn. */
static void mlp_branch(const lt_run *run, const lt_block *block, int64_t n)
{
    const lt_config *c = run->config;
    const lt_linear *down = &block->linear[LT_LINEAR_DOWN];
    if (block->moe) {
        lt_moe_forward(block->moe, c, run->ws, &run->moe, run->xn, n, run->branch);
        return;
    }
    activate(c, run->gu, run->act, n);
    lt_linear_forward(&down, 1, run->ws, run->act, c->F, n, &(float *){run->branch}, c->C);
}

static void join_mlp(const lt_run *run, const lt_block *block, int64_t n, float *x)
{
    mlp_branch(run, block, n);
    const lt_norm *after = &block->norm[LT_NORM_AFTER_MLP];
    if (after->weight)
        lt_norm_forward(after, run->branch, run->config->C, run->branch, run->config->C, n);
    join(run->config, x, run->branch, n);
    norm_stream(run, block, LT_NORM_STREAM_MLP, x, n);
}

void lt_block_finish(const lt_run *run, const lt_block *block, const float *attn, int64_t n, float *x)
{
    join_attention(run, block, attn, n, x);
    mlp_in(run, block, x, n);
    join_mlp(run, block, n, x);
}

/* Rows t0 .. t0+n of something kept. */
static void keep(char *store, int bits, const float *x, int64_t width, int64_t t0, int64_t n)
{
    if (store)
        lt_ckpt_put(bits, x, width, width, n, store + t0 * lt_ckpt_row_bytes(bits, width));
}

static void fetch(const char *store, int bits, float *x, int64_t width, int64_t t0, int64_t n)
{
    lt_ckpt_get(bits, store + t0 * lt_ckpt_row_bytes(bits, width), x, width, width, n);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void lt_block_forward(const lt_run *run, const lt_block *block, int64_t layer, const lt_kept *kept)
{
    static const lt_kept nothing;
    const lt_config *c = run->config;
    int64_t C = c->C, QKV = qkv_width(c), HD = c->H * c->D, T = run->T;
    const lt_kept *k = kept ? kept : &nothing;
    for (int64_t t = 0; t < T; t += run->chunk) {
        int64_t n = least(run->chunk, T - t);
        run->ws->token = t;
        keep(k->input, k->level == LT_KEEP_INPUT ? k->input_bits : k->bits, run->stream + t * C, C, t, n);
        project_raw(run, block, run->stream + t * C, n, run->qkv + t * QKV);
        keep(k->qkv, k->bits, run->qkv + t * QKV, QKV, t, n);
        prepare_qkv(run, block, layer, t, n);
    }
    lt_attention attention = lt_block_attention(run, layer);
    lt_attention_rows rows = attention_rows(run, layer);
    lt_attention_forward(&attention, &rows, run->attn, HD, k->lse, run->attention_scratch);
    for (int64_t t = 0; t < T; t += run->chunk) {
        int64_t n = least(run->chunk, T - t);
        run->ws->token = t;
        keep(k->attn, k->bits, run->attn + t * HD, HD, t, n);
        join_attention(run, block, run->attn + t * HD, n, run->stream + t * C);
        keep(k->mid, k->bits, run->stream + t * C, C, t, n);
        mlp_in(run, block, run->stream + t * C, n);
        keep(k->gu, k->bits, run->gu, gu_width(c), t, n);
        join_mlp(run, block, n, run->stream + t * C);
    }
}

/* What the backward pass needs of attention: qkv rotated, attn, lse; read back, or computed again from the block's input. */
static const float *restore_attention(const lt_run *run, const lt_block *block, int64_t layer, const lt_kept *kept)
{
    const lt_config *c = run->config;
    int64_t C = c->C, QKV = qkv_width(c), HD = c->H * c->D, T = run->T;
    for (int64_t t = 0; t < T; t += run->chunk) {
        int64_t n = least(run->chunk, T - t);
        run->ws->token = t;
        if (kept->level == LT_KEEP_INPUT) {
            fetch(kept->input, kept->input_bits, run->mid, C, t, n);
            project_raw(run, block, run->mid, n, run->qkv + t * QKV);
        } else {
            fetch(kept->qkv, kept->bits, run->qkv + t * QKV, QKV, t, n);
            fetch(kept->attn, kept->bits, run->attn + t * HD, HD, t, n);
        }
        prepare_qkv(run, block, layer, t, n);
    }
    if (kept->level != LT_KEEP_INPUT)
        return kept->lse;
    lt_attention attention = lt_block_attention(run, layer);
    lt_attention_rows rows = attention_rows(run, layer);
    lt_attention_forward(&attention, &rows, run->attn, HD, run->lse, run->attention_scratch);
    return run->lse;
}

/* dbranch (n,C) = gradient at a branch's own output, from the stream's: scaled, and taken back through the norm after it. */
static void branch_gradient(const lt_run *run, const lt_block *block, lt_norm_slot after, const float *branch, const float *dstream,
                            int64_t n, float *dbranch)
{
    int64_t C = run->config->C;
    float scale = (float)run->config->residual_scale;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < n; t++) {
        memcpy(dbranch + t * C, dstream + t * C, (size_t)C * sizeof *dbranch);
        if (scale != 1)
            lt_kernels_get()->scale(dbranch + t * C, scale, C);
    }
    const lt_norm *norm = &block->norm[after];
    if (norm->weight)
        lt_norm_backward(norm, branch, C, dbranch, C, dbranch, C, false, block->dnorm[after], block->dnorm_bias[after], n,
                         run->norm_scratch);
}

/* The block's input, rows t .. t+n, read back into run->mid. */
static const float *block_input(const lt_run *run, const lt_kept *kept, int64_t t, int64_t n)
{
    fetch(kept->input, kept->level == LT_KEEP_INPUT ? kept->input_bits : kept->bits, run->mid, run->config->C, t, n);
    return run->mid;
}

/* The same for a mixture of experts, which keeps nothing. */
static void moe_backward(const lt_run *run, const lt_block *block, int64_t n, float *dstream)
{
    const lt_config *c = run->config;
    bool on_stream = block->norm[LT_NORM_STREAM_MLP].weight != NULL;
    mlp_in(run, block, run->mid, n);
    if (block->norm[LT_NORM_AFTER_MLP].weight || on_stream)
        mlp_branch(run, block, n);
    if (on_stream)
        norm_stream_backward(run, block, LT_NORM_STREAM_MLP, run->mid, run->branch, dstream, n);
    branch_gradient(run, block, LT_NORM_AFTER_MLP, run->branch, dstream, n, run->dxn);
    lt_moe_backward(block->moe, c, run->ws, &run->moe, run->xn, n, run->dxn, run->branch);
    norm_backward_add(run, block, LT_NORM_BEFORE_MLP, run->mid, run->branch, dstream, n);
}

/* MLP of rows t .. t+n: their middle of the stream is in run->mid, and dstream (n,C) is updated. */
static void mlp_backward(const lt_run *run, const lt_block *block, const lt_kept *kept, int64_t t, int64_t n, float *dstream)
{
    const lt_config *c = run->config;
    int64_t C = c->C, F = c->F, GU = gu_width(c);
    const lt_linear *down = &block->linear[LT_LINEAR_DOWN];
    if (kept->level == LT_KEEP_ALL) {
        fetch(kept->gu, kept->bits, run->gu, GU, t, n);
        norm_or_copy(&block->norm[LT_NORM_BEFORE_MLP], run->mid, run->xn, C, n);
    } else {
        mlp_in(run, block, run->mid, n);
    }
    bool on_stream = block->norm[LT_NORM_STREAM_MLP].weight != NULL;
    if (block->norm[LT_NORM_AFTER_MLP].weight || on_stream)
        mlp_branch(run, block, n);
    else if (lt_linear_trained(down))
        activate(c, run->gu, run->act, n);
    if (on_stream)
        norm_stream_backward(run, block, LT_NORM_STREAM_MLP, run->mid, run->branch, dstream, n);
    branch_gradient(run, block, LT_NORM_AFTER_MLP, run->branch, dstream, n, run->dxn);
    lt_linear_backward(&down, 1, run->ws, run->act, F, n, &(float *){run->dxn}, C, run->dact, F, false);
    activate_backward(c, run->gu, run->dact, n);
    group g = mlp_group(c, block);
    group_backward(&g, run->ws, run->xn, C, n, run->gu, GU, run->dxn, C);
    norm_backward_add(run, block, LT_NORM_BEFORE_MLP, run->mid, run->dxn, dstream, n);
}

/* o of rows t .. t+n: dattn (n,HD) from the stream's gradient. run->mid may be used up. */
static void attention_out_backward(const lt_run *run, const lt_block *block, const lt_kept *kept, int64_t t, int64_t n,
                                   float *dstream)
{
    const lt_config *c = run->config;
    int64_t HD = c->H * c->D;
    const lt_linear *o = &block->linear[LT_LINEAR_O];
    const float *attn = run->attn + t * HD;
    bool on_stream = block->norm[LT_NORM_STREAM_ATTENTION].weight != NULL;
    if (block->norm[LT_NORM_AFTER_ATTENTION].weight || on_stream)
        attention_branch(run, block, attn, n, run->branch);
    if (on_stream)
        norm_stream_backward(run, block, LT_NORM_STREAM_ATTENTION, block_input(run, kept, t, n), run->branch, dstream, n);
    branch_gradient(run, block, LT_NORM_AFTER_ATTENTION, run->branch, dstream, n, run->dxn);
    lt_linear_backward(&o, 1, run->ws, attn, HD, n, &(float *){run->dxn}, c->C, run->dattn + t * HD, HD, false);
}

/* qkv of rows t .. t+n: from dqkv to the stream's gradient. */
static void project_backward(const lt_run *run, const lt_block *block, int64_t layer, const lt_kept *kept, int64_t t, int64_t n,
                             float *dstream, bool need_dx)
{
    const lt_config *c = run->config;
    int64_t C = c->C, QKV = qkv_width(c);
    const float *x = block_input(run, kept, t, n);
    rotate(run, layer, run->dqkv + t * QKV, run->rope_rows + t, n, -1);
    norm_qk_backward(run, block, t, n);
    norm_or_copy(&block->norm[LT_NORM_BEFORE_ATTENTION], x, run->xn, C, n);
    group g = qkv_group(c, block);
    bool need = need_dx || block->dnorm[LT_NORM_BEFORE_ATTENTION] || block->dnorm_bias[LT_NORM_BEFORE_ATTENTION];
    group_backward(&g, run->ws, run->xn, C, n, run->dqkv + t * QKV, QKV, need ? run->dxn : NULL, C);
    if (need)
        norm_backward_add(run, block, LT_NORM_BEFORE_ATTENTION, x, run->dxn, dstream, n);
}

void lt_block_backward(const lt_run *run, const lt_block *block, int64_t layer, const lt_kept *kept, bool need_dx)
{
    const lt_config *c = run->config;
    int64_t C = c->C, HD = c->H * c->D, T = run->T;
    const float *lse = restore_attention(run, block, layer, kept);
    for (int64_t t = 0; t < T; t += run->chunk) {
        int64_t n = least(run->chunk, T - t);
        run->ws->token = t;
        if (kept->level == LT_KEEP_INPUT) {
            fetch(kept->input, kept->input_bits, run->mid, C, t, n);
            join_attention(run, block, run->attn + t * HD, n, run->mid);
        } else {
            fetch(kept->mid, kept->bits, run->mid, C, t, n);
        }
        if (block->moe)
            moe_backward(run, block, n, run->stream + t * C);
        else
            mlp_backward(run, block, kept, t, n, run->stream + t * C);
        attention_out_backward(run, block, kept, t, n, run->stream + t * C);
    }
    lt_attention attention = lt_block_attention(run, layer);
    lt_attention_rows rows = attention_rows(run, layer);
    float *dprefix_k = run->prefix ? run->dprefix_k + prefix_at(run, layer) : NULL;
    float *dprefix_v = run->prefix ? run->dprefix_v + prefix_at(run, layer) : NULL;
    lt_attention_backward(&attention, &rows, run->attn, run->dattn, HD, lse, run->dqkv, dprefix_k, dprefix_v,
                          run->attention_scratch);
    for (int64_t t = 0; t < T; t += run->chunk) {
        int64_t n = least(run->chunk, T - t);
        run->ws->token = t;
        project_backward(run, block, layer, kept, t, n, run->stream + t * C, need_dx);
    }
}

void lt_block_prefetch(const lt_block *block)
{
    for (int i = 0; i < LT_LINEAR_SLOTS; i++)
        lt_linear_prefetch(&block->linear[i]);
    if (block->moe)
        lt_moe_prefetch(block->moe);
}
