/* Two texts in one sequence. */
#include "text/tokenizer_internal.h"

/* How many tokens of each text stay, so that both are at most `room` together: the tokenizers library's longest_first. */
static void shorten(size_t n[2], size_t room)
{
    int small = n[0] <= n[1] ? 0 : 1, large = 1 - small;
    if (n[0] + n[1] <= room)
        return;
    n[large] = n[small] > room ? n[small] : room - n[small] > n[small] ? room - n[small] : n[small];
    if (n[0] + n[1] > room) {
        n[small] = room / 2;
        n[large] = n[small] + room % 2;
    }
}

static bool push(lt_ids *ids, lt_ids *types, const int32_t *more, size_t count, int32_t type, lt_error *err)
{
    if (!lt_ids_append(ids, more, count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!lt_ids_push(types, type, err))
            return false;
    return true;
}

static bool put_in_frame(const lt_tokenizer *t, const lt_ids part[2], const size_t n[2], lt_ids *ids, lt_ids *types, lt_error *err)
{
    const lt_frame *frame = &t->pair.frame;
    for (size_t i = 0; i < frame->count; i++) {
        int32_t entry = frame->data[i], type = t->pair.types.data[i];
        int which = entry == LT_FRAME_SECOND;
        if (entry >= 0 ? !push(ids, types, &entry, 1, type, err) : !push(ids, types, part[which].data, n[which], type, err))
            return false;
    }
    return frame->count || (push(ids, types, part[0].data, n[0], 0, err) && push(ids, types, part[1].data, n[1], 1, err));
}

/* Tokens of a text without its frame. */
static bool encode_bare(const lt_tokenizer *t, lt_text text, lt_ids *ids, lt_error *err)
{
    return lt_tokenizer_encode(t, text.data, text.size, 0, ids, err);
}

bool lt_tokenizer_encode_pair(const lt_tokenizer *t, lt_text a, lt_text b, int64_t max_length, lt_ids *ids, lt_ids *types,
                              bool *truncated, lt_error *err)
{
    lt_ids part[2] = {{0}, {0}};
    size_t ids_before = ids->count, types_before = types->count, added = 0;
    for (size_t i = 0; i < t->pair.frame.count; i++)
        added += t->pair.frame.data[i] >= 0;
    bool ok = encode_bare(t, a, &part[0], err) && encode_bare(t, b, &part[1], err);
    size_t n[2] = {part[0].count, part[1].count};
    if (ok && max_length)
        shorten(n, (size_t)max_length > added ? (size_t)max_length - added : 0);
    *truncated = n[0] < part[0].count || n[1] < part[1].count;
    ok = ok && put_in_frame(t, part, n, ids, types, err);
    if (!ok) {
        ids->count = ids_before;
        types->count = types_before;
    }
    lt_ids_free(&part[0]);
    lt_ids_free(&part[1]);
    return ok;
}
