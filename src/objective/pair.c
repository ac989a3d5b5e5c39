#include "objective/pair.h"

static bool is_answer(const lt_objective_pass *pass, int64_t target)
{
    return !pass->target_kind || pass->target_kind[target] == LT_TARGET_ANSWER;
}

void lt_pair_sums(const lt_objective_pass *pass, const lt_objective_row *row, int32_t s, double *logp, double *reference,
                  int64_t *tokens)
{
    const float *known = pass->per_target[LT_TARGET_REFERENCE_LOGP];
    int64_t first, n = lt_objective_targets(pass, row, s, &first);
    *logp = *reference = 0;
    *tokens = 0;
    for (int64_t i = first; i < first + n; i++) {
        if (!is_answer(pass, i))
            continue;
        *logp += pass->logp[i];
        *reference += known ? known[i] : 0;
        ++*tokens;
    }
}

void lt_pair_read(const lt_objective_pass *pass, const lt_objective_row *row, lt_pair *pair)
{
    for (int32_t s = 0; s < 2; s++)
        lt_pair_sums(pass, row, s, &pair->logp[s], &pair->reference[s], &pair->tokens[s]);
    pair->margin = row->value;
}

void lt_pair_set_weight(const lt_objective_pass *pass, const lt_objective_row *row, int32_t s, double d)
{
    int64_t first, n = lt_objective_targets(pass, row, s, &first);
    for (int64_t i = first; i < first + n; i++)
        pass->weight[i] = is_answer(pass, i) ? (float)-d : 0;
}

void lt_pair_add_likelihood_weight(const lt_objective_pass *pass, const lt_objective_row *row, double factor)
{
    int64_t first, n = lt_objective_targets(pass, row, 0, &first);
    for (int64_t i = first; i < first + n; i++)
        pass->weight[i] += (float)(factor / (double)pass->step_first_targets);
}

double lt_pair_likelihood(const lt_objective_pass *pass, const lt_objective_row *row, int64_t *tokens)
{
    int64_t first, n = lt_objective_targets(pass, row, 0, &first);
    double sum = 0;
    for (int64_t i = first; i < first + n; i++)
        sum -= pass->logp[i];
    *tokens = n;
    return sum;
}

static void add(lt_mean *mean, double value)
{
    mean->sum += value;
    mean->count += 1;
}

void lt_pair_measure(lt_objective_sums *sums, const double reward[2], const double logp[2])
{
    add(&sums->metric[0], reward[0]);
    add(&sums->metric[1], reward[1]);
    add(&sums->metric[2], reward[0] > reward[1]);
    add(&sums->metric[3], reward[0] - reward[1]);
    add(&sums->metric[4], logp[0]);
    add(&sums->metric[5], logp[1]);
}
