/* Older layouts of a tokenizer's files. Each is turned into the tokenizer.json that it amounts to, so that one reader
 * serves all; a layout is one row of the table below. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/utf8.h"
#include "text/tokenizer_internal.h"
#include "text/tokenizer_layout.h"

enum { MAX_MERGES_BYTES = 64 << 20, MAX_MODEL_BYTES = 256 << 20 };

/* The steps around a BPE model of vocab.json and merges.txt, which these files do not give: they are part of the class
 * that tokenizer_config.json names. */
static const struct {
    const char *class_name;
    const char *parts; /* JSON; %s is true or false, add_prefix_space */
} bpe_classes[] = {
    {"GPT2Tokenizer", "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":%s},"
                      "\"decoder\":{\"type\":\"ByteLevel\"}}"},
    {"Qwen2Tokenizer",
     "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
     "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+"
     "|"
     "\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},"
     "\"behavior\":\"Isolated\",\"invert\":false},"
     "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"use_regex\":false}]},\"decoder\":{\"type\":\"ByteLevel\"}}"},
};

/* Appends the lines of a merges.txt to `list`. */
static bool read_merges(const char *path, json_t *list, lt_error *err)
{
    char *text = NULL;
    size_t size = 0, line = 0, bad;
    if (!lt_file_read(path, MAX_MERGES_BYTES, &text, &size, err))
        return false;
    bool ok =
        lt_utf8_valid(text, size, &bad) || lt_error_set(err, LT_ERR_FORMAT, "%s: byte %zu is not UTF-8", path, bad);
    for (char *at = text; ok && at < text + size; line++) {
        char *end = memchr(at, '\n', size - (size_t)(at - text)), *next = end ? end + 1 : text + size;
        end = end ? end : text + size;
        if (end > at && end[-1] == '\r')
            end--;
        if (end > at && !(line == 0 && !strncmp(at, "#version", 8)) &&
            json_array_append_new(list, json_stringn_nocheck(at, (size_t)(end - at))))
            ok = lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
        at = next;
    }
    free(text);
    return ok;
}

/* The class of a tokenizer, without the "Fast" of its faster twin. */
static bool class_is(const char *name, const char *class_name)
{
    size_t n = strlen(class_name);
    return name && !strncmp(name, class_name, n) && (!name[n] || !strcmp(name + n, "Fast"));
}

/* What tokenizer_config.json calls the tokenizer, or what its model's family uses; NULL when neither says. */
static bool class_name_of(const lt_tokenizer_config *config, const char **name, lt_error *err)
{
    static const char *const usual[][2] = {{"gpt2", "GPT2Tokenizer"}, {"qwen2", "Qwen2Tokenizer"}, {"qwen3", "Qwen2Tokenizer"},
                                           {"llama", "LlamaTokenizer"}, {"gemma", "GemmaTokenizer"}, {"bert", "BertTokenizer"}};
    lt_json root = lt_json_root(config->config, config->path[0]), model = lt_json_root(config->model, config->path[3]);
    const char *type = "";
    *name = NULL;
    if (config->config && !lt_json_get_string(&root, "tokenizer_class", name, err))
        return false;
    if (*name || !config->model)
        return true;
    if (!lt_json_get_string(&model, "model_type", &type, err))
        return false;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!strncmp(type, usual[i][0], strlen(usual[i][0])))
            *name = usual[i][1];
    return true;
}

/* A special token by its role, from tokenizer_config.json or special_tokens_map.json; fallback when neither has the key. */
static const char *named_token(const lt_tokenizer_config *config, const char *role, const char *fallback)
{
    json_t *const files[] = {config->config, config->map};
    for (int i = 0; i < 2; i++) {
        json_t *value = json_object_get(files[i], role), *content = json_object_get(value, "content");
        if (json_is_string(value) || json_is_string(content))
            return json_string_value(content ? content : value);
        if (json_is_null(value))
            return NULL;
    }
    return fallback;
}

static const char *const roles[] = {"unk_token", "bos_token", "eos_token", "pad_token", "sep_token", "cls_token", "mask_token"};
enum { ROLES = sizeof roles / sizeof *roles };

