/* The files beside tokenizer.json: names of special tokens, ids that end a text, tokens added later. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "text/tokenizer_internal.h"

enum { MAX_CONFIG_BYTES = 16 << 20 };

bool lt_tokenizer_config_load(lt_tokenizer_config *config, const char *folder, lt_error *err)
{
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json", "generation_config.json",
                                        "config.json"};
    json_t **const roots[] = {&config->config, &config->map, &config->generation, &config->model};
    for (int i = 0; i < 4; i++) {
        if (!lt_file_join(config->path[i], sizeof config->path[i], folder, names[i], err))
            return false;
        if (!lt_file_exists(config->path[i]))
            continue;
        *roots[i] = lt_json_load(config->path[i], MAX_CONFIG_BYTES, err);
        if (!*roots[i])
            return false;
    }
    return true;
}

void lt_tokenizer_config_free(lt_tokenizer_config *config)
{
    json_decref(config->config);
    json_decref(config->map);
    json_decref(config->generation);
    json_decref(config->model);
}

/* Appends to `list` the token that added_tokens_decoder has under this id, with the defaults of its missing flags. */
static bool add_token(json_t *list, const lt_json *item, long id, lt_error *err)
{
    static const char *const flags[] = {"special", "single_word", "lstrip", "rstrip", "normalized"};
    if (!lt_json_object(item, err))
        return false;
    json_t *copy = json_copy((json_t *)item->value);
    bool ok = copy && json_object_set_new(copy, "id", json_integer(id)) == 0;
    for (int i = 0; ok && i < 5; i++)
        if (!json_object_get(copy, flags[i]))
            ok = json_object_set_new(copy, flags[i], json_boolean(i == 4)) == 0;
    if (!ok || json_array_append(list, copy))
        ok = lt_error_set(err, LT_ERR_MEMORY, "out of memory for added tokens");
    json_decref(copy);
    return ok;
}

static int by_number(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* The keys of added_tokens_decoder, which are ids, in order; malloc'ed. */
static bool sorted_ids(const lt_json *decoder, long **ids, size_t *count, lt_error *err)
{
    const char *key;
    json_t *value;
    *count = 0;
    *ids = malloc((json_object_size(decoder->value) + 1) * sizeof **ids);
    if (!*ids)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for added tokens");
    json_object_foreach((json_t *)decoder->value, key, value)
    {
        char *end;
        lt_json item = {.value = value, .parent = decoder, .key = key};
        long id = strtol(key, &end, 10);
        if (*key < '0' || *key > '9' || *end || id > LT_VOCAB_MAX_ID)
            return lt_json_error(&item, err, LT_ERR_FORMAT, "the key is not an id");
        (*ids)[(*count)++] = id;
    }
    qsort(*ids, *count, sizeof **ids, by_number);
    return true;
}

bool lt_tokenizer_config_add_tokens(const lt_tokenizer_config *config, json_t *root, lt_error *err)
{
    lt_json file = lt_json_root(config->config, config->path[0]), decoder;
    if (!config->config || !lt_json_member(&file, "added_tokens_decoder", &decoder))
        return true;
    json_t *list = json_object_get(root, "added_tokens"), *known = json_object();
    long *ids = NULL;
    size_t count = 0;
    bool ok = known && lt_json_object(&decoder, err) && sorted_ids(&decoder, &ids, &count, err);
    if (ok && !json_is_array(list)) {
        if (list && !json_is_null(list)) /* malformed; reading it will say so */
            goto done;
        list = json_array();
        ok = list && json_object_set_new(root, "added_tokens", list) == 0;
    }
    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        const char *content = json_string_value(json_object_get(json_array_get(list, i), "content"));
        if (content)
            json_object_set_new(known, content, json_true());
    }
    for (size_t i = 0; ok && i < count; i++) {
        char key[24];
        snprintf(key, sizeof key, "%ld", ids[i]);
        const json_t *value = json_object_get(decoder.value, key);
        lt_json item = {.value = value, .parent = &decoder, .key = key};
        const char *content = json_string_value(json_object_get(value, "content"));
        if (!content || !json_object_get(known, content)) /* without content, reading it says what is wrong */
            ok = add_token(list, &item, ids[i], err);
    }
done:
    free(ids);
    json_decref(known);
    return ok;
}

static const char *text_of(const json_t *value)
{
    return json_is_object(value) ? json_string_value(json_object_get(value, "content")) : json_string_value(value);
}

static bool name_token(lt_tokenizer *t, const char *name, const json_t *value, lt_error *err)
{
    const char *text = text_of(value);
    if (!text)
        return true;
    for (size_t i = 0; i < t->named.count; i++)
        if (!strcmp(t->named.data[i].name, name))
            return true;
    if (!lt_grow(&t->named.data, &t->named.capacity, t->named.count + 1, sizeof *t->named.data, err))
        return false;
    lt_named_token named = {lt_text_copy(name, strlen(name), err), lt_text_copy(text, strlen(text), err)};
    if (!named.name || !named.text) {
        free(named.name);
        free(named.text);
        return false;
    }
    t->named.data[t->named.count++] = named;
    return true;
}

