/* SentencePiece's own normalization (normalizer.cc of its sources says what it does): compiled rules, of which the longest that fits
 * at a place is taken, and rules for spaces. The package `tokenizers` has no such step; here it is "SentencePiece" with
 *
 *     precompiled_charsmap        base64; may be missing
 *     remove_extra_whitespaces    no spaces at the ends of a text, and never two in a row
 *     prefix                      "first": a space goes before a text; "none"; "each": what stands between added tokens is treated as a
 *                                 text of its own, a space before it too
 *     escape_whitespaces          "▁" (U+2581) for spaces
 */
#ifndef LT_TEXT_NORMALIZE_SENTENCEPIECE_H
#define LT_TEXT_NORMALIZE_SENTENCEPIECE_H

#include "text/normalize.h"

typedef struct lt_sentencepiece lt_sentencepiece;

bool lt_sentencepiece_open(lt_sentencepiece **out, const lt_json *at, lt_error *err);
void lt_sentencepiece_close(lt_sentencepiece *rules); /* NULL is fine */

bool lt_sentencepiece_apply(const lt_sentencepiece *rules, const lt_normalize_scratch *scratch, const lt_view *in, lt_ntext *out,
                            lt_error *err);

#endif
