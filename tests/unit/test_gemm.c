/* Matrix products by hand, and a sample of the conformance test of tests/kernels/. */
#include <criterion/criterion.h>
#include <stdlib.h>

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
