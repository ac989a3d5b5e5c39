/* Direct preference optimisation and its kin: pairs of answers, and what a reference model thinks of them.
 *
 * With c and r the log-ratios log π(y|x) - log π_ref(y|x) of the chosen and the rejected answer (sums over tokens), |c| and |r| the
 * numbers of tokens, δ = c - r, β, and ε the label smoothing; σ the logistic function:
 *
 *     sigmoid       -log σ(βδ); with ε: -(1-ε) log σ(βδ) - ε log σ(-βδ)     Rafailov et al. 2023, 2305.18290; Mitchell 2023 (cDPO)
 *     hinge         max(0, 1 - βδ)                                          Zhao et al. 2023, 2305.10425; Liu et al. 2309.06657
 *     ipo           (c/|c| - r/|r| - 1/2β)²                                 Azar et al. 2023, 2310.12036, eq. 17, per token
 *     robust        (-(1-ε) log σ(βδ) + ε log σ(-βδ)) / (1 - 2ε)            Chowdhury et al. 2024, 2403.00409
 *     sigmoid_norm  -log σ(β (c/|c| - r/|r|))                               length-normalised, Lambert et al. 2024, 2411.15124
 *     exo_pair      KL(σ(±βδ) ‖ (1-ε, ε))                                   Ji et al. 2024, 2402.00856, eq. 16
 *     nca_pair      -log σ(βc) - ½ log σ(-βc) - ½ log σ(-βr)                Chen et al. 2024, 2402.05369
 *     bco_pair      -log σ(βc) - log σ(-βr)                                 Jung et al. 2024, 2404.04656, without its mean shift
 *     sppo_hard     (c - 1/2β)² + (r + 1/2β)²                               Wu et al. 2024, 2405.00675
 *     apo_zero      1 - σ(βc) + σ(βr)                                       D'Oosterlinck et al. 2024, 2408.06266, eq. 7
 *     apo_down      σ(βc) + 1 - σ(βδ)                                       the same, eq. 8
 *     discopop      -log σ(βδ) (1-m) + exp(-βδ) m, m = σ(βδ/τ)              Lu et al. 2024, 2406.08414
 *
 * The names and defaults are TRL's. The loss of a step is the mean over its rows. */
#include "objective/pair.h"

enum { EXO_PER_MILLE = 1 };      /* exo_pair needs some smoothing: TRL's 1e-3 when none is given */

/* What a variant sees: log-ratios and numbers of tokens. d: by c and r. */
typedef struct ratios {
    double c, r, nc, nr, beta, smoothing, tau;
} ratios;

static lt_pair_loss sigmoid_of(double x, double dx, double smoothing)
{
    double d = -(1 - smoothing) * lt_pair_sigmoid(-x) + smoothing * lt_pair_sigmoid(x);
    return (lt_pair_loss){-(1 - smoothing) * lt_pair_log_sigmoid(x) - smoothing * lt_pair_log_sigmoid(-x), {d * dx, -d * dx}};
}

static lt_pair_loss sigmoid(const ratios *p)
{
    return sigmoid_of(p->beta * (p->c - p->r), p->beta, p->smoothing);
}

static lt_pair_loss hinge(const ratios *p)
{
    double left = 1 - p->beta * (p->c - p->r);
    return left > 0 ? (lt_pair_loss){left, {-p->beta, p->beta}} : (lt_pair_loss){0, {0, 0}};
}

static lt_pair_loss ipo(const ratios *p)
{
    double x = p->c / p->nc - p->r / p->nr - 1 / (2 * p->beta);
    return (lt_pair_loss){x * x, {2 * x / p->nc, -2 * x / p->nr}};
}

static lt_pair_loss robust(const ratios *p)
{
    double x = p->beta * (p->c - p->r), e = p->smoothing, scale = 1 / (1 - 2 * e);
    double d = scale * p->beta * (-(1 - e) * lt_pair_sigmoid(-x) - e * lt_pair_sigmoid(x));
    return (lt_pair_loss){scale * (-(1 - e) * lt_pair_log_sigmoid(x) + e * lt_pair_log_sigmoid(-x)), {d, -d}};
}

static lt_pair_loss sigmoid_norm(const ratios *p)
{
    lt_pair_loss out = sigmoid_of(p->beta * (p->c / p->nc - p->r / p->nr), p->beta, 0);
    out.d[0] /= p->nc;
    out.d[1] /= p->nr;
    return out;
}

static lt_pair_loss exo_pair(const ratios *p)
{
    double e = p->smoothing > 0 ? p->smoothing : EXO_PER_MILLE / 1000.0, x = p->beta * (p->c - p->r);
    double w = lt_pair_sigmoid(x), l = lt_pair_sigmoid(-x);
    double a = lt_pair_log_sigmoid(x) - log1p(-e), b = lt_pair_log_sigmoid(-x) - log(e);
    double d = p->beta * w * l * (a - b); /* what a and b themselves add cancels */
    return (lt_pair_loss){w * a + l * b, {d, -d}};
}

static lt_pair_loss nca_pair(const ratios *p)
{
    double c = p->beta * p->c, r = p->beta * p->r;
    return (lt_pair_loss){-lt_pair_log_sigmoid(c) - 0.5 * lt_pair_log_sigmoid(-c) - 0.5 * lt_pair_log_sigmoid(-r),
                          {p->beta * (-lt_pair_sigmoid(-c) + 0.5 * lt_pair_sigmoid(c)), p->beta * 0.5 * lt_pair_sigmoid(r)}};
}

