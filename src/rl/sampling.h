/* Rejection sampling: K answers to every prompt, scored, and the best of them written as training rows.
 *
 *     OUTPUT/sft.jsonl           {"prompt", "completion", "score"}                     chosen answers
 *     OUTPUT/preferences.jsonl   {"prompt", "chosen", "rejected", "score_chosen", "score_rejected"}   best against worst
 *     OUTPUT/samples.jsonl       every answer with its scores
 *     OUTPUT/summary.json        counts
 *     OUTPUT/state.json          where the run is; --resume goes on from there
 *
 * Rows of a string prompt have strings, those of a conversation lists of messages, so both are trained as they were sampled.
 * Prompts are read and answered in groups; each group's rows are on disk before the state says so. */
#ifndef LT_RL_SAMPLING_H
#define LT_RL_SAMPLING_H

#include <jansson.h>

#include "rl/policy.h"

typedef struct lt_sampling_request {
    const char *model;
    const char *const *adapters; /* each gives K answers to every prompt; none: the base does */
    int adapter_count;
    const char *chat_template;
    lt_prompts_options prompts; /* tokenizer and chat are filled in */
    lt_rollout_options rollout; /* stop ids are filled in (ignore_eos: not), stop, progress and context too */
    bool ignore_eos;
    int64_t batch; /* answers decoded at once, at most */
    lt_scorer_options scorer;
    const char *const *scorers;
    const double *weights; /* NULL: 1 each */
    int scorer_count;
    bool best_of;      /* the best answer of each prompt; otherwise every (different) one that reaches the threshold */
    double threshold;  /* least score of a chosen answer; NAN: none */
    bool keep_truncated; /* answers that were cut may be chosen too */
    int64_t max_prompts; /* 0: all */
    const char *output;
    bool overwrite, resume;
    const json_t *recipe; /* what makes two runs the same; borrowed */
    lt_compute compute;
    int threads;
    int64_t max_memory_bytes;
    void (*progress)(const char *phase, int64_t done, int64_t tokens, double tokens_per_second, void *context);
    void *context;
    const volatile sig_atomic_t *stop;
} lt_sampling_request;

typedef struct lt_sampling_result {
    int64_t prompts, answers, truncated, tokens, prompt_tokens, chosen, pairs, too_long;
    int64_t equal_scores; /* prompts whose answers all have the same score: no pair */
    int64_t duplicates;   /* answers that would have been chosen, but had been already */
    int64_t solved;       /* prompts whose best answer reaches the threshold (without one: scores above 0) */
    double score_sum, best_sum, seconds, step_seconds;
    int64_t batch, cache_bytes; /* answers at once, and what their keys and values took */
} lt_sampling_result;

bool lt_sampling_run(const lt_sampling_request *request, lt_sampling_result *result, lt_error *err);

/* As summary.json has it. New reference. */
json_t *lt_sampling_json(const lt_sampling_request *request, const lt_sampling_result *result);

#endif
