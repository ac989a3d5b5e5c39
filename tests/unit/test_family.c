#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "models/family.h"
#include "nn/config_tensors.h"

/* A llama configuration with extra fields in front, which JSON's rules let come first. */
#define LLAMA(extra)                                                                                                    \
    "{" extra "\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":3,"           \
    "\"num_attention_heads\":4,\"vocab_size\":100}"

static lt_config parse(const char *text)
{
    lt_config config;
    lt_error err;
    cr_assert(lt_family_parse(text, "config.json", &config, &err), "%s", err.message);
    return config;
}

static void expect_refusal(const char *text, lt_status status, const char *part)
{
    lt_config config;
    lt_error err = {0};
    cr_assert_not(lt_family_parse(text, "config.json", &config, &err), "%s", text);
    cr_assert_eq(err.status, status, "%s", err.message);
    cr_assert(strstr(err.message, part), "expected '%s' in: %s", part, err.message);
}

Test(family, fills_in_the_defaults_of_llama)
{
    lt_config config = parse(LLAMA(""));
    cr_assert_str_eq(config.architecture, "LlamaForCausalLM");
    cr_assert(config.C == 64 && config.F == 96 && config.L == 3 && config.H == 4 && config.K == 4 && config.D == 16 &&
              config.V == 100 && config.max_position == 2048);
    cr_assert(!config.tied_head && config.gated_mlp && config.activation == LT_ACT_SILU && config.norm == LT_NORM_RMS);
    cr_assert_float_eq(config.norm_epsilon, 1e-6, 1e-20);
    cr_assert_float_eq(config.attention_scale, 0.25, 1e-15);
    cr_assert(config.embedding_scale == 1 && config.residual_scale == 1 && config.logit_scale == 1);
    cr_assert(config.attention_softcap == 0 && config.logit_softcap == 0);
    cr_assert(config.rope_count == 1 && config.ropes[0].kind == LT_ROPE_DEFAULT && config.ropes[0].theta == 10000 &&
              config.ropes[0].rotary_width == 16);
    cr_assert(config.bos_id == 1 && config.eos_count == 1 && config.eos_ids[0] == 2 && config.pad_id == -1);
    cr_assert(config.layers[2].window == 0 && config.layers[2].rope == 0);
    cr_assert_not(config.linear_bias[LT_LINEAR_Q]);
    cr_assert_str_eq(config.linear_name[LT_LINEAR_UP], "model.layers.%d.mlp.up_proj");
    cr_assert_eq(config.labels, 0);
    lt_config_free(&config);
}

Test(family, reads_both_styles_of_rope_scaling_alike)
{
    const char *const texts[] = {
        LLAMA("\"rope_theta\":5e5,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
              "\"high_freq_factor\":4,\"original_max_position_embeddings\":64},"),
        LLAMA("\"rope_parameters\":{\"rope_theta\":5e5,\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
              "\"high_freq_factor\":4,\"original_max_position_embeddings\":64},"),
        LLAMA("\"rope_scaling\":null,\"rope_theta\":5e5,\"rope_parameters\":{\"rope_type\":\"llama3\",\"factor\":8,"
              "\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":64},"),
    };
    for (int i = 0; i < 3; i++) {
        lt_config config = parse(texts[i]);
        const lt_rope_config *rope = &config.ropes[0];
        cr_assert(rope->kind == LT_ROPE_LLAMA3 && rope->theta == 5e5 && rope->factor == 8 && rope->low_freq_factor == 1 &&
                  rope->high_freq_factor == 4 && rope->original_max_position == 64, "style %d", i);
        lt_config_free(&config);
    }
    lt_config config = parse(LLAMA("\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.5},"));
    cr_assert(config.ropes[0].kind == LT_ROPE_LINEAR && config.ropes[0].factor == 2.5);
    lt_config_free(&config);
}

#define QWEN2(extra)                                                                                                    \
    "{" extra "\"model_type\":\"qwen2\",\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":3,"           \
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"vocab_size\":100}"

static void expect_windows(const char *text, int first, int second, int third)
{
    lt_config config = parse(text);
    cr_assert(config.layers[0].window == first && config.layers[1].window == second && config.layers[2].window == third,
              "%s: %d %d %d", text, config.layers[0].window, config.layers[1].window, config.layers[2].window);
    lt_config_free(&config);
}

