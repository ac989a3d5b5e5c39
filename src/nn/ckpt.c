/* The activation store. */
#include "nn/ckpt.h"

#include <assert.h>
#include <string.h>

#include "core/threads.h"
#include "simd/kernels.h"

/* Codes are padded to an even count, so that the scales behind them are aligned. */
static int64_t code_bytes(int64_t width)
{
    return (width + 1) & ~(int64_t)1;
}

int64_t lt_ckpt_row_bytes(int bits, int64_t width)
{
    int64_t bytes = 0;
    switch (bits) {
    case 32:
        bytes = width * 4;
        break;
    case 16:
        bytes = width * 2;
        break;
    case 8:
        bytes = code_bytes(width) + (width + LT_QUANT_BLOCK - 1) / LT_QUANT_BLOCK * 2;
        break;
    default:
        assert(!"bits is 8, 16 or 32");
    }
    return (bytes + 3) & ~(int64_t)3;
}

void lt_ckpt_put(int bits, const float *x, int64_t x_stride, int64_t width, int64_t T, void *store)
{
    const lt_kernels *kernels = lt_kernels_get();
    const int64_t row_bytes = lt_ckpt_row_bytes(bits, width);
#pragma omp parallel for schedule(static) if (T * width > 32768)
    for (int64_t t = 0; t < T; t++) {
        char *row = (char *)store + t * row_bytes;
        if (bits == 32)
            memcpy(row, x + t * x_stride, (size_t)width * 4);
        else if (bits == 16)
            kernels->f32_to_bf16(x + t * x_stride, (uint16_t *)row, width);
        else
            kernels->quantize_q8(x + t * x_stride, (int8_t *)row, (uint16_t *)(row + code_bytes(width)), width);
    }
}

void lt_ckpt_get(int bits, const void *store, float *x, int64_t x_stride, int64_t width, int64_t T)
{
    const lt_kernels *kernels = lt_kernels_get();
    const int64_t row_bytes = lt_ckpt_row_bytes(bits, width);
#pragma omp parallel for schedule(static) if (T * width > 32768)
    for (int64_t t = 0; t < T; t++) {
        const char *row = (const char *)store + t * row_bytes;
        if (bits == 32)
            memcpy(x + t * x_stride, row, (size_t)width * 4);
        else if (bits == 16)
            kernels->bf16_to_f32((const uint16_t *)row, x + t * x_stride, width);
        else
            kernels->dequantize_q8((const int8_t *)row, (const uint16_t *)(row + code_bytes(width)), x + t * x_stride,
                                   width);
    }
}
