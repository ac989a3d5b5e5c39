/* Small matrix products between operands that live in cache, and the softmax between two of them: what attention is
 * made of. Unlike lt_gemm, both operands are packed by the caller, once for many products, and nothing here is
 * parallel.
 *
 *     C (M,N) f32 (+)= A (M,K) · B (K,N)
 *
 * A is (M,K) row-major, rows a_stride elements apart. B is cut into panels of LT_PANEL_COLUMNS columns; the panel that
 * begins at column n is at element n · K of the packed operand. N is padded to a multiple of LT_PANEL_LANES, so the
 * last panel has w ≤ LT_PANEL_COLUMNS columns. K is padded to an even number. All padding is zero. Inside a panel:
 *
 *     f32 elements    [k][w]            bf16 elements   [k/2][w][2]: the pairs that a bf16 product instruction takes
 *
 * B is aligned to 64 bytes; A and everything in f32 has whatever alignment. A set without bf16 products holds bf16
 * operands as f32 numbers that were rounded to bf16: element_bytes tells. Every element of C is summed over k in an
 * order that depends on k0 and k1 alone. */
#ifndef LT_SIMD_PANEL_H
#define LT_SIMD_PANEL_H

#include <stdbool.h>
#include <stdint.h>

enum { LT_PANEL_LANES = 16, LT_PANEL_COLUMNS = 64 };

typedef struct lt_panel_product {
    int M;
    int n0, n1; /* columns of B and C to compute; n0 is a multiple of LT_PANEL_LANES, n1 any */
    int k0, k1; /* even: columns of A and rows of B that are summed, k0 < k1 */
    const void *a;
    int64_t a_stride;
    const void *b; /* (b_depth, b_cols) as it was packed, both counted with their padding */
    int b_depth, b_cols;
    float *c; /* element (m, n) at c[m · c_stride + n] */
    int64_t c_stride;
    bool add; /* false: C is not read */
} lt_panel_product;

/* One tile of scores, a step of the online softmax. For row m over its columns begin ≤ n < end, z = s · scale:
 *     max' = max(max, z)    p = exp(z - max')    alpha = exp(max - max')    sum' = sum · alpha + Σ p
 * and p = 0 in the other columns. A row without columns changes nothing and has alpha 1. Start with max = -inf, sum =
 * 0. */
typedef struct lt_panel_softmax {
    int M, N; /* N is a multiple of LT_PANEL_LANES */
    const float *s;
    int64_t s_stride;
    const int *begin, *end; /* (M) */
    float scale;            /* > 0 */
    float *max, *sum;       /* (M) in and out */
    float *alpha;           /* (M) out */
    void *p;                /* A operand (M,N) */
    int64_t p_stride;
} lt_panel_softmax;

/* The way back. With z = s · scale over a row's columns, both zero elsewhere:
 *     p = exp(z - lse)      ds = p (dp - delta) (1 - (z · cap_inverse)²) · gradient_scale
 * p and ds go to rows b_row … of two B operands (an odd last row is followed by its zero padding), ds to an A operand
 * too. */
typedef struct lt_panel_softmax_backward {
    int M, N; /* N is a multiple of LT_PANEL_LANES */
    const float *s, *dp;
    int64_t s_stride; /* of both */
    const int *begin, *end;
    float scale, gradient_scale, cap_inverse;
    const float *lse, *delta; /* (M) */
    void *p_b, *ds_b;         /* (b_depth, N) */
    int b_row, b_depth;       /* even */
    void *ds_a;               /* (M,N) */
    int64_t a_stride;
} lt_panel_softmax_backward;

typedef struct lt_panel_kernels {
    int element_bytes; /* of a packed element: 2 or 4 */

    /* A from x (M,K), or from x (K,M). a_stride ≥ K rounded up to even. */
    void (*pack_a)(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride);
    void (*pack_a_transposed)(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride);
    /* B from x (K,N), or from x (N,K). */
    void (*pack_b)(const float *x, int64_t x_stride, int K, int N, void *b);
    void (*pack_b_transposed)(const float *x, int64_t x_stride, int K, int N, void *b);
    /* y (cols,rows) f32 = x (rows,cols)ᵀ */
    void (*transpose)(const float *x, int64_t x_stride, int rows, int cols, float *y, int64_t y_stride);

    void (*product)(const lt_panel_product *product);
    void (*softmax)(const lt_panel_softmax *softmax);
    void (*softmax_backward)(const lt_panel_softmax_backward *softmax);
} lt_panel_kernels;

static inline int lt_panel_pad_depth(int K)
{
    return (K + 1) & ~1;
}
static inline int lt_panel_pad_columns(int N)
{
    return (N + LT_PANEL_LANES - 1) & ~(LT_PANEL_LANES - 1);
}

/* Columns of the panel that begins at column n, a multiple of LT_PANEL_COLUMNS, of an operand with `cols` padded
 * columns. */
static inline int lt_panel_width(int cols, int n)
{
    return cols - n < LT_PANEL_COLUMNS ? cols - n : LT_PANEL_COLUMNS;
}

/* Bytes of a packed B. */
static inline int64_t lt_panel_b_bytes(const lt_panel_kernels *panel, int K, int N)
{
    return (int64_t)lt_panel_pad_depth(K) * lt_panel_pad_columns(N) * panel->element_bytes;
}

#endif
