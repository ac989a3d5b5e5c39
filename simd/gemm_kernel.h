/* What a kernel set brings for matrix products: one row of sizes and functions; the algorithm around it is in gemm.c.
 *
 * Everything is counted in 32-bit words along K: a word is one f32, or two neighbouring bf16 where the set multiplies
 * those natively. A vector is `lanes` words. A line is the `lanes` consecutive words of one row.
 *
 *   packed A   [K block][panel of ≤ `rows` rows][line][row of the panel][word of the line]
 *   packed B   [panel of ≤ `vectors` vectors of columns][word][column]
 *
 * so the micro kernel reads both front to back: of A it broadcasts a word at a time, of B it loads vectors. Packing A
 * means converting lines, with no shuffling. (These are also the tile layouts of AMX.)
 *
 * Lines are filled up with zeros where K ends, so a micro kernel may run over a few words more than there are. */
#ifndef LT_SIMD_GEMM_KERNEL_H
#define LT_SIMD_GEMM_KERNEL_H

#include "simd/gemm.h"

enum { LT_GEMM_WORD_STEP = 4 }; /* the micro kernel is called with a multiple of so many words */

/* Memory that will be packed next: `rows` rows of row_bytes bytes, `stride` apart. Micro kernels ask for it while they
 * multiply, per_step lines every LT_GEMM_WORD_STEP words, so that packing finds it in cache. */
typedef struct lt_gemm_ahead {
    const char *at, *row_end;
    int64_t row_bytes, stride, rows;
    int per_step;
} lt_gemm_ahead;

static inline void lt_gemm_ask(lt_gemm_ahead *ahead)
{
    for (int i = 0; i < ahead->per_step && ahead->rows > 0; i++) {
        __builtin_prefetch(ahead->at, 0, 2);
        ahead->at += 64;
        if (ahead->at >= ahead->row_end) {
            ahead->row_end += ahead->stride;
            ahead->at = ahead->row_end - ahead->row_bytes;
            ahead->rows--;
        }
    }
}

/* Where a tile of C goes: c = beta · c (not read when beta is 0) + (alpha · sum + bias), each + fused with its product.
 */
typedef struct lt_gemm_out {
    float *c; /* (rows, cols) f32 */
    int64_t stride;
    int rows, cols;
    float alpha, beta;
    const float *bias;    /* (cols) f32 or NULL */
    lt_gemm_ahead *ahead; /* advanced as it is asked for */
    const char *more_a, *more_b; /* a second pair of panels of the same rows and columns, summed up after the first */
    int64_t more_words;          /* 0: there is none */
} lt_gemm_out;

/* Multiplies one panel of A (out->rows rows) by one panel of B (out->cols columns) over `words` words. */
typedef void (*lt_gemm_micro)(int64_t words, const void *a, const void *b, const lt_gemm_out *out);

/* Packs rows [m0, m0 + mn) of op(A), elements [k0, k0 + kn), as panels of panel_rows rows (the last may be shorter). */
typedef void (*lt_gemm_pack_rows)(const lt_matrix *a, int64_t m0, int64_t mn, int64_t k0, int64_t kn, int panel_rows,
                                  void *packed);

/* Packs columns [n0, n0 + nn) of op(B), elements [k0, k0 + kn), as one panel. k0 is a multiple of 32. */
typedef void (*lt_gemm_pack_columns)(const lt_matrix *b, int64_t n0, int64_t nn, int64_t k0, int64_t kn, void *packed);

/* Columns [n0, n1) of the call's C, for M ≤ rows, transpose_b and one packed panel of A, reading B in place. Sums in
 * the order of the blocked product: K in blocks of block_words. */
typedef void (*lt_gemm_few_rows)(const lt_gemm_call *call, const void *packed_a, int64_t block_words, int64_t n0,
                                 int64_t n1);

/* How a stored type gets in. A NULL is a type that the kernel cannot take in that place. Index 1: stored transposed. */
typedef struct lt_gemm_packers {
    lt_gemm_pack_rows a[2];
    lt_gemm_pack_columns b[2];
    lt_gemm_few_rows few_rows; /* NULL: none, the blocked product does it */
} lt_gemm_packers;

typedef struct lt_gemm_kernel {
    const char *name;
    int rows, vectors; /* of a tile */
    int lanes;         /* words of a vector */
    int word_elements; /* elements of K in a word: 1 (f32) or 2 (bf16) */
    int block_words;   /* most words of K in a block, a multiple of lanes */
    int block_vectors; /* most vectors of columns in a block of B, a multiple of vectors */
    lt_gemm_micro micro;
    lt_gemm_packers packers[LT_DTYPE_COUNT];
} lt_gemm_kernel;

/* Address of element (row, col); row_stride and col are whole blocks for block types. */
static inline const char *lt_gemm_at(const lt_matrix *matrix, int64_t row, int64_t col)
{
    return (const char *)matrix->data + lt_dtype_bytes(matrix->dtype, row * matrix->row_stride + col);
}

#endif
