/* Quantised matrices: decoding on a set gives the bits of the definition for any piece of a row, and a product with a
 * quantised B gives the bytes of the product with the same matrix decoded beforehand, on every path. */
#include "tests/kernels/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "simd/ref/ref.h"

static const lt_dtype types[] = {LT_DTYPE_Q8_0, LT_DTYPE_Q4_0, LT_DTYPE_Q4_1, LT_DTYPE_Q5_0, LT_DTYPE_Q5_1,
                                 LT_DTYPE_Q4_K, LT_DTYPE_Q5_K, LT_DTYPE_Q6_K, LT_DTYPE_NF4,  LT_DTYPE_I8};

enum { TYPES = sizeof types / sizeof types[0], MOST_SCALES = 4096 };

/* A tensor of which the matrix is the rows from first_row on. */
typedef struct tensor {
    guarded memory;
    lt_matrix matrix;
    lt_quant_scales scales;
    char absmax[MOST_SCALES * sizeof(float) + 1]; /* begins at an odd address */
    uint8_t codes[MOST_SCALES];
    float code_values[256], code_scales[MOST_SCALES];
} tensor;

/* Where the halves are that scale a block: random bits there could be NaN. */
static void set_half(uint8_t *at)
{
    uint16_t half = lt_f32_to_f16(random_normal() * 0.01f);
    memcpy(at, &half, sizeof half);
}

static void set_block_scales(uint8_t *data, lt_dtype dtype, int64_t bytes)
{
    const int size = lt_dtype_get(dtype)->block_bytes;
    const bool two = dtype == LT_DTYPE_Q4_1 || dtype == LT_DTYPE_Q5_1 || dtype == LT_DTYPE_Q4_K || dtype == LT_DTYPE_Q5_K;
    for (int64_t at = 0; at < bytes; at += size) {
        set_half(data + at + (dtype == LT_DTYPE_Q6_K ? 208 : 0));
        if (two)
            set_half(data + at + 2);
    }
}

static void make_scales(tensor *t, bool nested)
{
    t->scales = (lt_quant_scales){.block_shift = 6, .absmax = t->absmax + 1, .factor = random_below(2) ? 1 : 0.25f};
    for (int i = 0; i < MOST_SCALES; i++) {
        float value = 0.01f + fabsf(random_normal());
        memcpy(t->absmax + 1 + i * (int)sizeof value, &value, sizeof value);
        t->codes[i] = (uint8_t)random_below(256);
        t->code_scales[i] = fabsf(random_normal());
    }
    for (int i = 0; i < 256; i++)
        t->code_values[i] = (float)(i - 128) / 128;
    for (int i = 0; i < 16; i++)
        t->scales.values[i] = (float)(i - 8) / 8 + random_normal() * 0.01f;
    if (nested) {
        t->scales.codes = t->codes;
        t->scales.nested_shift = 2;
        t->scales.code_values = t->code_values;
        t->scales.code_scales = t->code_scales;
        t->scales.offset = 0.7f;
    }
    t->matrix.scales = &t->scales;
}

static void make_tensor(tensor *t, lt_dtype dtype, int64_t rows, int64_t cols)
{
    int64_t first = dtype == LT_DTYPE_NF4 || dtype == LT_DTYPE_I8 ? random_below(3) : 0, begin = first * cols;
    int64_t bytes = lt_dtype_bytes(dtype, rows * cols);
    if (dtype == LT_DTYPE_NF4) /* an odd first element shares its byte with the row before */
        bytes = (begin + rows * cols + 1) / 2 - begin / 2;
    t->memory = guarded_make(bytes, random_below(8));
    for (int64_t i = 0; i < bytes; i++)
        ((uint8_t *)t->memory.data)[i] = (uint8_t)random_u32();
    if (lt_dtype_is_block(dtype) && dtype != LT_DTYPE_NF4)
        set_block_scales(t->memory.data, dtype, bytes);
    t->matrix = (lt_matrix){.data = t->memory.data, .dtype = dtype, .rows = rows, .cols = cols, .row_stride = cols, .first_row = first};
    make_scales(t, dtype == LT_DTYPE_NF4 && random_below(2));
}

static void check_decoding(const lt_kernels *set, lt_dtype dtype)
{
    tensor *t = malloc(sizeof *t);
    int64_t rows = 5, cols = dtype == LT_DTYPE_NF4 || dtype == LT_DTYPE_I8 ? 300 + random_below(30) : 768;
    make_tensor(t, dtype, rows, cols);
    for (int i = 0; i < 200; i++) {
        int64_t row = random_below((int)rows), col = random_below((int)cols), n = 1 + random_below((int)(cols - col));
        guarded want = guarded_make(n * 4, 0), got = guarded_make(n * 4, random_below(2) * 4), halves = guarded_make(n * 2, 0);
        lt_ref_decode_f32(&t->matrix, row, col, n, want.data);
        set->decode_f32(&t->matrix, row, col, n, got.data);
        set->decode_bf16(&t->matrix, row, col, n, halves.data);
        bool same = !memcmp(want.data, got.data, (size_t)n * 4), rounded = true;
        for (int64_t k = 0; k < n; k++) {
            float value = ((float *)want.data)[k];
            bool flushed = fabsf(value) < 1.2e-38f && !(((uint16_t *)halves.data)[k] & 0x7FFF);
            rounded &= ((uint16_t *)halves.data)[k] == lt_f32_to_bf16(value) || flushed;
        }
        const char *name = lt_dtype_get(dtype)->name;
        check(same, "decode_f32", "%s row %d, %d elements from %d differ", name, (int)row, (int)n, (int)col);
        check(rounded, "decode_bf16", "%s row %d, %d elements from %d differ", name, (int)row, (int)n, (int)col);
        check(guarded_intact(&got) && guarded_intact(&halves), "decode", "%s: wrote outside", name);
        guarded_free(&want);
        guarded_free(&got);
        guarded_free(&halves);
    }
    guarded_free(&t->memory);
    free(t);
}

