/* What a GGUF file says beside its vocabulary, as tokenizer_config.json and generation_config.json have it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_gguf_source.h"

static bool set_role(json_t *config, const lt_gguf_source *s, const char *role, const char *key)
{
    int64_t id = -1;
    if (!lt_gguf_get_int(s->file, key, -1, UINT32_MAX, &id, s->err))
        return false;
    if (id < 0 || (uint64_t)id >= s->count)
        return true; /* "none", or a padding token that the vocabulary was never given */
    return json_object_set_new(config, role, lt_gguf_string_json(s->tokens[id])) == 0 || lt_gguf_source_no_memory(s);
}

static bool set_frame(json_t *config, const lt_gguf_source *s)
{
    const lt_gguf_kind *kind = lt_gguf_kind_find(s->file, s->err);
    if (!kind)
        return false;
    bool bos = kind->add_bos, eos = kind->add_eos;
    if (kind->has_pre) {
        const lt_gguf_pre *pre = lt_gguf_source_pre(s);
        if (!pre)
            return false;
        bos = pre->add_bos;
    }
    if (!lt_gguf_get_bool(s->file, "tokenizer.ggml.add_bos_token", &bos, s->err) ||
        !lt_gguf_get_bool(s->file, "tokenizer.ggml.add_eos_token", &eos, s->err) ||
        !lt_gguf_get_bool(s->file, "tokenizer.ggml.add_sep_token", &eos, s->err))
        return false;
    return (json_object_set_new(config, "add_bos_token", json_boolean(bos)) == 0 &&
            json_object_set_new(config, "add_eos_token", json_boolean(eos)) == 0) ||
           lt_gguf_source_no_memory(s);
}

static bool set_templates(json_t *config, const lt_gguf_source *s)
{
    lt_gguf_string text = {NULL, 0};
    static const char prefix[] = "tokenizer.chat_template.";
    if (!lt_gguf_get_string(s->file, "tokenizer.chat_template", &text, s->err))
        return false;
    json_t *list = json_array();
    if (text.data)
        json_array_append_new(list, json_pack("{s:s, s:o*}", "name", "default", "template", json_stringn(text.data, text.size)));
    for (int64_t i = 0; i < s->file->entry_count; i++) {
        const lt_gguf_entry *entry = &s->file->entries[i];
        lt_gguf_string other = {NULL, 0};
        if (strncmp(entry->key, prefix, sizeof prefix - 1) || !lt_gguf_get_string(s->file, entry->key, &other, NULL))
            continue;
        json_array_append_new(list, json_pack("{s:s, s:o*}", "name", entry->key + sizeof prefix - 1, "template",
                                              json_stringn(other.data, other.size)));
    }
    bool ok = true;
    if (json_array_size(list) == 1 && text.data) {
        json_t *only = json_object_get(json_array_get(list, 0), "template");
        ok = !only || json_object_set(config, "chat_template", only) == 0;
    } else if (json_array_size(list) > 0)
        ok = json_object_set(config, "chat_template", list) == 0;
    json_decref(list);
    return ok || lt_gguf_source_no_memory(s);
}

json_t *lt_tokenizer_gguf_config(const lt_gguf *file, lt_error *err)
{
    static const char *const roles[][2] = {
        {"bos_token", "tokenizer.ggml.bos_token_id"},       {"eos_token", "tokenizer.ggml.eos_token_id"},
        {"unk_token", "tokenizer.ggml.unknown_token_id"},   {"pad_token", "tokenizer.ggml.padding_token_id"},
        {"sep_token", "tokenizer.ggml.seperator_token_id"}, {"cls_token", "tokenizer.ggml.cls_token_id"},
        {"mask_token", "tokenizer.ggml.mask_token_id"},
    };
    lt_gguf_source s = {.file = file, .err = err};
    json_t *config = json_object();
    bool ok = (config || lt_gguf_source_no_memory(&s)) && lt_gguf_source_open(&s) && set_frame(config, &s) && set_templates(config, &s);
    for (size_t i = 0; ok && i < sizeof roles / sizeof *roles; i++)
        ok = set_role(config, &s, roles[i][0], roles[i][1]);
    free(s.tokens);
    if (ok)
        return config;
    json_decref(config);
    return NULL;
}

json_t *lt_tokenizer_gguf_generation(const lt_gguf *file, lt_error *err)
{
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    static const char *const others[][2] = {{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                            {"pad_token_id", "tokenizer.ggml.padding_token_id"}};
    json_t *config = json_object(), *list = json_array();
    bool ok = true;
    for (size_t i = 0; ok && i < 3; i++) {
        int64_t id = -1;
        ok = lt_gguf_get_int(file, ends[i], -1, UINT32_MAX, &id, err);
        if (ok && id >= 0 && id <= INT32_MAX)
            json_array_append_new(list, json_integer(id));
    }
    for (size_t i = 0; ok && i < 2; i++) {
        int64_t id = -1;
        ok = lt_gguf_get_int(file, others[i][1], -1, UINT32_MAX, &id, err);
        if (ok && id >= 0 && id <= INT32_MAX)
            json_object_set_new(config, others[i][0], json_integer(id));
    }
    if (ok && json_array_size(list) > 0)
        json_object_set(config, "eos_token_id", list);
    json_decref(list);
    if (ok)
        return config;
    json_decref(config);
    return NULL;
}
