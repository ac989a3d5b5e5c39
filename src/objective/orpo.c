/* Odds ratio preference optimisation (Hong et al. 2024, 2403.07691): no reference model. With p̄ the mean log-probability of an
 * answer's tokens,
 *
 *     loss = NLL - β log σ(log odds),      log odds = (p̄c - p̄r) - (log(1 - exp p̄c) - log(1 - exp p̄r))
 *
 * NLL is the mean over the tokens of all chosen sequences of the step, prompts included, as TRL has it; the second term is a
 * mean over rows. */
#include "objective/pair.h"

/* log(1 - exp x), x < 0 */
static double log1mexp(double x)
{
    return x > -0.6931471805599453 ? log(-expm1(x)) : log1p(-exp(x));
}

/* The second term; odds out: the log odds. A mean log-probability of 0 (certainty) has infinite odds: it is held off. */
static lt_pair_loss odds_loss(const lt_objective_options *o, const lt_pair *p, double mean[2], double *odds)
{
    double slope[2];
    for (int s = 0; s < 2; s++) {
        double n = p->tokens[s] ? (double)p->tokens[s] : 1;
        mean[s] = fmin(p->logp[s] / n, -1e-10);
        slope[s] = 1 / -expm1(mean[s]) / n;
    }
    *odds = (mean[0] - mean[1]) - (log1mexp(mean[0]) - log1mexp(mean[1]));
    double d = -o->beta * lt_pair_sigmoid(-*odds);
    return (lt_pair_loss){-o->beta * lt_pair_log_sigmoid(*odds), {d * slope[0], -d * slope[1]}};
}

static void weigh(const lt_objective_options *options, const lt_objective_pass *pass)
{
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        lt_pair pair;
        double mean[2], odds;
        lt_pair_read(pass, row, &pair);
        lt_pair_loss loss = odds_loss(options, &pair, mean, &odds);
        for (int32_t s = 0; s < 2; s++)
            lt_pair_set_weight(pass, row, s, loss.d[s] / (double)pass->step_rows);
        lt_pair_add_likelihood_weight(pass, row, 1);
    }
}

/* The loss is a sum of two means with different counts: the token mean is brought to a mean over rows. */
static void measure(const lt_objective_options *options, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    double per_row = (double)pass->step_rows / (double)(pass->step_first_targets ? pass->step_first_targets : 1);
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        lt_pair pair;
        double mean[2], odds;
        int64_t tokens;
        lt_pair_read(pass, row, &pair);
        lt_pair_loss loss = odds_loss(options, &pair, mean, &odds);
        double likelihood = lt_pair_likelihood(pass, row, &tokens);
        sums->loss.sum += loss.loss + likelihood * per_row;
        sums->loss.count += 1;
        double reward[2] = {options->beta * mean[0], options->beta * mean[1]};
        lt_pair_measure(sums, reward, mean);
        lt_mean *m = &sums->metric[LT_PAIR_METRICS];
        m[0].sum += likelihood;
        m[0].count += (double)tokens;
        m[1].sum += odds;
        m[1].count += 1;
        m[2].sum += lt_pair_log_sigmoid(odds);
        m[2].count += 1;
    }
}

static bool check(const lt_objective_options *o, lt_error *err)
{
    return o->beta > 0 || lt_error_set(err, LT_ERR_USAGE, "beta: expected a number above 0, found %g", o->beta);
}

static const char *const metrics[] = {LT_PAIR_METRIC_NAMES, "nll_loss", "log_odds_chosen", "log_odds_ratio", NULL};
static const char *const names[] = {"orpo", NULL};

const lt_objective lt_objective_orpo = {
    .name = "orpo",
    .rows = LT_ROW_PAIR,
    .logp_first = true,
    .trains_prompt = true,
    .metrics = metrics,
    .loss_types = names,
    .check = check,
    .weigh = weigh,
    .measure = measure,
};
