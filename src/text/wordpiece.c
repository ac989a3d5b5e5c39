/* WordPiece: from the left, always the longest token that fits; a word with a part that none fits is unknown as a
 * whole. */
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/token_model.h"

typedef struct wordpiece {
    lt_token_model model;
    char *prefix; /* before the tokens that continue a word, "##" */
    size_t prefix_size;
    int64_t most_chars; /* a longer word is unknown */
    size_t longest_token;
} wordpiece;

static void wordpiece_close(lt_token_model *model)
{
    wordpiece *w = (wordpiece *)model;
    lt_vocab_free(&w->model.vocab);
    free(w->prefix);
    free(w);
}

static bool wordpiece_open(lt_token_model **out, const lt_json *at, lt_error *err)
{
    const char *unk, *prefix;
    wordpiece *w = calloc(1, sizeof *w);
    if (!w)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    w->model.kind = &lt_token_model_wordpiece;
    if (!lt_token_model_read_vocab(&w->model.vocab, at, err) || !lt_json_need_string(at, "unk_token", &unk, err) ||
        !lt_json_need_string(at, "continuing_subword_prefix", &prefix, err) ||
        !lt_json_need_int(at, "max_input_chars_per_word", 0, INT64_MAX, &w->most_chars, err))
        goto fail;
    w->prefix_size = strlen(prefix);
    w->prefix = lt_text_copy(prefix, w->prefix_size, err);
    if (!w->prefix)
        goto fail;
    w->model.unk_id = lt_vocab_find(&w->model.vocab, unk, strlen(unk));
    if (w->model.unk_id < 0) {
        lt_json_error(at, err, LT_ERR_FORMAT, "its unk_token \"%.60s\" is not in the vocabulary", unk);
        goto fail;
    }
    for (int32_t id = 0; id < w->model.vocab.end; id++)
        if (w->model.vocab.entries[id].size > 0 && (size_t)w->model.vocab.entries[id].size > w->longest_token)
            w->longest_token = (size_t)w->model.vocab.entries[id].size;
    *out = &w->model;
    return true;
fail:
    wordpiece_close(&w->model);
    return false;
}

static size_t count_chars(const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

static bool wordpiece_encode(const lt_token_model *model, lt_token_model_scratch *s, const char *piece, size_t size,
                             bool bytes, lt_tokens *out, lt_error *err)
{
    (void)bytes;
    const wordpiece *w = (const wordpiece *)model;
    size_t first = out->count;
    if ((int64_t)count_chars(piece, size) > w->most_chars)
        return lt_tokens_push(out, model->unk_id, (uint32_t)size, err);
    for (size_t at = 0; at < size;) {
        size_t head = at ? w->prefix_size : 0;
        size_t longest = w->longest_token > head ? w->longest_token - head : 0;
        size_t left = size - at < longest ? size - at : longest;
        while (left && at + left < size && ((unsigned char)piece[at + left] & 0xC0) == 0x80)
            left--;
        s->text.size = 0;
        if (!lt_textbuf_append(&s->text, w->prefix, head, err) || !lt_textbuf_append(&s->text, piece + at, left, err))
            return false;
        int32_t id = -1;
        while (left && (id = lt_vocab_find(&model->vocab, s->text.data, head + left)) < 0) {
            left--; /* back by one character */
            while (left && ((unsigned char)piece[at + left] & 0xC0) == 0x80)
                left--;
        }
        if (id < 0) {
            out->count = first;
            return lt_tokens_push(out, model->unk_id, (uint32_t)size, err);
        }
        if (!lt_tokens_push(out, id, (uint32_t)left, err))
            return false;
        at += left;
    }
    return true;
}

const lt_token_model_kind lt_token_model_wordpiece = {"WordPiece", wordpiece_open, wordpiece_close, wordpiece_encode};
