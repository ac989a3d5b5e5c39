#include "models/quantize_values.h"

#include <math.h>
#include <stdlib.h>

const float lt_nf4_values[16] = {-1.0f,
                                 -0.6961928009986877f,
                                 -0.5250730514526367f,
                                 -0.39491748809814453f,
                                 -0.28444138169288635f,
                                 -0.18477343022823334f,
                                 -0.09105003625154495f,
                                 0.0f,
                                 0.07958029955625534f,
                                 0.16093020141124725f,
                                 0.24611230194568634f,
                                 0.33791524171829224f,
                                 0.44070982933044434f,
                                 0.5626170039176941f,
                                 0.7229568362236023f,
                                 1.0f};

/* Index of the entry of a rising table nearest to x; between two, the lower one. */
static int nearest(const float *table, int n, float x)
{
    int low = 0, high = n - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (x > (table[middle] + table[middle + 1]) / 2)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static float largest_magnitude(const float *x, int64_t n)
{
    float largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    return largest;
}

void lt_nf4_encode(const float *x, int64_t n, uint8_t *codes, float *absmax)
{
    const int64_t blocks = (n + LT_NF4_BLOCK - 1) / LT_NF4_BLOCK;
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < blocks; b++) {
        int64_t first = b * LT_NF4_BLOCK, count = n - first < LT_NF4_BLOCK ? n - first : LT_NF4_BLOCK;
        float largest = largest_magnitude(x + first, count), inverse = largest > 0 ? 1 / largest : 0;
        absmax[b] = largest;
        for (int64_t i = 0; i < count; i++) {
            int code = nearest(lt_nf4_values, 16, x[first + i] * inverse);
            uint8_t *byte = &codes[(first + i) / 2];
            *byte = (uint8_t)(i % 2 ? *byte | code : code << 4);
        }
    }
}

void lt_nf4_encode_scales(const float *absmax, int64_t n, const float table[256], uint8_t *codes, float *scales, float *offset)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)absmax[i];
    const float mean = (float)(sum / (double)(n > 0 ? n : 1));
    *offset = mean;
    for (int64_t first = 0; first < n; first += LT_NF4_NESTED) {
        int64_t count = n - first < LT_NF4_NESTED ? n - first : LT_NF4_NESTED;
        float largest = 0;
        for (int64_t i = first; i < first + count; i++)
            largest = fabsf(absmax[i] - mean) > largest ? fabsf(absmax[i] - mean) : largest;
        scales[first / LT_NF4_NESTED] = largest;
        for (int64_t i = first; i < first + count; i++)
            codes[i] = (uint8_t)nearest(table, 256, largest > 0 ? (absmax[i] - mean) / largest : 0);
    }
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Decade i (of 7) holds 2^i means of neighbouring points that cut 0.1 .. 1 evenly. */
void lt_nf4_dynamic_map(float table[256])
{
    int n = 0;
    for (int i = 0; i < 7; i++) {
        double scale = pow(10, i - 6), step = 0.9 / (1 << i);
        for (int j = 0; j < 1 << i; j++) {
            float mean = (float)(scale * (0.1 + (j + 0.5) * step));
            table[n++] = mean;
            table[n++] = -mean;
        }
    }
    table[n++] = 0;
    table[n++] = 1;
    qsort(table, 256, sizeof *table, by_value);
}

void lt_int8_encode(const float *x, int64_t rows, int64_t cols, int8_t *codes, float *largest)
{
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const float *in = x + row * cols;
        float most = largest_magnitude(in, cols), scale = most > 0 ? 127 / most : 0;
        largest[row] = most;
        for (int64_t i = 0; i < cols; i++)
            codes[row * cols + i] = (int8_t)nearbyintf(in[i] * scale);
    }
}
