#include "core/rng.h"

#include <math.h>

void lt_rng_block(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint32_t lt_rng_u32(lt_rng *rng)
{
    uint32_t block[4];
    lt_rng_block(rng->seed, rng->stream, rng->next >> 2, block);
    return block[rng->next++ & 3];
}

float lt_rng_uniform(lt_rng *rng)
{
    return (float)(lt_rng_u32(rng) >> 8) * 0x1p-24f;
}

float lt_rng_normal(lt_rng *rng)
{
    float u = ((float)(lt_rng_u32(rng) >> 8) + 1.0f) * 0x1p-24f; /* (0, 1]: the logarithm is finite */
    float v = lt_rng_uniform(rng);
    return sqrtf(-2.0f * logf(u)) * cosf(6.28318530717958647692f * v);
}

uint32_t lt_rng_below(lt_rng *rng, uint32_t bound)
{
    uint32_t limit = UINT32_MAX - UINT32_MAX % bound; /* a multiple of bound: values at or above it are drawn again */
    uint32_t value;
    do
        value = lt_rng_u32(rng);
    while (value >= limit);
    return value % bound;
}

void lt_rng_shuffle(lt_rng *rng, uint32_t *items, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = lt_rng_below(rng, i), swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}
