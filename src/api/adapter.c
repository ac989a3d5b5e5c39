#include "api/adapter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/data.h"
#include "models/family.h"

/* ---- names ---- */

/* One entry with a character that no module name has is a regular expression, as a string is for PEFT. */
static bool set_names(lt_peft_names *names, const lathe_strings *from, lt_error *err)
{
    if (from->count == 0)
        return true;
    if (from->count == 1 && strpbrk(from->items[0], "\\[](){}*+?^$|"))
        return lt_peft_names_set_regex(names, from->items[0], err);
    return lt_peft_names_set(names, from->items, from->count, err);
}

/* "all-linear" is one string to PEFT, which takes layers only beside a list: the list is what the string stands for. */
static bool set_linear_names(const lathe_train_options *from, lt_peft_names *names, lt_error *err)
{
    const char *items[LT_LINEAR_SLOTS];
    int count = 0;
    lt_config config;
    if (!lt_family_load(from->model, &config, err))
        return false;
    for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++)
        if (lt_config_has_linear(&config, (lt_linear_slot)slot)) {
            const char *dot = strrchr(config.linear_name[slot], '.');
            items[count++] = dot ? dot + 1 : config.linear_name[slot];
        }
    bool ok = lt_peft_names_set(names, items, count, err);
    lt_config_free(&config);
    return ok;
}

/* Every linear layer, unless modules are named. */
static bool set_targets(const lathe_train_options *from, lt_lora_config *lora, lt_error *err)
{
    static const char *const all_linear[] = {"all-linear"};
    static const lathe_strings every = {all_linear, 1};
    const lathe_strings *targets = from->target_modules.count ? &from->target_modules : &every;
    if ((from->layers_to_transform.count > 0 || from->top_layers > 0) && targets->count == 1 && strcmp(targets->items[0], "all-linear") == 0)
        return set_linear_names(from, &lora->target_modules, err);
    return set_names(&lora->target_modules, targets, err);
}

static bool set_layers(lt_lora_config *lora, const lathe_integers *from, lt_error *err)
{
    if (from->count == 0)
        return true;
    lora->layers = calloc((size_t)from->count, sizeof *lora->layers);
    if (!lora->layers)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    lora->layers_given = true;
    lora->layer_count = from->count;
    for (int i = 0; i < from->count; i++)
        lora->layers[i] = (int)from->items[i];
    return true;
}

static bool set_tokens(lt_lora_config *lora, const lathe_integers *from, lt_error *err)
{
    if (from->count == 0)
        return true;
    lora->tokens = calloc(1, sizeof *lora->tokens);
    if (lora->tokens)
        lora->tokens->ids = calloc((size_t)from->count, sizeof *lora->tokens->ids);
    if (!lora->tokens || !lora->tokens->ids)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    lora->token_modules = 1;
    lora->tokens->count = from->count;
    for (int i = 0; i < from->count; i++)
        lora->tokens->ids[i] = from->items[i];
    return true;
}

/* The uppermost blocks, as PEFT has them: a list. */
static bool set_top_layers(const lathe_train_options *from, lt_lora_config *lora, lt_error *err)
{
    lt_config config;
    if (from->top_layers == 0)
        return true;
    if (from->layers_to_transform.count > 0)
        return lt_error_set(err, LT_ERR_USAGE, "top_layers and layers_to_transform exclude each other");
    if (!lt_family_load(from->model, &config, err))
        return false;
    int64_t blocks = config.L, count = from->top_layers;
    lt_config_free(&config);
    if (count > blocks)
        return lt_error_set(err, LT_ERR_USAGE, "top_layers: expected at most %lld, the blocks of the model, found %lld", (long long)blocks,
                            (long long)count);
    lora->layers = calloc((size_t)count, sizeof *lora->layers);
    if (!lora->layers)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    lora->layers_given = true;
    lora->layer_count = (int)count;
    for (int64_t i = 0; i < count; i++)
        lora->layers[i] = (int)(blocks - count + i);
    return true;
}

/* PEFT adds both names to a sequence classifier's list, whatever the model calls its head. */
static bool set_score_modules(const lathe_train_options *from, lt_peft_config *peft, lt_error *err)
{
    enum { MOST = 64 };
    const char *names[MOST + 2];
    int n = 0;
    for (int i = 0; i < from->modules_to_save.count && n < MOST; i++)
        if (strcmp(from->modules_to_save.items[i], "classifier") && strcmp(from->modules_to_save.items[i], "score"))
            names[n++] = from->modules_to_save.items[i];
    names[n++] = "classifier";
    names[n++] = "score";
    return lt_peft_names_set(&peft->modules_to_save, names, n, err);
}

