/* Attention, backward. With P recomputed from the log-sum-exp, delta = Σ_d dout · out and S = scale q kᵀ,
 *
 *     dv = Pᵀ dout      dP = dout vᵀ      dS = P (dP - delta)      dq = scale dS k      dk = scale dSᵀ q
 *
 * A task is a tile of keys of one key head: it keeps the gradients of its keys, transposed, and goes over the queries
 * that see them, last ones first. dq of a query tile is added to by several tasks; a ticket per query tile and key head
 * makes them take turns in the order of the keys, so any number of threads gives the same bytes. Tasks are begun in an
 * order in which whatever a task waits for has been begun before it, and neighbours in that order are rarely of the
 * same head, so threads seldom wait, and never for each other.
 *
 * Prefix keys come last. All sequences see them: their gradients are summed in a few fixed chunks of sequences.
 *
 * Scratch: delta and tickets, H + K numbers a token; per thread the packed tile, its gradients, and a tile of queries
 * with their probabilities: under 1 MB up to D = 256. */
#include "nn/attention.h"

#include <assert.h>
#include <sched.h>
#include <string.h>

#include "core/threads.h"
#include "nn/attention_plan.h"
#include "nn/softcap.h"

typedef struct backward_scratch {
    char *k_t, *v_t, *k;           /* B operands: (D, key_tile) kᵀ and vᵀ, (key_tile, D) k */
    float *dk_t, *dv_t;            /* (D, cols), no more columns than the tile has */
    char *q, *dout, *q_t, *dout_t; /* A operands: (query_tile, D) and (D, query_tile) */
    char *p, *ds;                  /* B operands (query_tile, key_tile) */
    char *ds_rows;                 /* A operand (BLOCK, key_tile) */
    float *s, *dp;                 /* (BLOCK, key_tile) */
} backward_scratch;

typedef struct backward_call {
    lt_attention_plan plan;
    const float *out, *dout, *lse;
    int64_t out_stride;
    float *dqkv;
    float *delta;          /* (T,H) */
    int32_t *tickets;      /* (query tiles of all sequences, K): key tiles that were added to dq so far */
    int32_t *first_ticket; /* (sequences): the first query tile of each */
    int64_t chunks;        /* of sequences, for the prefix */
    float *partial;        /* (chunks, 2, prefix, K·D): gradients of prefix_k and prefix_v */
    int64_t next_task;
} backward_call;

/* A tile of keys of one key head: of a sequence, or of the prefix (first counts prefix keys then). */
typedef struct key_tile {
    bool prefix;
    int64_t kv_head;
    int first, count, cols; /* cols: count with its padding */
} key_tile;

/* A tile of queries of one query head. */
typedef struct query_tile {
    int64_t start, head; /* row of the sequence's first token */
    int n, first, count;
    bool opening; /* no key tile has added to dq yet */
} query_tile;

static backward_scratch lay_out_thread(const lt_attention_plan *plan, lt_arena *arena)
{
    const int64_t element = plan->panel->element_bytes, width = plan->a_stride, keys = plan->key_tile;
    const int64_t queries = plan->query_tile;
    backward_scratch scratch;
    scratch.k_t = lt_arena_alloc(arena, width * keys * element);
    scratch.v_t = lt_arena_alloc(arena, width * keys * element);
    scratch.k = lt_arena_alloc(arena, width * keys * element);
    scratch.dk_t = LT_ARENA_NEW(arena, float, width *keys);
    scratch.dv_t = LT_ARENA_NEW(arena, float, width *keys);
    scratch.q = lt_arena_alloc(arena, queries * width * element);
    scratch.dout = lt_arena_alloc(arena, queries * width * element);
    scratch.q_t = lt_arena_alloc(arena, queries * width * element);
    scratch.dout_t = lt_arena_alloc(arena, queries * width * element);
    scratch.p = lt_arena_alloc(arena, queries * keys * element);
    scratch.ds = lt_arena_alloc(arena, queries * keys * element);
    scratch.ds_rows = lt_arena_alloc(arena, LT_ATTENTION_BLOCK * keys * element);
    scratch.s = LT_ARENA_NEW(arena, float, LT_ATTENTION_BLOCK *keys);
    scratch.dp = LT_ARENA_NEW(arena, float, LT_ATTENTION_BLOCK *keys);
    return scratch;
}

