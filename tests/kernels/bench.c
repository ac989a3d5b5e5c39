/* How fast the kernels of a set are: matrix products as a share of the set's own measured peak, row kernels in bytes a
 * second. One thread, measured in processor time and the best of several runs, so that a busy machine disturbs little.
 */
#include "tests/kernels/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/threads.h"

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of one call of work(context): the best of several runs of at least a millisecond, within `budget` seconds. */
static double seconds_of(void (*work)(void *), void *context, double budget)
{
    double best = 1e30, start = processor_seconds();
    int64_t calls = 1;
    for (int runs = 0; runs < 3 || processor_seconds() - start < budget; runs++) {
        double begin = processor_seconds();
        for (int64_t i = 0; i < calls; i++)
            work(context);
        double elapsed = processor_seconds() - begin;
        if (elapsed / (double)calls < best)
            best = elapsed / (double)calls;
        if (elapsed < 1e-3)
            calls *= 2;
        if (elapsed > budget)
            break;
    }
    return best;
}

/* ---- matrix products ---- */

typedef struct product_case {
    const char *name;
    int M, N, K;
    bool transpose_a, transpose_b;
    lt_dtype b_type;
    bool brief; /* part of the one-line summary */
} product_case;

static const product_case products[] = {
    {"forward 576", 512, 576, 576, false, true, LT_DTYPE_BF16, true},
    {"forward 576-1536", 512, 1536, 576, false, true, LT_DTYPE_BF16, false},
    {"forward 2048", 512, 2048, 2048, false, true, LT_DTYPE_BF16, false},
    {"forward 4096-14336", 512, 14336, 4096, false, true, LT_DTYPE_BF16, false},
    {"forward 14336-4096", 512, 4096, 14336, false, true, LT_DTYPE_BF16, false},
    {"forward f16 2048", 512, 2048, 2048, false, true, LT_DTYPE_F16, false},
    {"forward f32 2048", 512, 2048, 2048, false, true, LT_DTYPE_F32, false},
    {"data 576", 512, 576, 576, false, false, LT_DTYPE_BF16, true},
    {"data 1536-576", 512, 576, 1536, false, false, LT_DTYPE_BF16, false},
    {"data 2048", 512, 2048, 2048, false, false, LT_DTYPE_BF16, false},
    {"data 14336-4096", 512, 4096, 14336, false, false, LT_DTYPE_BF16, false},
    {"weight 576-1536", 1536, 576, 512, true, false, LT_DTYPE_F32, true},
    {"LoRA down 576-16", 512, 16, 576, false, true, LT_DTYPE_F32, true},
    {"LoRA up 16-1536", 512, 1536, 16, false, true, LT_DTYPE_F32, false},
    {"LoRA dA 16x576", 16, 576, 512, true, false, LT_DTYPE_F32, false},
    {"LoRA dB 1536x16", 1536, 16, 512, true, false, LT_DTYPE_F32, false},
    {"head of 64", 64, 49152, 576, false, true, LT_DTYPE_BF16, false},
    {"head of 256", 256, 49152, 576, false, true, LT_DTYPE_BF16, false},
    {"head data of 64", 64, 576, 49152, false, false, LT_DTYPE_BF16, false},
    {"head data of 256", 256, 576, 49152, false, false, LT_DTYPE_BF16, false},
    {"forward Q4_K 2048", 512, 2048, 2048, false, true, LT_DTYPE_Q4_K, false},
    {"data Q4_K 2048", 512, 2048, 2048, false, false, LT_DTYPE_Q4_K, false},
    {"forward Q6_K 2048", 512, 2048, 2048, false, true, LT_DTYPE_Q6_K, false},
    {"data Q6_K 2048", 512, 2048, 2048, false, false, LT_DTYPE_Q6_K, false},
    {"forward Q5_K 2048", 512, 2048, 2048, false, true, LT_DTYPE_Q5_K, false},
    {"forward Q8_0 2048", 512, 2048, 2048, false, true, LT_DTYPE_Q8_0, false},
    {"data Q8_0 2048", 512, 2048, 2048, false, false, LT_DTYPE_Q8_0, false},
    {"forward Q4_0 2048", 512, 2048, 2048, false, true, LT_DTYPE_Q4_0, false},
    {"forward Q4_1 2048", 512, 2048, 2048, false, true, LT_DTYPE_Q4_1, false},
    {"forward Q5_0 2048", 512, 2048, 2048, false, true, LT_DTYPE_Q5_0, false},
    {"forward NF4 2048", 512, 2048, 2048, false, true, LT_DTYPE_NF4, false},
    {"data NF4 2048", 512, 2048, 2048, false, false, LT_DTYPE_NF4, false},
    {"forward I8 2048", 512, 2048, 2048, false, true, LT_DTYPE_I8, false},
    {"data I8 2048", 512, 2048, 2048, false, false, LT_DTYPE_I8, false},
    {"decode NF4 1 row", 1, 4096, 4096, false, true, LT_DTYPE_NF4, false},
    {"decode Q4_K 1 row", 1, 4096, 4096, false, true, LT_DTYPE_Q4_K, false},
    {"decode Q6_K 1 row", 1, 4096, 4096, false, true, LT_DTYPE_Q6_K, false},
    {"decode Q8_0 1 row", 1, 4096, 4096, false, true, LT_DTYPE_Q8_0, false},
    {"decode Q4_0 1 row", 1, 4096, 4096, false, true, LT_DTYPE_Q4_0, false},
    {"decode I8 1 row", 1, 4096, 4096, false, true, LT_DTYPE_I8, false},
    {"decode bf16 1 row", 1, 4096, 4096, false, true, LT_DTYPE_BF16, false},
    {"16 rows 4096", 16, 4096, 4096, false, true, LT_DTYPE_BF16, false},
    {"decode 1 row 49152", 1, 49152, 576, false, true, LT_DTYPE_BF16, true},
    {"decode 8 rows 4096", 8, 4096, 4096, false, true, LT_DTYPE_BF16, false},
};

