#include "text/normalize_precompiled.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/base64.h"
#include "core/utf8.h"
#include "text/unicode.h"

struct lt_precompiled {
    uint32_t *units; /* the trie, in the format of Darts-clone */
    size_t unit_count;
    char *strings; /* replacements, each ended by a NUL */
    size_t strings_size;
};

bool lt_precompiled_open(lt_precompiled **out, const lt_json *at, lt_error *err)
{
    bool ok = false;
    const char *text = "";
    if (!lt_json_string(at, &text, err))
        return false;
    size_t size = strlen(text);
    lt_precompiled *p = calloc(1, sizeof *p);
    unsigned char *bytes = malloc(size + 4);
    if (!p || !bytes) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for a table of %zu bytes", size);
        goto done;
    }
    size_t n;
    if (!lt_base64_decode(text, size, bytes, &n)) {
        lt_json_error(at, err, LT_ERR_FORMAT, "expected base64, found something else");
        goto done;
    }
    uint32_t trie_bytes = 0;
    for (size_t i = 0; i < 4 && n >= 4; i++)
        trie_bytes |= (uint32_t)bytes[i] << (8 * i);
    if (n < 4 || trie_bytes > n - 4 || trie_bytes % 4 || trie_bytes == 0) {
        lt_json_error(at, err, LT_ERR_FORMAT, "the table has %zu bytes and says that its trie has %u", n, trie_bytes);
        goto done;
    }
    p->unit_count = trie_bytes / 4;
    p->units = malloc(trie_bytes);
    p->strings_size = n - 4 - trie_bytes;
    p->strings = lt_text_copy((const char *)bytes + 4 + trie_bytes, p->strings_size, err);
    if (!p->units || !p->strings) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for a table of %zu bytes", n);
        goto done;
    }
    for (size_t i = 0; i < p->unit_count; i++) {
        const unsigned char *u = bytes + 4 + 4 * i;
        p->units[i] = u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
    }
    ok = lt_utf8_valid(p->strings, p->strings_size, NULL) ||
         lt_json_error(at, err, LT_ERR_FORMAT, "the replacements are not UTF-8");
done:
    free(bytes);
    if (ok)
        *out = p;
    else
        lt_precompiled_close(p);
    return ok;
}

void lt_precompiled_close(lt_precompiled *p)
{
    if (!p)
        return;
    free(p->units);
    free(p->strings);
    free(p);
}

/* A walk down the trie. */
typedef struct walk {
    size_t node;
    uint32_t unit;
} walk;

/* Goes on by one byte; false when there is no such way. */
static bool step(const lt_precompiled *p, walk *w, unsigned char byte)
{
    w->node ^= (size_t)(w->unit >> 10) << ((w->unit & 1u << 9) >> 6); /* to the children */
    w->node ^= byte;
    if (!byte || w->node >= p->unit_count)
        return false;
    w->unit = p->units[w->node];
    return (w->unit & (1u << 31 | 0xFF)) == byte;
}

static bool ends_here(const walk *w)
{
    return w->unit >> 8 & 1;
}

/* The replacement that ends here: its place is in the first child. NULL: the table is broken. */
static const char *replacement(const lt_precompiled *p, const walk *w)
{
    size_t leaf = w->node ^ (size_t)(w->unit >> 10) << ((w->unit & 1u << 9) >> 6);
    if (leaf >= p->unit_count)
        return NULL;
    size_t at = p->units[leaf] & ~(1u << 31);
    bool inside = at <= p->strings_size && ((unsigned char)p->strings[at] & 0xC0) != 0x80;
    return inside ? p->strings + at : NULL;
}

/* The replacement for the shortest prefix of text[0, size) that has one, as the reference looks it up; NULL: none. */
static const char *find(const lt_precompiled *p, const char *text, size_t size)
{
    walk w = {0, p->units[0]};
    for (size_t i = 0; i < size && step(p, &w, (unsigned char)text[i]); i++)
        if (ends_here(&w))
            return replacement(p, &w);
    return NULL;
}

const char *lt_precompiled_longest(const lt_precompiled *p, const char *text, size_t size, size_t *taken)
{
    walk w = {0, p->units[0]}, last = {0};
    *taken = 0;
    for (size_t i = 0; i < size && step(p, &w, (unsigned char)text[i]); i++)
        if (ends_here(&w)) {
            last = w;
            *taken = i + 1;
        }
    return *taken && (*taken == size || ((unsigned char)text[*taken] & 0xC0) != 0x80) ? replacement(p, &last) : NULL;
}

/* Bytes of the grapheme cluster at text[0, size). */
static size_t grapheme(const char *text, size_t size)
{
    uint32_t c, next;
    utf8proc_int32_t state = 0;
    size_t n = (size_t)lt_utf8_decode(text, size, &c);
    while (n < size) {
        int length = lt_utf8_decode(text + n, size - n, &next);
        bool joins = !utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next, &state);
        if (!joins && lt_unicode_is_new_extend(next)) { /* to an older utf8proc it is unassigned */
            int class = utf8proc_get_property((utf8proc_int32_t)c)->boundclass;
            joins = class != UTF8PROC_BOUNDCLASS_CR && class != UTF8PROC_BOUNDCLASS_LF &&
                    class != UTF8PROC_BOUNDCLASS_CONTROL;
        }
        if (!joins)
            break;
        n += (size_t)length;
        c = next;
    }
    return n;
}

bool lt_precompiled_apply(const lt_precompiled *p, lt_normalize_scratch *scratch, const lt_view *in, lt_ntext *out,
                          bool *changed, lt_error *err)
{
    (void)scratch;
    for (size_t i = 0; i < in->size;) {
        size_t end = i + grapheme(in->text + i, in->size - i);
        /* A short cluster is looked up whole, then (or else) its characters one by one. */
        const char *whole = end - i < 6 ? find(p, in->text + i, end - i) : NULL;
        while (i < end) {
            uint32_t c;
            size_t next = whole ? end : i + (size_t)lt_utf8_decode(in->text + i, end - i, &c);
            const char *to = whole ? whole : find(p, in->text + i, next - i);
            *changed = *changed || to;
            bool ok = to ? lt_ntext_push(out, to, strlen(to), lt_view_span(in, i, next), err)
                         : lt_ntext_copy(out, in, i, next, err);
            if (!ok)
                return false;
            i = next;
        }
    }
    return true;
}
