/* The kernel sets of this build: what dispatch.c chooses from. A set is one row; its folder fills a table of row
 * kernels and names the matrix products it brings. Internal to simd/ and to its tests. */
#ifndef LT_SIMD_SETS_H
#define LT_SIMD_SETS_H

#include "simd/cpu.h"
#include "simd/gemm.h"
#include "simd/kernels.h"

/* Overlays: set the entries that the set has something better for, leave the rest. */
void lt_ref_overlay(lt_kernels *table);

/* The definition of lt_gemm in plain C, for a call that gives A as a matrix; needs no scratch. Packed, an A is (M,K)
 * f32. */
void lt_gemm_ref(const lt_gemm_call *call);
void lt_gemm_pack_a_ref(lt_compute compute, const lt_matrix *a, bool transpose_a, int64_t M, int64_t K, float *packed);

#endif
