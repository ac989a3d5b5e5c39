/* Losses on preferences: values that PyTorch gives for the published formulas, and gradients against finite differences. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradcheck.h"
#include "objective/objective.h"

/* Two pairs, their targets behind one another: chosen 3, rejected 2; chosen 2, rejected 4. */
static const float policy[11] = {-0.5f, -1.25f, -0.75f, -1.0f, -0.5f, -2.0f, -0.25f, -0.25f, -1.5f, -0.75f, -1.0f};
static const float reference[11] = {-0.75f, -1.0f, -1.0f, -0.5f, -0.75f, -1.5f, -0.5f, -0.5f, -1.0f, -0.5f, -0.75f};
static const int64_t targets[5] = {0, 3, 5, 7, 11};
static const lt_objective_row pairs[2] = {{.first_sequence = 0, .sequences = 2}, {.row = 1, .first_sequence = 2, .sequences = 2}};

typedef struct fixture {
    const lt_objective *objective;
    lt_objective_options options;
    lt_objective_pass pass;
    uint8_t kinds[16];
    float weight[16];
} fixture;

static fixture make(const char *name)
{
    fixture f = {.options = {.beta = 0.3, .discopop_tau = 0.05, .simpo_gamma = 0.5, .cpo_alpha = 0.7, .desirable_weight = 1.5,
                             .undesirable_weight = 0.5}};
    f.objective = lt_objective_preference(name, &f.options.loss_type);
    cr_assert(f.objective, "%s", name);
    memset(f.kinds, LT_TARGET_ANSWER, sizeof f.kinds);
    f.pass = (lt_objective_pass){.rows = pairs,
                                 .row_count = 2,
                                 .sequence_targets = targets,
                                 .target_count = 11,
                                 .step_rows = 2,
                                 .step_targets = 11,
                                 .step_first_targets = 5,
                                 .step_weight = 2,
                                 .logp = policy,
                                 .per_target = {[LT_TARGET_REFERENCE_LOGP] = reference}};
    return f;
}

static double loss_at(const float *logp, void *context)
{
    fixture *f = context;
    lt_objective_pass pass = f->pass;
    lt_objective_sums sums = {0};
    pass.logp = logp;
    pass.target_kind = f->kinds;
    f->objective->measure(&f->options, &pass, &sums);
    return lt_mean_value(&sums.loss);
}

static void check_gradient(fixture *f, const char *name)
{
    float x[16], gradient[16];
    int64_t n = f->pass.target_count;
    lt_objective_pass pass = f->pass;
    pass.weight = f->weight;
    pass.target_kind = f->kinds;
    f->objective->weigh(&f->options, &pass);
    for (int64_t i = 0; i < n; i++) {
        x[i] = pass.logp[i];
        gradient[i] = -f->weight[i]; /* the weight is the gradient by -logp */
    }
    (void)name;
    gradcheck_elements(loss_at, f, x, n, gradient, 1e-3, 1e-3, 1);
}

Test(preference, losses_are_those_of_the_formulas)
{
    static const struct {
        const char *name;
        double smoothing, loss;
    } cases[] = {
        {"sigmoid", 0, 0.620957048},      {"sigmoid", 0.1, 0.635957048},   {"hinge", 0, 0.85},
        {"ipo", 0, 2.350043403},          {"robust", 0.1, 0.602207048},    {"sigmoid_norm", 0, 0.673100754},
        {"exo_pair", 0.1, 0.431388457},   {"nca_pair", 0, 1.351603247},    {"bco_pair", 0, 1.315506212},
        {"sppo_hard", 0, 4.263888889},    {"apo_zero", 0, 0.962622447},    {"apo_down", 0, 0.962570155},
        {"discopop", 0, 0.849337579},     {"orpo", 0, 1.202508062},        {"cpo", 0.1, 1.357489254},
        {"cpo_hinge", 0, 1.6275},         {"cpo_ipo", 0, 4.033055556},     {"simpo", 0.1, 1.615564982},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f = make(cases[i].name);
        lt_error err;
        f.options.label_smoothing = cases[i].smoothing;
        cr_assert(f.objective->check(&f.options, &err), "%s: %s", cases[i].name, err.message);
        cr_assert_float_eq(loss_at(policy, &f), cases[i].loss, 2e-7, "%s: %.9f, expected %.9f", cases[i].name, loss_at(policy, &f),
                           cases[i].loss);
    }
}

