/* Added tokens: strings that are found in the text before anything else and become one id. */
#ifndef LT_TEXT_TOKENIZER_ADDED_H
#define LT_TEXT_TOKENIZER_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "text/normalize.h"
#include "text/tokenizer_json.h"
#include "text/vocab.h"

typedef struct lt_added_token {
    char *content; /* as the file has it */
    char *form;    /* its normal form when `normalized`, else its content; what the text is searched for */
    size_t content_size, form_size;
    int32_t id;
    bool special;        /* as the file says */
    bool skipped;        /* left out when decoding without special tokens: what it is searched as is a special token */
    bool single_word;    /* only where no word character touches it */
    bool lstrip, rstrip; /* takes the white space before, behind */
    bool normalized;     /* searched for in the normalized text */
} lt_added_token;

typedef struct lt_trie_node {
    uint32_t child, sibling; /* 0: none */
    int32_t token;           /* index of the token that ends here, or -1 */
    unsigned char byte;
} lt_trie_node;

/* All strings to search for, byte by byte. Node 0 is the root; its children are in a table of their own. */
typedef struct lt_trie {
    lt_trie_node *nodes;
    size_t count, capacity;
    uint32_t roots[256];
} lt_trie;

typedef struct lt_added {
    lt_added_token *tokens;
    size_t count, capacity;
    lt_vocab index; /* content → index in tokens */
    lt_trie raw, normal;
    int32_t *by_id; /* id → index in tokens, or -1; [0, end) */
    int32_t end;    /* one more than the greatest id */
} lt_added;

/* A stretch of a text: an added token, or (token -1) text between. */
typedef struct lt_stretch {
    size_t begin, end;
    int32_t token; /* index */
} lt_stretch;

typedef struct lt_stretches {
    lt_stretch *data;
    size_t count, capacity;
} lt_stretches;

/* Reads the member "added_tokens" (may be missing). Ids are given as the reference gives them: that of the model when
 * it has the token, else the next free one; a file that says otherwise is warned about. */
bool lt_added_open(lt_added *added, const lt_json *root, const lt_vocab *model, const lt_normalizer *normalizer,
                   lt_error *err);
void lt_added_free(lt_added *added);

/* Replaces *out by the stretches of text[0, size); trie is &added->raw or &added->normal. skip_special: special tokens
 * are plain text. */
bool lt_added_find(const lt_added *added, const lt_trie *trie, const char *text, size_t size, bool skip_special,
                   lt_stretches *out, lt_error *err);

/* The added token of an id, or NULL. */
static inline const lt_added_token *lt_added_of(const lt_added *added, int32_t id)
{
    return id >= 0 && id < added->end && added->by_id[id] >= 0 ? &added->tokens[added->by_id[id]] : NULL;
}

#endif