/* ---- LoRA ---- */

/* "q_proj=8": what stands before the last '=' is the pattern. */
static bool set_patterns(lt_peft_patterns *patterns, const char *option, const lathe_strings *from, lt_error *err)
{
    for (int i = 0; i < from->count; i++) {
        const char *item = from->items[i], *sign = strrchr(item, '=');
        char *end = NULL, key[512];
        double value = sign ? strtod(sign + 1, &end) : 0;
        if (!sign || sign == item || end == sign + 1 || *end || !isfinite(value) || sign - item >= (long)sizeof key)
            return lt_error_set(err, LT_ERR_USAGE, "%s: expected PATTERN=NUMBER, found '%.200s'", option, item);
        memcpy(key, item, (size_t)(sign - item));
        key[sign - item] = '\0';
        if (!lt_peft_patterns_add(patterns, key, value, err))
            return false;
    }
    return true;
}

static bool set_init(lt_lora_config *lora, const char *text, lt_error *err)
{
    if (!text || lt_peft_lora_init_named(lora, text))
        return true;
    return lt_error_set(err, LT_ERR_USAGE, "init_lora_weights: expected true, false, gaussian, orthogonal, olora, pissa or pissa_niter_N; found '%.60s'",
                        text);
}

static bool make_lora(lt_peft_config *peft, const lathe_train_options *from, lt_error *err)
{
    lt_lora_config *lora = &peft->lora;
    lora->rank = (int)from->lora_r;
    lora->alpha = from->lora_alpha;
    lora->dropout = from->lora_dropout;
    lora->use_rslora = from->use_rslora;
    lora->use_dora = from->method == LATHE_METHOD_DORA;
    return set_targets(from, lora, err) && set_layers(lora, &from->layers_to_transform, err) && set_top_layers(from, lora, err) &&
           set_tokens(lora, &from->trainable_token_indices, err) &&
           set_names(&lora->layers_pattern, &from->layers_pattern, err) &&
           set_patterns(&lora->rank_pattern, "rank_pattern", &from->rank_pattern, err) &&
           set_patterns(&lora->alpha_pattern, "alpha_pattern", &from->alpha_pattern, err) &&
           set_init(lora, from->init_lora_weights, err);
}

/* ---- IA3 ---- */

static int count_names(const char *const *names)
{
    int n = 0;
    while (names && names[n])
        n++;
    return n;
}

static bool is_in(const lt_peft_names *names, const char *name)
{
    for (int i = 0; i < names->count; i++)
        if (!strcmp(names->items[i], name))
            return true;
    return names->regex != NULL;
}

/* What is not named is as PEFT has it for the family. */
static bool make_ia3(lt_peft_config *peft, const lathe_train_options *from, lt_error *err)
{
    lt_config config;
    if (!lt_family_load(from->model, &config, err))
        return false;
    const char *const *feedforward = NULL, *const *targets = lt_peft_default_ia3_targets(config.model_type, &feedforward);
    lt_peft_names *names = &peft->lora.target_modules;
    bool ok = true;
    if (from->target_modules.count)
        ok = set_names(names, &from->target_modules, err);
    else if (targets)
        ok = lt_peft_names_set(names, targets, count_names(targets), err);
    else
        ok = lt_error_set(err, LT_ERR_USAGE, "target_modules: there is no default for models of type '%s'; name the modules, and "
                                             "those of them in feedforward_modules whose input is to be scaled", config.model_type);
    lt_config_free(&config);
    if (!ok || from->feedforward_modules.count)
        return ok && set_names(&peft->ia3.feedforward_modules, &from->feedforward_modules, err);
    const char *found[8];
    int n = 0;
    for (int i = 0; i < count_names(feedforward) && n < 8; i++)
        if (is_in(names, feedforward[i]))
            found[n++] = feedforward[i];
    return lt_peft_names_set(&peft->ia3.feedforward_modules, found, n, err);
}

/* ---- virtual tokens ---- */

