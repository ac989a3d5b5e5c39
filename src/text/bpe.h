/* Byte-pair encoding (Sennrich et al. 2016): the parts that its files share. */
#ifndef LT_TEXT_BPE_H
#define LT_TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/token_model.h"

/* One merge: the pair of ids, its rank (the least goes first) and the id that it makes. */
typedef struct lt_bpe_merge {
    int32_t left, right; /* left -1: empty slot */
    uint32_t rank;
    int32_t to;
} lt_bpe_merge;

typedef struct lt_bpe {
    lt_token_model model;
    lt_bpe_merge *merges; /* open addressing */
    uint32_t merges_mask;
    uint64_t seed;
    int32_t byte_id[256];    /* the token of a byte's character in the byte-level alphabet, or -1 */
    int32_t ascii_id[128];   /* the token of one ASCII character, or -1 */
    int32_t spelled_id[256]; /* "<0x00>" …, or -1 */
    bool byte_fallback, fuse_unk, ignore_merges;
    bool spells_all;       /* byte_fallback, and there is a token for every byte */
    char *unk_token;       /* NULL: none; unk_id may be -1 although there is one, which is an error when it is needed */
    char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; NULL when empty */
    size_t prefix_size, suffix_size, longest_token;
    uint8_t *crossings; /* see lt_bpe_may_cross; NULL: a piece must not be cut */
} lt_bpe;

/* A symbol of a word while it is merged: an id, the bytes it stands for, and its neighbours. */
typedef struct lt_bpe_symbol {
    int32_t id;
    uint32_t size;      /* 0: merged away */
    int32_t prev, next; /* -1: none */
} lt_bpe_symbol;

static inline uint32_t lt_bpe_first_slot(const lt_bpe *bpe, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^ bpe->seed;
    h *= 0x9E3779B97F4A7C15u;
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    return (uint32_t)(h >> 32) & bpe->merges_mask;
}

/* The merge of two ids, or NULL. */
static inline const lt_bpe_merge *lt_bpe_find(const lt_bpe *bpe, int32_t left, int32_t right)
{
    for (uint32_t i = lt_bpe_first_slot(bpe, left, right);; i = (i + 1) & bpe->merges_mask) {
        const lt_bpe_merge *m = &bpe->merges[i];
        if (m->left == left && m->right == right)
            return m;
        if (m->left < 0)
            return NULL;
    }
}

/* bpe_open.c: reads the member "model" of type BPE. */
bool lt_bpe_open(lt_token_model **out, const lt_json *at, lt_error *err);

/* bpe_merge.c: merges the symbols of out->ids and sizes from `first` on, in place, until no merge applies. */
bool lt_bpe_merge_word(const lt_bpe *bpe, lt_token_model_scratch *scratch, lt_tokens *out, size_t first, lt_error *err);

/* bpe_split.c: which characters a merge can join. A long piece may be cut wherever none can. */
bool lt_bpe_find_crossings(lt_bpe *bpe, lt_error *err);
enum { LT_BPE_CROSSING_BITS = 18 };
static inline uint32_t lt_bpe_crossing(uint32_t left, uint32_t right)
{
    uint32_t h = (left * 0x9E3779B1u ^ right) * 0x85EBCA77u;
    return h >> (32 - LT_BPE_CROSSING_BITS);
}
static inline bool lt_bpe_may_cross(const lt_bpe *bpe, uint32_t left, uint32_t right)
{
    uint32_t bit = lt_bpe_crossing(left, right);
    return bpe->crossings[bit / 8] >> bit % 8 & 1;
}

#endif
