/* What sampling and reinforcement learning have in common: a model with its tokenizer, what ends an answer, and scores for
 * answers. */
#ifndef LT_RL_POLICY_H
#define LT_RL_POLICY_H

#include "nn/model.h"
#include "rl/prompts.h"
#include "rl/rollout.h"
#include "rl/scorer.h"
#include "text/chat.h"
#include "text/tokenizer.h"

typedef struct lt_policy {
    lt_model *model;
    lt_tokenizer *tokenizer;
    lt_chat *chat; /* NULL: no template */
    lt_ids stop_ids;
    int64_t weight_bytes; /* of the base */
} lt_policy;

/* Opens model folder `path`. On failure what was opened is closed. */
bool lt_policy_open(lt_policy *policy, const char *path, const char *chat_template, lt_error *err);
void lt_policy_close(lt_policy *policy);

/* A rollout for the policy beside `taken_bytes` that others will take, under limit_bytes (0: what is available). All weights
 * stay resident where that leaves room; *window_bytes is what they may take. */
bool lt_policy_plan_rollout(const lt_policy *policy, lt_compute compute, int threads, int64_t longest_prompt,
                            const lt_rollout_options *options, int64_t batch, int64_t limit_bytes, int64_t taken_bytes,
                            lt_rollout_shape *shape, int64_t *window_bytes, lt_error *err);

/* Answers as text, and their scores. prompts (count), answers (count · K). */
typedef struct lt_scored {
    char **text; /* (count · K) owned */
    size_t *size;
    double *score; /* (count · K) */
    double *parts; /* (scorers, count · K) */
} lt_scored;

bool lt_policy_score(const lt_policy *policy, lt_scorer *scorer, const lt_prompt *const *prompts, int64_t count, int64_t K,
                     const lt_rollout_answer *answers, lt_scored *scored, lt_error *err);
void lt_scored_free(lt_scored *scored, int64_t answers);

#endif
