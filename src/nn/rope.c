/* Rotary positions: frequencies, table, application. */
#include "nn/rope.h"

#include <assert.h>
#include <math.h>

#include "core/threads.h"

/* The reference computes with f32 tensors, one rounding per operation, and writes scalar / tensor as reciprocal times
 * scalar. A compiler may fuse a product with the sum that follows it; this keeps the rounding between them. */
static float rounded_product(float a, float b)
{
    volatile float product = a * b;
    return product;
}

/* theta^(2i / width) with the exponent and the result in f32. The power is formed in f64 and rounded once: torch's own is
 * one unit in the last place away from that in about one frequency of a hundred. */
static float base_power(double theta, int i, int width)
{
    float exponent = (float)(2 * i) / (float)width;
    return (float)pow((double)(float)theta, (double)exponent);
}

/* Llama 3.1: wavelengths above original / low_freq_factor are stretched by factor, those below original /
 * high_freq_factor are kept, and between the two the change is smooth (_compute_llama3_parameters). */
static float llama3_frequency(const lt_rope_config *rope, float inv_freq)
{
    const float factor = (float)rope->factor;
    const float longest = (float)(rope->original_max_position / rope->low_freq_factor);
    const float shortest = (float)(rope->original_max_position / rope->high_freq_factor);
    float wavelength = rounded_product(1.0f / inv_freq, (float)(2.0 * M_PI));
    if (wavelength > longest)
        return inv_freq / factor;
    if (wavelength < shortest)
        return inv_freq;
    float turns = rounded_product(1.0f / wavelength, (float)rope->original_max_position);
    float smooth = (turns - (float)rope->low_freq_factor) / (float)(rope->high_freq_factor - rope->low_freq_factor);
    return rounded_product(1.0f - smooth, inv_freq) / factor + rounded_product(smooth, inv_freq);
}

static float longrope_magnitude(const lt_rope_config *rope)
{
    if (rope->attention_factor > 0.0)
        return (float)rope->attention_factor;
    if (rope->factor <= 1.0)
        return 1.0f;
    return (float)sqrt(1.0 + log(rope->factor) / log((double)rope->original_max_position));
}

void lt_rope_frequencies(const lt_rope_config *rope, int64_t sequence_length, float *inv_freq, float *magnitude)
{
    const int half = rope->rotary_width / 2;
    const float *stretch = sequence_length > rope->original_max_position ? rope->long_factor : rope->short_factor;
    assert(rope->rotary_width > 0 && rope->rotary_width % 2 == 0);
    assert(rope->kind != LT_ROPE_LONGROPE || (stretch && rope->original_max_position > 1));

    *magnitude = rope->kind == LT_ROPE_LONGROPE ? longrope_magnitude(rope) : 1.0f;
    for (int i = 0; i < half; i++) {
        float power = base_power(rope->theta, i, rope->rotary_width);
        switch (rope->kind) {
        case LT_ROPE_DEFAULT:
            inv_freq[i] = 1.0f / power;
            break;
        case LT_ROPE_LINEAR:
            inv_freq[i] = 1.0f / power / (float)rope->factor;
            break;
        case LT_ROPE_LLAMA3:
            inv_freq[i] = llama3_frequency(rope, 1.0f / power);
            break;
        case LT_ROPE_LONGROPE:
            inv_freq[i] = 1.0f / rounded_product(stretch[i], power);
            break;
        }
    }
}

/* One row of the table. The angle is an f32, as in the reference; its cosine and sine are exact to f32's last bit. */
static void fill_row(const float *inv_freq, int64_t half, float magnitude, int64_t position, float *cos_row,
                     float *sin_row)
{
    for (int64_t i = 0; i < half; i++) {
        float angle = rounded_product((float)position, inv_freq[i]);
        cos_row[i] = (float)cos((double)angle) * magnitude;
        sin_row[i] = (float)sin((double)angle) * magnitude;
    }
}

/* Rows first .. first + count - 1 are positions 0 .. count - 1 of a sequence of that length. */
static void fill_rows(lt_rope_table *table, const lt_rope_config *rope, int64_t first, int64_t count, int64_t sequence_length,
                      float *inv_freq)
{
    const int64_t half = table->half;
    float magnitude;
    lt_rope_frequencies(rope, sequence_length, inv_freq, &magnitude);
#pragma omp parallel for schedule(static) if (count * half > 4096)
    for (int64_t p = 0; p < count; p++)
        fill_row(inv_freq, half, magnitude, p, table->cos + (first + p) * half, table->sin + (first + p) * half);
}

void lt_rope_table_init(lt_rope_table *table, const lt_rope_config *rope, int64_t positions, int64_t sequence_length,
                        lt_arena *arena)
{
    const int64_t half = rope->rotary_width / 2, limit = rope->original_max_position;
    const bool both = rope->kind == LT_ROPE_LONGROPE && sequence_length > limit;
    const int64_t short_rows = !both ? 0 : positions < limit ? positions : limit;
    *table = (lt_rope_table){.rows = positions + short_rows, .half = half, .short_first = both ? positions : 0, .short_limit = limit};
    table->cos = LT_ARENA_NEW(arena, float, table->rows *half);
    table->sin = LT_ARENA_NEW(arena, float, table->rows *half);
    int64_t mark = lt_arena_mark(arena);
    float *inv_freq = LT_ARENA_NEW(arena, float, half);
    if (arena->base) {
        fill_rows(table, rope, 0, positions, sequence_length, inv_freq);
        fill_rows(table, rope, positions, short_rows, short_rows, inv_freq);
    }
    lt_arena_release(arena, mark);
}

void lt_rope_apply(const lt_rope_table *table, float *qkv, int64_t stride, const int32_t *rows, int64_t heads, int64_t D,
                   int64_t T, int direction)
{
    const lt_kernels *kernels = lt_kernels_get();
    const int64_t half = table->half;
    assert(2 * half <= D && (direction == 1 || direction == -1));
#pragma omp parallel for schedule(static) if (T * heads * half > 8192)
    for (int64_t t = 0; t < T; t++) {
        assert(rows[t] >= 0 && rows[t] < table->rows);
        const float *cos_row = table->cos + rows[t] * half, *sin_row = table->sin + rows[t] * half;
        for (int64_t h = 0; h < heads; h++)
            kernels->rope(qkv + t * stride + h * D, cos_row, sin_row, (float)direction, half);
    }
}
