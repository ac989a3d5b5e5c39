#include "rl/rollout.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/threads.h"

enum { PROMPT_CHUNK = 256 };

/* A prompt that is cached, and the logits that all of its answers begin from. */
typedef struct shared_prompt {
    int64_t prompt; /* -1: free */
    int64_t left;   /* answers that are not done */
    float *logits;  /* (V) */
} shared_prompt;

/* A place in the batch. */
typedef struct slot {
    int64_t answer; /* index, -1: free */
    int64_t shared; /* its prompt's */
    lt_rng rng;
} slot;

struct lt_rollout {
    lt_model *model;
    lt_rollout_shape shape;
    lt_decoder *decoder;
    lt_arena arena;
    slot *slots;           /* (sequences) */
    shared_prompt *shared; /* (prefixes) */
    float *logits;         /* (sequences,V) */
    int64_t *active;       /* (sequences) of a step: its slots */
    int32_t *next;         /* (sequences) and the tokens they are given */
    char *scratch;         /* per thread, of sampling */
    int32_t *history;      /* per thread: prompt and answer, for the repetition penalty */
    int64_t history_max;
};

static void layout(lt_rollout *r)
{
    const lt_decoder_shape *s = &r->shape.decoder;
    int64_t V = r->model->config.V;
    lt_arena *a = &r->arena;
    r->history_max = s->capacity + s->prefix_capacity;
    r->slots = LT_ARENA_NEW(a, slot, s->sequences);
    r->shared = LT_ARENA_NEW(a, shared_prompt, s->prefixes);
    r->logits = LT_ARENA_NEW(a, float, s->sequences * V);
    r->active = LT_ARENA_NEW(a, int64_t, s->sequences);
    r->next = LT_ARENA_NEW(a, int32_t, s->sequences);
    r->scratch = lt_arena_alloc(a, s->threads * lt_align_up(lt_sample_scratch_bytes(V)));
    r->history = LT_ARENA_NEW(a, int32_t, s->threads * r->history_max);
    for (int64_t i = 0; i < s->prefixes; i++) {
        float *logits = LT_ARENA_NEW(a, float, V);
        if (r->shared)
            r->shared[i].logits = logits;
    }
}

static int64_t measure(lt_rollout_shape *shape, const lt_model *model)
{
    lt_rollout r = {.model = (lt_model *)model, .shape = *shape, .arena = lt_arena_measure()};
    layout(&r);
    shape->cache_bytes = lt_decoder_cache_bytes(model, &shape->decoder);
    shape->bytes = r.arena.used + lt_decoder_bytes(model, &shape->decoder);
    return shape->bytes;
}

/* Answers end at different times, so those under way belong to more prompts than would fill the batch. */
static int64_t prefixes_for(int64_t n, int64_t answers)
{
    int64_t prefixes = (n + answers - 1) / answers + n / 4 + 1;
    return prefixes < n ? prefixes : n;
}

bool lt_rollout_plan(lt_rollout_shape *shape, const lt_model *model, lt_compute compute, int threads, int64_t longest_prompt,
                     const lt_rollout_options *o, int64_t batch, int64_t budget_bytes, lt_error *err)
{
    for (int64_t n = batch < 1 ? 1 : batch;; n = n > 8 ? n - 8 : n - 1) {
        int64_t prompt_chunk = longest_prompt < PROMPT_CHUNK ? longest_prompt : PROMPT_CHUNK;
        shape->decoder = (lt_decoder_shape){.compute = compute, .threads = threads, .sequences = n, .capacity = o->max_new_tokens,
                                            .chunk = prompt_chunk > n ? prompt_chunk : n,
                                            .prefixes = prefixes_for(n, o->answers),
                                            .prefix_capacity = longest_prompt};
        if (measure(shape, model) <= budget_bytes)
            return true;
        if (n == 1)
            return lt_error_set(err, LT_ERR_MEMORY,
                                "sampling answers of %lld tokens to prompts of up to %lld takes at least %lld MB (one at a time), but "
                                "%lld MB are left", (long long)o->max_new_tokens, (long long)longest_prompt,
                                (long long)(shape->bytes >> 20) + 1, (long long)(budget_bytes > 0 ? budget_bytes >> 20 : 0));
    }
}