Test(family, gives_each_layer_of_qwen2_the_window_that_transformers_gives_it)
{
    expect_windows(QWEN2("\"sliding_window\":64,\"max_window_layers\":0,"), 0, 0, 0);
    expect_windows(QWEN2("\"sliding_window\":64,\"use_sliding_window\":true,\"max_window_layers\":2,"), 0, 0, 64);
    expect_windows(QWEN2("\"use_sliding_window\":true,\"max_window_layers\":1,"), 0, 4096, 4096);
    expect_windows(QWEN2("\"use_sliding_window\":true,\"max_window_layers\":0,\"sliding_window\":null,"), 0, 0, 0);
    expect_windows(QWEN2("\"use_sliding_window\":true,\"sliding_window\":7,\"layer_types\":[\"sliding_attention\","
                         "\"full_attention\",\"sliding_attention\"],"), 7, 0, 7);
    expect_refusal(QWEN2("\"layer_types\":[\"sliding_attention\",\"full_attention\",\"full_attention\"],"), LT_ERR_FORMAT,
                   "layer 0 has sliding attention, but there is no sliding_window (use_sliding_window is off)");
    expect_refusal(QWEN2("\"layer_types\":[\"full_attention\"],"), LT_ERR_FORMAT,
                   "field 'layer_types': expected a type for each of 3 layers, found 1");
    expect_refusal(QWEN2("\"layer_types\":[\"full_attention\",\"mamba\",\"full_attention\"],"), LT_ERR_UNSUPPORTED,
                   "field 'layer_types[1]': the layer type \"mamba\" is not known");
}

#define MISTRAL(extra)                                                                                                  \
    "{" extra "\"model_type\":\"mistral\",\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":3,"         \
    "\"num_attention_heads\":8,\"vocab_size\":100}"

Test(family, gives_mistral_its_window_on_every_layer_unless_null)
{
    expect_windows(MISTRAL(""), 4096, 4096, 4096);
    expect_windows(MISTRAL("\"sliding_window\":8,"), 8, 8, 8);
    expect_windows(MISTRAL("\"sliding_window\":null,"), 0, 0, 0);
    lt_config config = parse(MISTRAL(""));
    cr_assert_eq(config.K, 8, "Mistral's default, whatever the number of heads");
    lt_config_free(&config);
    config = parse(MISTRAL("\"num_key_value_heads\":null,"));
    cr_assert_eq(config.K, 8);
    lt_config_free(&config);
}

Test(family, knows_biases_head_widths_and_tied_heads)
{
    lt_config config = parse(LLAMA("\"attention_bias\":true,\"mlp_bias\":true,\"head_dim\":10,\"tie_word_embeddings\":true,"
                                   "\"num_key_value_heads\":2,\"hidden_act\":\"gelu_pytorch_tanh\","));
    cr_assert(config.linear_bias[LT_LINEAR_O] && config.linear_bias[LT_LINEAR_DOWN] && config.D == 10 && config.tied_head &&
              config.K == 2 && config.activation == LT_ACT_GELU_TANH);
    lt_config_free(&config);
    config = parse(QWEN2(""));
    cr_assert(config.linear_bias[LT_LINEAR_Q] && config.linear_bias[LT_LINEAR_K] && config.linear_bias[LT_LINEAR_V] &&
              !config.linear_bias[LT_LINEAR_O]);
    cr_assert(config.bos_id == -1 && config.eos_count == 0);
    lt_config_free(&config);
}

