/* Every number that costs memory for speed is tried from generous to tight: passes of a step, the window, the chunks;
 * under each of them as many layers as fit keep all, then attention. Among what fits the least predicted time wins,
 * with constants for a machine's speed, so that the choice is a function of model, data and limit. */
#include "train/plan_choose.h"

#include <string.h>

static const int64_t chunks[] = {512, 256, 128, 64, 32, 16};
static const int64_t head_chunks[] = {256, 128, 64, 32, 16, 8};
static const int64_t pass_counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 4096, INT32_MAX};
static const double NOMINAL_FLOPS = 3e11;

enum { WINDOWS = 5 };
static const int64_t LEAST_WINDOW = 1 << 20, MOST_PASS_TOKENS = INT32_MAX / 2;

typedef struct search {
    const lt_plan_facts *facts;
    int64_t limit;
    int threads; /* what bytes are counted for, whatever --threads says: the choice must not depend on it */
    lt_loader_extent extent;
    lt_plan_choice best;
    double best_seconds; /* < 0: nothing fits yet */
    int64_t least;
} search;

static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Two blocks, one, a half …: at least a slab of a few rows. */
static int64_t window(const lt_plan_facts *facts, int i)
{
    return max64(2 * facts->block_bytes >> i, LEAST_WINDOW);
}

static int64_t total(search *s, const lt_plan_choice *choice)
{
    lt_engine_shape shape = lt_plan_shape(s->facts, choice, &s->extent, s->threads);
    int64_t bytes = lt_plan_count(s->facts, &shape, choice, &s->extent).total;
    if (s->least == 0 || bytes < s->least)
        s->least = bytes;
    return bytes;
}

/* The largest value in 0 … most of *field with which the choice fits; 0 fits already. */
static void fill(search *s, lt_plan_choice *choice, int64_t *field, int64_t most)
{
    int64_t low = 0, high = most;
    while (low < high) {
        *field = (low + high + 1) / 2;
        if (total(s, choice) <= s->limit)
            low = *field;
        else
            high = *field - 1;
    }
    *field = low;
}

static void try_choice(search *s, lt_plan_choice choice)
{
    if (total(s, &choice) > s->limit)
        return;
    fill(s, &choice, &choice.keep_all, s->facts->trained_layers);
    fill(s, &choice, &choice.keep_attention, s->facts->trained_layers - choice.keep_all);
    lt_engine_shape shape = lt_plan_shape(s->facts, &choice, &s->extent, s->threads);
    double seconds = lt_plan_seconds(s->facts, &shape, &choice, &s->extent, NOMINAL_FLOPS);
    if (s->best_seconds < 0 || seconds < s->best_seconds) {
        s->best = choice;
        s->best_seconds = seconds;
    }
}

/* Everything under one way to cut steps into passes and to store the inputs of layers that are computed again. */
static void try_inputs(search *s, lt_plan_choice choice)
{
    int last_window = -1;
    for (int w = 0; w < WINDOWS; w++) {
        choice.window_bytes = window(s->facts, w);
        if (w && choice.window_bytes == window(s->facts, last_window))
            continue;
        last_window = w;
        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++)
            for (size_t h = 0; h < sizeof head_chunks / sizeof *head_chunks; h++) {
                choice.chunk = chunks[c];
                choice.head_chunk = head_chunks[h];
                choice.keep_all = choice.keep_attention = 0;
                try_choice(s, choice);
            }
    }
}

/* Inputs are stored at twice the bits of other activations, or, where that is faster, at the same. */
static void try_pass(search *s, lt_plan_choice choice)
{
    choice.input_bits = choice.activation_bits == 8 ? 16 : choice.activation_bits;
    try_inputs(s, choice);
    if (choice.activation_bits == 8) {
        choice.input_bits = 8;
        try_inputs(s, choice);
    }
}

bool lt_plan_choose(const lt_plan_facts *facts, int64_t limit_bytes, lt_plan_choice *choice, lt_error *err)
{
    const lt_plan_request *r = facts->request;
    search s = {.facts = facts, .limit = limit_bytes, .threads = facts->threads, .best_seconds = -1};
    lt_plan_choice start = {.activation_bits = r->activation_bits};
    if (!start.activation_bits)
        start.activation_bits = r->compute == LT_COMPUTE_BF16 ? 8 : 32;
    int64_t whole = 0;
    if (r->loader && !lt_loader_measure(r->loader, r->steps, 0, &s.extent, err))
        return false;
    whole = s.extent.pass_size;
    for (size_t i = 0; i < sizeof pass_counts / sizeof *pass_counts; i++) {
        int64_t tokens = (whole + pass_counts[i] - 1) / pass_counts[i];
        if (tokens > MOST_PASS_TOKENS)
            continue;
        start.pass_tokens = pass_counts[i] == 1 ? 0 : tokens;
        if (start.pass_tokens && !lt_loader_measure(r->loader, r->steps, start.pass_tokens, &s.extent, err))
            return false;
        int64_t before = s.extent.pass_size;
        try_pass(&s, start);
        bool all_kept = s.best_seconds >= 0 && s.best.keep_all == facts->trained_layers;
        if (!r->loader || all_kept || before <= max64(r->least_tokens, tokens / 2) || s.extent.pass_rows <= 1)
            break; /* cutting further could not make it faster, or does not make it smaller */
    }
    if (s.best_seconds < 0 || facts->taken_bytes > limit_bytes)
        return lt_error_set(err, LT_ERR_MEMORY, "needs at least %lld MiB of memory, the limit is %lld MiB",
                            (long long)((max64(s.least, facts->taken_bytes) >> 20) + 1), (long long)(limit_bytes >> 20));
    *choice = s.best;
    return true;
}
