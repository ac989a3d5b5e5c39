/* WordLevel: a piece is a token or unknown. */
#include <stdlib.h>

#include "text/token_model.h"

static void wordlevel_close(lt_token_model *model)
{
    lt_vocab_free(&model->vocab);
    free(model);
}

static bool wordlevel_open(lt_token_model **out, const lt_field *field, lt_error *err)
{
    lt_field vocab = lt_field_get(field, "vocab"), unk = lt_field_get(field, "unk_token");
    const char *unk_token = NULL;
    size_t unk_size = 0;
    lt_token_model *model = calloc(1, sizeof *model);
    if (!model)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    model->kind = &lt_token_model_wordlevel;
    if (!lt_token_model_read_vocab(&model->vocab, &vocab, err) || !lt_field_string(&unk, &unk_token, &unk_size, err)) {
        wordlevel_close(model);
        return false;
    }
    model->unk_id = lt_vocab_find(&model->vocab, unk_token, unk_size);
    *out = model;
    return true;
}

static bool wordlevel_encode(const lt_token_model *model, lt_token_model_scratch *s, const char *piece, size_t size, bool bytes,
                             lt_tokens *out, lt_error *err)
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