static int32_t *lay_out(backward_call *call, lt_arena *arena, int64_t max_T, int threads)
{
    lt_attention_plan *plan = &call->plan;
    const lt_attention *attention = plan->attention;
    plan->items = LT_ARENA_NEW(arena, lt_attention_item, max_T);
    int32_t *buckets = LT_ARENA_NEW(arena, int32_t, max_T + 1);
    call->delta = LT_ARENA_NEW(arena, float, max_T * attention->H);
    call->tickets = LT_ARENA_NEW(arena, int32_t, max_T * attention->K);
    call->first_ticket = LT_ARENA_NEW(arena, int32_t, max_T);
    call->partial =
        LT_ARENA_NEW(arena, float, LT_ATTENTION_CHUNKS * 2 * attention->prefix * attention->K * attention->D);
    lt_arena measure = lt_arena_measure();
    lay_out_thread(plan, &measure);
    plan->per_thread_bytes = measure.high;
    plan->per_thread = lt_arena_alloc(arena, plan->per_thread_bytes * threads);
    return buckets;
}

int64_t lt_attention_backward_bytes(const lt_attention *attention, int64_t max_T, int threads)
{
    backward_call call = {.plan = lt_attention_plan_sizes(attention, LT_ATTENTION_BACKWARD)};
    lt_arena arena = lt_arena_measure();
    lay_out(&call, &arena, max_T, threads);
    return arena.high;
}

int64_t lt_attention_scratch_bytes(const lt_attention *attention, int64_t max_T, int64_t max_sequence, int threads)
{
    int64_t forward = lt_attention_forward_bytes(attention, max_T, threads);
    int64_t backward = lt_attention_backward_bytes(attention, max_T, threads);
    (void)max_sequence; /* nothing here grows with it */
    return forward > backward ? forward : backward;
}

/* Turns: key tiles add to dq of a query tile one after the other. */

static int32_t *ticket_of(const backward_call *call, int64_t sequence, int first_query, int64_t kv_head)
{
    int64_t tile = call->first_ticket[sequence] + first_query / call->plan.query_tile;
    return call->tickets + tile * call->plan.attention->K + kv_head;
}

/* The key tiles that meet a query tile. */
static lt_span tiles_of(const lt_attention_plan *plan, int first, int n)
{
    const int last = lt_attention_min(first + plan->query_tile, n) - 1;
    return (lt_span){lt_attention_keys_of(plan->attention, first, n).begin / plan->key_tile,
                     (lt_attention_keys_of(plan->attention, last, n).end - 1) / plan->key_tile + 1};
}

static int turn_of(const lt_attention_plan *plan, const key_tile *keys, int first_query, int n)
{
    lt_span tiles = tiles_of(plan, first_query, n);
    int tile = keys->first / plan->key_tile;
    return keys->prefix ? tiles.end - tiles.begin + tile : tile - tiles.begin;
}

static void wait_for_turn(const int32_t *ticket, int turn)
{
    for (int spins = 0; __atomic_load_n(ticket, __ATOMIC_ACQUIRE) != turn; spins++)
        if (spins > 100)
            sched_yield();
}

/* What a block of score rows needs to know about itself. */
typedef struct block {
    int r0, rows;
    lt_span span; /* columns that any row of it sees, whole vectors; empty when none */
    int begin[LT_ATTENTION_BLOCK], end[LT_ATTENTION_BLOCK];
    float lse[LT_ATTENTION_BLOCK], delta[LT_ATTENTION_BLOCK];
} block;

static block make_block(const backward_call *call, const query_tile *queries, const key_tile *keys, int r0)
{
    const lt_attention *attention = call->plan.attention;
    block b = {.r0 = r0, .rows = lt_attention_min(LT_ATTENTION_BLOCK, queries->count - r0), .span = {0, keys->cols}};
    const int64_t at = (queries->start + queries->first + r0) * attention->H + queries->head;
    for (int r = 0; r < b.rows; r++) {
        b.begin[r] = 0;
        b.end[r] = keys->count;
        b.lse[r] = call->lse[at + r * attention->H];
        b.delta[r] = call->delta[at + r * attention->H];
    }
    if (!keys->prefix)
        b.span = lt_attention_mask(attention, queries->first + r0, b.rows, queries->n, keys->first, keys->count,
                                   b.begin, b.end);
    return b;
}

