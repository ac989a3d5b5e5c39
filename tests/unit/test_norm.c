#include "each_set.h"
#include "gradcheck.h"

#include <string.h>

#include "core/threads.h"
#include "nn/norm.h"

enum { T = 5, MAX_WIDTH = 1100 };

typedef struct norm_case {
    lt_norm norm;
    float weight[MAX_WIDTH], bias[MAX_WIDTH];
    float x[T * MAX_WIDTH], dy[T * MAX_WIDTH];
} norm_case;

static norm_case *make_case(lt_norm_kind kind, int64_t width)
{
    norm_case *c = calloc(1, sizeof *c);
    gradcheck_normal(c->weight, width, 1, 1);
    gradcheck_normal(c->bias, width, 2, 1);
    gradcheck_normal(c->x, T * width, 3, 2);
    gradcheck_normal(c->dy, T * width, 4, 1);
    for (int64_t i = 0; i < T * width; i++)
        c->x[i] += 0.5f;
    c->norm = (lt_norm){kind, 1e-5f, width, c->weight, kind == LT_NORM_LAYER ? c->bias : NULL};
    return c;
}

/* The formulas of norm.h in double, written out. */
static void reference(const norm_case *c, double *y, double *dx, double *dw, double *db)
{
    const int64_t n = c->norm.width;
    const bool layer = c->norm.kind == LT_NORM_LAYER;
    memset(dw, 0, (size_t)n * sizeof(double));
    memset(db, 0, (size_t)n * sizeof(double));
    for (int64_t t = 0; t < T; t++) {
        const float *x = c->x + t * n, *dy = c->dy + t * n;
        double mean = 0, variance = 0, sum_g = 0, sum_gx = 0;
        for (int64_t i = 0; i < n && layer; i++)
            mean += x[i] / (double)n;
        for (int64_t i = 0; i < n; i++)
            variance += (x[i] - mean) * (x[i] - mean) / (double)n;
        double r = 1 / sqrt(variance + 1e-5f);
        for (int64_t i = 0; i < n; i++) {
            double w = c->weight[i] + (c->norm.kind == LT_NORM_RMS_PLUS_ONE), hat = (x[i] - mean) * r;
            y[t * n + i] = hat * w + (c->norm.bias ? c->bias[i] : 0);
            dw[i] += dy[i] * hat;
            db[i] += dy[i];
            sum_g += dy[i] * w;
            sum_gx += dy[i] * w * hat;
        }
        for (int64_t i = 0; i < n; i++) {
            double w = c->weight[i] + (c->norm.kind == LT_NORM_RMS_PLUS_ONE), hat = (x[i] - mean) * r;
            dx[t * n + i] = r * (dy[i] * w - hat * sum_gx / (double)n - (layer ? sum_g / (double)n : 0));
        }
    }
}

static void compare_with_reference(lt_norm_kind kind, int64_t width)
{
    norm_case *c = make_case(kind, width);
    size_t n = (size_t)(T * width);
    double *y_ref = calloc(n, sizeof(double)), *dx_ref = calloc(n, sizeof(double));
    double *dw_ref = calloc(n, sizeof(double)), *db_ref = calloc(n, sizeof(double));
    float *y = calloc(n, sizeof(float)), *dx = calloc(n, sizeof(float)), *dw = calloc(n, sizeof(float));
    float *db = calloc(n, sizeof(float)), *scratch = malloc((size_t)lt_norm_scratch_bytes(width));
    reference(c, y_ref, dx_ref, dw_ref, db_ref);
    lt_norm_forward(&c->norm, c->x, width, y, width, T);
    lt_norm_backward(&c->norm, c->x, width, c->dy, width, dx, width, false, dw, db, T, scratch);
    cr_assert_lt(relative_distance(y, y_ref, T * width), 5e-7);
    cr_assert_lt(relative_distance(dx, dx_ref, T * width), 1e-6);
    cr_assert_lt(relative_distance(dw, dw_ref, width), 1e-6);
    cr_assert_lt(relative_distance(db, db_ref, width), 1e-6);
    free(c), free(y_ref), free(dx_ref), free(dw_ref), free(db_ref);
    free(y), free(dx), free(dw), free(db), free(scratch);
}

