/* RMSNorm and LayerNorm. With x̂ = (x - mean) r (mean = 0 for rms), g = dy · w and n = width:
 *
 *     dx = r (g - x̂ Σ(g x̂) / n - Σ(g) / n)     the last term for LayerNorm alone
 *     dw = Σ_t dy x̂        db = Σ_t dy
 *
 * A row is worked on in blocks that live on the stack, so dx may be dy. */
#include "nn/norm.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/threads.h"

enum {
    BLOCK = 512,       /* elements of a row at once */
    GROUPS = 64,       /* partial sums of the weight gradient: no more threads than this share its work */
    GROUP_MIN_ROWS = 8 /* fewer rows are not worth a partial sum */
};

typedef struct row_statistics {
    float mean, r; /* r = 1 / standard deviation, or 1 / rms */
} row_statistics;

static int64_t block_length(int64_t width, int64_t start)
{
    return width - start < BLOCK ? width - start : BLOCK;
}

/* centred = x - mean over one block; x itself where the mean is zero by definition. */
static const float *centre(const lt_norm *norm, const float *x, float mean, float *space, int64_t n)
{
    if (norm->kind != LT_NORM_LAYER)
        return x;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        space[i] = x[i] - mean;
    return space;
}

static row_statistics measure(const lt_norm *norm, const lt_kernels *kernels, const float *x)
{
    row_statistics row = {0};
    double squares = 0;
    float space[BLOCK];
    if (norm->kind == LT_NORM_LAYER)
        row.mean = kernels->sum(x, norm->width) / (float)norm->width;
    for (int64_t i = 0; i < norm->width; i += BLOCK) {
        int64_t n = block_length(norm->width, i);
        squares += kernels->sum_squares(centre(norm, x + i, row.mean, space, n), n);
    }
    row.r = (float)(1.0 / sqrt(squares / (double)norm->width + (double)norm->epsilon));
    return row;
}

/* g = dy · w, with Gemma's w + 1. */
static void times_weight(const lt_norm *norm, const lt_kernels *kernels, const float *dy, int64_t at, float *g,
                         int64_t n)
{
    kernels->multiply(g, dy, norm->weight + at, n);
    if (norm->kind == LT_NORM_RMS_PLUS_ONE)
        kernels->axpy(g, 1.0f, dy, n);
}

static void forward_row(const lt_norm *norm, const lt_kernels *kernels, const float *x, float *y)
{
    row_statistics row = measure(norm, kernels, x);
    float space[BLOCK], normal[BLOCK];
    for (int64_t i = 0; i < norm->width; i += BLOCK) {
        int64_t n = block_length(norm->width, i);
        memcpy(normal, centre(norm, x + i, row.mean, space, n), (size_t)n * sizeof(float));
        kernels->scale(normal, row.r, n);
        times_weight(norm, kernels, normal, i, y + i, n);
        if (norm->bias)
            kernels->axpy(y + i, 1.0f, norm->bias + i, n);
    }
}

void lt_norm_forward(const lt_norm *norm, const float *x, int64_t x_stride, float *y, int64_t y_stride, int64_t T)
{
    const lt_kernels *kernels = lt_kernels_get();
    assert(norm->weight && norm->width > 0);
#pragma omp parallel for schedule(static) if (T * norm->width > 16384)
    for (int64_t t = 0; t < T; t++)
        forward_row(norm, kernels, x + t * x_stride, y + t * y_stride);
}

/* The two sums over a row that dx needs: Σ g and Σ g (x - mean). */
static void row_sums(const lt_norm *norm, const lt_kernels *kernels, const float *x, float mean, const float *dy,
                     float *sum_g, float *sum_gx)
{
    double g_total = 0, gx_total = 0;
    float space[BLOCK], g[BLOCK];
    for (int64_t i = 0; i < norm->width; i += BLOCK) {
        int64_t n = block_length(norm->width, i);
        times_weight(norm, kernels, dy + i, i, g, n);
        gx_total += kernels->dot(g, centre(norm, x + i, mean, space, n), n);
        if (norm->kind == LT_NORM_LAYER)
            g_total += kernels->sum(g, n);
    }
    *sum_g = (float)g_total;
    *sum_gx = (float)gx_total;
}

