#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "rl/advantage.h"
#include "rl/meter.h"

/* Expected numbers were computed with torch. */
enum { GROUPS = 3, K = 4, N = GROUPS * K };
static const double reward[N] = {1, 0, 0.5, 0, 2, 2, 2, 2, -1, 3, 0, 0.25};

static void expect(const double *got, const double *want, double tolerance)
{
    for (int i = 0; i < N; i++)
        cr_expect_float_eq(got[i], want[i], tolerance, "%d: %.12g, expected %.12g", i, got[i], want[i]);
}

Test(advantage, of_grpo_is_relative_to_the_group)
{
    double a[N];
    cr_expect_eq(lt_advantage_grpo(reward, GROUPS, K, LT_SCALE_GROUP, a), 1, "one group scores the same");
    expect(a, (double[]){1.3053097493539774, -0.7831858496123865, 0.2610619498707955, -0.7831858496123865, 0, 0, 0, 0, -0.912412196185958,
                         1.4233630260500947, -0.3284683906269449, -0.18248243923719162}, 1e-12);
    lt_advantage_grpo(reward, GROUPS, K, LT_SCALE_BATCH, a);
    expect(a, (double[]){0.5213284181943485, -0.3127970509166091, 0.1042656836388697, -0.3127970509166091, 0, 0, 0, 0, -1.3033210454858712,
                         2.033180830957959, -0.46919557637491366, -0.26066420909717425}, 1e-12);
    lt_advantage_grpo(reward, GROUPS, K, LT_SCALE_NONE, a);
    cr_expect_float_eq(a[0], 0.625, 1e-12);
}

Test(advantage, of_rloo_leaves_the_answer_itself_out)
{
    double a[N];
    lt_advantage_rloo(reward, GROUPS, K, false, a);
    expect(a, (double[]){0.8333333333333334, -0.5, 0.16666666666666669, -0.5, 0, 0, 0, 0, -2.083333333333333, 3.25, -0.75, -0.41666666666666663}, 1e-12);
    lt_advantage_rloo(reward, GROUPS, K, true, a);
    expect(a, (double[]){0.6730338765190225, -0.4038203259114134, 0.13460677530380444, -0.4038203259114134, 0, 0, 0, 0, -1.6825846912975557,
                         2.6248321184241874, -0.6057304888671201, -0.33651693825951123}, 1e-12);
}

Test(advantage, gae_whitening_and_the_kl_controller_follow_their_formulas)
{
    const double r[4] = {0.1, -0.2, 0, 1.5};
    const float v[4] = {0.3f, -0.4f, 0.8f, 0.6f};
    const double want[4] = {0.3035392, 1.19936, 0.388, 0.9}, white[4] = {-0.9257972086629642, 1.1781568579042154, -0.7274298079221944, 0.475070158680943};
    float a[4], returns[4];
    lt_advantage_gae(r, v, 4, 0.9, 0.8, a, returns);
    for (int i = 0; i < 4; i++) {
        cr_expect_float_eq(a[i], want[i], 1e-6);
        cr_expect_float_eq(returns[i], want[i] + v[i], 1e-6);
    }
    lt_advantage_whiten(a, 4, true);
    for (int i = 0; i < 4; i++)
        cr_expect_float_eq(a[i], white[i], 1e-5);
    cr_expect_float_eq(lt_advantage_adapt_kl(0.05, 12, 6, 10000, 100), 0.05 * (1 + 0.2 * 0.01), 1e-12, "the error is clipped");
    cr_expect_float_eq(lt_advantage_adapt_kl(0.05, 5.4, 6, 10000, 100), 0.05 * (1 - 0.1 * 0.01), 1e-12);
    float one = 3;
    lt_advantage_whiten(&one, 1, true);
    cr_expect_eq(one, 0);
}

Test(meter, means_survive_being_saved)
{
    static lt_meter m, other;
    lt_meter_add(&m, "reward", 1);
    lt_meter_add(&m, "reward", 2);
    lt_meter_add_mean(&m, "kl", &(lt_mean){6, 2});
    lt_meter_add_mean(&m, "nothing", &(lt_mean){0, 0});
    json_t *saved = lt_meter_json(&m), *row = json_object();
    lt_meter_read(&other, saved);
    lt_meter_add(&other, "reward", 6);
    cr_expect_eq(lt_meter_value(&other, "reward"), 3);
    lt_meter_flush(&other, row);
    cr_expect_eq(json_object_size(row), 2);
    cr_expect_eq(json_number_value(json_object_get(row, "kl")), 3);
    cr_expect(isnan(lt_meter_value(&other, "reward")));
    json_decref(saved);
    json_decref(row);
}
