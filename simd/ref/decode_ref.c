/* The definition of decoding, see simd/decode_blocks.h. */
#include "simd/decode_blocks.h"
#include "simd/ref/ref.h"

static void lookup(const uint8_t *bytes, const float table[16], float *out)
{
    for (int i = 0; i < LT_GROUP; i++)
        out[i] = table[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
}

void lt_ref_decode_f32(const lt_matrix *m, int64_t row, int64_t col, int64_t n, float *out)
{
    lt_decode_with((lt_decode_ways){lt_f16_to_f32, lookup}, m, row, col, n, out);
}

void lt_ref_decode_bf16(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out)
{
    float piece[64];
    for (int64_t i = 0, step; i < n; i += step) {
        step = n - i < 64 ? n - i : 64;
        lt_ref_decode_f32(m, row, col + i, step, piece);
        lt_ref_f32_to_bf16(piece, out + i, step);
    }
}
