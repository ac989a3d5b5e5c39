/* Decoding, all at once or as ids come. */
#include <stdlib.h>

#include "text/tokenizer_internal.h"

/* The string that a decoder gets for an id, NULL when it gets none. */
static const char *string_of(const lt_tokenizer *t, int32_t id, unsigned flags, size_t *size)
{
    const lt_added_token *added = lt_added_of(&t->added, id);
    if (!added)
        return lt_vocab_token(&t->model->vocab, id, size);
    if (added->skipped && flags & LT_DECODE_SKIP_SPECIAL)
        return NULL;
    *size = added->form_size;
    return added->form;
}

bool lt_tokenizer_decode(const lt_tokenizer *t, const int32_t *ids, size_t count, unsigned flags, char **text,
                         size_t *size, lt_error *err)
{
    lt_token_decoding *decoding = NULL;
    lt_textbuf out = {0};
    bool ok = lt_token_decoding_open(&decoding, t->decoder, err);
    for (size_t i = 0; ok && i < count; i++) {
        size_t n = 0;
        const char *token = string_of(t, ids[i], flags, &n);
        ok = !token || lt_token_decoding_push(decoding, token, n, &out, err);
    }
    ok = ok && lt_token_decoding_finish(decoding, &out, err) && lt_textbuf_terminate(&out, err);
    lt_token_decoding_close(decoding);
    if (ok) {
        *text = out.data;
        *size = out.size;
    } else {
        lt_textbuf_free(&out);
    }
    return ok;
}

struct lt_token_stream {
    const lt_tokenizer *tokenizer;
    lt_token_decoding *decoding;
    unsigned flags;
    lt_textbuf piece;
};

bool lt_token_stream_open(lt_token_stream **out, const lt_tokenizer *tokenizer, unsigned flags, lt_error *err)
{
    lt_token_stream *s = calloc(1, sizeof *s);
    if (!s)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for decoding");
    s->tokenizer = tokenizer;
    s->flags = flags;
    if (!lt_token_decoding_open(&s->decoding, tokenizer->decoder, err)) {
        free(s);
        return false;
    }
    *out = s;
    return true;
}

void lt_token_stream_close(lt_token_stream *s)
{
    if (!s)
        return;
    lt_token_decoding_close(s->decoding);
    lt_textbuf_free(&s->piece);
    free(s);
}

static bool give(lt_token_stream *s, const char **piece, size_t *size, lt_error *err)
{
    if (!lt_textbuf_terminate(&s->piece, err))
        return false;
    *piece = s->piece.data;
    *size = s->piece.size;
    return true;
}

bool lt_token_stream_push(lt_token_stream *s, int32_t id, const char **piece, size_t *size, lt_error *err)
{
    size_t n = 0;
    const char *token = string_of(s->tokenizer, id, s->flags, &n);
    s->piece.size = 0;
    return (!token || lt_token_decoding_push(s->decoding, token, n, &s->piece, err)) && give(s, piece, size, err);
}

bool lt_token_stream_finish(lt_token_stream *s, const char **piece, size_t *size, lt_error *err)
{
    s->piece.size = 0;
    return lt_token_decoding_finish(s->decoding, &s->piece, err) && give(s, piece, size, err);
}
