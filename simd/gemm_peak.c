/* The machine's peak, as the micro kernel sees it: every thread multiplies panels that stay in its L1.
 * Storing the tile is part of it, so the figure is 1 or 2 % below what the multipliers could do. */
#include "simd/sets.h"

#include <math.h>
#include <omp.h>

#include "core/threads.h"

enum { WORDS = 128, MAX_ROWS = 32, MAX_COLS = 64, ROUNDS = 32 };

/* FLOPs of `rounds` micro kernels on this thread's own panels. Without a kernel: the same work in plain C. */
static double multiply(const lt_gemm_kernel *kernel, int64_t rounds)
{
    static _Alignas(64) const float zeros[WORDS * MAX_COLS];
    _Alignas(64) float c[MAX_ROWS * MAX_COLS];
    if (!kernel) {
        lt_matrix a = lt_matrix_f32(zeros, 16, WORDS), b = lt_matrix_f32(zeros, MAX_COLS, WORDS);
        lt_gemm_call call = {.M = 16, .N = MAX_COLS, .K = WORDS, .a = &a, .b = &b, .transpose_b = true, .c = c};
        call.c_stride = MAX_COLS;
        call.alpha = 1;
        call.serial = true;
        lt_gemm_ref(&call);
        return 2.0 * 16 * MAX_COLS * WORDS;
    }
    int cols = kernel->vectors * kernel->lanes;
    lt_gemm_ahead nothing = {0};
    lt_gemm_out out = {.c = c, .stride = MAX_COLS, .rows = kernel->rows, .cols = cols, .alpha = 1, .ahead = &nothing};
    for (int64_t i = 0; i < rounds; i++)
        kernel->micro(WORDS, zeros, zeros, &out);
    return 2.0 * kernel->rows * cols * WORDS * kernel->word_elements * (double)rounds;
}

double lt_gemm_peak_with(const lt_kernels *set, lt_compute compute, double seconds)
{
    const lt_gemm_kernel *kernel = lt_sets_gemm(set, compute);
    double best = 0, end = omp_get_wtime() + seconds;
    int64_t rounds = ROUNDS;
    do { /* windows of a millisecond or two, the best counts: others use this machine too */
        double flops = 0, start = omp_get_wtime();
#pragma omp parallel num_threads(lt_threads_count()) reduction(+ : flops)
        flops += multiply(kernel, rounds);
        double elapsed = omp_get_wtime() - start;
        best = fmax(best, flops / elapsed);
        if (elapsed < 0.001)
            rounds *= 2;
    } while (omp_get_wtime() < end);
    return best;
}

double lt_gemm_peak(lt_compute compute, double seconds)
{
    return lt_gemm_peak_with(lt_kernels_get(), compute, seconds);
}
