/* LoraConfig: its options, their defaults, and what of them is understood. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/peft_internal.h"

static const char *const bias_names[] = {"none", "all", "lora_only"};

void lt_peft_lora_init(lt_lora_config *lora)
{
    *lora = (lt_lora_config){.rank = 8, .alpha = 8};
}

static void free_patterns(lt_peft_patterns *patterns)
{
    for (int i = 0; i < patterns->count; i++)
        free(patterns->items[i].key);
    free(patterns->items);
}

void lt_peft_lora_free(lt_lora_config *lora)
{
    free_patterns(&lora->rank_pattern);
    free_patterns(&lora->alpha_pattern);
    lt_peft_names_free(&lora->target_modules);
    lt_peft_names_free(&lora->exclude_modules);
    lt_peft_names_free(&lora->layers_pattern);
    lt_peft_names_free(&lora->target_parameters);
    free(lora->layers);
    for (int i = 0; i < lora->token_modules; i++) {
        free(lora->tokens[i].module);
        free(lora->tokens[i].ids);
    }
    free(lora->tokens);
    *lora = (lt_lora_config){0};
}

/* ---- contradictions ---- */

bool lt_peft_lora_check(const lt_lora_config *lora, lt_error *err)
{
    const lt_peft_patterns *ranks = &lora->rank_pattern;
    if (lora->rank < 1 || lora->rank > LT_PEFT_MAX_RANK)
        return lt_error_set(err, LT_ERR_USAGE, "r: expected a rank from 1 to %d, found %d", LT_PEFT_MAX_RANK, lora->rank);
    if (!isfinite(lora->alpha))
        return lt_error_set(err, LT_ERR_USAGE, "lora_alpha: expected a number, found %g", lora->alpha);
    if (!(lora->dropout >= 0) || lora->dropout >= 1)
        return lt_error_set(err, LT_ERR_USAGE, "lora_dropout: expected a probability below 1, found %g", lora->dropout);
    for (int i = 0; i < ranks->count; i++)
        if (ranks->items[i].value != floor(ranks->items[i].value) || ranks->items[i].value < 1 ||
            ranks->items[i].value > LT_PEFT_MAX_RANK)
            return lt_error_set(err, LT_ERR_USAGE, "rank_pattern: '%.200s': expected a rank from 1 to %d, found %g",
                                ranks->items[i].key, LT_PEFT_MAX_RANK, ranks->items[i].value);
    if (lora->target_modules.regex && lora->layers_given)
        return lt_error_set(err, LT_ERR_USAGE, "layers_to_transform cannot be used when target_modules is one string");
    if (lora->target_modules.regex && lora->layers_pattern.given)
        return lt_error_set(err, LT_ERR_USAGE, "layers_pattern cannot be used when target_modules is one string");
    if ((lora->layers_pattern.count || lora->layers_pattern.regex) && !lora->layers_given)
        return lt_error_set(err, LT_ERR_USAGE, "layers_pattern says nothing without layers_to_transform");
    if (lora->lora_bias && lora->use_dora)
        return lt_error_set(err, LT_ERR_USAGE, "lora_bias cannot be used with use_dora");
    if (lora->lora_bias && lora->init != LT_LORA_INIT_KAIMING && lora->init != LT_LORA_INIT_RANDOM)
        return lt_error_set(err, LT_ERR_USAGE, "lora_bias needs init_lora_weights true or false");
    return true;
}

/* ---- reading ---- */

static bool read_numbers(lt_peft_reading *reading)
{
    lt_lora_config *lora = &reading->config->lora;
    int64_t rank = lora->rank;
    if (!lt_json_get_int(reading->top, "r", 1, LT_PEFT_MAX_RANK, &rank, reading->err))
        return false;
    lora->rank = (int)rank;
    return lt_json_get_real(reading->top, "lora_alpha", &lora->alpha, reading->err) &&
           lt_json_get_real(reading->top, "lora_dropout", &lora->dropout, reading->err) &&
           lt_peft_read_patterns(reading, "rank_pattern", 1, &lora->rank_pattern) &&
           lt_peft_read_patterns(reading, "alpha_pattern", -1e30, &lora->alpha_pattern);
}

