/* Encoding: added tokens out of the raw text, the rest normalized; added tokens out of the normal form, the rest cut
 * into pieces; pieces to ids; and the frame around all. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_internal.h"
#include "text/utf8_lossy.h"

static lt_scratch *take_scratch(const lt_tokenizer *tokenizer, lt_error *err)
{
    lt_tokenizer *t = (lt_tokenizer *)tokenizer; /* the pool is not part of what the handle means */
    pthread_mutex_lock(&t->lock);
    lt_scratch *s = t->pool;
    if (s)
        t->pool = s->next;
    pthread_mutex_unlock(&t->lock);
    if (!s && !(s = calloc(1, sizeof *s)))
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for encoding");
    return s;
}

static void give_scratch(const lt_tokenizer *tokenizer, lt_scratch *s)
{
    lt_tokenizer *t = (lt_tokenizer *)tokenizer;
    pthread_mutex_lock(&t->lock);
    s->next = t->pool;
    t->pool = s;
    pthread_mutex_unlock(&t->lock);
}

/* Replaces ill-formed bytes of *view, if there are any. */
static bool clean(lt_scratch *s, lt_view *view, lt_error *err)
{
    size_t good = lt_utf8_good_part(view->text, view->size);
    if (good == view->size)
        return true;
    s->clean.text.size = 0;
    s->clean.limit = SIZE_MAX;
    for (size_t i = 0;;) {
        bool cut_short;
        if (!lt_ntext_copy(&s->clean, view, i, i + good, err))
            return false;
        i += good;
        if (i == view->size)
            break;
        size_t bad = lt_utf8_bad_part(view->text + i, view->size - i, &cut_short);
        if (!lt_ntext_push(&s->clean, LT_REPLACEMENT, 3, (lt_span){i, i + bad}, err))
            return false;
        i += bad;
        good = lt_utf8_good_part(view->text + i, view->size - i);
    }
    *view = lt_ntext_view(&s->clean);
    return true;
}

static bool push_span(lt_spans *spans, lt_span span, lt_error *err)
{
    if (!lt_grow(&spans->data, &spans->capacity, spans->count + 1, sizeof *spans->data, err))
        return false;
    spans->data[spans->count++] = span;
    return true;
}

/* The spans of the tokens from `first` on, which stand for piece after piece of view. */
static bool push_spans(lt_scratch *s, const lt_view *view, lt_piece piece, size_t first, lt_error *err)
{
    size_t at = piece.begin;
    for (size_t i = first; i < s->tokens.count; i++) {
        size_t end = at + s->tokens.sizes[i];
        if (end > piece.end) /* a model that dropped unknown characters */
            end = piece.end;
        if (!push_span(&s->spans, lt_view_span(view, at, end), err))
            return false;
        at = end;
    }
    return true;
}

/* Text without added tokens, in its normal form. */
static bool encode_plain(const lt_tokenizer *t, lt_scratch *s, lt_view view, bool spans, lt_error *err)
{
    const lt_pieces *pieces;
    bool bytes = lt_pretokenizer_gives_bytes(t->pretokenizer);
    if (!lt_pretokenize(t->pretokenizer, &s->pretokenize, &view, &pieces, err))
        return false;
    for (size_t i = 0; i < pieces->count; i++) {
        lt_piece p = pieces->data[i];
        size_t first = s->tokens.count;
        if (!lt_token_model_encode(t->model, &s->model, view.text + p.begin, p.end - p.begin, bytes, &s->tokens, err))
            return false;
        if (spans && !push_spans(s, &view, p, first, err))
            return false;
    }
    return true;
}

static bool push_added(const lt_tokenizer *t, lt_scratch *s, const lt_view *view, lt_stretch at, bool spans,
                       lt_error *err)
{
    if (at.begin >= at.end) /* a token whose white space an earlier one took; the reference drops what is empty */
        return true;
    return lt_tokens_push(&s->tokens, t->added.tokens[at.token].id, (uint32_t)(at.end - at.begin), err) &&
           (!spans || push_span(&s->spans, lt_view_span(view, at.begin, at.end), err));
}

