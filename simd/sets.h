/* The kernel sets of this build: what dispatch.c chooses from. A set is one row; its folder fills a table of row
 * kernels and names the matrix products it brings. Internal to simd/ and to its tests. */
#ifndef LT_SIMD_SETS_H
#define LT_SIMD_SETS_H

#include "simd/cpu.h"
#include "simd/gemm_kernel.h"
#include "simd/kernels.h"
#include "simd/panel.h"

/* Overlays: set the entries that the set has something better for, leave the rest. */
void lt_ref_overlay(lt_kernels *table);
void lt_avx2_overlay(lt_kernels *table);
void lt_avx512_overlay(lt_kernels *table);
void lt_avx512bf16_overlay(lt_kernels *table);

/* The definition of lt_gemm in plain C, for a call that gives A as a matrix; needs no scratch. Packed, an A is (M,K)
 * f32. */
void lt_gemm_ref(const lt_gemm_call *call);
void lt_gemm_pack_a_ref(lt_compute compute, const lt_matrix *a, bool transpose_a, int64_t M, int64_t K, float *packed);

/* The kernels of the sets. */
extern const lt_gemm_kernel lt_gemm_f32_avx2, lt_gemm_bf16_avx2;
extern const lt_gemm_kernel lt_gemm_f32_avx512, lt_gemm_bf16_avx512, lt_gemm_bf16_avx512bf16;
extern const lt_panel_kernels lt_ref_panel_f32, lt_ref_panel_bf16; /* of bf16 compute: f32 numbers, rounded */
extern const lt_panel_kernels lt_panel_f32_avx2, lt_panel_bf16_avx2;
extern const lt_panel_kernels lt_panel_f32_avx512, lt_panel_bf16_avx512, lt_panel_bf16_avx512bf16;

/* The kernel of a set, or NULL: the definition. */
const lt_gemm_kernel *lt_sets_gemm(const lt_kernels *set, lt_compute compute);

/* The functions of simd/gemm.h on a set other than the chosen one. */
void lt_gemm_with(const lt_kernels *set, const lt_gemm_call *call);
void lt_gemm_group_with(const lt_kernels *set, const lt_gemm_call *calls, int count);
int64_t lt_gemm_packed_bytes_with(const lt_kernels *set, lt_compute compute, int64_t M, int64_t K);
int64_t lt_gemm_scratch_bytes_with(const lt_kernels *set, lt_compute compute, int64_t max_M, int64_t max_K,
                                   int threads);
void lt_gemm_pack_a_with(const lt_kernels *set, lt_compute compute, const lt_matrix *a, bool transpose_a, int64_t M,
                         int64_t K, void *packed, bool serial);
double lt_gemm_peak_with(const lt_kernels *set, lt_compute compute, double seconds);

#endif
