#include "each_set.h"
#include "gradcheck.h"

#include <string.h>

#include "core/threads.h"
#include "nn/rope.h"

static float short_factor[] = {1.0f, 1.05f, 1.1f, 1.3f, 1.7f, 2.0f, 2.5f, 2.7f};
static float long_factor[] = {1.0f, 1.2f, 2.1f, 4.4f, 9.3f, 17.6f, 31.5f, 60.1f};

/* inv_freq as transformers 5.24 with torch 2.15 computes it for the same parameters, bit by bit. */
static const uint32_t default_bits[] = {0x3f800000, 0x3e72d423, 0x3d6655c2, 0x3c5a7bf2,
                                        0x3b4f3e38, 0x3a44948c, 0x393a7753, 0x3830df52};
static const uint32_t linear_bits[] = {0x3eaaaaab, 0x3dd7e0cf, 0x3d088889, 0x3c2cb3d9,
                                       0x3b5a740d, 0x3a8a297b, 0x39aec33f, 0x38dd0f2b};
static const uint32_t llama3_bits[] = {
    0x3f800000, 0x3f29e1c6, 0x3ee177bc, 0x3e959ee3, 0x3e4693b0, 0x3e03c6a0, 0x3daee4ad, 0x3d681e67,
    0x3d1a08c8, 0x3ccc6f49, 0x3c87a9c3, 0x3c340d6d, 0x3beef74f, 0x3b9e9402, 0x3b527720, 0x3aa9279b,
    0x39e13620, 0x38cb98f7, 0x37a3418d, 0x3758ac81, 0x370fc8f8, 0x36bed4f4, 0x367d45c3, 0x3628126b,
    0x35df10c4, 0x359406cb, 0x35447610, 0x35025f34, 0x34ad07a7, 0x3465a54d, 0x341864a7, 0x33ca41b0};
static const uint32_t short_bits[] = {0x3f800000, 0x3e9a32dd, 0x3dba2e8c, 0x3cc745ac,
                                      0x3bc0c0c1, 0x3acf3e38, 0x39d1b717, 0x38f59f12};
static const uint32_t long_bits[] = {0x3f800000, 0x3e86ec81, 0x3d430c31, 0x3beb80e2,
                                     0x3a8cf009, 0x393c671b, 0x3805270b, 0x36b08d9b};

static float check_bits(const lt_rope_config *rope, int64_t sequence_length, const uint32_t *expected)
{
    float inv_freq[32], magnitude;
    lt_rope_frequencies(rope, sequence_length, inv_freq, &magnitude);
    for (int i = 0; i < rope->rotary_width / 2; i++) {
        uint32_t bits;
        memcpy(&bits, &inv_freq[i], 4);
        cr_assert_eq(bits, expected[i], "frequency %d: %08x, expected %08x", i, bits, expected[i]);
    }
    return magnitude;
}

Test(rope, frequencies_of_every_kind_are_those_of_transformers_to_the_last_bit)
{
    lt_rope_config plain = {.kind = LT_ROPE_DEFAULT, .rotary_width = 16, .theta = 100000};
    lt_rope_config linear = {.kind = LT_ROPE_LINEAR, .rotary_width = 16, .theta = 10000, .factor = 3};
    lt_rope_config llama3 = {.kind = LT_ROPE_LLAMA3,
                             .rotary_width = 64,
                             .theta = 500000,
                             .factor = 32,
                             .low_freq_factor = 1,
                             .high_freq_factor = 4,
                             .original_max_position = 8192};
    cr_assert_eq(check_bits(&plain, 10, default_bits), 1.0f);
    cr_assert_eq(check_bits(&linear, 10, linear_bits), 1.0f);
    cr_assert_eq(check_bits(&llama3, 10, llama3_bits), 1.0f);
}

Test(rope, longrope_changes_to_its_long_factors_beyond_the_original_length)
{
    lt_rope_config rope = {.kind = LT_ROPE_LONGROPE,
                           .rotary_width = 16,
                           .theta = 10000,
                           .factor = 32,
                           .original_max_position = 4096,
                           .short_factor = short_factor,
                           .long_factor = long_factor};
    cr_assert_eq(check_bits(&rope, 4096, short_bits), 1.1902380714238083f);
    cr_assert_eq(check_bits(&rope, 4097, long_bits), 1.1902380714238083f);
    rope.attention_factor = 1.25;
    cr_assert_eq(check_bits(&rope, 4097, long_bits), 1.25f);
    rope.attention_factor = 0;
    rope.factor = 1;
    cr_assert_eq(check_bits(&rope, 4097, long_bits), 1.0f);
}

Test(rope, table_holds_the_cosine_and_sine_of_f32_angles_times_the_magnitude)
{
    enum { POSITIONS = 1000 };
    lt_rope_config rope = {.kind = LT_ROPE_LONGROPE,
                           .rotary_width = 16,
                           .theta = 10000,
                           .factor = 32,
                           .original_max_position = 4096,
                           .short_factor = short_factor,
                           .long_factor = long_factor};
    lt_rope_table table;
    lt_arena measure = lt_arena_measure(), arena;
    float inv_freq[8], magnitude;
    lt_rope_table_init(&table, &rope, POSITIONS, POSITIONS, &measure);
    cr_assert(lt_arena_init(&arena, measure.high, NULL));
    lt_rope_table_init(&table, &rope, POSITIONS, POSITIONS, &arena);
    cr_assert_eq(arena.high, measure.high);
    lt_rope_frequencies(&rope, POSITIONS, inv_freq, &magnitude);
    for (int p = 0; p < POSITIONS; p++)
        for (int i = 0; i < 8; i++) {
            float angle = (float)p * inv_freq[i];
            cr_assert_float_eq(table.cos[p * 8 + i], cos(angle) * magnitude, 1.5e-7);
            cr_assert_float_eq(table.sin[p * 8 + i], sin(angle) * magnitude, 1.5e-7);
        }
    lt_arena_free(&arena);
}