Test(family, a_classifier_has_labels_and_no_language_model_head)
{
    lt_config config = parse(LLAMA("\"architectures\":[\"LlamaForSequenceClassification\"],\"tie_word_embeddings\":true,"
                                   "\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"},"));
    cr_assert(config.labels == 3 && !config.tied_head);
    cr_assert_str_eq(config.classifier_name, "score");
    cr_assert_str_empty(config.head_name);
    lt_config_free(&config);
    config = parse(LLAMA("\"architectures\":[\"LlamaForSequenceClassification\"],"));
    cr_assert_eq(config.labels, 2);
    lt_config_free(&config);
}

Test(family, takes_end_tokens_from_both_files)
{
    test_folder folder = test_folder_make();
    lt_config config;
    lt_error err;
    test_folder_write_text(&folder, "config.json", LLAMA("\"eos_token_id\":[5,6],\"pad_token_id\":100,\"bos_token_id\":null,"));
    cr_assert(lt_family_load(folder.path, &config, &err), "%s", err.message);
    cr_assert(config.eos_count == 2 && config.bos_id == -1 && config.pad_id == -1, "a pad beyond the vocabulary is none");
    lt_config_free(&config);
    test_folder_write_text(&folder, "generation_config.json", "{\"eos_token_id\":[6,9],\"temperature\":0.6}");
    cr_assert(lt_family_load(folder.path, &config, &err), "%s", err.message);
    cr_assert(config.eos_count == 3 && config.eos_ids[0] == 5 && config.eos_ids[1] == 6 && config.eos_ids[2] == 9);
    lt_config_free(&config);
    test_folder_write_text(&folder, "generation_config.json", "{\"eos_token_id\":\"6\"}");
    cr_assert_not(lt_family_load(folder.path, &config, &err));
    cr_assert(strstr(err.message, "generation_config.json: field 'eos_token_id'"), "%s", err.message);
    test_folder_write_text(&folder, "config.json", LLAMA("\"eos_token_id\":[0,1,2,3,4,5,6,7,8],"));
    cr_assert_not(lt_family_load(folder.path, &config, &err));
    cr_assert(strstr(err.message, "at most 8 different end tokens"), "%s", err.message);
    test_folder_remove(&folder);
}

Test(family, refuses_what_it_does_not_know_and_says_what_is_near)
{
    expect_refusal("{}", LT_ERR_FORMAT, "config.json: expected a field 'model_type', found none");
    expect_refusal("{\"model_type\":\"llama4\"}", LT_ERR_UNSUPPORTED, "\"llama4\"; the nearest known one is \"llama\"");
    expect_refusal("{\"model_type\":\"qwen2_vl\"}", LT_ERR_UNSUPPORTED, "the nearest known one is \"qwen2\"");
    expect_refusal("{\"model_type\":7}", LT_ERR_FORMAT, "field 'model_type': expected a string, found an integer");
    expect_refusal(LLAMA("\"hidden_act\":\"mish\","), LT_ERR_UNSUPPORTED, "the activation \"mish\" is not known");
    expect_refusal(LLAMA("\"quantization_config\":{\"bits\":4},"), LT_ERR_UNSUPPORTED, "the unquantised model, or a GGUF file");
    expect_refusal(LLAMA("\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4},"), LT_ERR_UNSUPPORTED,
                   "field 'rope_scaling': rope scaling of type \"yarn\" is not supported for llama");
    expect_refusal(LLAMA("\"partial_rotary_factor\":0.5,"), LT_ERR_UNSUPPORTED, "llama rotates whole heads, found 0.5");
    expect_refusal(LLAMA("\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\"}},"), LT_ERR_UNSUPPORTED,
                   "llama has one rope for every layer");
}

Test(family, refuses_sizes_that_make_no_model)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"{\"model_type\":\"llama\"}", "expected a field 'hidden_size', found none"},
        {LLAMA("\"num_key_value_heads\":3,"), "num_attention_heads (4) is not a multiple of num_key_value_heads (3)"},
        {LLAMA("\"num_key_value_heads\":0,"), "'num_key_value_heads': expected a positive integer, found 0"},
        {LLAMA("\"head_dim\":-8,"), "'head_dim': expected a positive integer, found -8"},
        {LLAMA("\"head_dim\":7,"), "7 of the 7 values of a head would rotate; expected an even number"},
        {LLAMA("\"head_dim\":65536,\"max_position_embeddings\":0,"), "'max_position_embeddings': expected a positive integer"},
        {LLAMA("\"rms_norm_eps\":-1,"), "'rms_norm_eps': expected a number from 0 to 1"},
        {LLAMA("\"rms_norm_eps\":\"1e-5\","), "'rms_norm_eps': expected a number, found the string \"1e-5\""},
        {LLAMA("\"rope_theta\":0,"), "'rope_theta': expected a positive number, found 0"},
        {LLAMA("\"rope_theta\":1e999,"), "not valid JSON"},
        {LLAMA("\"rope_scaling\":[],"), "'rope_scaling': expected an object, found a list"},
        {LLAMA("\"rope_scaling\":{\"type\":\"linear\"},"), "'rope_scaling': expected a field 'factor', found none"},
        {LLAMA("\"rope_scaling\":{\"type\":\"linear\",\"factor\":0},"), "'rope_scaling.factor': expected a positive number"},
        {LLAMA("\"rope_scaling\":{\"type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4},"),
         "high_freq_factor (4) must be above low_freq_factor (4)"},
        {LLAMA("\"tie_word_embeddings\":1,"), "'tie_word_embeddings': expected true or false, found an integer"},
        {LLAMA("\"architectures\":\"LlamaForCausalLM\","), "'architectures': expected a list"},
        {LLAMA("\"bos_token_id\":[1],"), "'bos_token_id': expected an integer, found a list"},
        {"{\"model_type\":\"llama\",\"hidden_size\":64,\"num_hidden_layers\":1000000000}", "'num_hidden_layers': expected at most"},
        {"{\"model_type\":\"llama\",\"hidden_size\":64.5}", "'hidden_size': expected a positive integer, found 64.5"},
        {"{\"model_type\":\"llama\",\"hidden_size\":9223372036854775807}", "'hidden_size': expected at most"},
        {"{\"model_type\":\"llama\",\"hidden_size\":1e300}", "'hidden_size': expected a positive integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(cases[i].text, LT_ERR_FORMAT, cases[i].part);
}

