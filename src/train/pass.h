/* One pass of whole rows: engine, heads and objective meet here, for training and for evaluation. */
#ifndef LT_TRAIN_PASS_H
#define LT_TRAIN_PASS_H

#include "nn/engine.h"
#include "nn/score_head.h"
#include "objective/objective.h"
#include "train/loader.h"
#include "train/reference.h"
#include "train/teacher.h"

/* What an objective is computed with. Everything is borrowed. */
typedef struct lt_pass_means {
    const lt_objective *objective;
    const lt_objective_options *options;
    lt_reference *reference;    /* of the store whose rows are passed; NULL unless the objective needs it */
    lt_teacher *teacher;        /* NULL unless the objective looks at one */
    const lt_score_head *score; /* NULL unless the objective looks through one */
    int32_t pad_id;             /* with a score head: see lt_score_head_position; -1: none */
    bool first_token;           /* the score head reads the first token (encoders) */
} lt_pass_means;

/* Memory of the largest pass. */
typedef struct lt_pass {
    lt_pass_means means;
    float *logp, *weight, *known;      /* (pass_targets) */
    float *kl, *kl_weight;             /* (pass_targets) with a teacher */
    float *score, *score_gradient;     /* (pass_sequences, N) */
    float *hidden, *gradient, *pooled; /* (pass_sequences, C) */
    int64_t *rows;                     /* (pass_sequences) the row of the pass that the score head reads */
    int64_t C;
} lt_pass;

/* Takes it from the arena (or only counts). C: the model's width. Keeps means as they are. */
void lt_pass_layout(lt_pass *pass, const lt_pass_means *means, const lt_loader_extent *extent, int64_t C, lt_arena *arena);

/* Both after lt_engine_forward of the rows in step. */

/* Log-probabilities or scores, and what the objective makes of them; *view is what it saw, with the pass as its step. */
bool lt_pass_evaluate(lt_pass *pass, lt_engine *engine, const lt_step_batch *step, lt_objective_sums *sums, lt_objective_pass *view,
                      lt_error *err);

/* Heads, the objective, backward; gradients and sums are added to. A loss that is not finite ends it before the backward
 * pass: the caller finds it in sums. */
bool lt_pass_train(lt_pass *pass, lt_engine *engine, const lt_step_batch *step, lt_objective_sums *sums, lt_error *err);

#endif
