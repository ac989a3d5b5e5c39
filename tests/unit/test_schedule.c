#include <criterion/criterion.h>

#include <string.h>

#include "train/schedule.h"

/* Factors of transformers' get_scheduler (5.23) for steps 0, 1, … */
static const struct {
    lt_schedule_options options;
    double factor[14];
    int count;
} reference[] = {
    {{.type = "constant", .total_steps = 10}, {1, 1, 1}, 3},
    {{.type = "constant_with_warmup", .total_steps = 10, .warmup_steps = 4}, {0, 0.25, 0.5, 0.75, 1, 1}, 6},
    {{.type = "linear", .total_steps = 10, .warmup_steps = 3},
     {0, 0.333333333333, 0.666666666667, 1, 0.857142857143, 0.714285714286, 0.571428571429, 0.428571428571, 0.285714285714,
      0.142857142857, 0, 0},
     12},
    {{.type = "linear", .total_steps = 7}, {1, 0.857142857143, 0.714285714286}, 3},
    {{.type = "cosine", .total_steps = 10, .warmup_ratio = 0.3},
     {0, 0.333333333333, 0.666666666667, 1, 0.950484433951, 0.811744900929, 0.611260466978, 0.388739533022, 0.188255099071,
      0.0495155660488, 0, 0.0495155660488},
     12},
    {{.type = "cosine_with_restarts", .total_steps = 12, .warmup_steps = 2, .num_cycles = 3},
     {0, 0.5, 1, 0.793892626146, 0.345491502813, 0.0244717418524, 0.904508497187, 0.5, 0.0954915028125, 0.975528258148,
      0.654508497187, 0.206107373854, 0, 0},
     14},
    {{.type = "cosine_with_restarts", .total_steps = 10}, {1, 0.975528258148, 0.904508497187}, 3},
    {{.type = "cosine_with_min_lr", .total_steps = 10, .warmup_steps = 3, .min_lr_ratio = 0.1},
     {0, 0.333333333333, 0.666666666667, 1, 0.955435990556, 0.830570410836, 0.65013442028, 0.44986557972, 0.269429589164,
      0.144564009444, 0.1},
     11},
    {{.type = "polynomial", .total_steps = 10, .warmup_steps = 2, .power = 2, .learning_rate = 1e-3},
     {0, 0.5, 1, 0.7656484375, 0.56254375, 0.3906859375, 0.250075, 0.1407109375, 0.06259375, 0.0157234375, 0.0001, 0.0001},
     12},
    {{.type = "inverse_sqrt", .total_steps = 10, .warmup_steps = 3},
     {0, 0.333333333333, 0.666666666667, 1, 0.866025403784, 0.774596669241, 0.707106781187},
     7},
    {{.type = "inverse_sqrt", .total_steps = 6}, {1, 0.99995000375, 0.999900014998}, 3},
    {{.type = "warmup_stable_decay", .total_steps = 12, .warmup_steps = 3, .decay_steps = 4},
     {0, 0.333333333333, 0.666666666667, 1, 1, 1, 1, 1, 1, 0.853553390593, 0.5, 0.146446609407, 0, 0},
     14},
    {{.type = "warmup_stable_decay", .total_steps = 10, .warmup_steps = 2, .decay_steps = 1, .min_lr_ratio = 0.2},
     {0.2, 0.6, 1, 1, 1, 1, 1, 1, 1, 1, 0.2, 0.2},
     12},
};

Test(schedule, gives_the_factors_of_transformers)
{
    for (size_t i = 0; i < sizeof reference / sizeof *reference; i++) {
        lt_schedule schedule;
        lt_error err;
        cr_assert(lt_schedule_init(&schedule, &reference[i].options, &err), "%s", err.message);
        for (int step = 0; step < reference[i].count; step++)
            cr_assert_float_eq(lt_schedule_factor(&schedule, step), reference[i].factor[step], 1e-11, "%s, step %d: %.12g",
                               reference[i].options.type, step, lt_schedule_factor(&schedule, step));
    }
}

Test(schedule, refuses_what_makes_no_schedule)
{
    lt_schedule schedule;
    lt_error err;
    lt_schedule_options unknown = {.type = "triangle", .total_steps = 3};
    cr_assert_not(lt_schedule_init(&schedule, &unknown, &err));
    cr_assert_eq(err.status, LT_ERR_USAGE);
    cr_assert(strstr(err.message, "warmup_stable_decay"));
    lt_schedule_options ratio = {.type = "linear", .total_steps = 3, .warmup_ratio = 1.5};
    cr_assert_not(lt_schedule_init(&schedule, &ratio, &err));
    lt_schedule_options crowded = {.type = "warmup_stable_decay", .total_steps = 5, .warmup_steps = 3, .decay_steps = 3};
    cr_assert_not(lt_schedule_init(&schedule, &crowded, &err));
    lt_schedule_options empty = {.type = "linear"};
    cr_assert_not(lt_schedule_init(&schedule, &empty, &err));
}

Test(schedule, knows_which_kinds_depend_on_the_length_of_the_run)
{
    lt_schedule schedule;
    lt_error err;
    lt_schedule_options options = {.type = "constant_with_warmup", .total_steps = 3, .warmup_steps = 1};
    cr_assert(lt_schedule_init(&schedule, &options, &err));
    cr_assert_not(lt_schedule_needs_total(&schedule));
    options.type = "cosine";
    cr_assert(lt_schedule_init(&schedule, &options, &err));
    cr_assert(lt_schedule_needs_total(&schedule));
}
