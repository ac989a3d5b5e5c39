/* Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2): the sign of an interpolated momentum, with decoupled decay.
 *
 *     p ← p (1 - λ η);  p ← p - η sign(β1 m + (1 - β1) g);  m ← β2 m + (1 - β2) g */
#include "train/optimizer.h"

static int64_t lion_state_elements(const lt_param *param, int s)
{
    (void)s;
    return param->elements;
}

static void lion_update(const lt_optimizer *optimizer, const lt_param *param, float *const *state, const lt_optimizer_step *step,
                        int64_t begin, int64_t end)
{
    const lt_optimizer_options *o = &optimizer->options;
    const float rate = (float)(step->learning_rate * param->learning_rate_scale), scale = (float)step->gradient_scale;
    const float shrink = 1.0f - rate * (param->decay ? (float)o->weight_decay : 0.0f);
    const float beta1 = (float)o->beta1, beta2 = (float)o->beta2;
    float *m = state[0];
    for (int64_t i = begin; i < end; i++) {
        float g = param->gradient[i] * scale, c = beta1 * m[i] + (1 - beta1) * g;
        float sign = (float)((c > 0) - (c < 0));
        param->value[i] = param->value[i] * shrink - rate * sign;
        m[i] = beta2 * m[i] + (1 - beta2) * g;
    }
}

static const char *const lion_states[] = {"exp_avg", NULL};

const lt_optimizer_kind lt_optimizer_lion = {
    .name = "lion",
    .states = lion_states,
    .state_elements = lion_state_elements,
    .update = lion_update,
};
