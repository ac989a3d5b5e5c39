/* WordLevel: a piece is a token or unknown. */
#include <stdlib.h>
#include <string.h>

#include "text/token_model.h"

static void wordlevel_close(lt_token_model *model)
{
    lt_vocab_free(&model->vocab);
    free(model);
}

static bool wordlevel_open(lt_token_model **out, const lt_json *at, lt_error *err)
{
    const char *unk;
    lt_token_model *model = calloc(1, sizeof *model);
    if (!model)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    model->kind = &lt_token_model_wordlevel;
    if (!lt_token_model_read_vocab(&model->vocab, at, err) || !lt_json_need_string(at, "unk_token", &unk, err)) {
        wordlevel_close(model);
        return false;
    }
    model->unk_id = lt_vocab_find(&model->vocab, unk, strlen(unk));
    *out = model;
    return true;
}

static bool wordlevel_encode(const lt_token_model *model, lt_token_model_scratch *s, const char *piece, size_t size,
                             bool bytes, lt_tokens *out, lt_error *err)
{
    (void)s;
    (void)bytes;
    int32_t id = lt_vocab_find(&model->vocab, piece, size);
    if (id < 0)
        id = model->unk_id;
    if (id < 0)
        return lt_error_set(err, LT_ERR_FORMAT, "the tokenizer has no token for \"%.*s\" and no unknown token",
                            size < 60 ? (int)size : 60, piece);
    return lt_tokens_push(out, id, (uint32_t)size, err);
}

const lt_token_model_kind lt_token_model_wordlevel = {"WordLevel", wordlevel_open, wordlevel_close, wordlevel_encode};
