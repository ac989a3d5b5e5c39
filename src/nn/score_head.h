/* A linear head that gives numbers instead of tokens: a classifier, a reward, a value function.
 *
 *     decoder    score (n,N) = x (n,C) · wᵀ + b, x the hidden state after the final norm
 *     encoder    score (n,N) = tanh(x · pᵀ + q) · wᵀ + b, with BERT's pooler p (C,C), q (C)
 *
 * Which token is read is the caller's: the last one that is no padding, the first one (BERT), or every target (PPO). All
 * matrices are f32 and resident: N is small. */
#ifndef LT_NN_SCORE_HEAD_H
#define LT_NN_SCORE_HEAD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lt_score_head {
    int64_t C, N;                       /* width, numbers per token; N 0: there is no head */
    const float *weight, *bias;         /* (N,C), (N) or NULL */
    float *dweight, *dbias;             /* gradients when trained, else NULL */
    const float *pooler, *pooler_bias;  /* (C,C), (C); NULL: none */
    float *dpooler, *dpooler_bias;      /* gradients when trained, else NULL */
} lt_score_head;

/* score (n,N) from x (n,C). pooled (n,C) out: what the backward pass needs of the pooler; NULL without one. */
void lt_score_head_forward(const lt_score_head *head, const float *x, int64_t n, float *pooled, float *score);

/* From dscore (n,N): dx (n,C) is set, and the gradients of what is trained are added to; pooled is used up. Sums in the order
 * of rows. */
void lt_score_head_backward(const lt_score_head *head, const float *x, float *pooled, int64_t n, const float *dscore, float *dx);

/* The token that a classifier reads, as transformers chooses it: the last of ids (n) that is not pad_id, the first when all are;
 * pad_id -1: the last. */
int64_t lt_score_head_position(const int32_t *ids, int64_t n, int32_t pad_id);

#endif
