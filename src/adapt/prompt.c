#include "adapt/prompt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/dense.h"
#include "adapt/prompt_encoder.h"
#include "core/file.h"
#include "core/rng.h"

typedef struct prompt {
    lt_virtual virtual; /* first: its functions find us by it */
    lt_model *model;
    const lt_peft_config *config;
    int64_t width;              /* of a row of values */
    lt_prompt_encoder_net *net; /* NULL: the values are what is trained */
    int param;                  /* without an encoder: they */
    lt_arena own;               /* with one: values and their gradient */
    lt_param_list exported;     /* "prompt_embeddings", and what modules_to_save name */
} prompt;

static const char output_name[] = "prompt_embeddings";

static bool encodes(const lt_peft_config *config)
{
    return config->type == LT_PEFT_P_TUNING || (config->type == LT_PEFT_PREFIX_TUNING && config->prompt.prefix_projection);
}

/* ---- attaching ---- */

/* The model and the file must speak of the same sizes. */
static bool check_sizes(const lt_peft_config *config, const lt_model *model, lt_error *err)
{
    const lt_prompt_config *p = &config->prompt;
    const lt_config *c = &model->config;
    bool keys = config->type == LT_PEFT_PREFIX_TUNING;
    int64_t width = keys ? c->K * c->D : c->C;
    if (p->token_dim != width)
        return lt_error_set(err, LT_ERR_FORMAT, "token_dim: expected %lld, %s of this model; found %d", (long long)width,
                            keys ? "the width of keys" : "the width", p->token_dim);
    if (keys && p->num_layers != c->L)
        return lt_error_set(err, LT_ERR_FORMAT, "num_layers: expected %lld as the model has, found %d", (long long)c->L, p->num_layers);
    if (keys && p->num_attention_heads != c->K)
        return lt_error_set(err, LT_ERR_FORMAT, "num_attention_heads: expected %lld, the model's key heads; found %d", (long long)c->K,
                            p->num_attention_heads);
    return true;
}

static void encode(lt_virtual *virtual, uint64_t seed, uint64_t step, bool dropout)
{
    prompt *a = (prompt *)virtual;
    lt_prompt_encoder_forward(a->net, a->virtual.values, seed, step, dropout);
}

static void encode_backward(lt_virtual *virtual)
{
    prompt *a = (prompt *)virtual;
    lt_prompt_encoder_backward(a->net, a->virtual.gradient);
    memset(a->virtual.gradient, 0, (size_t)(a->virtual.P * a->width) * sizeof(float));
}

static bool open_encoder(prompt *a, lt_param_list *params, lt_error *err)
{
    const lt_prompt_config *p = &a->config->prompt;
    lt_prompt_encoder_shape shape = {
        .kind = a->config->type == LT_PEFT_PREFIX_TUNING       ? LT_PROMPT_ENCODER_NET_PREFIX
                : p->encoder == LT_PROMPT_ENCODER_LSTM ? LT_PROMPT_ENCODER_NET_LSTM
                                                       : LT_PROMPT_ENCODER_NET_MLP,
        .P = a->virtual.P,
        .C = p->token_dim,
        .E = p->encoder_hidden_size,
        .W = a->width,
        .layers = p->encoder_num_layers,
        .dropout = (float)p->encoder_dropout,
    };
    lt_arena measure = lt_arena_measure();
    for (int i = 0; i < 2; i++)
        LT_ARENA_NEW(&measure, float, a->virtual.P * a->width);
    if (!lt_arena_init(&a->own, measure.used, err))
        return false;
    memset(a->own.base, 0, (size_t)measure.used); /* resident: plans begin from what the process holds */
    a->virtual.values = LT_ARENA_NEW(&a->own, float, a->virtual.P * a->width);
    a->virtual.gradient = LT_ARENA_NEW(&a->own, float, a->virtual.P * a->width);
    a->virtual.forward = encode;
    a->virtual.backward = encode_backward;
    return lt_prompt_encoder_open(&a->net, &shape, params, err);
}

static void detach(void *state)
{
    prompt *a = state;
    if (a->model->virtual == &a->virtual)
        lt_model_set_virtual(a->model, NULL);
    lt_prompt_encoder_close(a->net);
    lt_param_list_free(&a->exported);
    lt_arena_free(&a->own);
    free(a);
}