bool lt_rollout_open(lt_rollout **out, lt_model *model, const lt_rollout_shape *shape, lt_error *err)
{
    lt_rollout *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    r->model = model;
    r->shape = *shape;
    r->arena = lt_arena_measure();
    layout(r);
    int64_t bytes = r->arena.used;
    r->arena = (lt_arena){0};
    if (!lt_arena_init(&r->arena, bytes, err) || !lt_decoder_open(&r->decoder, model, &shape->decoder, err)) {
        lt_rollout_close(r);
        return false;
    }
    layout(r);
    *out = r;
    return true;
}

void lt_rollout_close(lt_rollout *r)
{
    if (!r)
        return;
    lt_decoder_close(r->decoder);
    lt_arena_free(&r->arena);
    free(r);
}

void lt_rollout_free(lt_rollout_answer *answers, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        free(answers[i].ids);
        answers[i] = (lt_rollout_answer){0};
    }
}

/* One call of lt_rollout_run. */
typedef struct run {
    lt_rollout *r;
    const lt_rollout_prompt *prompts;
    int64_t total; /* answers */
    const lt_rollout_options *o;
    lt_rollout_answer *answers;
    lt_rollout_counts *counts;
    int64_t begun, done; /* answers */
} run;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int64_t find_shared(const run *u, int64_t prompt)
{
    for (int64_t i = 0; i < u->r->shape.decoder.prefixes; i++)
        if (u->r->shared[i].prompt == prompt)
            return i;
    return -1;
}

/* Where prompt p is cached: read now when it is not yet. -1: there is no place for another prompt until one is done. */
static bool share_prompt(run *u, int64_t p, int64_t *place, lt_error *err)
{
    lt_rollout *r = u->r;
    *place = find_shared(u, p);
    if (*place >= 0)
        return true;
    *place = find_shared(u, -1);
    if (*place < 0)
        return true;
    shared_prompt *s = &r->shared[*place];
    int64_t prefix = lt_decoder_prefix(r->decoder, *place);
    assert(u->prompts[p].count <= r->shape.decoder.prefix_capacity);
    lt_decoder_rewind(r->decoder, prefix, 0);
    if (!lt_decoder_feed(r->decoder, prefix, u->prompts[p].ids, u->prompts[p].count, s->logits, err))
        return false;
    s->prompt = p;
    s->left = u->o->answers;
    u->counts->prompt_tokens += u->prompts[p].count;
    return true;
}

/* The stream of an answer: never that of another key and number. */
static lt_rng stream_of(const run *u, int64_t answer)
{
    uint32_t mixed[4];
    lt_rng_block(u->o->seed, 0x726F6C6C, u->prompts[answer / u->o->answers].key, mixed);
    return lt_rng_make(u->o->seed ^ ((uint64_t)mixed[0] << 32 | mixed[1]), ((uint64_t)mixed[2] << 32) + (uint64_t)(answer % u->o->answers));
}

/* Answers begin in every free place. */
static bool refill(run *u, lt_error *err)
{
    lt_rollout *r = u->r;
    for (int64_t i = 0; i < r->shape.decoder.sequences && u->begun < u->total; i++) {
        slot *s = &r->slots[i];
        if (s->answer >= 0)
            continue;
        if (!share_prompt(u, u->begun / u->o->answers, &s->shared, err))
            return false;
        if (s->shared < 0)
            break;
        s->answer = u->begun++;
        s->rng = stream_of(u, s->answer);
        lt_decoder_attach(r->decoder, i, lt_decoder_prefix(r->decoder, s->shared));
        memcpy(r->logits + i * r->model->config.V, r->shared[s->shared].logits, (size_t)r->model->config.V * sizeof(float));
        u->answers[s->answer].ids = malloc((size_t)u->o->max_new_tokens * sizeof(int32_t));
        if (!u->answers[s->answer].ids)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for an answer");
    }
    return true;
}

