/* Pre-training in stages: a recipe's list `stages`, each stage with data, length and schedule of its own. */
#ifndef LT_CLI_STAGES_H
#define LT_CLI_STAGES_H

#include "cli/options.h"

/* Trains (or with --dry-run plans) every stage of options->stages, each from where the one before ended; with --resume from the
 * stage, and inside it the checkpoint, where the run was stopped. */
bool lt_stages_run(lt_options *options, lt_error *err);

#endif
