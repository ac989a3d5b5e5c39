/* Reading a BPE model from tokenizer.json. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/utf8.h"
#include "text/bpe.h"
#include "text/normalize.h"

/* Reads a string that may be missing or empty; both leave *out NULL. */
static bool read_affix(const lt_field *model, const char *key, char **out, size_t *size, lt_error *err)
{
    lt_field field = lt_field_get(model, key);
    const char *text = NULL;
    if (!lt_field_string_or(&field, &text, size, err))
        return false;
    if (!text || *size == 0)
        return true;
    *out = lt_text_copy(text, *size, err);
    return *out != NULL;
}

static bool read_options(lt_bpe *bpe, const lt_field *field, lt_error *err)
{
    lt_field fallback = lt_field_get(field, "byte_fallback"), fuse = lt_field_get(field, "fuse_unk");
    lt_field ignore = lt_field_get(field, "ignore_merges"), dropout = lt_field_get(field, "dropout");
    lt_field unk = lt_field_get(field, "unk_token");
    const char *unk_token = NULL;
    size_t unk_size = 0;
    if (!lt_field_bool_or(&fallback, &bpe->byte_fallback, err) || !lt_field_bool_or(&fuse, &bpe->fuse_unk, err) ||
        !lt_field_bool_or(&ignore, &bpe->ignore_merges, err) || !lt_field_string_or(&unk, &unk_token, &unk_size, err) ||
        !read_affix(field, "continuing_subword_prefix", &bpe->prefix, &bpe->prefix_size, err) ||
        !read_affix(field, "end_of_word_suffix", &bpe->suffix, &bpe->suffix_size, err))
        return false;
    if (lt_field_given(&dropout)) {
        if (!json_is_number(dropout.value))
            return lt_field_expected(&dropout, err, "a number or null");
        if (json_number_value(dropout.value) != 0)
            return lt_field_error(&dropout, err, LT_ERR_UNSUPPORTED,
                                  "random merges (BPE dropout) are not supported; set it to null");
    }
    if (unk_token) {
        bpe->unk_token = lt_text_copy(unk_token, unk_size, err);
        if (!bpe->unk_token)
            return false;
        bpe->model.unk_id = lt_vocab_find(&bpe->model.vocab, unk_token, unk_size);
    }
    return true;
}

/* The two tokens of a merge: "a b", or ["a", "b"]. */
static bool split_merge(const lt_field *item, const char *part[2], size_t size[2], lt_error *err)
{
    if (json_is_array(item->value)) {
        if (json_array_size(item->value) != 2)
            return lt_field_error(item, err, LT_ERR_FORMAT, "expected two tokens, found %zu",
                                  json_array_size(item->value));
        lt_field left = lt_field_at(item, 0), right = lt_field_at(item, 1);
        return lt_field_string(&left, &part[0], &size[0], err) && lt_field_string(&right, &part[1], &size[1], err);
    }
    if (!json_is_string(item->value))
        return lt_field_expected(item, err, "\"left right\" or [\"left\", \"right\"]");
    const char *text = json_string_value(item->value);
    size_t n = json_string_length(item->value);
    const char *space = memchr(text, ' ', n);
    if (!space || memchr(space + 1, ' ', n - (size_t)(space + 1 - text)))
        return lt_field_expected(item, err, "two tokens with one space between");
    part[0] = text;
    size[0] = (size_t)(space - text);
    part[1] = space + 1;
    size[1] = n - size[0] - 1;
    return true;
}

/* A later merge of the same pair takes the place of an earlier one, as in the reference. */
static void put_merge(lt_bpe *bpe, lt_bpe_merge merge)
{
    lt_bpe_merge *there = (lt_bpe_merge *)lt_bpe_find(bpe, merge.left, merge.right);
    if (there) {
        *there = merge;
        return;
    }
    uint32_t i = lt_bpe_first_slot(bpe, merge.left, merge.right);
    while (bpe->merges[i].left >= 0)
        i = (i + 1) & bpe->merges_mask;
    bpe->merges[i] = merge;
}