static void sample_slot(run *u, int64_t i)
{
    lt_rollout *r = u->r;
    slot *s = &r->slots[i];
    int64_t V = r->model->config.V, thread = lt_threads_index(), seen = 0;
    lt_rollout_answer *a = &u->answers[s->answer];
    int32_t *history = r->history + thread * r->history_max;
    if (u->o->sample.repetition_penalty != 1) {
        const lt_rollout_prompt *p = &u->prompts[s->answer / u->o->answers];
        memcpy(history, p->ids, (size_t)p->count * sizeof *history);
        memcpy(history + p->count, a->ids, (size_t)a->count * sizeof *history);
        seen = p->count + a->count;
    }
    void *scratch = r->scratch + thread * lt_align_up(lt_sample_scratch_bytes(V));
    int32_t id = lt_sample(&u->o->sample, r->logits + i * V, V, history, seen, &s->rng, scratch);
    a->ids[a->count++] = id;
    for (size_t k = 0; k < u->o->stop_id_count; k++)
        a->ended |= u->o->stop_ids[k] == id;
    r->next[i] = id;
}

/* A token for every answer under way; those that end leave their place. */
static void sample_all(run *u)
{
    lt_rollout *r = u->r;
    int64_t places = r->shape.decoder.sequences;
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < places; i++)
        if (r->slots[i].answer >= 0)
            sample_slot(u, i);
    for (int64_t i = 0; i < places; i++) {
        slot *s = &r->slots[i];
        if (s->answer < 0)
            continue;
        u->counts->tokens++;
        const lt_rollout_answer *a = &u->answers[s->answer];
        if (!a->ended && a->count < u->o->max_new_tokens)
            continue;
        if (--r->shared[s->shared].left == 0)
            r->shared[s->shared].prompt = -1;
        s->answer = -1;
        u->done++;
        u->counts->answers++;
    }
}

static bool step(run *u, lt_error *err)
{
    lt_rollout *r = u->r;
    int64_t n = 0, V = r->model->config.V;
    int32_t *ids = r->next; /* packed in place: n never overtakes i */
    for (int64_t i = 0; i < r->shape.decoder.sequences; i++)
        if (r->slots[i].answer >= 0) {
            r->active[n] = i;
            ids[n++] = r->next[i];
        }
    if (n == 0)
        return true;
    double begin = now();
    if (!lt_decoder_step(r->decoder, r->active, ids, n, r->logits, err))
        return false;
    u->counts->step_seconds += now() - begin;
    u->counts->steps++;
    for (int64_t k = n - 1; k >= 0; k--) /* to the places of their answers, from the last: none is overwritten before it moved */
        if (r->active[k] != k)
            memcpy(r->logits + r->active[k] * V, r->logits + k * V, (size_t)V * sizeof(float));
    return true;
}

bool lt_rollout_run(lt_rollout *r, const lt_rollout_prompt *prompts, int64_t count, const lt_rollout_options *o,
                    lt_rollout_answer *answers, lt_rollout_counts *counts, lt_error *err)
{
    run u = {.r = r, .prompts = prompts, .total = count * o->answers, .o = o, .answers = answers, .counts = counts};
    double begin = now();
    memset(answers, 0, (size_t)u.total * sizeof *answers);
    for (int64_t i = 0; i < r->shape.decoder.sequences; i++)
        r->slots[i].answer = -1;
    for (int64_t i = 0; i < r->shape.decoder.prefixes; i++)
        r->shared[i].prompt = -1;
    while (u.done < u.total) {
        if (o->stop && *o->stop)
            return lt_error_set(err, LT_ERR_INTERRUPTED, "stopped while sampling");
        if (!refill(&u, err))
            return false;
        sample_all(&u);
        if (!step(&u, err))
            return false;
        if (o->progress)
            o->progress(u.done, counts->tokens, o->context);
    }
    counts->seconds += now() - begin;
    return true;
}
