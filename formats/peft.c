#include "formats/peft.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/json.h"
#include "formats/peft_internal.h"

/* The registry of PEFT types. */
static const struct {
    const char *name; /* in adapter_config.json */
    bool (*read)(lt_peft_reading *reading);
    bool (*write)(const lt_peft_config *config, json_t *out);
    bool (*knows)(const char *key);
} types[LT_PEFT_TYPES] = {
    [LT_PEFT_LORA] = {"LORA", lt_peft_lora_read, lt_peft_lora_write, lt_peft_lora_knows},
    [LT_PEFT_IA3] = {"IA3", lt_peft_ia3_read, lt_peft_ia3_write, lt_peft_ia3_knows},
    [LT_PEFT_PROMPT_TUNING] = {"PROMPT_TUNING", lt_peft_prompt_read, lt_peft_prompt_write, lt_peft_prompt_knows},
    [LT_PEFT_P_TUNING] = {"P_TUNING", lt_peft_prompt_read, lt_peft_prompt_write, lt_peft_prompt_knows},
    [LT_PEFT_PREFIX_TUNING] = {"PREFIX_TUNING", lt_peft_prompt_read, lt_peft_prompt_write, lt_peft_prompt_knows},
};

static const char *const task_types[] = {"SEQ_CLS",   "SEQ_2_SEQ_LM", "CAUSAL_LM",
                                         "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"};

void lt_peft_config_init(lt_peft_config *config, lt_peft_type type)
{
    *config = (lt_peft_config){
        .type = type,
        .ia3 = {.init_weights = true},
        .prompt = {.submodules = 1, .encoder_num_layers = 2},
    };
    lt_peft_lora_init(&config->lora);
}

void lt_peft_config_free(lt_peft_config *config)
{
    free(config->task_type);
    free(config->base_model);
    free(config->revision);
    lt_peft_names_free(&config->modules_to_save);
    lt_peft_lora_free(&config->lora);
    lt_peft_names_free(&config->ia3.feedforward_modules);
    free(config->prompt.init_text);
    free(config->prompt.tokenizer);
    *config = (lt_peft_config){0};
}

bool lt_peft_config_check(const lt_peft_config *config, lt_error *err)
{
    if (config->modules_to_save.count > LT_PEFT_MAX_PATTERNS)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "modules_to_save: expected at most %d names, found %d",
                            LT_PEFT_MAX_PATTERNS, config->modules_to_save.count);
    switch (config->type) {
    case LT_PEFT_LORA: return lt_peft_lora_check(&config->lora, err);
    case LT_PEFT_IA3: return lt_peft_ia3_check(config, err);
    case LT_PEFT_PROMPT_TUNING:
    case LT_PEFT_P_TUNING:
    case LT_PEFT_PREFIX_TUNING: return lt_peft_prompt_check(config, err);
    case LT_PEFT_TYPES: break;
    }
    return true;
}

/* ---- reading ---- */

static bool read_type(lt_peft_reading *reading)
{
    lt_json at;
    const char *name;
    if (!lt_json_member(reading->top, "peft_type", &at))
        return lt_json_error(reading->top, reading->err, LT_ERR_FORMAT, "expected a field 'peft_type', found none");
    if (!lt_json_string(&at, &name, reading->err))
        return false;
    for (int i = 0; i < LT_PEFT_TYPES; i++)
        if (!strcmp(types[i].name, name)) {
            lt_peft_config_init(reading->config, (lt_peft_type)i);
            return true;
        }
    return lt_json_error(&at, reading->err, LT_ERR_UNSUPPORTED, "adapters of type \"%.60s\" are not supported", name);
}

static bool read_common(lt_peft_reading *reading)
{
    lt_peft_config *config = reading->config;
    lt_json at;
    if (!lt_peft_read_text(reading, "task_type", &config->task_type) ||
        !lt_peft_read_text(reading, "base_model_name_or_path", &config->base_model) ||
        !lt_peft_read_text(reading, "revision", &config->revision) ||
        !lt_json_get_bool(reading->top, "inference_mode", &config->inference_mode, reading->err) ||
        !lt_peft_read_names(reading, "modules_to_save", &config->modules_to_save))
        return false;
    if (config->modules_to_save.regex && lt_json_member(reading->top, "modules_to_save", &at))
        return lt_json_error(&at, reading->err, LT_ERR_FORMAT, "expected a list of names, found a string");
    if (!config->task_type)
        return true;
    for (size_t i = 0; i < sizeof task_types / sizeof *task_types; i++)
        if (!strcmp(task_types[i], config->task_type))
            return true;
    lt_json_member(reading->top, "task_type", &at);
    return lt_json_error(&at, reading->err, LT_ERR_FORMAT, "expected a task such as \"CAUSAL_LM\", found \"%.60s\"",
                         config->task_type);
}

static bool says_nothing(const json_t *value)
{
    return json_is_null(value) || json_is_false(value) || (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_string(value) && json_string_length(value) == 0);
}

/* An option of a later PEFT may change what the adapter computes: only those that are off can be passed over. */
static bool refuse_unknown(const lt_peft_reading *reading)
{
    static const char *const common[] = {"peft_type",    "task_type",      "base_model_name_or_path",
                                         "revision",     "inference_mode", "modules_to_save",
                                         "auto_mapping", "peft_version"};
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)reading->top->value, key, value) {
        bool known = types[reading->config->type].knows(key) || says_nothing(value);
        for (size_t i = 0; i < sizeof common / sizeof *common && !known; i++)
            known = !strcmp(common[i], key);
        lt_json at = {.value = value, .parent = reading->top, .key = key};
        if (!known)
            return lt_json_error(&at, reading->err, LT_ERR_UNSUPPORTED, "this option of PEFT is not supported");
    }
    return true;
}

