/* Activations and their derivatives against the formulas in double. */
#include "tests/kernels/rows.h"

#include <math.h>

static lt_activation activation; /* of the running comparison */

static double act_value(double x)
{
    switch (activation) {
    case LT_ACT_SILU:
        return x / (1 + exp(-x));
    case LT_ACT_GELU_TANH:
        return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case LT_ACT_GELU_ERF:
        return 0.5 * x * erfc(-x / sqrt(2));
    default:
        return isnan(x) ? NAN : fmax(x, 0);
    }
}

static double act_slope(double x)
{
    double c = sqrt(2 / M_PI), t = tanh(c * (x + 0.044715 * x * x * x));
    switch (activation) {
    case LT_ACT_SILU: {
        double s = 1 / (1 + exp(-x));
        return s * (1 + x * (1 - s));
    }
    case LT_ACT_GELU_TANH:
        return 0.5 * (1 + t) + (fabs(x) < 20 ? 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x) : 0);
    case LT_ACT_GELU_ERF:
        return 0.5 * erfc(-x / sqrt(2)) + (fabs(x) < 40 ? x * exp(-x * x / 2) / sqrt(2 * M_PI) : 0);
    default:
        return x > 0;
    }
}

/* Rows: 0 gate, 1 up, 2 dout, 3 and 4 outputs. An infinite gate may give NaN (inf · 0): only finite ones are compared.
 */
static bool gate_is_finite(const rows *r, int64_t i)
{
    return isfinite(r->before[0][i]) && fabsf(r->before[0][i]) < 1e18f && fabsf(r->before[1][i]) < 1e18f &&
           fabsf(r->before[2][i]) < 1e18f;
}

static void act_row_is(const rows *r, int row, double (*of)(double), int by1, int by2, const char *kernel)
{
    for (int64_t i = 0; i < r->n; i++) {
        double x = r->before[0][i],
               factor = (by1 < 0 ? 1 : r->before[by1][i]) * (by2 < 0 ? 1 : (double)r->before[by2][i]);
        double want = of(x) * factor, got = r->row[row][i];
        if (isnan(x) ? isnan(got) || activation == LT_ACT_RELU : !gate_is_finite(r, i))
            continue;
        double absolute = 4e-7 * fmax(1, fmin(fabs(x), 10)) * fabs(factor) + 1e-37;
        if (!check(near(got, want, 1e-6, absolute), kernel,
                   "activation %d n %d [%d]: of %.9g times %.9g: %.9g, should be %.9g", (int)activation, (int)r->n,
                   (int)i, x, factor, got, want))
            return;
    }
}

static void check_activation(const lt_kernels *set, int64_t n, data_kind kind)
{
    rows r;
    rows_make(&r, n, kind);
    float **p = r.row;
    set->act_forward(activation, p[0], p[1], p[3], n);
    act_row_is(&r, 3, act_value, 1, -1, "act_forward");
    rows_restore(&r);
    set->act_forward(activation, p[0], NULL, p[0], n);
    act_row_is(&r, 0, act_value, -1, -1, "act_forward alone in place");
    rows_restore(&r);
    set->act_forward(activation, p[0], p[1], p[1], n);
    act_row_is(&r, 1, act_value, 1, -1, "act_forward into up");
    rows_restore(&r);
    set->act_backward(activation, p[0], p[1], p[2], p[3], p[4], n);
    act_row_is(&r, 3, act_slope, 1, 2, "act_backward dgate");
    act_row_is(&r, 4, act_value, 2, -1, "act_backward dup");
    rows_restore(&r);
    set->act_backward(activation, p[0], p[1], p[2], p[0], p[1], n);
    act_row_is(&r, 0, act_slope, 1, 2, "act_backward dgate in place");
    act_row_is(&r, 1, act_value, 2, -1, "act_backward dup in place");
    rows_restore(&r);
    set->act_backward(activation, p[0], p[1], p[2], p[2], p[1], n);
    act_row_is(&r, 2, act_slope, 1, 2, "act_backward dgate into dout");
    rows_restore(&r);
    set->act_backward(activation, p[0], p[1], p[2], p[0], p[2], n);
    act_row_is(&r, 2, act_value, 2, -1, "act_backward dup into dout");
    rows_restore(&r);
    set->act_backward(activation, p[0], NULL, p[2], p[3], NULL, n);
    act_row_is(&r, 3, act_slope, 2, -1, "act_backward alone");
    rows_free(&r, "act_backward");
}

/* Values over the range where the functions bend, finely. */
static void check_activation_range(const lt_kernels *set)
{
    enum { N = 3000 };
    static float x[N], value[N], slope[N], one[N];
    for (int i = 0; i < N; i++) {
        x[i] = -15 + 30 * (float)i / N;
        one[i] = 1;
    }
    set->act_forward(activation, x, NULL, value, N);
    set->act_backward(activation, x, NULL, one, slope, NULL, N);
    for (int i = 0; i < N; i++) {
        double v = act_value(x[i]), s = act_slope(x[i]), absolute = 3e-7 * fmax(1, fabs(x[i]));
        check(near(value[i], v, 1e-6, absolute), "act_forward", "%d of %.9g: %.9g for %.9g", (int)activation,
              (double)x[i], (double)value[i], v);
        check(near(slope[i], s, 1e-6, absolute), "act_backward", "%d of %.9g: %.9g for %.9g", (int)activation,
              (double)x[i], (double)slope[i], s);
    }
}

void check_activations(const lt_kernels *set, int64_t n, data_kind kind)
{
    for (activation = LT_ACT_SILU; activation < LT_ACT_COUNT; activation++)
        check_activation(set, n, kind);
}

void check_activation_ranges(const lt_kernels *set)
{
    for (activation = LT_ACT_SILU; activation < LT_ACT_COUNT; activation++)
        check_activation_range(set);
}