typedef struct product_run {
    const lt_kernels *set;
    lt_gemm_call call;
} product_run;

static void run_product(void *context)
{
    product_run *run = context;
    lt_gemm_with(run->set, &run->call);
}

static void *filled(int64_t bytes)
{
    char *memory = aligned_alloc(64, (size_t)(bytes + 64) / 64 * 64);
    for (int64_t i = 0; i < bytes; i += 2) { /* small numbers in every float format: exponent about 2^-8 */
        uint16_t half = (uint16_t)(0x3B80 + random_below(16));
        memcpy(memory + i, &half, 2);
    }
    return memory;
}

static double product_seconds(const lt_kernels *set, lt_compute compute, const product_case *p, double budget)
{
    void *a = filled((int64_t)p->M * p->K * 4), *b = filled(lt_dtype_bytes(p->b_type, (int64_t)p->N * p->K));
    void *c = filled((int64_t)p->M * p->N * 4),
         *scratch = filled(lt_gemm_scratch_bytes_with(set, compute, p->M, p->K, 1));
    lt_matrix ma = {a, LT_DTYPE_F32, 0, 0, p->transpose_a ? p->M : p->K};
    lt_quant_scales scales = {.block_shift = 6, .absmax = a, .factor = 1}; /* A has more elements than B has scales */
    lt_matrix mb = {.data = b, .dtype = p->b_type, .row_stride = p->transpose_b ? p->K : p->N, .scales = &scales};
    product_run run = {set, {.M = p->M, .N = p->N, .K = p->K, .compute = compute, .a = &ma, .b = &mb, .c = c}};
    run.call.transpose_a = p->transpose_a;
    run.call.transpose_b = p->transpose_b;
    run.call.c_stride = p->N;
    run.call.alpha = 1;
    run.call.serial = true;
    run.call.scratch = scratch;
    double seconds = seconds_of(run_product, &run, budget);
    free(a);
    free(b);
    free(c);
    free(scratch);
    return seconds;
}

static void bench_products(const lt_kernels *set, lt_compute compute, bool brief, double peak)
{
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        const product_case *p = &products[i];
        if ((brief || !lt_sets_gemm(set, compute)) && !p->brief) /* the reference would take minutes */
            continue;
        double seconds = product_seconds(set, compute, p, brief ? 0.01 : 0.2), flops = 2.0 * p->M * p->N * p->K;
        double bytes = (double)lt_dtype_bytes(p->b_type, (int64_t)p->N * p->K);
        if (brief && p->M > 1)
            printf(", %s %.0f %%", p->name, 100 * flops / seconds / peak);
        else if (brief)
            printf(", %s %.1f GB/s", p->name, bytes / seconds * 1e-9);
        else
            printf("  %-20s %5d x %5d x %5d %10.1f us %7.1f GFLOP/s %5.1f %%  %5.1f GB/s of B\n", p->name, p->M, p->N,
                   p->K, seconds * 1e6, flops / seconds * 1e-9, 100 * flops / seconds / peak, bytes / seconds * 1e-9);
    }
}

/* ---- row kernels ---- */

enum { N = 4096 }; /* the rows stay in L1 and L2 */

typedef struct row_run {
    const lt_kernels *set;
    float *x, *y, *z, *w;
    uint16_t *half;
    int8_t *codes;
    volatile double sink;
} row_run;

static const lt_adamw_step adamw_step = {1e-9f, 0.9f, 0.999f, 1e-8f, 0, 1, 1, 1};

#define ROW(name, call)                                                                                                \
    static void bench_##name(void *context)                                                                            \
    {                                                                                                                  \
        row_run *r = context;                                                                                          \
        call;                                                                                                          \
    }

