/* The state of lt_rl_run. Internal: learn.c runs the loop, learn_open.c sets up, learn_sample.c makes experience, learn_step.c
 * computes on it, learn_state.c saves, resumes and reports. */
#ifndef LT_RL_LEARN_INTERNAL_H
#define LT_RL_LEARN_INTERNAL_H

#include "rl/experience.h"
#include "rl/learn.h"
#include "rl/meter.h"
#include "train/run_folder.h"
#include "train/tuning.h"

/* What is counted over the run. Saved in checkpoints. */
typedef struct lt_learn_counters {
    int64_t step, generation; /* updates; rounds of sampling */
    int64_t epoch, position;  /* the next prompt */
    int64_t answers, tokens, trained_tokens, groups, equal_groups, replaced_groups;
    double elapsed, sampling, scoring, training; /* seconds */
    double reward_first, reward_last;
    double beta; /* PPO's KL coefficient now */
} lt_learn_counters;

typedef struct lt_learn {
    const lt_rl_request *request;
    lt_train_options options; /* request->train, with the objective set */
    const lt_objective *objective;
    lt_run_folder folder;
    lt_policy policy;
    lt_scorer *scorer;
    lt_prompt *prompts;
    int64_t prompt_count, too_long, longest_prompt;
    uint32_t *order; /* (prompt_count) of the present epoch */
    int64_t ordered_epoch;

    lt_tuning *tuning;
    lt_param_list params; /* the adapter's, then the value head's */
    int adapter_params;
    lt_score_head value;  /* N 0: none */
    lt_optimizer optimizer;
    lt_schedule schedule;
    lt_arena values, gradients, states;
    lt_plan plan;
    lt_engine *engine;
    lt_experience_pass pass;

    lt_rollout_options rollout_options;
    lt_rollout_shape rollout_shape;
    lt_rollout *rollout;

    int64_t groups_per_round, total_steps; /* prompts of a round; updates of the run */
    lt_experience experience;
    lt_learn_counters at;
    lt_meter meter;
    double grad_norm, learning_rate, loss; /* of the last step */
    double session_start;
    json_t *fingerprint;
    bool warned_equal;
    char checkpoint[4096]; /* resumed from, or "" */
} lt_learn;

/* What is known beside the model's own log-probabilities. */
bool lt_learn_needs_reference(const lt_learn *run);
bool lt_learn_needs_old(const lt_learn *run);

double lt_learn_clock(void);
bool lt_learn_stopped(const lt_learn *run);
void lt_learn_show(const lt_learn *run, const char *phase, int64_t done, int64_t total);

/* The parameters of the adapter alone, or of the value head alone: views on the list. */
lt_param_list lt_learn_adapter_view(const lt_learn *run);
lt_param_list lt_learn_value_view(const lt_learn *run);

/* learn_open.c */
bool lt_learn_open(lt_learn *run, lt_error *err);
bool lt_learn_start(lt_learn *run, const lt_plan_choice *choice, int64_t pass_tokens, lt_error *err);
void lt_learn_close(lt_learn *run);

/* learn_sample.c: a round of sampling, scores, log-probabilities and advantages into run->experience. */
bool lt_learn_sample(lt_learn *run, lt_error *err);

/* learn_step.c */
/* Log-probabilities under the policy and the reference, and values, of all answers that are not masked. */
bool lt_learn_look(lt_learn *run, lt_error *err);
bool lt_learn_step(lt_learn *run, lt_error *err); /* one update */

/* learn_state.c */
bool lt_learn_save(lt_learn *run, lt_error *err);
bool lt_learn_find(lt_learn *run, lt_plan_choice *choice, int64_t *pass_tokens, lt_error *err); /* counters from a checkpoint */
bool lt_learn_load(lt_learn *run, lt_error *err);                                               /* and its tensors */
bool lt_learn_log(lt_learn *run, lt_error *err);
bool lt_learn_finish(lt_learn *run, lt_rl_result *result, lt_error *err);

#endif
