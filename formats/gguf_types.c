/* The types of GGUF values and tensors. */
#include "formats/gguf.h"

#include <string.h>

static const lt_gguf_tensor_type types[] = {
    {0, "F32", 1, 4},          {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},       {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},     {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},    {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98},  {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},    {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},         {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},        {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
};

enum { TYPES = sizeof types / sizeof *types };

const lt_gguf_tensor_type *lt_gguf_tensor_type_get(uint32_t id)
{
    for (int i = 0; i < TYPES; i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

/* The two tables spell their types alike, and a type that both know has one layout. */
bool lt_gguf_dtype(uint32_t id, lt_dtype *dtype)
{
    const lt_gguf_tensor_type *type = lt_gguf_tensor_type_get(id);
    for (int i = 0; type && i < LT_DTYPE_COUNT; i++) {
        const lt_dtype_info *info = lt_dtype_get((lt_dtype)i);
        if (strcmp(info->name, type->name) == 0 && info->block_elements == type->block_elements &&
            info->block_bytes == type->block_bytes) {
            *dtype = (lt_dtype)i;
            return true;
        }
    }
    return false;
}

bool lt_gguf_type_of_dtype(lt_dtype dtype, uint32_t *id)
{
    for (int i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, lt_dtype_get(dtype)->name) == 0) {
            *id = types[i].id;
            return true;
        }
    return false;
}

const char *lt_gguf_type_name(lt_gguf_type type)
{
    static const char *const names[LT_GGUF_TYPES] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                     "bool", "string", "array", "u64", "i64", "f64"};
    return names[type];
}
