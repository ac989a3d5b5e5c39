/* What a classifier's evaluation adds to a run's records: F1, the confusion matrix, a line for each row. Internal to the run. */
#ifndef LT_TRAIN_RUN_CLASSES_H
#define LT_TRAIN_RUN_CLASSES_H

#include <stdio.h>

#include "train/confusion.h"
#include "train/run.h"

typedef struct lt_run_classes {
    const lt_run *run;
    lt_confusion confusion; /* N 0: the objective has no classes */
    const json_t *id2label; /* borrowed; may be NULL */
    const char *predictions;
    FILE *file;             /* of predictions, under its temporary name; NULL: not wanted */
    char temporary[4096];
} lt_run_classes;

/* Nothing at all unless the run trains a classifier (or a regression whose predictions are wanted). predictions: a file, or NULL. */
bool lt_run_classes_begin(lt_run_classes *classes, const char *predictions, const lt_run *run, lt_error *err);

/* lt_evaluate_options.scored, with an lt_run_classes as context. */
bool lt_run_classes_take(const lt_objective_row *row, const float *score, int32_t labels, void *context, lt_error *err);

/* The file gets its name; *result is lt_confusion_json with the labels' names (new reference), or NULL without classes. On failure, and
 * with ok false, nothing of the file remains. */
bool lt_run_classes_end(lt_run_classes *classes, bool ok, json_t **result, lt_error *err);

#endif
