/* Older layouts of a tokenizer's files. Each is turned into the tokenizer.json that it amounts to, so that one reader
 * serves all; a layout is one row of the table below. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/utf8.h"
#include "text/tokenizer_internal.h"

enum { MAX_MERGES_BYTES = 64 << 20 };

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

static bool class_parts(const lt_tokenizer_config *config, json_t **parts, lt_error *err)
{
    lt_json root = lt_json_root(config->config, config->path[0]);
    const char *name;
    bool space = false;
    if (!config->config)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: is missing; it says how the vocabulary is used", config->path[0]);
    if (!lt_json_need_string(&root, "tokenizer_class", &name, err) ||
        !lt_json_get_bool(&root, "add_prefix_space", &space, err))
        return false;
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
        ok = model && json_object_set_new(parts, "model", model) == 0;
        if (!ok)
            lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    }
    json_decref(vocab);
    json_decref(merges);
    if (!ok) {
        json_decref(parts);
        parts = NULL;
    }
    return parts;
}

json_t *lt_tokenizer_layout_load(const char *folder, const lt_tokenizer_config *config, char path[4096], lt_error *err)
{
    static const struct {
        const char *file; /* whose presence tells the layout */
        json_t *(*load)(const char *folder, const lt_tokenizer_config *config, const char *path, lt_error *err);
        /* NULL: known by name only */
    } layouts[] = {{"vocab.json", load_bpe}, {"tokenizer.model", NULL}, {"vocab.txt", NULL}};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (!lt_file_join(path, 4096, folder, layouts[i].file, err))
            return NULL;
        if (!lt_file_exists(path))
            continue;
        if (layouts[i].load)
            return layouts[i].load(folder, config, path, err);
        lt_error_set(err, LT_ERR_UNSUPPORTED,
                     "%s: lathe does not read this kind of tokenizer; it needs a tokenizer.json", path);
        return NULL;
    }
    lt_error_set(err, LT_ERR_IO, "%s: has no tokenizer.json", folder);
    return NULL;
}
