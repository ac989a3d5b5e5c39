/* Base and adapters into one model: opening what goes in, and the files that come out. */
#include "api/merge.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/merge_gguf.h"
#include "api/merge_internal.h"
#include "core/file.h"
#include "core/log.h"
#include "formats/json.h"
#include "models/companions.h"
#include "models/family.h"
#include "models/fused_experts.h"
#include "models/gguf.h"
#include "models/new_folder.h"
#include "text/tokenizer_gguf.h"

/* ---- what goes in ---- */

static bool open_base(lt_merge *m)
{
    const char *path = m->options->model;
    if (!lt_gguf_is(path))
        return lt_family_load(path, &m->config, m->err) && lt_safetensors_open(&m->base, path, m->err) &&
               lt_fused_experts_split(&m->base, &m->config, m->err);
    return lt_gguf_open(&m->source, path, m->err) && lt_gguf_config_load(m->source, &m->config, m->err) &&
           lt_gguf_tensors_open(m->source, &m->config, &m->base, m->err);
}

static bool weigh_one(lt_merge *m, lt_adapter_file *file, double weight)
{
    for (int i = 0; i < file->module_count; i++) {
        if (weight != 1 && file->modules[i].magnitude)
            return lt_error_set(m->err, LT_ERR_UNSUPPORTED, "%s: DoRA takes no weight", file->path);
        if (weight != 1 && file->modules[i].factors)
            return lt_error_set(m->err, LT_ERR_UNSUPPORTED, "%s: IA3 takes no weight", file->path);
        file->modules[i].scale *= weight;
    }
    return true;
}

static bool open_adapters(lt_merge *m)
{
    const lt_merge_options *o = m->options;
    if (o->adapter_count == 0)
        return true;
    lt_adapter_file **files = calloc((size_t)o->adapter_count, sizeof *files);
    double *weights = calloc((size_t)o->adapter_count, sizeof *weights);
    bool ok = (files && weights) || lt_error_set(m->err, LT_ERR_MEMORY, "out of memory");
    for (int i = 0; ok && i < o->adapter_count; i++) {
        weights[i] = o->weights ? o->weights[i] : 1;
        ok = lt_adapter_file_read(&files[i], o->adapters[i], &m->config, m->err);
    }
    if (ok && o->adapter_count == 1) {
        m->adapter = files[0];
        files[0] = NULL;
        ok = weigh_one(m, m->adapter, weights[0]);
    } else if (ok)
        ok = lt_adapter_combine(&m->adapter, files, weights, o->adapter_count, o->combination, o->density, o->seed, m->err);
    for (int i = 0; files && i < o->adapter_count; i++)
        lt_adapter_file_free(files[i]);
    free(files);
    free(weights);
    return ok;
}

/* ---- a folder ---- */

/* The tokenizer of a GGUF as the files that amount to it. */
static bool write_gguf_companions(const char *folder, const lt_gguf *source, lt_error *err)
{
    if (!lt_tokenizer_gguf_has(source))
        return true;
    json_t *(*const make[3])(const lt_gguf *, lt_error *) = {lt_tokenizer_gguf_root, lt_tokenizer_gguf_config,
                                                             lt_tokenizer_gguf_generation};
    static const char *const names[3] = {"tokenizer.json", "tokenizer_config.json", "generation_config.json"};
    for (int i = 0; i < 3; i++) {
        json_t *root = make[i](source, err);
        if (root && i == 0)
            json_object_set_new(root, "version", json_string("1.0"));
        bool ok = root && lt_new_folder_write_json(folder, names[i], root, false, err);
        json_decref(root);
        if (!ok)
            return false;
    }
    return true;
}

bool lt_api_write_gguf_companions(const char *model, const char *to, lt_error *err)
{
    lt_gguf *file;
    if (!lt_gguf_is(model))
        return true;
    if (!lt_gguf_open(&file, model, err))
        return false;
    bool ok = write_gguf_companions(to, file, err);
    lt_gguf_close(file);
    return ok;
}

static void set_classifier(lt_merge *m, json_t *config)
{
    char name[64];
    const lt_adapter_tensor *head = NULL;
    for (int i = 0; m->adapter && i < m->adapter->tensor_count; i++)
        if (!strcmp(m->adapter->tensors[i].name, "score.weight") || !strcmp(m->adapter->tensors[i].name, "classifier.weight"))
            head = &m->adapter->tensors[i];
    const char *architecture = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    if (!head || !architecture || strstr(architecture, "ForSequenceClassification"))
        return;
    const char *end = strstr(architecture, "For");
    end = end ? end : strstr(architecture, "LMHead");
    snprintf(name, sizeof name, "%.*sForSequenceClassification", end ? (int)(end - architecture) : (int)strlen(architecture), architecture);
    json_object_set_new(config, "architectures", json_pack("[s]", name));
    json_t *labels = json_object();
    for (int64_t i = 0; i < head->shape[0]; i++) {
        char key[24], label[32];
        snprintf(key, sizeof key, "%" PRId64, i);
        snprintf(label, sizeof label, "LABEL_%" PRId64, i);
        json_object_set_new(labels, key, json_string(label));
    }
    json_object_set_new(config, "id2label", labels);
}

static bool write_config(lt_merge *m, const lt_new_folder *f, lt_dtype dtype)
{
    char path[4096];
    json_t *config = NULL;
    if (m->source)
        config = lt_gguf_config_json(m->source, m->err);
    else if (lt_file_join(path, sizeof path, m->options->model, "config.json", m->err))
        config = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, m->err);
    if (!config)
        return false;
    const char *name = dtype == LT_DTYPE_F32 ? "float32" : dtype == LT_DTYPE_F16 ? "float16" : "bfloat16";
    const char *key = json_object_get(config, "dtype") ? "dtype" : "torch_dtype";
    json_object_set_new(config, key, json_string(name));
    json_object_del(config, "quantization_config");
    if (m->untied)
        json_object_set_new(config, "tie_word_embeddings", json_false());
    set_classifier(m, config);
    bool ok = lt_new_folder_write_json(f->folder, "config.json", config, false, m->err);
    json_decref(config);
    return ok;
}

