/* Words already encoded. Words repeat, so most of a text comes out of a small table: direct-mapped, bounded, one per
 * thread. A short word and its few tokens share one cache line. */
#ifndef LT_TEXT_WORD_CACHE_H
#define LT_TEXT_WORD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    LT_WORD_CACHE_TEXT = 22, /* longest word, in bytes */
    LT_WORD_CACHE_IDS = 8,   /* most tokens of a word */
    LT_WORD_CACHE_SLOTS = 1 << 14,
};

typedef struct lt_word {
    uint8_t size, count; /* count 0: empty slot */
    char text[LT_WORD_CACHE_TEXT];
    int32_t ids[LT_WORD_CACHE_IDS];
    uint8_t sizes[LT_WORD_CACHE_IDS]; /* bytes of the word that each id stands for */
} lt_word;

typedef struct lt_word_cache {
    lt_word *words; /* NULL until first used */
} lt_word_cache;

static inline uint32_t lt_word_cache_slot(const char *text, size_t size)
{
    uint64_t h = size * 0x9E3779B97F4A7C15u;
    uint64_t part;
    while (size >= 8) {
        memcpy(&part, text, 8);
        h = (h ^ part) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
        text += 8;
        size -= 8;
    }
    part = 0;
    for (size_t i = 0; i < size; i++)
        part = part << 8 | (unsigned char)text[i];
    h = (h ^ part) * 0xD6E8FEB86659FD93u;
    return (uint32_t)(h >> 40) & (LT_WORD_CACHE_SLOTS - 1);
}

/* The entry of a word of at most LT_WORD_CACHE_TEXT bytes, or NULL. */
static inline const lt_word *lt_word_cache_find(const lt_word_cache *cache, const char *text, size_t size)
{
    if (!cache->words)
        return NULL;
    const lt_word *w = &cache->words[lt_word_cache_slot(text, size)];
    return w->count && w->size == size && memcmp(w->text, text, size) == 0 ? w : NULL;
}

/* Remembers a word; does nothing when it does not fit or there is no memory for the table. */
void lt_word_cache_put(lt_word_cache *cache, const char *text, size_t size, const int32_t *ids, const uint32_t *sizes,
                       size_t count);
void lt_word_cache_free(lt_word_cache *cache);

#endif
