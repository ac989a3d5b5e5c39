/* A small dense layer of an adapter's own, f32 in memory: y (T,N) = x (T,K) wᵀ + b, forward beside backward. */
#ifndef LT_ADAPT_DENSE_H
#define LT_ADAPT_DENSE_H

#include "adapt/param.h"
#include "core/arena.h"

typedef struct lt_dense {
    int64_t N, K;
    int weight, bias; /* indices in the list of parameters */
    float *w, *dw;    /* (N,K) f32 */
    float *b, *db;    /* (N) f32 */
} lt_dense;

/* Registers name.weight and name.bias. */
void lt_dense_add(lt_dense *dense, lt_param_list *params, const char *name, int64_t N, int64_t K);
void lt_dense_bind(lt_dense *dense, lt_param_list *params);

/* As nn.Linear begins: weight and bias uniform within 1 / sqrt(K). */
void lt_dense_init(lt_dense *dense, uint64_t seed);

/* Scratch for T rows, 64-byte aligned. */
int64_t lt_dense_scratch_bytes(const lt_dense *dense, int64_t T);

/* y (T,N) f32 out. */
void lt_dense_forward(const lt_dense *dense, const float *x, int64_t T, float *y, void *scratch);

/* dw += dyᵀ x, db += Σ dy, dx (T,K) = dy w. */
void lt_dense_backward(const lt_dense *dense, const float *x, const float *dy, int64_t T, float *dx, void *scratch);

/* p's values uniform in ±bound, from a stream of the parameter's own. */
void lt_param_fill_uniform(lt_param *param, int index, float bound, uint64_t seed);
void lt_param_fill_normal(lt_param *param, int index, float deviation, uint64_t seed);

#endif
