/* Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 * A value is a pure function of (seed, stream, index), so results do not depend on the number of threads or on what was
 * drawn before, and a resumed run continues with the numbers of an uninterrupted one. */
#ifndef LT_CORE_RNG_H
#define LT_CORE_RNG_H

#include <stdint.h>

/* Four 32-bit words for block `index` of `stream`. */
void lt_rng_block(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]);

/* A sequential reader over one stream, for sampling and shuffling. Copy it to save its place. */
typedef struct lt_rng {
    uint64_t seed, stream, next; /* next: index of the next 32-bit word */
} lt_rng;

static inline lt_rng lt_rng_make(uint64_t seed, uint64_t stream) { return (lt_rng){seed, stream, 0}; }

uint32_t lt_rng_u32(lt_rng *rng);
float lt_rng_uniform(lt_rng *rng);                   /* [0, 1), 24 bits */
float lt_rng_normal(lt_rng *rng);                    /* mean 0, variance 1 (Box-Muller, two words a value) */
uint32_t lt_rng_below(lt_rng *rng, uint32_t bound);  /* 0 .. bound-1 without bias, bound > 0 */
void lt_rng_shuffle(lt_rng *rng, uint32_t *items, uint32_t count); /* Fisher-Yates */

#endif