enum { T = 37, HEADS = 5, D = 20, STRIDE = HEADS * D + 7 };

static void make_table(lt_rope_table *table, lt_arena *arena)
{
    lt_rope_config rope = {.kind = LT_ROPE_DEFAULT, .rotary_width = 12, .theta = 10000}; /* 8 of 20 elements stay */
    cr_assert(lt_arena_init(arena, 1 << 16, NULL));
    lt_rope_table_init(table, &rope, 64, 64, arena);
}

EachSetTest(rope, rotates_the_leading_elements_of_every_head_and_leaves_the_rest)
{
    lt_rope_table table;
    lt_arena arena;
    float *x = malloc(sizeof(float) * T * STRIDE), *y = malloc(sizeof(float) * T * STRIDE);
    int32_t positions[T];
    make_table(&table, &arena);
    gradcheck_normal(x, T * STRIDE, 1, 1);
    memcpy(y, x, sizeof(float) * T * STRIDE);
    for (int t = 0; t < T; t++)
        positions[t] = (t * 7) % 64;
    lt_rope_apply(&table, y, STRIDE, positions, HEADS, D, T, 1);
    for (int t = 0; t < T; t++)
        for (int i = 0; i < STRIDE; i++) {
            int pair = i % D % 6;
            double c = table.cos[positions[t] * 6 + pair], s = table.sin[positions[t] * 6 + pair],
                   want = x[t * STRIDE + i];
            if (i < HEADS * D && i % D < 6)
                want = want * c - x[t * STRIDE + i + 6] * s;
            else if (i < HEADS * D && i % D < 12)
                want = want * c + x[t * STRIDE + i - 6] * s;
            cr_assert_float_eq(y[t * STRIDE + i], want, 1e-6);
        }
    lt_rope_apply(&table, y, STRIDE, positions, HEADS, D, T, -1);
    for (int i = 0; i < T * STRIDE; i++)
        cr_assert_float_eq(y[i], x[i], 1e-6, "the transpose does not undo the rotation");
    lt_arena_free(&arena);
    free(x), free(y);
}

typedef struct rope_case {
    const lt_rope_table *table;
    const float *dy;
} rope_case;

static double loss(const float *x, void *context)
{
    const rope_case *c = context;
    static const int32_t positions[3] = {5, 0, 63};
    float y[3 * 2 * D];
    memcpy(y, x, sizeof y);
    lt_rope_apply(c->table, y, 2 * D, positions, 2, D, 3, 1);
    return gradcheck_dot(y, c->dy, 3 * 2 * D);
}

EachSetTest(rope, backward_matches_finite_differences)
{
    static const int32_t positions[3] = {5, 0, 63};
    lt_rope_table table;
    lt_arena arena;
    float x[3 * 2 * D], dy[3 * 2 * D], dx[3 * 2 * D];
    make_table(&table, &arena);
    gradcheck_normal(x, 3 * 2 * D, 1, 1);
    gradcheck_normal(dy, 3 * 2 * D, 2, 1);
    memcpy(dx, dy, sizeof dx);
    lt_rope_apply(&table, dx, 2 * D, positions, 2, D, 3, -1);
    rope_case c = {&table, dy};
    gradcheck_directions(loss, &c, x, 3 * 2 * D, dx, 1e-2, 1e-4, 3);
    gradcheck_elements(loss, &c, x, 3 * 2 * D, dx, 1e-2, 1e-3, 1);
    lt_arena_free(&arena);
}

Test(rope, longrope_has_rows_for_short_and_for_long_sequences)
{
    static float shorts[2] = {1, 2}, longs[2] = {3, 5};
    lt_rope_config rope = {.kind = LT_ROPE_LONGROPE, .rotary_width = 4, .theta = 100, .factor = 4, .original_max_position = 8,
                           .attention_factor = 1, .short_factor = shorts, .long_factor = longs};
    lt_rope_table both, small;
    lt_arena arena;
    cr_assert(lt_arena_init(&arena, 1 << 16, NULL));
    lt_rope_table_init(&both, &rope, 20, 20, &arena);
    lt_rope_table_init(&small, &rope, 8, 8, &arena);
    cr_assert(both.rows == 28 && small.rows == 8 && lt_rope_row(&small, 5, 6) == 5);
    cr_assert(lt_rope_row(&both, 5, 20) == 5 && lt_rope_row(&both, 5, 9) == 5 && lt_rope_row(&both, 5, 8) == 25);
    cr_assert_float_eq(both.sin[5 * 2], sin(5.0 / 3), 1e-6);
    cr_assert_float_eq(both.sin[25 * 2 + 1], sin(5.0 / 2 / 10), 1e-6);
    cr_assert_eq(both.sin[25 * 2 + 1], small.sin[5 * 2 + 1]);
    lt_arena_free(&arena);
}