Test(preference, gradients_are_those_of_the_losses)
{
    for (const char *const *name = lt_objective_preferences(); *name; name++) {
        fixture f = make(*name);
        if (f.objective->rows != LT_ROW_PAIR)
            continue;
        bool smooths = !strcmp(*name, "robust") || !strcmp(*name, "cpo") || !strcmp(*name, "sigmoid");
        f.options.label_smoothing = smooths ? 0.1 : 0;
        if (!strcmp(*name, "orpo"))
            f.kinds[0] = f.kinds[5] = LT_TARGET_PROMPT; /* prompts count in the likelihood alone */
        check_gradient(&f, *name);
    }
}

Test(preference, metrics_have_the_names_of_trl)
{
    fixture f = make("sigmoid");
    lt_objective_sums sums = {0};
    f.objective->measure(&f.options, &f.pass, &sums);
    const char *const wanted[] = {"rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen",
                                  "logps/rejected"};
    const double values[] = {0.3 * 0 , 0.3 * -0.5, 1, 0.15, -2.375, -2.5};
    for (int i = 0; i < 6; i++)
        cr_assert_str_eq(f.objective->metrics[i], wanted[i]);
    cr_assert_float_eq(lt_mean_value(&sums.metric[0]), values[0], 1e-7);
    cr_assert_float_eq(lt_mean_value(&sums.metric[1]), values[1], 1e-7);
    cr_assert_float_eq(lt_mean_value(&sums.metric[2]), values[2], 1e-7);
    cr_assert_float_eq(lt_mean_value(&sums.metric[3]), values[3], 1e-7);
    cr_assert_float_eq(lt_mean_value(&sums.metric[4]), values[4], 1e-7);
    cr_assert_float_eq(lt_mean_value(&sums.metric[5]), values[5], 1e-7);
}

/* Answers: the first pair's chosen one, good, and the second's rejected one, bad; each with a mismatched answer of one token. */
static fixture make_kto(const char *name)
{
    static const float logp[9] = {-0.5f, -1.25f, -0.75f, -0.25f, -0.25f, -1.5f, -0.75f, -1.0f, -1.0f};
    static const float known[9] = {-0.75f, -1.0f, -1.0f, -1.0f, -0.5f, -1.0f, -0.5f, -0.75f, -0.5f};
    static const int64_t at[5] = {0, 3, 4, 8, 9};
    static const lt_objective_row rows[2] = {{.sequences = 2, .value = 1}, {.row = 1, .first_sequence = 2, .sequences = 2}};
    fixture f = make(name);
    f.pass.rows = rows;
    f.pass.sequence_targets = at;
    f.pass.target_count = 9;
    f.pass.logp = logp;
    f.pass.per_target[LT_TARGET_REFERENCE_LOGP] = known;
    return f;
}

Test(preference, single_answers_are_judged_against_the_mean_of_mismatched_ones)
{
    fixture f = make_kto("kto");
    cr_assert_float_eq(loss_at(f.pass.logp, &f), 0.476656887, 1e-7, "%.9f", loss_at(f.pass.logp, &f));
    f = make_kto("apo_zero_unpaired");
    cr_assert_float_eq(loss_at(f.pass.logp, &f), 0.471940615, 1e-7, "%.9f", loss_at(f.pass.logp, &f));
    check_gradient(&f, "apo_zero_unpaired");
}

static lt_mean kto_margin(fixture *f)
{
    lt_objective_sums sums = {0};
    int at = 0;
    while (strcmp(f->objective->metrics[at], "rewards/margins"))
        cr_assert(f->objective->metrics[++at]);
    f->objective->measure(&f->options, &f->pass, &sums);
    return sums.metric[at];
}

/* The good answer's log-ratio is 0.25, the bad one's -0.75. */
Test(preference, good_and_bad_single_answers_have_a_margin_where_a_batch_has_both)
{
    fixture f = make_kto("kto");
    lt_mean margin = kto_margin(&f);
    cr_assert_eq(margin.count, 1);
    cr_assert_float_eq(margin.sum, 0.3 * (0.25 + 0.75), 1e-7, "%.9f", margin.sum);
    lt_objective_row rows[2] = {f.pass.rows[0], f.pass.rows[1]};
    for (int good = 0; good < 2; good++) {
        rows[0].value = rows[1].value = (float)good;
        f.pass.rows = rows;
        cr_assert_eq(kto_margin(&f).count, 0);
    }
}

