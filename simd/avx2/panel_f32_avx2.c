/* Panel kernels (simd/panel.h) with AVX2 and FMA: operands are f32, rounded to bf16 for bf16 compute.
 *
 * Tile: 6 rows x 2 vectors, as the gemm's. The softmax is that of simd/avx512/panel_softmax_avx512.h on 8 lanes. */
#include <math.h>

#include "simd/avx2/gemm_pack_avx2.h"
#include "simd/avx2/math_avx2.h"
#include "simd/sets.h"

enum { TILE_VECTORS = 2, TILE_COLUMNS = TILE_VECTORS * LT_LANES };

static const float LOG2_E = 1.44269504f;

LT_INLINE __m256 load(const float *from, int count)
{
    return count >= LT_LANES ? _mm256_loadu_ps(from) : lt_load_part(from, count > 0 ? count : 0);
}

LT_INLINE void store(float *to, __m256 value, int count)
{
    if (count >= LT_LANES)
        _mm256_storeu_ps(to, value);
    else if (count > 0)
        lt_store_part(to, value, count);
}

LT_INLINE __m256 rounded(__m256 value, bool bf16)
{
    return bf16 ? _mm256_castsi256_ps(lt_bf16_round(value)) : value;
}

/* ---- products ---- */

/* One tile: `words` words of K, b_step floats from one word of B to the next, `cols` columns. */
LT_INLINE void tile(int rows, const lt_panel_product *p, const float *a, const float *b, int b_step, float *c, int cols)
{
    __m256 sum[6][TILE_VECTORS];
    LT_UNROLL
    for (int r = 0; r < rows; r++) {
        LT_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            sum[r][v] = p->add ? load(c + r * p->c_stride + v * LT_LANES, cols - v * LT_LANES) : _mm256_setzero_ps();
    }
    for (int k = p->k0; k < p->k1; k++, a++, b += b_step) {
        __m256 column[TILE_VECTORS];
        LT_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            column[v] = _mm256_loadu_ps(b + v * LT_LANES);
        LT_UNROLL
        for (int r = 0; r < rows; r++) {
            __m256 word = _mm256_broadcast_ss(a + r * p->a_stride);
            LT_UNROLL
            for (int v = 0; v < TILE_VECTORS; v++)
                sum[r][v] = _mm256_fmadd_ps(word, column[v], sum[r][v]);
        }
    }
    LT_UNROLL
    for (int r = 0; r < rows; r++) {
        LT_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            store(c + r * p->c_stride + v * LT_LANES, sum[r][v], cols - v * LT_LANES);
    }
}

static void product(const lt_panel_product *p)
{
    for (int n = p->n0; n < p->n1; n += TILE_COLUMNS) {
        const int panel = n & ~(LT_PANEL_COLUMNS - 1), width = lt_panel_width(p->b_cols, panel);
        const int cols = lt_at_most(p->n1 - n, TILE_COLUMNS);
        const float *b = (const float *)p->b + (int64_t)panel * p->b_depth + (int64_t)p->k0 * width + (n - panel);
        const float *a = (const float *)p->a + p->k0;
        float *c = p->c + n;
        int rows = p->M;
        for (; rows >= 6; rows -= 6, a += 6 * p->a_stride, c += 6 * p->c_stride)
            tile(6, p, a, b, width, c, cols);
        for (; rows >= 2; rows -= 2, a += 2 * p->a_stride, c += 2 * p->c_stride)
            tile(2, p, a, b, width, c, cols);
        if (rows)
            tile(1, p, a, b, width, c, cols);
    }
}

/* ---- packing ---- */

LT_INLINE void pack_a(const float *x, int64_t x_stride, int M, int K, float *a, int64_t a_stride, bool bf16)
{
    const int depth = lt_panel_pad_depth(K);
    for (int m = 0; m < M; m++)
        for (int k = 0; k < depth; k += LT_LANES)
            store(a + m * a_stride + k, rounded(load(x + m * x_stride + k, K - k), bf16), depth - k);
}

