/* PromptTuningConfig, PromptEncoderConfig (P-tuning) and PrefixTuningConfig. */
#include <string.h>

#include "formats/peft_internal.h"

static const char *const init_names[] = {"RANDOM", "TEXT", "SAMPLE_VOCAB"};
static const char *const encoder_names[] = {"MLP", "LSTM"};

enum { MOST_TOKENS = 1 << 16, MOST_WIDTH = 1 << 24, MOST_LAYERS = 1 << 12 };

static bool out_of_range(const char *key, int most, int found, lt_error *err)
{
    return lt_error_set(err, LT_ERR_USAGE, "%s: expected a number from 1 to %d, found %d", key, most, found);
}

bool lt_peft_prompt_check(const lt_peft_config *config, lt_error *err)
{
    const lt_prompt_config *p = &config->prompt;
    bool encoder = config->type == LT_PEFT_P_TUNING || (config->type == LT_PEFT_PREFIX_TUNING && p->prefix_projection);
    if (p->virtual_tokens < 1 || p->virtual_tokens > MOST_TOKENS)
        return out_of_range("num_virtual_tokens", MOST_TOKENS, p->virtual_tokens, err);
    if (p->submodules != 1)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "num_transformer_submodules: expected 1 (a model of one stack), found %d", p->submodules);
    if (encoder && (p->encoder_hidden_size < 1 || p->encoder_hidden_size > MOST_WIDTH))
        return out_of_range("encoder_hidden_size", MOST_WIDTH, p->encoder_hidden_size, err);
    if (config->type == LT_PEFT_P_TUNING && (p->encoder_num_layers < 1 || p->encoder_num_layers > MOST_LAYERS))
        return out_of_range("encoder_num_layers", MOST_LAYERS, p->encoder_num_layers, err);
    if (!(p->encoder_dropout >= 0 && p->encoder_dropout < 1))
        return lt_error_set(err, LT_ERR_USAGE, "encoder_dropout: expected a probability below 1, found %g", p->encoder_dropout);
    if (config->type == LT_PEFT_PROMPT_TUNING && p->init == LT_PROMPT_INIT_TEXT && !p->init_text)
        return lt_error_set(err, LT_ERR_USAGE, "prompt_tuning_init_text: prompt_tuning_init TEXT needs the text to begin with");
    return true;
}

void lt_peft_prompt_complete(lt_peft_config *config, int64_t C, int64_t H, int64_t K, int64_t D, int64_t layers)
{
    lt_prompt_config *p = &config->prompt;
    bool keys = config->type == LT_PEFT_PREFIX_TUNING;
    if (!p->num_layers)
        p->num_layers = (int)layers;
    if (!p->token_dim)
        p->token_dim = (int)(keys ? K * D : C);
    if (!p->num_attention_heads)
        p->num_attention_heads = (int)(keys ? K : H);
}

/* ---- reading ---- */

static bool read_count(lt_peft_reading *reading, const char *key, int most, int *out)
{
    int64_t value = *out;
    if (!lt_json_get_int(reading->top, key, 0, most, &value, reading->err))
        return false;
    *out = (int)value;
    return true;
}

static bool read_word(lt_peft_reading *reading, const char *key, const char *const *words, int count, int *out)
{
    lt_json at;
    const char *name;
    if (!lt_json_member(reading->top, key, &at))
        return true;
    if (!lt_json_string(&at, &name, reading->err))
        return false;
    for (int i = 0; i < count; i++)
        if (!strcmp(name, words[i])) {
            *out = i;
            return true;
        }
    return lt_json_error(&at, reading->err, LT_ERR_FORMAT, "expected \"%s\"%s%s%s, found \"%.60s\"", words[0], ", \"", words[1],
                         count > 2 ? "\" …" : "\"", name);
}

static bool read_prompt_tuning(lt_peft_reading *reading)
{
    lt_prompt_config *p = &reading->config->prompt;
    int init = p->init;
    if (!read_word(reading, "prompt_tuning_init", init_names, 3, &init))
        return false;
    p->init = (lt_prompt_init)init;
    return lt_peft_read_text(reading, "prompt_tuning_init_text", &p->init_text) &&
           lt_peft_read_text(reading, "tokenizer_name_or_path", &p->tokenizer);
}

