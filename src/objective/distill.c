/* Distillation from a teacher: what a token should have been, and what the teacher says of all that it could have been,
 *
 *     loss = Σ [ (1 - α) (-log p(target)) + α τ² KL(teacher || model at temperature τ) ] / number of targets of the whole step
 *
 * (Hinton, Vinyals & Dean 2015, arXiv 1503.02531, section 2: τ² keeps the gradient's size as τ changes). α 1 and τ 1 are how
 * Gemma 2 is trained (arXiv 2408.00118, section 3.2), and TRL's GKD with beta and lambda 0. */
#include <math.h>
#include <stddef.h>

#include "objective/objective.h"

enum { NLL, KL };
static const char *const metrics[] = {[NLL] = "nll_loss", [KL] = "kl", NULL};

static bool distill_check(const lt_objective_options *o, lt_error *err)
{
    if (!(o->distill_alpha >= 0 && o->distill_alpha <= 1))
        return lt_error_set(err, LT_ERR_USAGE, "distill_alpha: expected 0 to 1, found %g", o->distill_alpha);
    if (!(o->distill_temperature > 0 && isfinite(o->distill_temperature)))
        return lt_error_set(err, LT_ERR_USAGE, "distill_temperature: expected more than 0, found %g", o->distill_temperature);
    return true;
}

/* The divergence's share of the loss. */
static double pull(const lt_objective_options *o)
{
    return o->distill_alpha * o->distill_temperature * o->distill_temperature;
}

static void distill_weigh(const lt_objective_options *o, const lt_objective_pass *pass)
{
    double each = pass->step_targets ? 1.0 / (double)pass->step_targets : 0;
    for (int64_t i = 0; i < pass->target_count; i++) {
        pass->weight[i] = (float)((1 - o->distill_alpha) * each);
        pass->kl_weight[i] = (float)(pull(o) * each);
    }
}

static void distill_measure(const lt_objective_options *o, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    double nll = 0, kl = 0, count = (double)pass->target_count;
    for (int64_t i = 0; i < pass->target_count; i++) {
        nll -= pass->logp[i];
        kl += pass->kl[i];
    }
    sums->loss.sum += (1 - o->distill_alpha) * nll + pull(o) * kl;
    sums->metric[NLL].sum += nll;
    sums->metric[KL].sum += kl;
    sums->loss.count += count;
    sums->metric[NLL].count += count;
    sums->metric[KL].count += count;
}

const lt_objective lt_objective_distill = {
    .name = "distill",
    .rows = LT_ROW_SEQUENCE,
    .metrics = metrics,
    .teacher = true,
    .check = distill_check,
    .weigh = distill_weigh,
    .measure = distill_measure,
};
