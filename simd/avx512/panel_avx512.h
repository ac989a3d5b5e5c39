/* Panel kernels (simd/panel.h) of the AVX-512 sets, for any multiplication of 32-bit words and any conversion of f32 to
 * words: a word is one f32, or a pair of bf16.
 *
 * Tiles: 6 rows x 4 vectors where a panel is whole, 12 x 2 and 12 x 1 at its edges. 24 accumulators and 4 registers of
 * B leave one for the broadcast of A; a word of K takes 4 + 6 loads for 24 multiply-adds. */
#ifndef LT_SIMD_PANEL_AVX512_H
#define LT_SIMD_PANEL_AVX512_H

#include "simd/avx512/gemm_pack_avx512.h"
#include "simd/panel.h"

typedef struct lt_panel_place {
    const char *a, *b;      /* first word of K */
    int64_t a_step, b_step; /* bytes: A's rows, B's words of K */
    float *c;
    int64_t c_stride;
    int words, cols;
    bool add;
} lt_panel_place;

LT_INLINE __mmask16 lt_panel_lanes(int count)
{
    return count >= LT_LANES ? 0xFFFF : (__mmask16)((1u << count) - 1);
}

LT_INLINE void lt_panel_tile(lt_multiply multiply, int rows, int vectors, const lt_panel_place *place)
{
    const char *a = place->a, *b = place->b;
    __m512 sum[12][4];
    float *c = place->c;
    const __mmask16 last = lt_panel_lanes(place->cols - (vectors - 1) * LT_LANES);
    LT_UNROLL
    for (int r = 0; r < rows; r++) {
        LT_UNROLL
        for (int v = 0; v < vectors; v++) {
            __mmask16 mask = v + 1 < vectors ? 0xFFFF : last;
            sum[r][v] =
                place->add ? _mm512_maskz_loadu_ps(mask, c + r * place->c_stride + v * LT_LANES) : _mm512_setzero_ps();
        }
    }
    for (int w = 0; w < place->words; w++, a += 4, b += place->b_step) {
        __m512i column[4];
        LT_UNROLL
        for (int v = 0; v < vectors; v++)
            column[v] = _mm512_load_si512(b + v * LT_LINE_BYTES);
        LT_UNROLL
        for (int r = 0; r < rows; r++) {
            int32_t word;
            memcpy(&word, a + r * place->a_step, sizeof word);
            LT_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = multiply(sum[r][v], _mm512_set1_epi32(word), column[v]);
        }
    }
    LT_UNROLL
    for (int r = 0; r < rows; r++) {
        LT_UNROLL
        for (int v = 0; v < vectors; v++)
            _mm512_mask_storeu_ps(c + r * place->c_stride + v * LT_LANES, v + 1 < vectors ? 0xFFFF : last, sum[r][v]);
    }
}

/* All rows of a strip of columns: tiles as high as the registers allow, then halves of what is left. */
LT_INLINE void lt_panel_strip(lt_multiply multiply, int vectors, int rows, lt_panel_place place)
{
#define LT_PANEL_ROWS(height)                                                                                          \
    for (; rows >= height; rows -= height) {                                                                           \
        lt_panel_tile(multiply, height, vectors, &place);                                                              \
        place.a += height * place.a_step;                                                                              \
        place.c += height * place.c_stride;                                                                            \
    }
    if (vectors <= 2)
        LT_PANEL_ROWS(12)
    LT_PANEL_ROWS(6)
    LT_PANEL_ROWS(4)
    LT_PANEL_ROWS(2)
    LT_PANEL_ROWS(1)
#undef LT_PANEL_ROWS
}

LT_INLINE void lt_panel_product_words(lt_multiply multiply, int word_elements, const lt_panel_product *p)
{
    const int depth_words = p->b_depth / word_elements, first_word = p->k0 / word_elements;
    lt_panel_place place = {.a = (const char *)p->a + first_word * 4,
                            .a_step = p->a_stride * 4 / word_elements,
                            .c_stride = p->c_stride,
                            .words = p->k1 / word_elements - first_word,
                            .add = p->add};
    for (int n = p->n0, cols; n < p->n1; n += cols) {
        const int panel = n & ~(LT_PANEL_COLUMNS - 1), width = lt_panel_width(p->b_cols, panel);
        cols = lt_at_most(p->n1 - n, panel + width - n);
        place.b_step = width * 4;
        place.b = (const char *)p->b + ((int64_t)panel * depth_words + (int64_t)first_word * width + (n - panel)) * 4;
        place.c = p->c + n;
        place.cols = cols;
        switch ((cols + LT_LANES - 1) / LT_LANES) {
        case 1:
            lt_panel_strip(multiply, 1, p->M, place);
            break;
        case 2:
            lt_panel_strip(multiply, 2, p->M, place);
            break;
        case 3:
            lt_panel_strip(multiply, 3, p->M, place);
            break;
        default:
            lt_panel_strip(multiply, 4, p->M, place);
            break;
        }
    }
}

/* Packing. The loaders are those of the gemm's packing: a line is 16 words of a row; columns are 16 elements of a row,
 * with those of the next row where a word is a pair. */

