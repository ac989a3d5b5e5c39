/* Matrix products: checks the call and hands it to the kernel set. */
#include "simd/sets.h"

#include <assert.h>
#include <omp.h>

void lt_gemm(const lt_gemm_call *call)
{
    assert(call->M >= 0 && call->N >= 0 && call->K >= 0 && call->b && call->c);
    assert(!call->a != !call->packed_a);
    lt_matrix unpacked;
    lt_gemm_call plain = *call;
    if (call->packed_a) {
        unpacked = lt_matrix_f32(call->packed_a, call->M, call->K);
        plain.a = &unpacked;
        plain.transpose_a = false;
    }
    lt_gemm_ref(&plain);
}

int64_t lt_gemm_packed_bytes(lt_compute compute, int64_t M, int64_t K)
{
    (void)compute;
    return (M * K * (int64_t)sizeof(float) + 63) & ~(int64_t)63;
}

int64_t lt_gemm_scratch_bytes(lt_compute compute, int64_t max_M, int64_t max_K, int threads)
{
    return lt_gemm_packed_bytes(compute, max_M, max_K) + 64 * threads;
}

void lt_gemm_pack_a(lt_compute compute, const lt_matrix *a, bool transpose_a, int64_t M, int64_t K, void *packed,
                    bool serial)
{
    (void)serial;
    lt_gemm_pack_a_ref(compute, a, transpose_a, M, K, packed);
}

double lt_gemm_peak(lt_compute compute, double seconds)
{
    enum { SIZE = 256 };
    static float a[SIZE * SIZE], b[SIZE * SIZE], c[SIZE * SIZE];
    lt_matrix ma = lt_matrix_f32(a, SIZE, SIZE), mb = lt_matrix_f32(b, SIZE, SIZE);
    lt_gemm_call call = {.M = SIZE,
                         .N = SIZE,
                         .K = SIZE,
                         .compute = compute,
                         .a = &ma,
                         .b = &mb,
                         .transpose_b = true,
                         .c = c,
                         .c_stride = SIZE,
                         .alpha = 1};
    double start = omp_get_wtime(), elapsed = 0;
    int64_t runs = 0;
    while (elapsed < seconds || runs == 0) {
        lt_gemm(&call);
        runs++;
        elapsed = omp_get_wtime() - start;
    }
    return 2.0 * SIZE * SIZE * SIZE * (double)runs / elapsed;
}
