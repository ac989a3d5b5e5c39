#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "objective/objective.h"

/* Four answers, the second masked out. Expected losses and gradients were computed with torch in double precision. */
enum { N = 12, ROWS = 4 };
static const int64_t targets[ROWS + 1] = {0, 4, 4, 7, 12};
static const float logp[N] = {-0.168216392f, -0.673480451f, -1.64582992f,  -0.449854046f, -1.61073971f,  -1.31650126f,
                              -0.497454315f, -0.966831088f, -0.909683883f, -1.65709901f,  -0.472966909f, -1.28888035f};
static const float old[N] = {-0.384375274f, -0.59874022f, -1.54102528f, -0.469817638f, -1.37913704f, -1.11258185f,
                             -0.373657078f, -1.00791037f, -1.0791744f,  -1.92187583f,  -0.28604275f, -1.22915101f};
static const float reference[N] = {-0.325076491f, -0.612714469f, -2.11932325f,  -0.236109778f,
                                   -2.19114876f,  -1.56825089f,  -0.435688287f, -1.06602716f,
                                   -0.728283405f, -1.65226257f,  0.0638472885f, -0.704078853f};
static const float advantage[N] = {0.899999976f,  0.899999976f,  0.899999976f,  0.899999976f,
                                   -0.699999988f, -0.699999988f, -0.699999988f, 1.29999995f,
                                   1.29999995f,   1.29999995f,   1.29999995f,   1.29999995f};
static const float value[N] = {0.436160982f, 1.01701355f,  -2.19252682f,  0.212330669f, -0.939496815f, -0.323578268f,
                               -1.05471087f, 0.823772728f, -0.527050197f, 0.810725868f, -0.804592609f, -1.05006421f};
static const float old_value[N] = {0.40326491f,   1.1229037f,    -2.32593751f, -0.0729329959f,
                                   -0.956354678f, -0.755444884f, -1.41869676f, 1.15217471f,
                                   -0.675755799f, 1.03802156f,   -1.00832295f, -0.798386157f};
static const float returns[N] = {0.741814733f, 1.35523665f,  -1.9863236f,   0.225387007f, -0.953587234f, 0.407797635f,
                                 0.839738071f, 0.957863212f, -0.326093942f, 0.503303528f, -0.615000188f, -0.802639246f};
static const float grpo_gradient[N] = {-0.0693694236f, -0.0523949096f,   -0.049474469f,  -0.0581289407f,
                                       0.00183471089f, 0.0484998072f,    0.0512754667f,  -0.0674896665f,
                                       -0.0775028075f, -1.21203864e-05f, -0.0556943017f, -0.06321785f};
static const float dapo_gradient[N] = {-0.0924925648f, -0.0698598794f,   -0.0659659586f, -0.0775052542f,
                                       0.00183471089f, 0.0484998072f,    0.0512754667f,  -0.112482777f,
                                       -0.129171346f,  -2.02006439e-05f, -0.0928238361f, -0.105363083f};
static const float dr_gradient[N] = {-0.0346847118f,  -0.0261974548f,   -0.0247372345f, -0.0290644703f,
                                     0.000688016583f, 0.0181874277f,    0.0192283f,     -0.0421810415f,
                                     -0.0484392547f,  -7.57524147e-06f, -0.0348089385f, -0.0395111562f};
static const float rloo_gradient[N] = {-0.238096966f, -0.238096966f, -0.238096966f, -0.238096966f,
                                       0.0f,          0.0f,          0.0f,          -0.408510783f,
                                       -0.408510783f, -0.408510783f, -0.408510783f, -0.408510783f};
static const float mirror_gradient[N] = {-0.245752658f, -0.217466233f, -0.214409669f, -0.226991171f,
                                         0.115855538f,  0.121929663f,  0.140950048f,  -0.333278527f,
                                         -0.359928397f, -0.380390359f, -0.288971504f, -0.313189591f};
static const float ppo_gradient[N] = {0.0f,          -0.0695988369f, -0.0675375306f, -0.0765123128f,
                                      0.0f,          0.0475724712f,  0.0515409393f,  -0.112876256f,
                                      -0.128342616f, 0.0f,           -0.0898632165f, -0.102052105f};
