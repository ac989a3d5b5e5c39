/* From rewards to advantages. Plain functions on numbers. */
#ifndef LT_RL_ADVANTAGE_H
#define LT_RL_ADVANTAGE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lt_scale_rewards { LT_SCALE_GROUP, LT_SCALE_BATCH, LT_SCALE_NONE } lt_scale_rewards;

/* Mean, and standard deviation with n - 1 as torch.std has it; 0 for n = 1. */
double lt_advantage_mean(const double *x, int64_t n);
double lt_advantage_deviation(const double *x, int64_t n);

/* GRPO: A = (r - mean of its group) / (deviation of the group, of the batch, or 1, + 1e-4); groups of K. Returns how many groups
 * have answers that all score the same. */
int64_t lt_advantage_grpo(const double *reward, int64_t groups, int64_t K, lt_scale_rewards scale, double *advantage);

/* RLOO: A = r - mean of the others of its group; K ≥ 2. normalize: then (A - mean) / (deviation + 1e-4) over the batch. */
void lt_advantage_rloo(const double *reward, int64_t groups, int64_t K, bool normalize, double *advantage);

/* GAE (Schulman et al. 2015, arXiv 1506.02438, equation 16) of one answer of n tokens:
 *     δ = r + γ V' - V,  A = δ + γ λ A',  return = A + V
 * with V' = 0 after the last token. reward, value (n) in; advantage, returns (n) out. */
void lt_advantage_gae(const double *reward, const float *value, int64_t n, double gamma, double lambda, float *advantage, float *returns);

/* (x - mean) / sqrt(variance + 1e-8), variance with n - 1; shift_mean false: the mean is added again. */
void lt_advantage_whiten(float *x, int64_t n, bool shift_mean);

/* The KL controller of Ziegler et al. 2019 (arXiv 1909.08593, section 2.2): after n answers with the divergence kl,
 * coefficient · (1 + clip(kl / target - 1, ±0.2) n / horizon). */
double lt_advantage_adapt_kl(double coefficient, double kl, double target, double horizon, int64_t n);

#endif