/* root's added_tokens: the tokens of these roles that the vocabulary has, as special ones. defaults (ROLES) may be NULL. */
static bool add_roles(json_t *root, const lt_tokenizer_config *config, const json_t *vocab, const char *const *defaults, lt_error *err)
{
    json_t *list = json_array();
    for (int i = 0; list && i < ROLES; i++) {
        const char *token = named_token(config, roles[i], defaults ? defaults[i] : NULL);
        json_t *id = token ? json_object_get(vocab, token) : NULL, *other;
        size_t at;
        bool there = false;
        json_array_foreach(list, at, other) there |= !strcmp(json_string_value(json_object_get(other, "content")), token ? token : "");
        if (id && !there)
            json_array_append_new(list, json_pack("{s:O, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", token, "single_word", 0,
                                                  "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
    }
    return (list && json_object_set_new(root, "added_tokens", list) == 0) ||
           lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
}

static bool class_parts(const lt_tokenizer_config *config, json_t **parts, lt_error *err)
{
    lt_json root = lt_json_root(config->config, config->path[0]);
    const char *name;
    bool space = false;
    if (!class_name_of(config, &name, err) || (config->config && !lt_json_get_bool(&root, "add_prefix_space", &space, err)))
        return false;
    if (!name)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a 'tokenizer_class', which says how the vocabulary is used; found none",
                            config->path[0]);
    for (size_t i = 0; i < sizeof bpe_classes / sizeof *bpe_classes; i++)
        if (class_is(name, bpe_classes[i].class_name)) {
            char text[1024];
            snprintf(text, sizeof text, bpe_classes[i].parts, space ? "true" : "false");
            *parts = json_loads(text, 0, NULL);
            return *parts || lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
        }
    return lt_json_error(&root, err, LT_ERR_UNSUPPORTED,
                         "lathe does not know how \"%.60s\" cuts a text; a tokenizer.json would say", name);
}

/* vocab.json and merges.txt. */
static json_t *load_bpe(const char *folder, const lt_tokenizer_config *config, const char *path, lt_error *err)
{
    char merges_path[4096];
    json_t *vocab = NULL, *parts = NULL, *merges = json_array();
    bool ok = merges && lt_file_join(merges_path, sizeof merges_path, folder, "merges.txt", err) &&
              (vocab = lt_tokenizer_json_load(path, err)) && class_parts(config, &parts, err) &&
              read_merges(merges_path, merges, err);
    if (ok) {
        json_t *model = json_pack("{s:s, s:O, s:O}", "type", "BPE", "vocab", vocab, "merges", merges);
        static const char *const usual[ROLES] = {"<|endoftext|>", NULL, "<|endoftext|>", NULL, NULL, NULL, NULL};
        ok = (model && json_object_set_new(parts, "model", model) == 0) || lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
        ok = ok && add_roles(parts, config, vocab, usual, err);
    }
    json_decref(vocab);
    json_decref(merges);
    if (!ok) {
        json_decref(parts);
        parts = NULL;
    }
    return parts;
}

/* ---- vocab.txt: BERT ---- */

/* One token a line, whose number is its id. */
static json_t *read_lines(const char *path, lt_error *err)
{
    char *text = NULL;
    size_t size = 0, bad;
    json_int_t id = 0;
    json_t *vocab = json_object();
    bool ok = vocab && lt_file_read(path, MAX_MERGES_BYTES, &text, &size, err);
    if (ok && !lt_utf8_valid(text, size, &bad))
        ok = lt_error_set(err, LT_ERR_FORMAT, "%s: byte %zu is not UTF-8", path, bad);
    if (ok && memchr(text, 0, size))
        ok = lt_error_set(err, LT_ERR_FORMAT, "%s: expected one token a line, found a NUL", path);
    for (char *at = text; ok && at < text + size; id++) {
        char *end = memchr(at, '\n', size - (size_t)(at - text)), *next = end ? end + 1 : text + size;
        end = end ? end : text + size;
        if (end > at && end[-1] == '\r')
            end--;
        char *token = strndup(at, (size_t)(end - at));
        if (!token || json_object_set_new_nocheck(vocab, token, json_integer(id)))
            ok = lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
        free(token);
        at = next;
    }
    free(text);
    if (ok)
        return vocab;
    json_decref(vocab);
    return NULL;
}

/* [CLS] text [SEP]; null when the vocabulary lacks one of them. */
static json_t *bert_frame(const json_t *vocab, const char *cls, const char *sep)
{
    json_t *cls_id = json_object_get(vocab, cls ? cls : ""), *sep_id = json_object_get(vocab, sep ? sep : "");
    if (!cls_id || !sep_id || cls_id == sep_id)
        return json_null();
    return json_pack("{s:s, s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}, {s:{s:s, s:i}}], s:[], s:{s:{s:s, s:[O], s:[s]}, s:{s:s, s:[O], s:[s]}}}",
                     "type", "TemplateProcessing", "single", "SpecialToken", "id", cls, "type_id", 0, "Sequence", "id", "A", "type_id", 0,
                     "SpecialToken", "id", sep, "type_id", 0, "pair", "special_tokens", cls, "id", cls, "ids", cls_id, "tokens", cls, sep,
                     "id", sep, "ids", sep_id, "tokens", sep);
}

static json_t *load_bert(const char *folder, const lt_tokenizer_config *config, const char *path, lt_error *err)
{
    static const char *const usual[ROLES] = {"[UNK]", NULL, NULL, "[PAD]", "[SEP]", "[CLS]", "[MASK]"};
    lt_json given = lt_json_root(config->config, config->path[0]);
    bool lower = true, chinese = true, strip = false;
    (void)folder;
    if (config->config && (!lt_json_get_bool(&given, "do_lower_case", &lower, err) ||
                           !lt_json_get_bool(&given, "tokenize_chinese_chars", &chinese, err) ||
                           !lt_json_get_bool(&given, "strip_accents", &strip, err)))
        return NULL;
    json_t *vocab = read_lines(path, err), *root = NULL;
    if (!vocab)
        return NULL;
    const char *unk = named_token(config, "unk_token", usual[0]), *sep = named_token(config, "sep_token", usual[4]),
               *cls = named_token(config, "cls_token", usual[5]);
    json_t *accents = config->config && lt_json_has(&given, "strip_accents") ? json_boolean(strip) : json_null();
    root = json_pack("{s:{s:s, s:b, s:b, s:o, s:b}, s:{s:s}, s:{s:s, s:s, s:b}, s:{s:s, s:s, s:s, s:i, s:O}, s:o}", "normalizer", "type",
                     "BertNormalizer", "clean_text", 1, "handle_chinese_chars", chinese, "strip_accents", accents, "lowercase", lower,
                     "pre_tokenizer", "type", "BertPreTokenizer", "decoder", "type", "WordPiece", "prefix", "##", "cleanup", 1, "model",
                     "type", "WordPiece", "unk_token", unk ? unk : "[UNK]", "continuing_subword_prefix", "##",
                     "max_input_chars_per_word", 100, "vocab", vocab, "post_processor", bert_frame(vocab, cls, sep));
    bool ok = root || lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    ok = ok && add_roles(root, config, vocab, usual, err);
    json_decref(vocab);
    if (ok)
        return root;
    json_decref(root);
    return NULL;
}

/* ---- tokenizer.model and tiktoken files ---- */

static json_t *load_model(const char *folder, const lt_tokenizer_config *config, const char *path, lt_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    const char *name;
    (void)folder;
    if (!class_name_of(config, &name, err) || !lt_file_read(path, MAX_MODEL_BYTES, &bytes, &size, err))
        return NULL;
    json_t *root = (lt_tokenizer_is_tiktoken(bytes, size) ? lt_tokenizer_tiktoken_root : lt_tokenizer_spm_root)(bytes, size, path, name, err);
    free(bytes);
    return root;
}

/* The layouts: the file whose presence tells one, and its reader. */
static const struct {
    const char *file;
    json_t *(*load)(const char *folder, const lt_tokenizer_config *config, const char *path, lt_error *err);
} layouts[] = {{"vocab.json", load_bpe},      {"tokenizer.model", load_model}, {"spiece.model", load_model},
                   {"tiktoken.model", load_model}, {"qwen.tiktoken", load_model},   {"vocab.txt", load_bert}};

bool lt_tokenizer_exists(const char *folder)
{
    char path[4096];
    lt_error err;
    bool found = lt_file_join(path, sizeof path, folder, "tokenizer.json", &err) && lt_file_exists(path);
    for (size_t i = 0; !found && i < sizeof layouts / sizeof *layouts; i++)
        found = lt_file_join(path, sizeof path, folder, layouts[i].file, &err) && lt_file_exists(path);
    return found;
}

json_t *lt_tokenizer_layout_load(const char *folder, const lt_tokenizer_config *config, char path[4096], lt_error *err)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (!lt_file_join(path, 4096, folder, layouts[i].file, err))
            return NULL;
        if (lt_file_exists(path))
            return layouts[i].load(folder, config, path, err);
    }
    lt_error_set(err, LT_ERR_IO, "%s: has no tokenizer.json", folder);
    return NULL;
}
