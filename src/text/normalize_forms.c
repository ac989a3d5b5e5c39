/* Normalization forms, over utf8proc's tables, in chunks: a starter and everything that may be reordered or composed
 * with it. A text of unchanged chunks is not copied. */
#include <string.h>
#include <utf8proc.h>

#include "core/utf8.h"
#include "text/normalize.h"
#include "text/unicode.h"

static bool is_compat(lt_form form)
{
    return form == LT_FORM_NFKC || form == LT_FORM_NFKD;
}
static bool is_composed(lt_form form)
{
    return form == LT_FORM_NFC || form == LT_FORM_NFKC;
}

/* Below this code point the form changes nothing, as long as no mark follows. */
static uint32_t first_changed(lt_form form)
{
    return form == LT_FORM_NFC ? 0x300 : form == LT_FORM_NFD ? 0xC0 : 0xA0;
}

/* True when c neither moves before nor composes with what stands left of it. */
static bool starts_chunk(uint32_t c)
{
    if (c < 0x300 || lt_unicode_is_inert(c))
        return true;
    /* Hangul vowels and finals, and what may become one: compatibility and halfwidth letters; halfwidth marks */
    if ((c >= 0x1160 && c <= 0x11FF) || (c >= 0x3131 && c <= 0x318E) || (c >= 0xFF9E && c <= 0xFFDC))
        return false;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
    return p->combining_class == 0 && p->category != UTF8PROC_CATEGORY_MN && p->category != UTF8PROC_CATEGORY_MC &&
           p->category != UTF8PROC_CATEGORY_ME;
}

static bool decompose(lt_form form, lt_normalize_scratch *s, uint32_t c, size_t *count, lt_error *err)
{
    enum { MOST = 64 }; /* the longest decomposition has 18 */
    if (!lt_grow(&s->points, &s->points_capacity, *count + MOST, sizeof *s->points, err))
        return false;
    if (lt_unicode_is_inert(c)) {
        s->points[(*count)++] = (int32_t)c;
        return true;
    }
    int boundary = 0;
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | (is_compat(form) ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, s->points + *count, MOST, options, &boundary);
    if (n < 0 || n > MOST)
        return lt_error_set(err, LT_ERR_FORMAT, "U+%04X cannot be decomposed: %s", c, utf8proc_errmsg(n));
    *count += (size_t)n;
    return true;
}

static int class_of(int32_t c)
{
    return lt_unicode_is_inert((uint32_t)c) ? 0 : utf8proc_get_property(c)->combining_class;
}

/* Sorts runs of non-starters by combining class, stably and in linear time (a hostile text is one long run). */
static bool reorder(lt_normalize_scratch *s, size_t count, lt_error *err)
{
    for (size_t i = 0; i < count;) {
        if (class_of(s->points[i]) == 0) {
            i++;
            continue;
        }
        size_t end = i, first[257] = {0};
        bool sorted = true;
        for (int last = 0; end < count && class_of(s->points[end]); end++) {
            int class = class_of(s->points[end]);
            sorted = sorted && class >= last;
            last = class;
            first[class + 1]++;
        }
        if (!sorted) {
            size_t n = end - i;
            if (!lt_grow(&s->points, &s->points_capacity, count + n, sizeof *s->points, err))
                return false;
            int32_t *copy = s->points + count;
            memcpy(copy, s->points + i, n * sizeof *copy);
            for (int c = 1; c < 257; c++)
                first[c] += first[c - 1];
            for (size_t k = 0; k < n; k++)
                s->points[i + first[class_of(copy[k])]++] = copy[k];
        }
        i = end;
    }
    return true;
}

/* Writes the form of in->text[begin, end), one chunk. */
static bool put_chunk(lt_form form, lt_normalize_scratch *s, const lt_view *in, size_t begin, size_t end, lt_ntext *out,
                      bool *changed, lt_error *err)
{
    size_t count = 0, written = out->text.size;
    for (size_t i = begin; i < end;) {
        uint32_t c;
        i += (size_t)lt_utf8_decode(in->text + i, end - i, &c);
        if (!decompose(form, s, c, &count, err))
            return false;
    }
    if (!reorder(s, count, err))
        return false;
    if (is_composed(form) && count > 1) {
        utf8proc_ssize_t n =
            utf8proc_normalize_utf32(s->points, (utf8proc_ssize_t)count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        if (n < 0)
            return lt_error_set(err, LT_ERR_FORMAT, "cannot compose a text: %s", utf8proc_errmsg(n));
        count = (size_t)n;
    }
    lt_span from = lt_view_span(in, begin, end);
    for (size_t i = 0; i < count; i++)
        if (!lt_ntext_push_char(out, (uint32_t)s->points[i], from, err))
            return false;
    if (out->text.size - written != end - begin || memcmp(out->text.data + written, in->text + begin, end - begin)) {
        *changed = true;
        return true;
    }
    out->text.size = written; /* the same: copy it, so that each byte keeps its own origin */
    return lt_ntext_copy(out, in, begin, end, err);
}

bool lt_normalize_form(lt_form form, lt_normalize_scratch *s, const lt_view *in, lt_ntext *out, bool *changed,
                       lt_error *err)
{
    size_t i = 0;
    uint32_t c, limit = first_changed(form);
    for (; i < in->size; i++) { /* bytes below 0x80, or of a character below U+0300: most texts end here */
        unsigned char b = (unsigned char)in->text[i];
        if (b >= 0x80 && (limit != 0x300 || b >= 0xCC))
            break;
    }
    if (i == in->size)
        return true;
    for (i = 0; i < in->size;) {
        size_t end = i + (size_t)lt_utf8_decode(in->text + i, in->size - i, &c);
        bool plain = c < limit;
        while (end < in->size) {
            uint32_t next;
            int length = lt_utf8_decode(in->text + end, in->size - end, &next);
            if (starts_chunk(next)) {
                if (!plain || next >= limit)
                    break;
            } else if (plain && end > i) { /* a mark: it belongs to the character before it alone */
                size_t last = end - 1;
                while (last > i && ((unsigned char)in->text[last] & 0xC0) == 0x80)
                    last--;
                if (last > i) {
                    end = last;
                    break;
                }
                plain = false;
            }
            end += (size_t)length;
        }
        bool ok = plain ? lt_ntext_copy(out, in, i, end, err) : put_chunk(form, s, in, i, end, out, changed, err);
        if (!ok)
            return false;
        i = end;
    }
    return true;
}
