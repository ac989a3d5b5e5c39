/* Language modelling and supervised fine-tuning: the mean negative log-likelihood of the target tokens,
 *
 *     loss = Σ -log p(target) / number of targets of the whole step
 *
 * over all rows and micro-batches together, as transformers computes it with num_items_in_batch. */
#include "objective/objective.h"

static void lm_weigh(const lt_objective_options *options, const lt_objective_pass *pass)
{
    (void)options;
    float weight = pass->step_targets ? (float)(1.0 / (double)pass->step_targets) : 0.0f;
    for (int64_t i = 0; i < pass->target_count; i++)
        pass->weight[i] = weight;
}

static void lm_measure(const lt_objective_options *options, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    (void)options;
    double sum = 0;
    for (int64_t i = 0; i < pass->target_count; i++)
        sum -= pass->logp[i];
    sums->loss.sum += sum;
    sums->loss.count += (double)pass->target_count;
}

const lt_objective lt_objective_lm = {
    .name = "lm",
    .rows = LT_ROW_SEQUENCE,
    .weigh = lm_weigh,
    .measure = lm_measure,
};