/* ---- weights of a folder ---- */

static bool append_safetensors(void *writer, const void *data, int64_t bytes, lt_error *err)
{
    return lt_safetensors_append(writer, data, bytes, err);
}

static int64_t bytes_of(const lt_merge_tensor *item)
{
    return lt_dtype_bytes(item->dtype, item->elements);
}

static bool write_shard(lt_merge *m, const char *path, int64_t first, int64_t last)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    lt_safetensors_writer *writer = NULL;
    lt_tensor_spec *specs = calloc((size_t)(last - first) + 1, sizeof *specs);
    if (!specs)
        return lt_error_set(m->err, LT_ERR_MEMORY, "out of memory for the list of tensors");
    for (int64_t i = first; i < last; i++) {
        specs[i - first] = (lt_tensor_spec){.name = m->items[i].name, .dtype = m->items[i].dtype, .dims = m->items[i].dims};
        memcpy(specs[i - first].shape, m->items[i].shape, sizeof m->items[i].shape);
    }
    bool ok = lt_safetensors_create(&writer, path, specs, last - first, metadata, m->err);
    free(specs);
    for (int64_t i = first; ok && i < last; i++)
        ok = lt_merge_stream(m, &m->items[i], append_safetensors, writer);
    if (ok)
        return lt_safetensors_finish(writer, m->err);
    lt_safetensors_abort(writer);
    return false;
}

static bool write_index(lt_merge *m, const lt_new_folder *f, const int *shard_of, int shards)
{
    json_t *map = json_object();
    char name[LT_SHARD_NAME];
    for (int64_t i = 0; i < m->count; i++) {
        lt_new_folder_shard_name(shard_of[i], shards, name);
        json_object_set_new(map, m->items[i].name, json_string(name));
    }
    json_t *root = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)m->total_bytes, "weight_map", map);
    bool ok = root && lt_new_folder_write_json(f->folder, "model.safetensors.index.json", root, false, m->err);
    json_decref(root);
    return ok;
}

static bool write_weights(lt_merge *m, const lt_new_folder *f, int *files)
{
    int64_t limit = m->options->shard_bytes > 0 ? m->options->shard_bytes : 5000000000, filled = 0;
    int *shard_of = malloc((size_t)m->count * sizeof *shard_of + 1), shards = 0;
    if (!shard_of)
        return lt_error_set(m->err, LT_ERR_MEMORY, "out of memory for the list of tensors");
    for (int64_t i = 0; i < m->count; i++) {
        if (shards == 0 || filled + bytes_of(&m->items[i]) > limit) {
            shards++;
            filled = 0;
        }
        filled += bytes_of(&m->items[i]);
        shard_of[i] = shards - 1;
    }
    bool ok = true;
    for (int64_t first = 0, last; ok && first < m->count; first = last) {
        char name[LT_SHARD_NAME], path[4200];
        for (last = first; last < m->count && shard_of[last] == shard_of[first]; last++)
            ;
        lt_new_folder_shard_name(shard_of[first], shards, name);
        snprintf(path, sizeof path, "%s/%s", f->folder, name);
        ok = write_shard(m, path, first, last);
    }
    if (ok && shards > 1)
        ok = write_index(m, f, shard_of, shards);
    free(shard_of);
    *files = shards;
    return ok;
}

static bool write_folder(lt_merge *m, int *files)
{
    lt_new_folder f;
    bool ok = lt_new_folder_begin(&f, m->options->output, m->total_bytes, m->err) && write_config(m, &f, lt_merge_matrix_dtype(m)) &&
              (m->source ? write_gguf_companions(f.folder, m->source, m->err)
                         : lt_companions_copy(m->options->model, f.folder, m->err)) &&
              write_weights(m, &f, files) && lt_new_folder_publish(&f, m->err);
    if (!ok)
        lt_new_folder_abandon(&f);
    return ok;
}

/* ---- the whole ---- */

static void close_merge(lt_merge *m)
{
    for (int64_t i = 0; i < m->count; i++) {
        free(m->items[i].name);
        free(m->items[i].gguf);
    }
    free(m->items);
    free(m->values);
    lt_adapter_file_free(m->adapter);
    lt_safetensors_close(m->base);
    lt_gguf_close(m->source);
    lt_config_free(&m->config);
}

bool lt_api_merge(const lt_merge_options *options, lt_merge_result *result, lt_error *err)
{
    lt_merge m = {.options = options, .err = err};
    *result = (lt_merge_result){.files = 1};
    bool ok = open_base(&m) && open_adapters(&m) && lt_merge_plan(&m);
    if (ok && m.untied)
        lt_log_warning("%s: the output head was the embedding; it becomes a matrix of its own, because the adapter changes one of them",
                       options->model);
    ok = ok && (options->gguf ? lt_merge_write_gguf(&m) : write_folder(&m, &result->files));
    if (ok) {
        result->tensors = m.count;
        for (int64_t i = 0; i < m.count; i++)
            result->merged += m.items[i].module || m.items[i].whole || m.items[i].rows || m.items[i].bias_of;
        result->bytes = m.total_bytes;
        result->dtype = lt_dtype_get(lt_merge_matrix_dtype(&m))->name;
        result->largest_rounding = m.largest_rounding;
        result->untied = m.untied;
    }
    close_merge(&m);
    return ok;
}
