#include "adapt/adapter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/ia3.h"
#include "adapt/lora.h"
#include "adapt/prompt.h"

static const lt_adapter_method *const registry[] = {
    &lt_adapter_lora, &lt_adapter_ia3, &lt_adapter_prompt_tuning, &lt_adapter_p_tuning, &lt_adapter_prefix_tuning,
};

struct lt_adapter {
    const lt_adapter_method *method;
    void *state;
    lt_model *model;
    const lt_peft_config *config;
};

static const lt_adapter_method *find(lt_peft_type type)
{
    for (size_t i = 0; i < sizeof registry / sizeof *registry; i++)
        if (registry[i]->type == type)
            return registry[i];
    return NULL;
}

unsigned lt_adapter_can(lt_peft_type type)
{
    const lt_adapter_method *method = find(type);
    return method ? method->can : 0;
}

static bool exports(const lt_adapter *a)
{
    return a->method->exports && a->method->exports(a->state);
}

static bool saved(const char *module, void *context)
{
    return lt_peft_saves_module(context, module);
}

bool lt_adapter_attach(lt_adapter **out, lt_model *model, const lt_peft_config *config, lt_param_list *params, lt_error *err)
{
    const lt_adapter_method *method = find(config->type);
    if (!method)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "this kind of adapter cannot be trained or applied");
    if (model->config.tied_head && config->modules_to_save.count &&
        (lt_peft_saves_module(config, model->config.head_name) || lt_peft_saves_module(config, model->config.embed_name)))
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "modules_to_save: '%s' and '%s' are one matrix in this model and cannot be saved apart",
                            model->config.embed_name, model->config.head_name);
    if (lt_peft_is_prompt(config) && model->config.bidirectional && config->modules_to_save.count)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "modules_to_save: modules beside virtual tokens are not supported in an encoder, whose "
                                                     "classifier reads the first position");
    lt_adapter *a = calloc(1, sizeof *a);
    if (!a)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    *a = (lt_adapter){.method = method, .model = model, .config = config};
    if (!method->attach(&a->state, model, config, params, err)) {
        free(a);
        return false;
    }
    if (config->modules_to_save.count)
        lt_model_train_tensors(model, params, lt_peft_is_prompt(config) ? LT_ADAPTER_PROMPT_PREFIX : "base_model.model.", saved,
                               (void *)config);
    *out = a;
    return true;
}

bool lt_adapter_init(lt_adapter *a, lt_param_list *params, uint64_t seed, lt_error *err)
{
    a->method->bind(a->state, params);
    return a->method->init(a->state, params, seed, err) && lt_model_trained_load(a->model, params, err);
}

bool lt_adapter_load_tensor(lt_safetensors *set, const lt_param *p, const char *folder, lt_error *err)
{
    const lt_tensor_info *info = lt_safetensors_find(set, p->name);
    if (!info)
        return lt_error_set(err, LT_ERR_FORMAT, "%s/adapter_model.safetensors: tensor '%s' is missing", folder, p->name);
    bool same = info->dims == p->dims;
    for (int i = 0; same && i < p->dims; i++)
        same = info->shape[i] == p->shape[i];
    if (!same)
        return lt_error_set(err, LT_ERR_FORMAT, "%s/adapter_model.safetensors: tensor '%s': expected [%lld%s%.0lld], found %d dimensions of %lld elements",
                            folder, p->name, (long long)p->shape[0], p->dims > 1 ? ", " : "", (long long)(p->dims > 1 ? p->shape[1] : 0),
                            info->dims, (long long)info->elements);
    if (!lt_dtype_get(info->dtype)->is_float)
        return lt_error_set(err, LT_ERR_FORMAT, "%s/adapter_model.safetensors: tensor '%s': expected a float type, found %s", folder, p->name,
                            lt_dtype_get(info->dtype)->name);
    if (!lt_safetensors_read_f32(set, info, p->value, err))
        return false;
    for (int64_t i = 0; i < p->elements; i++)
        if (!isfinite(p->value[i]))
            return lt_error_set(err, LT_ERR_NUMERIC, "%s/adapter_model.safetensors: tensor '%s': element %lld is not a finite number",
                                folder, p->name, (long long)i);
    return true;
}