/* An 8 x 8 square of x turned round: rows r … of `rows`, columns c … of `cols`; zeros where there are none. */
LT_INLINE void load_turned(const float *x, int64_t x_stride, int rows, int cols, __m256 square[LT_LANES])
{
    for (int i = 0; i < LT_LANES; i++)
        square[i] = i < rows ? load(x + i * x_stride, cols) : _mm256_setzero_ps();
    lt_transpose_words(square);
}

LT_INLINE void pack_a_transposed(const float *x, int64_t x_stride, int M, int K, float *a, int64_t a_stride, bool bf16)
{
    const int depth = lt_panel_pad_depth(K);
    for (int m = 0; m < M; m += LT_LANES)
        for (int k = 0; k < depth; k += LT_LANES) {
            __m256 square[LT_LANES];
            load_turned(x + k * x_stride + m, x_stride, K - k, M - m, square);
            for (int r = 0; r < LT_LANES && m + r < M; r++)
                store(a + (m + r) * a_stride + k, rounded(square[r], bf16), depth - k);
        }
}

LT_INLINE void pack_b(const float *x, int64_t x_stride, int K, int N, float *b, bool bf16)
{
    const int depth = lt_panel_pad_depth(K), cols = lt_panel_pad_columns(N);
    for (int panel = 0; panel < cols; panel += LT_PANEL_COLUMNS) {
        const int width = lt_panel_width(cols, panel);
        for (int k = 0; k < depth; k++)
            for (int n = panel; n < panel + width; n += LT_LANES, b += LT_LANES)
                _mm256_storeu_ps(b, rounded(load(x + k * x_stride + n, k < K ? N - n : 0), bf16));
    }
}

LT_INLINE void pack_b_transposed(const float *x, int64_t x_stride, int K, int N, float *b, bool bf16)
{
    const int depth = lt_panel_pad_depth(K), cols = lt_panel_pad_columns(N);
    for (int n = 0; n < cols; n += LT_LANES) {
        const int panel = n & ~(LT_PANEL_COLUMNS - 1), width = lt_panel_width(cols, panel);
        float *out = b + (int64_t)panel * depth + (n - panel);
        for (int k = 0; k < depth; k += LT_LANES, out += LT_LANES * width) {
            __m256 square[LT_LANES];
            load_turned(x + n * x_stride + k, x_stride, N - n, K - k, square);
            for (int w = 0; w < LT_LANES && k + w < depth; w++)
                _mm256_storeu_ps(out + w * width, rounded(square[w], bf16));
        }
    }
}

static void transpose(const float *x, int64_t x_stride, int rows, int cols, float *y, int64_t y_stride)
{
    for (int r = 0; r < rows; r += LT_LANES)
        for (int c = 0; c < cols; c += LT_LANES) {
            __m256 square[LT_LANES];
            load_turned(x + r * x_stride + c, x_stride, rows - r, cols - c, square);
            for (int i = 0; i < LT_LANES && c + i < cols; i++)
                store(y + (c + i) * y_stride + r, square[i], rows - r);
        }
}

/* ---- softmax ---- */

/* 2^t for t up to 127; NaN stays NaN, and what is below 2^-126 becomes about that. */
LT_INLINE __m256 exp2_vector(__m256 t)
{
    t = lt_clamp(t, -126, 127);
    __m256i whole = _mm256_cvtps_epi32(t);
    __m256 f = _mm256_sub_ps(t, _mm256_cvtepi32_ps(whole));
    __m256 y = _mm256_fmadd_ps(_mm256_set1_ps(0x1.5c08e6p-10f), f, _mm256_set1_ps(0x1.3d0c54p-7f));
    y = _mm256_fmadd_ps(y, f, _mm256_set1_ps(0x1.c6b6e4p-5f));
    y = _mm256_fmadd_ps(y, f, _mm256_set1_ps(0x1.ebf918p-3f));
    y = _mm256_fmadd_ps(y, f, _mm256_set1_ps(0x1.62e428p-1f));
    y = _mm256_fmadd_ps(y, f, _mm256_set1_ps(0x1.000002p+0f));
    return _mm256_mul_ps(y, lt_power_of_two(whole));
}

