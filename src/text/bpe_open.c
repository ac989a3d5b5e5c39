/* Reading a BPE model from tokenizer.json. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/utf8.h"
#include "text/bpe.h"
#include "text/normalize.h"

/* Reads a string that may be missing or empty; both leave *out NULL. */
static bool read_affix(const lt_json *at, const char *key, char **out, size_t *size, lt_error *err)
{
    const char *text = "";
    if (!lt_json_get_string(at, key, &text, err))
        return false;
    *size = strlen(text);
    if (*size == 0)
        return true;
    *out = lt_text_copy(text, *size, err);
    return *out != NULL;
}

static bool read_options(lt_bpe *bpe, const lt_json *at, lt_error *err)
{
    const char *unk_token = NULL;
    double dropout = 0;
    if (!lt_json_get_bool(at, "byte_fallback", &bpe->byte_fallback, err) ||
        !lt_json_get_bool(at, "fuse_unk", &bpe->fuse_unk, err) ||
        !lt_json_get_bool(at, "ignore_merges", &bpe->ignore_merges, err) ||
        !lt_json_get_string(at, "unk_token", &unk_token, err) || !lt_json_get_real(at, "dropout", &dropout, err) ||
        !read_affix(at, "continuing_subword_prefix", &bpe->prefix, &bpe->prefix_size, err) ||
        !read_affix(at, "end_of_word_suffix", &bpe->suffix, &bpe->suffix_size, err))
        return false;
    if (dropout != 0)
        return lt_json_error(at, err, LT_ERR_UNSUPPORTED,
                             "random merges (dropout %g) are not supported; set it to null", dropout);
    if (unk_token) {
        bpe->unk_token = lt_text_copy(unk_token, strlen(unk_token), err);
        if (!bpe->unk_token)
            return false;
        bpe->model.unk_id = lt_vocab_find(&bpe->model.vocab, unk_token, strlen(unk_token));
    }
    return true;
}

/* The two tokens of a merge: "a b", or ["a", "b"]. */
static bool split_merge(const lt_json *item, const char *part[2], size_t size[2], lt_error *err)
{
    if (json_is_array(item->value) && json_array_size(item->value) == 2) {
        for (size_t i = 0; i < 2; i++) {
            lt_json token = lt_json_element(item, i);
            if (!lt_json_string(&token, &part[i], err))
                return false;
            size[i] = strlen(part[i]);
        }
        return true;
    }
    const char *text = json_string_value(item->value), *space = text ? strchr(text, ' ') : NULL;
    if (!space || strchr(space + 1, ' '))
        return lt_json_expected(item, "\"left right\" or [\"left\", \"right\"]", err);
    part[0] = text;
    size[0] = (size_t)(space - text);
    part[1] = space + 1;
    size[1] = strlen(space + 1);
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

static bool read_merge(lt_bpe *bpe, lt_textbuf *joined, const lt_json *item, uint32_t rank, lt_error *err)
{
    const char *part[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    int32_t id[3];
    if (!split_merge(item, part, size, err))
        return false;
    for (int i = 0; i < 2; i++) {
        id[i] = lt_vocab_find(&bpe->model.vocab, part[i], size[i]);
        if (id[i] < 0)
            return lt_json_error(item, err, LT_ERR_FORMAT, "\"%.*s\" is not in the vocabulary",
                                 size[i] < 60 ? (int)size[i] : 60, part[i]);
    }
    if (size[1] < bpe->prefix_size)
        return lt_json_error(item, err, LT_ERR_FORMAT, "\"%.60s\" is shorter than continuing_subword_prefix", part[1]);
    joined->size = 0;
    if (!lt_textbuf_append(joined, part[0], size[0], err) ||
        !lt_textbuf_append(joined, part[1] + bpe->prefix_size, size[1] - bpe->prefix_size, err))
        return false;
    id[2] = lt_vocab_find(&bpe->model.vocab, joined->data, joined->size);
    if (id[2] < 0)
        return lt_json_error(item, err, LT_ERR_FORMAT, "what it makes, \"%.*s\", is not in the vocabulary",
                             joined->size < 60 ? (int)joined->size : 60, joined->data);
    put_merge(bpe, (lt_bpe_merge){id[0], id[1], rank, id[2]});
    return true;
}

/* Merges go in the order of the file, unless "ranks" gives each a number: what is read from a SentencePiece model has merges of equal
 * rank. (The package `tokenizers` has no such member.) */
static bool read_ranks(const lt_json *at, size_t merges, lt_json *ranks, bool *has, lt_error *err)
{
    *has = lt_json_member(at, "ranks", ranks);
    if (!*has)
        return true;
    if (!lt_json_array(ranks, err))
        return false;
    size_t count = json_array_size(ranks->value);
    return count == merges ||
           lt_json_error(ranks, err, LT_ERR_FORMAT, "expected as many numbers as there are merges, %zu, found %zu", merges, count);
}

static bool read_merges(lt_bpe *bpe, const lt_json *at, lt_error *err)
{
    lt_textbuf joined = {0};
    lt_json merges, ranks;
    size_t count;
    bool ok = false, has_ranks;
    if (!lt_json_need_array(at, "merges", &merges, &count, err) || !read_ranks(at, count, &ranks, &has_ranks, err) ||
        !lt_textbuf_grow(&joined, 64, err))
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
    int64_t rank = 0;
    for (size_t i = 0; i < count; i++, rank++) {
        lt_json item = lt_json_element(&merges, i);
        const char *text = json_string_value(item.value);
        if (has_ranks) {
            lt_json number = lt_json_element(&ranks, i);
            if (!lt_json_int(&number, 0, UINT32_MAX - 1, &rank, err))
                goto done;
        } else if (text && !strncmp(text, "#version", 8)) { /* the head of a merges.txt that went along */
            continue;
        }
        if (!read_merge(bpe, &joined, &item, (uint32_t)rank, err))
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
    bpe->spells_all = bpe->byte_fallback;
    for (int b = 0; b < 256; b++)
        bpe->spells_all = bpe->spells_all && bpe->spelled_id[b] >= 0;
    for (int32_t id = 0; id < vocab->end; id++)
        if (vocab->entries[id].size > 0 && (size_t)vocab->entries[id].size > bpe->longest_token)
            bpe->longest_token = (size_t)vocab->entries[id].size;
}

bool lt_bpe_open(lt_token_model **out, const lt_json *at, lt_error *err)
{
    lt_bpe *bpe = calloc(1, sizeof *bpe);
    if (!bpe)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    bpe->model.kind = &lt_token_model_bpe;
    bpe->model.unk_id = -1;
    bool ok = lt_token_model_read_vocab(&bpe->model.vocab, at, err) && read_options(bpe, at, err) &&
              read_merges(bpe, at, err);
    if (ok)
        fill_tables(bpe);
    ok = ok && lt_bpe_find_crossings(bpe, err);
    if (ok)
        *out = &bpe->model;
    else
        lt_token_model_close(&bpe->model);
    return ok;
}
