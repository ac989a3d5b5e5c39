/* AdamW (Loshchilov & Hutter 2019), with decoupled decay, as torch.optim.AdamW computes it. */
#include <math.h>

#include "simd/kernels.h"
#include "train/optimizer.h"

static int64_t adamw_state_elements(const lt_param *param, int s)
{
    (void)s;
    return param->elements;
}

static void adamw_update(const lt_optimizer *optimizer, const lt_param *param, float *const *state,
                         const lt_optimizer_step *step, int64_t begin, int64_t end)
{
    const lt_optimizer_options *o = &optimizer->options;
    lt_adamw_step kernel = {
        .learning_rate = (float)(step->learning_rate * param->learning_rate_scale),
        .beta1 = (float)o->beta1,
        .beta2 = (float)o->beta2,
        .epsilon = (float)o->epsilon,
        .weight_decay = param->decay ? (float)o->weight_decay : 0.0f,
        .bias_correction1 = (float)(1.0 - pow(o->beta1, (double)step->number)),
        .bias_correction2 = (float)(1.0 - pow(o->beta2, (double)step->number)),
        .gradient_scale = (float)step->gradient_scale,
    };
    lt_kernels_get()->adamw(param->value + begin, state[0] + begin, state[1] + begin, param->gradient + begin, &kernel,
                            end - begin);
}

static const char *const adamw_states[] = {"exp_avg", "exp_avg_sq", NULL};

const lt_optimizer_kind lt_optimizer_adamw = {
    .name = "adamw",
    .states = adamw_states,
    .state_elements = adamw_state_elements,
    .update = adamw_update,
};
