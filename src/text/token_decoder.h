/* Decoders: from token strings to text, one token at a time. What comes out is certain: no later token changes it. */
#ifndef LT_TEXT_TOKEN_DECODER_H
#define LT_TEXT_TOKEN_DECODER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "text/pattern.h"
#include "text/textbuf.h"
#include "text/tokenizer_json.h"

typedef struct lt_token_decoder lt_token_decoder;

/* Reads the member "decoder". Null or missing is a decoder as well: tokens with spaces between. */
bool lt_token_decoder_open(lt_token_decoder **out, const lt_json *root, lt_error *err);
void lt_token_decoder_close(lt_token_decoder *decoder); /* NULL is fine */

typedef struct lt_token_decoding lt_token_decoding;

bool lt_token_decoding_open(lt_token_decoding **out, const lt_token_decoder *decoder, lt_error *err);
void lt_token_decoding_close(lt_token_decoding *decoding); /* NULL is fine */

/* Takes a token and appends to *out what is now certain. */
bool lt_token_decoding_push(lt_token_decoding *decoding, const char *token, size_t size, lt_textbuf *out,
                            lt_error *err);

/* Appends what was held back; the decoding is then as new. */
bool lt_token_decoding_finish(lt_token_decoding *decoding, lt_textbuf *out, lt_error *err);

#endif