static bool read_switches(lt_peft_reading *reading)
{
    lt_lora_config *lora = &reading->config->lora;
    return lt_json_get_bool(reading->top, "use_rslora", &lora->use_rslora, reading->err) &&
           lt_json_get_bool(reading->top, "use_dora", &lora->use_dora, reading->err) &&
           lt_json_get_bool(reading->top, "fan_in_fan_out", &lora->fan_in_fan_out, reading->err) &&
           lt_json_get_bool(reading->top, "lora_bias", &lora->lora_bias, reading->err) &&
           lt_json_get_bool(reading->top, "ensure_weight_tying", &lora->ensure_weight_tying, reading->err) &&
           !(lora->use_dora && lt_peft_cannot(reading, "use_dora", LT_PEFT_CAN_DORA)) &&
           !(lora->lora_bias && lt_peft_cannot(reading, "lora_bias", LT_PEFT_CAN_LORA_BIAS)) &&
           !(lora->ensure_weight_tying && lt_peft_cannot(reading, "ensure_weight_tying", LT_PEFT_CAN_TYING));
}

static bool read_bias(lt_peft_reading *reading)
{
    lt_json at;
    const char *name;
    if (!lt_json_member(reading->top, "bias", &at))
        return true;
    if (!lt_json_string(&at, &name, reading->err))
        return false;
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, bias_names[i])) {
            reading->config->lora.bias = (lt_lora_bias)i;
            return i == LT_LORA_BIAS_NONE || !lt_peft_cannot(reading, "bias", LT_PEFT_CAN_BIAS);
        }
    return lt_json_error(&at, reading->err, LT_ERR_FORMAT, "expected \"none\", \"all\" or \"lora_only\", found \"%.60s\"", name);
}

bool lt_peft_lora_init_named(lt_lora_config *lora, const char *name)
{
    static const struct {
        const char *name;
        lt_lora_init init;
    } known[] = {{"true", LT_LORA_INIT_KAIMING},          {"default", LT_LORA_INIT_KAIMING}, {"false", LT_LORA_INIT_RANDOM},
                 {"gaussian", LT_LORA_INIT_GAUSSIAN},     {"olora", LT_LORA_INIT_OLORA},     {"pissa", LT_LORA_INIT_PISSA},
                 {"orthogonal", LT_LORA_INIT_ORTHOGONAL}};
    static const char niter[] = "pissa_niter_";
    lora->pissa_niter = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(known[i].name, name)) {
            lora->init = known[i].init;
            return true;
        }
    if (strncasecmp(name, niter, sizeof niter - 1))
        return false;
    char *end;
    long n = strtol(name + sizeof niter - 1, &end, 10);
    if (end == name + sizeof niter - 1 || *end || n < 1 || n > 1000)
        return false;
    lora->init = LT_LORA_INIT_PISSA;
    lora->pissa_niter = (int)n;
    return true;
}

/* Kinds that move a part of the base into the adapter leave a base that no file holds. */
static bool read_init(lt_peft_reading *reading)
{
    static const struct {
        const char *name;
        lt_lora_init init;
    } known[] = {{"gaussian", LT_LORA_INIT_GAUSSIAN}, {"eva", LT_LORA_INIT_EVA}, {"orthogonal", LT_LORA_INIT_ORTHOGONAL}};
    lt_lora_init *init = &reading->config->lora.init;
    lt_json at;
    const char *name;
    if (!lt_json_member(reading->top, "init_lora_weights", &at))
        return true;
    if (json_is_boolean(at.value)) {
        *init = json_is_true(at.value) ? LT_LORA_INIT_KAIMING : LT_LORA_INIT_RANDOM;
        return true;
    }
    if (!lt_json_string(&at, &name, reading->err))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i].name)) {
            *init = known[i].init;
            return true;
        }
    return lt_json_error(&at, reading->err, LT_ERR_UNSUPPORTED,
                         "adapters begun as \"%.60s\" change the base model; save it converted to plain LoRA "
                         "(PEFT: path_initial_model_for_weight_conversion)", name);
}

