/* REINFORCE with a leave-one-out baseline (Ahmadian et al. 2024, arXiv 2402.14740): an answer as a whole is one action. Its
 * advantage is its reward, less β times its divergence from the reference, less the mean of the other answers' (made by who
 * runs the pass).
 *
 *     clip      -min(ρ A, clip(ρ) A) with ρ = exp Σ (logp - old): as TRL computes it; mean over answers
 *     mirror    mirror descent (Tomar et al. 2020, arXiv 2005.09814; Apple's AFM report, arXiv 2407.21075, section 4.3.2): no
 *               clipping, but a penalty on leaving the policy that sampled,  Σ tokens  -ρ A + γ (ρ log ρ - ρ + 1),
 *               an unbiased and never negative estimate of KL(model | old); γ is mirror_coef; mean over answers
 *
 * In the first update after sampling ρ = 1, and both have the same gradient: that of REINFORCE. */
#include <stddef.h>

#include "objective/policy.h"

enum { CLIP, MIRROR };
static const char *const loss_types[] = {"clip", "mirror", NULL};

enum { CLIP_LOW, CLIP_HIGH, CLIP_REGION, STEP_KL };
static const char *const metrics[] = {"clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean", "policy/step_kl", NULL};

static bool rloo_check(const lt_objective_options *o, lt_error *err)
{
    if (!(o->epsilon >= 0 && o->epsilon <= 1) || !(o->epsilon_high >= 0))
        return lt_error_set(err, LT_ERR_USAGE, "epsilon: expected 0 to 1, and epsilon_high 0 or more, found %g and %g", o->epsilon, o->epsilon_high);
    return o->mirror_coef >= 0 || lt_error_set(err, LT_ERR_USAGE, "mirror_coef: expected 0 or more, found %g", o->mirror_coef);
}

static double log_ratio_of(const lt_objective_pass *pass, int64_t first, int64_t n)
{
    double sum = 0;
    for (int64_t i = first; i < first + n; i++)
        sum += pass->logp[i] - lt_policy_old(pass, i);
    return sum;
}

/* Loss of an answer and the derivatives by its tokens' logp, times -factor, in weight (NULL: not wanted). */
static double look(const lt_objective_options *o, const lt_objective_pass *pass, int64_t first, int64_t n, double factor, float *weight,
                   lt_clipped *clip, double *step_kl)
{
    const float *advantage = pass->per_target[LT_TARGET_ADVANTAGE];
    double loss = 0;
    *clip = (lt_clipped){0};
    *step_kl = 0;
    if (o->loss_type == CLIP) {
        *clip = lt_policy_clip(log_ratio_of(pass, first, n), n ? advantage[first] : 0, o->epsilon, o->epsilon_high);
        for (int64_t i = first; weight && i < first + n; i++)
            weight[i] = (float)(-clip->d * factor);
    }
    for (int64_t i = first; i < first + n; i++) {
        double x = pass->logp[i] - lt_policy_old(pass, i), ratio = exp(x);
        *step_kl += ratio * x - ratio + 1;
        loss -= ratio * advantage[i];
        if (weight && o->loss_type == MIRROR)
            weight[i] = (float)(-ratio * (o->mirror_coef * x - advantage[i]) * factor);
    }
    return o->loss_type == CLIP ? clip->loss : loss + o->mirror_coef * *step_kl;
}

static void rloo_weigh(const lt_objective_options *o, const lt_objective_pass *pass)
{
    for (int64_t r = 0; r < pass->row_count; r++) {
        int64_t first, n = lt_objective_targets(pass, &pass->rows[r], 0, &first);
        lt_clipped clip;
        double step_kl;
        look(o, pass, first, n, 1 / (double)pass->step_rows, pass->weight, &clip, &step_kl);
    }
}

static void rloo_measure(const lt_objective_options *o, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    for (int64_t r = 0; r < pass->row_count; r++) {
        int64_t first, n = lt_objective_targets(pass, &pass->rows[r], 0, &first);
        lt_clipped clip;
        double step_kl;
        lt_policy_count(&sums->loss, look(o, pass, first, n, 0, NULL, &clip, &step_kl));
        if (!n)
            continue;
        lt_policy_count(&sums->metric[CLIP_LOW], clip.low);
        lt_policy_count(&sums->metric[CLIP_HIGH], clip.high);
        lt_policy_count(&sums->metric[CLIP_REGION], clip.low || clip.high);
        lt_policy_count(&sums->metric[STEP_KL], step_kl);
    }
}

const lt_objective lt_objective_rloo = {
    .name = "rloo",
    .rows = LT_ROW_SEQUENCE,
    .logp_first = true,
    .metrics = metrics,
    .needs = LT_TARGET_BIT(LT_TARGET_ADVANTAGE) | LT_TARGET_BIT(LT_TARGET_OLD_LOGP),
    .loss_types = loss_types,
    .check = rloo_check,
    .weigh = rloo_weigh,
    .measure = rloo_measure,
};
