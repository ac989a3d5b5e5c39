/* What is optimised. The engine gives the log-probability of every target token and takes back the weight of each one's
 * gradient; an objective is what happens between the two. It knows nothing of models, adapters or files.
 *
 *     weights first   weigh() without logp, one head pass, measure()                        (language modelling, SFT)
 *     logp first      a head pass for logp, weigh(), a second head pass, measure()          (preferences, policy gradients)
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
    LT_ROW_SHAPES
} lt_row_shape;

/* A row as it lies in the pass: consecutive sequences. */
typedef struct lt_objective_row {
    int64_t row;            /* its number in the data, for caches */
    int64_t first_sequence; /* in this pass */
    int32_t sequences;
    float value;            /* label, margin … ; 0 when the data has none */
} lt_objective_row;

/* One pass, as an objective sees it. Everything is borrowed. */
typedef struct lt_objective_pass {
    const lt_objective_row *rows;
    int64_t row_count;
    const int64_t *sequence_targets; /* (sequences + 1): targets of sequence s are [s], … [s+1] - 1 */
    int64_t target_count;            /* of this pass */
    int64_t step_rows, step_targets; /* of the whole step (for an evaluation: of the pass) */
    const float *logp;               /* (target_count); NULL when weigh() comes first */
    float *weight;                   /* (target_count) out of weigh(): gradient of the loss by -logp */
} lt_objective_pass;

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
    double beta, label_smoothing; /* dpo and its kin */
} lt_objective_options;

typedef struct lt_objective {
    const char *name;
    lt_row_shape rows;
    bool logp_first;
    const char *const *metrics; /* names, NULL-terminated; NULL when the loss is all */

    /* Fills pass->weight. */
    void (*weigh)(const lt_objective_options *options, const lt_objective_pass *pass);
    /* Adds the pass's loss and metrics, from pass->logp. */
    void (*measure)(const lt_objective_options *options, const lt_objective_pass *pass, lt_objective_sums *sums);
} lt_objective;

/* The registry. NULL for an unknown name; lt_objective_names is NULL-terminated. */
const lt_objective *lt_objective_find(const char *name);
const char *const *lt_objective_names(void);

extern const lt_objective lt_objective_lm; /* lm.c */

#endif
