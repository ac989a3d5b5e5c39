/* GRPO (Shao et al. 2024, arXiv 2402.03300, equation 3) and its variants, token by token as TRL computes them:
 *
 *     l = -min(ρ A, clip(ρ) A) + β (exp(ref - logp) - (ref - logp) - 1)
 *
 *     grpo      Σ over answers of the mean over their tokens, by the number of answers
 *     dapo      Σ over all tokens, by their number (Yu et al. 2025, arXiv 2503.14476); with epsilon_high its "clip higher"
 *     bnpo      the same: a step is one batch here, however it was accumulated
 *     dr_grpo   Σ over all tokens, by answers × completion_length (Liu et al. 2025, arXiv 2503.20783) */
#include <stddef.h>

#include "objective/policy.h"

enum { GRPO, DAPO, BNPO, DR_GRPO };
static const char *const loss_types[] = {"grpo", "dapo", "bnpo", "dr_grpo", NULL};

enum { KL, CLIP_LOW, CLIP_HIGH, CLIP_REGION };
static const char *const metrics[] = {"kl", "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean", NULL};

static bool grpo_check(const lt_objective_options *o, lt_error *err)
{
    if (!(o->epsilon >= 0 && o->epsilon <= 1) || !(o->epsilon_high >= 0))
        return lt_error_set(err, LT_ERR_USAGE, "epsilon: expected 0 to 1, and epsilon_high 0 or more, found %g and %g", o->epsilon, o->epsilon_high);
    if (o->loss_type == DR_GRPO && o->completion_length < 1)
        return lt_error_set(err, LT_ERR_USAGE, "dr_grpo divides by the longest answer: completion_length is %lld", (long long)o->completion_length);
    return o->beta >= 0 || lt_error_set(err, LT_ERR_USAGE, "beta: expected 0 or more, found %g", o->beta);
}

/* What a token of an answer with n of them counts. */
static double share(const lt_objective_options *o, const lt_objective_pass *pass, int64_t n)
{
    switch (o->loss_type) {
    case GRPO: return 1 / ((double)n * (double)pass->step_rows);
    case DR_GRPO: return 1 / ((double)pass->step_rows * (double)o->completion_length);
    default: return 1 / (double)pass->step_targets;
    }
}

typedef struct token {
    lt_clipped clip;
    double kl, dkl;
} token;

static token look(const lt_objective_options *o, const lt_objective_pass *pass, int64_t i)
{
    token t = {.clip = lt_policy_clip(pass->logp[i] - lt_policy_old(pass, i), pass->per_target[LT_TARGET_ADVANTAGE][i], o->epsilon, o->epsilon_high)};
    const float *reference = pass->per_target[LT_TARGET_REFERENCE_LOGP];
    if (reference) {
        double x = reference[i] - pass->logp[i];
        t.kl = exp(x) - x - 1;
        t.dkl = 1 - exp(x);
    }
    return t;
}

static void grpo_weigh(const lt_objective_options *o, const lt_objective_pass *pass)
{
    for (int64_t r = 0; r < pass->row_count; r++) {
        int64_t first, n = lt_objective_targets(pass, &pass->rows[r], 0, &first);
        for (int64_t i = first; i < first + n; i++) {
            token t = look(o, pass, i);
            pass->weight[i] = (float)(-(t.clip.d + o->beta * t.dkl) * share(o, pass, n));
        }
    }
}

static void grpo_measure(const lt_objective_options *o, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    for (int64_t r = 0; r < pass->row_count; r++) {
        int64_t first, n = lt_objective_targets(pass, &pass->rows[r], 0, &first);
        double loss = 0;
        for (int64_t i = first; i < first + n; i++) {
            token t = look(o, pass, i);
            loss += (t.clip.loss + o->beta * t.kl) * share(o, pass, n);
            lt_policy_count(&sums->metric[KL], t.kl);
            lt_policy_count(&sums->metric[CLIP_LOW], t.clip.low);
            lt_policy_count(&sums->metric[CLIP_HIGH], t.clip.high);
            lt_policy_count(&sums->metric[CLIP_REGION], t.clip.low || t.clip.high);
        }
        lt_policy_count(&sums->loss, loss * (double)pass->step_rows);
    }
}

const lt_objective lt_objective_grpo = {
    .name = "grpo",
    .rows = LT_ROW_SEQUENCE,
    .logp_first = true,
    .metrics = metrics,
    .needs = LT_TARGET_BIT(LT_TARGET_ADVANTAGE) | LT_TARGET_BIT(LT_TARGET_OLD_LOGP) | LT_TARGET_BIT(LT_TARGET_REFERENCE_LOGP),
    .loss_types = loss_types,
    .check = grpo_check,
    .weigh = grpo_weigh,
    .measure = grpo_measure,
};