#define SIZES "\"hidden_size\":48,\"intermediate_size\":64,\"num_hidden_layers\":3"
#define SIZES_AND_HEADS SIZES ",\"num_attention_heads\":4,\"vocab_size\":100"

Test(family, gemma2_has_caps_scales_and_a_window_on_every_other_layer)
{
    lt_config config = parse("{\"model_type\":\"gemma2\"," SIZES_AND_HEADS ",\"final_logit_softcapping\":null,"
                             "\"query_pre_attn_scalar\":64,\"hidden_act\":\"mish\"}");
    cr_assert(config.norm == LT_NORM_RMS_PLUS_ONE && config.activation == LT_ACT_GELU_TANH && config.tied_head);
    cr_assert(config.D == 256 && config.K == 4 && config.attention_softcap == 50 && config.logit_softcap == 0);
    cr_assert_float_eq(config.attention_scale, 0.125, 1e-15);
    cr_assert_float_eq(config.embedding_scale, sqrt(48), 1e-12);
    cr_assert(config.layers[0].window == 4096 && config.layers[1].window == 0 && config.layers[2].window == 4096);
    cr_assert_str_eq(config.norm_name[LT_NORM_AFTER_MLP], "model.layers.%d.post_feedforward_layernorm");
    lt_config_free(&config);
}

Test(family, gemma3_has_a_rope_of_its_own_for_local_layers_in_both_styles)
{
    const char *const texts[] = {
        "{\"model_type\":\"gemma3_text\"," SIZES ",\"rope_theta\":20000,\"rope_local_base_freq\":300,"
        "\"sliding_window_pattern\":2,\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":4},\"sliding_window\":9}",
        "{\"model_type\":\"gemma3_text\"," SIZES ",\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\","
        "\"factor\":4,\"rope_theta\":20000},\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":300}},"
        "\"sliding_window\":9,\"layer_types\":[\"sliding_attention\",\"full_attention\",\"sliding_attention\"]}",
    };
    for (int i = 0; i < 2; i++) {
        lt_config config = parse(texts[i]);
        cr_assert(config.rope_count == 2 && config.ropes[0].kind == LT_ROPE_LINEAR && config.ropes[0].theta == 20000 &&
                  config.ropes[0].factor == 4 && config.ropes[1].kind == LT_ROPE_DEFAULT && config.ropes[1].theta == 300);
        cr_assert(config.layers[0].window == 9 && config.layers[0].rope == 1 && config.layers[1].window == 0 &&
                  config.layers[1].rope == 0);
        cr_assert(config.H == 8 && config.K == 4 && config.V == 262208, "sizes that hub files leave out");
        lt_config_free(&config);
    }
}

#define PHI3(scaling)                                                                                                   \
    "{\"model_type\":\"phi3\"," SIZES ",\"num_attention_heads\":6,\"vocab_size\":100,"                                   \
    "\"max_position_embeddings\":64,\"original_max_position_embeddings\":16,\"partial_rotary_factor\":0.5,"             \
    "\"rope_scaling\":" scaling "}"

