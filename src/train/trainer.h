/* A training run from options to the finished run folder. */
#ifndef LT_TRAIN_TRAINER_H
#define LT_TRAIN_TRAINER_H

#include <jansson.h>
#include <signal.h>

#include "objective/objective.h"
#include "train/optimizer.h"
#include "train/plan.h"
#include "core/rows.h"
#include "train/masking.h"
#include "train/schedule.h"

struct lt_peft_config; /* formats/peft.h */

typedef enum lt_method { LT_METHOD_LORA, LT_METHOD_FULL } lt_method;
typedef enum lt_strategy { LT_STRATEGY_NO, LT_STRATEGY_STEPS, LT_STRATEGY_EPOCH } lt_strategy;

/* What is going on, for a progress bar. Called after every step, and now and then while tokens are made. */
typedef struct lt_progress {
    const char *phase;    /* "tokenizing", "training", "evaluating", "saving" */
    int64_t done, total;  /* rows, steps, evaluation tokens; total 0: not known */
    double epoch, loss, learning_rate, grad_norm;
    double tokens_per_second, elapsed_seconds, eta_seconds;
    int64_t rss_bytes;
    int64_t planned_bytes; /* the peak of the plan; 0: there is none yet */
} lt_progress;

typedef void (*lt_progress_sink)(const lt_progress *progress, void *context);

/* lt_train_options.frozen_cache: 32 bits with f32 products, 16 with bf16, where rows are seen more than once. */
enum { LT_FROZEN_CACHE_AUTO = -1 };

typedef struct lt_train_options {
    /* what, from what, to where; all strings are borrowed */
    const char *command;             /* "sft", "pretrain": for summary.json */
    const lt_objective *objective;
    lt_objective_options objective_options;
    const char *model;               /* HF folder */
    int64_t labels;                  /* a score head of so many outputs instead of the language model's; 0: none */
    int32_t row_values;              /* numbers of a row of data; 0: one */
    int32_t pad_id;                  /* see lt_pass_means; -1: the model's own */
    json_t *companion;               /* an object that is saved in a file beside what is trained; borrowed, may be NULL */
    const char *companion_name;
    const char *predictions;         /* a classifier's evaluation writes a line for each row to this file; or NULL */
    lt_method method;
    const char *adapter;             /* start from this PEFT folder, or NULL */
    const char *ref_adapter;         /* the reference is the base with this adapter; NULL: the base alone */
    const char *teacher;             /* of the objective that looks at one: folder or GGUF file; NULL: none */
    const char *teacher_adapter;     /* PEFT folder on it, or NULL */
    int64_t teacher_tokens;          /* ids below this were seen to mean the same to both, and none above has a token; 0: not known */
    double loraplus_lr_ratio;        /* LoRA+: rate of B over that of A; 0: one rate */
    const struct lt_peft_config *peft; /* a new adapter; unused with `adapter` (its own file says) or LT_METHOD_FULL */
    const char *output;              /* run folder */
    json_t *recipe;                  /* every option as resolved, for recipe.yaml; borrowed, may be NULL */

    /* data */
    lt_row_source rows, eval_rows;   /* closed by the run, also when it fails; eval_rows.next NULL: no evaluation */
    lt_packing packing;
    int64_t max_length;
    bool shuffle;
    lt_mix mix;                      /* shares of several data sets (lt_row.source); sources 0: none */
    lt_row_source replay_eval_rows;  /* old data whose loss is watched beside eval_rows; next NULL: none */
    double neftune_noise_alpha;      /* 0: no noise on the embedding */
    lt_masking masking;              /* encoders: of rows without labels; probability 0: none */
    int64_t batch_size, gradient_accumulation_steps;

    /* how long, how fast */
    double num_train_epochs;
    int64_t max_steps;               /* > 0 wins over epochs */
    lt_schedule_options schedule;    /* total_steps and learning_rate are filled in by the run */
    double learning_rate;
    lt_optimizer_options optimizer;
    double max_grad_norm;            /* 0: no clipping */
    const char *start_state;         /* a checkpoint of another run whose optimiser state this one begins with, or NULL */
    int64_t start_steps;             /* the steps that state has seen; filled in by the run */
    uint64_t seed;

    /* machine */
    lt_compute compute;
    int threads;
    int activation_bits;             /* 0: chosen */
    int64_t max_memory_bytes;        /* 0: no limit but what is available */

    /* what leaves the frozen blocks below the lowest trained one, kept on disk between epochs */
    int frozen_cache;                /* its bits: 8, 16, 32; 0: none; LT_FROZEN_CACHE_AUTO */
    const char *cache_folder;        /* where it lies; NULL: in output */
    bool keep_cache;                 /* it stays behind, for further runs on the same rows */

    /* the run folder */
    bool overwrite, resume;          /* resume: the latest good checkpoint of output, or the one below */
    const char *resume_from;         /* checkpoint folder, or NULL */
    lt_strategy eval_strategy, save_strategy;
    int64_t logging_steps, eval_steps, save_steps, save_total_limit; /* save_total_limit 0: keep all */
    const char *save_gradients;      /* the first step's gradients before clipping go to this file; or NULL */
    lt_dtype save_dtype;             /* of model.safetensors after full training */

    lt_progress_sink progress;       /* may be NULL */
    void *progress_context;
    const volatile sig_atomic_t *stop; /* set by a signal handler of the caller; may be NULL */
} lt_train_options;

/* Zeros, and the defaults of transformers' TrainingArguments where they have one (batch size 8, 3 epochs, rate 5e-5 …). */
void lt_train_defaults(lt_train_options *options);

typedef struct lt_train_result {
    int64_t steps, tokens, trained_tokens;
    double seconds, tokens_per_second, loss_first, loss_last, eval_loss; /* eval_loss NaN when there was none */
    double eval_loss_before, replay_loss_before, replay_loss; /* where old data is watched; else NaN */
    int64_t peak_rss_bytes, planned_peak_bytes;
    double eval_accuracy, eval_f1_macro; /* of a classifier's last evaluation; NaN otherwise */
    int64_t rows_skipped; /* rows of the data that train nothing */
} lt_train_result;

/* Trains. LT_ERR_INTERRUPTED when `stop` was set: the step was finished and a checkpoint written. LT_ERR_NUMERIC when
 * loss or gradient is not finite: the tensors were not touched by that step. */
bool lt_train_run(const lt_train_options *options, lt_train_result *result, lt_error *err);

/* Everything up to the first step, but nothing is written to the output folder (the token store lies in the system's
 * folder for temporary files). */
bool lt_train_plan(const lt_train_options *options, lt_plan *plan, lt_error *err);

#endif
