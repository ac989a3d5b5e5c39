#include "core/dtype.h"

#include <math.h>

static const lt_dtype_info table[LT_DTYPE_COUNT] = {
    [LT_DTYPE_F32] = {"F32", 1, 4, true},   [LT_DTYPE_F16] = {"F16", 1, 2, true},
    [LT_DTYPE_BF16] = {"BF16", 1, 2, true}, [LT_DTYPE_F64] = {"F64", 1, 8, true},
    [LT_DTYPE_I64] = {"I64", 1, 8, false},  [LT_DTYPE_I32] = {"I32", 1, 4, false},
    [LT_DTYPE_I16] = {"I16", 1, 2, false},  [LT_DTYPE_I8] = {"I8", 1, 1, false},
    [LT_DTYPE_U8] = {"U8", 1, 1, false},    [LT_DTYPE_BOOL] = {"BOOL", 1, 1, false},
    [LT_DTYPE_Q8_0] = {"Q8_0", 32, 34, true},   /* f16 scale, 32 int8 */
    [LT_DTYPE_Q4_0] = {"Q4_0", 32, 18, true},   /* f16 scale, 16 bytes of two */
    [LT_DTYPE_Q4_1] = {"Q4_1", 32, 20, true},   /* f16 scale and minimum, 16 bytes of two */
    [LT_DTYPE_Q5_0] = {"Q5_0", 32, 22, true},   /* f16 scale, 32 fifth bits, 16 bytes of two */
    [LT_DTYPE_Q5_1] = {"Q5_1", 32, 24, true},   /* f16 scale and minimum, 32 fifth bits, 16 bytes of two */
    [LT_DTYPE_Q4_K] = {"Q4_K", 256, 144, true}, /* f16 scale and minimum, 12 bytes of scales, 128 bytes of two */
    [LT_DTYPE_Q5_K] = {"Q5_K", 256, 176, true}, /* the same with 32 bytes of fifth bits */
    [LT_DTYPE_Q6_K] = {"Q6_K", 256, 210, true}, /* 128 low halves, 64 high bits, 16 int8 scales, f16 scale */
    [LT_DTYPE_NF4] = {"NF4", 2, 1, true},
};

const lt_dtype_info *lt_dtype_get(lt_dtype dtype)
{
    return &table[dtype];
}

bool lt_dtype_parse(const char *name, lt_dtype *dtype)
{
    for (int i = 0; i <= LT_DTYPE_BOOL; i++)
        if (!strcmp(table[i].name, name)) {
            *dtype = (lt_dtype)i;
            return true;
        }
    return false;
}

float lt_f16_to_f32(uint16_t v)
{
    int exponent = v >> 10 & 31, mantissa = v & 1023;
    float magnitude;
    if (exponent == 31)
        magnitude = mantissa ? NAN : INFINITY;
    else if (exponent == 0)
        magnitude = ldexpf((float)mantissa, -24);
    else
        magnitude = ldexpf((float)(mantissa + 1024), exponent - 25);
    return v >> 15 ? -magnitude : magnitude;
}

uint16_t lt_f32_to_f16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | 0x7E00);
    if (magnitude >= 0x477FF000) /* rounds to 65536 or above */
        return (uint16_t)(sign | 0x7C00);
    if (magnitude < 0x38800000) { /* subnormal: the unit is 2^-24 */
        float scaled = ldexpf(fabsf(f), 24);
        return (uint16_t)(sign | (uint16_t)nearbyintf(scaled));
    }
    uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (uint16_t)((rounded >> 13) - (112 << 10)));
}