Test(family, phi3_fuses_projections_and_stretches_a_part_of_each_head)
{
    lt_config config = parse(PHI3("{\"type\":\"su\",\"short_factor\":[1,1.5],\"long_factor\":[2,4]}"));
    const lt_rope_config *rope = &config.ropes[0];
    cr_assert(rope->kind == LT_ROPE_LONGROPE && rope->rotary_width == 4 && rope->factor == 4);
    cr_assert(rope->original_max_position == 16 && rope->short_factor[1] == 1.5f && rope->long_factor[1] == 4);
    cr_assert_float_eq(rope->attention_factor, sqrt(1.5), 1e-12, "1 + ln 4 / ln 16");
    cr_assert(lt_config_has_linear(&config, LT_LINEAR_QKV) && lt_config_has_linear(&config, LT_LINEAR_GATE_UP) &&
              !lt_config_has_linear(&config, LT_LINEAR_Q) && config.layers[0].window == 0);
    lt_config_free(&config);
    expect_refusal(PHI3("{\"type\":\"longrope\",\"short_factor\":[1],\"long_factor\":[2,4]}"), LT_ERR_FORMAT,
                   "field 'rope_scaling.short_factor': expected 2 numbers (half of what rotates), found 1");
    expect_refusal(PHI3("{\"type\":\"longrope\",\"short_factor\":[1,0],\"long_factor\":[2,4]}"), LT_ERR_FORMAT,
                   "field 'rope_scaling.short_factor[1]': expected a positive number, found 0");
    expect_refusal(PHI3("{\"type\":\"longrope\",\"long_factor\":[2,4]}"), LT_ERR_FORMAT,
                   "expected a field 'short_factor'");
}

Test(family, smollm3_skips_rope_where_the_file_or_the_interval_says)
{
    lt_config config = parse("{\"model_type\":\"smollm3\"," SIZES_AND_HEADS ",\"no_rope_layer_interval\":2}");
    cr_assert(config.layers[0].rope == 0 && config.layers[1].rope == -1 && config.layers[2].rope == 0);
    cr_assert(config.ropes[0].theta == 2000000 && config.tied_head && config.layers[1].window == 0);
    lt_config_free(&config);
    config = parse("{\"model_type\":\"smollm3\"," SIZES_AND_HEADS ",\"no_rope_layers\":[0,1,1],"
                   "\"use_sliding_window\":true,\"sliding_window\":8}");
    cr_assert(config.layers[0].rope == -1 && config.layers[0].window == 8);
    cr_assert(config.layers[1].rope == 0 && config.layers[1].window == 0);
    lt_config_free(&config);
    expect_refusal("{\"model_type\":\"smollm3\"," SIZES_AND_HEADS ",\"no_rope_layers\":[0]}", LT_ERR_FORMAT,
                   "field 'no_rope_layers': expected a value for each of 3 layers, found 1");
}

Test(family, granite_scales_and_olmo2_norms_after_the_branches)
{
    lt_config config = parse("{\"model_type\":\"granite\"," SIZES_AND_HEADS ",\"attention_multiplier\":0.5,"
                             "\"embedding_multiplier\":12,\"residual_multiplier\":0.25,\"logits_scaling\":8}");
    cr_assert(config.attention_scale == 0.5 && config.embedding_scale == 12 && config.residual_scale == 0.25);
    cr_assert_eq(config.logit_scale, 0.125);
    lt_config_free(&config);
    expect_refusal("{\"model_type\":\"granite\"," SIZES_AND_HEADS ",\"logits_scaling\":0}", LT_ERR_FORMAT,
                   "field 'logits_scaling': expected a positive number, found 0");
    config = parse("{\"model_type\":\"olmo2\"," SIZES_AND_HEADS ",\"num_key_value_heads\":2}");
    cr_assert(!lt_config_has_norm(&config, LT_NORM_BEFORE_MLP) && lt_config_has_norm(&config, LT_NORM_AFTER_ATTENTION));
    cr_assert(lt_config_norm_width(&config, LT_NORM_Q) == 48 && lt_config_norm_width(&config, LT_NORM_K) == 24);
    lt_config_free(&config);
}

static const lt_config_tensor *find(const lt_config_tensor *list, int64_t count, const char *name)
{
    for (int64_t i = 0; i < count; i++)
        if (!strcmp(list[i].name, name))
            return &list[i];
    return NULL;
}

