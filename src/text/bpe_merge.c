/* Merging. The pair of the least rank goes first, of equal ones the leftmost. Short words are scanned again and again,
 * which is quickest; a long one (a page without spaces) takes a heap, O(n log n). */
#include <string.h>

#include "text/bpe.h"

enum { SHORT = 40 }; /* symbols */

static void merge_short(const lt_bpe *bpe, int32_t *ids, uint32_t *sizes, size_t *count)
{
    const lt_bpe_merge *best[SHORT]; /* of each symbol with the next */
    size_t n = *count;
    for (size_t i = 0; i + 1 < n; i++)
        best[i] = lt_bpe_find(bpe, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t at = n;
        uint32_t rank = UINT32_MAX;
        for (size_t i = 0; i + 1 < n; i++)
            if (best[i] && best[i]->rank < rank) {
                rank = best[i]->rank;
                at = i;
            }
        if (at == n)
            break;
        ids[at] = best[at]->to;
        sizes[at] += sizes[at + 1];
        n--;
        memmove(ids + at + 1, ids + at + 2, (n - at - 1) * sizeof *ids);
        memmove(sizes + at + 1, sizes + at + 2, (n - at - 1) * sizeof *sizes);
        if (at + 1 < n) {
            memmove(best + at + 1, best + at + 2, (n - at - 2) * sizeof *best);
            best[at] = lt_bpe_find(bpe, ids[at], ids[at + 1]);
        }
        if (at > 0)
            best[at - 1] = lt_bpe_find(bpe, ids[at - 1], ids[at]);
    }
    *count = n;
}

/* A merge that may be due: rank and place in one number, so that comparing entries is comparing numbers. */
typedef struct due {
    uint64_t order; /* rank << 32 | place of the left symbol */
    int32_t to;
} due;

static void sift_down(due *heap, size_t n, size_t i)
{
    due moving = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1].order < heap[child].order)
            child++;
        if (heap[child].order >= moving.order)
            break;
        heap[i] = heap[child];
    }
    heap[i] = moving;
}

static bool push(lt_token_model_scratch *s, size_t *n, const lt_bpe_merge *merge, int32_t at, lt_error *err)
{
    if (!merge)
        return true;
    if (!lt_grow(&s->heap, &s->heap_capacity, *n + 1, sizeof(due), err))
        return false;
    due *heap = s->heap, moving = {(uint64_t)merge->rank << 32 | (uint32_t)at, merge->to};
    size_t i = (*n)++;
    for (; i && heap[(i - 1) / 2].order > moving.order; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = moving;
    return true;
}

static bool merge_long(const lt_bpe *bpe, lt_token_model_scratch *s, lt_tokens *out, size_t first, lt_error *err)
{
    size_t n = out->count - first, pending = 0;
    if (n > INT32_MAX)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "a word of %zu symbols is too long", n);
    if (!lt_grow(&s->nodes, &s->nodes_capacity, n, sizeof(lt_bpe_symbol), err) ||
        !lt_grow(&s->heap, &s->heap_capacity, n, sizeof(due), err))
        return false;
    lt_bpe_symbol *symbols = s->nodes;
    for (size_t i = 0; i < n; i++) {
        symbols[i] = (lt_bpe_symbol){out->ids[first + i], out->sizes[first + i], (int32_t)i - 1,
                                     i + 1 < n ? (int32_t)i + 1 : -1};
        const lt_bpe_merge *m = i + 1 < n ? lt_bpe_find(bpe, out->ids[first + i], out->ids[first + i + 1]) : NULL;
        if (m)
            ((due *)s->heap)[pending++] = (due){(uint64_t)m->rank << 32 | (uint32_t)i, m->to};
    }
    for (size_t i = pending / 2; i-- > 0;)
        sift_down(s->heap, pending, i);
    while (pending) {
        due *heap = s->heap, top = heap[0];
        heap[0] = heap[--pending];
        if (pending)
            sift_down(heap, pending, 0);
        int32_t at = (int32_t)(uint32_t)top.order, right = symbols[at].next;
        if (symbols[at].size == 0 || right < 0)
            continue; /* the symbol is gone, or has become the last */
        const lt_bpe_merge *m = lt_bpe_find(bpe, symbols[at].id, symbols[right].id);
        if (!m || m->to != top.to)
            continue; /* one of the two has been merged with another since */
        symbols[at].id = top.to;
        symbols[at].size += symbols[right].size;
        symbols[right].size = 0;
        int32_t prev = symbols[at].prev, next = symbols[at].next = symbols[right].next;
        if (next >= 0)
            symbols[next].prev = at;
        if (prev >= 0 && !push(s, &pending, lt_bpe_find(bpe, symbols[prev].id, top.to), prev, err))
            return false;
        if (next >= 0 && !push(s, &pending, lt_bpe_find(bpe, top.to, symbols[next].id), at, err))
            return false;
    }
    out->count = first;
    for (int32_t i = 0; i >= 0; i = symbols[i].next) {
        out->ids[out->count] = symbols[i].id;
        out->sizes[out->count++] = symbols[i].size;
    }
    return true;
}

bool lt_bpe_merge_word(const lt_bpe *bpe, lt_token_model_scratch *s, lt_tokens *out, size_t first, lt_error *err)
{
    size_t n = out->count - first;
    if (n > SHORT)
        return merge_long(bpe, s, out, first, err);
    if (n > 1) {
        merge_short(bpe, out->ids + first, out->sizes + first, &n);
        out->count = first + n;
    }
    return true;
}
