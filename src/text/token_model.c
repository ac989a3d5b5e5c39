#include "text/token_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lt_token_model_kind *const kinds[] = {&lt_token_model_bpe, &lt_token_model_wordpiece,
                                                   &lt_token_model_wordlevel, &lt_token_model_unigram};

void lt_tokens_free(lt_tokens *tokens)
{
    free(tokens->ids);
    free(tokens->sizes);
    *tokens = (lt_tokens){0};
}

bool lt_tokens_reserve(lt_tokens *t, size_t more, lt_error *err)
{
    return lt_grow(&t->sizes, &t->sizes_capacity, t->count + more, sizeof *t->sizes, err) &&
           lt_grow(&t->ids, &t->ids_capacity, t->count + more, sizeof *t->ids, err);
}

void lt_token_model_scratch_free(lt_token_model_scratch *s)
{
    lt_word_cache_free(&s->cache);
    lt_textbuf_free(&s->text);
    free(s->nodes);
    free(s->heap);
    *s = (lt_token_model_scratch){0};
}

/* Files from before models carried their type. */
static const char *guess_type(const lt_json *at)
{
    if (json_is_array(json_object_get(at->value, "vocab")))
        return "Unigram";
    if (lt_json_has(at, "merges"))
        return "BPE";
    return lt_json_has(at, "continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

bool lt_token_model_open(lt_token_model **out, const lt_json *root, lt_error *err)
{
    lt_json at;
    const char *type = NULL;
    if (!lt_json_need_object(root, "model", &at, err) || !lt_json_get_string(&at, "type", &type, err))
        return false;
    if (!type)
        type = guess_type(&at);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(type, kinds[i]->type))
            return kinds[i]->open(out, &at, err);
    return lt_json_error(&at, err, LT_ERR_UNSUPPORTED,
                         "no model \"%.60s\" is known, only BPE, WordPiece, WordLevel and Unigram", type);
}

void lt_token_model_close(lt_token_model *model)
{
    if (model)
        model->kind->close(model);
}

bool lt_tokens_recall(lt_tokens *out, const lt_word_cache *cache, const char *text, size_t size, bool *found,
                      lt_error *err)
{
    const lt_word *word = size <= LT_WORD_CACHE_TEXT ? lt_word_cache_find(cache, text, size) : NULL;
    *found = word != NULL;
    if (!word)
        return true;
    if (!lt_tokens_reserve(out, LT_WORD_CACHE_IDS, err))
        return false;
    for (size_t i = 0; i < word->count; i++) {
        out->ids[out->count] = word->ids[i];
        out->sizes[out->count++] = word->sizes[i];
    }
    return true;
}

void lt_tokens_remember(const lt_tokens *tokens, size_t first, lt_word_cache *cache, const char *text, size_t size)
{
    if (tokens->count > first && size <= LT_WORD_CACHE_TEXT)
        lt_word_cache_put(cache, text, size, tokens->ids + first, tokens->sizes + first, tokens->count - first);
}

bool lt_token_model_encode(const lt_token_model *model, lt_token_model_scratch *s, const char *piece, size_t size,
                           bool bytes, lt_tokens *out, lt_error *err)
{
    bool found;
    size_t first = out->count;
    if (!lt_tokens_recall(out, &s->cache, piece, size, &found, err))
        return false;
    if (found)
        return true;
    if (!model->kind->encode(model, s, piece, size, bytes, out, err))
        return false;
    lt_tokens_remember(out, first, &s->cache, piece, size);
    return true;
}

bool lt_token_model_read_vocab(lt_vocab *vocab, const lt_json *at, lt_error *err)
{
    lt_json tokens;
    if (!lt_json_need_object(at, "vocab", &tokens, err) || !lt_vocab_init(vocab, json_object_size(tokens.value), err))
        return false;
    const char *token;
    json_t *value;
    json_object_foreach((json_t *)tokens.value, token, value)
    {
        lt_json item = {.value = value, .parent = &tokens, .key = token};
        int64_t id = -1;
        if (!lt_json_int(&item, 0, LT_VOCAB_MAX_ID, &id, err))
            return false;
        switch (lt_vocab_add(vocab, (int32_t)id, token, strlen(token), err)) {
        case LT_VOCAB_ADDED:
            break;
        case LT_VOCAB_NO_MEMORY:
            return false;
        default:
            return lt_json_error(&item, err, LT_ERR_FORMAT, "id %lld is already that of \"%.60s\"", (long long)id,
                                 lt_vocab_token(vocab, (int32_t)id, NULL));
        }
    }
    return true;
}

void lt_token_model_byte_tokens(const lt_vocab *vocab, int32_t ids[256])
{
    for (unsigned b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        ids[b] = lt_vocab_find(vocab, name, 6);
    }
}
