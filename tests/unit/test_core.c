#include <criterion/criterion.h>

#include <math.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/rng.h"
#include "core/utf8.h"

Test(error, shows_control_characters_of_hostile_names)
{
    lt_error err;
    cr_assert_not(lt_error_set(&err, LT_ERR_FORMAT, "tensor '%s'", "a\x1b[31m\n\xff"));
    cr_assert_str_eq(err.message, "tensor 'a\\x1b[31m\\x0a\\xff'");
    lt_error_context(&err, "file");
    cr_assert_str_eq(err.message, "file: tensor 'a\\x1b[31m\\x0a\\xff'");
}

Test(utf8, refuses_overlong_surrogate_and_cut_sequences)
{
    size_t at = 99;
    cr_assert(lt_utf8_valid("aé€😀", 10, NULL));
    cr_assert_not(lt_utf8_valid("a\xc0\x80", 3, &at));
    cr_assert_eq(at, 1);
    cr_assert_not(lt_utf8_valid("\xed\xa0\x80", 3, NULL));
    cr_assert_not(lt_utf8_valid("\xf4\x90\x80\x80", 4, NULL));
    cr_assert_not(lt_utf8_valid("\xe2\x82", 2, NULL));
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (c >= 0xD800 && c < 0xE000)
            continue;
        char bytes[4];
        uint32_t back = 0;
        int n = lt_utf8_encode(c, bytes);
        cr_assert_eq(lt_utf8_decode(bytes, (size_t)n, &back), n);
        cr_assert_eq(back, c);
    }
}

Test(dtype, every_half_float_survives_a_round_trip)
{
    for (uint32_t v = 0; v < 65536; v++) {
        float f16 = lt_f16_to_f32((uint16_t)v), bf16 = lt_bf16_to_f32((uint16_t)v);
        if (isnan(f16))
            cr_assert(isnan(lt_f16_to_f32(lt_f32_to_f16(f16))));
        else
            cr_assert_eq(lt_f32_to_f16(f16), v);
        if (isnan(bf16))
            cr_assert(isnan(lt_bf16_to_f32(lt_f32_to_bf16(bf16))));
        else
            cr_assert_eq(lt_f32_to_bf16(bf16), v);
    }
}

Test(dtype, rows_of_blocks_are_whole_and_no_safetensors_type)
{
    int64_t bytes;
    cr_assert(lt_dtype_row_bytes(LT_DTYPE_Q4_K, 512, &bytes) && bytes == 288);
    cr_assert(lt_dtype_row_bytes(LT_DTYPE_Q8_0, 64, &bytes) && bytes == 68);
    cr_assert(lt_dtype_row_bytes(LT_DTYPE_BF16, 3, &bytes) && bytes == 6);
    cr_assert_not(lt_dtype_row_bytes(LT_DTYPE_Q6_K, 128, &bytes));
    cr_assert_not(lt_dtype_row_bytes(LT_DTYPE_Q4_0, -32, &bytes));
    lt_dtype found;
    cr_assert_not(lt_dtype_parse("Q4_0", &found));
    cr_assert(lt_dtype_is_block(LT_DTYPE_NF4) && !lt_dtype_is_block(LT_DTYPE_I8));
}

Test(dtype, f16_rounds_to_nearest_even_like_the_processor)
{
    lt_rng rng = lt_rng_make(1, 2);
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = lt_rng_u32(&rng);
        float f;
        memcpy(&f, &bits, sizeof f);
        if (isnan(f))
            continue;
        uint16_t got = lt_f32_to_f16(f), below = (uint16_t)(got - 1), above = (uint16_t)(got + 1);
        double error = fabs((double)lt_f16_to_f32(got) - f);
        if (!isinf(lt_f16_to_f32(got)) && (got & 0x7FFF)) {
            cr_assert_leq(error, fabs((double)lt_f16_to_f32(below) - f));
            if (!isinf(lt_f16_to_f32(above)))
                cr_assert_leq(error, fabs((double)lt_f16_to_f32(above) - f));
        }
    }
}

/* Known answers of Philox 4x32-10 with zero and all-ones counter and key, as published with Random123. */
Test(rng, gives_the_published_philox_answers)
{
    uint32_t out[4];
    lt_rng_block(0, 0, 0, out);
    cr_assert_eq(out[0], 0x6627e8d5u);
    cr_assert_eq(out[1], 0xe169c58du);
    cr_assert_eq(out[2], 0xbc57ac4cu);
    cr_assert_eq(out[3], 0x9b00dbd8u);
    lt_rng_block(~0ull, ~0ull, ~0ull, out);
    cr_assert_eq(out[0], 0x408f276du);
    cr_assert_eq(out[1], 0x41c83b0eu);
    cr_assert_eq(out[2], 0xa20bc7c6u);
    cr_assert_eq(out[3], 0x6d5451fdu);
}

Test(rng, normal_values_have_mean_zero_and_variance_one)
{
    lt_rng rng = lt_rng_make(7, 7);
    double sum = 0, squares = 0;
    for (int i = 0; i < 100000; i++) {
        double x = lt_rng_normal(&rng);
        sum += x;
        squares += x * x;
    }
    cr_assert_float_eq(sum / 1e5, 0.0, 0.02);
    cr_assert_float_eq(squares / 1e5, 1.0, 0.02);
}
