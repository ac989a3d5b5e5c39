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
    float score;      /* greater ones are merged first */
    bool whole;       /* no merge makes it, nor is it a part of one */
} lt_merge_piece;

/* Sets model["merges"], for tokenizer.json: by score, then by the id of what they make, then by the ids of the parts, as transformers
 * orders tiktoken's. `equals` also sets model["ranks"], in which merges of one score are equals, and so go from left to right, as
 * SentencePiece has it. False when memory runs out. */
bool lt_piece_merges(const lt_merge_piece *pieces, size_t count, bool equals, json_t *model, lt_error *err);

#endif