/* Anything in the file that has no place here would be lost in silence: say so. */
static bool all_known(lt_safetensors *set, lt_param_list *params, const char *folder, lt_error *err)
{
    for (int64_t i = 0; i < lt_safetensors_count(set); i++) {
        const char *name = lt_safetensors_at(set, i)->name;
        char module[LT_PEFT_KEY_MAX];
        lt_peft_part part;
        if (lt_param_list_find(params, name) ||
            (lt_peft_key_parse(name, module, &part) && (part == LT_PEFT_PART_BASE_WEIGHT || part == LT_PEFT_PART_BASE_BIAS)))
            continue;
        return lt_error_set(err, LT_ERR_FORMAT, "%s/adapter_model.safetensors: tensor '%s' belongs to no layer that adapter_config.json names",
                            folder, name);
    }
    return true;
}

bool lt_adapter_load(lt_adapter *a, lt_param_list *params, const char *folder, lt_error *err)
{
    lt_safetensors *set;
    if (exports(a))
        return a->method->load(a->state, params, folder, err);
    if (!lt_peft_open_tensors(&set, folder, err))
        return false;
    bool ok = all_known(set, params, folder, err);
    for (int i = 0; ok && i < params->count; i++)
        ok = lt_adapter_load_tensor(set, &params->items[i], folder, err);
    lt_safetensors_close(set);
    return ok;
}

bool lt_adapter_has_encoder(const lt_adapter *a)
{
    return a->method->has_encoder && a->method->has_encoder(a->state);
}

bool lt_adapter_exported(lt_adapter *a, const lt_param_list *params, const lt_param_list **list, lt_error *err)
{
    *list = params;
    return !exports(a) || a->method->exported(a->state, params, list, err);
}

bool lt_adapter_export_config(lt_adapter *a, lt_peft_config *config, lt_error *err)
{
    return !exports(a) || !a->method->export_config || a->method->export_config(a->state, config, err);
}

void lt_adapter_complete(lt_peft_config *config, const lt_model *model)
{
    const lt_config *c = &model->config;
    if (lt_peft_is_prompt(config))
        lt_peft_prompt_complete(config, c->C, c->H, c->K, c->D, c->L);
}

void lt_adapter_enable(lt_adapter *a, bool enabled)
{
    a->method->enable(a->state, enabled);
}

void lt_adapter_close(lt_adapter *a)
{
    if (!a)
        return;
    a->method->detach(a->state);
    free(a);
}

struct lt_used_adapter {
    lt_peft_config config;
    lt_param_list params;
    lt_arena values;
    lt_adapter *adapter;
};

void lt_used_adapter_close(lt_used_adapter *u)
{
    if (!u)
        return;
    lt_adapter_close(u->adapter);
    lt_param_list_free(&u->params);
    lt_arena_free(&u->values);
    lt_peft_config_free(&u->config);
    free(u);
}

bool lt_used_adapter_open(lt_used_adapter **out, lt_model *model, const char *folder, lt_error *err)
{
    lt_used_adapter *u = calloc(1, sizeof *u);
    if (!u)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    lt_arena size = lt_arena_measure(), no_gradients = lt_arena_measure();
    if (!lt_peft_config_read(&u->config, folder, lt_adapter_can(LT_PEFT_LORA), err))
        goto fail;
    u->config.inference_mode = true;
    lt_adapter_complete(&u->config, model);
    if (!lt_adapter_attach(&u->adapter, model, &u->config, &u->params, err))
        goto fail;
    lt_param_list_layout(&u->params, &size, &no_gradients);
    if (!lt_arena_init(&u->values, size.used, err))
        goto fail;
    lt_param_list_layout(&u->params, &u->values, &no_gradients); /* gradients stay NULL: nothing is trained */
    if (!lt_adapter_init(u->adapter, &u->params, 0, err) || !lt_adapter_load(u->adapter, &u->params, folder, err))
        goto fail;
    *out = u;
    return true;
fail:
    lt_used_adapter_close(u);
    return false;
}
