#include "text/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/normalize.h"

static void bpe_close(lt_token_model *model)
{
    lt_bpe *bpe = (lt_bpe *)model;
    lt_vocab_free(&bpe->model.vocab);
    free(bpe->merges);
    free(bpe->unk_token);
    free(bpe->prefix);
    free(bpe->suffix);
    free(bpe->crossings);
    free(bpe);
}

static int32_t id_of(const lt_bpe *bpe, const char *text, size_t size)
{
    if (size == 1 && !(text[0] & 0x80))
        return bpe->ascii_id[(unsigned char)text[0]];
    return lt_vocab_find(&bpe->model.vocab, text, size);
}

/* The id of one character with the prefix or suffix that its place in the word calls for. */
static bool affixed_id(const lt_bpe *bpe, lt_token_model_scratch *s, const char *text, size_t size, bool first,
                       bool last, int32_t *id, lt_error *err)
{
    s->text.size = 0;
    if ((!first && bpe->prefix && !lt_textbuf_append(&s->text, bpe->prefix, bpe->prefix_size, err)) ||
        !lt_textbuf_append(&s->text, text, size, err) ||
        (last && bpe->suffix && !lt_textbuf_append(&s->text, bpe->suffix, bpe->suffix_size, err)))
        return false;
    *id = lt_vocab_find(&bpe->model.vocab, s->text.data, s->text.size);
    return true;
}

/* Appends "<0xNN>" for every byte of the character, affixes included, when the vocabulary has them all. */
static bool spell(const lt_bpe *bpe, const char *text, size_t size, lt_tokens *out, bool *spelled, lt_error *err)
{
    *spelled = false;
    for (size_t i = 0; i < size; i++)
        if (bpe->spelled_id[(unsigned char)text[i]] < 0)
            return true;
    *spelled = true;
    for (size_t i = 0; i < size; i++)
        if (!lt_tokens_push(out, bpe->spelled_id[(unsigned char)text[i]], 1, err))
            return false;
    return true;
}

/* Appends a symbol for every character of a word. A run of unknown characters is one symbol when they are fused. An
 * unknown one waits until a known one comes, spelled bytes go before it: so the reference does it. */
static bool put_characters(const lt_bpe *bpe, lt_token_model_scratch *s, const char *piece, size_t size, lt_tokens *out,
                           lt_error *err)
{
    uint32_t waiting = 0; /* bytes of an unknown symbol not yet appended */
    for (size_t i = 0; i < size;) {
        uint32_t c;
        size_t n = (size_t)lt_utf8_decode(piece + i, size - i, &c);
        const char *name = piece + i;
        size_t name_size = n;
        int32_t id;
        if (bpe->prefix || bpe->suffix) {
            if (!affixed_id(bpe, s, piece + i, n, i == 0, i + n == size, &id, err))
                return false;
            name = s->text.data;
            name_size = s->text.size;
        } else {
            id = id_of(bpe, piece + i, n);
        }
        i += n;
        if (id >= 0) {
            if (waiting && !lt_tokens_push(out, bpe->model.unk_id, waiting, err))
                return false;
            waiting = 0;
            if (!lt_tokens_push(out, id, (uint32_t)n, err))
                return false;
            continue;
        }
        bool spelled = false;
        if (bpe->byte_fallback && !spell(bpe, name, name_size, out, &spelled, err))
            return false;
        if (spelled || !bpe->unk_token)
            continue;
        if (bpe->model.unk_id < 0)
            return lt_error_set(
                err, LT_ERR_FORMAT,
                "the tokenizer has no token for U+%04X and its unk_token \"%.60s\" is not in the vocabulary", c,
                bpe->unk_token);
        if (waiting && !bpe->fuse_unk) {
            if (!lt_tokens_push(out, bpe->model.unk_id, waiting, err))
                return false;
            waiting = 0;
        }
        waiting += (uint32_t)n;
    }
    return !waiting || lt_tokens_push(out, bpe->model.unk_id, waiting, err);
}