static bool attach(void **state, lt_model *model, const lt_peft_config *config, lt_param_list *params, lt_error *err)
{
    bool keys = config->type == LT_PEFT_PREFIX_TUNING;
    if (!check_sizes(config, model, err))
        return false;
    if (model->virtual)
        return lt_error_set(err, LT_ERR_USAGE, "the model has virtual tokens of another adapter already");
    prompt *a = calloc(1, sizeof *a);
    if (!a)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    a->model = model;
    a->config = config;
    a->width = keys ? model->config.L * 2 * config->prompt.token_dim : model->config.C;
    a->virtual = (lt_virtual){
        .kind = keys ? LT_VIRTUAL_KEYS : LT_VIRTUAL_INPUTS, .P = config->prompt.virtual_tokens, .enabled = true};
    if (encodes(config) && !config->inference_mode) {
        if (!open_encoder(a, params, err)) {
            detach(a);
            return false;
        }
    } else {
        a->param = lt_param_list_add(params, "prompt_encoder.embedding.weight", 2, (int64_t[]){a->virtual.P, a->width}, true);
    }
    lt_param_list_add(&a->exported, output_name, 2, (int64_t[]){a->virtual.P, a->width}, true);
    lt_model_set_virtual(model, &a->virtual);
    *state = a;
    return true;
}

static void bind(void *state, lt_param_list *params)
{
    prompt *a = state;
    if (a->net) {
        lt_prompt_encoder_bind(a->net, params);
        return;
    }
    a->virtual.values = params->items[a->param].value;
    a->virtual.gradient = params->items[a->param].gradient;
}

/* ---- beginning ---- */

/* values (P,C) = rows of the embedding, those of ids, scaled as the model's own module gives them. */
static bool fill_from_rows(const prompt *a, const int32_t *ids, float *values, lt_error *err)
{
    const lt_embed *embed = &a->model->embed;
    for (int64_t p = 0; p < a->virtual.P; p++)
        if (!lt_weights_read_row(&embed->weight, ids[p], values + p * a->width, err))
            return false;
    lt_kernels_get()->scale(values, embed->scale, a->virtual.P * a->width);
    return true;
}

static bool init_prompt(prompt *a, lt_param *p, uint64_t seed, lt_error *err)
{
    const lt_prompt_config *c = &a->config->prompt;
    int32_t *ids = malloc((size_t)a->virtual.P * sizeof *ids);
    if (!ids)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    bool ok = c->init != LT_PROMPT_INIT_TEXT || c->init_id_count > 0 ||
              lt_error_set(err, LT_ERR_USAGE, "prompt_tuning_init_text: expected a text of at least one token");
    lt_rng rng = lt_rng_make(seed, (uint64_t)1 << 62 | (uint64_t)a->param);
    for (int64_t i = 0; ok && i < a->virtual.P; i++) {
        ids[i] = c->init == LT_PROMPT_INIT_TEXT ? c->init_ids[i % c->init_id_count]
                                                : (int32_t)lt_rng_below(&rng, (uint32_t)a->model->config.V);
        ok = ids[i] < a->model->config.V ||
             lt_error_set(err, LT_ERR_USAGE, "prompt_tuning_init_text: token %d is beyond the model's vocabulary", ids[i]);
    }
    ok = ok && fill_from_rows(a, ids, p->value, err);
    free(ids);
    return ok;
}

static bool init(void *state, lt_param_list *params, uint64_t seed, lt_error *err)
{
    prompt *a = state;
    const lt_prompt_config *c = &a->config->prompt;
    if (a->net) {
        lt_prompt_encoder_init(a->net, params, seed, c->zero_init);
        return true;
    }
    lt_param *p = &params->items[a->param];
    if (a->config->type == LT_PEFT_PROMPT_TUNING && c->init != LT_PROMPT_INIT_RANDOM && !a->config->inference_mode)
        return init_prompt(a, p, seed, err);
    lt_param_fill_normal(p, a->param, c->zero_init ? 0.0f : 1.0f, seed);
    return true;
}

/* ---- files ---- */

