#include "cli/inspect.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "models/family.h"
#include "models/gguf.h"

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
        bool buffer = !strncmp(info->name, "rope_f", 6); /* a GGUF's factors of positions */
        if (lt_dtype_get(info->dtype)->is_float && strcmp(info->name, counted_twice) != 0 && !buffer) /* no buffers of positions */
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
    int windowed = 0, sparse = 0, window = 0;
    for (int64_t l = 0; l < c->L; l++) {
        windowed += c->layers[l].window > 0;
        sparse += c->layers[l].sparse;
        window = c->layers[l].window > window ? c->layers[l].window : window;
    }
    const char *head = c->labels ? "classifier" : !*c->head_name ? "none" : c->tied_head ? "embedding" : "own";
    json_object_set_new(facts, "head", json_string(head));
    json_object_set_new(facts, "encoder", json_boolean(c->bidirectional));
    if (c->labels)
        json_object_set_new(facts, "labels", json_integer(c->labels));
    if (windowed)
        json_object_update_new(facts, json_pack("{s:i, s:i}", "window", window, "windowed_layers", windowed));
    if (c->experts)
        json_object_update_new(facts, json_pack("{s:I, s:I, s:I, s:I, s:i}", "experts", (json_int_t)c->experts, "experts_per_token",
                                                (json_int_t)c->experts_per_token, "expert_width", (json_int_t)c->expert_F,
                                                "shared_expert_width", (json_int_t)c->shared_F, "sparse_layers", sparse));
}

