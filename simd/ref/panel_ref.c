/* The definition of the panel kernels. Operands are f32; for bf16 compute they hold numbers rounded to bf16. */
#include "simd/sets.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static float rounded(float f, bool bf16)
{
    return bf16 ? lt_bf16_to_f32(lt_f32_to_bf16(f)) : f;
}

/* Element (k, n) of a B operand (depth, cols). */
static int64_t b_index(int depth, int cols, int k, int n)
{
    int panel = n - n % LT_PANEL_COLUMNS;
    return (int64_t)panel * depth + (int64_t)k * lt_panel_width(cols, panel) + (n - panel);
}

/* A from x, element (m, k) at x[m · row + k · column]. */
static void pack_a(const float *x, int64_t row, int64_t column, int M, int K, float *a, int64_t a_stride, bool bf16)
{
    for (int m = 0; m < M; m++)
        for (int k = 0; k < lt_panel_pad_depth(K); k++)
            a[m * a_stride + k] = k < K ? rounded(x[m * row + k * column], bf16) : 0;
}

/* B from x, element (k, n) at x[k · row + n · column]. */
static void pack_b(const float *x, int64_t row, int64_t column, int K, int N, float *b, bool bf16)
{
    const int depth = lt_panel_pad_depth(K), cols = lt_panel_pad_columns(N);
    for (int k = 0; k < depth; k++)
        for (int n = 0; n < cols; n++)
            b[b_index(depth, cols, k, n)] = k < K && n < N ? rounded(x[k * row + n * column], bf16) : 0;
}

static void transpose(const float *x, int64_t x_stride, int rows, int cols, float *y, int64_t y_stride)
{
    for (int c = 0; c < cols; c++)
        for (int r = 0; r < rows; r++)
            y[c * y_stride + r] = x[r * x_stride + c];
}

static void product(const lt_panel_product *p)
{
    const float *a = p->a, *b = p->b;
    assert(p->k0 % 2 == 0 && p->k1 % 2 == 0 && p->k0 < p->k1 && p->k1 <= p->b_depth);
    assert(p->n0 % LT_PANEL_LANES == 0 && p->n1 <= p->b_cols);
    for (int m = 0; m < p->M; m++)
        for (int n = p->n0; n < p->n1; n++) {
            float sum = p->add ? p->c[m * p->c_stride + n] : 0;
            for (int k = p->k0; k < p->k1; k++)
                sum += a[m * p->a_stride + k] * b[b_index(p->b_depth, p->b_cols, k, n)];
            p->c[m * p->c_stride + n] = sum;
        }
}

static void softmax(const lt_panel_softmax *t, bool bf16)
{
    for (int m = 0; m < t->M; m++) {
        const float *s = t->s + m * t->s_stride;
        float *p = (float *)t->p + m * t->p_stride, max = t->max[m], sum = 0;
        for (int n = t->begin[m]; n < t->end[m]; n++)
            max = isnan(s[n]) || s[n] * t->scale > max ? s[n] * t->scale : max;
        for (int n = 0; n < t->N; n++) {
            bool inside = n >= t->begin[m] && n < t->end[m];
            float e = inside ? expf(s[n] * t->scale - max) : 0;
            sum += e;
            p[n] = rounded(e, bf16);
        }
        t->alpha[m] = t->begin[m] < t->end[m] ? expf(t->max[m] - max) : 1;
        t->sum[m] = t->sum[m] * t->alpha[m] + sum;
        t->max[m] = max;
    }
}

static void softmax_backward(const lt_panel_softmax_backward *t, bool bf16)
{
    for (int m = 0; m < lt_panel_pad_depth(t->M); m++)
        for (int n = 0; n < t->N; n++) {
            int64_t at = b_index(t->b_depth, t->N, t->b_row + m, n);
            float p = 0, ds = 0;
            if (m < t->M && n >= t->begin[m] && n < t->end[m]) {
                float z = t->s[m * t->s_stride + n] * t->scale, capped = z * t->cap_inverse;
                p = expf(z - t->lse[m]);
                ds = p * (t->dp[m * t->s_stride + n] - t->delta[m]) * (1 - capped * capped) * t->gradient_scale;
            }
            ((float *)t->p_b)[at] = rounded(p, bf16);
            ((float *)t->ds_b)[at] = rounded(ds, bf16);
            if (m < t->M)
                ((float *)t->ds_a)[m * t->a_stride + n] = rounded(ds, bf16);
        }
}

static void pack_a_f32(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride)
{
    pack_a(x, x_stride, 1, M, K, a, a_stride, false);
}

static void pack_a_bf16(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride)
{
    pack_a(x, x_stride, 1, M, K, a, a_stride, true);
}

static void pack_a_transposed_f32(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride)
{
    pack_a(x, 1, x_stride, M, K, a, a_stride, false);
}

static void pack_a_transposed_bf16(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride)
{
    pack_a(x, 1, x_stride, M, K, a, a_stride, true);
}

static void pack_b_f32(const float *x, int64_t x_stride, int K, int N, void *b)
{
    pack_b(x, x_stride, 1, K, N, b, false);
}

static void pack_b_bf16(const float *x, int64_t x_stride, int K, int N, void *b)
{
    pack_b(x, x_stride, 1, K, N, b, true);
}

static void pack_b_transposed_f32(const float *x, int64_t x_stride, int K, int N, void *b)
{
    pack_b(x, 1, x_stride, K, N, b, false);
}

static void pack_b_transposed_bf16(const float *x, int64_t x_stride, int K, int N, void *b)
{
    pack_b(x, 1, x_stride, K, N, b, true);
}

static void softmax_f32(const lt_panel_softmax *t)
{
    softmax(t, false);
}

static void softmax_bf16(const lt_panel_softmax *t)
{
    softmax(t, true);
}

static void softmax_backward_f32(const lt_panel_softmax_backward *t)
{
    softmax_backward(t, false);
}

static void softmax_backward_bf16(const lt_panel_softmax_backward *t)
{
    softmax_backward(t, true);
}

const lt_panel_kernels lt_ref_panel_f32 = {
    .element_bytes = 4,
    .pack_a = pack_a_f32,
    .pack_a_transposed = pack_a_transposed_f32,
    .pack_b = pack_b_f32,
    .pack_b_transposed = pack_b_transposed_f32,
    .transpose = transpose,
    .product = product,
    .softmax = softmax_f32,
    .softmax_backward = softmax_backward_f32,
};

const lt_panel_kernels lt_ref_panel_bf16 = {
    .element_bytes = 4,
    .pack_a = pack_a_bf16,
    .pack_a_transposed = pack_a_transposed_bf16,
    .pack_b = pack_b_bf16,
    .pack_b_transposed = pack_b_transposed_bf16,
    .transpose = transpose,
    .product = product,
    .softmax = softmax_bf16,
    .softmax_backward = softmax_backward_bf16,
};
