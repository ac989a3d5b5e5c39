#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

static bool rehash(lt_vocab *vocab, size_t slots, lt_error *err);

bool lt_vocab_init(lt_vocab *vocab, size_t count, lt_error *err)
{
    *vocab = (lt_vocab){0};
    if (getrandom(&vocab->seed, sizeof vocab->seed, GRND_NONBLOCK) != sizeof vocab->seed)
        vocab->seed = (uintptr_t)vocab;
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    return rehash(vocab, slots, err);
}

void lt_vocab_free(lt_vocab *vocab)
{
    lt_textbuf_free(&vocab->bytes);
    free(vocab->entries);
    free(vocab->slots);
    *vocab = (lt_vocab){0};
}

static uint32_t first_slot(const lt_vocab *vocab, const char *token, size_t size)
{
    return (uint32_t)XXH3_64bits_withSeed(token, size, vocab->seed) & vocab->mask;
}

/* The slot that holds the token, or the empty one where it belongs. */
static uint32_t find_slot(const lt_vocab *vocab, const char *token, size_t size)
{
    uint32_t slot = first_slot(vocab, token, size);
    for (;; slot = (slot + 1) & vocab->mask) {
        int32_t id = vocab->slots[slot];
        if (id < 0)
            return slot;
        const lt_vocab_entry *e = &vocab->entries[id];
        if ((size_t)e->size == size && memcmp(vocab->bytes.data + e->begin, token, size) == 0)
            return slot;
    }
}

static bool rehash(lt_vocab *vocab, size_t slots, lt_error *err)
{
    int32_t *fresh = malloc(slots * sizeof *fresh);
    if (!fresh)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a vocabulary of %zu slots", slots);
    memset(fresh, -1, slots * sizeof *fresh);
    free(vocab->slots);
    vocab->slots = fresh;
    vocab->mask = (uint32_t)slots - 1;
    for (int32_t id = 0; id < vocab->end; id++) {
        size_t size;
        const char *token = lt_vocab_token(vocab, id, &size);
        if (token)
            vocab->slots[find_slot(vocab, token, size)] = id;
    }
    return true;
}

lt_vocab_result lt_vocab_add(lt_vocab *vocab, int32_t id, const char *token, size_t size, lt_error *err)
{
    if (lt_vocab_find(vocab, token, size) >= 0)
        return LT_VOCAB_SAME_TOKEN;
    if (lt_vocab_token(vocab, id, NULL))
        return LT_VOCAB_SAME_ID;
    if (vocab->bytes.size + size >= INT32_MAX) {
        lt_error_set(err, LT_ERR_FORMAT, "the tokens of the vocabulary are over 2 GB of text");
        return LT_VOCAB_NO_MEMORY;
    }
    if ((size_t)(vocab->count + 1) * 2 > (size_t)vocab->mask + 1 && !rehash(vocab, ((size_t)vocab->mask + 1) * 2, err))
        return LT_VOCAB_NO_MEMORY;
    if (!lt_grow(&vocab->entries, &vocab->entries_capacity, (size_t)id + 1, sizeof *vocab->entries, err))
        return LT_VOCAB_NO_MEMORY;
    size_t begin = vocab->bytes.size;
    if (!lt_textbuf_append(&vocab->bytes, token, size, err) || !lt_textbuf_append(&vocab->bytes, "", 1, err))
        return LT_VOCAB_NO_MEMORY;
    for (; vocab->end <= id; vocab->end++)
        vocab->entries[vocab->end] = (lt_vocab_entry){0, -1};
    uint32_t slot = find_slot(vocab, token, size);
    vocab->entries[id] = (lt_vocab_entry){(uint32_t)begin, (int32_t)size};
    vocab->slots[slot] = id;
    vocab->count++;
    return LT_VOCAB_ADDED;
}

int32_t lt_vocab_find(const lt_vocab *vocab, const char *token, size_t size)
{
    return vocab->slots[find_slot(vocab, token, size)];
}
