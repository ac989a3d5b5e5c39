/* What sample and rl make of the options that they share. */
#ifndef LT_CLI_SCORING_H
#define LT_CLI_SCORING_H

#include "cli/options.h"
#include "rl/policy.h"

/* Weights of the scorers; *weights is malloc'ed, NULL without the option. */
bool lt_scoring_weights(const lt_options *options, double **weights, lt_error *err);

/* The three parts; strings are borrowed from options. */
lt_scorer_options lt_scoring_scorer(const lt_options *options);
lt_prompts_options lt_scoring_prompts(const lt_options *options);
lt_rollout_options lt_scoring_rollout(const lt_options *options);

/* Options of scorers that are not asked for: why they have no effect, or NULL. */
const char *lt_scoring_idle(const lt_options *options, const lt_option *option);

#endif
