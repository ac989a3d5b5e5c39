#include "api/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "api/data.h"

/* GGUF files fill a vocabulary up to the rows of the embedding with "[PAD151665]" and so on. */
static uint64_t checksum(const lt_tokenizer *tokenizer, int32_t id)
{
    size_t size;
    char padding[32];
    const char *token = lt_tokenizer_token(tokenizer, id, &size);
    snprintf(padding, sizeof padding, "[PAD%d]", (int)id);
    return !token || !strcmp(token, padding) ? 0 : XXH3_64bits(token, size) | 1;
}

bool lt_api_vocabulary_read(lt_api_vocabulary *v, const char *model, lt_error *err)
{
    lt_tokenizer *tokenizer;
    *v = (lt_api_vocabulary){0};
    if (!lt_api_tokenizer_open(&tokenizer, model, err))
        return false;
    if (!tokenizer)
        return true;
    int32_t count = lt_tokenizer_vocab_size(tokenizer);
    v->tokens = malloc((size_t)count * sizeof *v->tokens + 1);
    if (v->tokens)
        v->count = count;
    for (int32_t i = 0; i < v->count; i++)
        v->tokens[i] = checksum(tokenizer, i);
    lt_tokenizer_close(tokenizer);
    return v->tokens || lt_error_set(err, LT_ERR_MEMORY, "out of memory for a vocabulary");
}

void lt_api_vocabulary_free(lt_api_vocabulary *v)
{
    free(v->tokens);
    *v = (lt_api_vocabulary){0};
}

bool lt_api_vocabulary_same(const lt_api_vocabulary *v, const lt_tokenizer *tokenizer, const char *what, int64_t *tokens, lt_error *err)
{
    *tokens = 0;
    if (!tokenizer || v->count == 0)
        return true;
    int32_t count = lt_tokenizer_vocab_size(tokenizer), last = -1;
    for (int32_t i = 0; i < count || i < v->count; i++) {
        uint64_t here = i < count ? checksum(tokenizer, i) : 0, there = i < v->count ? v->tokens[i] : 0;
        if (here && there && here != there)
            return lt_error_set(err, LT_ERR_USAGE, "%s: its vocabulary is another than the model's: token %d, '%s' in the model, is another one there", what,
                                (int)i, lt_tokenizer_token(tokenizer, i, NULL));
        last = here || there ? i : last;
    }
    *tokens = (int64_t)last + 1;
    return true;
}
