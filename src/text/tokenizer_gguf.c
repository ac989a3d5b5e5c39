/* A vocabulary in GGUF metadata becomes the tokenizer.json that it was made from, as far as its ids go. */
#include "text/tokenizer_gguf_source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"



bool lt_gguf_source_bad(const lt_gguf_source *s, lt_status status, const char *text)
{
    return lt_error_set(s->err, status, "%s: %s", s->file->path, text);
}

bool lt_gguf_source_no_memory(const lt_gguf_source *s)
{
    return lt_gguf_source_bad(s, LT_ERR_MEMORY, "out of memory for its tokenizer");
}

bool lt_tokenizer_gguf_has(const lt_gguf *file)
{
    lt_gguf_string model = {NULL, 0};
    return lt_gguf_find(file, "tokenizer.ggml.tokens") && lt_gguf_get_string(file, "tokenizer.ggml.model", &model, NULL) &&
           model.data && !(model.size == 4 && !memcmp(model.data, "none", 4));
}

bool lt_gguf_string_is(lt_gguf_string text, const char *what)
{
    return text.size == strlen(what) && memcmp(text.data, what, text.size) == 0;
}

int lt_gguf_token_type(const lt_gguf_source *s, uint64_t id)
{
    int64_t type = LT_GGUF_TOKEN_NORMAL;
    if (s->types)
        lt_gguf_number(s->types, id, NULL, &type);
    return (int)type;
}

double lt_gguf_token_score(const lt_gguf_source *s, uint64_t id)
{
    double score = 0;
    if (s->scores)
        lt_gguf_number(s->scores, id, &score, NULL);
    return score;
}

bool lt_gguf_source_open(lt_gguf_source *s)
{
    const lt_gguf_entry *tokens = lt_gguf_find(s->file, "tokenizer.ggml.tokens");
    size_t at;
    if (!tokens)
        return lt_gguf_source_bad(s, LT_ERR_FORMAT, "expected the key 'tokenizer.ggml.tokens', found none");
    if (tokens->count > LT_GGUF_MOST_TOKENS)
        return lt_error_set(s->err, LT_ERR_FORMAT, "%s: 'tokenizer.ggml.tokens': %" PRIu64 " tokens, at most %d are accepted",
                            s->file->path, tokens->count, LT_GGUF_MOST_TOKENS);
    if (!lt_gguf_strings(s->file, tokens, &s->tokens, s->err))
        return false;
    s->count = tokens->count;
    for (uint64_t i = 0; i < s->count; i++)
        if (!lt_utf8_valid(s->tokens[i].data, s->tokens[i].size, &at) || memchr(s->tokens[i].data, 0, s->tokens[i].size))
            return lt_error_set(s->err, LT_ERR_FORMAT, "%s: 'tokenizer.ggml.tokens': token %" PRIu64 " is not UTF-8 without NUL",
                                s->file->path, i);
    s->types = lt_gguf_find(s->file, "tokenizer.ggml.token_type");
    s->scores = lt_gguf_find(s->file, "tokenizer.ggml.scores");
    if ((s->types && s->types->count != s->count) || (s->scores && s->scores->count != s->count))
        return lt_gguf_source_bad(s, LT_ERR_FORMAT, "'tokenizer.ggml.tokens', 'token_type' and 'scores' differ in length");
    return true;
}

json_t *lt_gguf_string_json(lt_gguf_string text)
{
    return json_stringn_nocheck(text.data, text.size);
}

/* ---- added tokens ---- */

/* Phi-3's own files say that its added tokens swallow the white space after them; GGUF does not, so readers go by the
 * model's name. */
static bool strips_right(const lt_gguf_source *s, lt_gguf_string token)
{
    static const char *const plain[] = {"<unk>", "<s>", "<|endoftext|>"};
    lt_gguf_string name = {NULL, 0};
    char lower[128];
    if (!lt_gguf_get_string(s->file, "general.name", &name, NULL) || !name.data)
        return false;
    size_t n = name.size < sizeof lower - 1 ? name.size : sizeof lower - 1;
    for (size_t i = 0; i < n; i++)
        lower[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] + 32) : name.data[i];
    lower[n] = '\0';
    if (!strstr(lower, "phi-3") && !strstr(lower, "phi3"))
        return false;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (lt_gguf_string_is(token, plain[i]))
            return false;
    return true;
}

