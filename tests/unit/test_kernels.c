/* Choice of the kernel set, and a sample of the conformance test of tests/kernels/ (make check-kernels runs it whole).
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/harness.h"

Test(kernels, the_best_set_of_the_machine_is_chosen)
{
    unsetenv("LATHE_CPU");
    cr_assert_str_eq(lt_kernels_get()->name, lt_kernels_available()[0]);
    cr_assert_null(lt_kernels_complaint());
}

Test(kernels, lathe_cpu_lowers_the_choice)
{
    setenv("LATHE_CPU", "ref", 1);
    cr_assert_str_eq(lt_kernels_get()->name, "ref");
    cr_assert_null(lt_kernels_complaint());
}

Test(kernels, an_unknown_set_is_complained_about_and_the_best_used)
{
    setenv("LATHE_CPU", "abacus", 1);
    cr_assert_str_eq(lt_kernels_get()->name, lt_kernels_available()[0]);
    cr_assert_not_null(lt_kernels_complaint());
    cr_assert_not_null(strstr(lt_kernels_complaint(), "'abacus'"));
    cr_assert_not_null(strstr(lt_kernels_complaint(), "ref"), "names what there is");
}

Test(kernels, a_hostile_name_cannot_overflow_the_complaint)
{
    char name[5000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    setenv("LATHE_CPU", name, 1);
    cr_assert_lt(strlen(lt_kernels_complaint()), 256);
}

Test(kernels, an_empty_name_is_no_name)
{
    setenv("LATHE_CPU", "", 1);
    cr_assert_null(lt_kernels_complaint());
}

Test(kernels, sets_are_found_by_name_and_every_entry_is_filled)
{
    cr_assert_null(lt_kernels_find("abacus"));
    cr_assert_not_null(lt_kernels_find("ref"));
    for (const char *const *name = lt_kernels_available(); *name; name++) {
        const lt_kernels *set = lt_kernels_find(*name);
        cr_assert_not_null(set);
        cr_assert_str_eq(set->name, *name);
        cr_assert(set->f32_to_bf16 && set->bf16_to_f32 && set->f32_to_f16 && set->f16_to_f32 && set->dot && set->sum &&
                  set->max && set->sum_exp && set->sum_squares && set->scale && set->axpy && set->multiply &&
                  set->multiply_add && set->exp_scaled && set->act_forward && set->act_backward && set->rope &&
                  set->quantize_q8 && set->dequantize_q8 && set->adamw);
    }
}

Test(kernels, the_rows_of_every_set_agree_with_the_truth)
{
    for (const char *const *name = lt_kernels_available(); *name; name++) {
        check_begin(*name);
        check_rows(lt_kernels_find(*name), false);
        cr_assert_gt(check_count(), 1000);
        cr_assert_eq(check_failures(), 0);
    }
}