/* out = accumulate ? out + a g + b x + c : a g + b x + c */
static void combine(float *out, bool accumulate, const float *g, float a, const float *x, float b, float c, int64_t n)
{
    if (accumulate) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            out[i] += a * g[i] + b * x[i] + c;
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            out[i] = a * g[i] + b * x[i] + c;
    }
}

static void backward_row(const lt_norm *norm, const lt_kernels *kernels, const float *x, const float *dy, float *dx,
                         bool accumulate, float *dweight, float *dbias)
{
    row_statistics row = measure(norm, kernels, x);
    const float n_inverse = 1.0f / (float)norm->width, r = row.r;
    float sum_g, sum_gx, space[BLOCK], g[BLOCK];
    row_sums(norm, kernels, x, row.mean, dy, &sum_g, &sum_gx);
    for (int64_t i = 0; i < norm->width; i += BLOCK) {
        int64_t n = block_length(norm->width, i);
        const float *centred = centre(norm, x + i, row.mean, space, n);
        if (dbias)
            kernels->axpy(dbias + i, 1.0f, dy + i, n);
        if (dweight) {
            kernels->multiply(g, dy + i, centred, n);
            kernels->axpy(dweight + i, r, g, n);
        }
        times_weight(norm, kernels, dy + i, i, g, n);
        combine(dx + i, accumulate, g, r, centred, -r * r * r * sum_gx * n_inverse, -r * sum_g * n_inverse, n);
    }
}

/* Rows are cut into groups by their number alone; each group is summed by one thread, then the groups in order. */
static int64_t rows_per_group(int64_t T)
{
    int64_t rows = (T + GROUPS - 1) / GROUPS;
    return rows < GROUP_MIN_ROWS ? GROUP_MIN_ROWS : rows;
}

static void add_groups(const lt_kernels *kernels, const float *partial, int64_t groups, int64_t group_stride,
                       float *total, int64_t width)
{
#pragma omp parallel for schedule(static) if (groups * width > 16384)
    for (int64_t i = 0; i < width; i += BLOCK)
        for (int64_t group = 0; group < groups; group++)
            kernels->axpy(total + i, 1.0f, partial + group * group_stride + i, block_length(width, i));
}

void lt_norm_backward(const lt_norm *norm, const float *x, int64_t x_stride, const float *dy, int64_t dy_stride,
                      float *dx, int64_t dx_stride, bool accumulate, float *dweight, float *dbias, int64_t T,
                      void *scratch)
{
    const lt_kernels *kernels = lt_kernels_get();
    const bool summing = dweight || dbias;
    const int64_t rows = summing ? rows_per_group(T) : 1, groups = (T + rows - 1) / rows;
    const int64_t group_stride = lt_norm_scratch_bytes(norm->width) / GROUPS / (int64_t)sizeof(float);
    float *partial = scratch;
    assert(norm->weight && norm->width > 0 && (!summing || scratch));

#pragma omp parallel for schedule(static) if (T * norm->width > 16384)
    for (int64_t group = 0; group < groups; group++) {
        float *weight_sum = NULL, *bias_sum = NULL;
        if (summing) {
            float *sums = partial + group * group_stride;
            memset(sums, 0, (size_t)group_stride * sizeof(float));
            weight_sum = dweight ? sums : NULL;
            bias_sum = dbias ? sums + norm->width : NULL;
        }
        int64_t end = (group + 1) * rows < T ? (group + 1) * rows : T;
        for (int64_t t = group * rows; t < end; t++)
            backward_row(norm, kernels, x + t * x_stride, dy + t * dy_stride, dx + t * dx_stride, accumulate,
                         weight_sum, bias_sum);
    }
    if (dweight)
        add_groups(kernels, partial, groups, group_stride, dweight, norm->width);
    if (dbias)
        add_groups(kernels, partial + norm->width, groups, group_stride, dbias, norm->width);
}

int64_t lt_norm_scratch_bytes(int64_t width)
{
    return GROUPS * lt_align_up(2 * width * (int64_t)sizeof(float));
}
