/* A random model of a few thousand parameters, written to a temporary folder and built without a config.json: what the engine's
 * tests run on. */
#ifndef LT_TEST_TINY_MODEL_H
#define LT_TEST_TINY_MODEL_H

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rng.h"
#include "formats/safetensors.h"
#include "nn/model.h"

typedef struct tiny_tensor {
    char name[128];
    int dims;
    int64_t shape[2];
} tiny_tensor;

static inline lt_config tiny_config(void)
{
    lt_config c = {.C = 24, .H = 4, .K = 2, .D = 8, .F = 40, .V = 50, .L = 3, .max_position = 64, .gated_mlp = true,
                   .activation = LT_ACT_SILU, .norm = LT_NORM_RMS, .norm_epsilon = 1e-5, .attention_scale = 0.35355339,
                   .embedding_scale = 1, .residual_scale = 1, .logit_scale = 1, .rope_count = 1, .tied_head = true};
    c.ropes[0] = (lt_rope_config){.kind = LT_ROPE_DEFAULT, .rotary_width = 8, .theta = 10000, .factor = 1};
    c.layers = calloc((size_t)c.L, sizeof *c.layers);
    strcpy(c.embed_name, "model.embed_tokens");
    strcpy(c.head_name, "lm_head");
    strcpy(c.final_norm_name, "model.norm");
    static const char *const linear[LT_LINEAR_SLOTS] = {
        [LT_LINEAR_Q] = "self_attn.q_proj",   [LT_LINEAR_K] = "self_attn.k_proj", [LT_LINEAR_V] = "self_attn.v_proj",
        [LT_LINEAR_O] = "self_attn.o_proj",   [LT_LINEAR_GATE] = "mlp.gate_proj", [LT_LINEAR_UP] = "mlp.up_proj",
        [LT_LINEAR_DOWN] = "mlp.down_proj"};
    for (int s = 0; s < LT_LINEAR_SLOTS; s++)
        if (linear[s])
            snprintf(c.linear_name[s], LT_NAME_MAX, "model.layers.%%d.%s", linear[s]);
    c.linear_bias[LT_LINEAR_Q] = true;
    strcpy(c.norm_name[LT_NORM_BEFORE_ATTENTION], "model.layers.%d.input_layernorm");
    strcpy(c.norm_name[LT_NORM_BEFORE_MLP], "model.layers.%d.post_attention_layernorm");
    return c;
}

static inline void tiny_add(tiny_tensor *list, int *n, const char *pattern, int64_t layer, const char *suffix, int dims, int64_t a, int64_t b)
{
    tiny_tensor *t = &list[(*n)++];
    const char *mark = strstr(pattern, "%d");
    int length = mark ? snprintf(t->name, sizeof t->name, "%.*s%d%s%s", (int)(mark - pattern), pattern, (int)layer, mark + 2, suffix)
                      : snprintf(t->name, sizeof t->name, "%s%s", pattern, suffix);
    cr_assert_lt(length, (int)sizeof t->name);
    t->dims = dims;
    t->shape[0] = a;
    t->shape[1] = b;
}

/* Writes random tensors for config into a new temporary file and builds the model over it. Takes config over. */
static inline lt_model *tiny_model(lt_config config, uint64_t seed)
{
    tiny_tensor list[256];
    int n = 0;
    const lt_config *c = &config;
    tiny_add(list, &n, c->embed_name, 0, ".weight", 2, c->V, c->C);
    if (!c->tied_head)
        tiny_add(list, &n, c->head_name, 0, ".weight", 2, c->V, c->C);
    tiny_add(list, &n, c->final_norm_name, 0, ".weight", 1, c->C, 0);
    for (int64_t l = 0; l < c->L; l++) {
        for (int s = 0; s < LT_NORM_SLOTS; s++)
            if (lt_config_has_norm(c, (lt_norm_slot)s))
                tiny_add(list, &n, c->norm_name[s], l, ".weight", 1, s == LT_NORM_Q || s == LT_NORM_K ? c->D : c->C, 0);
        for (int s = 0; s < LT_LINEAR_SLOTS; s++) {
            lt_linear_slot slot = (lt_linear_slot)s;
            if (!lt_config_has_linear(c, slot))
                continue;
            int64_t out = lt_config_linear_out(c, slot), in = lt_config_linear_in(c, slot);
            tiny_add(list, &n, c->linear_name[s], l, ".weight", 2, c->conv1d ? in : out, c->conv1d ? out : in);
            if (c->linear_bias[s])
                tiny_add(list, &n, c->linear_name[s], l, ".bias", 1, out, 0);
        }
    }
    lt_tensor_spec specs[256];
    for (int i = 0; i < n; i++) {
        specs[i] = (lt_tensor_spec){.name = list[i].name, .dtype = LT_DTYPE_F32, .dims = list[i].dims};
        memcpy(specs[i].shape, list[i].shape, sizeof list[i].shape);
    }
    char folder[] = "/tmp/lathe-test-XXXXXX", path[64];
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    lt_error err = {0};
    lt_safetensors_writer *writer;
    cr_assert(lt_safetensors_create(&writer, path, specs, n, NULL, &err), "%s", err.message);
    lt_rng rng = lt_rng_make(seed, 0);
    for (int i = 0; i < n; i++) {
        int64_t elements = list[i].shape[0] * (list[i].dims > 1 ? list[i].shape[1] : 1);
        float *data = malloc((size_t)elements * sizeof *data);
        for (int64_t e = 0; e < elements; e++)
            data[e] = (list[i].dims == 1 ? 1.0f : 0.0f) + (list[i].dims == 1 ? 0.3f : 0.25f) * lt_rng_normal(&rng);
        cr_assert(lt_safetensors_append(writer, data, elements * 4, &err), "%s", err.message);
        free(data);
    }
    cr_assert(lt_safetensors_finish(writer, &err), "%s", err.message);
    lt_model *model;
    cr_assert(lt_model_build(&model, path, &config, &err), "%s", err.message);
    unlink(path);
    rmdir(folder);
    return model;
}

#endif
