#include "train/schedule.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    CONSTANT,
    CONSTANT_WITH_WARMUP,
    LINEAR,
    COSINE,
    COSINE_WITH_RESTARTS,
    COSINE_WITH_MIN_LR,
    POLYNOMIAL,
    INVERSE_SQRT,
    WARMUP_STABLE_DECAY,
    KINDS
};

static const char *const names[KINDS + 1] = {
    "constant",           "constant_with_warmup", "linear",       "cosine",              "cosine_with_restarts",
    "cosine_with_min_lr", "polynomial",           "inverse_sqrt", "warmup_stable_decay", NULL,
};

static const double PI = 3.14159265358979323846;
static const double POLYNOMIAL_END_RATE = 1e-7; /* transformers' lr_end */

const char *const *lt_schedule_names(void) { return names; }

static bool unknown(const char *type, lt_error *err)
{
    char list[256] = "";
    for (int i = 0; names[i]; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", names[i]);
    return lt_error_set(err, LT_ERR_USAGE, "lr_scheduler_type '%s' is not known; there are: %s", type, list);
}

bool lt_schedule_init(lt_schedule *schedule, const lt_schedule_options *options, lt_error *err)
{
    int kind = 0;
    while (names[kind] && strcmp(names[kind], options->type))
        kind++;
    if (!names[kind])
        return unknown(options->type, err);
    if (options->total_steps < 1)
        return lt_error_set(err, LT_ERR_USAGE, "a schedule needs at least one step, found %lld",
                            (long long)options->total_steps);
    if (!(options->warmup_ratio >= 0 && options->warmup_ratio <= 1))
        return lt_error_set(err, LT_ERR_USAGE, "warmup_ratio: expected 0 to 1, found %g", options->warmup_ratio);
    if (options->warmup_steps < 0 || options->decay_steps < 0)
        return lt_error_set(err, LT_ERR_USAGE, "warmup_steps and decay_steps must not be negative");
    if (!(options->min_lr_ratio >= 0 && options->min_lr_ratio <= 1))
        return lt_error_set(err, LT_ERR_USAGE, "min_lr_ratio: expected 0 to 1, found %g", options->min_lr_ratio);
    int64_t total = options->total_steps;
    int64_t warmup = options->warmup_steps > 0 ? options->warmup_steps
                                               : (int64_t)ceil((double)total * options->warmup_ratio);
    int64_t decay = options->decay_steps > 0 ? options->decay_steps : (total + 9) / 10;
    if (kind == WARMUP_STABLE_DECAY && warmup + decay > total)
        return lt_error_set(err, LT_ERR_USAGE,
                            "warmup_stable_decay: %lld warm-up and %lld decay steps do not fit into %lld steps",
                            (long long)warmup, (long long)decay, (long long)total);
    *schedule = (lt_schedule){
        .kind = kind,
        .warmup_steps = kind == CONSTANT ? 0 : warmup,
        .total_steps = total,
        .decay_steps = decay,
        .stable_steps = total - warmup - decay,
        .min_ratio = options->min_lr_ratio,
        .cycles = options->num_cycles > 0 ? options->num_cycles : kind == COSINE_WITH_RESTARTS ? 1.0 : 0.5,
        .power = options->power > 0 ? options->power : 1.0,
    };
    if (kind == POLYNOMIAL) {
        if (!(options->learning_rate > POLYNOMIAL_END_RATE))
            return lt_error_set(err, LT_ERR_USAGE, "polynomial: learning_rate must be above %g, where it ends",
                                POLYNOMIAL_END_RATE);
        schedule->min_ratio = POLYNOMIAL_END_RATE / options->learning_rate;
    }
    return true;
}

bool lt_schedule_needs_total(const lt_schedule *schedule)
{
    return schedule->kind != CONSTANT && schedule->kind != CONSTANT_WITH_WARMUP && schedule->kind != INVERSE_SQRT;
}

static double at_least_one(int64_t n) { return n > 1 ? (double)n : 1.0; }

/* 1 to 0 over `cycles` waves; progress 0 … 1. */
static double cosine(double cycles, double progress) { return 0.5 * (1.0 + cos(PI * cycles * 2.0 * progress)); }

static double stable_decay(const lt_schedule *s, int64_t step)
{
    if (step < s->warmup_steps)
        return (double)step / at_least_one(s->warmup_steps) * (1.0 - s->min_ratio) + s->min_ratio;
    int64_t into_decay = step - s->warmup_steps - s->stable_steps;
    if (into_decay < 0)
        return 1.0;
    if (into_decay >= s->decay_steps)
        return s->min_ratio;
    double factor = cosine(s->cycles, (double)into_decay / at_least_one(s->decay_steps));
    return fmax(0.0, factor * (1.0 - s->min_ratio) + s->min_ratio);
}

double lt_schedule_factor(const lt_schedule *s, int64_t step)
{
    assert(step >= 0);
    if (s->kind == CONSTANT)
        return 1.0;
    if (s->kind == WARMUP_STABLE_DECAY)
        return stable_decay(s, step);
    if (step < s->warmup_steps)
        return (double)step / at_least_one(s->warmup_steps);
    double progress = (double)(step - s->warmup_steps) / at_least_one(s->total_steps - s->warmup_steps);
    switch (s->kind) {
    case LINEAR:
        return fmax(0.0, (double)(s->total_steps - step) / at_least_one(s->total_steps - s->warmup_steps));
    case COSINE:
        return fmax(0.0, cosine(s->cycles, progress));
    case COSINE_WITH_RESTARTS:
        return progress >= 1.0 ? 0.0 : fmax(0.0, cosine(0.5, fmod(s->cycles * progress, 1.0)));
    case COSINE_WITH_MIN_LR:
        return fmax(0.0, cosine(s->cycles, progress) * (1.0 - s->min_ratio) + s->min_ratio);
    case POLYNOMIAL:
        return step >= s->total_steps ? s->min_ratio
                                      : (1.0 - s->min_ratio) * pow(1.0 - progress, s->power) + s->min_ratio;
    case INVERSE_SQRT: { /* the time scale is the warm-up, or 10,000 steps */
        double scale = s->warmup_steps ? (double)s->warmup_steps : 10000.0;
        return 1.0 / sqrt(((double)(step - s->warmup_steps) + scale) / scale);
    }
    default: /* constant_with_warmup */
        return 1.0;
    }
}
