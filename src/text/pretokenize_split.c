#include <string.h>

#include "core/utf8.h"
#include "text/pretokenize.h"

bool lt_split_read(const lt_json *at, lt_split *out, lt_error *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *name = "";
    if (!lt_json_string(at, &name, err))
        return false;
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (!strcmp(name, names[i])) {
            *out = (lt_split)i;
            return true;
        }
    return lt_json_expected(at, "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous", err);
}

bool lt_split_find(bool (*is)(uint32_t c, uint32_t argument), uint32_t argument, const char *text, size_t size,
                   lt_matches *out, lt_error *err)
{
    size_t covered = 0;
    out->count = 0;
    for (size_t i = 0; i < size;) {
        uint32_t c;
        size_t end = i + (size_t)lt_utf8_decode(text + i, size - i, &c);
        if (is(c, argument)) {
            if ((covered < i && !lt_matches_push(out, covered, i, false, err)) ||
                !lt_matches_push(out, i, end, true, err))
                return false;
            covered = end;
        }
        i = end;
    }
    return covered == size || lt_matches_push(out, covered, size, false, err);
}

/* Joins each match to the run before it, or runs of one kind to one another; what is joined is one piece. */
static bool join_forward(bool contiguous, bool invert, const lt_matches *m, uint32_t base, lt_pieces *out,
                         lt_error *err)
{
    bool previous = false;
    size_t begin = 0, end = 0; /* the piece in the making */
    for (size_t i = 0; i < m->count; i++) {
        bool match = m->data[i].is_match != invert;
        bool joins = i > 0 && (contiguous ? match == previous : match && !previous);
        if (!joins) {
            if (!lt_pieces_push(out, base + begin, base + end, err))
                return false;
            begin = m->data[i].begin;
        }
        end = m->data[i].end;
        previous = match;
    }
    return lt_pieces_push(out, base + begin, base + end, err);
}

/* Joins each match to what follows it, unless that is a match as well. */
static bool join_next(bool invert, const lt_matches *m, uint32_t base, lt_pieces *out, lt_error *err)
{
    for (size_t i = 0; i < m->count; i++) {
        size_t begin = m->data[i].begin, end = m->data[i].end;
        bool match = m->data[i].is_match != invert;
        if (match && i + 1 < m->count && m->data[i + 1].is_match == invert)
            end = m->data[++i].end;
        if (!lt_pieces_push(out, base + begin, base + end, err))
            return false;
    }
    return true;
}

bool lt_split_apply(lt_split split, bool invert, const lt_matches *m, uint32_t base, lt_pieces *out, lt_error *err)
{
    if (split == LT_SPLIT_CONTIGUOUS || split == LT_SPLIT_MERGED_WITH_PREVIOUS)
        return join_forward(split == LT_SPLIT_CONTIGUOUS, invert, m, base, out, err);
    if (split == LT_SPLIT_MERGED_WITH_NEXT)
        return join_next(invert, m, base, out, err);
    for (size_t i = 0; i < m->count; i++) {
        bool match = m->data[i].is_match != invert;
        if (split == LT_SPLIT_REMOVED && match)
            continue;
        if (!lt_pieces_push(out, base + m->data[i].begin, base + m->data[i].end, err))
            return false;
    }
    return true;
}
