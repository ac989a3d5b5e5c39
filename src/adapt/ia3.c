#include "adapt/ia3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/ia3_linear.h"
#include "core/rng.h"

typedef struct entry {
    lt_ia3_linear ia3;
    lt_linear *linear;
    int param;
} entry;

typedef struct ia3 {
    lt_model *model;
    const lt_peft_config *config;
    lt_peft_matcher *matcher;
    entry *entries; /* the model points at their hooks: room for every layer from the start */
    int count;
    /* while attaching */
    lt_param_list *params;
    lt_error *err;
    bool failed;
} ia3;

static void attach_linear(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    ia3 *a = context;
    lt_peft_match match;
    char key[LT_PEFT_KEY_MAX];
    (void)block;
    if (a->failed)
        return;
    if (!lt_peft_matcher_match(a->matcher, linear->module, slot == LT_LINEAR_SLOTS ? LT_PEFT_MODULE_HEAD : LT_PEFT_MODULE_LINEAR,
                               &match, a->err)) {
        a->failed = true;
        return;
    }
    if (!match.adapts || lt_peft_saves_module(a->config, linear->module))
        return;
    entry *e = &a->entries[a->count++];
    e->linear = linear;
    lt_ia3_linear_init(&e->ia3, match.feedforward);
    lt_peft_key_compose(key, linear->module, LT_PEFT_PART_IA3);
    e->param = lt_param_list_add(a->params, key, 2, match.feedforward ? (int64_t[]){1, linear->K} : (int64_t[]){linear->N, 1}, true);
    linear->hook = &e->ia3.hook;
}

static void count_linear(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    (void)linear;
    (void)block;
    (void)slot;
    ++*(int *)context;
}

static void name_module(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    char *list = context;
    if (block == 0 && slot != LT_LINEAR_SLOTS)
        snprintf(list + strlen(list), 512 - strlen(list), "%s%s", *list ? ", " : "", strrchr(linear->module, '.') + 1);
}

static void detach(void *state)
{
    ia3 *a = state;
    for (int i = 0; i < a->count; i++)
        a->entries[i].linear->hook = NULL;
    lt_peft_matcher_free(a->matcher);
    free(a->entries);
    free(a);
}

static bool attach(void **state, lt_model *model, const lt_peft_config *config, lt_param_list *params, lt_error *err)
{
    int layers = 0;
    lt_model_each_linear(model, count_linear, &layers);
    ia3 *a = calloc(1, sizeof *a);
    if (!a || !(a->entries = calloc((size_t)layers + 1, sizeof *a->entries))) {
        free(a);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    }
    a->model = model;
    a->config = config;
    a->params = params;
    a->err = err;
    if (!lt_peft_matcher_create(&a->matcher, config, err)) {
        detach(a);
        return false;
    }
    lt_model_each_linear(model, attach_linear, a);
    if (!a->failed && a->count == 0) {
        char list[512] = "";
        lt_model_each_linear(model, name_module, list);
        a->failed = !lt_error_set(err, LT_ERR_USAGE, "target_modules match no layer of the model; its blocks have: %s", list);
    }
    if (a->failed) {
        detach(a);
        return false;
    }
    *state = a;
    return true;
}

static void bind(void *state, lt_param_list *params)
{
    ia3 *a = state;
    for (int i = 0; i < a->count; i++) {
        lt_param *p = &params->items[a->entries[i].param];
        lt_ia3_linear_bind(&a->entries[i].ia3, p->value, p->gradient);
    }
}

/* Ones: the model is its base. Without init_ia3_weights, PEFT leaves a standard normal. */
static bool init(void *state, lt_param_list *params, uint64_t seed, lt_error *err)
{
    ia3 *a = state;
    (void)err;
    for (int i = 0; i < a->count; i++) {
        lt_param *p = &params->items[a->entries[i].param];
        lt_rng rng = lt_rng_make(seed, (uint64_t)1 << 62 | (uint64_t)a->entries[i].param);
        for (int64_t e = 0; e < p->elements; e++)
            p->value[e] = a->config->ia3.init_weights ? 1.0f : lt_rng_normal(&rng);
    }
    return true;
}

static void enable(void *state, bool enabled)
{
    ia3 *a = state;
    for (int i = 0; i < a->count; i++)
        a->entries[i].ia3.hook.enabled = enabled;
}

const lt_adapter_method lt_adapter_ia3 = {
    .type = LT_PEFT_IA3, .attach = attach, .bind = bind, .init = init, .enable = enable, .detach = detach};
