/* The tokenizer inside a GGUF file, as the files of a Hugging Face folder that amount to it: one reader serves both. */
#ifndef LT_TEXT_TOKENIZER_GGUF_H
#define LT_TEXT_TOKENIZER_GGUF_H

#include <jansson.h>

#include "formats/gguf.h"

/* Has the file a vocabulary? (Some hold tensors alone.) */
bool lt_tokenizer_gguf_has(const lt_gguf *file);

/* The tokenizer.json: model, added tokens, normalizer, pre-tokenizer, decoder. New reference, or NULL with *err set:
 * LT_ERR_UNSUPPORTED for a kind of vocabulary or a pre-tokenizer that lathe does not know. */
json_t *lt_tokenizer_gguf_root(const lt_gguf *file, lt_error *err);

/* The tokenizer_config.json: special tokens by role, add_bos_token, add_eos_token, chat templates. */
json_t *lt_tokenizer_gguf_config(const lt_gguf *file, lt_error *err);

/* The generation_config.json: ids of beginning, padding and of all tokens that end a text. */
json_t *lt_tokenizer_gguf_generation(const lt_gguf *file, lt_error *err);

/* ---- tokenizer_gguf_pre.c ---- */

/* How a byte-level vocabulary cuts text, by tokenizer.ggml.pre. */
typedef struct lt_gguf_pre {
    const char *names; /* all values of the key, between spaces: " llama3 llama-bpe " */
    const char *normalizer; /* "NFC" or NULL */
    const char *patterns[8]; /* each cuts what the ones before it left whole; NULL ends */
    bool ignore_merges, add_bos;
    const char *steps; /* JSON: all pre-tokenizers, in place of patterns; NULL otherwise */
    bool pieces;       /* tokens are text with "▁" for spaces, not bytes, and words are not cut */
} lt_gguf_pre;

/* NULL when there is none of this name. size 0: the one of files that do not say. */
const lt_gguf_pre *lt_gguf_pre_find(const char *name, size_t size);

/* The name that begins most like this one, in nearest[0, room). */
bool lt_gguf_pre_nearest(const char *name, size_t size, char *nearest, size_t room);

#endif
