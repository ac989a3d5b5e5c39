/* From logits to the next token, as transformers' logits processors do it and in their order: repetition penalty, temperature,
 * top-k, top-p, min-p, then one draw. */
#ifndef LT_NN_SAMPLE_H
#define LT_NN_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rng.h"

typedef struct lt_sample_options {
    bool greedy;              /* the largest logit (the lowest id among equals); the options below but the penalty are not used */
    double temperature;       /* > 0 */
    int64_t top_k;            /* 0 = off: only the k largest */
    double top_p;             /* 1 = off: the smallest set of largest probabilities that reaches p */
    double min_p;             /* 0 = off: probabilities of at least min_p times the largest */
    double repetition_penalty; /* 1 = off: logits of tokens seen before are divided (positive) or multiplied (negative) by it */
} lt_sample_options;

/* Greedy off, temperature 1, everything else off. */
lt_sample_options lt_sample_defaults(void);

/* Draws from logits (V) f32, which are changed. seen (seen_count) are the tokens so far, prompt included. scratch holds V entries of
 * lt_sample_scratch_bytes in all. Uses one number of rng, none when greedy. */
int32_t lt_sample(const lt_sample_options *options, float *logits, int64_t V, const int32_t *seen, int64_t seen_count, lt_rng *rng,
                  void *scratch);
int64_t lt_sample_scratch_bytes(int64_t V);

#endif
