/* The softmax of simd/panel.h for the AVX-512 sets. exp(x) is 2^(x log2 e): the exponent by rounding, 2^f for the rest,
 * |f| ≤ 1/2, by a polynomial of degree 5 (relative error 1e-7, fitted by us to least largest relative error). */
#ifndef LT_SIMD_PANEL_SOFTMAX_AVX512_H
#define LT_SIMD_PANEL_SOFTMAX_AVX512_H

#include <math.h>

#include "simd/avx512/panel_avx512.h"
#include "simd/sets.h"

static const float LT_LOG2_E = 1.44269504f;

/* Stores f32 numbers as words of packed operands. */
typedef struct lt_panel_emit {
    int word_elements;
    /* a: 16 elements of an A operand's row */
    void (*row)(char *a, __m512 value);
    /* b: 16 columns of two rows of a B operand; step: bytes to the next word of K */
    void (*pair)(char *b, int64_t step, __m512 even, __m512 odd);
} lt_panel_emit;

/* 2^t; NaN stays NaN, -inf gives 0. */
LT_INLINE __m512 lt_panel_exp2(__m512 t)
{
    t = _mm512_max_ps(_mm512_set1_ps(-200), t);
    __m512 whole = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 f = _mm512_sub_ps(t, whole);
    __m512 y = _mm512_fmadd_ps(_mm512_set1_ps(0x1.5c08e6p-10f), f, _mm512_set1_ps(0x1.3d0c54p-7f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(0x1.c6b6e4p-5f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(0x1.ebf918p-3f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(0x1.62e428p-1f));
    y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(0x1.000002p+0f));
    return _mm512_scalef_ps(y, whole);
}

/* Of the 16 columns from n on, those in begin … end - 1. */
LT_INLINE __mmask16 lt_panel_inside(int n, int begin, int end)
{
    unsigned before = begin > n ? 0xFFFFu << (begin - n < LT_LANES ? begin - n : LT_LANES) : 0xFFFF;
    unsigned after = end < n + LT_LANES ? (1u << (end > n ? end - n : 0)) - 1 : 0xFFFF;
    return (__mmask16)(before & after);
}

/* Row m of a tile of scores; `whole`: it attends to every column. */
LT_INLINE void lt_panel_softmax_row(lt_panel_emit emit, const lt_panel_softmax *t, int m, bool whole)
{
    const float *s = t->s + m * t->s_stride;
    const int64_t line = LT_LANES * 4 / emit.word_elements;
    char *p = (char *)t->p + m * t->p_stride * 4 / emit.word_elements;
    const int begin = t->begin[m], end = t->end[m];
    __m512 high = _mm512_set1_ps(-INFINITY), total = _mm512_setzero_ps();
    for (int n = 0; n < t->N; n += LT_LANES) {
        __mmask16 inside = whole ? 0xFFFF : lt_panel_inside(n, begin, end);
        high = _mm512_mask_max_ps(high, inside, high, _mm512_loadu_ps(s + n));
    }
    const float max = fmaxf(t->max[m], _mm512_reduce_max_ps(high) * t->scale);
    const __m512 factor = _mm512_set1_ps(t->scale * LT_LOG2_E), shift = _mm512_set1_ps(max * LT_LOG2_E);
    for (int n = 0; n < t->N; n += LT_LANES, p += line) {
        __mmask16 inside = whole ? 0xFFFF : lt_panel_inside(n, begin, end);
        __m512 e = _mm512_maskz_mov_ps(inside, lt_panel_exp2(_mm512_fmsub_ps(_mm512_loadu_ps(s + n), factor, shift)));
        total = _mm512_add_ps(total, e);
        emit.row(p, e);
    }
    t->alpha[m] = t->max[m] == max ? 1 : exp2f((t->max[m] - max) * LT_LOG2_E);
    t->sum[m] = t->sum[m] * t->alpha[m] + _mm512_reduce_add_ps(total);
    t->max[m] = max;
}

LT_INLINE void lt_panel_softmax_words(lt_panel_emit emit, const lt_panel_softmax *t)
{
    for (int m = 0; m < t->M; m++) {
        if (t->begin[m] <= 0 && t->end[m] >= t->N) {
            lt_panel_softmax_row(emit, t, m, true);
        } else if (t->begin[m] < t->end[m]) {
            lt_panel_softmax_row(emit, t, m, false);
        } else {
            char *p = (char *)t->p + m * t->p_stride * 4 / emit.word_elements;
            memset(p, 0, (size_t)t->N * 4 / (size_t)emit.word_elements);
            t->alpha[m] = 1;
        }
    }
}

/* What a row of the backward pass needs, in registers. */
typedef struct lt_panel_back_row {
    const float *s, *dp;
    int begin, end;
    __m512 shift, delta;
} lt_panel_back_row;

LT_INLINE lt_panel_back_row lt_panel_back_row_of(const lt_panel_softmax_backward *t, int m)
{
    const bool exists = m < t->M;
    const int64_t at = exists ? m * t->s_stride : 0;
    return (lt_panel_back_row){t->s + at,
                               t->dp + at,
                               exists ? t->begin[m] : 0,
                               exists ? t->end[m] : 0,
                               _mm512_set1_ps(exists ? t->lse[m] * LT_LOG2_E : 0),
                               _mm512_set1_ps(exists ? t->delta[m] : 0)};
}

/* 16 columns of a row: p, and ds. */
LT_INLINE __m512 lt_panel_back_vector(const lt_panel_softmax_backward *t, const lt_panel_back_row *row, int n,
                                      __mmask16 inside, bool capped, __m512 *ds)
{
    __m512 s = _mm512_loadu_ps(row->s + n), dp = _mm512_loadu_ps(row->dp + n);
    __m512 p = lt_panel_exp2(_mm512_fmsub_ps(s, _mm512_set1_ps(t->scale * LT_LOG2_E), row->shift));
    __m512 slope = _mm512_mul_ps(_mm512_sub_ps(dp, row->delta), _mm512_set1_ps(t->gradient_scale));
    if (capped) {
        __m512 z = _mm512_mul_ps(s, _mm512_set1_ps(t->scale * t->cap_inverse));
        slope = _mm512_mul_ps(slope, _mm512_fnmadd_ps(z, z, _mm512_set1_ps(1)));
    }
    *ds = _mm512_maskz_mul_ps(inside, p, slope);
    return _mm512_maskz_mov_ps(inside, p);
}

LT_INLINE void lt_panel_back_pair(lt_panel_emit emit, const lt_panel_softmax_backward *t, int m, bool whole,
                                  bool capped)
{
    const lt_panel_back_row even = lt_panel_back_row_of(t, m), odd = lt_panel_back_row_of(t, m + 1);
    const int64_t word = (t->b_row + m) / emit.word_elements, depth_words = t->b_depth / emit.word_elements;
    char *rows[2];
    for (int i = 0; i < 2; i++) /* an odd row that does not exist repeats the even one's address and is not stored */
        rows[i] = (char *)t->ds_a + (m + (m + i < t->M ? i : 0)) * t->a_stride * 4 / emit.word_elements;
    for (int panel = 0; panel < t->N; panel += LT_PANEL_COLUMNS) {
        const int width = lt_panel_width(t->N, panel);
        const int64_t step = width * 4;
        for (int n = panel; n < panel + width; n += LT_LANES) {
            const __mmask16 in_even = whole ? 0xFFFF : lt_panel_inside(n, even.begin, even.end);
            const __mmask16 in_odd = whole ? 0xFFFF : lt_panel_inside(n, odd.begin, odd.end);
            const int64_t at = ((int64_t)panel * depth_words + word * width + (n - panel)) * 4;
            __m512 p0 = _mm512_setzero_ps(), p1 = p0, ds0 = p0, ds1 = p0;
            if (whole || (in_even | in_odd)) {
                p0 = lt_panel_back_vector(t, &even, n, in_even, capped, &ds0);
                p1 = lt_panel_back_vector(t, &odd, n, in_odd, capped, &ds1);
            }
            emit.pair((char *)t->p_b + at, step, p0, p1);
            emit.pair((char *)t->ds_b + at, step, ds0, ds1);
            emit.row(rows[0] + n * 4 / emit.word_elements, ds0);
            if (whole || m + 1 < t->M)
                emit.row(rows[1] + n * 4 / emit.word_elements, ds1);
        }
    }
}

LT_INLINE void lt_panel_softmax_backward_words(lt_panel_emit emit, const lt_panel_softmax_backward *t)
{
    for (int m = 0; m < t->M; m += 2) {
        bool whole = m + 1 < t->M;
        for (int i = m; i < m + 2 && whole; i++)
            whole = t->begin[i] <= 0 && t->end[i] >= t->N;
        if (t->cap_inverse != 0)
            lt_panel_back_pair(emit, t, m, false, true);
        else if (whole)
            lt_panel_back_pair(emit, t, m, true, false);
        else
            lt_panel_back_pair(emit, t, m, false, false);
    }
}

LT_INLINE void lt_panel_transpose(const float *x, int64_t x_stride, int rows, int cols, float *y, int64_t y_stride)
{
    for (int r = 0; r < rows; r += LT_LANES)
        for (int c = 0; c < cols; c += LT_LANES) {
            const int height = lt_at_most(rows - r, LT_LANES), width = lt_at_most(cols - c, LT_LANES);
            __m512i square[LT_LANES];
            for (int i = 0; i < LT_LANES; i++)
                square[i] = i < height ? _mm512_maskz_loadu_epi32(lt_panel_lanes(width), x + (r + i) * x_stride + c)
                                       : _mm512_setzero_si512();
            lt_transpose_words(square);
            for (int i = 0; i < width; i++)
                _mm512_mask_storeu_epi32(y + (c + i) * y_stride + r, lt_panel_lanes(height), square[i]);
        }
}

/* The functions of a set, from its `multiply`, loaders and emit. */
#define LT_PANEL_KERNELS_AVX512(object, name, bytes, load, emit)                                                       \
    static void pack_a_##name(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride)               \
    {                                                                                                                  \
        lt_panel_pack_a(load, x, x_stride, M, K, a, a_stride);                                                         \
    }                                                                                                                  \
    static void pack_a_transposed_##name(const float *x, int64_t x_stride, int M, int K, void *a, int64_t a_stride)    \
    {                                                                                                                  \
        lt_panel_pack_a_transposed(load, x, x_stride, M, K, a, a_stride);                                              \
    }                                                                                                                  \
    static void pack_b_##name(const float *x, int64_t x_stride, int K, int N, void *b)                                 \
    {                                                                                                                  \
        lt_panel_pack_b(load, x, x_stride, K, N, b);                                                                   \
    }                                                                                                                  \
    static void pack_b_transposed_##name(const float *x, int64_t x_stride, int K, int N, void *b)                      \
    {                                                                                                                  \
        lt_panel_pack_b_transposed(load, x, x_stride, K, N, b);                                                        \
    }                                                                                                                  \
    static void softmax_##name(const lt_panel_softmax *t)                                                              \
    {                                                                                                                  \
        lt_panel_softmax_words(emit, t);                                                                               \
    }                                                                                                                  \
    static void softmax_backward_##name(const lt_panel_softmax_backward *t)                                            \
    {                                                                                                                  \
        lt_panel_softmax_backward_words(emit, t);                                                                      \
    }                                                                                                                  \
    const lt_panel_kernels object = {bytes,                                                                            \
                                     pack_a_##name,                                                                    \
                                     pack_a_transposed_##name,                                                         \
                                     pack_b_##name,                                                                    \
                                     pack_b_transposed_##name,                                                         \
                                     lt_panel_transpose,                                                               \
                                     product,                                                                          \
                                     softmax_##name,                                                                   \
                                     softmax_backward_##name}

#endif
