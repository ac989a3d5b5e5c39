/* Matrix products of a set against sums in double, and against themselves under every condition that must not change a
 * byte: packed A, thread count, serial, and the size of the product around an element. */
#include "tests/kernels/harness.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"

/* A product to test. Sizes of less than a page of text each, so that a failure can be read. */
typedef struct gemm_case {
    int M, N, K;
    lt_compute compute;
    lt_dtype a_type, b_type;
    bool transpose_a, transpose_b;
    float alpha, beta;
    bool bias, whole_numbers; /* whole numbers: every sum is exact, so a single wrong term shows */
    data_kind data;
} gemm_case;

typedef struct operands {
    guarded a_memory, b_memory, c_memory, bias_memory, scratch_memory, packed_memory;
    lt_matrix a, b;
    lt_gemm_call call;
    float *c_before;           /* C as it was, M x c_stride */
    double *a_truth, *b_truth; /* op(A) (M,K) and op(B)ᵀ (N,K), rounded as the compute type says */
} operands;

static const float PAD = 12345.0f; /* between the rows of C */

static void describe(const gemm_case *t, char *text, size_t size)
{
    const char *a = lt_dtype_get(t->a_type)->name, *b = lt_dtype_get(t->b_type)->name;
    snprintf(text, size, "M %d N %d K %d %s a %s%s b %s%s alpha %g beta %g%s%s data %d", t->M, t->N, t->K,
             t->compute == LT_COMPUTE_BF16 ? "bf16" : "f32", a, t->transpose_a ? " transposed" : "", b,
             t->transpose_b ? " transposed" : "", (double)t->alpha, (double)t->beta, t->bias ? " bias" : "",
             t->whole_numbers ? " whole" : "", (int)t->data);
}

static float operand_value(const gemm_case *t)
{
    return t->whole_numbers ? (float)(random_below(9) - 4) : random_of(t->data);
}

/* A matrix at any byte, rows further apart than they are long; nothing is mapped behind its last element. */
static lt_matrix make_matrix(guarded *memory, const gemm_case *t, lt_dtype dtype, int rows, int cols)
{
    int64_t stride = cols + random_below(3) * 5, elements = (rows - 1) * stride + cols;
    *memory = guarded_make(lt_dtype_bytes(dtype, elements), random_below(8));
    for (int64_t i = 0; i < elements; i++)
        from_f32(memory->data, dtype, i, operand_value(t));
    return (lt_matrix){memory->data, dtype, rows, cols, stride};
}

/* Rows of op(matrix) as doubles, rounded as the compute type says. */
static double *truth_of(const lt_matrix *m, bool transpose, lt_compute compute, int rows, int cols)
{
    double *truth = malloc((size_t)rows * (size_t)cols * sizeof(double));
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) {
            double value = to_f64(m->data, m->dtype, transpose ? j * m->row_stride + i : i * m->row_stride + j);
            truth[i * cols + j] = compute == LT_COMPUTE_BF16 ? lt_bf16_to_f32(lt_f32_to_bf16((float)value)) : value;
        }
    return truth;
}

