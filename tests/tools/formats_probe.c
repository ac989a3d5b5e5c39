/* What lathe reads from model and adapter files, as JSON, for the comparison with Python (scripts/check_formats.py).
 *
 *   formats_probe config FOLDER             the model's configuration and its tensors
 *   formats_probe tensors PATH              every tensor: dtype, shape, and a weighted sum of its values
 *   formats_probe copy PATH FILE            the tensors written to a new file
 *   formats_probe match FOLDER              adapter_config.json on modules from standard input, "KIND NAME" a line,
 * where KIND is L(inear), H(ead), E(mbedding) or O(ther) formats_probe rewrite FOLDER FOLDER     adapter_config.json
 * read and written again formats_probe init CONFIG FOLDER SEED   a new model
 *
 * A failure is answered with {"error": message}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "formats/json.h"
#include "formats/peft.h"
#include "formats/safetensors.h"
#include "models/family.h"
#include "models/init.h"
#include "nn/config_tensors.h"

/* ---- config ---- */

static json_t *factors_json(const float *factors, int count)
{
    json_t *out = json_array();
    for (int i = 0; factors && i < count; i++)
        json_array_append_new(out, json_real(factors[i]));
    return out;
}

static json_t *rope_json(const lt_rope_config *rope)
{
    return json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:i, s:f, s:o, s:o}", "kind", (int)rope->kind, "width",
                     rope->rotary_width, "theta", rope->theta, "factor", rope->factor, "low", rope->low_freq_factor,
                     "high", rope->high_freq_factor, "original", rope->original_max_position, "magnitude",
                     rope->attention_factor, "short", factors_json(rope->short_factor, rope->rotary_width / 2), "long",
                     factors_json(rope->long_factor, rope->rotary_width / 2));
}

static json_t *tensors_json(const lt_config *config)
{
    json_t *out = json_object();
    lt_config_tensor *list;
    int64_t count;
    if (!lt_config_tensors(config, &list, &count, NULL))
        return out;
    for (int64_t i = 0; i < count; i++) {
        json_t *shape = json_array();
        for (int d = 0; d < list[i].dims; d++)
            json_array_append_new(shape, json_integer(list[i].shape[d]));
        json_object_set_new(out, list[i].name, shape);
    }
    free(list);
    return out;
}

static json_t *config_json(const lt_config *c)
{
    json_t *out = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:b}", "model_type", c->model_type,
                            "architecture", c->architecture, "C", (json_int_t)c->C, "H", (json_int_t)c->H, "K",
                            (json_int_t)c->K, "D", (json_int_t)c->D, "F", (json_int_t)c->F, "V", (json_int_t)c->V, "L",
                            (json_int_t)c->L, "max_position", c->max_position, "tied", (int)c->tied_head);
    json_t *numbers = json_pack(
        "{s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:I}", "activation", (int)c->activation, "epsilon",
        c->norm_epsilon, "attention_scale", c->attention_scale, "attention_softcap", c->attention_softcap,
        "logit_softcap", c->logit_softcap, "embedding_scale", c->embedding_scale, "residual_scale", c->residual_scale,
        "logit_scale", c->logit_scale, "bos", c->bos_id, "pad", c->pad_id, "labels", (json_int_t)c->labels);
    json_t *eos = json_array(), *ropes = json_array(), *layers = json_array();
    for (int i = 0; i < c->eos_count; i++)
        json_array_append_new(eos, json_integer(c->eos_ids[i]));
    for (int i = 0; i < c->rope_count; i++)
        json_array_append_new(ropes, rope_json(&c->ropes[i]));
    for (int64_t l = 0; l < c->L; l++)
        json_array_append_new(layers, json_pack("[i, i]", c->layers[l].window, c->layers[l].rope));
    json_object_update(out, numbers);
    json_decref(numbers);
    json_object_set_new(out, "eos", eos);
    json_object_set_new(out, "ropes", ropes);
    json_object_set_new(out, "layers", layers);
    json_object_set_new(out, "tensors", tensors_json(c));
    return out;
}

static json_t *probe_config(char **arguments, lt_error *err)
{
    lt_config config;
    if (!lt_family_load(arguments[0], &config, err))
        return NULL;
    json_t *out = config_json(&config);
    lt_config_free(&config);
    return out;
}

/* ---- tensors ---- */

static json_t *describe_tensor(const lt_safetensors *set, const lt_tensor_info *info, lt_error *err)
{
    json_t *shape = json_array();
    double sum = 0;
    for (int d = 0; d < info->dims; d++)
        json_array_append_new(shape, json_integer(info->shape[d]));
    if (lt_dtype_get(info->dtype)->is_float) {
        float *values = malloc((size_t)info->elements * sizeof *values + 1);
        if (!values || !lt_safetensors_read_f32(set, info, values, err)) {
            free(values);
            json_decref(shape);
            return NULL;
        }
        for (int64_t i = 0; i < info->elements; i++)
            sum += values[i] * (double)(i % 97 + 1);
        free(values);
    }
    return json_pack("{s:s, s:o, s:f}", "dtype", lt_dtype_get(info->dtype)->name, "shape", shape, "sum", sum);
}

