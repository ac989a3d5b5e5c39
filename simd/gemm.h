/* Matrix products over weights as they are stored.
 *
 *     C (M,N) f32 = alpha · op(A) (M,K) · op(B) (K,N) + beta · C (+ bias)
 *
 * The three products of a linear layer with y = x wᵀ, w stored (N_out, K_in) row-major, are
 *     forward     y (T,N)   = x (T,K)  · wᵀ         A = x,  B = w transposed
 *     data        dx (T,K) += dy (T,N) · w          A = dy, B = w
 *     weight      dw (N,K) += dyᵀ      · x          A = dy transposed, B = x
 *
 * B is never converted whole: panels are converted (bf16, f16, f32 and every quantised type) while they are packed into
 * per-thread scratch that stays in cache, so a streamed matrix is read once and never exists twice. A is converted and
 * packed once, and can be kept packed for several products (q, k, v share x; so do gate and up).
 *
 * compute F32 multiplies and sums in f32. BF16 rounds both operands to bf16 and sums in f32 (on a set without native
 * bf16 products the operands are rounded all the same, so that a choice of numerics does not depend on the machine).
 * Every element of C is summed in an order that depends only on K and the kernel set: any number of threads, and any M
 * or N around it, gives the same bytes. The parallel split is over both M and N, so tall and skinny shapes (LoRA:
 * N = 16, or K = 16) use all cores too. Small M (decoding, M ≤ 8) reads B in place without packing, at memory speed. */
#ifndef LT_SIMD_GEMM_H
#define LT_SIMD_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "simd/kernels.h"
#include "simd/quant.h"

typedef enum lt_compute { LT_COMPUTE_F32, LT_COMPUTE_BF16 } lt_compute;

/* A second product that is added to the first: C += A (M,K) · op(B). What a low-rank adapter does to a layer. A short one is summed up
 * in the registers that hold a tile of C, unless M is a few rows: so its bytes may depend on M, which `apart` rules out. The call's own
 * alpha is 1. */
typedef struct lt_gemm_term {
    int64_t K;
    const lt_matrix *a, *b; /* (M,K); (K,N), or (N,K) with transpose_b */
    bool transpose_b;
    bool apart; /* always the bytes of a second call with beta = 1 */
} lt_gemm_term;

typedef struct lt_gemm_call {
    int64_t M, N, K;
    lt_compute compute;
    const lt_matrix *a; /* (M,K), or (K,M) with transpose_a; NULL when packed_a is given */
    bool transpose_a;
    const void *packed_a; /* from lt_gemm_pack_a with the same M, K and compute */
    const lt_matrix *b;   /* (K,N), or (N,K) with transpose_b */
    bool transpose_b;
    float *c; /* (M,N) f32 */
    int64_t c_stride;
    float alpha, beta; /* beta is 0 (C is not read, may hold NaN) or any number */
    const float *bias; /* (N) f32 added to every row after alpha, or NULL */
    bool serial;       /* run in the calling thread alone: for use inside a parallel region */
    void *scratch;     /* lt_gemm_scratch_bytes(); serial calls: that of one thread */
    const lt_gemm_term *more; /* or NULL */
} lt_gemm_call;

void lt_gemm(const lt_gemm_call *call);

enum { LT_GEMM_GROUP = 3, LT_GEMM_FEW = 8 }; /* most calls of a group; most rows of A for which a group is of use */

/* Products of one packed A with several B. When they have few rows (decoding) they share the threads: a small matrix alone is not worth
 * waking them, and each end of a parallel region is a wait. The bytes are those of the calls one after the other. */
void lt_gemm_group(const lt_gemm_call *calls, int count);

/* Scratch for a call: panels for `threads` threads and the packed form of an A that was not packed before.
 * An upper bound for all calls with M ≤ max_M and K ≤ max_K; 64-byte aligned memory is expected. */
int64_t lt_gemm_scratch_bytes(lt_compute compute, int64_t max_M, int64_t max_K, int threads);

/* Packs op(A) for later calls; packed is 64-byte aligned and holds lt_gemm_packed_bytes. Parallel unless serial. */
int64_t lt_gemm_packed_bytes(lt_compute compute, int64_t M, int64_t K);
void lt_gemm_pack_a(lt_compute compute, const lt_matrix *a, bool transpose_a, int64_t M, int64_t K, void *packed,
                    bool serial);

/* Measures this machine's peak with the chosen kernel set: a product that lives in cache, all threads, for about
 * `seconds`. FLOP/s. For doctor and bench. */
double lt_gemm_peak(lt_compute compute, double seconds);

/* Convenience for a contiguous f32 matrix. */
static inline lt_matrix lt_matrix_f32(const float *data, int64_t rows, int64_t cols)
{
    return (lt_matrix){.data = data, .dtype = LT_DTYPE_F32, .rows = rows, .cols = cols, .row_stride = cols};
}

#endif
