/* Models: from a piece of text to ids. A kind of model is one file and one row of the table in token_model.c. */
#ifndef LT_TEXT_TOKEN_MODEL_H
#define LT_TEXT_TOKEN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "text/textbuf.h"
#include "text/tokenizer_json.h"
#include "text/vocab.h"
#include "text/word_cache.h"

/* Ids, and the bytes of the piece that each stands for. */
typedef struct lt_tokens {
    int32_t *ids;
    uint32_t *sizes;
    size_t count, ids_capacity, sizes_capacity;
} lt_tokens;

void lt_tokens_free(lt_tokens *tokens);
bool lt_tokens_reserve(lt_tokens *tokens, size_t more, lt_error *err);

static inline bool lt_tokens_push(lt_tokens *t, int32_t id, uint32_t size, lt_error *err)
{
    if (t->count == t->ids_capacity && !lt_tokens_reserve(t, 1, err))
        return false;
    t->ids[t->count] = id;
    t->sizes[t->count++] = size;
    return true;
}

/* Appends the tokens of a word that the cache knows. */
bool lt_tokens_recall(lt_tokens *out, const lt_word_cache *cache, const char *text, size_t size, bool *found,
                      lt_error *err);

/* Puts the tokens from `first` on into the cache, as those of a word. */
void lt_tokens_remember(const lt_tokens *tokens, size_t first, lt_word_cache *cache, const char *text, size_t size);

/* What encoding needs; one per thread. Start with {0}. */
typedef struct lt_token_model_scratch {
    lt_word_cache cache;
    lt_textbuf text;    /* a token's name in the making */
    void *nodes, *heap; /* of the model's own types */
    size_t nodes_capacity, heap_capacity;
} lt_token_model_scratch;

void lt_token_model_scratch_free(lt_token_model_scratch *scratch);

typedef struct lt_token_model_kind lt_token_model_kind;

/* The head of every model's own struct. */
typedef struct lt_token_model {
    const lt_token_model_kind *kind;
    lt_vocab vocab;
    int32_t unk_id;   /* -1: none */
    bool takes_bytes; /* pieces may be bytes, each standing for its character in the byte-level alphabet */
} lt_token_model;

struct lt_token_model_kind {
    const char *type; /* as in tokenizer.json */

    /* Makes a model from the member "model". On failure nothing is left behind. */
    bool (*open)(lt_token_model **out, const lt_json *at, lt_error *err);
    void (*close)(lt_token_model *model);

    /* Appends the tokens of one piece, which is not empty. bytes: see takes_bytes; otherwise the piece is UTF-8. */
    bool (*encode)(const lt_token_model *model, lt_token_model_scratch *scratch, const char *piece, size_t size,
                   bool bytes, lt_tokens *out, lt_error *err);
};

extern const lt_token_model_kind lt_token_model_bpe, lt_token_model_wordpiece, lt_token_model_wordlevel,
    lt_token_model_unigram;

/* Opens the model of a tokenizer.json, of whichever kind. */
bool lt_token_model_open(lt_token_model **out, const lt_json *root, lt_error *err);
void lt_token_model_close(lt_token_model *model); /* NULL is fine */

/* Encodes a piece, out of the cache when it can. */
bool lt_token_model_encode(const lt_token_model *model, lt_token_model_scratch *scratch, const char *piece, size_t size,
                           bool bytes, lt_tokens *out, lt_error *err);

/* For the kinds: reads the member "vocab", an object of token → id. */
bool lt_token_model_read_vocab(lt_vocab *vocab, const lt_json *at, lt_error *err);

/* The ids of "<0x00>" … "<0xFF>", -1 where there is none. */
void lt_token_model_byte_tokens(const lt_vocab *vocab, int32_t ids[256]);

#endif