/* The same matrix in the type that the compute type multiplies. */
static lt_matrix decoded(const lt_kernels *set, const lt_matrix *m, lt_compute compute, void *memory)
{
    lt_matrix out = {.data = memory, .dtype = compute == LT_COMPUTE_BF16 ? LT_DTYPE_BF16 : LT_DTYPE_F32, .rows = m->rows,
                     .cols = m->cols, .row_stride = m->cols};
    for (int64_t row = 0; row < m->rows; row++)
        if (compute == LT_COMPUTE_BF16)
            set->decode_bf16(m, row, 0, m->cols, (uint16_t *)memory + row * m->cols);
        else
            set->decode_f32(m, row, 0, m->cols, (float *)memory + row * m->cols);
    return out;
}

static void check_product(const lt_kernels *set, lt_dtype dtype, lt_compute compute, int M, int N, int K, bool transpose_b)
{
    tensor *t = malloc(sizeof *t);
    make_tensor(t, dtype, transpose_b ? N : K, transpose_b ? K : N);
    void *dense = malloc((size_t)N * (size_t)K * 4);
    lt_matrix plain = decoded(set, &t->matrix, compute, dense);
    float *x = malloc((size_t)M * (size_t)K * sizeof *x), *want = malloc((size_t)M * (size_t)N * sizeof *want);
    for (int i = 0; i < M * K; i++)
        x[i] = random_normal();
    guarded c = guarded_make((int64_t)M * N * 4, 0);
    guarded scratch = guarded_make((lt_gemm_scratch_bytes_with(set, compute, M, K, 3) + 63) / 64 * 64, 0);
    guarded packed = guarded_make(lt_gemm_packed_bytes_with(set, compute, M, K), 0);
    float bias[600];
    for (int i = 0; i < N; i++)
        bias[i] = random_normal();
    lt_matrix a = lt_matrix_f32(x, M, K);
    lt_gemm_call call = {.M = M, .N = N, .K = K, .compute = compute, .a = &a, .b = &plain, .transpose_b = transpose_b, .c = want,
                         .c_stride = N, .alpha = 0.5f, .beta = 0, .bias = bias, .scratch = scratch.data};
    lt_gemm_with(set, &call);
    call.b = &t->matrix;
    call.c = c.data;
    for (int threads = 1; threads <= 4; threads++) {
        lt_threads_set(threads < 4 ? threads : 2);
        call.serial = threads == 1;
        if (threads == 4) {
            lt_gemm_pack_a_with(set, compute, &a, false, M, K, packed.data, false);
            call.a = NULL;
            call.packed_a = packed.data;
        }
        memset(c.data, 0xFF, (size_t)c.bytes);
        memset(scratch.data, 0xFF, (size_t)scratch.bytes);
        lt_gemm_with(set, &call);
        check(!memcmp(want, c.data, (size_t)c.bytes), "gemm", "B %s%s, M %d N %d K %d %s, run %d: not the bytes of the decoded matrix",
              lt_dtype_get(dtype)->name, transpose_b ? " transposed" : "", M, N, K, compute == LT_COMPUTE_BF16 ? "bf16" : "f32", threads);
        check(guarded_intact(&c) && guarded_intact(&scratch), "gemm", "B %s: wrote outside", lt_dtype_get(dtype)->name);
    }
    guarded_free(&c);
    guarded_free(&scratch);
    guarded_free(&packed);
    guarded_free(&t->memory);
    free(x);
    free(want);
    free(dense);
    free(t);
}

void check_quant(const lt_kernels *set, bool thorough)
{
    static const int heights[] = {1, 2, 5, 8, 13, 40, 100};
    const int threads = lt_threads_count();
    random_seed(40);
    for (int i = 0; i < TYPES; i++) {
        check_decoding(set, types[i]);
        const int grain = lt_dtype_get(types[i])->block_elements;
        for (int run = 0; run < (thorough ? 40 : 8); run++) {
            int M = heights[run % 7], N = 1 + random_below(300), K = 1 + random_below(thorough ? 1500 : 700);
            bool transpose_b = random_below(2), whole = types[i] != LT_DTYPE_NF4 && types[i] != LT_DTYPE_I8;
            int *along = transpose_b ? &K : &N; /* the length of a row is in blocks */
            if (whole)
                *along = (*along + grain - 1) / grain * grain;
            check_product(set, types[i], run % 2 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32, M, N, K, transpose_b);
        }
    }
    lt_threads_set(threads);
}
