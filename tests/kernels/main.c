/* Conformance of every kernel set that this machine can run. One line a set; exit status 1 when anything differs. */
#include "tests/kernels/harness.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    bool quick = argc > 1 && !strcmp(argv[1], "--quick");
    bool good = true;
    for (const char *const *name = lt_kernels_available(); *name; name++) {
        const lt_kernels *set = lt_kernels_find(*name);
        check_begin(*name);
        check_rows(set, !quick);
        check_gemm(set, !quick);
        check_panel(set, !quick);
        printf("%-12s %9lld comparisons, %lld failures\n", *name, (long long)check_count(),
               (long long)check_failures());
        good &= check_failures() == 0;
    }
    return good ? 0 : 1;
}
