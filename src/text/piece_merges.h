/* Merges for a vocabulary that has none written down: every two pieces that make a third are a merge, in the order of the third. */
#ifndef LT_TEXT_PIECE_MERGES_H
#define LT_TEXT_PIECE_MERGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

typedef struct lt_merge_piece {
    const char *text; /* UTF-8; its index is its id */
    size_t size;
    float score;      /* greater ones are merged first, then smaller ids */
    bool whole;       /* no merge makes it, nor is it a part of one */
} lt_merge_piece;

/* Among the cuts of one piece: by the lengths of the parts, as transformers orders SentencePiece's, or by their ids, as it orders
 * tiktoken's. A list for tokenizer.json; NULL when memory runs out. */
json_t *lt_piece_merges(const lt_merge_piece *pieces, size_t count, bool by_length, lt_error *err);

#endif
