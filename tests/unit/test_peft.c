#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "folder.h"
#include "formats/peft.h"

#define LORA(extra) "{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":8" extra "}"

static lt_peft_config parse(const char *text)
{
    lt_peft_config config;
    lt_error err;
    cr_assert(lt_peft_config_parse(&config, text, "adapter_config.json", LT_PEFT_CAN_ALL, &err), "%s", err.message);
    return config;
}

static void expect_refusal(const char *text, unsigned can, lt_status status, const char *part)
{
    lt_peft_config config;
    lt_error err = {0};
    cr_assert_not(lt_peft_config_parse(&config, text, "adapter_config.json", can, &err), "%s", text);
    cr_assert_eq(err.status, status, "%s", err.message);
    cr_assert(strstr(err.message, part), "expected '%s' in: %s", part, err.message);
}

static lt_peft_match match(const char *text, const char *module, lt_peft_module_kind kind)
{
    lt_peft_config config = parse(text);
    lt_peft_matcher *matcher;
    lt_peft_match result;
    lt_error err;
    cr_assert(lt_peft_matcher_create(&matcher, &config, &err), "%s", err.message);
    cr_assert(lt_peft_matcher_match(matcher, module, kind, &result, &err), "%s", err.message);
    lt_peft_matcher_free(matcher);
    lt_peft_config_free(&config);
    return result;
}

static const char q[] = "model.layers.1.self_attn.q_proj", up[] = "model.layers.12.mlp.up_proj";

