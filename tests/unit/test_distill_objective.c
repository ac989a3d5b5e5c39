#include <criterion/criterion.h>

#include "objective/objective.h"

Test(distill_objective, weighs_cross_entropy_and_divergence_by_alpha_and_the_squared_temperature)
{
    const lt_objective *distill = lt_objective_find("distill");
    float logp[2] = {-1.0f, -3.0f}, kl[2] = {0.5f, 0.25f}, weight[2], kl_weight[2];
    lt_objective_options options = {.distill_alpha = 0.25, .distill_temperature = 2};
    lt_objective_pass pass = {.target_count = 2, .step_targets = 8, .step_rows = 2, .logp = logp, .kl = kl, .weight = weight, .kl_weight = kl_weight};
    lt_objective_sums sums = {0};
    cr_assert(distill->teacher && distill->rows == LT_ROW_SEQUENCE);
    distill->weigh(&options, &pass);
    distill->measure(&options, &pass, &sums);
    for (int i = 0; i < 2; i++) {
        cr_assert_float_eq(weight[i], 0.75 / 8, 1e-7);
        cr_assert_float_eq(kl_weight[i], 0.25 * 4 / 8, 1e-7);
    }
    cr_assert_float_eq(lt_mean_value(&sums.loss), 0.75 * 2 + 1 * 0.375, 1e-7);
    cr_assert_float_eq(lt_mean_value(&sums.metric[0]), 2, 1e-7, "%s", distill->metrics[0]);
    cr_assert_float_eq(lt_mean_value(&sums.metric[1]), 0.375, 1e-7, "%s", distill->metrics[1]);
}

Test(distill_objective, refuses_shares_and_temperatures_that_are_none)
{
    const lt_objective *distill = lt_objective_find("distill");
    lt_objective_options options = {.distill_alpha = 1, .distill_temperature = 1};
    lt_error err;
    cr_assert(distill->check(&options, &err));
    options.distill_alpha = -0.1;
    cr_assert(!distill->check(&options, &err) && err.status == LT_ERR_USAGE);
    options.distill_alpha = 0.5;
    options.distill_temperature = 0;
    cr_assert(!distill->check(&options, &err) && err.status == LT_ERR_USAGE);
    options.distill_temperature = 0.0 / 0.0;
    cr_assert(!distill->check(&options, &err) && err.status == LT_ERR_USAGE);
}
