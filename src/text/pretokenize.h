/* Pre-tokenizers: where a normalized text is cut before the model sees it. Some also rewrite the text. */
#ifndef LT_TEXT_PRETOKENIZE_H
#define LT_TEXT_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "text/normalize.h"
#include "text/pattern.h"
#include "text/tokenizer_json.h"

typedef struct lt_piece {
    uint32_t begin, end; /* in the text; never empty */
} lt_piece;

typedef struct lt_pieces {
    lt_piece *data;
    size_t count, capacity;
} lt_pieces;

typedef struct lt_pretokenizer lt_pretokenizer;

/* What pre-tokenizing needs; one per thread. Start with {0}. */
typedef struct lt_pretokenize_scratch {
    lt_pieces pieces[2];
    lt_ntext texts[2];
    int next_pieces, next_text; /* those that the next step writes to */
    lt_pattern_scratch pattern;
} lt_pretokenize_scratch;

void lt_pretokenize_scratch_free(lt_pretokenize_scratch *scratch);
void lt_pretokenize_begin(lt_pretokenize_scratch *scratch, size_t size, bool track);

/* Reads the member "pre_tokenizer"; *out is NULL when it is null or missing. When the model takes bytes, a ByteLevel in
 * last place leaves them as they are (its alphabet is one character per byte, so nothing else would come of it). */
bool lt_pretokenizer_open(lt_pretokenizer **out, const lt_json *root, bool model_takes_bytes, lt_error *err);
void lt_pretokenizer_close(lt_pretokenizer *pretokenizer); /* NULL is fine */

/* True when pieces are bytes for the model, not characters. */
bool lt_pretokenizer_gives_bytes(const lt_pretokenizer *pretokenizer);

/* True when it matters to a step whether a piece stands at the very beginning of the text, so that origins are needed
 * once something has changed the text. */
bool lt_pretokenizer_needs_origins(const lt_pretokenizer *pretokenizer);

/* Cuts *view; the pieces and the text of *view, if a step rewrote it, live in the scratch until the next call. */
bool lt_pretokenize(const lt_pretokenizer *pretokenizer, lt_pretokenize_scratch *scratch, lt_view *view,
                    const lt_pieces **pieces, lt_error *err);

/* pretokenize_split.c: what becomes of a delimiter. */
typedef enum lt_split {
    LT_SPLIT_REMOVED,
    LT_SPLIT_ISOLATED,
    LT_SPLIT_MERGED_WITH_PREVIOUS,
    LT_SPLIT_MERGED_WITH_NEXT,
    LT_SPLIT_CONTIGUOUS,
} lt_split;

bool lt_split_read(const lt_json *at, lt_split *out, lt_error *err);

/* Appends the pieces that matches make of a text that begins at `base`; invert swaps matches and what lies between. */
bool lt_split_apply(lt_split split, bool invert, const lt_matches *matches, uint32_t base, lt_pieces *out,
                    lt_error *err);

/* Replaces *out by the parts of text[0, size): each character that `is` holds for alone, and the runs between. */
bool lt_split_find(bool (*is)(uint32_t c, uint32_t argument), uint32_t argument, const char *text, size_t size,
                   lt_matches *out, lt_error *err);

static inline bool lt_pieces_push(lt_pieces *p, size_t begin, size_t end, lt_error *err)
{
    if (begin == end)
        return true;
    if (p->count == p->capacity && !lt_grow(&p->data, &p->capacity, p->count + 1, sizeof *p->data, err))
        return false;
    p->data[p->count++] = (lt_piece){(uint32_t)begin, (uint32_t)end};
    return true;
}

#endif