Test(peft, a_list_matches_whole_names_and_ends_after_a_dot)
{
    cr_assert(match(LORA(",\"target_modules\":[\"q_proj\"]"), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert(match(LORA(",\"target_modules\":[\"self_attn.q_proj\"]"), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert(match(LORA(",\"target_modules\":[\"model.layers.1.self_attn.q_proj\"]"), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":[\"proj\",\"attn.q_proj\",\"q\"]"), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert(match(LORA(",\"target_modules\":[\"lm_head\"]"), "lm_head", LT_PEFT_MODULE_HEAD).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":[]"), q, LT_PEFT_MODULE_LINEAR).adapts);
}

Test(peft, a_string_is_a_regular_expression_for_the_whole_name)
{
    cr_assert(match(LORA(",\"target_modules\":\".*\\\\.(q|v)_proj\""), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":\"q_proj\""), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":\"model.*q\""), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert(match(LORA(",\"target_modules\":\"x|.*attn.*|y\""), q, LT_PEFT_MODULE_LINEAR).adapts);
}

Test(peft, all_linear_leaves_out_the_head_and_the_embedding)
{
    const char *text = LORA(",\"target_modules\":\"All-Linear\"");
    cr_assert(match(text, q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert_not(match(text, "lm_head", LT_PEFT_MODULE_HEAD).adapts);
    cr_assert_not(match(text, "model.embed_tokens", LT_PEFT_MODULE_EMBEDDING).adapts);
    cr_assert_not(match(text, "model.norm", LT_PEFT_MODULE_OTHER).adapts);
}

Test(peft, excluded_and_saved_modules_are_not_adapted)
{
    cr_assert_not(match(LORA(",\"target_modules\":[\"q_proj\"],\"exclude_modules\":[\"q_proj\"]"), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":[\"q_proj\"],\"exclude_modules\":\".*layers.1.*\""), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert(match(LORA(",\"target_modules\":[\"q_proj\"],\"exclude_modules\":\"layers.1\""), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":[\"lm_head\"],\"modules_to_save\":[\"lm_head\"]"), "lm_head", LT_PEFT_MODULE_HEAD).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":[\"q_proj\"],\"modules_to_save\":[\"self_attn\"]"), q, LT_PEFT_MODULE_LINEAR).adapts);
    lt_peft_config config = parse(LORA(",\"modules_to_save\":[\"head\",\"embed_tokens\"]"));
    cr_assert(lt_peft_saves_module(&config, "lm_head") && lt_peft_saves_module(&config, "model.embed_tokens"));
    cr_assert_not(lt_peft_saves_module(&config, q));
    lt_peft_config_free(&config);
}

Test(peft, layers_to_transform_picks_layers_by_their_first_number)
{
    cr_assert(match(LORA(",\"target_modules\":[\"q_proj\"],\"layers_to_transform\":1"), q, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":[\"up_proj\"],\"layers_to_transform\":[1,2]"), up, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert(match(LORA(",\"target_modules\":[\"up_proj\"],\"layers_to_transform\":[]"), up, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert(match(LORA(",\"target_modules\":[\"up_proj\"],\"layers_to_transform\":[12],\"layers_pattern\":\"layers\""), up, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":[\"up_proj\"],\"layers_to_transform\":[12],\"layers_pattern\":[\"h\"]"), up, LT_PEFT_MODULE_LINEAR).adapts);
    cr_assert_not(match(LORA(",\"target_modules\":[\"w1\"],\"layers_to_transform\":[3]"), "model.layers.1.experts.3.w1", LT_PEFT_MODULE_LINEAR).adapts);
}

Test(peft, rank_and_alpha_come_from_the_first_pattern_that_matches_the_end)
{
    const char *text = LORA(",\"target_modules\":\"all-linear\",\"rank_pattern\":{\"k_proj\":2,\"layers\\\\.1\\\\..*\":16,\"q_proj\":32},"
                            "\"alpha_pattern\":{\"proj\":1,\"mlp.up_proj\":2.5}");
    lt_peft_match first = match(text, q, LT_PEFT_MODULE_LINEAR), second = match(text, up, LT_PEFT_MODULE_LINEAR);
    cr_assert(first.rank == 16 && first.alpha == 8);
    cr_assert_float_eq(first.scale, 0.5, 1e-12);
    cr_assert(second.rank == 4 && second.alpha == 2.5);
    lt_peft_match stabilised = match(LORA(",\"target_modules\":[\"q_proj\"],\"use_rslora\":true"), q, LT_PEFT_MODULE_LINEAR);
    cr_assert_float_eq(stabilised.scale, 8 / sqrt(4), 1e-12);
}

Test(peft, tolerates_unknown_options_that_are_off_and_refuses_those_that_are_on)
{
    lt_peft_config config = parse(LORA(",\"new_a\":null,\"new_b\":false,\"new_c\":{},\"new_d\":[],\"new_e\":\"\",\"megatron_core\":\"megatron.core\","
                                       "\"qalora_group_size\":16,\"loftq_config\":{},\"auto_mapping\":{\"base_model_class\":\"X\"}"));
    cr_assert(config.lora.rank == 4 && config.lora.alpha == 8 && !config.lora.target_modules.given);
    lt_peft_config_free(&config);
    expect_refusal(LORA(",\"use_qalora\":true"), LT_PEFT_CAN_ALL, LT_ERR_UNSUPPORTED, "field 'use_qalora': this option of PEFT is not supported");
    expect_refusal(LORA(",\"layer_replication\":[[0,2]]"), LT_PEFT_CAN_ALL, LT_ERR_UNSUPPORTED, "field 'layer_replication'");
    expect_refusal(LORA(",\"use_dora\":true"), 0, LT_ERR_UNSUPPORTED, "field 'use_dora': this option of PEFT is not supported here");
    expect_refusal(LORA(",\"bias\":\"all\""), 0, LT_ERR_UNSUPPORTED, "field 'bias'");
    expect_refusal(LORA(",\"trainable_token_indices\":[1]"), 0, LT_ERR_UNSUPPORTED, "field 'trainable_token_indices'");
    expect_refusal(LORA(",\"target_parameters\":[\"a\"]"), 0, LT_ERR_UNSUPPORTED, "field 'target_parameters'");
    expect_refusal(LORA(",\"init_lora_weights\":\"pissa_niter_4\""), LT_PEFT_CAN_ALL, LT_ERR_UNSUPPORTED, "change the base model");
    expect_refusal("{\"peft_type\":\"VERA\"}", LT_PEFT_CAN_ALL, LT_ERR_UNSUPPORTED, "adapters of type \"VERA\" are not supported");
}

Test(peft, refuses_contradictions_and_wrong_types_by_field)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"{}", "expected a field 'peft_type', found none"},
        {"{\"peft_type\":\"LORA\",\"r\":0}", "field 'r': expected a positive integer, found 0"},
        {"{\"peft_type\":\"LORA\",\"r\":2.5}", "field 'r': expected a positive integer, found 2.5"},
        {LORA(",\"lora_dropout\":1.5"), "lora_dropout: expected a probability below 1, found 1.5"},
        {LORA(",\"lora_alpha\":\"8\""), "duplicate object key"},
        {LORA(",\"bias\":\"some\""), "field 'bias': expected \"none\""},
        {LORA(",\"target_modules\":3"), "field 'target_modules': expected a list of names or a string, found an integer"},
        {LORA(",\"target_modules\":[\"a\",3]"), "field 'target_modules[1]': expected a string, found an integer"},
        {LORA(",\"target_modules\":\"(q_proj\""), "target_modules: \"(q_proj\" is not a regular expression: missing closing parenthesis"},
        {LORA(",\"target_modules\":\"x\",\"layers_to_transform\":1"), "layers_to_transform cannot be used"},
        {LORA(",\"target_modules\":[\"x\"],\"layers_pattern\":\"h\""), "layers_pattern says nothing without"},
        {LORA(",\"rank_pattern\":{\"a\":0}"), "field 'rank_pattern.a': expected at least 1, found 0"},
        {LORA(",\"rank_pattern\":{\"a\":1.5}"), "rank_pattern: 'a': expected a rank from 1"},
        {LORA(",\"rank_pattern\":{\"[\":2}"), "rank_pattern: \"[\" is not a regular expression"},
        {LORA(",\"task_type\":\"SING\""), "field 'task_type': expected a task such as \"CAUSAL_LM\""},
        {LORA(",\"modules_to_save\":\"lm_head\""), "field 'modules_to_save': expected a list of names"},
        {LORA(",\"trainable_token_indices\":[-1]"), "'trainable_token_indices[0]': expected an integer, not negative"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(cases[i].text, LT_PEFT_CAN_ALL, LT_ERR_FORMAT, cases[i].part);
}

Test(peft, a_pattern_that_explodes_is_an_error_and_no_hang)
{
    lt_peft_config config = parse(LORA(",\"target_modules\":\"(a|aa|a+)+[bc]\""));
    lt_peft_matcher *matcher;
    lt_peft_match result;
    lt_error err;
    cr_assert(lt_peft_matcher_create(&matcher, &config, &err));
    cr_assert_not(lt_peft_matcher_match(matcher, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", LT_PEFT_MODULE_LINEAR, &result, &err));
    cr_assert(strstr(err.message, "match limit exceeded"), "%s", err.message);
    lt_peft_matcher_free(matcher);
    lt_peft_config_free(&config);
}

/* The text that PEFT 0.21 writes for LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=["q_proj"],
 * task_type="CAUSAL_LM", rank_pattern={"k_proj": 4}, alpha_pattern={"k_proj": 0.5}), without the options that it gained
 * later and that are unset. */
static const char written[] = "{\n"
                              "  \"alpha_pattern\": {\n"
                              "    \"k_proj\": 0.5\n"
                              "  },\n"
                              "  \"auto_mapping\": null,\n"
                              "  \"base_model_name_or_path\": \"mod\\u00e8le\",\n"
                              "  \"bias\": \"none\",\n"
                              "  \"fan_in_fan_out\": false,\n"
                              "  \"inference_mode\": true,\n"
                              "  \"init_lora_weights\": true,\n"
                              "  \"layers_pattern\": null,\n"
                              "  \"layers_to_transform\": null,\n"
                              "  \"loftq_config\": {},\n"
                              "  \"lora_alpha\": 32,\n"
                              "  \"lora_dropout\": 0.05,\n"
                              "  \"megatron_config\": null,\n"
                              "  \"megatron_core\": \"megatron.core\",\n"
                              "  \"modules_to_save\": null,\n"
                              "  \"peft_type\": \"LORA\",\n"
                              "  \"r\": 16,\n"
                              "  \"rank_pattern\": {\n"
                              "    \"k_proj\": 4\n"
                              "  },\n"
                              "  \"revision\": null,\n"
                              "  \"target_modules\": [\n"
                              "    \"q_proj\"\n"
                              "  ],\n"
                              "  \"task_type\": \"CAUSAL_LM\",\n"
                              "  \"use_dora\": false,\n"
                              "  \"use_rslora\": false\n"
                              "}";

Test(peft, writes_the_text_that_peft_writes)
{
    lt_peft_config config;
    lt_error err;
    const char *const targets[] = {"q_proj"};
    lt_peft_config_init(&config, LT_PEFT_LORA);
    config.task_type = strdup("CAUSAL_LM");
    config.base_model = strdup("modèle");
    config.inference_mode = true;
    config.lora.rank = 16;
    config.lora.alpha = 32;
    config.lora.dropout = 0.05;
    cr_assert(lt_peft_names_set(&config.lora.target_modules, targets, 1, &err));
    cr_assert(lt_peft_patterns_add(&config.lora.rank_pattern, "k_proj", 4, &err));
    cr_assert(lt_peft_patterns_add(&config.lora.alpha_pattern, "k_proj", 0.5, &err));
    cr_assert(lt_peft_config_check(&config, &err));
    char *text = lt_peft_config_text(&config);
    cr_assert_str_eq(text, written);
    free(text);
    lt_peft_config_free(&config);
}

Test(peft, everything_survives_writing_and_reading)
{
    const char *text =
        LORA(",\"lora_dropout\":0.1,\"rank_pattern\":{\"z\":3,\"a\":5},\"exclude_modules\":[\"e\"],\"layers_to_transform\":[2,0],"
             "\"layers_pattern\":[\"h\"],\"use_rslora\":true,\"fan_in_fan_out\":true,\"lora_bias\":true,\"bias\":\"lora_only\","
             "\"init_lora_weights\":false,\"trainable_token_indices\":{\"wte\":[7,8]},\"target_parameters\":[\"p\"],"
             "\"target_modules\":[\"x\",\"y\"],\"modules_to_save\":[\"m\"],\"revision\":\"main\",\"ensure_weight_tying\":true,"
             "\"task_type\":\"SEQ_CLS\"");
    test_folder folder = test_folder_make();
    lt_peft_config config = parse(text), back;
    lt_error err;
    char *first = lt_peft_config_text(&config);
    cr_assert(lt_peft_config_write(&config, folder.path, &err), "%s", err.message);
    cr_assert(lt_peft_config_read(&back, folder.path, LT_PEFT_CAN_ALL, &err), "%s", err.message);
    char *second = lt_peft_config_text(&back);
    cr_assert_str_eq(first, second);
    cr_assert(back.lora.tokens[0].ids[1] == 8 && !strcmp(back.lora.tokens[0].module, "wte"));
    cr_assert(back.lora.layer_count == 2 && back.lora.layers[0] == 2 && back.lora.bias == LT_LORA_BIAS_LORA_ONLY);
    cr_assert(back.lora.init == LT_LORA_INIT_RANDOM && back.lora.use_rslora && back.lora.lora_bias);
    free(first);
    free(second);
    lt_peft_config_free(&config);
    lt_peft_config_free(&back);
    test_folder_remove(&folder);
}

Test(peft, keys_are_composed_and_parsed)
{
    static const struct {
        const char *key, *module;
        lt_peft_part part;
    } cases[] = {
        {"base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", "model.layers.0.mlp.up_proj", LT_PEFT_PART_LORA_A},
        {"base_model.model.model.layers.0.mlp.up_proj.lora_B.weight", "model.layers.0.mlp.up_proj", LT_PEFT_PART_LORA_B},
        {"base_model.model.lm_head.lora_B.bias", "lm_head", LT_PEFT_PART_LORA_B_BIAS},
        {"base_model.model.model.embed_tokens.lora_embedding_A", "model.embed_tokens", LT_PEFT_PART_EMBEDDING_A},
        {"base_model.model.model.embed_tokens.lora_embedding_B", "model.embed_tokens", LT_PEFT_PART_EMBEDDING_B},
        {"base_model.model.h.0.attn.c_attn.lora_magnitude_vector", "h.0.attn.c_attn", LT_PEFT_PART_MAGNITUDE},
        {"base_model.model.lm_head.base_layer.weight", "lm_head", LT_PEFT_PART_BASE_WEIGHT},
        {"base_model.model.a.base_layer.bias", "a", LT_PEFT_PART_BASE_BIAS},
        {"base_model.model.e.token_adapter.trainable_tokens_delta", "e", LT_PEFT_PART_TOKENS},
        {"base_model.model.score.weight", "score", LT_PEFT_PART_WEIGHT},
        {"base_model.model.classifier.bias", "classifier", LT_PEFT_PART_BIAS},
    };
    char module[LT_PEFT_KEY_MAX], key[LT_PEFT_KEY_MAX];
    lt_peft_part part;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(lt_peft_key_parse(cases[i].key, module, &part), "%s", cases[i].key);
        cr_assert_str_eq(module, cases[i].module);
        cr_assert_eq(part, cases[i].part);
        lt_peft_key_compose(key, module, part);
        cr_assert_str_eq(key, cases[i].key);
    }
    cr_assert_not(lt_peft_key_parse("prompt_embeddings", module, &part));
    cr_assert_not(lt_peft_key_parse("base_model.model.x.lora_C", module, &part));
    cr_assert_not(lt_peft_key_parse("base_model.model..weight", module, &part));
}

Test(peft, pickled_adapters_are_named_as_such)
{
    test_folder folder = test_folder_make();
    lt_safetensors *tensors;
    lt_error err;
    cr_assert_not(lt_peft_open_tensors(&tensors, folder.path, &err));
    cr_assert(strstr(err.message, "adapter_model.safetensors: cannot open"), "%s", err.message);
    test_folder_write_text(&folder, "adapter_model.bin", "x");
    cr_assert_not(lt_peft_open_tensors(&tensors, folder.path, &err));
    cr_assert(err.status == LT_ERR_UNSUPPORTED && strstr(err.message, "pickled"), "%s", err.message);
    test_folder_remove(&folder);
}
