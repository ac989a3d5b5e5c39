/* lathe eval of a classifier or a reward model. Part of cmd_eval.c. */
#ifndef LT_CLI_EVAL_SCORES_H
#define LT_CLI_EVAL_SCORES_H

#include "api/model.h"
#include "cli/options.h"

bool lt_eval_scores(const lt_options *options, lt_api_model *model, lt_error *err);

/* A table of what was predicted (columns) of what there is (rows); names beside it. */
void lt_eval_print_confusion(const json_t *result, FILE *out);

#endif
