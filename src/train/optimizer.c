#include "train/optimizer.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The registry: a row per name. transformers calls its AdamW by several names; those a recipe may carry are accepted. */
static const struct {
    const char *name;
    const lt_optimizer_kind *kind;
} optimizers[] = {
    {"adamw", &lt_optimizer_adamw},
    {"adamw_torch", &lt_optimizer_adamw},
    {"adamw_torch_fused", &lt_optimizer_adamw},
    {"lion", &lt_optimizer_lion},
    {"lion_32bit", &lt_optimizer_lion},
    {"adafactor", &lt_optimizer_adafactor},
    {"muon", &lt_optimizer_muon},
};

enum { OPTIMIZERS = sizeof optimizers / sizeof *optimizers };

/* Elements of one piece of parallel work: a few hundred microseconds, and a multiple of what the kernels step by. */
enum { PIECE = 1 << 16 };

const char *const *lt_optimizer_names(void)
{
    static const char *list[OPTIMIZERS + 1];
    for (int i = 0; i < OPTIMIZERS; i++)
        list[i] = optimizers[i].name;
    return list;
}

bool lt_optimizer_init(lt_optimizer *optimizer, const lt_optimizer_options *options, lt_error *err)
{
    *optimizer = (lt_optimizer){.options = *options};
    for (int i = 0; i < OPTIMIZERS; i++)
        if (!strcmp(optimizers[i].name, options->name))
            optimizer->kind = optimizers[i].kind;
    if (!optimizer->kind) {
        char list[256] = "";
        for (int i = 0; i < OPTIMIZERS; i++)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", optimizers[i].name);
        return lt_error_set(err, LT_ERR_USAGE, "optimizer '%s' is not known; there are: %s", options->name, list);
    }
    if (!(options->beta1 >= 0 && options->beta1 < 1) || !(options->beta2 >= 0 && options->beta2 < 1))
        return lt_error_set(err, LT_ERR_USAGE, "adam_beta1 and adam_beta2: expected 0 to below 1, found %g and %g",
                            options->beta1, options->beta2);
    if (!(options->epsilon >= 0 && isfinite(options->epsilon)))
        return lt_error_set(err, LT_ERR_USAGE, "adam_epsilon: expected 0 or more, found %g", options->epsilon);
    if (!(options->momentum >= 0 && options->momentum < 1))
        return lt_error_set(err, LT_ERR_USAGE, "muon_momentum: expected 0 to below 1, found %g", options->momentum);
    if (!(options->weight_decay >= 0 && isfinite(options->weight_decay)))
        return lt_error_set(err, LT_ERR_USAGE, "weight_decay: expected 0 or more, found %g", options->weight_decay);
    return true;
}

bool lt_optimizer_layout(lt_optimizer *optimizer, const lt_param_list *params, lt_arena *arena, lt_error *err)
{
    for (int s = 0; optimizer->kind->states[s]; s++) {
        assert(s < LT_OPTIMIZER_STATES);
        free(optimizer->state[s]);
        optimizer->state[s] = calloc((size_t)params->count + 1, sizeof(float *));
        if (!optimizer->state[s])
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the optimiser's list of %d tensors",
                                params->count);
        for (int i = 0; i < params->count; i++)
            optimizer->state[s][i] = LT_ARENA_NEW(arena, float, optimizer->kind->state_elements(&params->items[i], s));
    }
    if (optimizer->kind->layout)
        optimizer->kind->layout(params, arena, &optimizer->scratch);
    return true;
}

void lt_optimizer_free(lt_optimizer *optimizer)
{
    for (int s = 0; s < LT_OPTIMIZER_STATES; s++)
        free(optimizer->state[s]);
    *optimizer = (lt_optimizer){0};
}

static void states_of(const lt_optimizer *optimizer, int tensor, float *state[LT_OPTIMIZER_STATES])
{
    for (int s = 0; optimizer->kind->states[s]; s++)
        state[s] = optimizer->state[s][tensor];
}

static void apply_whole(lt_optimizer *optimizer, lt_param_list *params, const lt_optimizer_step *step)
{
    for (int i = 0; i < params->count; i++) {
        float *state[LT_OPTIMIZER_STATES] = {0};
        states_of(optimizer, i, state);
        optimizer->kind->update_tensor(optimizer, &params->items[i], state, step);
    }
}

void lt_optimizer_apply(lt_optimizer *optimizer, lt_param_list *params, const lt_optimizer_step *step)
{
    if (optimizer->kind->update_tensor) {
        apply_whole(optimizer, params, step);
        return;
    }
    /* One loop over the pieces of all tensors: LoRA has hundreds of small ones, full training few and large. */
    int64_t pieces = 0;
    for (int i = 0; i < params->count; i++)
        pieces += (params->items[i].elements + PIECE - 1) / PIECE;
#pragma omp parallel
    {
        int tensor = 0;
        int64_t first = 0; /* number of the present tensor's first piece */
#pragma omp for schedule(static)
        for (int64_t p = 0; p < pieces; p++) {
            int64_t here;
            while (p >= first + (here = (params->items[tensor].elements + PIECE - 1) / PIECE)) {
                first += here;
                tensor++;
            }
            const lt_param *param = &params->items[tensor];
            int64_t begin = (p - first) * PIECE, end = begin + PIECE;
            float *state[LT_OPTIMIZER_STATES] = {0};
            states_of(optimizer, tensor, state);
            optimizer->kind->update(optimizer, param, state, step, begin, end < param->elements ? end : param->elements);
        }
    }
}

double lt_optimizer_clip(double norm, double max_norm)
{
    if (max_norm <= 0)
        return 1.0;
    double scale = max_norm / (norm + 1e-6);
    return scale < 1.0 ? scale : 1.0;
}
