#include "adapt/lora_experts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/lora_linear.h"
#include "nn/config_tensors.h"

/* One matrix of one expert. Its B lies scattered in the shared tensor and is gathered for each use. */
typedef struct expert_hook {
    lt_lora_linear lora; /* first: the layer points at its hook */
    const float *shared_b;
    float *shared_db;
    int64_t E, expert, first_row; /* first_row: of B, F for up */
} expert_hook;

/* One pair of tensors: a layer's gate and up, or its down. */
typedef struct target {
    lt_moe *moe;
    int first_part, parts; /* LT_EXPERT_GATE and 2, or LT_EXPERT_DOWN and 1 */
    int a, b;
    expert_hook *hooks; /* (E · parts) */
} target;

struct lt_lora_experts {
    int64_t E, R;
    target *targets;
    int count;
};

static float *gather(const expert_hook *h, const lt_linear *linear, lt_workspace *ws)
{
    int64_t R = h->lora.R, N = linear->N;
    float *b = LT_ARENA_NEW(ws->arena, float, N * R);
    for (int64_t n = 0; n < N; n++)
        for (int64_t j = 0; j < R; j++)
            b[n * R + j] = h->shared_b[((h->first_row + n) * R + j) * h->E + h->expert];
    return b;
}

static void forward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    const expert_hook *h = (const expert_hook *)hook;
    int64_t mark = lt_arena_mark(ws->arena);
    lt_lora_linear one = h->lora;
    one.b = gather(h, linear, ws);
    lt_lora_linear_forward(&one.hook, linear, ws, io);
    lt_arena_release(ws->arena, mark);
}

static void backward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    const expert_hook *h = (const expert_hook *)hook;
    int64_t mark = lt_arena_mark(ws->arena), R = h->lora.R, N = linear->N;
    lt_lora_linear one = h->lora;
    one.b = gather(h, linear, ws);
    one.db = LT_ARENA_NEW(ws->arena, float, N * R);
    memset(one.db, 0, (size_t)(N * R) * sizeof *one.db);
    lt_lora_linear_backward(&one.hook, linear, ws, io);
    for (int64_t n = 0; n < N; n++)
        for (int64_t j = 0; j < R; j++)
            h->shared_db[((h->first_row + n) * R + j) * h->E + h->expert] += one.db[n * R + j];
    lt_arena_release(ws->arena, mark);
}

static int64_t scratch_bytes(const lt_linear_hook *hook, const lt_linear *linear, int64_t T)
{
    const lt_lora_linear *lora = (const lt_lora_linear *)hook;
    return lt_lora_linear_scratch_bytes(hook, linear, T) + 2 * lt_align_up(linear->N * lora->R * (int64_t)sizeof(float));
}

/* ---- which parameters ---- */

/* As PEFT: a parameter's whole name, or its end from a dot on. */
static bool named(const lt_peft_names *names, const char *parameter)
{
    size_t n = strlen(parameter);
    for (size_t i = 0; i < (size_t)names->count; i++) {
        size_t k = strlen(names->items[i]);
        if (k <= n && !strcmp(parameter + n - k, names->items[i]) && (k == n || parameter[n - k - 1] == '.'))
            return true;
    }
    return false;
}

static bool hook_all(lt_lora_experts *x, target *t, float scale, lt_error *err)
{
    t->hooks = calloc((size_t)(x->E * t->parts), sizeof *t->hooks);
    if (!t->hooks)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter of %lld experts", (long long)x->E);
    for (int64_t e = 0; e < x->E; e++)
        for (int p = 0; p < t->parts; p++) {
            lt_linear *linear = &t->moe->experts[e][t->first_part + p];
            expert_hook *h = &t->hooks[e * t->parts + p];
            lt_lora_linear_init(&h->lora, x->R, scale, 0);
            h->lora.hook.forward = forward;
            h->lora.hook.backward = backward;
            h->lora.hook.scratch_bytes = scratch_bytes;
            h->E = x->E;
            h->expert = e;
            h->first_row = p * linear->N;
            linear->hook = &h->lora.hook;
        }
    return true;
}

