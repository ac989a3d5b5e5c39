/* Reinforcement learning: the model samples answers with the adapter as it is, a scorer scores them, and the adapter is updated
 * by a policy gradient; over and over, in one process on one base in memory. The reference is the same model with the
 * adapter off.
 *
 * The run folder is that of every training run (train/run_folder.h); metrics have TRL's names. The same seed gives the same
 * bytes for any number of threads, and a resumed run those of an uninterrupted one. */
#ifndef LT_RL_LEARN_H
#define LT_RL_LEARN_H

#include "rl/advantage.h"
#include "rl/policy.h"
#include "train/trainer.h"

typedef enum lt_rl_algorithm { LT_RL_GRPO, LT_RL_RLOO, LT_RL_PPO } lt_rl_algorithm;

typedef struct lt_rl_request {
    lt_train_options train; /* model, tuning, output, optimiser, schedule, seed, machine, saving, progress; batch_size ×
                             * gradient_accumulation_steps answers a step; objective, rows and evaluation are not used */
    lt_rl_algorithm algorithm;
    lt_objective_options objective; /* loss_type, beta, epsilon … */
    const char *chat_template;
    lt_prompts_options prompts; /* tokenizer and chat are filled in */
    lt_rollout_options rollout; /* answers: K; stop ids, stop and progress are filled in */
    int64_t decode_batch;
    lt_scorer_options scorer;
    const char *const *scorers;
    const double *weights; /* NULL: 1 each */
    int scorer_count;

    int64_t num_iterations; /* updates on the answers of one round of sampling; PPO's epochs */
    lt_scale_rewards scale_rewards;    /* grpo */
    bool normalize_advantages;         /* rloo */
    bool mask_truncated_completions;
    int64_t dynamic_sampling;          /* rounds that replace groups of equal scores (DAPO); 0: none */
    double missing_eos_penalty;        /* taken from the score of answers that were cut */
    /* ppo */
    double gamma, lam;
    bool whiten_rewards;
    double kl_target, kl_horizon;      /* kl_target > 0: beta is adapted to reach it */
} lt_rl_request;

typedef struct lt_rl_result {
    int64_t steps, answers, tokens;
    double seconds, sampling_seconds, scoring_seconds, training_seconds;
    double reward_first, reward_last; /* of logged rows; NAN without one */
    double frac_reward_zero_std;      /* of all groups */
    int64_t peak_rss_bytes, batch, cache_bytes;
} lt_rl_result;

const char *lt_rl_algorithm_name(lt_rl_algorithm algorithm); /* "grpo" … */

bool lt_rl_run(const lt_rl_request *request, lt_rl_result *result, lt_error *err);

#endif
