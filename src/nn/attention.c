/* Attention, forward. A task is a tile of queries of all the heads that share a key head; it meets the keys tile by
 * tile with a running maximum and sum per row. Nothing is shared between tasks, and a row's result does not depend on
 * the task it is in, so any number of threads gives the same bytes.
 *
 * Scratch per thread: one packed tile of keys and of values, the packed queries and the f32 outputs of a task (about
 * 192 rows), the scores of 12 rows: under 1 MB up to D = 256. It does not grow with T. */
#include "nn/attention.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/threads.h"
#include "nn/attention_plan.h"
#include "nn/softcap.h"

typedef struct forward_scratch {
    char *k, *v;      /* B operands: (D, key_tile) kᵀ and (key_tile, D) v */
    char *q;          /* A operand (group · query_tile, D) */
    float *out;       /* (group · query_tile, D), rows a_stride apart, not yet divided by sum */
    float *max, *sum; /* (group · query_tile) */
    float *s;         /* (BLOCK, key_tile) */
    char *p;          /* A operand (BLOCK, key_tile) */
} forward_scratch;

typedef struct forward_call {
    lt_attention_plan plan;
    float *out, *lse;
    int64_t out_stride;
} forward_call;

/* A tile of queries of one sequence and one key head. */
typedef struct query_tile {
    int64_t start, kv_head; /* row of the sequence's first token */
    int n, first, count;    /* tokens of the sequence; the tile's first and number of them */
} query_tile;

/* A tile of keys. Prefix keys have first = -1: every query sees all of them. */
typedef struct key_tile {
    const float *k, *v;
    int64_t stride;
    int first, count;
    bool opening; /* the first tile that a task meets: nothing is there yet to be added to */
} key_tile;

static forward_scratch lay_out_thread(const lt_attention_plan *plan, lt_arena *arena)
{
    const int64_t element = plan->panel->element_bytes, rows = (int64_t)plan->group * plan->query_tile;
    const int64_t width = plan->a_stride, keys = lt_panel_pad_columns(plan->key_tile);
    forward_scratch scratch;
    scratch.k = lt_arena_alloc(arena, width * keys * element);
    scratch.v = lt_arena_alloc(arena, width * keys * element);
    scratch.q = lt_arena_alloc(arena, rows * width * element);
    scratch.out = LT_ARENA_NEW(arena, float, rows *width);
    scratch.max = LT_ARENA_NEW(arena, float, rows);
    scratch.sum = LT_ARENA_NEW(arena, float, rows);
    scratch.s = LT_ARENA_NEW(arena, float, LT_ATTENTION_BLOCK *keys);
    scratch.p = lt_arena_alloc(arena, LT_ATTENTION_BLOCK * keys * element);
    return scratch;
}

static void lay_out(lt_attention_plan *plan, lt_arena *arena, int64_t max_T, int threads, int32_t **buckets)
{
    plan->items = LT_ARENA_NEW(arena, lt_attention_item, max_T);
    *buckets = LT_ARENA_NEW(arena, int32_t, max_T + 1);
    lt_arena measure = lt_arena_measure();
    lay_out_thread(plan, &measure);
    plan->per_thread_bytes = measure.high;
    plan->per_thread = lt_arena_alloc(arena, plan->per_thread_bytes * threads);
}

int64_t lt_attention_forward_bytes(const lt_attention *attention, int64_t max_T, int threads)
{
    lt_attention_plan plan = lt_attention_plan_sizes(attention, LT_ATTENTION_FORWARD);
    lt_arena arena = lt_arena_measure();
    int32_t *buckets;
    lay_out(&plan, &arena, max_T, threads, &buckets);
    return arena.high;
}

