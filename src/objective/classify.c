/* Classifiers, with transformers' three problem types:
 *
 *     single label   cross-entropy of one of N classes, each with a weight w: Σ w (-log softmax(z)[y]) / Σ w
 *     multi-label    binary cross-entropy of each of N labels, mean over labels and rows
 *     regression     mean square error, over N numbers and rows */
#include <assert.h>
#include <math.h>

#include "objective/objective.h"
#include "objective/pair.h"

static double class_weight(const lt_objective_options *o, float value)
{
    return o->class_weights ? o->class_weights[(int)value] : 1;
}

/* Loss of a row from its scores z (N); dz (N) may be NULL. */
typedef double (*row_loss)(const lt_objective_options *o, const lt_objective_row *row, const float *z, int32_t N, double *dz);

static double single_label(const lt_objective_options *o, const lt_objective_row *row, const float *z, int32_t N, double *dz)
{
    int32_t label = (int32_t)row->value;
    double max = z[0], sum = 0, w = class_weight(o, row->value);
    assert(label >= 0 && label < N);
    for (int32_t j = 1; j < N; j++)
        max = z[j] > max ? z[j] : max;
    for (int32_t j = 0; j < N; j++)
        sum += exp(z[j] - max);
    for (int32_t j = 0; dz && j < N; j++)
        dz[j] = w * (exp(z[j] - max) / sum - (j == label));
    return w * (log(sum) + max - z[label]);
}

static double wanted(const lt_objective_row *row, int32_t j) { return row->values ? row->values[j] : row->value; }

static double multi_label(const lt_objective_options *o, const lt_objective_row *row, const float *z, int32_t N, double *dz)
{
    double sum = 0;
    (void)o;
    for (int32_t j = 0; j < N; j++) {
        double y = wanted(row, j);
        sum -= y * lt_pair_log_sigmoid(z[j]) + (1 - y) * lt_pair_log_sigmoid(-z[j]);
        if (dz)
            dz[j] = (lt_pair_sigmoid(z[j]) - y) / N;
    }
    return sum / N;
}

static double regression(const lt_objective_options *o, const lt_objective_row *row, const float *z, int32_t N, double *dz)
{
    double sum = 0;
    (void)o;
    for (int32_t j = 0; j < N; j++) {
        double e = z[j] - wanted(row, j);
        sum += e * e;
        if (dz)
            dz[j] = 2 * e / N;
    }
    return sum / N;
}

static void weigh_by(row_loss loss, const lt_objective_options *o, const lt_objective_pass *pass)
{
    enum { MOST = 4096 };
    int32_t N = pass->labels;
    double dz[MOST];
    assert(N <= MOST);
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        const float *z = pass->score + row->first_sequence * N;
        loss(o, row, z, N, dz);
        for (int32_t j = 0; j < N; j++)
            pass->score_gradient[row->first_sequence * N + j] = (float)(dz[j] / pass->step_weight);
    }
}

static void measure_by(row_loss loss, const lt_objective_options *o, const lt_objective_pass *pass, bool labelled, lt_objective_sums *sums)
{
    int32_t N = pass->labels;
    for (int64_t i = 0; i < pass->row_count; i++) {
        const lt_objective_row *row = &pass->rows[i];
        const float *z = pass->score + row->first_sequence * N;
        sums->loss.sum += loss(o, row, z, N, NULL);
        sums->loss.count += labelled ? class_weight(o, row->value) : 1;
        if (!labelled)
            continue;
        int32_t best = 0;
        for (int32_t j = 1; j < N; j++)
            best = z[j] > z[best] ? j : best;
        sums->metric[0].sum += best == (int32_t)row->value;
        sums->metric[0].count += 1;
    }
}

static void single_weigh(const lt_objective_options *o, const lt_objective_pass *pass) { weigh_by(single_label, o, pass); }
static void multi_weigh(const lt_objective_options *o, const lt_objective_pass *pass) { weigh_by(multi_label, o, pass); }
static void regression_weigh(const lt_objective_options *o, const lt_objective_pass *pass) { weigh_by(regression, o, pass); }

static void single_measure(const lt_objective_options *o, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    measure_by(single_label, o, pass, true, sums);
}

static void multi_measure(const lt_objective_options *o, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    measure_by(multi_label, o, pass, false, sums);
}

static void regression_measure(const lt_objective_options *o, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    measure_by(regression, o, pass, false, sums);
}

static const char *const metrics[] = {"accuracy", NULL};

const lt_objective lt_objective_classify = {
    .name = "classify",
    .rows = LT_ROW_LABEL,
    .metrics = metrics,
    .head = LT_HEAD_SCORE,
    .row_weight = class_weight,
    .weigh = single_weigh,
    .measure = single_measure,
};

const lt_objective lt_objective_multi_label = {
    .name = "multi_label",
    .rows = LT_ROW_LABEL,
    .head = LT_HEAD_SCORE,
    .weigh = multi_weigh,
    .measure = multi_measure,
};

const lt_objective lt_objective_regression = {
    .name = "regression",
    .rows = LT_ROW_LABEL,
    .head = LT_HEAD_SCORE,
    .weigh = regression_weigh,
    .measure = regression_measure,
};
