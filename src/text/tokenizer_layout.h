/* Files of older layouts as the tokenizer.json that they amount to. Each gives a new reference, or NULL with *err set; `name` is the
 * file's, for messages, and class_name what tokenizer_config.json calls the tokenizer, or NULL. */
#ifndef LT_TEXT_TOKENIZER_LAYOUT_H
#define LT_TEXT_TOKENIZER_LAYOUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "text/spm_proto.h"

/* tokenizer.model of SentencePiece. */
json_t *lt_tokenizer_spm_root(const char *bytes, size_t size, const char *name, const char *class_name, lt_error *err);

/* The same from its parts, for models in other files. */
json_t *lt_tokenizer_spm_json(const lt_spm *spm, const char *name, const char *class_name, lt_error *err);

/* A list of tokens in base64 with their ranks, one a line, as tiktoken has them. Its special tokens follow from the class (Qwen's) or
 * from the size of the vocabulary (Llama 3's), where tokenizer_config.json does not give them. */
json_t *lt_tokenizer_tiktoken_root(const char *bytes, size_t size, const char *name, const char *class_name, lt_error *err);

/* Do these bytes begin like a file of tiktoken's? */
bool lt_tokenizer_is_tiktoken(const char *bytes, size_t size);

#endif