static json_t *added_tokens(const lt_gguf_source *s)
{
    json_t *list = json_array();
    for (uint64_t i = 0; list && i < s->count; i++) {
        int type = lt_gguf_token_type(s, i);
        bool special = type == LT_GGUF_TOKEN_CONTROL || type == LT_GGUF_TOKEN_UNKNOWN;
        if ((!special && type != LT_GGUF_TOKEN_USER) || s->tokens[i].size == 0)
            continue;
        json_t *token = json_pack("{s:I, s:o, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)i, "content", lt_gguf_string_json(s->tokens[i]),
                                  "single_word", 0, "lstrip", 0, "rstrip", strips_right(s, s->tokens[i]), "normalized", 0,
                                  "special", special);
        if (!token || json_array_append_new(list, token)) {
            json_decref(list);
            list = NULL;
        }
    }
    if (!list)
        lt_gguf_source_no_memory(s);
    return list;
}

/* ---- the whole ---- */

int64_t lt_gguf_unknown_id(const lt_gguf_source *s)
{
    int64_t id = -1;
    if (!lt_gguf_get_int(s->file, "tokenizer.ggml.unknown_token_id", -1, UINT32_MAX, &id, NULL) || id < 0)
        for (uint64_t i = 0; id < 0 && i < s->count; i++)
            if (lt_gguf_token_type(s, i) == LT_GGUF_TOKEN_UNKNOWN)
                id = (int64_t)i;
    return id >= 0 && (uint64_t)id < s->count ? id : -1;
}

const lt_gguf_pre *lt_gguf_source_pre(const lt_gguf_source *s)
{
    lt_gguf_string name = {"", 0};
    if (!lt_gguf_get_string(s->file, "tokenizer.ggml.pre", &name, s->err))
        return NULL;
    const lt_gguf_pre *pre = lt_gguf_pre_find(name.data, name.size);
    char nearest[64];
    if (!pre && lt_gguf_pre_nearest(name.data, name.size, nearest, sizeof nearest))
        lt_error_set(s->err, LT_ERR_UNSUPPORTED,
                     "%s: 'tokenizer.ggml.pre': lathe does not know how \"%.*s\" cuts a text; the nearest name that it knows is \"%s\"",
                     s->file->path, name.size < 60 ? (int)name.size : 60, name.data, nearest);
    return pre;
}

const lt_gguf_kind *lt_gguf_kind_find(const lt_gguf *file, lt_error *err)
{
    static const lt_gguf_kind kinds[] = {
        {"gpt2", lt_gguf_root_bytes, false, false, true},    {"llama", lt_gguf_root_pieces, true, false, false},
        {"bert", lt_gguf_root_words, true, true, false},     {"t5", lt_gguf_root_unigram, false, true, false},
        {"gemma4", lt_gguf_root_merged_pieces, true, false, false},
    };
    lt_gguf_string model = {"", 0};
    if (!lt_gguf_get_string(file, "tokenizer.ggml.model", &model, err))
        return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (lt_gguf_string_is(model, kinds[i].model))
            return &kinds[i];
    lt_error_set(err, LT_ERR_UNSUPPORTED,
                 "%s: 'tokenizer.ggml.model': a vocabulary of kind \"%.*s\" is not read (gpt2, llama, bert, t5 and gemma4 are)",
                 file->path, model.size < 60 ? (int)model.size : 60, model.data);
    return NULL;
}

json_t *lt_tokenizer_gguf_root(const lt_gguf *file, lt_error *err)
{
    lt_gguf_source s = {.file = file, .err = err};
    json_t *root = NULL, *added = NULL;
    const lt_gguf_kind *kind = lt_gguf_kind_find(file, err);
    if (kind && lt_gguf_source_open(&s) && (added = added_tokens(&s)))
        root = kind->root(&s);
    if (root && json_object_set(root, "added_tokens", added)) {
        lt_gguf_source_no_memory(&s);
        json_decref(root);
        root = NULL;
    }
    json_decref(added);
    free(s.tokens);
    return root;
}