static bool read_p_tuning(lt_peft_reading *reading)
{
    lt_prompt_config *p = &reading->config->prompt;
    int encoder = p->encoder;
    if (!read_word(reading, "encoder_reparameterization_type", encoder_names, 2, &encoder))
        return false;
    p->encoder = (lt_prompt_encoder)encoder;
    return read_count(reading, "encoder_hidden_size", MOST_WIDTH, &p->encoder_hidden_size) &&
           read_count(reading, "encoder_num_layers", MOST_LAYERS, &p->encoder_num_layers) &&
           lt_json_get_real(reading->top, "encoder_dropout", &p->encoder_dropout, reading->err);
}

static bool read_prefix_tuning(lt_peft_reading *reading)
{
    static const char *const words[] = {"zero", "zero"};
    lt_prompt_config *p = &reading->config->prompt;
    int zero = -1;
    if (!read_word(reading, "init_weights", words, 2, &zero))
        return false;
    p->zero_init = zero == 0;
    return read_count(reading, "encoder_hidden_size", MOST_WIDTH, &p->encoder_hidden_size) &&
           lt_json_get_bool(reading->top, "prefix_projection", &p->prefix_projection, reading->err);
}

bool lt_peft_prompt_read(lt_peft_reading *reading)
{
    lt_prompt_config *p = &reading->config->prompt;
    if (!read_count(reading, "num_virtual_tokens", MOST_TOKENS, &p->virtual_tokens) ||
        !read_count(reading, "token_dim", MOST_WIDTH, &p->token_dim) ||
        !read_count(reading, "num_layers", MOST_LAYERS, &p->num_layers) ||
        !read_count(reading, "num_attention_heads", MOST_WIDTH, &p->num_attention_heads) ||
        !read_count(reading, "num_transformer_submodules", 2, &p->submodules))
        return false;
    switch (reading->config->type) {
    case LT_PEFT_PROMPT_TUNING: return read_prompt_tuning(reading);
    case LT_PEFT_P_TUNING: return read_p_tuning(reading);
    default: return read_prefix_tuning(reading);
    }
}

bool lt_peft_prompt_knows(const char *key)
{
    static const char *const known[] = {
        "num_virtual_tokens", "token_dim", "num_layers", "num_attention_heads", "num_transformer_submodules",
        "prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_name_or_path",
        "encoder_reparameterization_type", "encoder_hidden_size", "encoder_num_layers", "encoder_dropout",
        "prefix_projection", "init_weights",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], key))
            return true;
    return false;
}

/* ---- writing ---- */

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *count_or_null(int value)
{
    return value ? json_integer(value) : json_null();
}

bool lt_peft_prompt_write(const lt_peft_config *config, json_t *out)
{
    const lt_prompt_config *p = &config->prompt;
    int failed = 0;
    failed |= json_object_set_new(out, "num_virtual_tokens", json_integer(p->virtual_tokens));
    failed |= json_object_set_new(out, "token_dim", count_or_null(p->token_dim));
    failed |= json_object_set_new(out, "num_layers", count_or_null(p->num_layers));
    failed |= json_object_set_new(out, "num_attention_heads", count_or_null(p->num_attention_heads));
    failed |= json_object_set_new(out, "num_transformer_submodules", json_integer(p->submodules));
    switch (config->type) {
    case LT_PEFT_PROMPT_TUNING:
        failed |= json_object_set_new(out, "prompt_tuning_init", json_string(init_names[p->init]));
        failed |= json_object_set_new(out, "prompt_tuning_init_text", text_or_null(p->init_text));
        failed |= json_object_set_new(out, "tokenizer_name_or_path", text_or_null(p->tokenizer));
        break;
    case LT_PEFT_P_TUNING:
        failed |= json_object_set_new(out, "encoder_reparameterization_type", json_string(encoder_names[p->encoder]));
        failed |= json_object_set_new(out, "encoder_hidden_size", count_or_null(p->encoder_hidden_size));
        failed |= json_object_set_new(out, "encoder_num_layers", json_integer(p->encoder_num_layers));
        failed |= json_object_set_new(out, "encoder_dropout", json_real(p->encoder_dropout));
        break;
    default:
        failed |= json_object_set_new(out, "prefix_projection", json_boolean(p->prefix_projection));
        failed |= json_object_set_new(out, "encoder_hidden_size", count_or_null(p->encoder_hidden_size));
        if (p->zero_init) /* older versions of PEFT refuse the key */
            failed |= json_object_set_new(out, "init_weights", json_string("zero"));
    }
    return !failed;
}
