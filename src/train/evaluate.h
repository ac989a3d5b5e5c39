/* Loss of a data set under a model as it is: forward passes only. */
#ifndef LT_TRAIN_EVALUATE_H
#define LT_TRAIN_EVALUATE_H

#include "nn/engine.h"
#include "objective/objective.h"
#include "train/pass.h"
#include "train/token_store.h"

typedef struct lt_evaluate_options {
    const lt_objective *objective;
    const lt_objective_options *objective_options;
    int64_t pass_tokens; /* records are packed up to this many tokens: the engine's max_T, at least the longest record;
                          * virtual tokens count */
    /* Called for every record in order, with the log-probabilities of its targets; false stops. May be NULL. */
    bool (*record)(int64_t index, const float *logp, int64_t targets, void *context, lt_error *err);
    /* With a score head, called for every record in order with the scores (row->sequences, labels); false stops. May be NULL. */
    bool (*scored)(const lt_objective_row *row, const float *score, int32_t labels, void *context, lt_error *err);
    /* Called after every pass with the tokens done so far; false stops with LT_ERR_INTERRUPTED. May be NULL. */
    bool (*progress)(int64_t done, int64_t total, void *context);
    void *context;
    lt_reference *reference;    /* as in lt_pass_means, for objectives that need it */
    lt_teacher *teacher;        /* likewise */
    const lt_score_head *score; /* likewise, with the two below */
    int32_t pad_id;
    bool first_token;
} lt_evaluate_options;

/* Adds up loss and metrics over all records. Dropout is off afterwards. */
bool lt_evaluate(lt_engine *engine, lt_token_store *store, const lt_evaluate_options *options, lt_objective_sums *sums,
                 lt_error *err);

/* The logits of every position of record `index`, whatever of it is trained, through the sink. */
bool lt_evaluate_logits(lt_engine *engine, lt_token_store *store, int64_t index, lt_logits_sink sink, void *context,
                        lt_error *err);

#endif