/* Every "…_token" of an object that is a string or {"content": string}. */
static bool name_tokens(lt_tokenizer *t, json_t *object, lt_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        size_t size = strlen(name);
        if (size > 6 && !strcmp(name + size - 6, "_token") && !name_token(t, name, value, err))
            return false;
    }
    return true;
}

/* An id, or a list of ids, of generation_config.json or config.json. */
static bool read_ids(const lt_tokenizer *t, const json_t *root, const char *file, const char *key, lt_ids *out,
                     lt_error *err)
{
    lt_json at = lt_json_root(root, file), list;
    if (!root || !lt_json_member(&at, key, &list))
        return true;
    bool is_list = json_is_array(list.value);
    size_t count = is_list ? json_array_size(list.value) : 1;
    for (size_t i = 0; i < count; i++) {
        lt_json item = is_list ? lt_json_element(&list, i) : list;
        int64_t id;
        if (!lt_json_int(&item, -1, INT32_MAX, &id, err))
            return false;
        bool known = !lt_tokenizer_token(t, (int32_t)id, NULL); /* a config of another vocabulary: nothing to stop at */
        for (size_t k = 0; k < out->count; k++)
            known = known || out->data[k] == id;
        if (!known && !lt_ids_push(out, (int32_t)id, err))
            return false;
    }
    return true;
}

static bool find_special_ids(lt_tokenizer *t, const lt_tokenizer_config *config, lt_error *err)
{
    static const struct {
        lt_special which;
        const char *key;
    } keys[] = {{LT_SPECIAL_BOS, "bos_token_id"}, {LT_SPECIAL_EOS, "eos_token_id"}, {LT_SPECIAL_PAD, "pad_token_id"}};
    for (int which = 0; which < LT_SPECIAL_COUNT; which++)
        t->special_ids[which] = -1;
    for (int which = 0; which < LT_SPECIAL_COUNT; which++) {
        const char *text = lt_tokenizer_special_token(t, (lt_special)which);
        t->special_ids[which] = text ? lt_tokenizer_id(t, text, strlen(text)) : -1;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        lt_ids ids = {0};
        bool ok = read_ids(t, config->generation, config->path[2], keys[i].key, &ids, err) &&
                  (ids.count || read_ids(t, config->model, config->path[3], keys[i].key, &ids, err));
        int32_t *id = &t->special_ids[keys[i].which];
        if (ok && *id < 0 && ids.count)
            *id = ids.data[0];
        if (ok && keys[i].which == LT_SPECIAL_EOS) {
            ok = lt_ids_append(&t->stop_ids, ids.data, ids.count, err);
            bool known = *id < 0;
            for (size_t k = 0; k < ids.count; k++)
                known = known || ids.data[k] == *id;
            ok = ok && (known || lt_ids_push(&t->stop_ids, *id, err));
        }
        lt_ids_free(&ids);
        if (!ok)
            return false;
    }
    if (t->special_ids[LT_SPECIAL_UNK] < 0)
        t->special_ids[LT_SPECIAL_UNK] = t->model->unk_id;
    return true;
}

/* add_bos_token and add_eos_token, where tokenizer_config.json gives either, decide the frame instead of the
 * post-processor: so transformers has it. */
static bool apply_frame(lt_tokenizer *t, const lt_tokenizer_config *config, lt_error *err)
{
    lt_json root = lt_json_root(config->config, config->path[0]);
    bool bos = false, eos = false;
    if (!config->config || (!lt_json_has(&root, "add_bos_token") && !lt_json_has(&root, "add_eos_token")))
        return true;
    if (!lt_json_get_bool(&root, "add_bos_token", &bos, err) || !lt_json_get_bool(&root, "add_eos_token", &eos, err))
        return false;
    int32_t bos_id = t->special_ids[LT_SPECIAL_BOS], eos_id = t->special_ids[LT_SPECIAL_EOS];
    t->frame.count = t->pair.frame.count = t->pair.types.count = 0;
    for (int32_t text = LT_FRAME_TEXT; text >= LT_FRAME_SECOND; text--) { /* in a pair each text has both */
        int32_t entry[3] = {bos ? bos_id : -1, text, eos ? eos_id : -1};
        for (int i = 0; i < 3; i++)
            if ((i == 1 || entry[i] >= 0) &&
                ((text == LT_FRAME_TEXT && !lt_ids_push(&t->frame, entry[i], err)) || !lt_ids_push(&t->pair.frame, entry[i], err) ||
                 !lt_ids_push(&t->pair.types, text == LT_FRAME_SECOND, err)))
                return false;
    }
    return true;
}

bool lt_tokenizer_config_apply(const lt_tokenizer_config *config, lt_tokenizer *t, lt_error *err)
{
    return name_tokens(t, config->config, err) &&
           name_tokens(t, json_object_get(config->config, "extra_special_tokens"), err) &&
           name_tokens(t, config->map, err) && find_special_ids(t, config, err) && apply_frame(t, config, err);
}
