/* A vocabulary: token strings by id and ids by token string. */
#ifndef LT_TEXT_VOCAB_H
#define LT_TEXT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "text/textbuf.h"

/* Ids are rows of an embedding; the greatest vocabularies in use have less than a million. The limit keeps a hostile id
 * from becoming a huge table. */
enum { LT_VOCAB_MAX_ID = (4 << 20) - 1 };

typedef struct lt_vocab_entry {
    uint32_t begin; /* in bytes.data; NUL-terminated */
    int32_t size;   /* -1: no token has this id */
} lt_vocab_entry;

typedef struct lt_vocab {
    lt_textbuf bytes;
    lt_vocab_entry *entries; /* by id, [0, end) */
    size_t entries_capacity;
    int32_t end;    /* one more than the greatest id */
    int32_t count;  /* tokens */
    int32_t *slots; /* open addressing, -1 empty, else an id */
    uint32_t mask;
    uint64_t seed; /* random, so that no file can choose tokens that collide */
} lt_vocab;

/* Makes an empty vocabulary with room for `count` tokens. lt_vocab_free is fine on {0}. */
bool lt_vocab_init(lt_vocab *vocab, size_t count, lt_error *err);
void lt_vocab_free(lt_vocab *vocab);

typedef enum lt_vocab_result {
    LT_VOCAB_ADDED,
    LT_VOCAB_SAME_TOKEN, /* the token is there, with another or the same id */
    LT_VOCAB_SAME_ID,    /* the id is taken by another token */
    LT_VOCAB_NO_MEMORY,  /* *err is set */
} lt_vocab_result;

/* id in [0, LT_VOCAB_MAX_ID]. The string is copied. Nothing changes unless the result is LT_VOCAB_ADDED. */
lt_vocab_result lt_vocab_add(lt_vocab *vocab, int32_t id, const char *token, size_t size, lt_error *err);

/* The id of a token, or -1. */
int32_t lt_vocab_find(const lt_vocab *vocab, const char *token, size_t size);

/* The token of an id, or NULL. size may be NULL. */
static inline const char *lt_vocab_token(const lt_vocab *vocab, int32_t id, size_t *size)
{
    if (id < 0 || id >= vocab->end || vocab->entries[id].size < 0)
        return NULL;
    if (size)
        *size = (size_t)vocab->entries[id].size;
    return vocab->bytes.data + vocab->entries[id].begin;
}

#endif