static bool read_layers(lt_peft_reading *reading)
{
    lt_lora_config *lora = &reading->config->lora;
    lt_json at;
    if (!lt_json_member(reading->top, "layers_to_transform", &at))
        return true;
    bool list = json_is_array(at.value);
    size_t n = list ? json_array_size(at.value) : 1;
    lora->layers = malloc((n + 1) * sizeof *lora->layers);
    if (!lora->layers)
        return lt_json_error(&at, reading->err, LT_ERR_MEMORY, "out of memory");
    lora->layers_given = true;
    for (size_t i = 0; i < n; i++) {
        lt_json element = list ? lt_json_element(&at, i) : at;
        int64_t layer;
        if (!lt_json_int(&element, 0, INT32_MAX, &layer, reading->err))
            return false;
        lora->layers[lora->layer_count++] = (int)layer;
    }
    return true;
}

static bool read_token_list(const lt_peft_reading *reading, const lt_json *list, const char *module)
{
    lt_lora_config *lora = &reading->config->lora;
    if (!lt_json_array(list, reading->err))
        return false;
    size_t n = json_array_size(list->value);
    struct lt_lora_tokens *row = &lora->tokens[lora->token_modules++];
    *row = (struct lt_lora_tokens){.module = module ? strdup(module) : NULL, .ids = malloc((n + 1) * sizeof *row->ids)};
    if (!row->ids || (module && !row->module))
        return lt_json_error(list, reading->err, LT_ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++) {
        lt_json at = lt_json_element(list, i);
        if (!lt_json_int(&at, 0, INT32_MAX, &row->ids[i], reading->err))
            return false;
        row->count++;
    }
    return true;
}

static bool read_tokens(lt_peft_reading *reading)
{
    lt_lora_config *lora = &reading->config->lora;
    lt_json at;
    if (!lt_json_member(reading->top, "trainable_token_indices", &at))
        return true;
    if (lt_peft_cannot(reading, "trainable_token_indices", LT_PEFT_CAN_TOKENS))
        return false;
    lora->tokens = calloc(json_object_size(at.value) + 1, sizeof *lora->tokens);
    if (!lora->tokens)
        return lt_json_error(&at, reading->err, LT_ERR_MEMORY, "out of memory");
    if (!json_is_object(at.value))
        return read_token_list(reading, &at, NULL);
    const char *module;
    json_t *value;
    json_object_foreach((json_t *)at.value, module, value)
    {
        lt_json list = {.value = value, .parent = &at, .key = module};
        if (!read_token_list(reading, &list, module))
            return false;
    }
    return true;
}

static bool read_modules(lt_peft_reading *reading)
{
    lt_lora_config *lora = &reading->config->lora;
    lt_json at;
    if (!lt_peft_read_names(reading, "target_modules", &lora->target_modules) ||
        !lt_peft_read_names(reading, "exclude_modules", &lora->exclude_modules) ||
        !lt_peft_read_names(reading, "layers_pattern", &lora->layers_pattern) ||
        !lt_peft_read_names(reading, "target_parameters", &lora->target_parameters))
        return false;
    if (lora->target_parameters.regex && lt_json_member(reading->top, "target_parameters", &at))
        return lt_json_error(&at, reading->err, LT_ERR_FORMAT, "expected a list, found a string");
    return lora->target_parameters.count == 0 || !lt_peft_cannot(reading, "target_parameters", LT_PEFT_CAN_PARAMETERS);
}

bool lt_peft_lora_read(lt_peft_reading *reading)
{
    return read_numbers(reading) && read_switches(reading) && read_bias(reading) && read_init(reading) &&
           read_layers(reading) && read_modules(reading) && read_tokens(reading);
}

bool lt_peft_lora_knows(const char *key)
{
    static const char *const known[] = {
        "r", "lora_alpha", "lora_dropout", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "fan_in_fan_out",
        "lora_bias", "ensure_weight_tying", "bias", "init_lora_weights", "layers_to_transform", "layers_pattern",
        "target_modules", "exclude_modules", "target_parameters", "trainable_token_indices",
        /* settings of mechanisms that other options switch on, and of initialisations that are over */
        "megatron_core", "qalora_group_size", "loftq_config", "eva_config", "corda_config", "lora_ga_config",
        "runtime_config",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], key))
            return true;
    return false;
}

/* ---- writing ---- */

