/* Decoding to bf16 with the conversion instruction, which takes subnormal numbers for zero as the products do. */
#include "simd/avx512/decode_avx512.h"
#include "simd/sets.h"

LT_INLINE void round_all(const float *in, uint16_t *out, int64_t n)
{
    for (; n >= 32; n -= 32, in += 32, out += 32)
        _mm512_storeu_si512(out, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(in + 16), _mm512_loadu_ps(in)));
    if (n > 0) {
        const __mmask32 left = (__mmask32)((1u << n) - 1);
        __m512 first = _mm512_maskz_loadu_ps((__mmask16)left, in);
        __m512 second = _mm512_maskz_loadu_ps((__mmask16)(left >> 16), in + 16);
        _mm512_mask_storeu_epi16(out, left, (__m512i)_mm512_cvtne2ps_pbh(second, first));
    }
}

void lt_avx512bf16_decode_bf16(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out)
{
    float piece[LT_DECODE_PIECE];
    for (int64_t i = 0, step; i < n; i += step) {
        step = n - i < LT_DECODE_PIECE ? n - i : LT_DECODE_PIECE;
        lt_decode_with(lt_decode_avx512, m, row, col + i, step, piece);
        round_all(piece, out + i, step);
    }
}

void lt_avx512bf16_overlay(lt_kernels *table)
{
    table->decode_bf16 = lt_avx512bf16_decode_bf16;
}