/* Contradictions and regular expressions that do not compile are the file's fault here, not the user's. */
static bool check_file(const lt_peft_config *config, const char *source, lt_error *err)
{
    lt_peft_matcher *matcher = NULL;
    bool ok = lt_peft_config_check(config, err) && lt_peft_matcher_create(&matcher, config, err);
    lt_peft_matcher_free(matcher);
    if (ok)
        return true;
    if (err && err->status == LT_ERR_USAGE)
        err->status = LT_ERR_FORMAT;
    return lt_error_context(err, "%s", source);
}

static bool read_config(const json_t *root, const char *source, lt_peft_config *config, unsigned can, lt_error *err)
{
    lt_json top = lt_json_root(root, source);
    lt_peft_reading reading = {.config = config, .top = &top, .can = can, .err = err};
    *config = (lt_peft_config){0};
    if (read_type(&reading) && read_common(&reading) && types[config->type].read(&reading) &&
        refuse_unknown(&reading) && check_file(config, source, err))
        return true;
    lt_peft_config_free(config);
    return false;
}

bool lt_peft_config_parse(lt_peft_config *config, const char *text, const char *source, unsigned can, lt_error *err)
{
    json_t *root = lt_json_parse(text, strlen(text), source, err);
    bool ok = root && read_config(root, source, config, can, err);
    json_decref(root);
    return ok;
}

bool lt_peft_config_read(lt_peft_config *config, const char *folder, unsigned can, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, folder, "adapter_config.json", err))
        return false;
    json_t *root = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
    bool ok = root && read_config(root, path, config, can, err);
    json_decref(root);
    return ok;
}

bool lt_peft_open_tensors(lt_safetensors **tensors, const char *folder, lt_error *err)
{
    char path[4096], pickle[4096];
    if (!lt_file_join(path, sizeof path, folder, "adapter_model.safetensors", err) ||
        !lt_file_join(pickle, sizeof pickle, folder, "adapter_model.bin", err))
        return false;
    if (!lt_file_exists(path) && lt_file_exists(pickle))
        return lt_error_set(err, LT_ERR_UNSUPPORTED,
                            "%s: pickled weights are not read, since they can run code; "
                            "save the adapter as safetensors",
                            pickle);
    return lt_safetensors_open(tensors, path, err);
}

/* ---- writing ---- */

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

char *lt_peft_config_text(const lt_peft_config *config)
{
    json_t *out = json_object();
    char *text = NULL;
    int failed = 0;
    failed |= json_object_set_new(out, "peft_type", json_string(types[config->type].name));
    failed |= json_object_set_new(out, "task_type", text_or_null(config->task_type));
    failed |= json_object_set_new(out, "auto_mapping", json_null());
    failed |= json_object_set_new(out, "base_model_name_or_path", text_or_null(config->base_model));
    failed |= json_object_set_new(out, "revision", text_or_null(config->revision));
    failed |= json_object_set_new(out, "inference_mode", json_boolean(config->inference_mode));
    failed |= json_object_set_new(out, "modules_to_save", lt_peft_names_json(&config->modules_to_save));
    if (!failed && types[config->type].write(config, out))
        text = lt_json_text(out, 2, true);
    json_decref(out);
    return text;
}

bool lt_peft_config_write(const lt_peft_config *config, const char *folder, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, folder, "adapter_config.json", err))
        return false;
    char *text = lt_peft_config_text(config);
    if (!text)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: a name in it is not UTF-8, or memory ran out", path);
    bool ok = lt_file_replace(path, text, strlen(text), err);
    free(text);
    return ok;
}

/* PEFT's TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING, for the families that lathe has or may have. */
const char *const *lt_peft_default_targets(const char *model_type)
{
    static const char *const q_and_v[] = {"q_proj", "v_proj", NULL}, *const fused[] = {"c_attn", NULL},
                             *const query_and_value[] = {"query", "value", NULL};
    static const char *const with_q_and_v[] = {"llama",  "mistral",     "mixtral", "gemma",
                                               "gemma2", "gemma3_text", "qwen2",   "qwen3"};
    for (size_t i = 0; i < sizeof with_q_and_v / sizeof *with_q_and_v; i++)
        if (!strcmp(with_q_and_v[i], model_type))
            return q_and_v;
    if (!strcmp(model_type, "gpt2"))
        return fused;
    if (!strcmp(model_type, "bert"))
        return query_and_value;
    return NULL;
}

/* PEFT's TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING and …_FEEDFORWARD_MODULES_MAPPING. */
const char *const *lt_peft_default_ia3_targets(const char *model_type, const char *const **feedforward)
{
    static const char *const kv[] = {"k_proj", "v_proj", "down_proj", NULL}, *const qv[] = {"q_proj", "v_proj", "down_proj", NULL},
                             *const down[] = {"down_proj", NULL}, *const gpt2[] = {"c_attn", "mlp.c_proj", NULL},
                             *const bert[] = {"key", "value", "output.dense", NULL},
                             *const experts[] = {"k_proj", "v_proj", "w2", NULL};
    static const struct {
        const char *model_type;
        const char *const *targets, *const *feedforward;
    } known[] = {
        {"llama", kv, down},   {"mistral", kv, down},     {"mixtral", experts, experts + 2}, {"gemma", qv, down},
        {"gemma2", qv, down},  {"gemma3_text", qv, down}, {"qwen2", qv, down},               {"qwen3", qv, down},
        {"gpt2", gpt2, gpt2 + 1}, {"bert", bert, bert + 2},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].model_type, model_type)) {
            *feedforward = known[i].feedforward;
            return known[i].targets;
        }
    return NULL;
}
