#include <criterion/criterion.h>

#include "objective/objective.h"

Test(objective, lm_weighs_every_target_of_the_step_alike)
{
    const lt_objective *lm = lt_objective_find("lm");
    float logp[3] = {-1.0f, -2.0f, -0.5f}, weight[3] = {9, 9, 9};
    lt_objective_options options = {0};
    lt_objective_pass pass = {.target_count = 3, .step_targets = 8, .step_rows = 2, .logp = logp, .weight = weight};
    lt_objective_sums sums = {0};
    lm->weigh(&options, &pass);
    lm->measure(&options, &pass, &sums);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weight[i], 0.125f);
    cr_assert_float_eq(sums.loss.sum, 3.5, 1e-12);
    cr_assert_float_eq(sums.loss.count, 3, 1e-12);
    lt_objective_sums total = sums;
    lt_objective_sums_add(&total, &sums);
    cr_assert_float_eq(lt_mean_value(&total.loss), 3.5 / 3, 1e-12);
}

Test(objective, lists_what_there_is)
{
    cr_assert_null(lt_objective_find("none"));
    bool found = false;
    for (const char *const *name = lt_objective_names(); *name; name++)
        found |= lt_objective_find(*name) == &lt_objective_lm;
    cr_assert(found);
}
