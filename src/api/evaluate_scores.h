/* What a classifier or a reward model makes of files of rows. */
#ifndef LT_API_EVALUATE_SCORES_H
#define LT_API_EVALUATE_SCORES_H

#include <jansson.h>

#include "api/labels.h"
#include "api/model.h"

typedef struct lt_api_scores_options {
    lathe_evaluate_options rows; /* pairs for a reward model, labelled rows for a classifier: the first row decides */
    bool per_example;
    bool (*progress)(int64_t done, int64_t total, void *context); /* false stops; may be NULL */
    void *context;
} lt_api_scores_options;

typedef struct lt_api_scores {
    /* Pairs: {"examples", "loss", "accuracy", "margin", "mean_reward"}. Classes: {"examples", "loss", "labels", "accuracy", "f1_micro",
     * "f1_macro", "confusion_matrix", "per_class"}. Numbers: {"examples", "loss"}, the mean square error. And "per_example":
     * {"loss", "logits", …} of each row. Owned. */
    json_t *result;
    float *first; /* scores of the first row's first sequence (count), owned */
    int32_t count;
} lt_api_scores;

/* model->base->score.N is above 0. */
bool lt_api_evaluate_scores(lt_api_model *model, const lt_api_scores_options *options, lt_api_scores *out, lt_error *err);
void lt_api_scores_free(lt_api_scores *scores);

#endif
