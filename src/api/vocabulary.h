/* Do two models mean the same by an id? */
#ifndef LT_API_VOCABULARY_H
#define LT_API_VOCABULARY_H

#include "text/tokenizer.h"

/* A model's tokens, each as a checksum, so that two tokenizers need not be in memory at once. Start with {0}. */
typedef struct lt_api_vocabulary {
    uint64_t *tokens; /* (count); 0: the id has no token, or a place holder that only pads the vocabulary */
    int32_t count;    /* ids below this may have one; 0: the model comes without a tokenizer */
} lt_api_vocabulary;

/* model: a folder or a GGUF file. */
bool lt_api_vocabulary_read(lt_api_vocabulary *vocabulary, const char *model, lt_error *err);
void lt_api_vocabulary_free(lt_api_vocabulary *vocabulary);

/* *tokens: ids that have a token in either are below this; 0 when one of them is not known (tokenizer may be NULL). An id that is one
 * token here and another one there is LT_ERR_USAGE with both; what: whose vocabulary it is, for the message. */
bool lt_api_vocabulary_same(const lt_api_vocabulary *vocabulary, const lt_tokenizer *tokenizer, const char *what, int64_t *tokens,
                            lt_error *err);

#endif
