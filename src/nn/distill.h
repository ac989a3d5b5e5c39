/* Distillation over a chunk of logits rows: cross-entropy with the labels, and the divergence from what a teacher says of the same
 * rows (Hinton, Vinyals & Dean 2015, arXiv 1503.02531, section 2).
 *
 *   z = softcap(logits · scale)      q = softmax(z / τ)      p = softmax(teacher / τ)
 *   logp[t] = z[label] - log Σ exp z                kl[t] = Σ p (log p - log q)
 *   loss = Σ weight[t] · (-logp[t]) + kl_weight[t] · kl[t]
 *   dz = weight (softmax(z) - onehot(label)) + kl_weight / τ (q - p)                taken back through softcap and scale
 *
 * Where the two have rows of different length, q and p are over the first `common` entries: a vocabulary that is padded in one of them
 * has no tokens beyond. The cross-entropy is over all of the student's. */
#ifndef LT_NN_DISTILL_H
#define LT_NN_DISTILL_H

#include <stdint.h>

typedef struct lt_distill {
    int64_t V, teacher_V, common; /* common ≤ V and ≤ teacher_V */
    float scale, softcap;         /* of the student's logits; softcap 0: none. The teacher's are finished */
    float temperature;            /* τ > 0 */
} lt_distill;

/* logits (T,V) f32, replaced by d loss / d logits when weight is given, by z otherwise; teacher (T,teacher_V) f32. labels (T) in
 * 0..V-1; weight and kl_weight (T) f32, or both NULL; logp and kl (T) f32 out. Parallel over rows. */
void lt_distill_rows(const lt_distill *distill, float *logits, const float *teacher, int64_t T, const int32_t *labels,
                     const float *weight, const float *kl_weight, float *logp, float *kl);

#endif
