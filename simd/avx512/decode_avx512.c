/* Decoding for the AVX-512 set; rounding to bf16 is AVX2's, which is as fast. */
#include "simd/avx512/decode_avx512.h"

#include "simd/avx2/rows_avx2.h"

void lt_avx512_decode_f32(const lt_matrix *m, int64_t row, int64_t col, int64_t n, float *out)
{
    lt_decode_with(lt_decode_avx512, m, row, col, n, out);
}

void lt_avx512_decode_bf16(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out)
{
    float piece[LT_DECODE_PIECE];
    for (int64_t i = 0, step; i < n; i += step) {
        step = n - i < LT_DECODE_PIECE ? n - i : LT_DECODE_PIECE;
        lt_avx512_decode_f32(m, row, col + i, step, piece);
        lt_avx2_f32_to_bf16(piece, out + i, step);
    }
}