/* A block's share of dq. */
static void add_query_gradient(const backward_call *call, const backward_scratch *scratch, const query_tile *queries,
                               const key_tile *keys, const block *b)
{
    const lt_attention_plan *plan = &call->plan;
    const int64_t row = queries->start + queries->first + b->r0, stride = plan->rows->qkv_stride;
    float *dq = call->dqkv + row * stride + queries->head * plan->D;
    if (b->span.begin < b->span.end)
        plan->panel->product(&(lt_panel_product){.M = b->rows,
                                                 .n0 = 0,
                                                 .n1 = plan->D,
                                                 .k0 = b->span.begin,
                                                 .k1 = lt_attention_min(b->span.end, lt_panel_pad_depth(keys->count)),
                                                 .a = scratch->ds_rows,
                                                 .a_stride = plan->key_tile,
                                                 .b = scratch->k,
                                                 .b_depth = lt_panel_pad_depth(keys->count),
                                                 .b_cols = plan->a_stride,
                                                 .c = dq,
                                                 .c_stride = stride,
                                                 .add = !queries->opening});
    else if (queries->opening)
        for (int r = 0; r < b->rows; r++)
            memset(dq + r * stride, 0, (size_t)plan->D * sizeof(float));
}

/* Scores and dP of a block, its rows of P and dS, and what they add to dq. */
static void meet_block(const backward_call *call, const backward_scratch *scratch, const query_tile *queries,
                       const key_tile *keys, block *b)
{
    const lt_attention_plan *plan = &call->plan;
    const lt_attention *attention = plan->attention;
    const int64_t element = plan->panel->element_bytes, at = (int64_t)b->r0 * plan->a_stride * element;
    const int depth = lt_panel_pad_depth(plan->D);
    if (b->span.begin < b->span.end) {
        lt_panel_product product = {.M = b->rows,
                                    .n0 = b->span.begin,
                                    .n1 = b->span.end,
                                    .k0 = 0,
                                    .k1 = depth,
                                    .a = scratch->q + at,
                                    .a_stride = plan->a_stride,
                                    .b = scratch->k_t,
                                    .b_depth = depth,
                                    .b_cols = keys->cols,
                                    .c = scratch->s,
                                    .c_stride = plan->key_tile};
        plan->panel->product(&product);
        product.a = scratch->dout + at;
        product.b = scratch->v_t;
        product.c = scratch->dp;
        plan->panel->product(&product);
    }
    for (int r = 0; r < b->rows && attention->softcap > 0; r++) {
        float *s = scratch->s + r * plan->key_tile + b->span.begin;
        if (b->span.begin < b->span.end)
            lt_softcap_row(plan->kernels, s, s, attention->scale, attention->softcap, b->span.end - b->span.begin);
    }
    plan->panel->softmax_backward(
        &(lt_panel_softmax_backward){.M = b->rows,
                                     .N = keys->cols,
                                     .s = scratch->s,
                                     .dp = scratch->dp,
                                     .s_stride = plan->key_tile,
                                     .begin = b->begin,
                                     .end = b->end,
                                     .scale = attention->softcap > 0 ? 1 : attention->scale,
                                     .gradient_scale = attention->scale,
                                     .cap_inverse = attention->softcap > 0 ? 1 / attention->softcap : 0,
                                     .lse = b->lse,
                                     .delta = b->delta,
                                     .p_b = scratch->p,
                                     .ds_b = scratch->ds,
                                     .b_row = b->r0,
                                     .b_depth = lt_panel_pad_depth(queries->count),
                                     .ds_a = scratch->ds_rows,
                                     .a_stride = plan->key_tile});
    add_query_gradient(call, scratch, queries, keys, b);
}

