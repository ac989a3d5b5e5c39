/* Contrastive preference optimisation and SimPO: pairs of answers without a reference model. With p the log-probability of an
 * answer (a sum over tokens; in ipo and simpo the mean), x = pc - pr, ε the label smoothing:
 *
 *     cpo        -(1-ε) log σ(βx) - ε log σ(-βx)             Xu et al. 2024, 2401.08417
 *     cpo_hinge  max(0, 1 - βx)
 *     cpo_ipo    (x - 1/2β)²
 *     simpo      the first of x - γ/β                        Meng et al. 2024, 2405.14734
 *
 * plus α times the mean negative log-likelihood of the chosen answers' tokens (α = 0 in SimPO as published). */
#include "objective/pair.h"

enum { CPO, CPO_HINGE, CPO_IPO, SIMPO };
static const char *const names[] = {"cpo", "cpo_hinge", "cpo_ipo", "simpo", NULL};

static lt_pair_loss loss_of(const lt_objective_options *o, const lt_pair *p, double policy[2])
{
    bool is_mean = o->loss_type == SIMPO || o->loss_type == CPO_IPO;
    double n[2], beta = o->beta, e = o->label_smoothing, loss, d;
    for (int s = 0; s < 2; s++) {
        n[s] = is_mean && p->tokens[s] ? (double)p->tokens[s] : 1;
        policy[s] = p->logp[s] / n[s];
    }
    double x = policy[0] - policy[1] - (o->loss_type == SIMPO ? o->simpo_gamma / beta : 0), left = 1 - beta * x;
    switch (o->loss_type) {
    case CPO_HINGE:
        loss = left > 0 ? left : 0;
        d = left > 0 ? -beta : 0;
        break;
    case CPO_IPO:
        loss = (x - 1 / (2 * beta)) * (x - 1 / (2 * beta));
        d = 2 * (x - 1 / (2 * beta));
        break;
    default:
        loss = -(1 - e) * lt_pair_log_sigmoid(beta * x) - e * lt_pair_log_sigmoid(-beta * x);
        d = beta * (-(1 - e) * lt_pair_sigmoid(-beta * x) + e * lt_pair_sigmoid(beta * x));
    }
    return (lt_pair_loss){loss, {d / n[0], -d / n[1]}};
}

static void weigh(const lt_objective_options *options, const lt_objective_pass *pass)
{
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        lt_pair pair;
        double policy[2];
        lt_pair_read(pass, row, &pair);
        lt_pair_loss loss = loss_of(options, &pair, policy);
        for (int32_t s = 0; s < 2; s++)
            lt_pair_set_weight(pass, row, s, loss.d[s] / (double)pass->step_rows);
        if (options->cpo_alpha != 0)
            lt_pair_add_likelihood_weight(pass, row, options->cpo_alpha);
    }
}

static void measure(const lt_objective_options *options, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    double per_row = (double)pass->step_rows / (double)(pass->step_first_targets ? pass->step_first_targets : 1);
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        lt_pair pair;
        double policy[2];
        int64_t tokens;
        lt_pair_read(pass, row, &pair);
        lt_pair_loss loss = loss_of(options, &pair, policy);
        double likelihood = lt_pair_likelihood(pass, row, &tokens);
        sums->loss.sum += loss.loss + options->cpo_alpha * likelihood * per_row;
        sums->loss.count += 1;
        double reward[2] = {options->beta * policy[0], options->beta * policy[1]};
        lt_pair_measure(sums, reward, policy);
        sums->metric[LT_PAIR_METRICS].sum += likelihood;
        sums->metric[LT_PAIR_METRICS].count += (double)tokens;
    }
}

static bool check(const lt_objective_options *o, lt_error *err)
{
    if (!(o->beta > 0))
        return lt_error_set(err, LT_ERR_USAGE, "beta: expected a number above 0, found %g", o->beta);
    if (!(o->label_smoothing >= 0 && o->label_smoothing < 0.5))
        return lt_error_set(err, LT_ERR_USAGE, "label_smoothing: expected 0 to below 0.5, found %g", o->label_smoothing);
    if (o->label_smoothing > 0 && (o->loss_type == CPO_HINGE || o->loss_type == CPO_IPO))
        return lt_error_set(err, LT_ERR_USAGE, "label_smoothing has no effect with loss_type %s", names[o->loss_type]);
    return true;
}

static const char *const metrics[] = {LT_PAIR_METRIC_NAMES, "nll_loss", NULL};

const lt_objective lt_objective_cpo = {
    .name = "cpo",
    .rows = LT_ROW_PAIR,
    .logp_first = true,
    .metrics = metrics,
    .loss_types = names,
    .check = check,
    .weigh = weigh,
    .measure = measure,
};