static lt_pair_loss bco_pair(const ratios *p)
{
    double c = p->beta * p->c, r = p->beta * p->r;
    return (lt_pair_loss){-lt_pair_log_sigmoid(c) - lt_pair_log_sigmoid(-r),
                          {-p->beta * lt_pair_sigmoid(-c), p->beta * lt_pair_sigmoid(r)}};
}

static lt_pair_loss sppo_hard(const ratios *p)
{
    double c = p->c - 0.5 / p->beta, r = p->r + 0.5 / p->beta;
    return (lt_pair_loss){c * c + r * r, {2 * c, 2 * r}};
}

/* d σ(x) */
static double slope(double x) { return lt_pair_sigmoid(x) * lt_pair_sigmoid(-x); }

static lt_pair_loss apo_zero(const ratios *p)
{
    double c = p->beta * p->c, r = p->beta * p->r;
    return (lt_pair_loss){lt_pair_sigmoid(-c) + lt_pair_sigmoid(r), {-p->beta * slope(c), p->beta * slope(r)}};
}

static lt_pair_loss apo_down(const ratios *p)
{
    double c = p->beta * p->c, x = p->beta * (p->c - p->r);
    return (lt_pair_loss){lt_pair_sigmoid(c) + lt_pair_sigmoid(-x), {p->beta * (slope(c) - slope(x)), p->beta * slope(x)}};
}

static lt_pair_loss discopop(const ratios *p)
{
    double x = p->beta * (p->c - p->r), m = lt_pair_sigmoid(x / p->tau), logistic = -lt_pair_log_sigmoid(x), e = exp(-x);
    double d = p->beta * (-lt_pair_sigmoid(-x) * (1 - m) - e * m + (e - logistic) * slope(x / p->tau) / p->tau);
    return (lt_pair_loss){logistic * (1 - m) + e * m, {d, -d}};
}

static const char *const names[] = {"sigmoid",  "hinge",    "ipo",       "robust",   "sigmoid_norm", "exo_pair", "nca_pair",
                                    "bco_pair", "sppo_hard", "apo_zero", "apo_down", "discopop",     NULL};
static lt_pair_loss (*const losses[])(const ratios *) = {sigmoid,  hinge,     ipo,      robust,   sigmoid_norm, exo_pair, nca_pair,
                                                         bco_pair, sppo_hard, apo_zero, apo_down, discopop};

static lt_pair_loss loss_of(const lt_objective_options *o, const lt_pair *p)
{
    ratios at = {.c = p->logp[0] - p->reference[0],
                 .r = p->logp[1] - p->reference[1],
                 .nc = p->tokens[0] ? (double)p->tokens[0] : 1,
                 .nr = p->tokens[1] ? (double)p->tokens[1] : 1,
                 .beta = o->beta,
                 .smoothing = o->label_smoothing,
                 .tau = o->discopop_tau};
    return losses[o->loss_type](&at);
}

static void weigh(const lt_objective_options *options, const lt_objective_pass *pass)
{
    for (int64_t i = 0; i < pass->row_count; i++) {
        lt_pair pair;
        lt_pair_read(pass, &pass->rows[i], &pair);
        lt_pair_loss loss = loss_of(options, &pair);
        for (int32_t s = 0; s < 2; s++)
            lt_pair_set_weight(pass, &pass->rows[i], s, loss.d[s] / (double)pass->step_rows);
    }
}

static void measure(const lt_objective_options *options, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    for (int64_t i = 0; i < pass->row_count; i++) {
        lt_pair pair;
        lt_pair_read(pass, &pass->rows[i], &pair);
        sums->loss.sum += loss_of(options, &pair).loss;
        sums->loss.count += 1;
        double reward[2] = {options->beta * (pair.logp[0] - pair.reference[0]), options->beta * (pair.logp[1] - pair.reference[1])};
        lt_pair_measure(sums, reward, pair.logp);
    }
}

static bool check(const lt_objective_options *o, lt_error *err)
{
    const char *name = names[o->loss_type];
    if (!(o->beta > 0))
        return lt_error_set(err, LT_ERR_USAGE, "beta: expected a number above 0, found %g", o->beta);
    if (!(o->label_smoothing >= 0 && o->label_smoothing < 0.5))
        return lt_error_set(err, LT_ERR_USAGE, "label_smoothing: expected 0 to below 0.5, found %g", o->label_smoothing);
    bool smooths = losses[o->loss_type] == sigmoid || losses[o->loss_type] == robust || losses[o->loss_type] == exo_pair;
    if (o->label_smoothing > 0 && !smooths)
        return lt_error_set(err, LT_ERR_USAGE, "label_smoothing has no effect with loss_type %s", name);
    if (losses[o->loss_type] == discopop && !(o->discopop_tau > 0))
        return lt_error_set(err, LT_ERR_USAGE, "discopop_tau: expected a number above 0, found %g", o->discopop_tau);
    return true;
}

static const char *const metrics[] = {LT_PAIR_METRIC_NAMES, NULL};

const lt_objective lt_objective_dpo = {
    .name = "dpo",
    .rows = LT_ROW_PAIR,
    .logp_first = true,
    .metrics = metrics,
    .needs = LT_TARGET_BIT(LT_TARGET_REFERENCE_LOGP),
    .loss_types = names,
    .check = check,
    .weigh = weigh,
    .measure = measure,
};
