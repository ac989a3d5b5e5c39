/* PPO with a value head (Schulman et al. 2017, arXiv 1707.06347; details as in Huang et al. 2022, "The 37 implementation details"):
 *
 *     policy   mean over tokens of -min(ρ A, clip(ρ) A)
 *     value    mean over tokens of ½ max((v - R)², (clip(v, old v ± cliprange_value) - R)²), times vf_coef
 *
 * Advantages (GAE, whitened) and returns are made by who runs the pass. */
#include <stddef.h>

#include "objective/policy.h"

enum { POLICY_LOSS, VALUE_LOSS, POLICY_CLIP, VALUE_CLIP, APPROX_KL, RATIO };
static const char *const metrics[] = {"loss/policy_avg", "loss/value_avg", "policy/clipfrac_avg", "val/clipfrac_avg", "policy/approxkl_avg", "val/ratio", NULL};

static bool ppo_check(const lt_objective_options *o, lt_error *err)
{
    if (!(o->epsilon >= 0 && o->epsilon <= 1))
        return lt_error_set(err, LT_ERR_USAGE, "cliprange: expected 0 to 1, found %g", o->epsilon);
    return (o->cliprange_value >= 0 && o->vf_coef >= 0) ||
           lt_error_set(err, LT_ERR_USAGE, "cliprange_value and vf_coef: expected 0 or more, found %g and %g", o->cliprange_value, o->vf_coef);
}

typedef struct value_term {
    double loss, d;
    bool clipped;
} value_term;

static value_term look(const lt_objective_options *o, const lt_objective_pass *pass, int64_t i)
{
    double v = pass->score[i], old = pass->per_target[LT_TARGET_OLD_VALUE][i], R = pass->per_target[LT_TARGET_RETURN][i], c = o->cliprange_value;
    double near = v < old - c ? old - c : v > old + c ? old + c : v;
    double plain = (v - R) * (v - R), kept = (near - R) * (near - R);
    bool clipped = kept > plain;
    return (value_term){.loss = 0.5 * (clipped ? kept : plain), .d = clipped ? (near == v ? near - R : 0) : v - R, .clipped = clipped};
}

static lt_clipped clip(const lt_objective_options *o, const lt_objective_pass *pass, int64_t i)
{
    return lt_policy_clip(pass->logp[i] - lt_policy_old(pass, i), pass->per_target[LT_TARGET_ADVANTAGE][i], o->epsilon, o->epsilon);
}

static void ppo_weigh(const lt_objective_options *o, const lt_objective_pass *pass)
{
    double share = pass->step_targets ? 1 / (double)pass->step_targets : 0;
    for (int64_t i = 0; i < pass->target_count; i++) {
        pass->weight[i] = (float)(-clip(o, pass, i).d * share);
        pass->score_gradient[i] = (float)(o->vf_coef * look(o, pass, i).d * share);
    }
}

static void ppo_measure(const lt_objective_options *o, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    for (int64_t i = 0; i < pass->target_count; i++) {
        lt_clipped c = clip(o, pass, i);
        value_term v = look(o, pass, i);
        double x = pass->logp[i] - lt_policy_old(pass, i);
        lt_policy_count(&sums->loss, c.loss + o->vf_coef * v.loss);
        lt_policy_count(&sums->metric[POLICY_LOSS], c.loss);
        lt_policy_count(&sums->metric[VALUE_LOSS], v.loss);
        lt_policy_count(&sums->metric[POLICY_CLIP], c.low || c.high);
        lt_policy_count(&sums->metric[VALUE_CLIP], v.clipped);
        lt_policy_count(&sums->metric[APPROX_KL], 0.5 * x * x);
        lt_policy_count(&sums->metric[RATIO], exp(x));
    }
}

const lt_objective lt_objective_ppo = {
    .name = "ppo",
    .rows = LT_ROW_SEQUENCE,
    .logp_first = true,
    .metrics = metrics,
    .head = LT_HEAD_LM_VALUE,
    .needs = LT_TARGET_BIT(LT_TARGET_ADVANTAGE) | LT_TARGET_BIT(LT_TARGET_OLD_LOGP) | LT_TARGET_BIT(LT_TARGET_RETURN) | LT_TARGET_BIT(LT_TARGET_OLD_VALUE),
    .check = ppo_check,
    .weigh = ppo_weigh,
    .measure = ppo_measure,
};