Test(family, lists_every_tensor_of_a_model_with_its_shape)
{
    lt_config config = parse(QWEN2(""));
    lt_config_tensor *list;
    lt_error err;
    int64_t count, elements;
    cr_assert(lt_config_tensors(&config, &list, &count, &err));
    cr_assert_eq(count, 1 + 3 * (2 + 4 + 3 + 3) + 2);
    const lt_config_tensor *k = find(list, count, "model.layers.2.self_attn.k_proj.weight");
    const lt_config_tensor *bias = find(list, count, "model.layers.0.self_attn.v_proj.bias");
    const lt_config_tensor *down = find(list, count, "model.layers.1.mlp.down_proj.weight");
    cr_assert(k && k->dims == 2 && k->shape[0] == 32 && k->shape[1] == 64 && k->layer == 2 && k->slot == LT_LINEAR_K &&
              k->role == LT_ROLE_LINEAR);
    cr_assert(bias && bias->dims == 1 && bias->shape[0] == 32 && bias->role == LT_ROLE_BIAS);
    cr_assert(down && down->shape[0] == 64 && down->shape[1] == 96);
    cr_assert(find(list, count, "lm_head.weight") && find(list, count, "model.norm.weight"));
    cr_assert(lt_config_parameter_count(&config, &elements, &err));
    cr_assert_eq(elements, 2 * 100 * 64 + 64 + 3 * (2 * 64 + 2 * (64 * 64) + 2 * (32 * 64) + 64 + 2 * 32 + 3 * 64 * 96));
    free(list);
    config.tied_head = true;
    cr_assert(lt_config_tensors(&config, &list, &count, &err));
    cr_assert_null(find(list, count, "lm_head.weight"));
    free(list);
    lt_config_free(&config);
}

#define GPT2(extra) "{" extra "\"model_type\":\"gpt2\",\"n_embd\":48,\"n_layer\":3,\"n_head\":4,\"n_positions\":64,\"vocab_size\":100}"

Test(family, gpt2_learns_positions_and_stores_matrices_in_out)
{
    lt_config config = parse(GPT2("\"scale_attn_by_inverse_layer_idx\":true,"));
    cr_assert(config.conv1d && config.tied_head && !config.gated_mlp && config.norm == LT_NORM_LAYER && config.F == 192 &&
              config.rope_count == 0 && config.max_position == 64 && config.activation == LT_ACT_GELU_TANH);
    cr_assert(config.layers[2].rope == -1 && config.layers[2].score_divisor == 3 && config.linear_bias[LT_LINEAR_QKV]);
    lt_config_tensor *list;
    int64_t count;
    lt_error err;
    cr_assert(lt_config_tensors(&config, &list, &count, &err));
    cr_assert_str_eq(list[1].name, "transformer.wpe.weight");
    cr_assert(list[1].shape[0] == 64 && list[1].shape[1] == 48 && list[1].role == LT_ROLE_TABLE);
    free(list);
    lt_config_free(&config);
    config = parse(GPT2("\"n_inner\":70,\"scale_attn_weights\":false,"));
    cr_assert(config.F == 70 && config.attention_scale == 1 && config.layers[2].score_divisor == 0);
    lt_config_free(&config);
}

#define BERT(extra) "{" extra "\"model_type\":\"bert\",\"hidden_size\":48,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"vocab_size\":100}"

Test(family, bert_is_an_encoder_whose_head_depends_on_the_class)
{
    lt_config config = parse(BERT("\"architectures\":[\"BertForMaskedLM\"],"));
    cr_assert(config.bidirectional && config.types == 2 && config.F == 192 && config.tied_head && config.max_position == 512 &&
              config.norm == LT_NORM_LAYER && config.pad_id == 0 && config.eos_count == 0);
    cr_assert_str_eq(config.head_bias_name, "cls.predictions");
    cr_assert_str_eq(config.norm_name[LT_NORM_STREAM_MLP], "bert.encoder.layer.%d.output.LayerNorm");
    lt_config_free(&config);
    config = parse(BERT("\"architectures\":[\"BertForSequenceClassification\"],\"num_labels\":3,\"type_vocab_size\":1,"));
    cr_assert(config.labels == 3 && config.classifier_bias && config.types == 1);
    cr_assert_str_empty(config.head_name);
    cr_assert_str_empty(config.head_transform_name);
    cr_assert_str_eq(config.pooler_name, "bert.pooler.dense");
    lt_config_free(&config);
    config = parse(BERT("\"architectures\":[\"BertModel\"],"));
    cr_assert(!*config.head_name && config.labels == 0);
    lt_config_free(&config);
    expect_refusal(BERT("\"position_embedding_type\":\"relative_key\","), LT_ERR_UNSUPPORTED, "expected \"absolute\"");
    expect_refusal(BERT("\"is_decoder\":true,"), LT_ERR_UNSUPPORTED, "field 'is_decoder': bert is used as an encoder");
}

