#include "text/normalize_sentencepiece.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/normalize_precompiled.h"

enum { PREFIX_FIRST, PREFIX_EACH, PREFIX_NONE };

struct lt_sentencepiece {
    lt_precompiled *rules; /* NULL: none */
    bool one_space;
    int prefix;
    const char *space; /* what a space becomes */
    size_t space_size;
};

bool lt_sentencepiece_open(lt_sentencepiece **out, const lt_json *at, lt_error *err)
{
    static const char *const prefixes[] = {"first", "each", "none"};
    const char *prefix = "";
    bool escape = true, known = false;
    lt_json map;
    lt_sentencepiece *s = calloc(1, sizeof *s);
    if (!s)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a normalizer");
    bool ok = (!lt_json_member(at, "precompiled_charsmap", &map) || lt_precompiled_open(&s->rules, &map, err)) &&
              lt_json_need_bool(at, "remove_extra_whitespaces", &s->one_space, err) &&
              lt_json_need_bool(at, "escape_whitespaces", &escape, err) && lt_json_need_string(at, "prefix", &prefix, err);
    for (int i = 0; ok && i < 3; i++)
        if (!strcmp(prefix, prefixes[i])) {
            s->prefix = i;
            known = true;
        }
    if (ok && !known)
        ok = lt_json_error(at, err, LT_ERR_FORMAT, "prefix: expected first, each or none, found \"%.60s\"", prefix);
    s->space = escape ? "▁" : " ";
    s->space_size = strlen(s->space);
    if (ok)
        *out = s;
    else
        lt_sentencepiece_close(s);
    return ok;
}

void lt_sentencepiece_close(lt_sentencepiece *s)
{
    if (!s)
        return;
    lt_precompiled_close(s->rules);
    free(s);
}

/* What the bytes at `at` become: *text[0, *size). Returns how many bytes of the input that was. */
static size_t next_part(const lt_sentencepiece *s, const lt_view *in, size_t at, const char **text, size_t *size)
{
    uint32_t c;
    if (s->rules) {
        size_t taken = 0;
        const char *to = lt_precompiled_longest(s->rules, in->text + at, in->size - at, &taken);
        if (to) {
            *text = to;
            *size = strlen(to);
            return taken;
        }
    }
    *text = in->text + at;
    *size = (size_t)lt_utf8_decode(in->text + at, in->size - at, &c);
    return *size;
}

/* Appends text, spaces as what they become. It is in[begin, end), or what came of that. */
static bool put(const lt_sentencepiece *s, lt_ntext *out, const char *text, size_t size, const lt_view *in, size_t begin, size_t end,
                lt_error *err)
{
    for (size_t i = 0; i < size;) {
        const char *space = memchr(text + i, ' ', size - i);
        size_t stop = space ? (size_t)(space - text) : size;
        bool ok = text == in->text + begin ? lt_ntext_copy(out, in, begin + i, begin + stop, err)
                                           : lt_ntext_push(out, text + i, stop - i, lt_view_span(in, begin, end), err);
        if (!ok)
            return false;
        lt_span from = text == in->text + begin ? lt_view_span(in, begin + stop, begin + stop + 1) : lt_view_span(in, begin, end);
        if (space && !lt_ntext_push(out, s->space, s->space_size, from, err))
            return false;
        i = space ? stop + 1 : stop;
    }
    return true;
}

bool lt_sentencepiece_apply(const lt_sentencepiece *s, const lt_normalize_scratch *scratch, const lt_view *in, lt_ntext *out,
                            lt_error *err)
{
    size_t at = 0, size, taken;
    const char *text;
    if (in->size == 0)
        return true;
    bool each = s->prefix == PREFIX_EACH, is_first = each || lt_view_from(in, 0).begin == 0;
    bool is_last = each || lt_view_from(in, in->size - 1).end == scratch->total;
    while (s->one_space && is_first && at < in->size) {
        taken = next_part(s, in, at, &text, &size);
        if (size != 1 || *text != ' ')
            break;
        at += taken;
    }
    if (at == in->size)
        return true;
    if (s->prefix != PREFIX_NONE && is_first &&
        !lt_ntext_push(out, s->space, s->space_size, lt_view_char(in, at), err))
        return false;
    if (!s->rules && !s->one_space) /* nothing but spaces changes */
        return put(s, out, in->text + at, in->size - at, in, at, in->size, err);
    bool after_space = s->one_space && is_first;
    for (; at < in->size; at += taken) {
        taken = next_part(s, in, at, &text, &size);
        size_t skipped = 0;
        while (after_space && skipped < size && text[skipped] == ' ')
            skipped++;
        if (skipped == size)
            continue;
        if (!put(s, out, text + skipped, size - skipped, in, text == in->text + at ? at + skipped : at, at + taken, err))
            return false;
        after_space = s->one_space && text[size - 1] == ' ';
    }
    while (s->one_space && is_last && out->text.size >= s->space_size &&
           !memcmp(out->text.data + out->text.size - s->space_size, s->space, s->space_size))
        out->text.size -= s->space_size;
    return true;
}