static const float ppo_gradient_value[N] = {-0.00254711459f,
                                            -0.00281852583f,
                                            -0.00171836019f,
                                            0.0f,
                                            0.000117420157f,
                                            0.0f,
                                            0.0f,
                                            -0.00111742069f,
                                            -0.00167463546f,
                                            0.0f,
                                            0.0f,
                                            -0.00206187467f};

static const lt_objective_row rows[ROWS] = {{.first_sequence = 0, .sequences = 1},
                                            {.first_sequence = 1, .sequences = 1},
                                            {.first_sequence = 2, .sequences = 1},
                                            {.first_sequence = 3, .sequences = 1}};

static lt_objective_options options(const char *loss_type, const lt_objective *objective)
{
    lt_objective_options o = {.beta = 0.05,
                              .epsilon = 0.2,
                              .epsilon_high = 0.28,
                              .completion_length = 8,
                              .mirror_coef = 0.5,
                              .vf_coef = 0.1,
                              .cliprange_value = 0.2};
    lt_error err = {0};
    o.loss_type = loss_type ? lt_objective_loss_type(objective, loss_type) : 0;
    cr_assert_geq(o.loss_type, 0);
    cr_assert(objective->check(&o, &err), "%s", err.message);
    return o;
}

/* The pass over rows from … to. */
static lt_objective_pass pass_of(const float *x, const float *v, float *weight, float *dvalue, int from, int to)
{
    lt_objective_pass pass = {.rows = rows + from,
                              .row_count = to - from,
                              .sequence_targets = targets,
                              .target_count = N,
                              .step_rows = ROWS,
                              .step_targets = N,
                              .logp = x,
                              .weight = weight,
                              .score = v,
                              .score_gradient = dvalue,
                              .score_count = N,
                              .labels = 1};
    pass.per_target[LT_TARGET_REFERENCE_LOGP] = reference;
    pass.per_target[LT_TARGET_OLD_LOGP] = old;
    pass.per_target[LT_TARGET_ADVANTAGE] = advantage;
    pass.per_target[LT_TARGET_RETURN] = returns;
    pass.per_target[LT_TARGET_OLD_VALUE] = old_value;
    return pass;
}

static double loss_of(const lt_objective *objective, const lt_objective_options *o, const float *x, const float *v,
                      lt_objective_sums *sums)
{
    lt_objective_pass pass = pass_of(x, v, NULL, NULL, 0, ROWS);
    memset(sums, 0, sizeof *sums);
    objective->measure(o, &pass, sums);
    return lt_mean_value(&sums->loss);
}

static void compare(const char *name, const char *loss_type, double expected, const float *gradient,
                    const float *value_gradient, lt_objective_sums *sums)
{
    const lt_objective *objective = lt_objective_find(name);
    cr_assert(objective);
    lt_objective_options o = options(loss_type, objective);
    float weight[N], dvalue[N];
    lt_objective_pass pass = pass_of(logp, value, weight, dvalue, 0, ROWS);
    objective->weigh(&o, &pass);
    cr_expect_float_eq(loss_of(objective, &o, logp, value, sums), expected, 1e-6, "%s %s", name,
                       loss_type ? loss_type : "");
    for (int i = 0; i < N; i++) {
        float up[N], down[N]; /* central differences */
        const float h = 2e-3f;
        lt_objective_sums unused;
        cr_expect_float_eq(-weight[i], gradient[i], 1e-6, "%s, token %d: %g, expected %g", name, i, -weight[i],
                           gradient[i]);
        if (value_gradient)
            cr_expect_float_eq(dvalue[i], value_gradient[i], 1e-6, "%s, value %d", name, i);
        memcpy(up, logp, sizeof up);
        memcpy(down, logp, sizeof down);
        up[i] += h;
        down[i] -= h;
        double slope = (loss_of(objective, &o, up, value, &unused) - loss_of(objective, &o, down, value, &unused)) /
                       ((double)up[i] - down[i]);
        cr_expect_float_eq(-weight[i], slope, 1e-5, "%s, token %d: %g, differences %g", name, i, -weight[i], slope);
    }
}

