#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
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

/* ---- Lion, Adafactor, Muon: three steps with rates 0.01, 0.02, 0.005 and decay 0.1, against the reference implementations ---- */

static void three_steps(const char *name, double beta2, int dims, const int64_t *shape, const float *expected, double tolerance)
{
    static const double rates[3] = {0.01, 0.02, 0.005};
    float value[32], gradient[32];
    lt_optimizer_options options = {.name = name, .beta1 = 0.9, .beta2 = beta2, .epsilon = 1e-8, .weight_decay = 0.1};
    lt_param_list list = {0};
    lt_optimizer optimizer;
    lt_error err;
    lt_arena arena, counted = lt_arena_measure();
    lt_param_list_add(&list, "model.layers.0.w", dims, shape, true);
    int64_t n = list.items[0].elements;
    list.items[0].value = value;
    list.items[0].gradient = gradient;
    cr_assert(lt_optimizer_init(&optimizer, &options, &err), "%s", err.message);
    cr_assert(lt_optimizer_layout(&optimizer, &list, &counted, &err));
    cr_assert(lt_arena_init(&arena, counted.used, &err));
    cr_assert(lt_optimizer_layout(&optimizer, &list, &arena, &err));
    for (int i = 0; i < n; i++)
        value[i] = (float)(cos(0.7 * i) * 0.5);
    for (int step = 0; step < 3; step++) {
        for (int i = 0; i < n; i++) /* half of it, and a scale of two: clipping is applied to every kind alike */
            gradient[i] = (float)(sin(1.3 * i + 2.1 * step) * (1 + 0.1 * i)) * 0.5f;
        lt_optimizer_apply(&optimizer, &list,
                           &(lt_optimizer_step){.learning_rate = rates[step], .gradient_scale = 2, .number = step + 1});
    }
    for (int i = 0; i < n; i++)
        cr_assert_float_eq(value[i], expected[i], tolerance, "%s, element %d: %.9g, expected %.9g", name, i, value[i], expected[i]);
    lt_optimizer_free(&optimizer);
    lt_arena_free(&arena);
    lt_param_list_free(&list);
}

Test(optimizer, lion_gives_the_numbers_of_its_definition)
{
    static const float expected[5] = {0.483261764f, 0.396098971f, 0.0897014141f, -0.226575434f, -0.484478921f};
    three_steps("lion", 0.99, 1, (int64_t[]){5}, expected, 1e-6);
}

Test(optimizer, adafactor_gives_the_numbers_of_transformers)
{
    static const float matrix[12] = {0.482581884f,  0.375887185f,  0.102392972f, -0.241087362f, -0.480121434f, -0.485386491f,
                                     -0.239283592f, 0.113040984f, 0.391556174f, 0.484138072f,  0.360465586f,  0.0848881602f};
    static const float vector[5] = {0.477668852f, 0.384077519f, 0.095338285f, -0.236940816f, -0.479337752f};
    three_steps("adafactor", 0.999, 2, (int64_t[]){4, 3}, matrix, 1e-6);
    three_steps("adafactor", 0.999, 1, (int64_t[]){5}, vector, 1e-6);
}

/* torch.optim.Muon with its products in f32. */
Test(optimizer, muon_gives_the_numbers_of_torch)
{
    static const float tall[12] = {0.487553596f,  0.376988262f, 0.089949429f, -0.243470356f, -0.470154285f, -0.480336487f,
                                   -0.248606995f, 0.10380049f,  0.396221638f, 0.490995616f,  0.359598458f,  0.0767569542f};
    static const float wide[15] = {0.502877653f, 0.379610628f,  0.0855572745f, -0.238186449f, -0.463368863f,
                                   -0.47738418f, -0.255880535f, 0.0912652984f, 0.384636492f,  0.498445392f,
                                   0.372395784f, 0.0825738013f, -0.249570876f, -0.469043404f, -0.471336424f};
    three_steps("muon", 0.999, 2, (int64_t[]){4, 3}, tall, 2e-5);
    three_steps("muon", 0.999, 2, (int64_t[]){3, 5}, wide, 2e-5);
}

Test(optimizer, muon_leaves_vectors_and_embeddings_to_adamw)
{
    lt_param_list list = {0};
    lt_param_list_add(&list, "model.embed_tokens.weight", 2, (int64_t[]){6, 4}, true);
    lt_param_list_add(&list, "model.norm.weight", 1, (int64_t[]){4}, false);
    lt_param_list_add(&list, "model.layers.0.mlp.up_proj.weight", 2, (int64_t[]){6, 4}, true);
    cr_assert_eq(lt_optimizer_muon.state_elements(&list.items[0], 1), 24);
    cr_assert_eq(lt_optimizer_muon.state_elements(&list.items[1], 1), 4);
    cr_assert_eq(lt_optimizer_muon.state_elements(&list.items[2], 0), 24);
    cr_assert_eq(lt_optimizer_muon.state_elements(&list.items[2], 1), 0);
    lt_param_list_free(&list);
}

Test(optimizer, every_kind_gives_the_same_bytes_for_any_number_of_threads)
{
    static const char *const kinds[] = {"lion", "adafactor", "muon"};
    enum { M = 70, N = 131 };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        float *results[2];
        for (int t = 0; t < 2; t++) {
            lt_optimizer_options options = {.name = kinds[k], .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
            lt_param_list list = {0};
            lt_arena arena;
            lt_optimizer optimizer;
            lt_error err;
            float *value = malloc(M * N * sizeof *value), *gradient = malloc(M * N * sizeof *gradient);
            lt_rng rng = lt_rng_make(3, 0);
            lt_threads_set(t ? 2 : 1);
            lt_param_list_add(&list, "w", 2, (int64_t[]){M, N}, true);
            list.items[0].value = value;
            list.items[0].gradient = gradient;
            for (int i = 0; i < M * N; i++) {
                value[i] = lt_rng_normal(&rng);
                gradient[i] = lt_rng_normal(&rng);
            }
            cr_assert(lt_optimizer_init(&optimizer, &options, &err));
            cr_assert(lt_arena_init(&arena, 32 << 20, &err));
            cr_assert(lt_optimizer_layout(&optimizer, &list, &arena, &err));
            lt_optimizer_apply(&optimizer, &list, &(lt_optimizer_step){.learning_rate = 0.01, .gradient_scale = 0.5, .number = 1});
            results[t] = value;
            free(gradient);
            lt_optimizer_free(&optimizer);
            lt_arena_free(&arena);
            lt_param_list_free(&list);
        }
        cr_assert_arr_eq(results[0], results[1], M * N * sizeof(float), "%s", kinds[k]);
        free(results[0]);
        free(results[1]);
    }
    lt_threads_set(0);
}
