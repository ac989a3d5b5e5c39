#include "text/piece_merges.h"

#include <stdlib.h>
#include <string.h>

#include "text/vocab.h"

enum { LONGEST = 512 }; /* bytes; a longer piece is no result of merging */

typedef struct merge {
    int32_t left, right, piece;
    int32_t first, second; /* what orders the cuts of one piece */
    float score;
} merge;

typedef struct merge_list {
    merge *items;
    size_t count, capacity;
} merge_list;

static int by_rank(const void *a, const void *b)
{
    const merge *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->piece != y->piece)
        return x->piece < y->piece ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->second > y->second) - (x->second < y->second);
}

static bool cut(const lt_merge_piece *pieces, int32_t id, const lt_vocab *vocab, bool by_length, merge_list *list, lt_error *err)
{
    const lt_merge_piece *piece = &pieces[id];
    if (piece->whole || piece->size > LONGEST)
        return true;
    for (size_t i = 1; i < piece->size; i++) {
        if (((unsigned char)piece->text[i] & 0xC0) == 0x80)
            continue;
        int32_t left = lt_vocab_find(vocab, piece->text, i);
        int32_t right = left < 0 ? -1 : lt_vocab_find(vocab, piece->text + i, piece->size - i);
        if (right < 0)
            continue;
        if (!lt_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items, err))
            return false;
        list->items[list->count++] = (merge){left, right, id, by_length ? (int32_t)i : left, by_length ? 0 : right, piece->score};
    }
    return true;
}

static json_t *merge_json(const lt_merge_piece *left, const lt_merge_piece *right)
{
    char text[2 * LONGEST + 2];
    if (memchr(left->text, ' ', left->size) || memchr(right->text, ' ', right->size))
        return json_pack("[s#, s#]", left->text, (int)left->size, right->text, (int)right->size);
    memcpy(text, left->text, left->size);
    text[left->size] = ' ';
    memcpy(text + left->size + 1, right->text, right->size);
    return json_stringn_nocheck(text, left->size + 1 + right->size);
}

json_t *lt_piece_merges(const lt_merge_piece *pieces, size_t count, bool by_length, lt_error *err)
{
    lt_vocab vocab = {0};
    merge_list list = {0};
    json_t *merges = json_array();
    bool ok = merges && lt_vocab_init(&vocab, count, err);
    for (size_t i = 0; ok && i < count; i++)
        if (!pieces[i].whole && pieces[i].size > 0)
            ok = lt_vocab_add(&vocab, (int32_t)i, pieces[i].text, pieces[i].size, err) != LT_VOCAB_NO_MEMORY;
    for (size_t i = 0; ok && i < count; i++)
        ok = cut(pieces, (int32_t)i, &vocab, by_length, &list, err);
    if (ok && list.count)
        qsort(list.items, list.count, sizeof *list.items, by_rank);
    for (size_t i = 0; ok && i < list.count; i++)
        ok = json_array_append_new(merges, merge_json(&pieces[list.items[i].left], &pieces[list.items[i].right])) == 0 ||
             lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    free(list.items);
    lt_vocab_free(&vocab);
    if (ok)
        return merges;
    json_decref(merges);
    return NULL;
}