static void expect_nearest(const char *model_type, const char *known)
{
    char text[128], part[128];
    snprintf(text, sizeof text, "{\"model_type\":\"%s\"}", model_type);
    snprintf(part, sizeof part, "\"%s\"; the nearest known one is \"%s\"", model_type, known);
    expect_refusal(text, LT_ERR_UNSUPPORTED, part);
}

Test(family, an_unknown_family_is_told_its_nearest_kin)
{
    expect_nearest("roberta", "bert");
    expect_nearest("qwen2_vl", "qwen2");
    expect_nearest("gpt_neox", "gpt2");
    expect_nearest("llamma", "llama");
    expect_nearest("gemma3n", "gemma3_text");
}

Test(family, afm_is_what_the_report_describes)
{
    lt_config config = parse("{\"model_type\":\"afm\",\"intermediate_size\":8064}");
    int64_t elements;
    lt_error err;
    cr_assert(config.C == 3072 && config.L == 26 && config.H == 24 && config.K == 8 && config.D == 128 && config.V == 49152 &&
              config.tied_head && config.ropes[0].theta == 500000 && *config.norm_name[LT_NORM_Q]);
    cr_assert(lt_config_parameter_count(&config, &elements, &err));
    elements -= config.V * config.C;
    cr_assert(elements > 2570000000 && elements < 2595000000, "%lld", (long long)elements);
    lt_config_free(&config);
}

#define QWEN3_MOE(extra)                                                                                                \
    "{" extra "\"model_type\":\"qwen3_moe\",\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":4,"       \
    "\"num_attention_heads\":4,\"vocab_size\":100,\"num_experts\":6,\"num_experts_per_tok\":2,\"moe_intermediate_size\":24}"

Test(family, mixtures_of_experts_say_which_layers_are_sparse)
{
    lt_config config = parse(QWEN3_MOE("\"decoder_sparse_step\":2,\"mlp_only_layers\":[3],\"norm_topk_prob\":true,"));
    cr_assert(config.experts == 6 && config.experts_per_token == 2 && config.expert_F == 24 && config.shared_F == 0 &&
              config.normalise_routing);
    cr_assert(!config.layers[0].sparse && config.layers[1].sparse && !config.layers[2].sparse && !config.layers[3].sparse);
    cr_assert(!lt_config_layer_has_linear(&config, 1, LT_LINEAR_GATE) && lt_config_layer_has_linear(&config, 3, LT_LINEAR_GATE) &&
              lt_config_layer_has_linear(&config, 1, LT_LINEAR_Q));
    char name[LT_NAME_MAX];
    lt_config_expert_name(name, config.expert_name[2], 1, 5);
    cr_assert_str_eq(name, "model.layers.1.mlp.experts.5.down_proj");
    int64_t elements;
    lt_error err;
    cr_assert(lt_config_parameter_count(&config, &elements, &err));
    cr_assert_eq(elements, 2 * 100 * 64 + 64 + 4 * (4 * 64 * 64 + 2 * 64 + 2 * 16) + 3 * 3 * 64 * 96 + 6 * 64 + 6 * 3 * 64 * 24, "%lld",
                 (long long)elements);
    lt_config_free(&config);
    expect_refusal(QWEN3_MOE("\"output_router_logits\":true,"), LT_ERR_UNSUPPORTED, "routers are frozen");
    expect_refusal("{\"model_type\":\"mixtral\",\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":1,"
                   "\"num_attention_heads\":8,\"vocab_size\":100,\"num_local_experts\":2,\"num_experts_per_tok\":3}",
                   LT_ERR_FORMAT, "num_experts_per_tok (3) is above the number of experts (2)");
}
