#include <criterion/criterion.h>

#include <string.h>

#include "core/rng.h"
#include "core/threads.h"
#include "train/optimizer.h"

static const lt_optimizer_options adamw = {
    .name = "adamw", .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = 0.1};

/* torch.optim.AdamW with clip_grad_norm_(1.0), rates 0.01, 0.02, 0.005, on one tensor; then the same without decay. */
Test(optimizer, adamw_with_clipping_gives_the_numbers_of_torch)
{
    static const float gradients[3][5] = {
        {0.5f, -1.0f, 2.0f, 1e-3f, 0.0f}, {0.25f, 1.0f, -0.5f, -2e-3f, 0.0f}, {-0.1f, 0.3f, 0.7f, 5e-4f, 1.0f}};
    static const double rates[3] = {0.01, 0.02, 0.005};
    static const float decayed[5] = {0.963585436f, -1.99247336f, 0.480466485f, 0.00261149392f, 2.98633075f};
    static const float plain[5] = {0.967046916f, -1.99944508f, 0.482187063f, 0.00259208865f, 2.99682021f};
    static const float first[5] = {0.029384695f, 0.0669984967f, 0.0869370028f, -8.21126669e-05f, 0.0793050975f};
    for (int decay = 0; decay < 2; decay++) {
        float value[5] = {1.0f, -2.0f, 0.5f, 0.0f, 3.0f}, gradient[5];
        lt_param_list list = {0};
        lt_param_list_add(&list, "p", 1, (int64_t[]){5}, decay);
        list.items[0].value = value;
        list.items[0].gradient = gradient;
        lt_optimizer optimizer;
        lt_error err;
        lt_arena arena;
        cr_assert(lt_optimizer_init(&optimizer, &adamw, &err));
        cr_assert(lt_arena_init(&arena, 4096, &err));
        cr_assert(lt_optimizer_layout(&optimizer, &list, &arena, &err));
        for (int step = 0; step < 3; step++) {
            memcpy(gradient, gradients[step], sizeof gradient);
            double norm = lt_param_list_gradient_norm(&list);
            lt_optimizer_apply(&optimizer, &list,
                               &(lt_optimizer_step){.learning_rate = rates[step],
                                                    .gradient_scale = lt_optimizer_clip(norm, 1.0),
                                                    .number = step + 1});
        }
        for (int i = 0; i < 5; i++) {
            cr_assert_float_eq(value[i], decay ? decayed[i] : plain[i], 2e-6, "element %d: %.9g", i, value[i]);
            cr_assert_float_eq(optimizer.state[0][0][i], first[i], 1e-7);
        }
        lt_optimizer_free(&optimizer);
        lt_arena_free(&arena);
        lt_param_list_free(&list);
    }
}

Test(optimizer, clips_as_torch_does)
{
    cr_assert_eq(lt_optimizer_clip(0.5, 1.0), 1.0);
    cr_assert_float_eq(lt_optimizer_clip(4.0, 1.0), 1.0 / (4.0 + 1e-6), 1e-15);
    cr_assert_eq(lt_optimizer_clip(100.0, 0.0), 1.0, "0 means no clipping");
}

Test(optimizer, gives_the_same_bytes_for_any_number_of_threads)
{
    enum { SMALL = 37, LARGE = 200001 };
    static float result[2][SMALL + LARGE];
    for (int run = 0; run < 2; run++) {
        lt_threads_set(run ? 3 : 1);
        lt_param_list list = {0};
        lt_param_list_add(&list, "small", 1, (int64_t[]){SMALL}, true);
        lt_param_list_add(&list, "large", 1, (int64_t[]){LARGE}, false);
        lt_arena arena;
        lt_error err;
        cr_assert(lt_arena_init(&arena, 5 << 20, &err));
        lt_param_list_layout(&list, &arena, &arena);
        lt_optimizer optimizer;
        cr_assert(lt_optimizer_init(&optimizer, &adamw, &err));
        cr_assert(lt_optimizer_layout(&optimizer, &list, &arena, &err));
        lt_rng rng = lt_rng_make(1, 1);
        for (int step = 1; step <= 2; step++) {
            for (int p = 0; p < 2; p++)
                for (int64_t i = 0; i < list.items[p].elements; i++)
                    list.items[p].gradient[i] = lt_rng_normal(&rng);
            lt_optimizer_apply(&optimizer, &list, &(lt_optimizer_step){0.01, 0.5, step});
        }
        memcpy(result[run], list.items[0].value, SMALL * sizeof(float));
        memcpy(result[run] + SMALL, list.items[1].value, LARGE * sizeof(float));
        lt_optimizer_free(&optimizer);
        lt_arena_free(&arena);
        lt_param_list_free(&list);
    }
    cr_assert_eq(memcmp(result[0], result[1], sizeof result[0]), 0);
    cr_assert_neq(result[0][SMALL + LARGE - 1], 0.0f);
}

Test(optimizer, measures_what_it_takes)
{
    lt_param_list list = {0};
    lt_param_list_add(&list, "p", 2, (int64_t[]){3, 100}, true);
    lt_optimizer optimizer;
    lt_error err;
    lt_arena arena = lt_arena_measure();
    cr_assert(lt_optimizer_init(&optimizer, &adamw, &err));
    cr_assert(lt_optimizer_layout(&optimizer, &list, &arena, &err));
    cr_assert_eq(arena.used, 2 * lt_align_up(1200));
    lt_optimizer_free(&optimizer);
    lt_param_list_free(&list);
}

Test(optimizer, refuses_unknown_names_and_numbers_out_of_range)
{
    lt_optimizer optimizer;
    lt_error err;
    lt_optimizer_options bad = adamw;
    bad.name = "sgdx";
    cr_assert_not(lt_optimizer_init(&optimizer, &bad, &err));
    cr_assert(strstr(err.message, "adamw_torch"));
    bad = adamw;
    bad.beta2 = 1.0;
    cr_assert_not(lt_optimizer_init(&optimizer, &bad, &err));
    bad = adamw;
    bad.weight_decay = -1;
    cr_assert_not(lt_optimizer_init(&optimizer, &bad, &err));
}
