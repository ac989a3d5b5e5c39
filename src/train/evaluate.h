/* Loss of a data set under a model as it is: forward passes only. */
#ifndef LT_TRAIN_EVALUATE_H
#define LT_TRAIN_EVALUATE_H

#include "nn/engine.h"
#include "objective/objective.h"
#include "train/token_store.h"

typedef struct lt_evaluate_options {
    const lt_objective *objective;
    const lt_objective_options *objective_options;
    int64_t pass_tokens;          /* rows are packed up to this many tokens; at least the longest record */
    /* Called for every record in order, with the log-probabilities of its targets; may be NULL. */
    bool (*record)(int64_t index, const float *logp, int64_t targets, void *context, lt_error *err);
    lt_logits_sink logits;        /* of the first record only; may be NULL. All its rows need a target for all logits. */
    /* Called after every pass with the tokens done; false stops with LT_ERR_INTERRUPTED; may be NULL. */
    bool (*progress)(int64_t done, int64_t total, void *context);
    void *context;
} lt_evaluate_options;

/* The engine must have room for pass_tokens. */
bool lt_evaluate(lt_engine *engine, lt_token_store *store, const lt_evaluate_options *options, lt_objective_sums *sums, lt_error *err);

#endif
