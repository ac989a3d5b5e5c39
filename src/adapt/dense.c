#include "adapt/dense.h"

#include <math.h>
#include <stdio.h>

#include "core/rng.h"
#include "core/threads.h"
#include "simd/gemm.h"

void lt_dense_add(lt_dense *dense, lt_param_list *params, const char *name, int64_t N, int64_t K)
{
    char key[128];
    *dense = (lt_dense){.N = N, .K = K};
    snprintf(key, sizeof key, "%s.weight", name);
    dense->weight = lt_param_list_add(params, key, 2, (int64_t[]){N, K}, true);
    snprintf(key, sizeof key, "%s.bias", name);
    dense->bias = lt_param_list_add(params, key, 1, (int64_t[]){N}, true);
}

void lt_dense_bind(lt_dense *dense, lt_param_list *params)
{
    dense->w = params->items[dense->weight].value;
    dense->dw = params->items[dense->weight].gradient;
    dense->b = params->items[dense->bias].value;
    dense->db = params->items[dense->bias].gradient;
}

/* Streams of random numbers of parameters, apart from those of dropout and shuffling. */
static lt_rng rng_of(int index, uint64_t seed)
{
    return lt_rng_make(seed, (uint64_t)1 << 62 | (uint64_t)index);
}

static void fill_uniform(float *values, int64_t n, int index, float bound, uint64_t seed)
{
    lt_rng rng = rng_of(index, seed);
    for (int64_t i = 0; i < n; i++)
        values[i] = bound * (2 * lt_rng_uniform(&rng) - 1);
}

void lt_param_fill_uniform(lt_param *param, int index, float bound, uint64_t seed)
{
    fill_uniform(param->value, param->elements, index, bound, seed);
}

void lt_param_fill_normal(lt_param *param, int index, float deviation, uint64_t seed)
{
    lt_rng rng = rng_of(index, seed);
    for (int64_t i = 0; i < param->elements; i++)
        param->value[i] = deviation * lt_rng_normal(&rng);
}

void lt_dense_init(lt_dense *dense, uint64_t seed)
{
    float bound = 1.0f / sqrtf((float)dense->K);
    fill_uniform(dense->w, dense->N * dense->K, dense->weight, bound, seed);
    fill_uniform(dense->b, dense->N, dense->bias, bound, seed);
}

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t lt_dense_scratch_bytes(const lt_dense *dense, int64_t T)
{
    int threads = lt_threads_count();
    return most(lt_gemm_scratch_bytes(LT_COMPUTE_F32, T, most(dense->N, dense->K), threads),
                lt_gemm_scratch_bytes(LT_COMPUTE_F32, dense->N, T, threads));
}

void lt_dense_forward(const lt_dense *dense, const float *x, int64_t T, float *y, void *scratch)
{
    lt_matrix xm = lt_matrix_f32(x, T, dense->K), w = lt_matrix_f32(dense->w, dense->N, dense->K);
    lt_gemm(&(lt_gemm_call){.M = T, .N = dense->N, .K = dense->K, .compute = LT_COMPUTE_F32, .a = &xm, .b = &w, .transpose_b = true,
                            .c = y, .c_stride = dense->N, .alpha = 1, .bias = dense->b, .scratch = scratch});
}

void lt_dense_backward(const lt_dense *dense, const float *x, const float *dy, int64_t T, float *dx, void *scratch)
{
    int64_t N = dense->N, K = dense->K;
    lt_matrix xm = lt_matrix_f32(x, T, K), dym = lt_matrix_f32(dy, T, N), w = lt_matrix_f32(dense->w, N, K);
    lt_gemm(&(lt_gemm_call){.M = N, .N = K, .K = T, .compute = LT_COMPUTE_F32, .a = &dym, .transpose_a = true, .b = &xm,
                            .c = dense->dw, .c_stride = K, .alpha = 1, .beta = 1, .scratch = scratch});
    for (int64_t t = 0; t < T; t++)
        lt_kernels_get()->axpy(dense->db, 1.0f, dy + t * N, N);
    lt_gemm(&(lt_gemm_call){.M = T, .N = K, .K = N, .compute = LT_COMPUTE_F32, .a = &dym, .b = &w, .c = dx, .c_stride = K, .alpha = 1,
                            .scratch = scratch});
}