/* Rows r0 … r0 + rows - 1 of one head's queries (row = their place in the task) against the packed tile. */
static void meet_block(const lt_attention_plan *plan, const forward_scratch *scratch, const query_tile *queries,
                       const key_tile *keys, int row, int r0, int rows)
{
    const lt_attention *attention = plan->attention;
    const int64_t element = plan->panel->element_bytes;
    const int stride = lt_panel_pad_columns(plan->key_tile), cols = lt_panel_pad_columns(keys->count);
    int begin[LT_ATTENTION_BLOCK], end[LT_ATTENTION_BLOCK];
    float alpha[LT_ATTENTION_BLOCK];
    lt_span span = {0, cols};
    for (int r = 0; r < rows; r++)
        begin[r] = 0, end[r] = keys->count;
    if (keys->first >= 0)
        span =
            lt_attention_mask(attention, queries->first + r0, rows, queries->n, keys->first, keys->count, begin, end);
    float *out = scratch->out + (int64_t)row * plan->a_stride;
    if (span.begin >= span.end) {
        if (keys->opening)
            memset(out, 0, (size_t)rows * (size_t)plan->a_stride * sizeof(float));
        return;
    }

    const char *q = scratch->q + row * plan->a_stride * element;
    plan->panel->product(&(lt_panel_product){.M = rows,
                                             .n0 = span.begin,
                                             .n1 = span.end,
                                             .k0 = 0,
                                             .k1 = lt_panel_pad_depth(plan->D),
                                             .a = q,
                                             .a_stride = plan->a_stride,
                                             .b = scratch->k,
                                             .b_depth = lt_panel_pad_depth(plan->D),
                                             .b_cols = cols,
                                             .c = scratch->s,
                                             .c_stride = stride});
    for (int r = 0; r < rows; r++) {
        float *s = scratch->s + r * stride + span.begin;
        if (attention->softcap > 0)
            lt_softcap_row(plan->kernels, s, s, attention->scale, attention->softcap, span.end - span.begin);
        begin[r] -= span.begin;
        end[r] -= span.begin;
    }
    plan->panel->softmax(&(lt_panel_softmax){.M = rows,
                                             .N = span.end - span.begin,
                                             .s = scratch->s + span.begin,
                                             .s_stride = stride,
                                             .begin = begin,
                                             .end = end,
                                             .scale = attention->softcap > 0 ? 1 : attention->scale,
                                             .max = scratch->max + row,
                                             .sum = scratch->sum + row,
                                             .alpha = alpha,
                                             .p = scratch->p + span.begin * element,
                                             .p_stride = stride});

    for (int r = 0; r < rows && !keys->opening; r++)
        if (alpha[r] != 1)
            plan->kernels->scale(out + r * plan->a_stride, alpha[r], plan->D);
    plan->panel->product(&(lt_panel_product){.M = rows,
                                             .n0 = 0,
                                             .n1 = plan->D,
                                             .k0 = span.begin,
                                             .k1 = lt_attention_min(span.end, lt_panel_pad_depth(keys->count)),
                                             .a = scratch->p,
                                             .a_stride = stride,
                                             .b = scratch->v,
                                             .b_depth = lt_panel_pad_depth(keys->count),
                                             .b_cols = plan->a_stride,
                                             .c = out,
                                             .c_stride = plan->a_stride,
                                             .add = !keys->opening});
}

static void pack_keys(const lt_attention_plan *plan, const forward_scratch *scratch, const key_tile *keys)
{
    plan->panel->pack_b_transposed(keys->k, keys->stride, plan->D, keys->count, scratch->k);
    plan->panel->pack_b(keys->v, keys->stride, keys->count, plan->D, scratch->v);
}

static void meet_keys(const lt_attention_plan *plan, const forward_scratch *scratch, const query_tile *queries,
                      const key_tile *keys)
{
    for (int g = 0; g < plan->group; g++)
        for (int r = 0; r < queries->count; r += LT_ATTENTION_BLOCK)
            meet_block(plan, scratch, queries, keys, g * queries->count + r, r,
                       lt_attention_min(LT_ATTENTION_BLOCK, queries->count - r));
}

static void begin_tile(const lt_attention_plan *plan, const forward_scratch *scratch, const query_tile *queries)
{
    const int rows = plan->group * queries->count;
    const float *q = plan->rows->qkv + (queries->start + queries->first) * plan->rows->qkv_stride +
                     queries->kv_head * plan->group * plan->D;
    for (int g = 0; g < plan->group; g++)
        plan->panel->pack_a(q + g * plan->D, plan->rows->qkv_stride, queries->count, plan->D,
                            scratch->q + (int64_t)g * queries->count * plan->a_stride * plan->panel->element_bytes,
                            plan->a_stride);
    for (int r = 0; r < rows; r++) {
        scratch->max[r] = -INFINITY;
        scratch->sum[r] = 0;
    }
}

static void finish_tile(const forward_call *call, const forward_scratch *scratch, const query_tile *queries)
{
    const lt_attention_plan *plan = &call->plan;
    const int64_t first = queries->start + queries->first, first_head = queries->kv_head * plan->group;
    int row = 0;
    for (int64_t head = first_head; head < first_head + plan->group; head++)
        for (int64_t t = first; t < first + queries->count; t++, row++) {
            float *out = scratch->out + (int64_t)row * plan->a_stride;
            plan->kernels->scale(out, 1 / scratch->sum[row], plan->D);
            memcpy(call->out + t * call->out_stride + head * plan->D, out, (size_t)plan->D * sizeof(float));
            if (call->lse)
                call->lse[t * plan->attention->H + head] = scratch->max[row] + logf(scratch->sum[row]);
        }
}

