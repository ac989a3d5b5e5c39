#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/threads.h"
#include "folder.h"
#include "formats/safetensors.h"
#include "models/family.h"
#include "models/init.h"
#include "models/init_values.h"

static const char config[] = "{\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":2,"
                             "\"num_attention_heads\":4,\"vocab_size\":100,\"attention_bias\":true,\"pad_token_id\":3,"
                             "\"initializer_range\":0.05,\"torch_dtype\":\"bfloat16\"}";

static void create(const test_folder *folder, const char *name, lt_init_options options)
{
    lt_init_result result;
    lt_error err;
    options.config = test_folder_file(folder, "config.json");
    options.output = test_folder_file(folder, name);
    cr_assert(lt_init_create(&options, &result, &err), "%s", err.message);
    cr_assert_eq(result.parameters, 2 * 6400 + 64 + 2 * (2 * 64 + 4 * (4096 + 64) + 3 * 64 * 96));
}

static void read_tensor(const test_folder *folder, const char *name, const char *tensor, float *out)
{
    lt_safetensors *set;
    lt_error err;
    cr_assert(lt_safetensors_open(&set, test_folder_file(folder, name), &err), "%s", err.message);
    cr_assert(lt_safetensors_read_f32(set, lt_safetensors_find(set, tensor), out, &err), "%s", err.message);
    lt_safetensors_close(set);
}

Test(init, makes_a_folder_that_reads_back_as_the_model_it_describes)
{
    test_folder folder = test_folder_make();
    static float embed[6400], bias[64], norm[64], mlp[96 * 64];
    lt_config read;
    lt_error err;
    double sum = 0, squares = 0;
    test_folder_write_text(&folder, "config.json", config);
    test_folder_write_text(&folder, "tokenizer.json", "{}");
    create(&folder, "model", (lt_init_options){.dtype = LT_DTYPE_F32, .seed = 1});
    cr_assert(lt_family_load(test_folder_file(&folder, "model"), &read, &err), "%s", err.message);
    cr_assert_eq(read.C, 64);
    lt_config_free(&read);
    read_tensor(&folder, "model", "model.embed_tokens.weight", embed);
    read_tensor(&folder, "model", "model.layers.1.self_attn.k_proj.bias", bias);
    read_tensor(&folder, "model", "model.layers.1.input_layernorm.weight", norm);
    read_tensor(&folder, "model", "model.layers.1.mlp.up_proj.weight", mlp);
    for (int i = 0; i < 64; i++)
        cr_assert(bias[i] == 0 && norm[i] == 1 && embed[3 * 64 + i] == 0 && embed[2 * 64 + i] != 0 && embed[4 * 64 + i] != 0);
    for (int i = 0; i < 96 * 64; i++) {
        sum += mlp[i];
        squares += mlp[i] * mlp[i];
    }
    cr_assert_float_eq(sum / (96 * 64), 0, 0.003);
    cr_assert_float_eq(sqrt(squares / (96 * 64)), 0.05, 0.002);

    char *text;
    size_t n;
    char path[512];
    snprintf(path, sizeof path, "%s/model/config.json", folder.path);
    cr_assert(lt_file_read(path, 10000, &text, &n, &err));
    cr_assert(strstr(text, "\"torch_dtype\": \"float32\""), "%s", text);
    free(text);
    snprintf(path, sizeof path, "%s/model/tokenizer.json", folder.path);
    cr_assert(lt_file_exists(path));
    test_folder_remove(&folder);
}

Test(init, the_values_depend_on_the_seed_and_not_on_threads_or_shards)
{
    test_folder folder = test_folder_make();
    static float a[96 * 64], b[96 * 64];
    const char *tensor = "model.layers.0.mlp.gate_proj.weight";
    lt_safetensors *set;
    lt_error err;
    test_folder_write_text(&folder, "config.json", config);
    lt_threads_set(1);
    create(&folder, "one", (lt_init_options){.dtype = LT_DTYPE_COUNT, .seed = 7});
    lt_threads_set(3);
    create(&folder, "many", (lt_init_options){.dtype = LT_DTYPE_BF16, .seed = 7, .shard_bytes = 20000});
    create(&folder, "other", (lt_init_options){.dtype = LT_DTYPE_BF16, .seed = 8});
    read_tensor(&folder, "one", tensor, a);
    read_tensor(&folder, "many", tensor, b);
    cr_assert_eq(memcmp(a, b, sizeof a), 0);
    read_tensor(&folder, "other", tensor, b);
    cr_assert_neq(memcmp(a, b, sizeof a), 0);
    cr_assert(lt_safetensors_open(&set, test_folder_file(&folder, "many"), &err));
    cr_assert_gt(lt_safetensors_shard_count(set), 4);
    lt_safetensors_close(set);
    test_folder_remove(&folder);
}

