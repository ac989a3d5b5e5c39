/* Matrix products by hand, and a sample of the conformance test of tests/kernels/. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "tests/kernels/harness.h"

Test(gemm, multiplies_as_on_paper_in_every_orientation)
{
    /* (1 2 3; 4 5 6) · (7 8; 9 10; 11 12) = (58 64; 139 154) */
    const float a[] = {1, 2, 3, 4, 5, 6}, at[] = {1, 4, 2, 5, 3, 6};
    const float b[] = {7, 8, 9, 10, 11, 12}, bt[] = {7, 9, 11, 8, 10, 12};
    for (int i = 0; i < 8; i++) {
        bool transpose_a = i & 1, transpose_b = i & 2;
        lt_compute compute = i & 4 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
        lt_matrix ma = transpose_a ? lt_matrix_f32(at, 3, 2) : lt_matrix_f32(a, 2, 3);
        lt_matrix mb = transpose_b ? lt_matrix_f32(bt, 2, 3) : lt_matrix_f32(b, 3, 2);
        float c[] = {1, 1, 1, 1}, bias[] = {100, 200};
        size_t bytes = (size_t)lt_gemm_scratch_bytes(compute, 2, 3, lt_threads_count());
        void *scratch = aligned_alloc(64, (bytes + 127) / 64 * 64);
        lt_gemm_call call = {.M = 2, .N = 2, .K = 3, .compute = compute, .a = &ma, .b = &mb, .c = c, .c_stride = 2};
        call.transpose_a = transpose_a;
        call.transpose_b = transpose_b;
        call.alpha = 2;
        call.beta = 10;
        call.bias = bias;
        call.scratch = scratch;
        lt_gemm(&call);
        cr_assert_eq(c[0], 2 * 58 + 10 + 100);
        cr_assert_eq(c[1], 2 * 64 + 10 + 200);
        cr_assert_eq(c[2], 2 * 139 + 10 + 100);
        cr_assert_eq(c[3], 2 * 154 + 10 + 200);
        free(scratch);
    }
}

Test(gemm, scratch_for_the_largest_call_is_enough_for_smaller_ones)
{
    for (int compute = LT_COMPUTE_F32; compute <= LT_COMPUTE_BF16; compute++)
        for (int64_t M = 1; M < 100; M += 7)
            for (int64_t K = 1; K < 3000; K += 97) {
                int64_t here = lt_gemm_scratch_bytes((lt_compute)compute, M, K, 2);
                cr_assert_leq(here, lt_gemm_scratch_bytes((lt_compute)compute, M + 1, K, 2));
                cr_assert_leq(here, lt_gemm_scratch_bytes((lt_compute)compute, M, K + 1, 2));
                cr_assert_leq(here, lt_gemm_scratch_bytes((lt_compute)compute, M, K, 3));
            }
}

Test(gemm, the_peak_is_a_speed)
{
    double peak = lt_gemm_peak(LT_COMPUTE_F32, 0.01);
    cr_assert(peak > 1e7 && peak < 1e15, "%g", peak);
}

Test(gemm, the_products_of_every_set_agree_with_the_truth)
{
    for (const char *const *name = lt_kernels_available(); *name; name++) {
        check_begin(*name);
        check_gemm(lt_kernels_find(*name), false);
        cr_assert_gt(check_count(), 1000);
        cr_assert_eq(check_failures(), 0);
    }
}

