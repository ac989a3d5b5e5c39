/* Adafactor (Shazeer & Stern 2018, arXiv 1804.04235) as transformers' trainer runs it: the learning rate is the schedule's
 * (no relative steps, no scaling by the parameter), no first moment, decay 1 - t^-0.8, updates clipped to a root mean square of 1.
 *
 *     matrices (…, M, N)    r ← β r + (1-β) mean over N of (g² + ε)     c ← β c + (1-β) mean over M of (g² + ε)
 *                           u = g / sqrt(r / mean(r)) / sqrt(c)
 *     vectors               v ← β v + (1-β) (g² + ε)                    u = g / sqrt(v)
 *     p ← p (1 - λ η) - η u / max(1, rms(u)) */
#include <math.h>

#include "train/optimizer.h"

static const double EPSILON = 1e-30, DECAY = -0.8, CLIP = 1.0;

/* A tensor as so many matrices (M,N); vectors are not factored. */
typedef struct form {
    int64_t matrices, M, N;
} form;

static form form_of(const lt_param *p)
{
    form f = {.matrices = 1, .M = 1, .N = p->elements};
    if (p->dims >= 2) {
        f.N = p->shape[p->dims - 1];
        f.M = p->shape[p->dims - 2];
        f.matrices = f.M > 0 && f.N > 0 ? p->elements / (f.M * f.N) : 0;
    }
    return f;
}

static int64_t adafactor_state_elements(const lt_param *param, int s)
{
    form f = form_of(param);
    if (param->dims < 2)
        return s == 2 ? param->elements : 0;
    return s == 0 ? f.matrices * f.M : s == 1 ? f.matrices * f.N : 0;
}

/* Row and column means of the squares, mixed into the state. */
static void track_matrix(const float *g, float scale, int64_t M, int64_t N, float beta, float *row, float *column)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < M; i++) {
        double sum = 0;
        for (int64_t j = 0; j < N; j++) {
            float x = g[i * N + j] * scale;
            sum += (double)(x * x) + EPSILON;
        }
        row[i] = row[i] * beta + (float)(sum / (double)N) * (1 - beta);
    }
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < N; j++) {
        double sum = 0;
        for (int64_t i = 0; i < M; i++) {
            float x = g[i * N + j] * scale;
            sum += (double)(x * x) + EPSILON;
        }
        column[j] = column[j] * beta + (float)(sum / (double)M) * (1 - beta);
    }
}

static double mean(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* u of one matrix over g, in place. */
static void scale_matrix(float *g, float scale, int64_t M, int64_t N, const float *row, const float *column)
{
    double rows = mean(row, M);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < M; i++) {
        float r = (float)(1.0 / sqrt((double)row[i] / rows)) * scale;
        for (int64_t j = 0; j < N; j++)
            g[i * N + j] *= r / sqrtf(column[j]);
    }
}

static void scale_vector(float *g, float scale, int64_t n, float beta, float *v)
{
    for (int64_t i = 0; i < n; i++) {
        float x = g[i] * scale;
        v[i] = v[i] * beta + (x * x + (float)EPSILON) * (1 - beta);
        g[i] = x / sqrtf(v[i]);
    }
}

/* Sum of squares, in pieces of fixed size whatever the number of threads. */
static double squares(const float *x, int64_t n, double *partial, int64_t pieces)
{
    int64_t size = (n + pieces - 1) / pieces;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < pieces; p++) {
        double sum = 0;
        for (int64_t i = p * size; i < n && i < (p + 1) * size; i++)
            sum += (double)x[i] * x[i];
        partial[p] = sum;
    }
    double sum = 0;
    for (int64_t p = 0; p < pieces; p++)
        sum += partial[p];
    return sum;
}

/* The gradient becomes the update: nothing reads it afterwards, and no second array is needed. */
static void adafactor_update_tensor(const lt_optimizer *optimizer, const lt_param *param, float *const *state,
                                    const lt_optimizer_step *step)
{
    enum { PIECES = 64 };
    form f = form_of(param);
    double partial[PIECES];
    const float beta = (float)(1.0 - pow((double)step->number, DECAY)), scale = (float)step->gradient_scale;
    const float rate = (float)(step->learning_rate * param->learning_rate_scale);
    float *g = param->gradient;
    if (param->dims < 2) {
        scale_vector(g, scale, param->elements, beta, state[2]);
    } else {
        for (int64_t m = 0; m < f.matrices; m++) {
            track_matrix(g + m * f.M * f.N, scale, f.M, f.N, beta, state[0] + m * f.M, state[1] + m * f.N);
            scale_matrix(g + m * f.M * f.N, scale, f.M, f.N, state[0] + m * f.M, state[1] + m * f.N);
        }
    }
    double rms = sqrt(squares(g, param->elements, partial, PIECES) / (double)param->elements);
    float factor = rate / (float)fmax(1.0, rms / CLIP);
    float shrink = 1.0f - rate * (param->decay ? (float)optimizer->options.weight_decay : 0.0f);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < param->elements; i++)
        param->value[i] = param->value[i] * shrink - factor * g[i];
}

static const char *const adafactor_states[] = {"exp_avg_sq_row", "exp_avg_sq_col", "exp_avg_sq", NULL};

const lt_optimizer_kind lt_optimizer_adafactor = {
    .name = "adafactor",
    .states = adafactor_states,
    .state_elements = adafactor_state_elements,
    .update_tensor = adafactor_update_tensor,
};