static bool stop_at_once(int64_t done, int64_t total, void *context)
{
    (void)done, (void)total;
    ++*(int *)context;
    return false;
}

Test(init, leaves_nothing_behind_when_it_fails_and_overwrites_nothing)
{
    test_folder folder = test_folder_make();
    lt_init_result result;
    lt_error err;
    int calls = 0;
    lt_init_options options = {.dtype = LT_DTYPE_F32, .progress = stop_at_once, .context = &calls};
    options.config = test_folder_write_text(&folder, "config.json", config);
    options.output = test_folder_file(&folder, "out/");
    cr_assert_not(lt_init_create(&options, &result, &err));
    cr_assert(err.status == LT_ERR_INTERRUPTED && calls == 1, "%s", err.message);

    mkdir(options.output, 0700);
    test_folder_write_text(&folder, "out/mine", "x");
    cr_assert_not(lt_init_create(&options, &result, &err));
    cr_assert(strstr(err.message, "exists and is not an empty folder"), "%s", err.message);
    unlink(test_folder_file(&folder, "out/mine"));
    options.progress = NULL;
    cr_assert(lt_init_create(&options, &result, &err), "an empty folder is filled: %s", err.message);

    options.config = test_folder_write_text(&folder, "config.json", "{\"model_type\":\"llama\"}");
    options.output = test_folder_file(&folder, "second");
    cr_assert_not(lt_init_create(&options, &result, &err));
    cr_assert(strstr(err.message, "expected a field 'hidden_size'"), "%s", err.message);
    unlink(options.config);
    char command[600];
    snprintf(command, sizeof command, "test \"$(ls %s)\" = out", folder.path);
    cr_assert_eq(system(command), 0, "only the finished folder is there");
    test_folder_remove(&folder);
}

Test(init, the_table_is_a_normal_distribution_with_the_deviation_asked_for)
{
    enum { N = 1 << 20 };
    static float x[N], piece[64];
    lt_init_normal normal;
    lt_error err;
    double moments[5] = {0};
    int beyond = 0;
    cr_assert(lt_init_normal_make(&normal, 1, LT_DTYPE_F32, &err));
    const float *table = normal.table;
    /* quantiles of the normal distribution, from published tables: the midpoint next to 0.975 and to 0.5 + 0.5/65536 */
    cr_assert_float_eq(table[63897], 1.95996, 2e-4);
    cr_assert_float_eq(table[32768], 1.912e-5, 1e-7);
    for (int i = 1; i < 65536; i++)
        cr_assert(table[i] > table[i - 1] && table[i] == -table[65535 - i]);
    lt_init_normal_fill(&normal, 5, 9, 0, N, x);
    for (int i = 0; i < N; i++) {
        for (int k = 1; k <= 4; k++)
            moments[k] += pow(x[i], k) / N;
        beyond += fabsf(x[i]) > 3;
    }
    cr_assert_float_eq(moments[1], 0, 0.005);
    cr_assert_float_eq(moments[2], 1, 0.01);
    cr_assert_float_eq(moments[3], 0, 0.02);
    cr_assert_float_eq(moments[4], 3, 0.05);
    cr_assert_float_eq(beyond / (double)N, 0.0026998, 0.0003);
    lt_init_normal_fill(&normal, 5, 9, 4096 + 8, 61, piece);
    cr_assert_eq(memcmp(piece, x + 4104, 61 * sizeof *piece), 0, "a piece has the values of the whole");
    lt_init_normal_free(&normal);
}
