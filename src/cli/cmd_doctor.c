/* lathe doctor: what this machine offers, and what lathe makes of it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/machine.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/threads.h"
#include "simd/cpu.h"
#include "simd/gemm.h"
#include "simd/kernels.h"

static const double MEASURE_SECONDS = 0.5;

static const lt_command_example examples[] = {
    {"lathe doctor", "what lathe finds on this machine"},
    {"LATHE_CPU=avx2 lathe doctor --threads 4", "the same with other kernels and threads"},
    {NULL, NULL},
};

typedef struct report {
    lt_machine machine;
    const lt_kernels *kernels;
    int threads;
    double fp32, bf16; /* FLOP/s */
} report;

static void join(char *out, size_t capacity, const char *const *words)
{
    *out = '\0';
    for (; *words; words++) {
        size_t used = strlen(out);
        snprintf(out + used, capacity - used, "%s%s", used ? ", " : "", *words);
    }
}

static void print_line(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void print_line(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("  %s%-18s%s", lt_style_on(stdout, LT_STYLE_CYAN), name, lt_style_off(stdout));
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

/* Of those that lathe has kernels for. */
static const char *instructions(void)
{
    lt_cpu cpu = lt_cpu_detect();
    return cpu.avx512bf16 ? "AVX2, AVX-512, AVX512-BF16"
           : cpu.avx512   ? "AVX2, AVX-512"
           : cpu.avx2     ? "AVX2"
                          : "none with kernels of their own";
}

static void print_report(const report *r)
{
    const lt_machine *m = &r->machine;
    char list[128], a[LT_FIGURE], b[LT_FIGURE];
    printf("lathe %s\n\n", LT_VERSION);
    print_line("processor", "%s", m->cpu);
    print_line("instructions", "%s", instructions());
    print_line("cores", "%d usable by this process, %d online", m->cores_usable, m->cores_online);
    join(list, sizeof list, lt_kernels_available());
    print_line("kernels", "%s chosen (available: %s)%s", r->kernels->name, list,
               r->kernels->bf16_products ? "; bf16 products are native" : "");
    print_line("threads", "%d", r->threads);
    print_line("fp32 peak", "%.0f GFLOP/s measured", r->fp32 / 1e9);
    print_line("bf16 peak", "%.0f GFLOP/s measured; --compute auto takes %s", r->bf16 / 1e9,
               r->kernels->bf16_products ? "bf16" : "fp32");
    print_line("memory", "%s, %s available", lt_figure_bytes(m->memory_total, a),
               lt_figure_bytes(m->memory_available, b));
    if (m->memory_limit)
        print_line("memory limit", "%s (control group)", lt_figure_bytes(m->memory_limit, a));
    print_line("disk", "%s free in this folder", lt_figure_bytes(m->disk_free, a));
    print_line("kernel", "%s; read-ahead into mappings %s, huge pages %s", m->system,
               m->populate_read ? "yes" : "no (Linux 5.14 has it): weights are prefetched by touching", m->huge_pages);
}

static json_t *report_json(const report *r)
{
    const lt_machine *m = &r->machine;
    json_t *available = json_array();
    for (const char *const *name = lt_kernels_available(); *name; name++)
        json_array_append_new(available, json_string(*name));
    return json_pack("{s:s, s:s, s:i, s:i, s:s, s:o, s:b, s:i, s:f, s:f, s:I, s:I, s:I, s:I, s:s, s:b, s:s}", "version",
                     LT_VERSION, "cpu", m->cpu, "cores_usable", m->cores_usable, "cores_online", m->cores_online,
                     "kernels", r->kernels->name, "kernels_available", available, "bf16_products",
                     (int)r->kernels->bf16_products, "threads", r->threads, "fp32_flops_per_second", r->fp32,
                     "bf16_flops_per_second", r->bf16, "memory_bytes", (json_int_t)m->memory_total,
                     "memory_available_bytes", (json_int_t)m->memory_available, "memory_limit_bytes",
                     (json_int_t)m->memory_limit, "disk_free_bytes", (json_int_t)m->disk_free, "system", m->system,
                     "populate_read", (int)m->populate_read, "huge_pages", m->huge_pages);
}

static bool run(lt_options *options, lt_error *err)
{
    report r = {.kernels = lt_kernels_get(), .threads = lt_threads_count()};
    lt_machine_look(&r.machine);
    r.fp32 = lt_gemm_peak(LT_COMPUTE_F32, MEASURE_SECONDS);
    r.bf16 = lt_gemm_peak(LT_COMPUTE_BF16, MEASURE_SECONDS);
    if (options->json)
        return lt_output_json(report_json(&r), err);
    print_report(&r);
    return true;
}

const lt_command lt_cli_doctor = {
    .id = LT_COMMAND_DOCTOR,
    .name = "doctor",
    .section = "Look",
    .summary = "processor, kernels chosen, measured speed, memory and disk",
    .usage = "",
    .details = "Shows what lathe finds on this machine: the processor and the kernel set chosen for it, the speed "
               "measured in a "
               "second, memory, disk and what the system's kernel offers.",
    .examples = examples,
    .run = run,
};
