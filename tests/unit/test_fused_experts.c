#include "models/fused_experts.h"

#include <criterion/criterion.h>
#include <string.h>

#include "folder.h"
#include "models/family.h"

/* One layer of 2 experts, F = 3, C = 4; each value tells where it lies. */
static const char *write_fused(const test_folder *folder, int64_t experts)
{
    lt_tensor_spec specs[] = {{"model.layers.0.mlp.experts.gate_up_proj", LT_DTYPE_F32, 3, {experts, 6, 4}},
                              {"model.layers.0.mlp.experts.down_proj", LT_DTYPE_F32, 3, {experts, 4, 3}},
                              {"model.layers.0.mlp.gate.weight", LT_DTYPE_F32, 2, {2, 4}},
                              {"model.norm.weight", LT_DTYPE_F32, 1, {4}}};
    const char *path = test_folder_file(folder, "model.safetensors");
    lt_safetensors_writer *writer;
    lt_error err;
    float value = 0;
    cr_assert(lt_safetensors_create(&writer, path, specs, 4, NULL, &err), "%s", err.message);
    for (int64_t n = experts * 24 + experts * 12 + 8 + 4; n > 0; n--, value++)
        cr_assert(lt_safetensors_append(writer, &value, sizeof value, &err));
    cr_assert(lt_safetensors_finish(writer, &err), "%s", err.message);
    return path;
}

static lt_config config_of(const char *type)
{
    char text[512];
    lt_config config;
    lt_error err;
    snprintf(text, sizeof text,
             "{\"model_type\":\"%s\",\"hidden_size\":4,\"intermediate_size\":3,\"moe_intermediate_size\":3,\"num_hidden_layers\":1,"
             "\"num_attention_heads\":2,\"num_key_value_heads\":2,\"vocab_size\":8,\"num_local_experts\":2,\"num_experts\":2,"
             "\"num_experts_per_tok\":1,\"head_dim\":2}",
             type);
    cr_assert(lt_family_parse(text, "config.json", &config, &err), "%s", err.message);
    return config;
}

static void expect_values(const lt_safetensors *set, const char *name, int64_t rows, int64_t cols, float first)
{
    float values[64];
    lt_error err;
    const lt_tensor_info *info = lt_safetensors_find(set, name);
    cr_assert(info, "%s is missing", name);
    cr_assert(info->dims == 2 && info->shape[0] == rows && info->shape[1] == cols && info->elements == rows * cols);
    cr_assert(lt_safetensors_read_f32(set, info, values, &err), "%s", err.message);
    for (int64_t i = 0; i < rows * cols; i++)
        cr_assert_eq(values[i], first + (float)i, "%s: %lld is %g", name, (long long)i, (double)values[i]);
}

Test(fused_experts, each_expert_is_a_part_of_the_layers_two_tensors)
{
    test_folder folder = test_folder_make();
    lt_config config = config_of("mixtral");
    lt_safetensors *set;
    lt_error err;
    cr_assert(lt_safetensors_open(&set, write_fused(&folder, 2), &err), "%s", err.message);
    cr_assert(lt_fused_experts_split(&set, &config, &err), "%s", err.message);
    cr_assert_eq(lt_safetensors_count(set), 8);
    expect_values(set, "model.layers.0.block_sparse_moe.experts.0.w1.weight", 3, 4, 0);
    expect_values(set, "model.layers.0.block_sparse_moe.experts.0.w3.weight", 3, 4, 12);
    expect_values(set, "model.layers.0.block_sparse_moe.experts.1.w1.weight", 3, 4, 24);
    expect_values(set, "model.layers.0.block_sparse_moe.experts.1.w3.weight", 3, 4, 36);
    expect_values(set, "model.layers.0.block_sparse_moe.experts.0.w2.weight", 4, 3, 48);
    expect_values(set, "model.layers.0.block_sparse_moe.experts.1.w2.weight", 4, 3, 60);
    expect_values(set, "model.layers.0.block_sparse_moe.gate.weight", 2, 4, 72);
    cr_assert(lt_safetensors_find(set, "model.norm.weight"));
    lt_safetensors_close(set);
    lt_config_free(&config);
    test_folder_remove(&folder);
}

Test(fused_experts, another_number_of_experts_is_an_error)
{
    test_folder folder = test_folder_make();
    lt_config config = config_of("qwen3_moe");
    lt_safetensors *set;
    lt_error err;
    cr_assert(lt_safetensors_open(&set, write_fused(&folder, 3), &err), "%s", err.message);
    cr_assert_not(lt_fused_experts_split(&set, &config, &err));
    cr_assert(!set && err.status == LT_ERR_FORMAT && strstr(err.message, "expected (2, 6, 4)"), "%s", err.message);
    lt_config_free(&config);
    test_folder_remove(&folder);
}