/* Rows of a head are short and far apart, which hardware does not foresee: asks for some of a row further on. */
LT_INLINE void lt_panel_prefetch(const float *row, int elements)
{
    for (int i = 0; i < elements; i += LT_LANES)
        _mm_prefetch((const char *)(row + i), _MM_HINT_T0);
}

enum { LT_PANEL_AHEAD = 8 }; /* rows */

LT_INLINE void lt_panel_pack_a(lt_loaders load, const float *x, int64_t x_stride, int M, int K, void *a,
                               int64_t a_stride)
{
    const int line = LT_LANES * load.word_elements, depth = lt_panel_pad_depth(K);
    const int64_t a_bytes = a_stride * 4 / load.word_elements;
    for (int m = 0; m < M; m++)
        for (int k = 0; k < depth; k += line) {
            const int words = (lt_at_most(depth - k, line) + load.word_elements - 1) / load.word_elements;
            lt_panel_prefetch(x + (m + LT_PANEL_AHEAD) * x_stride + k, line);
            _mm512_mask_storeu_epi32(
                (char *)a + m * a_bytes + k * 4 / load.word_elements, lt_panel_lanes(words),
                load.line((const char *)(x + m * x_stride + k), lt_first(lt_at_most(K - k, line))));
        }
}

/* 16 words of K of 16 columns, from x (K, columns): word w of the square is rows k + w.. of x. */
LT_INLINE void lt_panel_load_columns(lt_loaders load, const float *x, int64_t x_stride, int k_left, __mmask16 mask,
                                     __m512i square[LT_LANES])
{
    for (int w = 0; w < LT_LANES; w++, x += load.word_elements * x_stride, k_left -= load.word_elements)
        square[w] = k_left > 0
                        ? load.columns((const char *)x, (const char *)(x + x_stride), mask, k_left > 1 ? mask : 0)
                        : _mm512_setzero_si512();
}

LT_INLINE void lt_panel_pack_a_transposed(lt_loaders load, const float *x, int64_t x_stride, int M, int K, void *a,
                                          int64_t a_stride)
{
    const int line = LT_LANES * load.word_elements, depth = lt_panel_pad_depth(K);
    const int64_t a_bytes = a_stride * 4 / load.word_elements;
    for (int m = 0; m < M; m += LT_LANES)
        for (int k = 0; k < depth; k += line) {
            const int rows = lt_at_most(M - m, LT_LANES);
            const __mmask16 words = lt_panel_lanes((depth - k) / load.word_elements);
            char *out = (char *)a + m * a_bytes + k * 4 / load.word_elements;
            __m512i square[LT_LANES];
            lt_panel_load_columns(load, x + k * x_stride + m, x_stride, K - k, lt_panel_lanes(rows), square);
            lt_transpose_words(square);
            for (int r = 0; r < rows; r++)
                _mm512_mask_storeu_epi32(out + r * a_bytes, words, square[r]);
        }
}

LT_INLINE void lt_panel_pack_b(lt_loaders load, const float *x, int64_t x_stride, int K, int N, void *b)
{
    const int depth = lt_panel_pad_depth(K), cols = lt_panel_pad_columns(N);
    char *out = b;
    for (int panel = 0; panel < cols; panel += LT_PANEL_COLUMNS) {
        const int width = lt_panel_width(cols, panel);
        for (int k = 0; k < depth; k += load.word_elements)
            for (int n = panel; n < panel + width; n += LT_LANES, out += LT_LINE_BYTES) {
                const char *row = (const char *)(x + k * x_stride + n);
                for (int i = 0; i < load.word_elements; i++)
                    lt_panel_prefetch(x + (k + i + LT_PANEL_AHEAD) * x_stride + n, LT_LANES);
                __mmask16 mask = k < K ? lt_panel_lanes(lt_at_most(N - n, LT_LANES)) : 0;
                _mm512_store_si512(out, load.columns(row, row + x_stride * 4, mask, k + 1 < K ? mask : 0));
            }
    }
}

LT_INLINE void lt_panel_pack_b_transposed(lt_loaders load, const float *x, int64_t x_stride, int K, int N, void *b)
{
    const int line = LT_LANES * load.word_elements, depth = lt_panel_pad_depth(K), cols = lt_panel_pad_columns(N);
    const int depth_words = depth / load.word_elements;
    for (int n = 0; n < cols; n += LT_LANES) {
        const int panel = n & ~(LT_PANEL_COLUMNS - 1), step = lt_panel_width(cols, panel) * 4;
        char *out = (char *)b + ((int64_t)panel * depth_words + (n - panel)) * 4;
        for (int k = 0; k < depth; k += line, out += LT_LANES * step) {
            __m512i square[LT_LANES];
            const __mmask32 mask = lt_first(lt_at_most(K - k, line));
            for (int i = 0; i < LT_LANES; i++) {
                const float *row = x + (n + i) * x_stride + k;
                square[i] = n + i < N ? load.line((const char *)row, mask) : _mm512_setzero_si512();
                lt_panel_prefetch(row + LT_LANES * x_stride, line);
            }
            lt_transpose_words(square);
            const int words = lt_at_most(depth - k, line) / load.word_elements;
            for (int w = 0; w < words; w++)
                _mm512_store_si512(out + w * step, square[w]);
        }
    }
}

#endif