/* The same for bytes, which all have a token (takes_bytes says so). */
static bool put_bytes(const lt_bpe *bpe, const char *piece, size_t size, lt_tokens *out, lt_error *err)
{
    if (!lt_tokens_reserve(out, size, err))
        return false;
    for (size_t i = 0; i < size; i++) {
        out->ids[out->count] = bpe->byte_id[(unsigned char)piece[i]];
        out->sizes[out->count++] = 1;
    }
    return true;
}

static bool encode_word(const lt_bpe *bpe, lt_token_model_scratch *s, const char *piece, size_t size, bool bytes,
                        lt_tokens *out, lt_error *err)
{
    size_t first = out->count;
    bool ok = bytes ? put_bytes(bpe, piece, size, out, err) : put_characters(bpe, s, piece, size, out, err);
    return ok && lt_bpe_merge_word(bpe, s, out, first, err);
}

/* A part of a longer piece, out of the cache when it can. A part of a piece and a piece by itself come out alike unless
 * whole pieces are looked up, which is why those never share the cache. */
static bool encode_part(const lt_bpe *bpe, lt_token_model_scratch *s, const char *part, size_t size, bool bytes,
                        lt_tokens *out, lt_error *err)
{
    bool found = false;
    size_t first = out->count;
    if (!bpe->ignore_merges && !lt_tokens_recall(out, &s->cache, part, size, &found, err))
        return false;
    if (found)
        return true;
    if (!encode_word(bpe, s, part, size, bytes, out, err))
        return false;
    if (!bpe->ignore_merges)
        lt_tokens_remember(out, first, &s->cache, part, size);
    return true;
}

/* Cuts a long piece wherever no merge can cross and encodes the parts. */
static bool encode_parts(const lt_bpe *bpe, lt_token_model_scratch *s, const char *piece, size_t size, bool bytes,
                         lt_tokens *out, lt_error *err)
{
    size_t begin = 0, last_begin = 0;
    uint32_t last = 0, c;
    bool any_known = bytes || bpe->spells_all; /* no character can be unknown */
    for (size_t i = 0; i < size;) {
        size_t n = 1;
        if (bytes)
            c = lt_bytelevel_char((unsigned char)piece[i]);
        else
            n = (size_t)lt_utf8_decode(piece + i, size - i, &c);
        if (i > begin && !lt_bpe_may_cross(bpe, last, c) &&
            (any_known || (id_of(bpe, piece + last_begin, i - last_begin) >= 0 && id_of(bpe, piece + i, n) >= 0))) {
            if (!encode_part(bpe, s, piece + begin, i - begin, bytes, out, err))
                return false;
            begin = i;
        }
        last = c;
        last_begin = i;
        i += n;
    }
    return encode_part(bpe, s, piece + begin, size - begin, bytes, out, err);
}

/* ignore_merges: a piece that is a token is that token. */
static bool find_whole(const lt_bpe *bpe, lt_token_model_scratch *s, const char *piece, size_t size, bool bytes,
                       int32_t *id, lt_error *err)
{
    *id = -1;
    if (size > bpe->longest_token)
        return true;
    s->text.size = 0;
    for (size_t i = 0; i < size && bytes; i++) {
        char text[4];
        int n = lt_utf8_encode(lt_bytelevel_char((unsigned char)piece[i]), text);
        if (!lt_textbuf_append(&s->text, text, (size_t)n, err))
            return false;
    }
    *id = lt_vocab_find(&bpe->model.vocab, bytes ? s->text.data : piece, bytes ? s->text.size : size);
    return true;
}

static bool bpe_encode(const lt_token_model *model, lt_token_model_scratch *s, const char *piece, size_t size,
                       bool bytes, lt_tokens *out, lt_error *err)
{
    const lt_bpe *bpe = (const lt_bpe *)model;
    if (bpe->ignore_merges) {
        int32_t id;
        if (!find_whole(bpe, s, piece, size, bytes, &id, err))
            return false;
        if (id >= 0)
            return lt_tokens_push(out, id, (uint32_t)size, err);
    }
    if (size > LT_WORD_CACHE_TEXT && bpe->crossings)
        return encode_parts(bpe, s, piece, size, bytes, out, err);
    return encode_word(bpe, s, piece, size, bytes, out, err);
}

const lt_token_model_kind lt_token_model_bpe = {"BPE", lt_bpe_open, bpe_close, bpe_encode};
