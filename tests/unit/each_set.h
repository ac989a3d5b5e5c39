/* EachSetTest(suite, name) { … } runs its body once per kernel set that this machine has. The choice of a set is made
 * once per process; Criterion gives every parameter a process of its own. */
#ifndef LT_TEST_EACH_SET_H
#define LT_TEST_EACH_SET_H

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>

#include "simd/kernels.h"

typedef struct set_name {
    char name[16];
} set_name;

static set_name set_names[] = {{"ref"}, {"avx2"}, {"avx512"}, {"avx512bf16"}, {"amx"}};

static inline void use_set(const set_name *set)
{
    setenv("LATHE_CPU", set->name, 1);
    if (!lt_kernels_find(set->name))
        cr_skip_test("this machine or build does not have the kernel set %s", set->name);
    cr_assert_str_eq(lt_kernels_get()->name, set->name);
}

#define EachSetTest(suite, test)                                                                                       \
    static void suite##_##test##_body(void);                                                                           \
    ParameterizedTestParameters(suite, test)                                                                           \
    {                                                                                                                  \
        return cr_make_param_array(set_name, set_names, sizeof set_names / sizeof set_names[0]);                       \
    }                                                                                                                  \
    ParameterizedTest(set_name *set, suite, test)                                                                      \
    {                                                                                                                  \
        use_set(set);                                                                                                  \
        suite##_##test##_body();                                                                                       \
    }                                                                                                                  \
    static void suite##_##test##_body(void)

#endif
