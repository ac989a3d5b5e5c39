/* What is optimised. The engine gives the log-probability of every target token and takes back the weight of each one's
 * gradient; an objective is what happens between the two. It knows nothing of models, adapters or files.
 *
 *     weights first   weigh() without logp, one head pass, measure()                        (language modelling, SFT)
 *     logp first      a head pass for logp, weigh(), a second head pass, measure()          (preferences, policy gradients)
 *     scores          a score head gives numbers per sequence (or per target), weigh() their gradients, measure()
 *                                                                              (classifiers, reward models, value functions)
 *
 * What an objective needs beside that, numbers that were known before the pass, comes in per_target: the reference's
 * log-probabilities, those of the policy that sampled, advantages.
 *
 * The trainer may cut a step into several passes of whole rows, and then calls for each of them; what a mean is taken
 * over is known for the whole step (step_rows, step_targets), so the cut changes nothing.
 *
 * A new objective is one file with an lt_objective in it and one line in the registry of objective.c. */
#ifndef LT_OBJECTIVE_OBJECTIVE_H
#define LT_OBJECTIVE_OBJECTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/* What a row of data must consist of. */
typedef enum lt_row_shape {
    LT_ROW_SEQUENCE, /* one sequence with trained tokens */
    LT_ROW_PAIR,     /* two sequences with the same prompt: chosen, rejected */
    LT_ROW_LABEL,    /* one sequence and a label (value) */
    LT_ROW_ANSWER,   /* two sequences: a prompt with its answer, rated by value (1 good, 0 bad); and the prompt with
                      * another row's answer, for which no gradient is wanted (KTO) */
    LT_ROW_SHAPES
} lt_row_shape;

/* A row as it lies in the pass: consecutive sequences. */
typedef struct lt_objective_row {
    int64_t row;            /* its number in the data, for caches */
    int64_t first_sequence; /* in this pass */
    int32_t sequences;
    float value;            /* label, margin … ; 0 when the data has none */
    const float *values;    /* (labels) where a row has several: multi-label and multiple regression; else NULL */
} lt_objective_row;

/* Numbers for each target that are known before the pass; who runs the pass fills what the objective needs. */
typedef enum lt_target_array {
    LT_TARGET_REFERENCE_LOGP, /* log-probability under the reference model */
    LT_TARGET_OLD_LOGP,       /* … under the policy that sampled the token */
    LT_TARGET_ADVANTAGE,
    LT_TARGET_RETURN,         /* what the value function shall predict */
    LT_TARGET_OLD_VALUE,      /* what it predicted when the token was sampled */
    LT_TARGET_ARRAYS
} lt_target_array;

#define LT_TARGET_BIT(array) (1u << (array))

/* Which heads the objective looks through. */
typedef enum lt_objective_head {
    LT_HEAD_LM,       /* logp of the targets */
    LT_HEAD_SCORE,    /* a score head on one token of each sequence; there are no targets */
    LT_HEAD_LM_VALUE, /* logp, and a score head on the row that predicts each target */
} lt_objective_head;

/* One pass, as an objective sees it. Everything is borrowed. */
typedef struct lt_objective_pass {
    const lt_objective_row *rows;
    int64_t row_count;
    const int64_t *sequence_targets; /* (sequences + 1): targets of sequence s are [s], … [s+1] - 1 */
    int64_t target_count;            /* of this pass */
    int64_t step_rows, step_targets; /* of the whole step (for an evaluation: of the pass) */
    int64_t step_first_targets;      /* of those, the targets of the rows' first sequences (chosen answers) */
    double step_weight;              /* Σ row_weight over the step's rows */
    const float *logp;               /* (target_count); NULL when weigh() comes first */
    float *weight;                   /* (target_count) out of weigh(): gradient of the loss by -logp */
    const float *kl;  /* with a teacher: (target_count) divergence of the model from it; NULL when weigh() comes first */
    float *kl_weight; /* (target_count) out of weigh(): gradient of the loss by that; NULL without a teacher */
    const uint8_t *target_kind;      /* (target_count) lt_target_kind; NULL: all are answers */
    const float *per_target[LT_TARGET_ARRAYS]; /* (target_count) each, or NULL where `needs` does not ask */

    /* With a score head; else NULL and 0. */
    const float *score;    /* (score_count, labels): of sequence s, or with LT_HEAD_LM_VALUE of target i */
    float *score_gradient; /* (score_count, labels) out of weigh(): gradient of the loss by score */
    int64_t score_count;
    int32_t labels;
} lt_objective_pass;

/* What a target is: a trained token of the answer, or (where an objective's rows ask for them) one of the prompt. Values of
 * lt_row.trained. */