/* All ones in those of the 8 columns from n on that are in begin … end - 1. */
LT_INLINE __m256 inside(int n, int begin, int end)
{
    __m256i column = _mm256_add_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_cmpgt_epi32(column, _mm256_set1_epi32(begin - 1)),
                                                _mm256_cmpgt_epi32(_mm256_set1_epi32(end), column)));
}

LT_INLINE float largest(__m256 v)
{
    float lanes[LT_LANES], max = -INFINITY;
    _mm256_storeu_ps(lanes, v);
    for (int i = 0; i < LT_LANES; i++)
        max = lanes[i] > max ? lanes[i] : max;
    return max;
}

LT_INLINE float total(__m256 v)
{
    float lanes[LT_LANES];
    _mm256_storeu_ps(lanes, v);
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

LT_INLINE void softmax_row(const lt_panel_softmax *t, int m, bool whole, bool bf16)
{
    const float *s = t->s + m * t->s_stride;
    float *p = (float *)t->p + m * t->p_stride;
    __m256 high = _mm256_set1_ps(-INFINITY), sum = _mm256_setzero_ps();
    for (int n = 0; n < t->N; n += LT_LANES) {
        __m256 v = _mm256_loadu_ps(s + n);
        high = _mm256_max_ps(high, whole ? v : _mm256_blendv_ps(high, v, inside(n, t->begin[m], t->end[m])));
    }
    const float max = fmaxf(t->max[m], largest(high) * t->scale);
    const __m256 factor = _mm256_set1_ps(t->scale * LOG2_E), shift = _mm256_set1_ps(max * LOG2_E);
    for (int n = 0; n < t->N; n += LT_LANES) {
        __m256 e = exp2_vector(_mm256_fmsub_ps(_mm256_loadu_ps(s + n), factor, shift));
        if (!whole)
            e = _mm256_and_ps(e, inside(n, t->begin[m], t->end[m]));
        sum = _mm256_add_ps(sum, e);
        _mm256_storeu_ps(p + n, rounded(e, bf16));
    }
    t->alpha[m] = t->max[m] == max ? 1 : exp2f((t->max[m] - max) * LOG2_E);
    t->sum[m] = t->sum[m] * t->alpha[m] + total(sum);
    t->max[m] = max;
}

LT_INLINE void softmax(const lt_panel_softmax *t, bool bf16)
{
    for (int m = 0; m < t->M; m++) {
        if (t->begin[m] <= 0 && t->end[m] >= t->N) {
            softmax_row(t, m, true, bf16);
        } else if (t->begin[m] < t->end[m]) {
            softmax_row(t, m, false, bf16);
        } else {
            memset((float *)t->p + m * t->p_stride, 0, (size_t)t->N * sizeof(float));
            t->alpha[m] = 1;
        }
    }
}

/* 8 columns of row m: p, and ds. */
LT_INLINE __m256 back_vector(const lt_panel_softmax_backward *t, int m, int n, bool whole, __m256 *ds)
{
    __m256 s = _mm256_loadu_ps(t->s + m * t->s_stride + n), dp = _mm256_loadu_ps(t->dp + m * t->s_stride + n);
    __m256 p = exp2_vector(_mm256_fmsub_ps(s, _mm256_set1_ps(t->scale * LOG2_E), _mm256_set1_ps(t->lse[m] * LOG2_E)));
    __m256 slope = _mm256_mul_ps(_mm256_sub_ps(dp, _mm256_set1_ps(t->delta[m])), _mm256_set1_ps(t->gradient_scale));
    __m256 z = _mm256_mul_ps(s, _mm256_set1_ps(t->scale * t->cap_inverse));
    slope = _mm256_mul_ps(slope, _mm256_fnmadd_ps(z, z, _mm256_set1_ps(1)));
    *ds = _mm256_mul_ps(p, slope);
    if (whole)
        return p;
    __m256 mask = inside(n, t->begin[m], t->end[m]);
    *ds = _mm256_and_ps(*ds, mask);
    return _mm256_and_ps(p, mask);
}

LT_INLINE void back_row(const lt_panel_softmax_backward *t, int m, bool whole, bool bf16)
{
    float *p_b = t->p_b, *ds_b = t->ds_b, *ds_a = (float *)t->ds_a + m * t->a_stride;
    for (int panel = 0; panel < t->N; panel += LT_PANEL_COLUMNS) {
        const int width = lt_panel_width(t->N, panel);
        const int64_t row = (int64_t)panel * t->b_depth + (int64_t)(t->b_row + m) * width;
        for (int n = panel; n < panel + width; n += LT_LANES) {
            __m256 p = _mm256_setzero_ps(), ds = p;
            if (whole || (n < t->end[m] && n + LT_LANES > t->begin[m]))
                p = back_vector(t, m, n, whole, &ds);
            ds = rounded(ds, bf16);
            _mm256_storeu_ps(p_b + row + (n - panel), rounded(p, bf16));
            _mm256_storeu_ps(ds_b + row + (n - panel), ds);
            _mm256_storeu_ps(ds_a + n, ds);
        }
    }
}

/* The row of zeros behind an odd last one. */
LT_INLINE void back_padding(const lt_panel_softmax_backward *t)
{
    for (int panel = 0; panel < t->N; panel += LT_PANEL_COLUMNS) {
        const int width = lt_panel_width(t->N, panel);
        const int64_t row = (int64_t)panel * t->b_depth + (int64_t)(t->b_row + t->M) * width;
        memset((float *)t->p_b + row, 0, (size_t)width * sizeof(float));
        memset((float *)t->ds_b + row, 0, (size_t)width * sizeof(float));
    }
}

LT_INLINE void softmax_backward(const lt_panel_softmax_backward *t, bool bf16)
{
    for (int m = 0; m < t->M; m++)
        if (t->begin[m] <= 0 && t->end[m] >= t->N)
            back_row(t, m, true, bf16);
        else
            back_row(t, m, false, bf16);
    if (t->M % 2)
        back_padding(t);
}

#define KERNELS(object, name, bf16)                                                                                    \
    static void pack_a_##name(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride)               \
    {                                                                                                                  \
        pack_a(x, x_stride, M, K, a, a_stride, bf16);                                                                  \
    }                                                                                                                  \
    static void pack_a_transposed_##name(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride)    \
    {                                                                                                                  \
        pack_a_transposed(x, x_stride, M, K, a, a_stride, bf16);                                                       \
    }                                                                                                                  \
    static void pack_b_##name(const float *x, int64_t x_stride, int K, int N, void *b)                                 \
    {                                                                                                                  \
        pack_b(x, x_stride, K, N, b, bf16);                                                                            \
    }                                                                                                                  \
    static void pack_b_transposed_##name(const float *x, int64_t x_stride, int K, int N, void *b)                      \
    {                                                                                                                  \
        pack_b_transposed(x, x_stride, K, N, b, bf16);                                                                 \
    }                                                                                                                  \
    static void softmax_##name(const lt_panel_softmax *t)                                                              \
    {                                                                                                                  \
        softmax(t, bf16);                                                                                              \
    }                                                                                                                  \
    static void softmax_backward_##name(const lt_panel_softmax_backward *t)                                            \
    {                                                                                                                  \
        softmax_backward(t, bf16);                                                                                     \
    }                                                                                                                  \
    const lt_panel_kernels object = {                                                                                  \
        .element_bytes = 4,                                                                                            \
        .pack_a = pack_a_##name,                                                                                       \
        .pack_a_transposed = pack_a_transposed_##name,                                                                 \
        .pack_b = pack_b_##name,                                                                                       \
        .pack_b_transposed = pack_b_transposed_##name,                                                                 \
        .transpose = transpose,                                                                                        \
        .product = product,                                                                                            \
        .softmax = softmax_##name,                                                                                     \
        .softmax_backward = softmax_backward_##name,                                                                   \
    }

KERNELS(lt_panel_f32_avx2, f32, false);
KERNELS(lt_panel_bf16_avx2, rounded, true);
