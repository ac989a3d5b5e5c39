/* Chooses the kernel set. Sets are listed from worst to best; the table of a set is the plain C of ref/ overlaid by
 * every set up to it, so a set that brings nothing for an entry inherits the next one down. */
#include "simd/sets.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool always(const lt_cpu *cpu)
{
    (void)cpu;
    return true;
}

/* The AVX2 set is written with SIMDe, which runs everywhere; on x86-64 it is compiled to the instructions themselves.
 */
static bool has_avx2(const lt_cpu *cpu)
{
#if defined(__x86_64__)
    return cpu->avx2;
#else
    return always(cpu);
#endif
}

#if defined(__x86_64__)
static bool has_avx512(const lt_cpu *cpu)
{
    return cpu->avx512;
}

static bool has_avx512bf16(const lt_cpu *cpu)
{
    return cpu->avx512bf16;
}
#endif

typedef struct kernel_set {
    const char *name;
    bool (*supported)(const lt_cpu *cpu);
    void (*overlay)(lt_kernels *table);
    bool bf16_products;
    const lt_gemm_kernel *gemm[2]; /* by lt_compute; NULL: as the set before */
    const lt_panel_kernels *panel[2];
} kernel_set;

static const kernel_set sets[] = {
    {"ref", always, lt_ref_overlay, false, {NULL, NULL}, {&lt_ref_panel_f32, &lt_ref_panel_bf16}},
    {"avx2",
     has_avx2,
     lt_avx2_overlay,
     false,
     {&lt_gemm_f32_avx2, &lt_gemm_bf16_avx2},
     {&lt_panel_f32_avx2, &lt_panel_bf16_avx2}},
#if defined(__x86_64__)
    {"avx512",
     has_avx512,
     lt_avx512_overlay,
     false,
     {&lt_gemm_f32_avx512, &lt_gemm_bf16_avx512},
     {&lt_panel_f32_avx512, &lt_panel_bf16_avx512}},
    {"avx512bf16", has_avx512bf16, lt_avx512bf16_overlay, true, {NULL, &lt_gemm_bf16_avx512bf16}, {NULL, &lt_panel_bf16_avx512bf16}},
#endif
};

enum { SET_COUNT = sizeof sets / sizeof sets[0] };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static lt_kernels tables[SET_COUNT];
static const lt_gemm_kernel *gemms[SET_COUNT][2];
static bool usable[SET_COUNT];
static const char *available[SET_COUNT + 1]; /* best first */
static const lt_kernels *chosen;
static char complaint[256];

static void fill_tables(void)
{
    lt_cpu cpu = lt_cpu_detect();
    lt_kernels table = {0};
    const lt_gemm_kernel *gemm[2] = {NULL, NULL};
    int count = 0;
    for (int i = 0; i < SET_COUNT; i++) {
        usable[i] = sets[i].supported(&cpu);
        if (!usable[i])
            continue;
        if (sets[i].overlay)
            sets[i].overlay(&table);
        for (int compute = 0; compute < 2; compute++)
            gemms[i][compute] = gemm[compute] = sets[i].gemm[compute] ? sets[i].gemm[compute] : gemm[compute];
        for (int compute = 0; compute < 2; compute++)
            table.panel[compute] = sets[i].panel[compute] ? sets[i].panel[compute] : table.panel[compute];
        table.name = sets[i].name;
        table.bf16_products = sets[i].bf16_products;
        tables[i] = table;
        chosen = &tables[i];
        count++;
    }
    for (int i = 0, place = count; i < SET_COUNT; i++)
        if (usable[i])
            available[--place] = sets[i].name;
}

static const lt_kernels *find(const char *name)
{
    for (int i = 0; i < SET_COUNT; i++)
        if (usable[i] && !strcmp(name, sets[i].name))
            return &tables[i];
    return NULL;
}

static void complain(const char *name)
{
    int length =
        snprintf(complaint, sizeof complaint,
                 "LATHE_CPU: kernel set '%.32s' is not one that this machine and build have; available:", name);
    for (int i = 0; available[i] && length < (int)sizeof complaint; i++)
        length += snprintf(complaint + length, sizeof complaint - (size_t)length, " %s", available[i]);
}

static void choose(void)
{
    fill_tables();
    const char *name = getenv("LATHE_CPU");
    if (!name || !*name)
        return;
    const lt_kernels *named = find(name);
    if (named)
        chosen = named;
    else
        complain(name);
}

const lt_kernels *lt_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}

const lt_kernels *lt_kernels_find(const char *name)
{
    pthread_once(&once, choose);
    return find(name);
}

const char *const *lt_kernels_available(void)
{
    pthread_once(&once, choose);
    return available;
}

const char *lt_kernels_complaint(void)
{
    pthread_once(&once, choose);
    return *complaint ? complaint : NULL;
}

const lt_gemm_kernel *lt_sets_gemm(const lt_kernels *set, lt_compute compute)
{
    assert(set >= tables && set < tables + SET_COUNT);
    return gemms[set - tables][compute];
}
