#include "each_set.h"
#include "gradcheck.h"

#include <string.h>

#include "nn/ckpt.h"

static void round_trip(int bits, int64_t width, int64_t stride, double tolerance)
{
    enum { ROWS = 9 };
    const size_t bytes = (size_t)(lt_ckpt_row_bytes(bits, width) * ROWS);
    float *x = malloc(sizeof(float) * (size_t)(ROWS * stride)), *back = malloc(sizeof(float) * (size_t)(ROWS * stride));
    char *store = malloc(bytes + 8);
    gradcheck_normal(x, ROWS * stride, (uint64_t)width, 3);
    memset(store, 0x5A, bytes + 8);
    for (int64_t i = 0; i < ROWS * stride; i++)
        back[i] = -77;
    lt_ckpt_put(bits, x, stride, width, ROWS, store);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(store[bytes + (size_t)i], 0x5A, "%d bits, width %lld: wrote behind the store", bits,
                     (long long)width);
    /* a range of rows on its own */
    lt_ckpt_get(bits, store + 2 * lt_ckpt_row_bytes(bits, width), back + 2 * stride, stride, width, ROWS - 2);
    for (int64_t t = 0; t < ROWS; t++)
        for (int64_t i = 0; i < stride; i++) {
            float got = back[t * stride + i], want = x[t * stride + i];
            if (t < 2 || i >= width)
                cr_assert_eq(got, -77.0f);
            else
                cr_assert_float_eq(got, want, tolerance * (bits == 8 ? 15 : fabs(want)));
        }
    free(x), free(back), free(store);
}

EachSetTest(ckpt, gives_back_what_was_put_within_the_rounding_of_its_bits)
{
    static const int64_t widths[] = {1, 2, 31, 32, 33, 64, 577};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        round_trip(32, widths[i], widths[i] + 3, 0);
        round_trip(16, widths[i], widths[i] + 3, 1.0 / 256);
        round_trip(8, widths[i], widths[i] + 3, 1.0 / 250);
    }
}

Test(ckpt, an_eight_bit_row_takes_a_byte_an_element_and_two_a_block)
{
    cr_assert_eq(lt_ckpt_row_bytes(8, 576), 576 + 2 * 18);
    cr_assert_eq(lt_ckpt_row_bytes(8, 33), 40); /* 33 codes, one of padding, two scales, to a multiple of 4 */
    cr_assert_eq(lt_ckpt_row_bytes(16, 3), 8);
    cr_assert_eq(lt_ckpt_row_bytes(32, 3), 12);
}
