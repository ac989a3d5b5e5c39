/* Post-processors: the tokens that go before and behind a text. */
#ifndef LT_TEXT_POSTPROCESS_H
#define LT_TEXT_POSTPROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

enum { LT_FRAME_TEXT = -1 }; /* where the text goes */

/* What a text becomes: ids and LT_FRAME_TEXT, in order. Empty: the text alone. */
typedef lt_ids lt_frame;

/* Reads the member "post_processor" for single texts. Start with {0}. */
bool lt_frame_open(lt_frame *frame, const lt_json *root, lt_error *err);

#endif
