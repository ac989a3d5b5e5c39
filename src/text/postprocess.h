/* Post-processors: the tokens that go before and behind a text. */
#ifndef LT_TEXT_POSTPROCESS_H
#define LT_TEXT_POSTPROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

enum { LT_FRAME_TEXT = -1, LT_FRAME_SECOND = -2 }; /* where the text goes, and the second one of a pair */

/* What a text becomes: ids and LT_FRAME_TEXT, in order. Empty: the text alone. */
typedef lt_ids lt_frame;

/* What two texts become, and the token type of each entry. */
typedef struct lt_pair_frame {
    lt_frame frame; /* empty: one text behind the other, of types 0 and 1 */
    lt_ids types;   /* one for each entry of the frame */
} lt_pair_frame;

void lt_pair_frame_free(lt_pair_frame *pair);

/* Reads the member "post_processor" for single texts and for pairs. Start with {0}. */
bool lt_frame_open(lt_frame *frame, lt_pair_frame *pair, const lt_json *root, lt_error *err);

/* The frame of pairs that follows from one of single texts: with tokens on both sides, as [CLS] a [SEP], the second text is closed
 * as the first (types 0, 1); with tokens on one side each text has its own. */
bool lt_pair_frame_derive(lt_pair_frame *pair, const lt_frame *frame, lt_error *err);

#endif
