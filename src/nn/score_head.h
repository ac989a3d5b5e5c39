/* A linear head that gives numbers instead of tokens: a classifier, a reward, a value function.
 *
 *     score (n,N) = x (n,C) · wᵀ + b
 *
 * x is the hidden state after the final norm, of a decoder; of an encoder what BERT's pooler makes of it (pooler.h). Which token is
 * read is the caller's: the last one that is no padding, the first one (encoders), or every target (PPO). Both tensors are f32 and
 * resident: N is small. */
#ifndef LT_NN_SCORE_HEAD_H
#define LT_NN_SCORE_HEAD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lt_score_head {
    int64_t C, N;               /* width, numbers per token; N 0: there is no head */
    const float *weight, *bias; /* (N,C), (N) or NULL */
    float *dweight, *dbias;     /* gradients when trained, else NULL */
} lt_score_head;

/* score (n,N) from x (n,C). */
void lt_score_head_forward(const lt_score_head *head, const float *x, int64_t n, float *score);

/* From dscore (n,N): dx (n,C) is set, and the gradients of what is trained are added to, in the order of rows. */
void lt_score_head_backward(const lt_score_head *head, const float *x, int64_t n, const float *dscore, float *dx);

/* The token that a classifier reads, as transformers chooses it: the last of ids (n) that is not pad_id, the first when all are;
 * pad_id -1: the last. */
int64_t lt_score_head_position(const int32_t *ids, int64_t n, int32_t pad_id);

/* A fresh head: weights normal with standard deviation 0.02, as transformers draws them; bias (may be NULL) zero. */
void lt_score_head_draw(float *weight, float *bias, int64_t N, int64_t C, uint64_t seed);

#endif
