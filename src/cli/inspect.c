#include "cli/inspect.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "models/family.h"

/* ---- folders ---- */

static bool has_file(const char *folder, const char *name)
{
    char path[4096];
    return lt_file_join(path, sizeof path, folder, name, NULL) && lt_file_exists(path);
}

/* Loads folder/name into facts[key] when it is there. */
static bool add_document(json_t *facts, const char *key, const char *folder, const char *name, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, folder, name, err))
        return false;
    if (!lt_file_exists(path))
        return true;
    bool yaml = strstr(name, ".yaml") != NULL;
    json_t *document = NULL;
    if (yaml ? !lt_yaml_read(path, &document, NULL, err)
             : !(document = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err)))
        return false;
    json_object_set_new(facts, key, document);
    return true;
}

static int by_number_then_name(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the folders inside `folder` that hold a file `with`, sorted; at most a few hundred. */
static json_t *list_folders(const char *folder, const char *with)
{
    enum { FOUND_MAX = 256 };
    char *found[FOUND_MAX], path[4096];
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && count < FOUND_MAX && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && lt_file_join(path, sizeof path, folder, entry->d_name, NULL) &&
            has_file(path, with))
            if ((found[count] = strdup(entry->d_name)))
                count++;
    if (dir)
        closedir(dir);
    qsort(found, (size_t)count, sizeof *found, by_number_then_name);
    json_t *names = json_array();
    for (int i = 0; i < count; i++) {
        json_array_append_new(names, json_string(found[i]));
        free(found[i]);
    }
    return names;
}

/* ---- weights ---- */

static void add_weights(json_t *facts, const lt_safetensors *set, const char *counted_twice)
{
    int64_t parameters = 0, bytes = 0;
    char dtypes[64];
    for (int64_t i = 0; i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *info = lt_safetensors_at(set, i);
        if (lt_dtype_get(info->dtype)->is_float && strcmp(info->name, counted_twice) != 0) /* no buffers of positions */
            parameters += info->elements;
    }
    for (int shard = 0; shard < lt_safetensors_shard_count(set); shard++)
        bytes += lt_safetensors_shard_bytes(set, shard);
    json_object_set_new(facts, "parameters", json_integer(parameters));
    json_object_set_new(facts, "bytes", json_integer(bytes));
    json_object_set_new(facts, "files", json_integer(lt_safetensors_shard_count(set)));
    json_object_set_new(facts, "dtypes", json_string(lt_tensors_dtypes(set, dtypes)));
    json_object_set_new(facts, "tensors", lt_tensors_json(set));
}

/* ---- models ---- */

static void add_sizes(json_t *facts, const lt_config *c)
{
    json_t *sizes = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:b}", "model_type", c->model_type,
                              "architecture", c->architecture, "layers", (json_int_t)c->L, "width", (json_int_t)c->C,
                              "heads", (json_int_t)c->H, "key_value_heads", (json_int_t)c->K, "head_width",
                              (json_int_t)c->D, "feed_forward", (json_int_t)c->F, "vocabulary", (json_int_t)c->V,
                              "positions", c->max_position, "tied_head", (int)c->tied_head);
    json_object_update(facts, sizes);
    json_decref(sizes);
}

/* "BPE" and the number of tokens, from tokenizer.json itself. */
static bool add_tokenizer(json_t *facts, const char *folder, lt_error *err)
{
    enum { LIMIT_BYTES = 256 << 20 };
    char path[4096];
    if (!has_file(folder, "tokenizer.json"))
        return true;
    json_t *document = NULL;
    if (!lt_file_join(path, sizeof path, folder, "tokenizer.json", err) ||
        !(document = lt_json_load(path, LIMIT_BYTES, err)))
        return false;
    const json_t *model = json_object_get(document, "model"), *kind = json_object_get(model, "type");
    const json_t *vocabulary = json_object_get(model, "vocab"), *added = json_object_get(document, "added_tokens");
    size_t count = json_is_object(vocabulary) ? json_object_size(vocabulary) : json_array_size(vocabulary), i;
    json_t *token;
    json_array_foreach((json_t *)added, i, token)
    {
        const char *content = json_string_value(json_object_get(token, "content"));
        count += json_is_object(vocabulary) && content && !json_object_get(vocabulary, content);
    }
    json_object_set_new(facts, "tokenizer",
                        json_pack("{s:s, s:I}", "kind", json_is_string(kind) ? json_string_value(kind) : "BPE",
                                  "vocabulary", (json_int_t)count));
    json_decref(document);
    return true;
}