static void make_operands(const lt_kernels *set, const gemm_case *t, operands *o)
{
    o->a = make_matrix(&o->a_memory, t, t->a_type, t->transpose_a ? t->K : t->M, t->transpose_a ? t->M : t->K);
    o->b = make_matrix(&o->b_memory, t, t->b_type, t->transpose_b ? t->N : t->K, t->transpose_b ? t->K : t->N);
    o->a_truth = truth_of(&o->a, t->transpose_a, t->compute, t->M, t->K);
    o->b_truth = truth_of(&o->b, !t->transpose_b, t->compute, t->N, t->K);
    int64_t stride = t->N + random_below(4), elements = t->M * stride;
    o->c_memory = guarded_make((elements - (stride - t->N)) * 4, random_below(4) * 4);
    o->c_before = malloc((size_t)elements * sizeof(float));
    for (int64_t i = 0; i < elements; i++)
        o->c_before[i] = i % stride >= t->N ? PAD : t->beta != 0 ? operand_value(t) : NAN;
    o->bias_memory = guarded_make(t->N * 4, 0);
    for (int i = 0; i < t->N; i++)
        ((float *)o->bias_memory.data)[i] = operand_value(t);
    int threads = lt_threads_count() < 3 ? 3 : lt_threads_count();
    o->scratch_memory =
        guarded_make((lt_gemm_scratch_bytes_with(set, t->compute, t->M, t->K, threads) + 63) / 64 * 64, 0);
    o->packed_memory = guarded_make(lt_gemm_packed_bytes_with(set, t->compute, t->M, t->K), 0);
    o->call = (lt_gemm_call){.M = t->M,
                             .N = t->N,
                             .K = t->K,
                             .compute = t->compute,
                             .a = &o->a,
                             .transpose_a = t->transpose_a,
                             .b = &o->b,
                             .transpose_b = t->transpose_b,
                             .c = o->c_memory.data,
                             .c_stride = stride,
                             .alpha = t->alpha,
                             .beta = t->beta,
                             .bias = t->bias ? o->bias_memory.data : NULL,
                             .scratch = o->scratch_memory.data};
}

static void free_operands(operands *o)
{
    guarded_free(&o->a_memory);
    guarded_free(&o->b_memory);
    guarded_free(&o->c_memory);
    guarded_free(&o->bias_memory);
    guarded_free(&o->scratch_memory);
    guarded_free(&o->packed_memory);
    free(o->c_before);
    free(o->a_truth);
    free(o->b_truth);
}

static void run(const lt_kernels *set, operands *o)
{
    memcpy(o->c_memory.data, o->c_before, (size_t)o->c_memory.bytes);
    memset(o->scratch_memory.data, 0xFF, (size_t)o->scratch_memory.bytes); /* NaN: nothing may be read before written */
    lt_gemm_with(set, &o->call);
}

/* Error allowed: f32 rounding of K sums relative to Σ|a b|, and what flushed subnormals lose. */
static bool element_good(const operands *o, const gemm_case *t, int m, int n, char *text, size_t size)
{
    double sum = 0, magnitude = 0;
    for (int k = 0; k < t->K; k++) {
        double product = o->a_truth[m * t->K + k] * o->b_truth[n * t->K + k];
        sum += product;
        magnitude += fabs(product);
    }
    double before = o->c_before[m * o->call.c_stride + n], bias = t->bias ? (double)o->call.bias[n] : 0;
    double want = t->alpha * sum + (t->beta != 0 ? t->beta * before : 0) + bias;
    double scale = fabs(t->alpha) * magnitude + (t->beta != 0 ? fabs(t->beta * before) : 0) + fabs(bias);
    double got = o->call.c[m * o->call.c_stride + n], epsilon = ldexp(1, -24);
    snprintf(text, size, "C[%d][%d] is %.9g, should be %.9g", m, n, got, want);
    if (t->data == DATA_EXTREME) { /* f32 overflows where double does not: an infinity or NaN may come of 1e38 */
        if (!(scale < 1e37 && magnitude < 1e37))
            return isnan(want) ? isnan(got) : true;
        return near(got, want, 0, scale * (t->K / 4.0 + 8) * epsilon + 1e-30);
    }
    return near(got, want, 0, t->whole_numbers ? 0 : scale * (t->K / 4.0 + 8) * epsilon + 1e-37);
}

static void check_truth(const operands *o, const gemm_case *t, const char *about)
{
    char text[200];
    bool all = (int64_t)t->M * t->N * t->K < 300000;
    int count = all ? t->M * t->N : 400;
    for (int i = 0; i < count; i++) {
        int m = all ? i / t->N : random_below(t->M), n = all ? i % t->N : random_below(t->N);
        if (!check(element_good(o, t, m, n, text, sizeof text), "gemm", "%s: %s", about, text))
            return;
    }
}

