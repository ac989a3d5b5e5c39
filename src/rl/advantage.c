#include "rl/advantage.h"

#include <assert.h>
#include <math.h>

double lt_advantage_mean(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return n ? sum / (double)n : 0;
}

double lt_advantage_deviation(const double *x, int64_t n)
{
    double mean = lt_advantage_mean(x, n), sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : 0;
}

int64_t lt_advantage_grpo(const double *reward, int64_t groups, int64_t K, lt_scale_rewards scale, double *advantage)
{
    double batch = lt_advantage_deviation(reward, groups * K);
    int64_t equal = 0;
    for (int64_t g = 0; g < groups; g++) {
        const double *r = reward + g * K;
        double mean = lt_advantage_mean(r, K), deviation = lt_advantage_deviation(r, K);
        double by = scale == LT_SCALE_NONE ? 1 : (scale == LT_SCALE_GROUP ? deviation : batch) + 1e-4;
        for (int64_t i = 0; i < K; i++)
            advantage[g * K + i] = (r[i] - mean) / by;
        equal += deviation < 1e-8;
    }
    return equal;
}

void lt_advantage_rloo(const double *reward, int64_t groups, int64_t K, bool normalize, double *advantage)
{
    assert(K >= 2);
    for (int64_t g = 0; g < groups; g++) {
        double sum = (double)K * lt_advantage_mean(reward + g * K, K);
        for (int64_t i = g * K; i < (g + 1) * K; i++)
            advantage[i] = reward[i] - (sum - reward[i]) / (double)(K - 1);
    }
    if (!normalize)
        return;
    double mean = lt_advantage_mean(advantage, groups * K), deviation = lt_advantage_deviation(advantage, groups * K);
    for (int64_t i = 0; i < groups * K; i++)
        advantage[i] = (advantage[i] - mean) / (deviation + 1e-4);
}

void lt_advantage_gae(const double *reward, const float *value, int64_t n, double gamma, double lambda, float *advantage, float *returns)
{
    double next_value = 0, next = 0;
    for (int64_t t = n - 1; t >= 0; t--) {
        double delta = reward[t] + gamma * next_value - value[t];
        next = delta + gamma * lambda * next;
        next_value = value[t];
        advantage[t] = (float)next;
        returns[t] = (float)(next + value[t]);
    }
}

void lt_advantage_whiten(float *x, int64_t n, bool shift_mean)
{
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        variance += (x[i] - mean) * (x[i] - mean);
    variance = n > 1 ? variance / (double)(n - 1) : 0;
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((x[i] - mean) / sqrt(variance + 1e-8) + (shift_mean ? 0 : mean));
}

double lt_advantage_adapt_kl(double coefficient, double kl, double target, double horizon, int64_t n)
{
    double error = kl / target - 1;
    error = error < -0.2 ? -0.2 : error > 0.2 ? 0.2 : error;
    return coefficient * (1 + error * (double)n / horizon);
}