/* Beside a second call: the operands are rounded alike, only the order of the sum differs. */
Test(gemm, a_second_term_is_a_second_call_on_any_number_of_threads)
{
    enum { MOST_M = 70, N = 100, K = 700, MOST_R = 150, MOST = MOST_M * K };
    static float a[MOST_M * K], b[N * K], left[MOST_M * MOST_R], right[N * MOST_R], one[MOST_M * N], two[MOST_M * N], again[MOST_M * N];
    for (int i = 0; i < MOST; i++)
        a[i] = sinf((float)i);
    for (int i = 0; i < N * K; i++)
        b[i] = cosf(3.0f * (float)i);
    for (int i = 0; i < MOST_M * MOST_R; i++)
        left[i] = sinf(5.0f * (float)i);
    for (int i = 0; i < N * MOST_R; i++)
        right[i] = cosf(7.0f * (float)i);
    static const int rows[] = {1, 3, 9, MOST_M}, ranks[] = {1, 16, MOST_R}; /* MOST_R: more words than a tile takes along */
    for (int i = 0; i < 4 * 3 * 4; i++) {
        int64_t M = rows[i % 4], R = ranks[i / 4 % 3];
        lt_compute compute = i / 12 & 1 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
        bool transpose = i / 12 & 2;
        lt_matrix ma = lt_matrix_f32(a, M, K), mb = transpose ? lt_matrix_f32(b, N, K) : lt_matrix_f32(b, K, N);
        lt_matrix ml = lt_matrix_f32(left, M, R), mr = transpose ? lt_matrix_f32(right, N, R) : lt_matrix_f32(right, R, N);
        size_t bytes = (size_t)lt_gemm_scratch_bytes(compute, M, K, lt_threads_count());
        void *scratch = aligned_alloc(64, (bytes + 127) / 64 * 64);
        lt_gemm_term more = {.K = R, .a = &ml, .b = &mr, .transpose_b = transpose};
        lt_gemm_call call = {.M = M, .N = N, .K = K, .compute = compute, .a = &ma, .b = &mb, .transpose_b = transpose, .c = one,
                             .c_stride = N, .alpha = 1, .scratch = scratch, .more = &more};
        lt_gemm(&call);
        call.c = again;
        call.serial = true;
        lt_gemm(&call);
        cr_assert(memcmp(one, again, (size_t)(M * N) * sizeof *one) == 0, "M %lld, R %lld", (long long)M, (long long)R);
        call.more = NULL;
        call.c = two;
        lt_gemm(&call);
        lt_gemm(&(lt_gemm_call){.M = M, .N = N, .K = R, .compute = compute, .a = &ml, .b = &mr, .transpose_b = transpose, .c = two,
                                .c_stride = N, .alpha = 1, .beta = 1, .scratch = scratch});
        more.apart = true;
        call.more = &more;
        call.c = again;
        lt_gemm(&call);
        cr_assert(memcmp(two, again, (size_t)(M * N) * sizeof *two) == 0, "apart: M %lld, R %lld", (long long)M, (long long)R);
        for (int64_t j = 0; j < M * N; j++)
            cr_assert(fabsf(one[j] - two[j]) < 2e-4f, "M %lld, R %lld: %g, %g", (long long)M, (long long)R, one[j], two[j]);
        free(scratch);
    }
}

Test(gemm, a_group_gives_the_bytes_of_its_products_one_by_one)
{
    enum { K = 96, MOST_M = 12 };
    static const int widths[] = {100, 5, 48};
    static float a[MOST_M * K], b[100 * K], alone[MOST_M * 153], grouped[MOST_M * 153];
    for (int i = 0; i < MOST_M * K; i++)
        a[i] = sinf((float)i);
    for (int i = 0; i < 100 * K; i++)
        b[i] = cosf(3.0f * (float)i);
    for (int i = 0; i < 4 * 2 * 3; i++) {
        int64_t M = (int64_t[]){1, 2, 8, MOST_M}[i % 4]; /* the last is too many rows to share the threads */
        lt_compute compute = i / 4 % 2 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
        int count = 1 + i / 8;
        size_t bytes = (size_t)lt_gemm_scratch_bytes(compute, M, K, lt_threads_count());
        void *scratch = aligned_alloc(64, (bytes + 127) / 64 * 64);
        void *packed = aligned_alloc(64, ((size_t)lt_gemm_packed_bytes(compute, M, K) + 127) / 64 * 64);
        lt_matrix ma = lt_matrix_f32(a, M, K), mb[3];
        lt_gemm_call calls[3];
        lt_gemm_pack_a(compute, &ma, false, M, K, packed, false);
        memset(alone, 0, sizeof alone);
        memset(grouped, 0, sizeof grouped);
        for (int j = 0, at = 0; j < count; at += widths[j++]) {
            mb[j] = lt_matrix_f32(b, widths[j], K);
            calls[j] = (lt_gemm_call){.M = M, .N = widths[j], .K = K, .compute = compute, .packed_a = packed, .b = &mb[j],
                                      .transpose_b = true, .c = alone + at, .c_stride = 153, .alpha = 1, .scratch = scratch};
            lt_gemm(&calls[j]);
            calls[j].c = grouped + at;
        }
        lt_gemm_group(calls, count);
        cr_assert(memcmp(alone, grouped, sizeof alone) == 0, "M %lld, %d products", (long long)M, count);
        free(packed);
        free(scratch);
    }
}
