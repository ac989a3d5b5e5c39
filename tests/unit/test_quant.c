/* The block types against numbers computed by GGUF's own Python package, and a sample of the conformance test of
 * tests/kernels/. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "simd/quant.h"
#include "tests/kernels/harness.h"

enum { BLOCKS = 8 };

/* Bytes that anyone can make again: the upper byte of a linear congruential generator. The exponents of the halves that
 * scale a block lose their upper bit, so that all values are finite. */
static uint8_t *made_blocks(lt_dtype dtype)
{
    const int size = lt_dtype_get(dtype)->block_bytes;
    uint8_t *bytes = malloc((size_t)(BLOCKS * size));
    uint32_t state = 12345;
    for (int i = 0; i < BLOCKS * size; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    for (int block = 0; block < BLOCKS; block++) {
        uint8_t *at = bytes + block * size;
        if (dtype == LT_DTYPE_Q6_K)
            at[209] &= 0xBF;
        else
            at[1] &= 0xBF;
        if (dtype == LT_DTYPE_Q4_1 || dtype == LT_DTYPE_Q5_1 || dtype == LT_DTYPE_Q4_K || dtype == LT_DTYPE_Q5_K)
            at[3] &= 0xBF;
    }
    return bytes;
}

static uint64_t fnv1a(const void *data, size_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3;
    return hash;
}

Test(quant, blocks_decode_to_the_bits_of_the_format_s_own_package)
{
    static const struct {
        lt_dtype dtype;
        uint64_t hash; /* of all values, dequantised with gguf 0.19 */
        float fifth, last;
    } expected[] = {
        {LT_DTYPE_Q8_0, 0xd5fc36a3ca3e6b9c, -0.0071146488189697266f, 0.027971267700195312f},
        {LT_DTYPE_Q4_0, 0x6717691c059c7d1d, 0.0002453327178955078f, 0.197998046875f},
        {LT_DTYPE_Q4_1, 0xb9e5db59f890e841, -0.012288570404052734f, 0.016668319702148438f},
        {LT_DTYPE_Q5_0, 0x8c728192ef4f5ff7, -0.0001226663589477539f, -4.427490234375f},
        {LT_DTYPE_Q5_1, 0x4a74695c7c666078, -0.011675238609313965f, 0.02381211519241333f},
        {LT_DTYPE_Q4_K, 0x9b906690de673a35, 0.3287816047668457f, -2.175422430038452f},
        {LT_DTYPE_Q5_K, 0xa322b698e691484a, 0.3508615493774414f, -73.63404846191406f},
        {LT_DTYPE_Q6_K, 0xedac04bf67c42df1, 628.06640625f, 0.1734466552734375f},
    };
    for (const char *const *set = lt_kernels_available(); *set; set++)
        for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
            const char *name = lt_dtype_get(expected[i].dtype)->name;
            uint8_t *blocks = made_blocks(expected[i].dtype);
            int64_t n = BLOCKS * lt_dtype_get(expected[i].dtype)->block_elements;
            float *values = malloc((size_t)n * sizeof *values);
            lt_matrix m = {.data = blocks, .dtype = expected[i].dtype, .rows = 1, .cols = n, .row_stride = n};
            lt_kernels_find(*set)->decode_f32(&m, 0, 0, n, values);
            cr_assert_eq(values[5], expected[i].fifth, "%s %s: %.9g", *set, name, (double)values[5]);
            cr_assert_eq(values[n - 1], expected[i].last, "%s %s: %.9g", *set, name, (double)values[n - 1]);
            cr_assert_eq(fnv1a(values, (size_t)n * sizeof *values), expected[i].hash, "%s %s", *set, name);
            free(values);
            free(blocks);
        }
}

Test(quant, a_doubly_quantised_scale_is_found_for_every_element)
{
    /* Two rows of 3: elements 2 and 3 share a byte across the rows; blocks of 4 elements cross them too. */
    const uint8_t codes[] = {0x12, 0x34, 0x56};
    const uint8_t scale_codes[] = {3, 7};
    float code_values[256], code_scales[] = {2, 4};
    for (int i = 0; i < 256; i++)
        code_values[i] = (float)i;
    lt_quant_scales scales = {.block_shift = 2, .codes = scale_codes, .nested_shift = 0, .code_values = code_values,
                              .code_scales = code_scales, .offset = 0.5f};
    for (int i = 0; i < 16; i++)
        scales.values[i] = (float)i;
    lt_matrix m = {.data = codes, .dtype = LT_DTYPE_NF4, .rows = 2, .cols = 3, .row_stride = 3, .scales = &scales};
    const float want[] = {1 * 6.5f, 2 * 6.5f, 3 * 6.5f, 4 * 6.5f, 5 * 28.5f, 6 * 28.5f};
    for (const char *const *set = lt_kernels_available(); *set; set++) {
        float row[3];
        lt_kernels_find(*set)->decode_f32(&m, 0, 0, 3, row);
        cr_assert_arr_eq(row, want, sizeof row);
        lt_kernels_find(*set)->decode_f32(&m, 1, 0, 3, row);
        cr_assert_arr_eq(row, want + 3, sizeof row);
        lt_matrix second = lt_matrix_part(&m, 1, 1); /* begins in the middle of a byte */
        lt_kernels_find(*set)->decode_f32(&second, 0, 1, 2, row);
        cr_assert_arr_eq(row, want + 4, 2 * sizeof *row);
    }
}

Test(quant, products_of_every_set_take_quantised_matrices)
{
    for (const char *const *name = lt_kernels_available(); *name; name++) {
        check_begin(*name);
        check_quant(lt_kernels_find(*name), false);
        cr_assert_gt(check_count(), 1000);
        cr_assert_eq(check_failures(), 0);
    }
}