static json_t *patterns_json(const lt_peft_patterns *patterns)
{
    json_t *out = json_object();
    for (int i = 0; i < patterns->count; i++)
        json_object_set_new(out, patterns->items[i].key, lt_peft_number_json(patterns->items[i].value));
    return out;
}

static json_t *init_json(lt_lora_init init)
{
    switch (init) {
    case LT_LORA_INIT_KAIMING: break;
    case LT_LORA_INIT_RANDOM: return json_false();
    case LT_LORA_INIT_GAUSSIAN: return json_string("gaussian");
    case LT_LORA_INIT_EVA: return json_string("eva");
    case LT_LORA_INIT_ORTHOGONAL: return json_string("orthogonal");
    case LT_LORA_INIT_OLORA:
    case LT_LORA_INIT_PISSA: break; /* saved as plain LoRA */
    }
    return json_true();
}

static json_t *layers_json(const lt_lora_config *lora)
{
    if (!lora->layers_given)
        return json_null();
    json_t *out = json_array();
    for (int i = 0; i < lora->layer_count; i++)
        json_array_append_new(out, json_integer(lora->layers[i]));
    return out;
}

static json_t *token_list(const int64_t *ids, int count)
{
    json_t *out = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(out, json_integer(ids[i]));
    return out;
}

static json_t *tokens_json(const lt_lora_config *lora)
{
    if (lora->token_modules == 1 && !lora->tokens[0].module)
        return token_list(lora->tokens[0].ids, lora->tokens[0].count);
    json_t *out = json_object();
    for (int i = 0; i < lora->token_modules; i++)
        json_object_set_new(out, lora->tokens[i].module, token_list(lora->tokens[i].ids, lora->tokens[i].count));
    return out;
}

/* Options that came with later versions of PEFT: written only when they say something. */
static bool write_newer(const lt_lora_config *lora, json_t *out)
{
    int failed = 0;
    if (lora->exclude_modules.given)
        failed |= json_object_set_new(out, "exclude_modules", lt_peft_names_json(&lora->exclude_modules));
    if (lora->lora_bias)
        failed |= json_object_set_new(out, "lora_bias", json_true());
    if (lora->ensure_weight_tying)
        failed |= json_object_set_new(out, "ensure_weight_tying", json_true());
    if (lora->token_modules)
        failed |= json_object_set_new(out, "trainable_token_indices", tokens_json(lora));
    if (lora->target_parameters.count)
        failed |= json_object_set_new(out, "target_parameters", lt_peft_names_json(&lora->target_parameters));
    return !failed;
}

bool lt_peft_lora_write(const lt_peft_config *config, json_t *out)
{
    const lt_lora_config *lora = &config->lora;
    int failed = 0;
    failed |= json_object_set_new(out, "r", json_integer(lora->rank));
    failed |= json_object_set_new(out, "lora_alpha", lt_peft_number_json(lora->alpha));
    failed |= json_object_set_new(out, "lora_dropout", json_real(lora->dropout));
    failed |= json_object_set_new(out, "rank_pattern", patterns_json(&lora->rank_pattern));
    failed |= json_object_set_new(out, "alpha_pattern", patterns_json(&lora->alpha_pattern));
    failed |= json_object_set_new(out, "target_modules", lt_peft_names_json(&lora->target_modules));
    failed |= json_object_set_new(out, "layers_to_transform", layers_json(lora));
    failed |= json_object_set_new(out, "layers_pattern", lt_peft_names_json(&lora->layers_pattern));
    failed |= json_object_set_new(out, "use_rslora", json_boolean(lora->use_rslora));
    failed |= json_object_set_new(out, "use_dora", json_boolean(lora->use_dora));
    failed |= json_object_set_new(out, "fan_in_fan_out", json_boolean(lora->fan_in_fan_out));
    failed |= json_object_set_new(out, "bias", json_string(bias_names[lora->bias]));
    failed |= json_object_set_new(out, "init_lora_weights", init_json(lora->init));
    failed |= json_object_set_new(out, "loftq_config", json_object());
    failed |= json_object_set_new(out, "megatron_config", json_null());
    failed |= json_object_set_new(out, "megatron_core", json_string("megatron.core"));
    return !failed && write_newer(lora, out);
}
