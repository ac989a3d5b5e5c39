/* Kahneman-Tversky optimisation (Ethayarajh et al. 2024, 2402.01306, eq. 7): single answers, each good or bad. With ρ the log-ratio
 * of an answer and z = max(0, mean log-ratio of mismatched answers),
 *
 *     kto                 good: w₊ (1 - σ(β(ρ - z)))      bad: w₋ (1 - σ(β(z - ρ)))
 *     apo_zero_unpaired   good: w₊ (1 - σ(βρ))            bad: w₋ σ(βρ)              D'Oosterlinck et al. 2024, 2408.06266
 *
 * A row's second sequence is its prompt with the answer of its neighbour in the batch, from which z is estimated; no gradient
 * goes through z. The mean behind z is over the rows of a pass, which is the whole step unless memory is short. */
#include "objective/pair.h"

enum { KTO, APO_ZERO };
static const char *const names[] = {"kto", "apo_zero_unpaired", NULL};
enum { REWARD_CHOSEN, REWARD_REJECTED, LOGP_CHOSEN, LOGP_REJECTED, KL, MARGIN };
static const char *const metrics[] = {"rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected",
                                      "kl", "rewards/margins", NULL};

static double ratio(const lt_objective_pass *pass, const lt_objective_row *row, int32_t s, double *logp)
{
    double reference;
    int64_t tokens;
    lt_pair_sums(pass, row, s, logp, &reference, &tokens);
    return *logp - reference;
}

static double shift(const lt_objective_options *o, const lt_objective_pass *pass)
{
    double sum = 0, unused;
    for (int64_t i = 0; i < pass->row_count && o->loss_type == KTO; i++)
        sum += ratio(pass, &pass->rows[i], 1, &unused);
    sum /= pass->row_count ? (double)pass->row_count : 1;
    return sum > 0 ? sum : 0;
}

/* loss, and *d by ρ */
static double loss_of(const lt_objective_options *o, double rho, double z, bool good, double *d)
{
    double sign = good ? 1 : -1, x = sign * o->beta * (rho - z), weight = good ? o->desirable_weight : o->undesirable_weight;
    *d = -weight * sign * o->beta * lt_pair_sigmoid(x) * lt_pair_sigmoid(-x);
    return weight * lt_pair_sigmoid(-x);
}

static void weigh(const lt_objective_options *options, const lt_objective_pass *pass)
{
    double z = shift(options, pass);
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        double logp, d;
        loss_of(options, ratio(pass, row, 0, &logp), z, row->value > 0, &d);
        lt_pair_set_weight(pass, row, 0, d / (double)pass->step_rows);
        lt_pair_set_weight(pass, row, 1, 0);
    }
}

static void add(lt_mean *mean, double value)
{
    mean->sum += value;
    mean->count += 1;
}

static void measure(const lt_objective_options *options, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    double z = shift(options, pass);
    lt_mean reward[2] = {{0}};
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        bool good = row->value > 0;
        double logp, d, rho = ratio(pass, row, 0, &logp);
        add(&sums->loss, loss_of(options, rho, z, good, &d));
        add(&sums->metric[good ? REWARD_CHOSEN : REWARD_REJECTED], options->beta * rho);
        add(&reward[good], options->beta * rho);
        add(&sums->metric[good ? LOGP_CHOSEN : LOGP_REJECTED], logp);
        add(&sums->metric[KL], z);
    }
    if (reward[0].count > 0 && reward[1].count > 0) /* of a batch that has both, as TRL counts it */
        add(&sums->metric[MARGIN], lt_mean_value(&reward[1]) - lt_mean_value(&reward[0]));
}

static bool check(const lt_objective_options *o, lt_error *err)
{
    if (!(o->beta > 0))
        return lt_error_set(err, LT_ERR_USAGE, "beta: expected a number above 0, found %g", o->beta);
    if (!(o->desirable_weight >= 0 && o->undesirable_weight >= 0))
        return lt_error_set(err, LT_ERR_USAGE, "desirable_weight and undesirable_weight: expected 0 or more, found %g and %g",
                            o->desirable_weight, o->undesirable_weight);
    return true;
}

const lt_objective lt_objective_kto = {
    .name = "kto",
    .rows = LT_ROW_ANSWER,
    .logp_first = true,
    .metrics = metrics,
    .needs = LT_TARGET_BIT(LT_TARGET_REFERENCE_LOGP),
    .loss_types = names,
    .check = check,
    .weigh = weigh,
    .measure = measure,
};
