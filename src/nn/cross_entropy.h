/* Cross-entropy over a chunk of logits rows.
 *
 *   logp[t] = z[label] - log Σ exp z          loss = Σ weight[t] · (-logp[t])         dz = weight · (softmax(z) - onehot(label))
 *
 * with z = logits · scale, then softcap: cap · tanh(z / cap) (0 = none); dz is taken back through both to the raw logits. */
#ifndef LT_NN_CROSS_ENTROPY_H
#define LT_NN_CROSS_ENTROPY_H

#include <stdint.h>

/* logits (T,V) f32, rows V apart, replaced by d loss / d logits when weight is not NULL (left as they are otherwise).
 * labels (T) in 0..V-1; weight (T) f32 or NULL; logp (T) f32 out; entropy (T) f32 out or NULL. Parallel over rows. */
void lt_cross_entropy(float *logits, int64_t T, int64_t V, const int32_t *labels, const float *weight, float scale, float softcap,
                      float *logp, float *entropy);

/* logits (T,V) as the head's matrix gives them become the model's: scaled, then capped. */
void lt_cross_entropy_finish_logits(float *logits, int64_t T, int64_t V, float scale, float softcap);

#endif