static void check_surroundings(const operands *o, const gemm_case *t, const char *about)
{
    bool pads = true;
    int64_t stride = o->call.c_stride;
    for (int64_t i = 0; i < o->c_memory.bytes / 4; i++)
        pads &= i % stride < t->N || o->call.c[i] == PAD;
    check(pads && guarded_intact(&o->c_memory), "gemm", "%s: wrote outside of C", about);
    check(guarded_intact(&o->scratch_memory), "gemm", "%s: wrote outside of scratch", about);
}

/* The same bytes; only which NaN a NaN is may differ (it depends on how the compiler orders an instruction's operands).
 */
static bool same_floats(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof(float)) && !(isnan(a[i]) && isnan(b[i])))
            return false;
    return true;
}

/* Runs again under another condition: the same bytes must come. */
static void check_same(const lt_kernels *set, operands *o, const float *first, const char *about, const char *condition)
{
    run(set, o);
    check(same_floats(first, o->c_memory.data, o->c_memory.bytes / 4), "gemm", "%s: other bytes %s", about, condition);
}

static void check_conditions(const lt_kernels *set, operands *o, const gemm_case *t, const char *about)
{
    int threads = lt_threads_count();
    float *first = malloc((size_t)o->c_memory.bytes);
    memcpy(first, o->c_memory.data, (size_t)o->c_memory.bytes);
    o->call.serial = true;
    check_same(set, o, first, about, "serially");
    o->call.serial = false;
    for (int count = 1; count <= 3; count++) {
        lt_threads_set(count);
        char condition[40];
        snprintf(condition, sizeof condition, "with %d threads", count);
        check_same(set, o, first, about, condition);
    }
    lt_threads_set(threads);
    lt_gemm_pack_a_with(set, t->compute, &o->a, t->transpose_a, t->M, t->K, o->packed_memory.data, false);
    check(guarded_intact(&o->packed_memory), "gemm", "%s: wrote outside of packed A", about);
    o->call.a = NULL;
    o->call.packed_a = o->packed_memory.data;
    check_same(set, o, first, about, "with A packed before");
    o->call.a = &o->a;
    o->call.packed_a = NULL;
    free(first);
}

/* Computes a part of C alone: the bytes must be those of the whole. */
static void check_part(const lt_kernels *set, operands *o, const gemm_case *t, const char *about)
{
    int m0 = random_below(t->M), n0 = random_below(t->N);
    int mn = 1 + random_below(random_below(2) ? t->M - m0 : (t->M - m0 < 8 ? t->M - m0 : 8)),
        nn = 1 + random_below(t->N - n0);
    int64_t stride = o->call.c_stride;
    float *whole = malloc((size_t)o->c_memory.bytes);
    memcpy(whole, o->c_memory.data, (size_t)o->c_memory.bytes);
    lt_matrix a = o->a, b = o->b;
    a.data = (const char *)a.data + lt_dtype_bytes(a.dtype, t->transpose_a ? m0 : m0 * a.row_stride);
    b.data = (const char *)b.data + lt_dtype_bytes(b.dtype, t->transpose_b ? n0 * b.row_stride : n0);
    lt_gemm_call part = o->call;
    part.M = mn;
    part.N = nn;
    part.a = &a;
    part.b = &b;
    part.c += m0 * stride + n0;
    part.bias = part.bias ? part.bias + n0 : NULL;
    memcpy(o->c_memory.data, o->c_before, (size_t)o->c_memory.bytes);
    lt_gemm_with(set, &part);
    bool same = true;
    for (int m = 0; m < mn; m++)
        same &= same_floats(part.c + m * stride, whole + (m0 + m) * stride + n0, nn);
    check(same, "gemm", "%s: rows %d+%d, columns %d+%d alone give other bytes", about, m0, mn, n0, nn);
    free(whole);
}

static void check_case(const lt_kernels *set, const gemm_case *t)
{
    char about[200];
    operands o;
    describe(t, about, sizeof about);
    make_operands(set, t, &o);
    run(set, &o);
    check_truth(&o, t, about);
    check_surroundings(&o, t, about);
    check_conditions(set, &o, t, about);
    run(set, &o);
    check_part(set, &o, t, about);
    free_operands(&o);
}