/* The text as PEFT's tokenizer call gives it: with the special tokens that stand around a text. */
static bool set_init_text(lt_api_adapter *adapter, const lathe_train_options *from, lt_error *err)
{
    lt_prompt_config *p = &adapter->peft.prompt;
    lt_api_text *text;
    lt_ids ids = {0};
    if (!from->prompt_tuning_init_text)
        return lt_error_set(err, LT_ERR_USAGE, "prompt_tuning_init_text: prompt_tuning_init text needs the text to begin with");
    p->init_text = strdup(from->prompt_tuning_init_text);
    p->tokenizer = strdup(from->model);
    if (!p->init_text || !p->tokenizer)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (!lt_api_text_open(&text, from->model, NULL, err))
        return false;
    bool ok = text->tokenizer || lt_error_set(err, LT_ERR_USAGE, "prompt_tuning_init_text: %s has no tokenizer", from->model);
    ok = ok && lt_tokenizer_encode(text->tokenizer, p->init_text, strlen(p->init_text), LT_ENCODE_ADD_SPECIAL, &ids, err);
    lt_api_text_close(text);
    adapter->init_ids = ids.data;
    p->init_ids = ids.data;
    p->init_id_count = (int64_t)ids.count;
    return ok;
}

static bool make_prompt(lt_api_adapter *adapter, const lathe_train_options *from, lt_error *err)
{
    lt_prompt_config *p = &adapter->peft.prompt;
    lt_config config;
    if (!lt_family_load(from->model, &config, err))
        return false;
    lt_peft_prompt_complete(&adapter->peft, config.C, config.H, config.K, config.D, config.L);
    lt_config_free(&config);
    p->virtual_tokens = (int)from->num_virtual_tokens;
    p->encoder_hidden_size = (int)(from->encoder_hidden_size ? from->encoder_hidden_size : p->token_dim);
    p->encoder = from->encoder_reparameterization_type ? LT_PROMPT_ENCODER_LSTM : LT_PROMPT_ENCODER_MLP;
    p->encoder_num_layers = (int)from->encoder_num_layers;
    p->encoder_dropout = from->encoder_dropout;
    p->prefix_projection = from->prefix_projection;
    p->zero_init = from->prefix_init_weights != 0;
    p->init = (lt_prompt_init)from->prompt_tuning_init;
    if (adapter->peft.type == LT_PEFT_PROMPT_TUNING && p->init == LT_PROMPT_INIT_TEXT)
        return set_init_text(adapter, from, err);
    return true;
}

int64_t lt_api_adapter_virtual_tokens(const lathe_train_options *options)
{
    return options->method >= LATHE_METHOD_PROMPT_TUNING && options->method <= LATHE_METHOD_PREFIX_TUNING && !options->adapter
               ? options->num_virtual_tokens
               : 0;
}

/* ---- all of them ---- */

static lt_peft_type type_of(int method)
{
    switch (method) {
    case LATHE_METHOD_IA3: return LT_PEFT_IA3;
    case LATHE_METHOD_PROMPT_TUNING: return LT_PEFT_PROMPT_TUNING;
    case LATHE_METHOD_P_TUNING: return LT_PEFT_P_TUNING;
    case LATHE_METHOD_PREFIX_TUNING: return LT_PEFT_PREFIX_TUNING;
    default: return LT_PEFT_LORA;
    }
}

static bool make_method(lt_api_adapter *adapter, const lathe_train_options *from, lt_error *err)
{
    switch (adapter->peft.type) {
    case LT_PEFT_LORA: return make_lora(&adapter->peft, from, err);
    case LT_PEFT_IA3: return make_ia3(&adapter->peft, from, err);
    default: return make_prompt(adapter, from, err);
    }
}

bool lt_api_adapter_make(lt_api_adapter *adapter, const lathe_train_options *from, bool scores, lt_error *err)
{
    lt_peft_config *peft = &adapter->peft;
    *adapter = (lt_api_adapter){0};
    lt_peft_config_init(peft, type_of(from->method));
    peft->task_type = strdup(scores ? "SEQ_CLS" : "CAUSAL_LM");
    peft->base_model = strdup(from->model);
    if (!peft->task_type || !peft->base_model)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    return make_method(adapter, from, err) &&
           (lt_peft_is_prompt(peft) || set_names(&peft->lora.exclude_modules, &from->exclude_modules, err)) &&
           (from->modules_to_save.count == 0 || scores || lt_peft_names_set(&peft->modules_to_save, from->modules_to_save.items,
                                                                  from->modules_to_save.count, err)) &&
           (!scores || set_score_modules(from, peft, err)) && lt_peft_config_check(peft, err);
}

void lt_api_adapter_free(lt_api_adapter *adapter)
{
    lt_peft_config_free(&adapter->peft);
    free(adapter->init_ids);
}