static bool load_one(lt_safetensors *set, const char *name, lt_param *p, const char *path, lt_error *err)
{
    const lt_tensor_info *info = lt_safetensors_find(set, name);
    if (!info)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s' is missing", path, name);
    bool same = info->dims == p->dims;
    for (int d = 0; same && d < p->dims; d++)
        same = info->shape[d] == p->shape[d];
    if (!same || !lt_dtype_get(info->dtype)->is_float)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s': expected [%lld%s%.0lld] of a float type, found %d dimension%s of %lld elements, %s",
                            path, name, (long long)p->shape[0], p->dims > 1 ? ", " : "", (long long)(p->dims > 1 ? p->shape[1] : 0),
                            info->dims, info->dims == 1 ? "" : "s", (long long)info->elements, lt_dtype_get(info->dtype)->name);
    if (!lt_safetensors_read_f32(set, info, p->value, err))
        return false;
    for (int64_t i = 0; i < p->elements; i++)
        if (!isfinite(p->value[i]))
            return lt_error_set(err, LT_ERR_NUMERIC, "%s: tensor '%s': element %lld is not a finite number", path, name, (long long)i);
    return true;
}

static bool load_encoder(lt_param_list *params, const char *folder, lt_error *err)
{
    char path[4096];
    lt_safetensors *set;
    if (!lt_file_join(path, sizeof path, folder, LT_ADAPTER_ENCODER_FILE, err))
        return false;
    if (!lt_file_exists(path))
        return lt_error_set(err, LT_ERR_USAGE, "%s: the encoder is not there. adapter_model.safetensors holds its output alone, "
                                               "which can be used, but training cannot go on from it", path);
    if (!lt_safetensors_open(&set, path, err))
        return false;
    bool ok = true;
    for (int i = 0; ok && i < params->count; i++)
        ok = load_one(set, params->items[i].name, &params->items[i], path, err);
    lt_safetensors_close(set);
    return ok;
}

/* Of modules_to_save, beside the virtual tokens. */
static bool is_module(const lt_param *p)
{
    return strncmp(p->name, LT_ADAPTER_PROMPT_PREFIX, sizeof LT_ADAPTER_PROMPT_PREFIX - 1) == 0;
}

static bool load(void *state, lt_param_list *params, const char *folder, lt_error *err)
{
    prompt *a = state;
    char path[4096];
    lt_safetensors *set;
    if (a->net)
        return load_encoder(params, folder, err);
    if (!lt_file_join(path, sizeof path, folder, "adapter_model.safetensors", err) || !lt_peft_open_tensors(&set, folder, err))
        return false;
    bool ok = load_one(set, output_name, &params->items[a->param], path, err);
    int64_t known = 1;
    for (int i = 0; ok && i < params->count; i++)
        if (is_module(&params->items[i])) {
            ok = load_one(set, params->items[i].name, &params->items[i], path, err);
            known++;
        }
    if (ok && lt_safetensors_count(set) > known)
        ok = lt_error_set(err, LT_ERR_FORMAT, "%s: expected the tensor '%s'%s, found %lld tensors", path, output_name,
                          known > 1 ? " and those of modules_to_save" : " alone", (long long)lt_safetensors_count(set));
    lt_safetensors_close(set);
    return ok;
}

static bool exports(const void *state)
{
    (void)state;
    return true;
}

static bool exported(void *state, const lt_param_list *params, const lt_param_list **list, lt_error *err)
{
    prompt *a = state;
    (void)err;
    if (a->net)
        encode(&a->virtual, 0, 0, false);
    a->exported.items[0].value = a->virtual.values;
    for (int i = 0, at = 1; i < params->count; i++) {
        const lt_param *p = &params->items[i];
        if (!is_module(p))
            continue;
        if (at == a->exported.count)
            lt_param_list_add(&a->exported, p->name, p->dims, p->shape, p->decay);
        a->exported.items[at++].value = p->value;
    }
    *list = &a->exported;
    return true;
}

static bool has_encoder(const void *state)
{
    return ((const prompt *)state)->net != NULL;
}

static void enable(void *state, bool enabled)
{
    ((prompt *)state)->virtual.enabled = enabled;
}

#define METHOD(of)                                                                                                       \
    {                                                                                                                    \
        .type = of, .attach = attach, .bind = bind, .init = init, .exports = exports, .exported = exported, .load = load, \
        .has_encoder = has_encoder, .enable = enable, .detach = detach                                                   \
    }

const lt_adapter_method lt_adapter_prompt_tuning = METHOD(LT_PEFT_PROMPT_TUNING);
const lt_adapter_method lt_adapter_p_tuning = METHOD(LT_PEFT_P_TUNING);
const lt_adapter_method lt_adapter_prefix_tuning = METHOD(LT_PEFT_PREFIX_TUNING);
