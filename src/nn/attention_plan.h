/* How attention is cut up: which keys a query sees, tiles, the order of work, and the scratch memory. Internal to
 * attention.c and attention_backward.c. */
#ifndef LT_NN_ATTENTION_PLAN_H
#define LT_NN_ATTENTION_PLAN_H

#include "core/arena.h"
#include "nn/attention.h"
#include "simd/panel.h"

enum {
    LT_ATTENTION_BLOCK = 12, /* query rows whose scores are formed at once: they and their probabilities stay in L1 */
    LT_ATTENTION_CHUNKS = 8  /* partial sums of the prefix's gradient */
};

/* Tokens begin ≤ t < end of a sequence. */
typedef struct lt_span {
    int begin, end;
} lt_span;

/* A tile of queries (forward) or keys (backward): `first` is its first token, counted from the sequence's own. */
typedef struct lt_attention_item {
    int32_t sequence, first;
} lt_attention_item;

/* What both directions share, for one call. */
typedef struct lt_attention_plan {
    const lt_attention *attention;
    const lt_attention_rows *rows;
    const lt_panel_kernels *panel;
    const lt_kernels *kernels;
    int group;                /* query heads that share a key head: H / K */
    int D, a_stride;          /* a_stride: of A operands with depth D, and of rows of D f32 */
    int query_tile, key_tile; /* tokens */
    bool whole_sequences;
    int64_t item_count;       /* tiles of every sequence; a task is a tile and a key head */
    lt_attention_item *items; /* the most work first */
    char *per_thread;         /* scratch memory */
    int64_t per_thread_bytes;
} lt_attention_plan;

/* A sequence that is one task per key head: its keys fit one tile, and there are enough such tasks for all threads. The
 * bytes of the result do not depend on it. */
static inline bool lt_attention_is_short(const lt_attention_plan *plan, int n)
{
    return plan->whole_sequences && n <= plan->key_tile;
}

typedef enum lt_attention_direction { LT_ATTENTION_FORWARD, LT_ATTENTION_BACKWARD } lt_attention_direction;

/* Tile sizes for a direction. */
lt_attention_plan lt_attention_plan_sizes(const lt_attention *attention, lt_attention_direction direction);

/* Scratch memory of either direction. */
int64_t lt_attention_forward_bytes(const lt_attention *attention, int64_t max_T, int threads);
int64_t lt_attention_backward_bytes(const lt_attention *attention, int64_t max_T, int threads);

/* Lists the tiles of all sequences in `items`: query tiles by the number of keys they meet, key tiles by the number of
 * tokens from their first one on. Key tiles of one sequence stay in ascending order. buckets (T + 1) is scratch. */
void lt_attention_plan_items(lt_attention_plan *plan, lt_attention_direction direction, int32_t *buckets);

static inline int lt_attention_length(const lt_attention_rows *rows, int64_t sequence)
{
    return rows->starts[sequence + 1] - rows->starts[sequence];
}

/* The keys that query t of a sequence of n tokens sees, and the queries that see key t. */
static inline lt_span lt_attention_keys_of(const lt_attention *attention, int t, int n)
{
    const int64_t window = attention->window > 0 ? attention->window : n;
    lt_span keys = {t - window + 1 > 0 ? (int)(t - window + 1) : 0, t + 1};
    if (attention->bidirectional)
        keys.end = t + window < n ? (int)(t + window) : n;
    return keys;
}

static inline lt_span lt_attention_queries_of(const lt_attention *attention, int t, int n)
{
    const int64_t window = attention->window > 0 ? attention->window : n;
    lt_span queries = {t, t + window < n ? (int)(t + window) : n};
    if (attention->bidirectional)
        queries.begin = t - window + 1 > 0 ? (int)(t - window + 1) : 0;
    return queries;
}

static inline int lt_attention_min(int a, int b)
{
    return a < b ? a : b;
}
static inline int lt_attention_max(int a, int b)
{
    return a > b ? a : b;
}

/* Query rows first … first + count - 1 against a tile of `tile_keys` keys that begins at key `tile_first`: the columns
 * of each row, counted within the tile (begin, end), and of all of them together, widened to whole vectors. */
lt_span lt_attention_mask(const lt_attention *attention, int first, int count, int n, int tile_first, int tile_keys,
                          int *begin, int *end);

#endif