Test(preference, no_gradient_goes_through_the_mismatched_answers)
{
    fixture f = make_kto("kto");
    f.pass.weight = f.weight;
    f.objective->weigh(&f.options, &f.pass);
    cr_assert_eq(f.weight[3], 0);
    cr_assert_eq(f.weight[8], 0);
    cr_assert_gt(f.weight[0], 0); /* a good answer becomes likelier */
    cr_assert_lt(f.weight[4], 0);
}

Test(preference, options_without_sense_are_refused)
{
    lt_error err;
    fixture f = make("ipo");
    f.options.label_smoothing = 0.1;
    cr_assert_not(f.objective->check(&f.options, &err));
    cr_assert(strstr(err.message, "label_smoothing has no effect with loss_type ipo"));
    f = make("robust");
    f.options.label_smoothing = 0.5;
    cr_assert_not(f.objective->check(&f.options, &err));
    f = make("kto");
    f.options.beta = 0;
    cr_assert_not(f.objective->check(&f.options, &err));
    int unused;
    cr_assert_null(lt_objective_preference("dpo2", &unused));
}

/* ---- scores ---- */

static double score_loss(const float *score, void *context)
{
    fixture *f = context;
    lt_objective_pass pass = f->pass;
    lt_objective_sums sums = {0};
    pass.score = score;
    f->objective->measure(&f->options, &pass, &sums);
    return lt_mean_value(&sums.loss);
}

static void check_scores(fixture *f, const float *score, int64_t n, double expected)
{
    float x[16], gradient[16];
    lt_objective_pass pass = f->pass;
    memcpy(x, score, (size_t)n * sizeof *x);
    pass.score = x;
    pass.score_gradient = gradient;
    f->objective->weigh(&f->options, &pass);
    cr_assert_float_eq(score_loss(score, f), expected, 2e-7, "%.9f, expected %.9f", score_loss(score, f), expected);
    gradcheck_elements(score_loss, f, x, n, gradient, 1e-3, 1e-3, 1);
}

Test(preference, rewards_follow_bradley_and_terry_with_margin_and_centering)
{
    static const float score[4] = {0.75f, -0.25f, -1.0f, 0.5f};
    static const lt_objective_row rows[2] = {{.sequences = 2, .value = 0.5f}, {.row = 1, .first_sequence = 2, .sequences = 2}};
    fixture f = {.objective = &lt_objective_reward, .options = {.center_rewards_coefficient = 0.01}};
    f.pass = (lt_objective_pass){.rows = rows, .row_count = 2, .step_rows = 2, .step_weight = 2, .score_count = 4, .labels = 1};
    check_scores(&f, score, 4, 1.090245131);
}

Test(preference, classes_sets_and_numbers_have_the_losses_of_transformers)
{
    static const float score[6] = {0.2f, -0.5f, 1.0f, 2.0f, 0.0f, -1.0f}, weights[3] = {1, 3, 0.5f};
    static const float sets[2][3] = {{1, 0, 1}, {0, 1, 0}};
    static const lt_objective_row rows[2] = {{.sequences = 1, .value = 2}, {.row = 1, .first_sequence = 1, .sequences = 1, .value = 1}};
    const lt_objective_row lists[2] = {{.sequences = 1, .values = sets[0]}, {.first_sequence = 1, .sequences = 1, .values = sets[1]}};
    fixture f = {.objective = &lt_objective_classify};
    f.pass = (lt_objective_pass){.rows = rows, .row_count = 2, .step_rows = 2, .step_weight = 2, .score_count = 2, .labels = 3};
    check_scores(&f, score, 6, 1.342070546);
    f.options.class_weights = weights;
    f.pass.step_weight = f.objective->row_weight(&f.options, 2) + f.objective->row_weight(&f.options, 1);
    check_scores(&f, score, 6, 1.933338741);
    f.pass.rows = lists;
    f.pass.step_weight = 2;
    f.objective = &lt_objective_multi_label;
    check_scores(&f, score, 6, 0.753135737);
    f.objective = &lt_objective_regression;
    check_scores(&f, score, 6, 1.148333333);
}
