/* Conformance of every kernel set that this machine can run: one line a set, exit status 1 when anything differs.
 *
 *     check-kernels [--quick] [--no-speed] [--bench] [SET…]
 *
 * --quick takes a sample of the cases, --no-speed leaves out the figures behind the counts (an emulator has none worth
 * printing), --bench prints the speed of every kernel instead of checking. */
#include "tests/kernels/harness.h"

#include <stdio.h>
#include <string.h>

typedef struct options {
    bool quick, no_speed, bench;
} options;

static bool check_set(const lt_kernels *set, const options *o)
{
    check_begin(set->name);
    check_rows(set, !o->quick);
    check_gemm(set, !o->quick);
    check_panel(set, !o->quick);
    check_quant(set, !o->quick);
    printf("%-12s %lld comparisons, %lld failures;", set->name, (long long)check_count(), (long long)check_failures());
    if (o->no_speed)
        printf("\n");
    else
        bench_set(set, true);
    fflush(stdout);
    return check_failures() == 0;
}

int main(int argc, char **argv)
{
    options o = {false, false, false};
    bool good = true, named = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--quick"))
            o.quick = true;
        else if (!strcmp(argv[i], "--no-speed"))
            o.no_speed = true;
        else if (!strcmp(argv[i], "--bench"))
            o.bench = true;
        else
            named = true;
    }
    for (int i = 1; i < argc; i++)
        if (argv[i][0] != '-' && !lt_kernels_find(argv[i])) {
            printf("no kernel set '%s' on this machine\n", argv[i]);
            return 2;
        }
    for (const char *const *name = lt_kernels_available(); *name; name++) {
        bool wanted = !named;
        for (int i = 1; i < argc; i++)
            wanted |= !strcmp(argv[i], *name);
        if (!wanted)
            continue;
        if (o.bench)
            bench_set(lt_kernels_find(*name), false);
        else
            good &= check_set(lt_kernels_find(*name), &o);
    }
    return good ? 0 : 1;
}
