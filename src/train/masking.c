#include "train/masking.h"

#include <stddef.h>

#include "core/rng.h"

/* Streams of the masks, one an epoch. */
static const uint64_t MASK_STREAM = 0x6d61736bull << 32;

/* The last number of a record: no token has it. */
static const uint64_t ONE_OF = UINT32_MAX;

static void draw(const lt_masking_place *place, uint64_t number, uint32_t word[4])
{
    lt_rng_block(place->seed, MASK_STREAM + (uint64_t)place->epoch, (uint64_t)place->record << 32 | number, word);
}

static int32_t below(uint32_t word, int64_t n) { return (int32_t)((uint64_t)word * (uint64_t)n >> 32); }

bool lt_masking_draw(const lt_masking *masking, const lt_masking_place *place, int64_t number, int32_t *id)
{
    uint32_t word[4];
    draw(place, (uint64_t)number, word);
    if ((double)word[0] * 0x1p-32 >= masking->probability)
        return false;
    int32_t tenth = below(word[1], 10);
    if (id && tenth < 8)
        *id = masking->mask_id;
    else if (id && tenth == 8)
        *id = below(word[2], masking->vocabulary);
    return true;
}

int64_t lt_masking_count(const lt_masking *masking, const lt_masking_place *place, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += lt_masking_draw(masking, place, i, NULL);
    return count;
}

int64_t lt_masking_one_of(const lt_masking_place *place, int64_t n)
{
    uint32_t word[4];
    draw(place, ONE_OF, word);
    return below(word[0], n);
}
