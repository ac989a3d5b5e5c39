/* The learning rate over a run, as transformers' schedules of the same names define it: a factor per optimiser step,
 * step 0 first. (https://huggingface.co/docs/transformers/main_classes/optimizer_schedules) */
#ifndef LT_TRAIN_SCHEDULE_H
#define LT_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

typedef struct lt_schedule_options {
    const char *type;      /* "linear" …; see lt_schedule_names */
    int64_t warmup_steps;  /* 0: warmup_ratio decides */
    double warmup_ratio;   /* of all steps, rounded up */
    int64_t total_steps;
    int64_t decay_steps;   /* warmup_stable_decay: 0 = a tenth of all steps */
    double min_lr_ratio;   /* cosine_with_min_lr, warmup_stable_decay: the lowest factor */
    double num_cycles;     /* cosine: 0 = 0.5; cosine_with_restarts: 0 = 1 */
    double power;          /* polynomial: 0 = 1 */
    double learning_rate;  /* polynomial ends at the rate 1e-7, so it must know the peak */
} lt_schedule_options;

typedef struct lt_schedule {
    int kind;
    int64_t warmup_steps, total_steps, stable_steps, decay_steps;
    double min_ratio, cycles, power;
} lt_schedule;

/* LT_ERR_USAGE for an unknown type (the message lists those there are) or numbers that make no schedule. */
bool lt_schedule_init(lt_schedule *schedule, const lt_schedule_options *options, lt_error *err);

/* The factor that the step with this number (from 0) multiplies the learning rate by. */
double lt_schedule_factor(const lt_schedule *schedule, int64_t step);

/* True when the factor depends on how many steps there will be: such a run cannot be resumed with another length. */
bool lt_schedule_needs_total(const lt_schedule *schedule);

const char *const *lt_schedule_names(void); /* NULL-terminated */

#endif
