/* Factors of a linear layer's stored matrix w (N,K), found by products with it alone, so that it streams and may be of any type.
 * What PiSSA and OLoRA begin with. All of it is set-up: memory is taken and given back here. */
#ifndef LT_ADAPT_LOW_RANK_H
#define LT_ADAPT_LOW_RANK_H

#include "nn/linear.h"

/* u (R,N), s (R) and v (R,K) f32: the R largest singular values with their vectors as rows, w ≈ uᵀ diag(s) v. By subspace iteration
 * (Halko, Martinsson & Tropp 2011, algorithm 4.4): `iterations` of them over R vectors, as torch.svd_lowrank has it; with 0, over a
 * few vectors more until the values stand still. R ≤ min(N,K). */
bool lt_low_rank_svd(const lt_linear *linear, int64_t R, int iterations, uint64_t seed, float *u, float *s, float *v, lt_error *err);

/* q (R,N) with orthonormal rows and r (R,K): the first R columns and rows of w's QR factors. R ≤ min(N,K). */
bool lt_low_rank_qr(const lt_linear *linear, int64_t R, float *q, float *r, lt_error *err);

#endif
