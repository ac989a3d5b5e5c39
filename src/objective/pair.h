/* What the losses on pairs of answers share. Part of src/objective. */
#ifndef LT_OBJECTIVE_PAIR_H
#define LT_OBJECTIVE_PAIR_H

#include <math.h>
#include <stddef.h>

#include "objective/objective.h"

/* A pair, chosen first: sums over the answer's tokens. */
typedef struct lt_pair {
    double logp[2], reference[2];
    int64_t tokens[2];
    double margin;
} lt_pair;

/* A loss and its derivatives by the sums of log-probabilities. */
typedef struct lt_pair_loss {
    double loss, d[2];
} lt_pair_loss;

static inline double lt_pair_sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }
static inline double lt_pair_log_sigmoid(double x) { return x >= 0 ? -log1p(exp(-x)) : x - log1p(exp(x)); }

/* Sums of a row's sequence over its answer targets; reference 0 where the pass has none. */
void lt_pair_sums(const lt_objective_pass *pass, const lt_objective_row *row, int32_t s, double *logp, double *reference,
                  int64_t *tokens);
void lt_pair_read(const lt_objective_pass *pass, const lt_objective_row *row, lt_pair *pair);

/* weight of the answer targets of a sequence: the gradient of the loss by -logp, so -d. */
void lt_pair_set_weight(const lt_objective_pass *pass, const lt_objective_row *row, int32_t s, double d);

/* The mean negative log-likelihood of the rows' chosen sequences (all their targets) over the step, times factor: added to the
 * weights, and to the loss. */
void lt_pair_add_likelihood_weight(const lt_objective_pass *pass, const lt_objective_row *row, double factor);
double lt_pair_likelihood(const lt_objective_pass *pass, const lt_objective_row *row, int64_t *tokens);

/* TRL's names: rewards/chosen, rewards/rejected, rewards/accuracies, rewards/margins, logps/chosen, logps/rejected. */
enum { LT_PAIR_METRICS = 6 };
#define LT_PAIR_METRIC_NAMES \
    "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected"
void lt_pair_measure(lt_objective_sums *sums, const double reward[2], const double logp[2]);

#endif
