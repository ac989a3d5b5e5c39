/* Rows of several files mixed at stated shares, and adapters averaged: what a loop over rounds does between trainings. */
#ifndef LT_RL_MIX_H
#define LT_RL_MIX_H

#include <stdint.h>

#include "core/error.h"

typedef struct lt_mix_source {
    const char *path; /* JSON lines or a JSON list, also .zst */
    double share;     /* > 0; shares are divided by their sum */
    int64_t rows, taken; /* out: how many it has, and how many of them were written */
} lt_mix_source;

/* Writes `output` (JSON lines): rows drawn from the sources in an order of the seed, none twice before all of its source were
 * taken. rows 0: as many as there can be without taking any twice. */
bool lt_mix_rows(const char *output, lt_mix_source *sources, int count, int64_t rows, uint64_t seed, lt_error *err);

/* Averages adapters with weights (NULL: all alike; divided by their sum), tensor by tensor: the model soup of Wortsman et al. 2022
 * (arXiv 2203.05482) on what was trained. All must have the same tensors; the configuration is the first one's. Meant for runs
 * that started from the same adapter: of factors that grew apart the mean is no mean of their products. */
bool lt_mix_adapters(const char *output, const char *const *folders, const double *weights, int count, lt_error *err);

#endif