static bool has_template(const char *folder)
{
    char path[4096];
    if (has_file(folder, "chat_template.jinja"))
        return true;
    if (!lt_file_join(path, sizeof path, folder, "tokenizer_config.json", NULL))
        return false;
    json_t *document = lt_json_load(path, 16 << 20, NULL);
    bool found = json_object_get(document, "chat_template") != NULL;
    json_decref(document);
    return found;
}

static bool add_model(json_t *facts, const char *folder, lt_safetensors **set, lt_error *err)
{
    lt_config config = {0};
    lt_error problem = {0};
    if (!add_document(facts, "config", folder, "config.json", err) || !lt_safetensors_open(set, folder, err) ||
        !add_tokenizer(facts, folder, err))
        return false;
    bool known = lt_family_load(folder, &config, &problem);
    if (known)
        add_sizes(facts, &config);
    else /* still worth looking at */
        json_object_set_new(facts, "problem", json_string(problem.message));
    add_weights(facts, *set, known && config.tied_head ? config.head_name : "");
    if (known)
        lt_config_free(&config);
    json_object_set_new(facts, "chat_template", json_boolean(has_template(folder)));
    json_object_set_new(facts, "adapters", list_folders(folder, "adapter_config.json"));
    return true;
}

/* ---- adapters and runs ---- */

static bool add_adapter(json_t *facts, const char *folder, lt_safetensors **set, lt_error *err)
{
    char path[4096];
    if (!add_document(facts, "config", folder, "adapter_config.json", err) ||
        !lt_file_join(path, sizeof path, folder, "adapter_model.safetensors", err))
        return false;
    if (!lt_safetensors_open(set, path, err))
        return false;
    add_weights(facts, *set, "");
    return true;
}

static bool add_run(json_t *facts, const char *folder, lt_error *err)
{
    json_object_set_new(facts, "checkpoints", list_folders(folder, "trainer_state.json"));
    return add_document(facts, "summary", folder, "summary.json", err) &&
           add_document(facts, "recipe", folder, "recipe.yaml", err);
}

static bool look(json_t *facts, const char *path, lt_safetensors **set, lt_error *err)
{
    if (!lt_file_is_folder(path)) {
        json_object_set_new(facts, "kind", json_string("file"));
        if (!lt_safetensors_open(set, path, err))
            return false;
        add_weights(facts, *set, "");
        return true;
    }
    bool run = has_file(path, "recipe.yaml") || has_file(path, "metrics.jsonl");
    bool adapter = has_file(path, "adapter_config.json"), model = !adapter && has_file(path, "config.json");
    if (!run && !adapter && !model)
        return lt_error_set(
            err, LT_ERR_FORMAT,
            "%s: expected a model (config.json), an adapter (adapter_config.json) or a run (recipe.yaml); found "
            "none of these files in the folder",
            path);
    json_object_set_new(facts, "kind", json_string(run ? "run" : adapter ? "adapter" : "model"));
    return (!model || add_model(facts, path, set, err)) && (!adapter || add_adapter(facts, path, set, err)) &&
           (!run || add_run(facts, path, err));
}

json_t *lt_inspect(const char *path, lt_safetensors **set, lt_error *err)
{
    *set = NULL;
    json_t *facts = json_object();
    if (look(facts, path, set, err))
        return facts;
    json_decref(facts);
    return NULL;
}