EachSetTest(norm, agrees_with_the_formulas_in_double)
{
    static const int64_t widths[] = {3, 7, 64, 513, 1024, 1100};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        compare_with_reference(LT_NORM_RMS, widths[i]);
        compare_with_reference(LT_NORM_RMS_PLUS_ONE, widths[i]);
        compare_with_reference(LT_NORM_LAYER, widths[i]);
    }
}

/* loss = Σ dy · norm(x), so that its gradient is what the backward pass gives for dy. */
static double loss_of_x(const float *x, void *context)
{
    norm_case *c = context;
    float y[T * MAX_WIDTH];
    lt_norm_forward(&c->norm, x, c->norm.width, y, c->norm.width, T);
    return gradcheck_dot(y, c->dy, T * c->norm.width);
}

static double loss_of_weight(const float *weight, void *context)
{
    norm_case *c = context;
    lt_norm norm = c->norm;
    float y[T * MAX_WIDTH];
    norm.weight = weight;
    lt_norm_forward(&norm, c->x, norm.width, y, norm.width, T);
    return gradcheck_dot(y, c->dy, T * norm.width);
}

EachSetTest(norm, gradients_match_finite_differences)
{
    for (int kind = LT_NORM_RMS; kind <= LT_NORM_LAYER; kind++) {
        norm_case *c = make_case((lt_norm_kind)kind, 33);
        float dx[T * 33], dw[33] = {0}, db[33] = {0}, *scratch = malloc((size_t)lt_norm_scratch_bytes(33));
        lt_norm_backward(&c->norm, c->x, 33, c->dy, 33, dx, 33, false, dw, db, T, scratch);
        gradcheck_directions(loss_of_x, c, c->x, T * 33, dx, 3e-3, 1e-3, 4);
        gradcheck_elements(loss_of_x, c, c->x, T * 33, dx, 1e-2, 2e-3, 1);
        gradcheck_directions(loss_of_weight, c, c->weight, 33, dw, 1e-2, 1e-3, 4);
        free(scratch);
        free(c);
    }
}

EachSetTest(norm, adds_to_dx_and_works_in_place)
{
    norm_case *c = make_case(LT_NORM_RMS, 700);
    float *dx = calloc(T * 700, sizeof(float)), *sum = malloc(sizeof(float) * T * 700),
          *y = calloc(T * 700, sizeof(float));
    lt_norm_backward(&c->norm, c->x, 700, c->dy, 700, dx, 700, false, NULL, NULL, T, NULL);
    memcpy(sum, c->dy, sizeof(float) * T * 700);
    lt_norm_backward(&c->norm, c->x, 700, sum, 700, sum, 700, true, NULL, NULL, T, NULL);
    for (int i = 0; i < T * 700; i++)
        cr_assert_float_eq(sum[i], c->dy[i] + dx[i], 1e-5);
    lt_norm_forward(&c->norm, c->x, 700, y, 700, T);
    lt_norm_forward(&c->norm, c->x, 700, c->x, 700, T);
    cr_assert_eq(memcmp(c->x, y, sizeof(float) * T * 700), 0);
    free(dx), free(sum), free(y), free(c);
}

EachSetTest(norm, gives_the_same_weight_gradient_for_any_number_of_threads)
{
    enum { ROWS = 1203, WIDTH = 96 };
    float *x = malloc(sizeof(float) * ROWS * WIDTH), *dy = malloc(sizeof(float) * ROWS * WIDTH), w[WIDTH];
    float *dx = malloc(sizeof(float) * ROWS * WIDTH), first[2 * WIDTH], again[2 * WIDTH],
          *scratch = malloc((size_t)lt_norm_scratch_bytes(WIDTH));
    gradcheck_normal(x, ROWS * WIDTH, 5, 1);
    gradcheck_normal(dy, ROWS * WIDTH, 6, 1);
    gradcheck_normal(w, WIDTH, 7, 1);
    lt_norm norm = {LT_NORM_LAYER, 1e-6f, WIDTH, w, NULL};
    for (int threads = 1; threads <= 5; threads += 2) {
        float *sums = threads == 1 ? first : again;
        memset(sums, 0, sizeof first);
        lt_threads_set(threads);
        lt_norm_backward(&norm, x, WIDTH, dy, WIDTH, dx, WIDTH, false, sums, sums + WIDTH, ROWS, scratch);
        if (threads > 1)
            cr_assert_eq(memcmp(first, again, sizeof first), 0);
    }
    free(x), free(dy), free(dx), free(scratch);
}