Test(policy, grpo_has_the_losses_and_gradients_of_its_formulas)
{
    lt_objective_sums sums;
    compare("grpo", "grpo", -0.42521192019620135, grpo_gradient, NULL, &sums);
    compare("grpo", "dapo", -0.7298023589998897, dapo_gradient, NULL, &sums);
    compare("grpo", "bnpo", -0.7298023589998897, dapo_gradient, NULL, &sums);
    compare("grpo", "dr_grpo", -0.2736758846249586, dr_gradient, NULL, &sums);
    cr_expect_float_eq(lt_mean_value(&sums.metric[0]), 0.0592913265, 1e-7, "kl");
    cr_expect_float_eq(lt_mean_value(&sums.metric[1]), 1.0 / 12, 1e-9, "clipped low");
    cr_expect_float_eq(lt_mean_value(&sums.metric[2]), 1.0 / 12, 1e-9, "clipped high");
}

Test(policy, rloo_has_the_losses_and_gradients_of_its_formulas)
{
    lt_objective_sums sums;
    compare("rloo", "clip", -0.5066077486099828, rloo_gradient, NULL, &sums);
    compare("rloo", "mirror", -2.18709274530343, mirror_gradient, NULL, &sums);
}

Test(policy, ppo_has_the_losses_and_gradients_of_its_formulas)
{
    lt_objective_sums sums;
    compare("ppo", NULL, -0.6972770113123682, ppo_gradient, ppo_gradient_value, &sums);
}

Test(policy, a_step_in_several_passes_is_the_step_in_one)
{
    static const char *const names[] = {"grpo", "rloo"};
    for (int k = 0; k < 2; k++) {
        const lt_objective *objective = lt_objective_find(names[k]);
        lt_objective_options o = options(objective->loss_types[0], objective);
        float whole[N], parts[N];
        lt_objective_sums one = {0}, two = {0};
        lt_objective_pass all = pass_of(logp, value, whole, NULL, 0, ROWS),
                          first = pass_of(logp, value, parts, NULL, 0, 3),
                          last = pass_of(logp, value, parts, NULL, 3, ROWS);
        objective->weigh(&o, &all);
        objective->weigh(&o, &first);
        objective->weigh(&o, &last);
        objective->measure(&o, &all, &one);
        objective->measure(&o, &first, &two);
        objective->measure(&o, &last, &two);
        cr_expect_arr_eq(whole, parts, sizeof whole);
        cr_expect_float_eq(lt_mean_value(&one.loss), lt_mean_value(&two.loss), 1e-12);
    }
}

Test(policy, without_old_log_probabilities_the_ratio_is_one)
{
    const lt_objective *grpo = lt_objective_find("grpo");
    lt_objective_options o = options("dapo", grpo);
    float weight[N];
    lt_objective_pass pass = pass_of(logp, value, weight, NULL, 0, ROWS);
    pass.per_target[LT_TARGET_OLD_LOGP] = NULL;
    pass.per_target[LT_TARGET_REFERENCE_LOGP] = NULL;
    grpo->weigh(&o, &pass);
    for (int i = 0; i < N; i++)
        cr_expect_float_eq(weight[i], advantage[i] / N, 1e-7);
}

Test(policy, options_that_make_no_sense_are_refused)
{
    lt_error err = {0};
    lt_objective_options o = {.epsilon = 2};
    cr_expect_not(lt_objective_find("grpo")->check(&o, &err));
    cr_expect_not(lt_objective_find("ppo")->check(&o, &err));
    o = (lt_objective_options){.epsilon = 0.2,
                               .loss_type = lt_objective_loss_type(lt_objective_find("grpo"), "dr_grpo")};
    cr_expect_not(lt_objective_find("grpo")->check(&o, &err), "no completion length");
    o = (lt_objective_options){.epsilon = 0.2, .mirror_coef = -1};
    cr_expect_not(lt_objective_find("rloo")->check(&o, &err));
}