static bool read_merge(lt_bpe *bpe, lt_textbuf *joined, const lt_field *item, uint32_t rank, lt_error *err)
{
    const char *part[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    int32_t id[3];
    if (!split_merge(item, part, size, err))
        return false;
    for (int i = 0; i < 2; i++) {
        id[i] = lt_vocab_find(&bpe->model.vocab, part[i], size[i]);
        if (id[i] < 0)
            return lt_field_error(item, err, LT_ERR_FORMAT, "\"%.*s\" is not in the vocabulary",
                                  size[i] < 60 ? (int)size[i] : 60, part[i]);
    }
    if (size[1] < bpe->prefix_size)
        return lt_field_error(item, err, LT_ERR_FORMAT, "\"%.60s\" is shorter than continuing_subword_prefix", part[1]);
    joined->size = 0;
    if (!lt_textbuf_append(joined, part[0], size[0], err) ||
        !lt_textbuf_append(joined, part[1] + bpe->prefix_size, size[1] - bpe->prefix_size, err))
        return false;
    id[2] = lt_vocab_find(&bpe->model.vocab, joined->data, joined->size);
    if (id[2] < 0)
        return lt_field_error(item, err, LT_ERR_FORMAT, "what it makes, \"%.*s\", is not in the vocabulary",
                              joined->size < 60 ? (int)joined->size : 60, joined->data);
    put_merge(bpe, (lt_bpe_merge){id[0], id[1], rank, id[2]});
    return true;
}

static bool read_merges(lt_bpe *bpe, const lt_field *merges, lt_error *err)
{
    lt_textbuf joined = {0};
    size_t count;
    bool ok = false;
    if (!lt_field_array(merges, &count, err) || !lt_textbuf_grow(&joined, 64, err))
        goto done;
    size_t slots = 16;
    while (slots < count + count / 2)
        slots *= 2;
    bpe->merges = malloc(slots * sizeof *bpe->merges);
    if (!bpe->merges) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for %zu merges", count);
        goto done;
    }
    memset(bpe->merges, -1, slots * sizeof *bpe->merges);
    bpe->merges_mask = (uint32_t)slots - 1;
    if (getrandom(&bpe->seed, sizeof bpe->seed, GRND_NONBLOCK) != sizeof bpe->seed)
        bpe->seed = (uintptr_t)bpe;
    uint32_t rank = 0;
    for (size_t i = 0; i < count; i++) {
        lt_field item = lt_field_at(merges, i);
        const char *text = json_string_value(item.value);
        if (text && !strncmp(text, "#version", 8)) /* the head of a merges.txt that went along */
            continue;
        if (!read_merge(bpe, &joined, &item, rank++, err))
            goto done;
    }
    ok = true;
done:
    lt_textbuf_free(&joined);
    return ok;
}

/* The ids that encoding looks up for single characters and bytes. */
static void fill_tables(lt_bpe *bpe)
{
    const lt_vocab *vocab = &bpe->model.vocab;
    bpe->model.takes_bytes = !bpe->prefix && !bpe->suffix;
    for (unsigned b = 0; b < 256; b++) {
        char text[4];
        int n = lt_utf8_encode(lt_bytelevel_char((unsigned char)b), text);
        bpe->byte_id[b] = lt_vocab_find(vocab, text, (size_t)n);
        bpe->model.takes_bytes = bpe->model.takes_bytes && bpe->byte_id[b] >= 0;
    }
    for (unsigned c = 0; c < 128; c++) {
        char text = (char)c;
        bpe->ascii_id[c] = lt_vocab_find(vocab, &text, 1);
    }
    lt_token_model_byte_tokens(vocab, bpe->spelled_id);
    for (int32_t id = 0; id < vocab->end; id++)
        if (vocab->entries[id].size > 0 && (size_t)vocab->entries[id].size > bpe->longest_token)
            bpe->longest_token = (size_t)vocab->entries[id].size;
}

bool lt_bpe_open(lt_token_model **out, const lt_field *field, lt_error *err)
{
    lt_field vocab = lt_field_get(field, "vocab"), merges = lt_field_get(field, "merges");
    lt_bpe *bpe = calloc(1, sizeof *bpe);
    if (!bpe)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    bpe->model.kind = &lt_token_model_bpe;
    bpe->model.unk_id = -1;
    bool ok = lt_token_model_read_vocab(&bpe->model.vocab, &vocab, err) && read_options(bpe, field, err) &&
              read_merges(bpe, &merges, err);
    if (ok)
        fill_tables(bpe);
    ok = ok && lt_bpe_find_crossings(bpe, err);
    if (ok)
        *out = &bpe->model;
    else
        lt_token_model_close(&bpe->model);
    return ok;
}