/* A stretch of raw text without raw added tokens. */
static bool encode_stretch(const lt_tokenizer *t, lt_scratch *s, lt_view view, unsigned flags, bool spans,
                           lt_error *err)
{
    if (!lt_normalize(t->normalizer, &s->normalize, &view, err))
        return false;
    if (!t->added.normal.count)
        return encode_plain(t, s, view, spans, err);
    if (!lt_added_find(&t->added, &t->added.normal, view.text, view.size, flags & LT_ENCODE_SPECIAL_AS_TEXT, &s->normal,
                       err))
        return false;
    for (size_t i = 0; i < s->normal.count; i++) {
        lt_stretch at = s->normal.data[i];
        bool ok = at.token >= 0 ? push_added(t, s, &view, at, spans, err)
                                : encode_plain(t, s, lt_view_part(&view, at.begin, at.end), spans, err);
        if (!ok)
            return false;
    }
    return true;
}

static bool encode_text(const lt_tokenizer *t, lt_scratch *s, const char *text, size_t size, unsigned flags, bool spans,
                        lt_error *err)
{
    lt_view view = {text, size, NULL, 0};
    bool track = spans || (t->normalizer && lt_pretokenizer_needs_origins(t->pretokenizer));
    s->tokens.count = s->spans.count = 0;
    s->clean.track = track;
    lt_normalize_begin(&s->normalize, size, track);
    lt_pretokenize_begin(&s->pretokenize, size, track);
    if (!clean(s, &view, err))
        return false;
    if (!track) /* origins are then places in what was cleaned */
        s->normalize.total = view.size;
    if (!lt_added_find(&t->added, &t->added.raw, view.text, view.size, flags & LT_ENCODE_SPECIAL_AS_TEXT, &s->raw, err))
        return false;
    for (size_t i = 0; i < s->raw.count; i++) {
        lt_stretch at = s->raw.data[i];
        bool ok = at.token >= 0 ? push_added(t, s, &view, at, spans, err)
                                : encode_stretch(t, s, lt_view_part(&view, at.begin, at.end), flags, spans, err);
        if (!ok)
            return false;
    }
    return true;
}

/* Widens a span to whole characters: a token may be a part of one. */
static lt_span whole_characters(lt_span span, const char *text, size_t size)
{
    for (int i = 0; i < 3 && span.begin < span.end && ((unsigned char)text[span.begin] & 0xC0) == 0x80 && span.begin;
         i++)
        span.begin--;
    for (int i = 0; i < 3 && span.begin < span.end && span.end < size && ((unsigned char)text[span.end] & 0xC0) == 0x80;
         i++)
        span.end++;
    return span;
}

static bool append_text(const lt_scratch *s, const char *text, size_t size, lt_ids *ids, lt_spans *spans, lt_error *err)
{
    if (!lt_ids_append(ids, s->tokens.ids, s->tokens.count, err))
        return false;
    for (size_t i = 0; spans && i < s->spans.count; i++)
        if (!push_span(spans, whole_characters(s->spans.data[i], text, size), err))
            return false;
    return true;
}

/* Puts the tokens into the frame. */
static bool append_framed(const lt_tokenizer *t, const lt_scratch *s, const char *text, size_t size, unsigned flags,
                          lt_ids *ids, lt_spans *spans, lt_error *err)
{
    size_t at = 0;
    if (t->frame.count == 0)
        return append_text(s, text, size, ids, spans, err);
    for (size_t i = 0; i < t->frame.count; i++) {
        bool ok = true;
        if (t->frame.data[i] == LT_FRAME_TEXT) {
            ok = append_text(s, text, size, ids, spans, err);
            at = size;
        } else if (flags & LT_ENCODE_ADD_SPECIAL) {
            ok = lt_ids_push(ids, t->frame.data[i], err) && (!spans || push_span(spans, (lt_span){at, at}, err));
        }
        if (!ok)
            return false;
    }
    return true;
}

bool lt_tokenizer_encode_spans(const lt_tokenizer *t, const char *text, size_t size, unsigned flags, lt_ids *ids,
                               lt_spans *spans, lt_error *err)
{
    if (size > INT32_MAX)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "a text of %zu bytes; at most 2 GB can be encoded at once", size);
    lt_scratch *s = take_scratch(t, err);
    if (!s)
        return false;
    size_t ids_before = ids->count, spans_before = spans ? spans->count : 0;
    bool ok = encode_text(t, s, text, size, flags, spans != NULL, err) &&
              append_framed(t, s, text, size, flags, ids, spans, err);
    if (!ok) {
        ids->count = ids_before;
        if (spans)
            spans->count = spans_before;
    }
    give_scratch(t, s);
    return ok;
}

bool lt_tokenizer_encode(const lt_tokenizer *t, const char *text, size_t size, unsigned flags, lt_ids *ids,
                         lt_error *err)
{
    return lt_tokenizer_encode_spans(t, text, size, flags, ids, NULL, err);
}