/* The rows of a query tile that see any of the columns c0 … c1 - 1 of a key tile. */
static lt_span rows_that_see(const lt_attention *attention, const query_tile *queries, const key_tile *keys, int c0,
                             int c1)
{
    if (keys->prefix)
        return (lt_span){0, queries->count};
    lt_span first = lt_attention_queries_of(attention, keys->first + c0, queries->n);
    lt_span last = lt_attention_queries_of(attention, keys->first + lt_attention_min(c1, keys->count) - 1, queries->n);
    return (lt_span){lt_attention_max(first.begin - queries->first, 0),
                     lt_attention_min(last.end - queries->first, queries->count)};
}

/* dk and dv of the whole tile of queries, by panels of columns: those that the mask empties are left out. */
static void add_key_gradients(const lt_attention_plan *plan, const backward_scratch *scratch, const query_tile *queries,
                              const key_tile *keys)
{
    enum { COLUMNS = LT_PANEL_COLUMNS / 2 };
    for (int c0 = 0; c0 < keys->cols; c0 += COLUMNS) {
        const int c1 = lt_attention_min(c0 + COLUMNS, keys->cols);
        lt_span rows = rows_that_see(plan->attention, queries, keys, c0, c1);
        if (rows.begin >= rows.end)
            continue;
        lt_panel_product product = {.M = plan->D,
                                    .n0 = c0,
                                    .n1 = c1,
                                    .k0 = rows.begin & ~1,
                                    .k1 = lt_panel_pad_depth(rows.end),
                                    .a = scratch->dout_t,
                                    .a_stride = plan->query_tile,
                                    .b = scratch->p,
                                    .b_depth = lt_panel_pad_depth(queries->count),
                                    .b_cols = keys->cols,
                                    .c = scratch->dv_t,
                                    .c_stride = keys->cols,
                                    .add = true};
        plan->panel->product(&product);
        product.a = scratch->q_t;
        product.b = scratch->ds;
        product.c = scratch->dk_t;
        plan->panel->product(&product);
    }
}

/* Asks for `rows` rows of D floats: a head's rows are short and far apart, which hardware does not foresee. */
static void ask_for_rows(const float *at, int64_t stride, int rows, int D)
{
    for (int r = 0; r < rows; r++, at += stride)
        for (int d = 0; d < D; d += LT_PANEL_LANES)
            __builtin_prefetch(at + d, 0, 2);
}

/* A tile of queries of one head. While its blocks are worked on, the rows of the tile that comes after it are fetched:
 * the next head's, then those of the tile before in the sequence. */
static void meet_queries(const backward_call *call, const backward_scratch *scratch, const query_tile *queries,
                         const key_tile *keys)
{
    const lt_attention_plan *plan = &call->plan;
    const int64_t row = queries->start + queries->first, at = queries->head * plan->D;
    const float *q = plan->rows->qkv + row * plan->rows->qkv_stride + at,
                *dout = call->dout + row * call->out_stride + at;
    plan->panel->pack_a(q, plan->rows->qkv_stride, queries->count, plan->D, scratch->q, plan->a_stride);
    plan->panel->pack_a(dout, call->out_stride, queries->count, plan->D, scratch->dout, plan->a_stride);
    plan->panel->pack_a_transposed(q, plan->rows->qkv_stride, plan->D, queries->count, scratch->q_t, plan->query_tile);
    plan->panel->pack_a_transposed(dout, call->out_stride, plan->D, queries->count, scratch->dout_t, plan->query_tile);
    const bool last_head = (queries->head + 1) % plan->group == 0;
    const int64_t rows_on = last_head ? -plan->query_tile : 0,
                  columns_on = last_head ? -(plan->group - 1) * plan->D : plan->D;
    for (int r0 = 0; r0 < queries->count; r0 += LT_ATTENTION_BLOCK) {
        block b = make_block(call, queries, keys, r0);
        if (queries->first + rows_on >= 0) {
            ask_for_rows(q + (r0 + rows_on) * plan->rows->qkv_stride + columns_on, plan->rows->qkv_stride, b.rows,
                         plan->D);
            ask_for_rows(dout + (r0 + rows_on) * call->out_stride + columns_on, call->out_stride, b.rows, plan->D);
        }
        meet_block(call, scratch, queries, keys, &b);
    }
    add_key_gradients(plan, scratch, queries, keys);
}

