/* Masks for masked language models, drawn anew in every epoch as transformers' DataCollatorForLanguageModeling draws them
 * (Devlin et al. 2019, section 3.1): a token is a target with some probability; of the targets 80 % are replaced by the mask
 * token, 10 % by a random one, and 10 % stay.
 *
 * A draw is a pure function of (seed, epoch, record, number of the token among those of the record that may be masked), so how many
 * targets a record has is known without reading it, and a resumed run masks what an uninterrupted one does. */
#ifndef LT_TRAIN_MASKING_H
#define LT_TRAIN_MASKING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lt_masking {
    double probability; /* that a token is a target, 0 … 1; 0: nothing is masked here */
    int32_t mask_id;
    int32_t vocabulary; /* random tokens are 0 … vocabulary - 1 */
} lt_masking;

/* Where a draw is made. */
typedef struct lt_masking_place {
    uint64_t seed;
    int64_t epoch, record;
} lt_masking_place;

/* Is this token a target? If so *id is what stands in its place (left as it is in one of ten cases). id may be NULL. */
bool lt_masking_draw(const lt_masking *masking, const lt_masking_place *place, int64_t number, int32_t *id);

/* How many of the first n tokens are targets. */
int64_t lt_masking_count(const lt_masking *masking, const lt_masking_place *place, int64_t n);

/* One number of 0 … n - 1, for a step that would otherwise have no target at all. n > 0. */
int64_t lt_masking_one_of(const lt_masking_place *place, int64_t n);

#endif
