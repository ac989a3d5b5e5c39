/* Cutting a long piece without changing what comes out. A merge joins two neighbours, so it joins the last character of
 * the left one to the first of the right one. Between two characters that no merge joins in this way nothing ever grows
 * together, and the two sides can be encoded by themselves. SentencePiece vocabularies have no pre-tokenizer, yet
 * hardly any merge crosses from a letter to "▁": their texts fall into words here, and words are what the cache can
 * hold.
 *
 * Beside an unknown character there is no cut, unless it is spelled in bytes: dropped, it makes neighbours of those at
 * its sides; as the unknown token, it may be one with the next. */
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/bpe.h"
#include "text/normalize.h"

static uint32_t first_char(const char *token, size_t size)
{
    uint32_t c;
    return lt_utf8_decode(token, size, &c) ? c : 0;
}

static uint32_t last_char(const char *token, size_t size)
{
    size_t at = size - 1;
    while (at > 0 && ((unsigned char)token[at] & 0xC0) == 0x80)
        at--;
    return first_char(token + at, size - at);
}

static bool is_spelled_byte(const lt_bpe *bpe, int32_t id)
{
    size_t size = 0;
    const char *token = lt_vocab_token(&bpe->model.vocab, id, &size);
    return size == 6 && !strncmp(token, "<0x", 3) && token[5] == '>';
}

/* True when every symbol is the text it stands for: then the characters at its ends are those of the text. */
static bool symbols_are_text(const lt_bpe *bpe)
{
    if (bpe->prefix || bpe->suffix)
        return false;
    for (uint32_t i = 0; i <= bpe->merges_mask; i++) {
        const lt_bpe_merge *m = &bpe->merges[i];
        if (m->left < 0)
            continue;
        if (m->left == bpe->model.unk_id || m->right == bpe->model.unk_id)
            return false;
        if (bpe->byte_fallback && (is_spelled_byte(bpe, m->left) || is_spelled_byte(bpe, m->right)))
            return false;
    }
    return true;
}

bool lt_bpe_find_crossings(lt_bpe *bpe, lt_error *err)
{
    if (!symbols_are_text(bpe))
        return true;
    bpe->crossings = calloc(1 << (LT_BPE_CROSSING_BITS - 3), 1);
    if (!bpe->crossings)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    for (uint32_t i = 0; i <= bpe->merges_mask; i++) {
        const lt_bpe_merge *m = &bpe->merges[i];
        if (m->left < 0)
            continue;
        size_t left_size = 0, right_size = 0;
        const char *left = lt_vocab_token(&bpe->model.vocab, m->left, &left_size);
        const char *right = lt_vocab_token(&bpe->model.vocab, m->right, &right_size);
        if (left_size == 0 || right_size == 0) { /* an empty token joins anything */
            free(bpe->crossings);
            bpe->crossings = NULL;
            return true;
        }
        uint32_t bit = lt_bpe_crossing(last_char(left, left_size), first_char(right, right_size));
        bpe->crossings[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
    return true;
}
