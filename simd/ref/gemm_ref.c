/* The definition of lt_gemm. A block of op(B) is converted to f32 and every element of C is summed over k from 0 up, in
 * f32. Rows of C are shared out among the threads. */
#include "simd/ref/ref.h"
#include "simd/sets.h"

#include <assert.h>
#include <string.h>

enum { BLOCK_M = 16, BLOCK_K = 32, BLOCK_N = 128 };

/* Element (i, j) of op(matrix), rounded to bf16 when the compute type says so. Any alignment. */
static float element(const lt_matrix *matrix, bool transpose, lt_compute compute, int64_t i, int64_t j)
{
    int64_t index = transpose ? j * matrix->row_stride + i : i * matrix->row_stride + j;
    uint16_t half;
    float f;
    if (matrix->dtype == LT_DTYPE_F32) {
        memcpy(&f, (const char *)matrix->data + index * 4, sizeof f);
    } else {
        assert(matrix->dtype == LT_DTYPE_F16 || matrix->dtype == LT_DTYPE_BF16);
        memcpy(&half, (const char *)matrix->data + index * 2, sizeof half);
        f = matrix->dtype == LT_DTYPE_F16 ? lt_f16_to_f32(half) : lt_bf16_to_f32(half);
    }
    return compute == LT_COMPUTE_BF16 ? lt_bf16_to_f32(lt_f32_to_bf16(f)) : f;
}

/* A block of C, all of K: rows [m0, m0 + mn), columns [n0, n0 + nn). */
typedef struct block {
    int64_t m0, mn, n0, nn;
    float b[BLOCK_K][BLOCK_N];
    float sum[BLOCK_M][BLOCK_N];
} block;

/* A block of op(B) of a quantised type: pieces of its rows are decoded. */
static void decode(const lt_gemm_call *call, block *blk, int64_t k0, int64_t kn)
{
    float row[BLOCK_N];
    const int64_t count = call->transpose_b ? blk->nn : kn, length = call->transpose_b ? kn : blk->nn;
    for (int64_t i = 0; i < count; i++) {
        if (call->transpose_b)
            lt_ref_decode_f32(call->b, blk->n0 + i, k0, length, row);
        else
            lt_ref_decode_f32(call->b, k0 + i, blk->n0, length, row);
        for (int64_t j = 0; j < length; j++) {
            float *to = call->transpose_b ? &blk->b[j][i] : &blk->b[i][j];
            *to = call->compute == LT_COMPUTE_BF16 ? lt_bf16_to_f32(lt_f32_to_bf16(row[j])) : row[j];
        }
    }
}

static void multiply(const lt_gemm_call *call, block *blk, int64_t k0, int64_t kn)
{
    if (lt_quant_is(call->b->dtype))
        decode(call, blk, k0, kn);
    for (int64_t k = 0; k < kn && !lt_quant_is(call->b->dtype); k++)
        for (int64_t n = 0; n < blk->nn; n++)
            blk->b[k][n] = element(call->b, call->transpose_b, call->compute, k0 + k, blk->n0 + n);
    for (int64_t m = 0; m < blk->mn; m++)
        for (int64_t k = 0; k < kn; k++) {
            float a = element(call->a, call->transpose_a, call->compute, blk->m0 + m, k0 + k);
            for (int64_t n = 0; n < blk->nn; n++)
                blk->sum[m][n] += a * blk->b[k][n];
        }
}

static void store(const lt_gemm_call *call, const block *blk)
{
    for (int64_t m = 0; m < blk->mn; m++) {
        float *c = call->c + (blk->m0 + m) * call->c_stride + blk->n0;
        for (int64_t n = 0; n < blk->nn; n++) {
            float value = call->alpha * blk->sum[m][n];
            if (call->beta != 0)
                value += call->beta * c[n];
            if (call->bias)
                value += call->bias[blk->n0 + n];
            c[n] = value;
        }
    }
}

void lt_gemm_ref(const lt_gemm_call *call)
{
#pragma omp parallel for collapse(2) schedule(dynamic) if (!call->serial)
    for (int64_t m0 = 0; m0 < call->M; m0 += BLOCK_M)
        for (int64_t n0 = 0; n0 < call->N; n0 += BLOCK_N) {
            block blk = {.m0 = m0, .mn = BLOCK_M, .n0 = n0, .nn = BLOCK_N};
            if (call->M - m0 < BLOCK_M)
                blk.mn = call->M - m0;
            if (call->N - n0 < BLOCK_N)
                blk.nn = call->N - n0;
            for (int64_t k0 = 0; k0 < call->K; k0 += BLOCK_K)
                multiply(call, &blk, k0, call->K - k0 < BLOCK_K ? call->K - k0 : BLOCK_K);
            store(call, &blk);
        }
}

void lt_gemm_pack_a_ref(lt_compute compute, const lt_matrix *a, bool transpose_a, int64_t M, int64_t K, float *packed)
{
    for (int64_t m = 0; m < M; m++)
        for (int64_t k = 0; k < K; k++)
            packed[m * K + k] = element(a, transpose_a, compute, m, k);
}
