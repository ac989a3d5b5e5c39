/* Reward models: the Bradley-Terry likelihood of pairs (Ouyang et al. 2022, 2203.02155), with a margin (Touvron et al. 2023,
 * 2307.09288, eq. 2) and a pull of the rewards' sum towards 0 (Eisenstein et al. 2023, 2312.09244):
 *
 *     loss = -log σ(c - r - m) + a (c + r)²,  mean over rows */
#include "objective/pair.h"

static double loss_of(const lt_objective_options *o, const lt_objective_pass *pass, const lt_objective_row *row, double d[2])
{
    double c = pass->score[row->first_sequence], r = pass->score[row->first_sequence + 1];
    double x = c - r - row->value, pull = 2 * o->center_rewards_coefficient * (c + r);
    d[0] = -lt_pair_sigmoid(-x) + pull;
    d[1] = lt_pair_sigmoid(-x) + pull;
    return -lt_pair_log_sigmoid(x) + o->center_rewards_coefficient * (c + r) * (c + r);
}

static void weigh(const lt_objective_options *options, const lt_objective_pass *pass)
{
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        double d[2];
        loss_of(options, pass, row, d);
        for (int s = 0; s < 2; s++)
            pass->score_gradient[row->first_sequence + s] = (float)(d[s] / (double)pass->step_rows);
    }
}

static void add(lt_mean *mean, double value)
{
    mean->sum += value;
    mean->count += 1;
}

static void measure(const lt_objective_options *options, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        double c = pass->score[row->first_sequence], r = pass->score[row->first_sequence + 1], d[2];
        add(&sums->loss, loss_of(options, pass, row, d));
        add(&sums->metric[0], c > r);
        add(&sums->metric[1], c - r);
        add(&sums->metric[2], c);
        add(&sums->metric[2], r);
    }
}

static bool check(const lt_objective_options *o, lt_error *err)
{
    return o->center_rewards_coefficient >= 0 ||
           lt_error_set(err, LT_ERR_USAGE, "center_rewards_coefficient: expected 0 or more, found %g", o->center_rewards_coefficient);
}

static const char *const metrics[] = {"accuracy", "margin", "mean_reward", NULL};

const lt_objective lt_objective_reward = {
    .name = "reward",
    .rows = LT_ROW_PAIR,
    .metrics = metrics,
    .head = LT_HEAD_SCORE,
    .check = check,
    .weigh = weigh,
    .measure = measure,
};
