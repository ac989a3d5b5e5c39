/* What policy gradients share: the ratio of a token (or an answer) under the model and under the policy that sampled it.
 *
 *     ratio ρ = exp(logp - old)        loss -min(ρ A, clip(ρ, 1 - ε, 1 + ε') A)        (Schulman et al. 2017, arXiv 1707.06347)
 *
 * Every row is one answer; an answer without targets is masked out, and counts where a mean is over answers. Part of
 * src/objective. */
#ifndef LT_OBJECTIVE_POLICY_H
#define LT_OBJECTIVE_POLICY_H

#include <math.h>

#include "objective/objective.h"

typedef struct lt_clipped {
    double loss, d; /* and its derivative by logp */
    bool low, high; /* clipped there, where that stops the gradient */
} lt_clipped;

static inline lt_clipped lt_policy_clip(double log_ratio, double advantage, double low, double high)
{
    double ratio = exp(log_ratio), clipped = ratio < 1 - low ? 1 - low : ratio > 1 + high ? 1 + high : ratio;
    bool free = ratio * advantage <= clipped * advantage;
    return (lt_clipped){.loss = -(free ? ratio : clipped) * advantage, .d = free ? -ratio * advantage : 0,
                        .low = ratio < 1 - low && advantage < 0, .high = ratio > 1 + high && advantage > 0};
}

/* The old policy's log-probability; the model's own where the pass has none (the first update after sampling). */
static inline double lt_policy_old(const lt_objective_pass *pass, int64_t i)
{
    const float *old = pass->per_target[LT_TARGET_OLD_LOGP];
    return old ? old[i] : pass->logp[i];
}

static inline void lt_policy_count(lt_mean *mean, double value)
{
    mean->sum += value;
    mean->count += 1;
}

#endif
