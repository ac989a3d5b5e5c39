/* Normalizers: what a tokenizer does to a text before it is cut into pieces. */
#ifndef LT_TEXT_NORMALIZE_H
#define LT_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "text/pattern.h"
#include "text/textbuf.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

/* A text on its way, and where it came from: byte i is from the bytes from[i] of the original, or, while nothing has
 * changed it (from is NULL), is byte base + i of the original itself. Borrowed. */
typedef struct lt_view {
    const char *text;
    size_t size;
    const lt_span *from;
    size_t base;
} lt_view;

static inline lt_span lt_view_from(const lt_view *view, size_t i)
{
    return view->from ? view->from[i] : (lt_span){view->base + i, view->base + i + 1};
}

/* The bytes of the original that text[begin, end) came from. */
static inline lt_span lt_view_span(const lt_view *view, size_t begin, size_t end)
{
    if (begin == end) {
        size_t at = begin < view->size ? lt_view_from(view, begin).begin
                    : begin            ? lt_view_from(view, begin - 1).end
                                       : view->base;
        return (lt_span){at, at};
    }
    return (lt_span){lt_view_from(view, begin).begin, lt_view_from(view, end - 1).end};
}

/* What stands before the character at `at` without being in the original shares that character's origin, as in the
 * reference. */
lt_span lt_view_char(const lt_view *view, size_t at);

/* text[begin, end) of a view as a view. */
static inline lt_view lt_view_part(const lt_view *view, size_t begin, size_t end)
{
    return (lt_view){view->text + begin, end - begin, view->from ? view->from + begin : NULL,
                     view->from ? view->base : view->base + begin};
}

/* A text being made. Origins are kept only when `track` is set. */
typedef struct lt_ntext {
    lt_textbuf text;
    lt_span *from;
    size_t from_capacity;
    bool track;
    size_t limit; /* most bytes it may grow to: a hostile chain of replacements doubles a text each time */
} lt_ntext;

void lt_ntext_free(lt_ntext *out);

/* Appends bytes that all come from `from`. */
bool lt_ntext_push(lt_ntext *out, const char *text, size_t size, lt_span from, lt_error *err);
bool lt_ntext_push_char(lt_ntext *out, uint32_t c, lt_span from, lt_error *err);

/* Appends in->text[begin, end) with its origins. */
bool lt_ntext_copy(lt_ntext *out, const lt_view *in, size_t begin, size_t end, lt_error *err);

lt_view lt_ntext_view(const lt_ntext *text);

/* A list of steps. */
typedef struct lt_normalizer lt_normalizer;

/* What normalizing needs; one per thread. Start with {0}. Two texts that steps write to in turn. */
typedef struct lt_normalize_scratch {
    lt_ntext texts[2];
    int next; /* the one the next step writes to */
    size_t total; /* bytes of the text whose stretches are normalized */
    lt_pattern_scratch pattern;
    int32_t *points; /* code points of a normalization form in the making */
    size_t points_capacity;
} lt_normalize_scratch;

void lt_normalize_scratch_free(lt_normalize_scratch *scratch);

/* Gives the scratch texts their limit for an input of this size, and whether origins are kept. A stretch of the input is known to be
 * its first or last by its origins. */
void lt_normalize_begin(lt_normalize_scratch *scratch, size_t size, bool track);

/* Reads the member "normalizer"; *out is NULL when it is null or missing. */
bool lt_normalizer_open(lt_normalizer **out, const lt_json *root, lt_error *err);
void lt_normalizer_close(lt_normalizer *normalizer);

/* Replaces *view by its normal form, which lives in the scratch until the next call. normalizer may be NULL. */
bool lt_normalize(const lt_normalizer *normalizer, lt_normalize_scratch *scratch, lt_view *view, lt_error *err);

/* normalize_forms.c */
typedef enum lt_form { LT_FORM_NFC, LT_FORM_NFD, LT_FORM_NFKC, LT_FORM_NFKD } lt_form;
bool lt_normalize_form(lt_form form, lt_normalize_scratch *scratch, const lt_view *in, lt_ntext *out, bool *changed,
                       lt_error *err);

/* bytelevel.c: the character that stands for a byte in byte-level vocabularies, and back (-1: none). */
uint32_t lt_bytelevel_char(unsigned char byte);
int lt_bytelevel_byte(uint32_t c);

/* Appends the characters that stand for in->text[begin, end). */
bool lt_bytelevel_push(lt_ntext *out, const lt_view *in, size_t begin, size_t end, lt_error *err);

#endif
