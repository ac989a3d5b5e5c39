#include "text/word_cache.h"

#include <stdlib.h>

void lt_word_cache_put(lt_word_cache *cache, const char *text, size_t size, const int32_t *ids, const uint32_t *sizes,
                       size_t count)
{
    if (size > LT_WORD_CACHE_TEXT || count > LT_WORD_CACHE_IDS || count == 0)
        return;
    if (!cache->words)
        cache->words = calloc(LT_WORD_CACHE_SLOTS, sizeof *cache->words);
    if (!cache->words)
        return;
    lt_word *w = &cache->words[lt_word_cache_slot(text, size)];
    w->size = (uint8_t)size;
    w->count = (uint8_t)count;
    memcpy(w->text, text, size);
    for (size_t i = 0; i < count; i++) {
        w->ids[i] = ids[i];
        w->sizes[i] = (uint8_t)sizes[i];
    }
}

void lt_word_cache_free(lt_word_cache *cache)
{
    free(cache->words);
    cache->words = NULL;
}