typedef enum lt_target_kind { LT_TARGET_NONE, LT_TARGET_ANSWER, LT_TARGET_PROMPT } lt_target_kind;

/* Targets of sequence s of a row: *first … first + return value - 1. */
static inline int64_t lt_objective_targets(const lt_objective_pass *pass, const lt_objective_row *row, int32_t s, int64_t *first)
{
    *first = pass->sequence_targets[row->first_sequence + s];
    return pass->sequence_targets[row->first_sequence + s + 1] - *first;
}

/* A mean in the making: value = sum / count. Sums of passes, steps and evaluations add up. */
typedef struct lt_mean {
    double sum, count;
} lt_mean;

static inline double lt_mean_value(const lt_mean *mean) { return mean->count > 0 ? mean->sum / mean->count : 0; }

enum { LT_OBJECTIVE_METRICS = 12 };

typedef struct lt_objective_sums {
    lt_mean loss;
    lt_mean metric[LT_OBJECTIVE_METRICS]; /* in the order of the objective's metric names */
} lt_objective_sums;

void lt_objective_sums_add(lt_objective_sums *into, const lt_objective_sums *from);

/* Numbers a user may set; an objective reads those it knows. */
typedef struct lt_objective_options {
    int loss_type;                /* index into the objective's loss_types */
    double beta, label_smoothing; /* dpo and its kin */
    double simpo_gamma, cpo_alpha, discopop_tau;
    double desirable_weight, undesirable_weight; /* kto */
    double center_rewards_coefficient;           /* reward; 0: none */
    const float *class_weights;                  /* classify: (labels), or NULL */
    double epsilon, epsilon_high;                /* policy gradients: the ratio is clipped to 1 - epsilon … 1 + epsilon_high */
    int64_t completion_length;                   /* dr_grpo: tokens that an answer may have */
    double mirror_coef;                          /* rloo, mirror descent */
    double vf_coef, cliprange_value;             /* ppo */
    double distill_alpha, distill_temperature;   /* distill */
} lt_objective_options;

typedef struct lt_objective {
    const char *name;
    lt_row_shape rows;
    bool logp_first;
    const char *const *metrics; /* names, NULL-terminated; NULL when the loss is all */
    lt_objective_head head;
    bool teacher;                  /* a teacher's logits at every target are compared with the model's (pass.kl) */
    bool trains_prompt;            /* the prompt tokens of the first sequence are targets too, of kind LT_TARGET_PROMPT */
    unsigned needs;                /* LT_TARGET_BIT(…) | … */
    const char *const *loss_types; /* NULL-terminated variants for options.loss_type; NULL: there is one */

    /* A row's share of means over rows (class weights); NULL: every row counts 1. */
    double (*row_weight)(const lt_objective_options *options, float value);
    /* Options that make no sense: LT_ERR_USAGE. May be NULL. */
    bool (*check)(const lt_objective_options *options, lt_error *err);
    /* Fills pass->weight, and pass->score_gradient with a score head. */
    void (*weigh)(const lt_objective_options *options, const lt_objective_pass *pass);
    /* Adds the pass's loss and metrics, from pass->logp. */
    void (*measure)(const lt_objective_options *options, const lt_objective_pass *pass, lt_objective_sums *sums);
} lt_objective;

/* The registry. NULL for an unknown name; lt_objective_names is NULL-terminated. */
const lt_objective *lt_objective_find(const char *name);
const char *const *lt_objective_names(void);

/* The index of a loss type, -1 when the objective has none of that name. */
int lt_objective_loss_type(const lt_objective *objective, const char *name);

/* A training loss by its name on the command line: "sigmoid", "ipo", "kto" … : its objective and *loss_type; NULL when there
 * is none. lt_objective_preferences lists them, NULL-terminated. */
const lt_objective *lt_objective_preference(const char *name, int *loss_type);
const char *const *lt_objective_preferences(void);

extern const lt_objective lt_objective_lm;                       /* lm.c */
extern const lt_objective lt_objective_distill;                  /* distill.c: beside a teacher */
extern const lt_objective lt_objective_dpo;                      /* dpo.c: pairs and a reference */
extern const lt_objective lt_objective_orpo, lt_objective_cpo;   /* orpo.c, cpo.c: pairs alone */
extern const lt_objective lt_objective_kto;                      /* kto.c: single answers, good or bad */
extern const lt_objective lt_objective_reward;                   /* reward.c: pairs of scores */
extern const lt_objective lt_objective_classify, lt_objective_multi_label, lt_objective_regression; /* classify.c */
extern const lt_objective lt_objective_grpo, lt_objective_rloo, lt_objective_ppo; /* grpo.c, rloo.c, ppo.c: policy gradients */

#endif