static key_tile prefix_tile(const lt_attention_plan *plan, int64_t kv_head, int first)
{
    const int64_t stride = plan->attention->K * plan->D, at = first * stride + kv_head * plan->D;
    const int left = (int)plan->attention->prefix - first;
    return (key_tile){plan->rows->prefix_k + at,
                      plan->rows->prefix_v + at,
                      stride,
                      -1,
                      lt_attention_min(plan->key_tile, left),
                      first == 0};
}

static key_tile sequence_tile(const lt_attention_plan *plan, const query_tile *queries, lt_span keys)
{
    const lt_attention *attention = plan->attention;
    const float *k = plan->rows->qkv + (queries->start + keys.begin) * plan->rows->qkv_stride +
                     (attention->H + queries->kv_head) * plan->D;
    return (key_tile){k, k + attention->K * plan->D, plan->rows->qkv_stride, keys.begin, keys.end - keys.begin, false};
}

/* A tile of queries against the prefix and then against the keys, tile by tile. Keys are counted from where the first
 * query begins to look, so that a window costs no tiles that are half empty; those of a sequence that could be one task
 * are counted from 0, as they are there. */
static void run_tile(const forward_call *call, const forward_scratch *scratch, const query_tile *queries)
{
    const lt_attention_plan *plan = &call->plan;
    const lt_attention *attention = plan->attention;
    const int last = queries->first + queries->count - 1, end = lt_attention_keys_of(attention, last, queries->n).end;
    const int begin =
        queries->n <= plan->key_tile ? 0 : lt_attention_keys_of(attention, queries->first, queries->n).begin;
    begin_tile(plan, scratch, queries);
    for (int k = 0; k < attention->prefix; k += plan->key_tile) {
        key_tile keys = prefix_tile(plan, queries->kv_head, k);
        pack_keys(plan, scratch, &keys);
        meet_keys(plan, scratch, queries, &keys);
    }
    for (int k = begin; k < end; k += plan->key_tile) {
        lt_span span = {k, lt_attention_min(k + plan->key_tile, end)};
        key_tile keys = sequence_tile(plan, queries, span);
        keys.opening = attention->prefix == 0 && k == begin;
        pack_keys(plan, scratch, &keys);
        meet_keys(plan, scratch, queries, &keys);
    }
    finish_tile(call, scratch, queries);
}

/* A whole sequence whose keys are one tile: packed once for all its queries. */
static void run_short_sequence(const forward_call *call, const forward_scratch *scratch, query_tile queries)
{
    const lt_attention_plan *plan = &call->plan;
    key_tile keys = sequence_tile(plan, &queries, (lt_span){0, queries.n});
    keys.opening = true;
    pack_keys(plan, scratch, &keys);
    for (; queries.first < queries.n; queries.first += plan->query_tile) {
        queries.count = lt_attention_min(plan->query_tile, queries.n - queries.first);
        begin_tile(plan, scratch, &queries);
        meet_keys(plan, scratch, &queries, &keys);
        finish_tile(call, scratch, &queries);
    }
}

void lt_attention_forward(const lt_attention *attention, const lt_attention_rows *rows, float *out, int64_t out_stride,
                          float *lse, void *scratch)
{
    forward_call call = {lt_attention_plan_sizes(attention, LT_ATTENTION_FORWARD), out, lse, out_stride};
    lt_attention_plan *plan = &call.plan;
    lt_arena arena = {.base = scratch, .size = INT64_MAX};
    int32_t *buckets;
    plan->rows = rows;
    plan->whole_sequences = attention->prefix == 0 && rows->sequences * attention->K >= 8 * lt_threads_count();
    lay_out(plan, &arena, rows->T, lt_threads_count(), &buckets);
    lt_attention_plan_items(plan, LT_ATTENTION_FORWARD, buckets);
#pragma omp parallel
    {
        lt_arena mine = {.base = plan->per_thread + lt_threads_index() * plan->per_thread_bytes, .size = INT64_MAX};
        const forward_scratch thread = lay_out_thread(plan, &mine);
#pragma omp for schedule(dynamic, 1)
        for (int64_t task = 0; task < plan->item_count * attention->K; task++) {
            lt_attention_item item = plan->items[task / attention->K];
            const int n = lt_attention_length(rows, item.sequence);
            query_tile queries = {rows->starts[item.sequence], task % attention->K, n, item.first,
                                  lt_attention_min(plan->query_tile, n - item.first)};
            if (lt_attention_is_short(plan, n))
                run_short_sequence(&call, &thread, queries);
            else
                run_tile(&call, &thread, &queries);
        }
    }
}
