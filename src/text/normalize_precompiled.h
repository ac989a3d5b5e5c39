/* SentencePiece's compiled normalization rules (normalizer "Precompiled"): a double-array trie from byte sequences to
 * replacements, in base64. */
#ifndef LT_TEXT_NORMALIZE_PRECOMPILED_H
#define LT_TEXT_NORMALIZE_PRECOMPILED_H

#include "text/normalize.h"

typedef struct lt_precompiled lt_precompiled;

bool lt_precompiled_open(lt_precompiled **out, const lt_json *at, lt_error *err);
void lt_precompiled_close(lt_precompiled *precompiled); /* NULL is fine */

/* The replacement for the longest prefix of text[0, size) that has one, and *taken, the bytes of that prefix; NULL: none. */
const char *lt_precompiled_longest(const lt_precompiled *precompiled, const char *text, size_t size, size_t *taken);

/* What the package `tokenizers` does: whole grapheme clusters of up to five bytes, else character by character, each by the shortest
 * prefix of it that has a replacement. */
bool lt_precompiled_apply(const lt_precompiled *precompiled, lt_normalize_scratch *scratch, const lt_view *in,
                          lt_ntext *out, bool *changed, lt_error *err);

#endif