/* All queries of a sequence that see the tile, last ones first, in the turns that their tiles give. */
static void meet_sequence(backward_call *call, const backward_scratch *scratch, int64_t sequence, const key_tile *keys)
{
    const lt_attention_plan *plan = &call->plan;
    const int n = lt_attention_length(plan->rows, sequence);
    lt_span span = {0, n};
    if (!keys->prefix) {
        span.begin = lt_attention_queries_of(plan->attention, keys->first, n).begin;
        span.end = lt_attention_queries_of(plan->attention, keys->first + keys->count - 1, n).end;
    }
    for (int tile = (span.end - 1) / plan->query_tile; tile >= span.begin / plan->query_tile; tile--) {
        const int first = tile * plan->query_tile, count = lt_attention_min(plan->query_tile, n - first);
        int32_t *ticket = ticket_of(call, sequence, first, keys->kv_head);
        const int turn = turn_of(plan, keys, first, n);
        wait_for_turn(ticket, turn);
        for (int g = 0; g < plan->group; g++) {
            query_tile queries = {
                plan->rows->starts[sequence], keys->kv_head * plan->group + g, n, first, count, turn == 0};
            meet_queries(call, scratch, &queries, keys);
        }
        __atomic_store_n(ticket, turn + 1, __ATOMIC_RELEASE);
    }
}

/* Packs the tile's keys and values (rows `stride` apart) and clears their gradients. */
static void begin_task(const lt_attention_plan *plan, const backward_scratch *scratch, const key_tile *keys,
                       const float *k, const float *v, int64_t stride)
{
    plan->panel->pack_b_transposed(k, stride, plan->D, keys->count, scratch->k_t);
    plan->panel->pack_b_transposed(v, stride, plan->D, keys->count, scratch->v_t);
    plan->panel->pack_b(k, stride, keys->count, plan->D, scratch->k);
    memset(scratch->dk_t, 0, (size_t)plan->D * (size_t)keys->cols * sizeof(float));
    memset(scratch->dv_t, 0, (size_t)plan->D * (size_t)keys->cols * sizeof(float));
}

/* gradient (count, D), rows stride apart = transposed (D, cols) */
static void store_gradient(const lt_attention_plan *plan, const float *transposed, const key_tile *keys,
                           float *gradient, int64_t stride)
{
    plan->panel->transpose(transposed, keys->cols, plan->D, keys->count, gradient, stride);
}

static void run_sequence_task(backward_call *call, const backward_scratch *scratch, lt_attention_item item,
                              int64_t kv_head)
{
    const lt_attention_plan *plan = &call->plan;
    const lt_attention_rows *rows = plan->rows;
    const int n = lt_attention_length(rows, item.sequence);
    key_tile keys = {
        .kv_head = kv_head, .first = item.first, .count = lt_attention_min(plan->key_tile, n - item.first)};
    keys.cols = lt_panel_pad_columns(keys.count);
    const int64_t k =
        (rows->starts[item.sequence] + item.first) * rows->qkv_stride + (plan->attention->H + kv_head) * plan->D;
    const int64_t v = k + plan->attention->K * plan->D;
    begin_task(plan, scratch, &keys, rows->qkv + k, rows->qkv + v, rows->qkv_stride);
    meet_sequence(call, scratch, item.sequence, &keys);
    store_gradient(plan, scratch->dk_t, &keys, call->dqkv + k, rows->qkv_stride);
    store_gradient(plan, scratch->dv_t, &keys, call->dqkv + v, rows->qkv_stride);
}

static void run_prefix_task(backward_call *call, const backward_scratch *scratch, int first, int64_t chunk,
                            int64_t kv_head)
{
    const lt_attention_plan *plan = &call->plan;
    const lt_attention_rows *rows = plan->rows;
    const int64_t stride = plan->attention->K * plan->D, at = first * stride + kv_head * plan->D;
    float *dk = call->partial + chunk * 2 * plan->attention->prefix * stride,
          *dv = dk + plan->attention->prefix * stride;
    key_tile keys = {.prefix = true,
                     .kv_head = kv_head,
                     .first = first,
                     .count = lt_attention_min(plan->key_tile, (int)plan->attention->prefix - first)};
    keys.cols = lt_panel_pad_columns(keys.count);
    begin_task(plan, scratch, &keys, rows->prefix_k + at, rows->prefix_v + at, stride);
    for (int64_t s = chunk * rows->sequences / call->chunks; s < (chunk + 1) * rows->sequences / call->chunks; s++)
        meet_sequence(call, scratch, s, &keys);
    store_gradient(plan, scratch->dk_t, &keys, dk + at, stride);
    store_gradient(plan, scratch->dv_t, &keys, dv + at, stride);
}

