#include "models/init_values.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/threads.h"

enum { ENTRIES = 65536, PER_BLOCK = 8 /* 16-bit indices in a block of the generator */ };

static void store(lt_dtype dtype, float value, int64_t i, void *out)
{
    switch (dtype) {
    case LT_DTYPE_F32: ((float *)out)[i] = value; break;
    case LT_DTYPE_BF16: ((uint16_t *)out)[i] = lt_f32_to_bf16(value); break;
    case LT_DTYPE_F16: ((uint16_t *)out)[i] = lt_f32_to_f16(value); break;
    default: assert(!"a dtype for weights");
    }
}

/* Upper half of the quantiles, from the middle outward: each is found by Newton's method on Φ(z) = p from the one
 * before. The tail 1 - Φ(z) = erfc(z / √2) / 2 keeps its precision far out. */
static void find_quantiles(double *z)
{
    double previous = 0, squares = 0;
    for (int i = 0; i < ENTRIES / 2; i++) {
        double tail = 0.5 - (i + 0.5) / ENTRIES, x = previous;
        for (int step = 0; step < 8; step++) {
            double density = exp(-0.5 * x * x) * 0.3989422804014326779;
            x += (0.5 * erfc(x * M_SQRT1_2) - tail) / density;
        }
        z[i] = previous = x;
        squares += x * x;
    }
    double scale = sqrt((ENTRIES / 2) / squares);
    for (int i = 0; i < ENTRIES / 2; i++)
        z[i] *= scale;
}

bool lt_init_normal_make(lt_init_normal *normal, double deviation, lt_dtype dtype, lt_error *err)
{
    double *z = malloc(ENTRIES / 2 * sizeof *z);
    *normal = (lt_init_normal){.dtype = dtype, .table = malloc((size_t)lt_dtype_bytes(dtype, ENTRIES))};
    if (!z || !normal->table) {
        free(z);
        lt_init_normal_free(normal);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a table of normal values");
    }
    find_quantiles(z);
    for (int i = 0; i < ENTRIES / 2; i++) {
        store(dtype, (float)(z[i] * deviation), ENTRIES / 2 + i, normal->table);
        store(dtype, (float)(-z[i] * deviation), ENTRIES / 2 - 1 - i, normal->table);
    }
    free(z);
    return true;
}

void lt_init_normal_free(lt_init_normal *normal)
{
    free(normal->table);
    *normal = (lt_init_normal){0};
}

/* Elements 8 b … 8 b + 7 come from block b, low half of each word first. */
static void draw(uint64_t seed, uint64_t stream, int64_t block, uint16_t index[PER_BLOCK])
{
    uint32_t words[4];
    lt_rng_block(seed, stream, (uint64_t)block, words);
    for (int k = 0; k < PER_BLOCK; k++)
        index[k] = (uint16_t)(words[k / 2] >> 16 * (k % 2));
}

static void fill_32(const uint32_t *table, uint64_t seed, uint64_t stream, int64_t block, int64_t n, uint32_t *out)
{
    uint16_t index[PER_BLOCK];
    for (int64_t i = 0; i < n; i += PER_BLOCK) {
        draw(seed, stream, block + i / PER_BLOCK, index);
        for (int64_t k = 0; k < PER_BLOCK && i + k < n; k++)
            out[i + k] = table[index[k]];
    }
}

static void fill_16(const uint16_t *table, uint64_t seed, uint64_t stream, int64_t block, int64_t n, uint16_t *out)
{
    uint16_t index[PER_BLOCK];
    for (int64_t i = 0; i < n; i += PER_BLOCK) {
        draw(seed, stream, block + i / PER_BLOCK, index);
        for (int64_t k = 0; k < PER_BLOCK && i + k < n; k++)
            out[i + k] = table[index[k]];
    }
}

void lt_init_normal_fill(const lt_init_normal *normal, uint64_t seed, uint64_t stream, int64_t first, int64_t n,
                         void *out)
{
    enum { GRAIN = 4096 * PER_BLOCK };
    assert(first % PER_BLOCK == 0);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += GRAIN) {
        int64_t count = n - i < GRAIN ? n - i : GRAIN, block = (first + i) / PER_BLOCK;
        if (normal->dtype == LT_DTYPE_F32)
            fill_32(normal->table, seed, stream, block, count, (uint32_t *)out + i);
        else
            fill_16(normal->table, seed, stream, block, count, (uint16_t *)out + i);
    }
}

void lt_init_constant_fill(lt_dtype dtype, float value, int64_t n, void *out)
{
    for (int64_t i = 0; i < n; i++)
        store(dtype, value, i, out);
}
