/* The state of a training run. Internal: trainer.c runs the loop, run_open.c sets up, run_step.c computes a step,
 * run_state.c saves and resumes, run_report.c writes what people and programs read. */
#ifndef LT_TRAIN_RUN_H
#define LT_TRAIN_RUN_H

#include "train/frozen_cache.h"
#include "train/loader.h"
#include "train/pass.h"
#include "train/plan.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/trainer.h"
#include "train/tuning.h"

/* What is counted over the run, and what has been since the last logged row. Saved in checkpoints. */
typedef struct lt_run_counters {
    int64_t step; /* steps done */
    int64_t tokens, trained_tokens;
    double elapsed;               /* seconds, earlier sessions included */
    double loss_first, loss_last; /* of logged rows */
    int64_t window_steps, window_tokens;
    double window_loss, window_elapsed; /* sum of the steps' losses; `elapsed` when the window began */
    lt_mean window_metric[LT_OBJECTIVE_METRICS];
    double eval_before, replay_before; /* losses before the first step, where old data is watched; else NAN */
} lt_run_counters;

/* The last step. */
typedef struct lt_run_step_result {
    double loss, grad_norm, learning_rate;
    lt_objective_sums sums;
    bool epoch_ended;
} lt_run_step_result;

typedef struct lt_run {
    const lt_train_options *options;
    lt_run_folder folder;
    lt_model *model;
    lt_tuning *tuning;
    lt_param_list params;
    lt_optimizer optimizer;
    lt_schedule schedule;
    lt_token_store *train, *eval;
    lt_token_store *replay_eval; /* old data that is watched, or NULL */
    lt_loader loader;
    lt_step_batch batch;
    lt_pass pass;
    lt_teacher *teacher; /* or NULL */
    lt_reference *reference, *eval_reference; /* of train and eval; NULL: the objective needs none */
    lt_arena values, gradients, states, data;
    lt_plan plan;
    lt_engine *engine;
    int64_t total_steps, rows_skipped;
    bool rows_taken; /* lt_run_read_data was called: the sources are closed */
    int64_t eval_step; /* step of the last evaluation, -1: none */
    double eval_loss;
    double replay_loss; /* of replay_eval */
    json_t *eval_classes; /* of a classifier's last evaluation: lt_confusion_json; NULL */
    lt_run_counters at;
    lt_run_step_result last;
    double session_start; /* lt_run_clock when this process began to train, less what earlier sessions took */
    lt_frozen_cache_options frozen; /* bits 0: without */
    lt_frozen_cache *cache;         /* or NULL */
    json_t *fingerprint;  /* what a resumed run must have in common with this one */
} lt_run;

double lt_run_clock(void); /* seconds, monotonic */
bool lt_run_stopped(const lt_run *run);

/* run_open.c, in this order */
bool lt_run_open_model(lt_run *run, lt_error *err);
bool lt_run_read_data(lt_run *run, const char *temporary, lt_error *err); /* temporary: where the token store lies */
/* choice: of the run that is resumed, or NULL. */
bool lt_run_make_plan(lt_run *run, const lt_plan_choice *choice, bool measure_speed, lt_error *err);
/* The teacher, where the objective looks at one; its vocabulary must be the model's. */
bool lt_run_open_teacher(lt_run *run, lt_error *err);
/* The reference model's log-probabilities, where the objective needs them. */
bool lt_run_build_references(lt_run *run, const char *temporary, lt_error *err);
lt_pass_means lt_run_means(const lt_run *run);
/* Takes the planned memory and fills the trained tensors. */
bool lt_run_start(lt_run *run, lt_error *err);
void lt_run_close(lt_run *run);

/* run_frozen.c */
bool lt_run_choose_frozen(lt_run *run, lt_error *err); /* after lt_run_read_data: fills run->frozen */
bool lt_run_open_frozen(lt_run *run, lt_error *err);   /* with the folder started */
bool lt_run_forward(lt_run *run, lt_error *err);       /* the present pass, with the cache if there is one */
void lt_run_close_frozen(lt_run *run, bool finished);

/* run_step.c */
bool lt_run_step(lt_run *run, lt_error *err);

/* run_state.c */
bool lt_run_save(lt_run *run, lt_error *err);
/* Finds the checkpoint, reads its state into run->at and the loader's place, and the plan's choice. */
bool lt_run_find_checkpoint(lt_run *run, char folder[4096], json_t **state, lt_error *err);
bool lt_run_resume_state(lt_run *run, const char *folder, const json_t *state, lt_plan_choice *choice, lt_error *err);
bool lt_run_resume_tensors(lt_run *run, const char *folder, lt_error *err);
json_t *lt_run_make_fingerprint(const lt_run *run, lt_error *err);

/* run_report.c */
double lt_run_epoch(const lt_run *run);
bool lt_run_log(lt_run *run, lt_error *err); /* a row of metrics.jsonl; starts a new window */
bool lt_run_evaluate(lt_run *run, lt_error *err);
bool lt_run_evaluate_before(lt_run *run, lt_error *err); /* where old data is watched: what drift is counted from */
bool lt_run_write_trainer_state(const lt_run *run, const char *folder, lt_error *err);
bool lt_run_write_summary(const lt_run *run, lt_train_result *result, lt_error *err);
void lt_run_show(const lt_run *run, const char *phase, int64_t done, int64_t total);

#endif