static int pick(const int *values, int count)
{
    return values[random_below(count)];
}

#define PICK(...) pick((const int[]){__VA_ARGS__}, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)))

static gemm_case random_case(lt_compute compute)
{
    static const lt_dtype types[] = {LT_DTYPE_F32, LT_DTYPE_BF16, LT_DTYPE_F16};
    gemm_case t = {.compute = compute};
    do {
        t.M = random_below(2) ? 1 + random_below(20) : PICK(8, 16, 24, 31, 33, 48, 64, 65, 100, 128, 200);
        t.N = random_below(2) ? 1 + random_below(70) : PICK(16, 32, 48, 49, 64, 96, 100, 144, 240, 257, 300, 1000);
        t.K = random_below(2) ? 1 + random_below(70)
                              : PICK(16, 48, 64, 128, 320, 321, 322, 576, 640, 641, 700, 1300, 2100);
    } while ((int64_t)t.M * t.N * t.K > 1000000);
    t.a_type = types[random_below(3)];
    t.b_type = types[random_below(3)];
    t.transpose_a = random_below(2);
    t.transpose_b = random_below(2);
    t.alpha = random_below(2) ? 1 : (float)PICK(-2, 3, 0);
    t.beta = random_below(2) ? 0 : (float)PICK(1, -1, 2);
    t.bias = random_below(3) == 0;
    t.whole_numbers = random_below(2);
    t.data = t.whole_numbers ? DATA_NORMAL : (data_kind)random_below(DATA_KINDS);
    return t;
}

/* All small shapes, so that every tile of every height and width has been at every edge. */
static void check_edges(const lt_kernels *set, lt_compute compute, bool thorough)
{
    gemm_case t = {
        .compute = compute, .a_type = LT_DTYPE_F32, .b_type = LT_DTYPE_BF16, .alpha = 1, .whole_numbers = true};
    for (t.M = 1; t.M <= 18; t.M++)
        for (t.N = 1; t.N <= 100; t.N += thorough ? 3 : 11) {
            t.K = 5 + random_below(40);
            t.transpose_a = random_below(2);
            t.transpose_b = random_below(2);
            check_case(set, &t);
        }
    for (t.K = 1; t.K <= 100; t.K += thorough ? 1 : 5) {
        t.M = PICK(1, 7, 8, 9, 12);
        t.N = PICK(15, 16, 33, 49, 64);
        t.transpose_a = random_below(2);
        t.transpose_b = random_below(2);
        check_case(set, &t);
    }
}

/* Sizes where a factor is nothing. */
static void check_empty(const lt_kernels *set, lt_compute compute)
{
    float c[4] = {1, 2, 3, 4}, bias[2] = {10, 20}, dummy = 0;
    lt_matrix m = lt_matrix_f32(&dummy, 0, 0);
    lt_gemm_call call = {
        .M = 2, .N = 2, .K = 0, .compute = compute, .a = &m, .b = &m, .c = c, .c_stride = 2, .alpha = 1};
    call.beta = 2;
    call.bias = bias;
    lt_gemm_with(set, &call);
    check(c[0] == 12 && c[1] == 24 && c[2] == 16 && c[3] == 28, "gemm", "K = 0 must leave beta c + bias");
    call.M = 0;
    lt_gemm_with(set, &call);
    call.M = 2;
    call.N = 0;
    lt_gemm_with(set, &call);
    check(c[0] == 12 && c[3] == 28, "gemm", "an empty C must not be written");
}

void check_gemm(const lt_kernels *set, bool thorough)
{
    for (int compute = LT_COMPUTE_F32; compute <= LT_COMPUTE_BF16; compute++) {
        random_seed(20 + (uint64_t)compute);
        check_empty(set, (lt_compute)compute);
        check_edges(set, (lt_compute)compute, thorough);
        for (int i = 0; i < (thorough ? 400 : 60); i++) {
            gemm_case t = random_case((lt_compute)compute);
            check_case(set, &t);
        }
    }
}
