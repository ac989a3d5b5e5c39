#include "text/piece_merges.h"

#include <stdlib.h>
#include <string.h>

#include "text/vocab.h"

enum { LONGEST = 512 }; /* bytes; a longer piece is no result of merging */

typedef struct merge {
    int32_t left, right, piece;
    float score;
} merge;

typedef struct merge_list {
    merge *items;
    size_t count, capacity;
} merge_list;

static int by_score(const void *a, const void *b)
{
    const merge *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->piece != y->piece)
        return x->piece < y->piece ? -1 : 1;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return (x->right > y->right) - (x->right < y->right);
}

static bool cut(const lt_merge_piece *pieces, int32_t id, const lt_vocab *vocab, merge_list *list, lt_error *err)
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
        list->items[list->count++] = (merge){left, right, id, piece->score};
    }
    return true;
}

static json_t *merge_json(const lt_merge_piece *left, const lt_merge_piece *right)
{
    char text[2 * LONGEST + 2];
    if (memchr(left->text, ' ', left->size) || memchr(right->text, ' ', right->size))
        return json_pack("[s%, s%]", left->text, left->size, right->text, right->size);
    memcpy(text, left->text, left->size);
    text[left->size] = ' ';
    memcpy(text + left->size + 1, right->text, right->size);
    return json_stringn_nocheck(text, left->size + 1 + right->size);
}

static bool list_merges(const lt_merge_piece *pieces, size_t count, merge_list *list, lt_error *err)
{
    lt_vocab vocab = {0};
    bool ok = lt_vocab_init(&vocab, count, err);
    for (size_t i = 0; ok && i < count; i++)
        if (!pieces[i].whole && pieces[i].size > 0)
            ok = lt_vocab_add(&vocab, (int32_t)i, pieces[i].text, pieces[i].size, err) != LT_VOCAB_NO_MEMORY;
    for (size_t i = 0; ok && i < count; i++)
        ok = cut(pieces, (int32_t)i, &vocab, list, err);
    lt_vocab_free(&vocab);
    return ok;
}

bool lt_piece_merges(const lt_merge_piece *pieces, size_t count, bool equals, json_t *model, lt_error *err)
{
    merge_list list = {0};
    json_t *merges = json_array(), *ranks = equals ? json_array() : NULL;
    bool ok = list_merges(pieces, count, &list, err);
    if (ok && list.count)
        qsort(list.items, list.count, sizeof *list.items, by_score);
    for (size_t i = 0, rank = 0; ok && i < list.count; i++) {
        const merge *m = &list.items[i];
        rank += i && m->score != m[-1].score;
        ok = json_array_append_new(merges, merge_json(&pieces[m->left], &pieces[m->right])) == 0 &&
             (!equals || json_array_append_new(ranks, json_integer((json_int_t)rank)) == 0);
        if (!ok)
            lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    }
    free(list.items);
    if (ok && (json_object_set(model, "merges", merges) || (equals && json_object_set(model, "ranks", ranks))))
        ok = lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    json_decref(merges);
    json_decref(ranks);
    return ok;
}
