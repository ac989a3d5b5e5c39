/* How attention is cut up. */
#include "nn/attention_plan.h"

#include <assert.h>
#include <string.h>

static int clamp(int value, int least, int most)
{
    return lt_attention_max(least, lt_attention_min(value, most));
}

/* Forward, a task is a tile of queries of all heads that share a key head, against every key they see: the keys are
 * packed anew for each task, so about 192 rows share the cost. Its key tile bounds the scores of a block to a part of
 * L1.
 *
 * Backward, a task is a tile of keys against every query that sees them. The gradients of its keys, the packed tile and
 * one tile of queries with their probabilities together fill a part of L2. */
lt_attention_plan lt_attention_plan_sizes(const lt_attention *attention, lt_attention_direction direction)
{
    const int D = (int)attention->D, group = (int)(attention->H / attention->K);
    assert(D >= 1 && D <= 256 && attention->K > 0 && attention->H % attention->K == 0 && attention->scale > 0);
    lt_attention_plan plan = {
        .attention = attention,
        .kernels = lt_kernels_get(),
        .panel = lt_kernels_get()->panel[attention->compute],
        .group = group,
        .D = D,
        .a_stride = lt_panel_pad_columns(D),
    };
    if (direction == LT_ATTENTION_FORWARD) {
        const int rows = D <= 128 ? 192 : 96;
        plan.query_tile = clamp(rows / group / LT_ATTENTION_BLOCK * LT_ATTENTION_BLOCK, 2 * LT_ATTENTION_BLOCK, rows);
        plan.key_tile = clamp(16384 / plan.a_stride, 64, 256);
    } else {
        plan.query_tile = 5 * LT_ATTENTION_BLOCK;
        plan.key_tile = D <= 128 ? 128 : 64;
    }
    return plan;
}

lt_span lt_attention_mask(const lt_attention *attention, int first, int count, int n, int tile_first, int tile_keys,
                          int *begin, int *end)
{
    lt_span all = {tile_keys, 0};
    for (int r = 0; r < count; r++) {
        lt_span keys = lt_attention_keys_of(attention, first + r, n);
        begin[r] = lt_attention_max(keys.begin - tile_first, 0);
        end[r] = lt_attention_min(keys.end - tile_first, tile_keys);
        if (begin[r] >= end[r]) {
            begin[r] = end[r] = 0;
            continue;
        }
        all.begin = lt_attention_min(all.begin, begin[r]);
        all.end = lt_attention_max(all.end, end[r]);
    }
    all.begin &= ~(LT_PANEL_LANES - 1);
    all.end = lt_panel_pad_columns(all.end);
    return all;
}

/* Tokens of an item. */
static int item_length(const lt_attention_plan *plan, lt_attention_direction direction, int n)
{
    if (direction == LT_ATTENTION_BACKWARD)
        return plan->key_tile;
    return lt_attention_is_short(plan, n) ? n : plan->query_tile;
}

/* The sorting key of a tile: whole tiles of work, 0 .. T. */
static int work_of(const lt_attention_plan *plan, lt_attention_direction direction, int first, int n)
{
    if (direction == LT_ATTENTION_BACKWARD)
        return (n - first + plan->key_tile - 1) / plan->key_tile;
    int last = lt_attention_min(first + item_length(plan, direction, n), n) - 1;
    int keys =
        lt_attention_keys_of(plan->attention, last, n).end - lt_attention_keys_of(plan->attention, first, n).begin;
    return (keys + plan->query_tile - 1) / plan->query_tile;
}

/* A counting sort: once to count the tiles of each key, once to place them. */
void lt_attention_plan_items(lt_attention_plan *plan, lt_attention_direction direction, int32_t *buckets)
{
    const lt_attention_rows *rows = plan->rows;
    memset(buckets, 0, (size_t)(rows->T + 1) * sizeof *buckets);
    for (int64_t s = 0; s < rows->sequences; s++) {
        const int n = lt_attention_length(rows, s);
        assert(n > 0);
        for (int first = 0; first < n; first += item_length(plan, direction, n))
            buckets[work_of(plan, direction, first, n)]++;
    }
    int32_t place = 0;
    for (int64_t key = rows->T; key >= 0; key--) {
        int32_t count = buckets[key];
        buckets[key] = place;
        place += count;
    }
    for (int64_t s = 0; s < rows->sequences; s++) {
        const int n = lt_attention_length(rows, s);
        for (int first = 0; first < n; first += item_length(plan, direction, n))
            plan->items[buckets[work_of(plan, direction, first, n)]++] = (lt_attention_item){(int32_t)s, first};
    }
    plan->item_count = place;
}