ROW(f32_to_bf16, r->set->f32_to_bf16(r->x, r->half, N))
ROW(bf16_to_f32, r->set->bf16_to_f32(r->half, r->y, N))
ROW(f32_to_f16, r->set->f32_to_f16(r->x, r->half, N))
ROW(f16_to_f32, r->set->f16_to_f32(r->half, r->y, N))
ROW(dot, r->sink = (double)r->set->dot(r->x, r->z, N))
ROW(sum, r->sink = (double)r->set->sum(r->x, N))
ROW(max, r->sink = (double)r->set->max(r->x, N))
ROW(sum_exp, r->sink = (double)r->set->sum_exp(r->x, 1, N))
ROW(sum_squares, r->sink = r->set->sum_squares(r->x, N))
ROW(scale, r->set->scale(r->y, 1, N))
ROW(axpy, r->set->axpy(r->y, 1e-3f, r->x, N))
ROW(multiply, r->set->multiply(r->y, r->x, r->z, N))
ROW(multiply_add, r->set->multiply_add(r->y, r->x, r->z, N))
ROW(exp_scaled, r->set->exp_scaled(r->y, r->x, 1, 1, N))
ROW(silu, r->set->act_forward(LT_ACT_SILU, r->x, r->z, r->y, N))
ROW(silu_backward, r->set->act_backward(LT_ACT_SILU, r->x, r->z, r->w, r->y, r->z, N))
ROW(gelu_tanh, r->set->act_forward(LT_ACT_GELU_TANH, r->x, r->z, r->y, N))
ROW(gelu_erf, r->set->act_forward(LT_ACT_GELU_ERF, r->x, r->z, r->y, N))
ROW(rope, r->set->rope(r->y, r->x, r->z, 1, N / 2))
ROW(quantize_q8, r->set->quantize_q8(r->x, r->codes, r->half, N))
ROW(dequantize_q8, r->set->dequantize_q8(r->codes, r->half, r->y, N))
ROW(adamw, r->set->adamw(r->y, r->z, r->w, r->x, &adamw_step, N))

typedef struct row_case {
    const char *name;
    void (*work)(void *);
    double bytes; /* read and written an element */
    bool brief;
} row_case;

static const row_case row_cases[] = {
    {"f32_to_bf16", bench_f32_to_bf16, 6, true},
    {"bf16_to_f32", bench_bf16_to_f32, 6, false},
    {"f32_to_f16", bench_f32_to_f16, 6, false},
    {"f16_to_f32", bench_f16_to_f32, 6, false},
    {"dot", bench_dot, 8, false},
    {"sum", bench_sum, 4, false},
    {"max", bench_max, 4, false},
    {"sum_exp", bench_sum_exp, 4, true},
    {"sum_squares", bench_sum_squares, 4, false},
    {"scale", bench_scale, 8, false},
    {"axpy", bench_axpy, 12, false},
    {"multiply", bench_multiply, 12, false},
    {"multiply_add", bench_multiply_add, 16, false},
    {"exp_scaled", bench_exp_scaled, 8, false},
    {"silu", bench_silu, 12, true},
    {"silu backward", bench_silu_backward, 20, false},
    {"gelu_tanh", bench_gelu_tanh, 12, false},
    {"gelu_erf", bench_gelu_erf, 12, false},
    {"rope", bench_rope, 12, false},
    {"quantize_q8", bench_quantize_q8, 5.06, true},
    {"dequantize_q8", bench_dequantize_q8, 5.06, false},
    {"adamw", bench_adamw, 28, false},
};

static void bench_rows(const lt_kernels *set, bool brief)
{
    row_run run = {.set = set, .x = filled(4 * N), .y = filled(4 * N), .z = filled(4 * N), .w = filled(4 * N)};
    run.half = filled(2 * N);
    run.codes = filled(N);
    for (int i = 0; i < N; i++)
        run.x[i] = random_normal();
    for (size_t i = 0; i < sizeof row_cases / sizeof *row_cases; i++) {
        const row_case *r = &row_cases[i];
        if (brief && !r->brief)
            continue;
        double seconds = seconds_of(r->work, &run, brief ? 0.01 : 0.05);
        if (brief)
            printf(", %s %.0f GB/s", r->name, N * r->bytes / seconds * 1e-9);
        else
            printf("  %-20s %7.2f ns/element %7.1f GB/s\n", r->name, seconds / N * 1e9, N * r->bytes / seconds * 1e-9);
    }
    free(run.x);
    free(run.y);
    free(run.z);
    free(run.w);
    free(run.half);
    free(run.codes);
}

void bench_set(const lt_kernels *set, bool brief)
{
    int threads = lt_threads_count();
    lt_threads_set(1);
    for (int compute = LT_COMPUTE_F32; compute <= LT_COMPUTE_BF16; compute++) {
        const char *name = compute == LT_COMPUTE_F32 ? "f32" : "bf16";
        double peak = lt_gemm_peak_with(set, (lt_compute)compute, brief ? 0.03 : 0.3);
        if (brief)
            printf("%s%s peak %.0f GFLOP/s", compute ? "; " : "  ", name, peak * 1e-9);
        else
            printf("%s, %s products, one core; peak %.1f GFLOP/s\n", set->name, name, peak * 1e-9);
        bench_products(set, (lt_compute)compute, brief, peak);
    }
    if (!brief)
        printf("%s, rows of %d in cache\n", set->name, N);
    else
        printf("; rows");
    bench_rows(set, brief);
    if (brief)
        printf("\n");
    lt_threads_set(threads);
}