static json_t *probe_tensors(char **arguments, lt_error *err)
{
    lt_safetensors *set;
    if (!lt_safetensors_open(&set, arguments[0], err))
        return NULL;
    json_t *out = json_object();
    for (int64_t i = 0; out && i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *info = lt_safetensors_at(set, i);
        json_t *tensor = describe_tensor(set, info, err);
        if (!tensor) {
            json_decref(out);
            out = NULL;
        } else {
            json_object_set_new(out, info->name, tensor);
        }
    }
    lt_safetensors_close(set);
    return out;
}

static bool copy_tensors(const lt_safetensors *set, const lt_tensor_spec *specs, const char *path, lt_error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    lt_safetensors_writer *writer;
    if (!lt_safetensors_create(&writer, path, specs, lt_safetensors_count(set), metadata, err))
        return false;
    for (int64_t i = 0; i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *info = lt_safetensors_at(set, i);
        void *bytes = malloc((size_t)info->bytes + 1);
        bool ok = bytes && lt_safetensors_read(set, info, bytes, err) &&
                  lt_safetensors_append(writer, bytes, info->bytes, err);
        free(bytes);
        if (!ok) {
            lt_safetensors_abort(writer);
            return false;
        }
    }
    return lt_safetensors_finish(writer, err);
}

static json_t *probe_copy(char **arguments, lt_error *err)
{
    lt_safetensors *set;
    if (!lt_safetensors_open(&set, arguments[0], err))
        return NULL;
    lt_tensor_spec *specs = calloc((size_t)lt_safetensors_count(set) + 1, sizeof *specs);
    for (int64_t i = 0; specs && i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *info = lt_safetensors_at(set, i);
        specs[i] = (lt_tensor_spec){.name = info->name, .dtype = info->dtype, .dims = info->dims};
        memcpy(specs[i].shape, info->shape, sizeof info->shape);
    }
    bool ok = specs && copy_tensors(set, specs, arguments[1], err);
    free(specs);
    lt_safetensors_close(set);
    return ok ? json_object() : NULL;
}

/* ---- adapters ---- */

static json_t *match_modules(const lt_peft_config *config, lt_error *err)
{
    static const char kinds[] = "LHEO";
    lt_peft_matcher *matcher;
    char kind, name[1000];
    if (!lt_peft_matcher_create(&matcher, config, err))
        return NULL;
    json_t *out = json_object();
    while (out && scanf(" %c %999s", &kind, name) == 2) {
        const char *place = strchr(kinds, kind);
        lt_peft_match match;
        if (place && lt_peft_matcher_match(matcher, name, (lt_peft_module_kind)(place - kinds), &match, err)) {
            json_object_set_new(out, name,
                                json_pack("{s:b, s:i, s:f, s:f, s:b}", "adapts", (int)match.adapts, "rank", match.rank,
                                          "alpha", match.alpha, "scale", match.scale, "saves",
                                          (int)lt_peft_saves_module(config, name)));
        } else {
            json_decref(out);
            out = NULL;
        }
    }
    lt_peft_matcher_free(matcher);
    return out;
}

static json_t *probe_match(char **arguments, lt_error *err)
{
    lt_peft_config config;
    if (!lt_peft_config_read(&config, arguments[0], LT_PEFT_CAN_ALL, err))
        return NULL;
    json_t *out = match_modules(&config, err);
    lt_peft_config_free(&config);
    return out;
}

static json_t *probe_rewrite(char **arguments, lt_error *err)
{
    lt_peft_config config;
    if (!lt_peft_config_read(&config, arguments[0], LT_PEFT_CAN_ALL, err))
        return NULL;
    bool ok = lt_peft_config_write(&config, arguments[1], err);
    lt_peft_config_free(&config);
    return ok ? json_object() : NULL;
}

static json_t *probe_init(char **arguments, lt_error *err)
{
    lt_init_options options = {.config = arguments[0],
                               .output = arguments[1],
                               .dtype = LT_DTYPE_COUNT,
                               .seed = strtoull(arguments[2], NULL, 10)};
    lt_init_result result;
    if (!lt_init_create(&options, &result, err))
        return NULL;
    return json_pack("{s:I, s:I, s:i}", "parameters", (json_int_t)result.parameters, "bytes", (json_int_t)result.bytes,
                     "shards", result.shards);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        int arguments;
        json_t *(*probe)(char **arguments, lt_error *err);
    } probes[] = {
        {"config", 1, probe_config}, {"tensors", 1, probe_tensors}, {"copy", 2, probe_copy},
        {"match", 1, probe_match},   {"rewrite", 2, probe_rewrite}, {"init", 3, probe_init},
    };
    lt_threads_set(0);
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        if (count == probes[i].arguments + 2 && !strcmp(arguments[1], probes[i].name)) {
            lt_error err = {0};
            json_t *answer = probes[i].probe(arguments + 2, &err);
            if (!answer)
                answer = json_pack("{s:s, s:i}", "error", err.message, "status", (int)err.status);
            json_dumpf(answer, stdout, JSON_REAL_PRECISION(17));
            json_decref(answer);
            putchar('\n');
            return 0;
        }
    fprintf(stderr, "usage: formats_probe config|tensors|copy|match|rewrite|init …; see the head of its source\n");
    return 2;
}