/* PEFT wraps gate and up first, so that they lie inside when both are targets. */
static bool add_target(lt_lora_experts *x, lt_moe *moe, const char *module, bool down, float scale, lt_param_list *params, lt_error *err)
{
    target *t = &x->targets[x->count++];
    *t = (target){.moe = moe, .first_part = down ? LT_EXPERT_DOWN : LT_EXPERT_GATE, .parts = down ? 1 : 2};
    const lt_linear *linear = &moe->experts[0][t->first_part];
    char key[LT_PEFT_KEY_MAX];
    lt_peft_key_compose(key, module, LT_PEFT_PART_LORA_A);
    t->a = lt_param_list_add(params, key, 2, (int64_t[]){x->E * x->R, linear->K}, true);
    lt_peft_key_compose(key, module, LT_PEFT_PART_LORA_B);
    t->b = lt_param_list_add(params, key, 2, (int64_t[]){t->parts * linear->N, x->R * x->E}, true);
    return hook_all(x, t, scale, err);
}

static bool add_layer(lt_lora_experts *x, lt_model *model, int64_t layer, const lt_peft_config *config, float scale,
                      lt_param_list *params, lt_error *err)
{
    char module[LT_NAME_MAX], parameter[2 * LT_NAME_MAX], inner[2 * LT_NAME_MAX];
    lt_moe *moe = model->blocks[layer].moe;
    lt_config_name(module, model->config.experts_module, (int)layer);
    snprintf(parameter, sizeof parameter, "%s.gate_up_proj", module);
    bool in = named(&config->lora.target_parameters, parameter);
    snprintf(parameter, sizeof parameter, "%s.down_proj", module);
    bool out = named(&config->lora.target_parameters, parameter);
    snprintf(inner, sizeof inner, "%s%s", module, out ? ".base_layer" : "");
    return (!in || add_target(x, moe, inner, false, scale, params, err)) && (!out || add_target(x, moe, module, true, scale, params, err));
}

bool lt_lora_experts_attach(lt_lora_experts **out, lt_model *model, const lt_peft_config *config, lt_param_list *params, lt_error *err)
{
    const lt_lora_config *lora = &config->lora;
    *out = NULL;
    if (lora->target_parameters.count == 0)
        return true;
    if (lora->use_dora || lora->dropout > 0)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "target_parameters go with neither DoRA nor lora_dropout");
    lt_lora_experts *x = calloc(1, sizeof *x);
    if (!x || !(x->targets = calloc((size_t)(2 * model->config.L), sizeof *x->targets))) {
        free(x);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    }
    x->E = model->config.experts;
    x->R = lora->rank;
    float scale = (float)(lora->alpha / (lora->use_rslora ? sqrt(lora->rank) : lora->rank));
    *out = x;
    for (int64_t l = 0; l < model->config.L; l++)
        if (model->blocks[l].moe && !add_layer(x, model, l, config, scale, params, err))
            return false;
    return x->count > 0 || lt_error_set(err, LT_ERR_USAGE,
                                        "target_parameters match nothing; the experts of a mixture are what they can name: "
                                        "mlp.experts.gate_up_proj, mlp.experts.down_proj");
}

void lt_lora_experts_detach(lt_lora_experts *x)
{
    if (!x)
        return;
    for (int i = 0; i < x->count; i++) {
        target *t = &x->targets[i];
        for (int64_t e = 0; e < x->E; e++)
            for (int p = 0; p < t->parts; p++)
                t->moe->experts[e][t->first_part + p].hook = NULL;
        free(t->hooks);
    }
    free(x->targets);
    free(x);
}

void lt_lora_experts_bind(lt_lora_experts *x, lt_param_list *params)
{
    for (int i = 0; x && i < x->count; i++) {
        target *t = &x->targets[i];
        const lt_param *a = &params->items[t->a], *b = &params->items[t->b];
        for (int64_t k = 0; k < x->E * t->parts; k++) {
            expert_hook *h = &t->hooks[k];
            int64_t from = h->expert * x->R * a->shape[1];
            h->lora.a = a->value ? a->value + from : NULL;
            h->lora.da = a->gradient ? a->gradient + from : NULL;
            h->shared_b = b->value;
            h->shared_db = b->gradient;
        }
    }
}

void lt_lora_experts_enable(lt_lora_experts *x, bool enabled)
{
    for (int i = 0; x && i < x->count; i++)
        for (int64_t k = 0; k < x->E * x->targets[i].parts; k++)
            x->targets[i].hooks[k].lora.hook.enabled = enabled;
}

bool lt_lora_experts_tensors(const lt_lora_experts *x, int i, int *a, int *b, int64_t *in)
{
    if (!x || i >= x->count)
        return false;
    *a = x->targets[i].a;
    *b = x->targets[i].b;
    *in = x->targets[i].moe->experts[0][x->targets[i].first_part].K;
    return true;
}
