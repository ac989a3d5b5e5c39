/* BERT's pooler, between an encoder's first token and a classifier: tanh(x · pᵀ + q), p streamed and open to adapters. */
#ifndef LT_NN_POOLER_H
#define LT_NN_POOLER_H

#include "nn/engine.h"

/* pooled (n,C) from x (n,C); a copy of x where the model has no pooler. */
void lt_pooler_forward(lt_engine *engine, const float *x, int64_t n, float *pooled);

/* From d (n,C), the gradient by pooled, to that by x, in place; pooled is used up. Adds to what the pooler trains. */
void lt_pooler_backward(lt_engine *engine, const float *x, float *pooled, int64_t n, float *d);

#endif
