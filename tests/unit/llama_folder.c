#include "llama_folder.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/rng.h"
#include "formats/safetensors.h"
#include "models/family.h"
#include "nn/config_tensors.h"

static void write_tensors(const char *path, const lt_config_tensor *list, int64_t count, uint64_t seed)
{
    lt_error err;
    lt_safetensors_writer *writer;
    lt_tensor_spec *specs = calloc((size_t)count, sizeof *specs);
    for (int64_t i = 0; i < count; i++) {
        specs[i] = (lt_tensor_spec){.name = list[i].name, .dtype = LT_DTYPE_F32, .dims = list[i].dims};
        memcpy(specs[i].shape, list[i].shape, sizeof list[i].shape);
    }
    cr_assert(lt_safetensors_create(&writer, path, specs, count, NULL, &err), "%s", err.message);
    lt_rng rng = lt_rng_make(seed, 0);
    for (int64_t i = 0; i < count; i++) {
        int64_t n = list[i].shape[0] * (list[i].dims > 1 ? list[i].shape[1] : 1);
        float *data = malloc((size_t)n * sizeof *data);
        for (int64_t e = 0; e < n; e++)
            data[e] = list[i].dims == 1 ? 1.0f + 0.1f * lt_rng_normal(&rng) : 0.15f * lt_rng_normal(&rng);
        cr_assert(lt_safetensors_append(writer, data, n * 4, &err), "%s", err.message);
        free(data);
    }
    cr_assert(lt_safetensors_finish(writer, &err), "%s", err.message);
    free(specs);
}

void test_llama_write(const char *path, const test_llama *llama)
{
    char text[1024], file[4096];
    lt_error err;
    lt_config config;
    lt_config_tensor *list;
    int64_t count;
    int n = snprintf(text, sizeof text,
                     "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_size\": %d,\n"
                     " \"intermediate_size\": %d, \"num_hidden_layers\": %d, \"num_attention_heads\": %d,\n"
                     " \"num_key_value_heads\": %d, \"vocab_size\": %d, \"max_position_embeddings\": 256,\n"
                     " \"rms_norm_eps\": 1e-05, \"rope_theta\": 10000.0, \"hidden_act\": \"silu\",\n"
                     " \"tie_word_embeddings\": true, \"torch_dtype\": \"bfloat16\"}\n",
                     llama->width, 2 * llama->width, llama->layers, llama->heads, llama->heads / 2, llama->vocabulary);
    snprintf(file, sizeof file, "%s/config.json", path);
    cr_assert(lt_file_replace(file, text, (size_t)n, &err), "%s", err.message);
    cr_assert(lt_family_load(path, &config, &err), "%s", err.message);
    cr_assert(lt_config_tensors(&config, &list, &count, &err), "%s", err.message);
    snprintf(file, sizeof file, "%s/model.safetensors", path);
    write_tensors(file, list, count, llama->seed);
    free(list);
    lt_config_free(&config);
}