/* Older layouts, which have no one file that says it all: the kind alone. */
static void add_old_tokenizer(json_t *facts, const char *folder)
{
    static const struct {
        const char *file, *beside, *kind;
    } known[] = {{"tokenizer.model", NULL, "SentencePiece or tiktoken (tokenizer.model)"},
                 {"vocab.json", "merges.txt", "BPE (vocab.json and merges.txt)"},
                 {"vocab.txt", NULL, "WordPiece (vocab.txt)"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (has_file(folder, known[i].file) && (!known[i].beside || has_file(folder, known[i].beside))) {
            json_object_set_new(facts, "tokenizer", json_pack("{s:s}", "kind", known[i].kind));
            return;
        }
}

/* "BPE" and the number of tokens, from tokenizer.json itself. */
static bool add_tokenizer(json_t *facts, const char *folder, lt_error *err)
{
    enum { LIMIT_BYTES = 256 << 20 };
    char path[4096];
    if (!has_file(folder, "tokenizer.json")) {
        add_old_tokenizer(facts, folder);
        return true;
    }
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

static bool add_mlx(json_t *facts, const char *folder, lt_safetensors **set, lt_error *err)
{
    char path[4096];
    if (!add_document(facts, "config", folder, "adapter_config.json", err) ||
        !lt_file_join(path, sizeof path, folder, "adapters.safetensors", err) || !lt_safetensors_open(set, path, err))
        return false;
    json_t *config = json_object_get(facts, "config"), *lora = json_object_get(config, "lora_parameters");
    static const char *const names[][2] = {{"rank", "r"}, {"scale", "scale"}, {"dropout", "lora_dropout"}, {"keys", "target_modules"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_object_get(lora, names[i][0]))
            json_object_set(config, names[i][1], json_object_get(lora, names[i][0]));
    if (!json_object_get(config, "peft_type"))
        json_object_set_new(config, "peft_type", json_string("LORA"));
    add_weights(facts, *set, "");
    return true;
}

/* ---- GGUF ---- */

/* Every entry of the metadata; a long array by its length. */
static json_t *gguf_metadata(const lt_gguf *file)
{
    json_t *all = json_object();
    for (int64_t i = 0; i < file->entry_count; i++) {
        const lt_gguf_entry *e = &file->entries[i];
        json_t *value = NULL;
        double real;
        int64_t integer;
        lt_gguf_string text;
        if (e->type == LT_GGUF_ARRAY)
            value = json_pack("{s:s, s:I}", "array", lt_gguf_type_name(e->element), "length", (json_int_t)e->count);
        else if (e->type == LT_GGUF_STRING && lt_gguf_get_string(file, e->key, &text, NULL))
            value = json_stringn(text.data, text.size);
        else if (e->type == LT_GGUF_BOOL)
            value = json_boolean(e->value[0]);
        else if (lt_gguf_number(e, 0, &real, &integer) && e->type != LT_GGUF_F32 && e->type != LT_GGUF_F64)
            value = json_integer(integer);
        else if (lt_gguf_number(e, 0, &real, NULL))
            value = json_real(real);
        if (value && json_object_set_new(all, e->key, value)) /* a key that is not UTF-8 */
            continue;
    }
    return all;
}

static void add_gguf_tokenizer(json_t *facts, const lt_gguf *file)
{
    lt_gguf_string model = {"", 0};
    const lt_gguf_entry *tokens = lt_gguf_find(file, "tokenizer.ggml.tokens");
    if (!tokens || !lt_gguf_get_string(file, "tokenizer.ggml.model", &model, NULL))
        return;
    const char *kind = model.size == 4 && !memcmp(model.data, "gpt2", 4)    ? "BPE"
                       : model.size == 5 && !memcmp(model.data, "llama", 5) ? "SentencePiece BPE"
                       : model.size == 4 && !memcmp(model.data, "bert", 4)  ? "WordPiece"
                       : model.size == 2 && !memcmp(model.data, "t5", 2)    ? "Unigram"
                       : model.size == 6 && !memcmp(model.data, "gemma4", 6) ? "BPE"
                                                                             : "unknown";
    json_object_set_new(facts, "tokenizer", json_pack("{s:s, s:I}", "kind", kind, "vocabulary", (json_int_t)tokens->count));
}

static bool is_gguf_adapter(const lt_gguf *file)
{
    lt_gguf_string type = {"", 0};
    return lt_gguf_get_string(file, "general.type", &type, NULL) && type.size == 7 && !memcmp(type.data, "adapter", 7);
}

/* The rank of a GGUF adapter, and the layers that it adapts by their last names: its tensors say both. */
static void add_gguf_ranks(json_t *facts, const lt_safetensors *set)
{
    static const char ending[] = ".weight.lora_b";
    json_t *config = json_object_get(facts, "config"), *targets = json_array(), *item;
    int64_t low = 0, high = 0;
    for (int64_t i = 0; i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *info = lt_safetensors_at(set, i);
        size_t n = strlen(info->name), k = strlen(ending), at;
        if (n <= k || strcmp(info->name + n - k, ending) || info->dims != 2)
            continue;
        size_t begin = n - k;
        while (begin > 0 && info->name[begin - 1] != '.')
            begin--;
        json_t *name = json_stringn(info->name + begin, n - k - begin);
        bool known = !name || json_array_size(targets) > 64;
        json_array_foreach(targets, at, item) known |= json_equal(item, name);
        if (!known)
            json_array_append(targets, name);
        json_decref(name);
        low = low && low < info->shape[1] ? low : info->shape[1];
        high = high > info->shape[1] ? high : info->shape[1];
    }
    if (high && low == high)
        json_object_set_new(config, "r", json_integer(high));
    else if (high)
        json_object_set_new(config, "r", json_sprintf("%lld to %lld", (long long)low, (long long)high));
    json_object_set_new(config, "target_modules", targets);
}

static bool add_gguf(json_t *facts, const char *path, lt_safetensors **set, lt_error *err)
{
    lt_gguf *file;
    lt_config config;
    lt_error problem = {0};
    if (!lt_gguf_open(&file, path, err))
        return false;
    bool adapter = is_gguf_adapter(file);
    bool vocabulary = !adapter && file->tensor_count == 0 && lt_gguf_find(file, "tokenizer.ggml.tokens");
    json_object_set_new(facts, "kind", json_string(adapter ? "adapter" : vocabulary ? "vocabulary" : "model"));
    json_object_set_new(facts, "format", json_string("gguf"));
    json_object_set_new(facts, "metadata", gguf_metadata(file));
    if (adapter) {
        double alpha = 0;
        lt_gguf_get_real(file, "adapter.lora.alpha", &alpha, NULL);
        json_object_set_new(facts, "config", json_pack("{s:s, s:f}", "peft_type", "LORA", "lora_alpha", alpha));
    } else if (vocabulary) { /* a tokenizer in a file of its own: no model to describe */
        json_object_set_new(facts, "config", json_object());
    } else if (lt_gguf_config_load(file, &config, &problem)) {
        json_object_set_new(facts, "config", lt_gguf_config_json(file, &problem));
        add_sizes(facts, &config);
        lt_config_free(&config);
    } else {
        json_object_set_new(facts, "config", json_object());
        json_object_set_new(facts, "problem", json_string(problem.message));
    }
    add_gguf_tokenizer(facts, file);
    json_object_set_new(facts, "chat_template", json_boolean(lt_gguf_find(file, "tokenizer.chat_template") != NULL));
    if (lt_gguf_tensors_raw(file, set, &problem)) {
        add_weights(facts, *set, "");
        if (adapter)
            add_gguf_ranks(facts, *set);
    }
    else
        json_object_set_new(facts, "problem", json_string(problem.message));
    lt_gguf_close(file);
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
    if (lt_gguf_is(path))
        return add_gguf(facts, path, set, err);
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
    if (adapter && has_file(path, "adapters.safetensors") && !has_file(path, "adapter_model.safetensors")) {
        json_object_set_new(facts, "kind", json_string("adapter"));
        json_object_set_new(facts, "format", json_string("mlx"));
        return add_mlx(facts, path, set, err);
    }
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