static void run_tasks(backward_call *call, const backward_scratch *scratch)
{
    const lt_attention_plan *plan = &call->plan;
    const int64_t K = plan->attention->K, sequence_tasks = plan->item_count * K;
    const int64_t prefix_tiles = (plan->attention->prefix + plan->key_tile - 1) / plan->key_tile;
    for (;;) {
        int64_t task = __atomic_fetch_add(&call->next_task, 1, __ATOMIC_RELAXED);
        if (task < sequence_tasks) {
            run_sequence_task(call, scratch, plan->items[task / K], task % K);
            continue;
        }
        task -= sequence_tasks;
        if (task >= prefix_tiles * call->chunks * K)
            return;
        run_prefix_task(call, scratch, (int)(task / K / call->chunks) * plan->key_tile, task / K % call->chunks,
                        task % K);
    }
}

static void sum_delta(backward_call *call, int64_t t)
{
    const lt_attention_plan *plan = &call->plan;
    const int64_t H = plan->attention->H;
    for (int64_t h = 0; h < H; h++) {
        const int64_t at = t * call->out_stride + h * plan->D;
        call->delta[t * H + h] = plan->kernels->dot(call->out + at, call->dout + at, plan->D);
    }
}

static void hand_out_tickets(backward_call *call)
{
    const lt_attention_rows *rows = call->plan.rows;
    int32_t tiles = 0;
    for (int64_t s = 0; s < rows->sequences; s++) {
        call->first_ticket[s] = tiles;
        tiles += (lt_attention_length(rows, s) + call->plan.query_tile - 1) / call->plan.query_tile;
    }
    memset(call->tickets, 0, (size_t)(tiles * call->plan.attention->K) * sizeof *call->tickets);
}

void lt_attention_backward(const lt_attention *attention, const lt_attention_rows *rows, const float *out,
                           const float *dout, int64_t out_stride, const float *lse, float *dqkv, float *dprefix_k,
                           float *dprefix_v, void *scratch)
{
    backward_call call = {.plan = lt_attention_plan_sizes(attention, LT_ATTENTION_BACKWARD),
                          .out = out,
                          .dout = dout,
                          .lse = lse,
                          .out_stride = out_stride,
                          .dqkv = dqkv};
    lt_attention_plan *plan = &call.plan;
    lt_arena arena = {.base = scratch, .size = INT64_MAX};
    plan->rows = rows;
    call.chunks = rows->sequences < LT_ATTENTION_CHUNKS ? rows->sequences : LT_ATTENTION_CHUNKS;
    int32_t *buckets = lay_out(&call, &arena, rows->T, lt_threads_count());
    lt_attention_plan_items(plan, LT_ATTENTION_BACKWARD, buckets);
    hand_out_tickets(&call);
#pragma omp parallel
    {
        lt_arena mine = {.base = plan->per_thread + lt_threads_index() * plan->per_thread_bytes, .size = INT64_MAX};
        const backward_scratch thread = lay_out_thread(plan, &mine);
#pragma omp for schedule(static)
        for (int64_t t = 0; t < rows->T; t++)
            sum_delta(&call, t);
        run_tasks(&call, &thread);
    }
    const int64_t prefix = attention->prefix * attention->K * attention->D;
    for (int64_t chunk = 0; chunk < call.chunks && prefix > 0; chunk++) {
        if (dprefix_k)
            plan->kernels->axpy(dprefix_k, 1, call.partial + chunk * 2 * prefix, prefix);
        if (dprefix_v)
            plan->kernels->axpy(dprefix_v, 1, call.partial + (chunk * 2 + 1) * prefix, prefix);
    }
}
