#include "nn/weights_quant.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/json.h"

enum { NAME_BYTES = 1024, STATE_BYTES = 64 << 10, SCAN_BYTES = 64 << 10 };

/* What is being opened. */
typedef struct opening {
    const lt_safetensors *set;
    const lt_tensor_info *codes;
    int64_t rows, cols;
    lt_weights_quant *quant;
    lt_error *err;
} opening;

static const char *path_of(const opening *o, const lt_tensor_info *info)
{
    return lt_safetensors_shard_path(o->set, info->shard);
}

/* The tensor named like the codes with an ending, which may replace ".weight". */
static const lt_tensor_info *beside(const lt_safetensors *set, const lt_tensor_info *codes, bool replace, const char *ending)
{
    char name[NAME_BYTES];
    size_t length = strlen(codes->name), weight = strlen(".weight");
    if (replace && (length < weight || strcmp(codes->name + length - weight, ".weight")))
        return NULL;
    int n = snprintf(name, sizeof name, "%.*s%s", (int)(replace ? length - weight : length), codes->name, ending);
    return n < (int)sizeof name ? lt_safetensors_find(set, name) : NULL;
}

static const lt_tensor_info *state_of(const lt_safetensors *set, const lt_tensor_info *codes)
{
    const lt_tensor_info *nf4 = beside(set, codes, false, ".quant_state.bitsandbytes__nf4");
    return nf4 ? nf4 : beside(set, codes, false, ".quant_state.bitsandbytes__fp4");
}

static const lt_tensor_info *row_scales_of(const lt_safetensors *set, const lt_tensor_info *codes)
{
    const lt_tensor_info *scb = beside(set, codes, true, ".SCB");
    return scb ? scb : beside(set, codes, true, ".weight_scale");
}

bool lt_weights_quant_is(const lt_safetensors *set, const lt_tensor_info *codes)
{
    return (codes->dtype == LT_DTYPE_U8 && state_of(set, codes)) || (codes->dtype == LT_DTYPE_I8 && row_scales_of(set, codes));
}

/* A tensor beside the codes that must be there with so many elements. */
static const lt_tensor_info *need(const opening *o, bool replace, const char *ending, int64_t elements)
{
    const lt_tensor_info *info = beside(o->set, o->codes, replace, ending);
    if (!info)
        lt_error_set(o->err, LT_ERR_FORMAT, "%s: tensor '%s' is quantised, but its '%s' is missing", path_of(o, o->codes),
                     o->codes->name, ending + 1);
    else if (info->elements != elements) {
        lt_error_set(o->err, LT_ERR_FORMAT, "%s: tensor '%s': expected %" PRId64 " elements for a matrix [%" PRId64 ", %" PRId64
                     "], found %" PRId64, path_of(o, info), info->name, elements, o->rows, o->cols, info->elements);
        info = NULL;
    }
    return info;
}

static bool check_finite(const opening *o, const lt_tensor_info *info, const float *values, int64_t first, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return lt_error_set(o->err, LT_ERR_NUMERIC, "%s: tensor '%s': element %" PRId64 " is %s; a scale must be finite",
                                path_of(o, info), info->name, first + i, isnan(values[i]) ? "NaN" : "infinite");
    return true;
}

/* Small tensors of numbers, converted and checked. */
static bool read_numbers(const opening *o, const lt_tensor_info *info, float *out)
{
    if (!lt_dtype_get(info->dtype)->is_float)
        return lt_error_set(o->err, LT_ERR_FORMAT, "%s: tensor '%s': expected numbers with a fraction, found %s", path_of(o, info),
                            info->name, lt_dtype_get(info->dtype)->name);
    return lt_safetensors_read_f32(o->set, info, out, o->err) && check_finite(o, info, out, 0, info->elements);
}

/* The values of all blocks stay in the file; they are read once to see that each is a number. */
static bool scan_blocks(const opening *o, const lt_tensor_info *info)
{
    const int64_t size = lt_dtype_bytes(info->dtype, 1);
    char *piece = malloc(SCAN_BYTES);
    lt_quant_scales scales = {.absmax = piece, .absmax_dtype = info->dtype, .factor = 1};
    if (!piece)
        return lt_error_set(o->err, LT_ERR_MEMORY, "%s: out of memory", path_of(o, info));
    bool ok = true;
    for (int64_t at = 0, bytes; ok && at < info->bytes; at += bytes) {
        bytes = info->bytes - at < SCAN_BYTES ? info->bytes - at : SCAN_BYTES;
        ok = lt_file_pread(lt_safetensors_shard_fd(o->set, info->shard), path_of(o, info), piece, (size_t)bytes, info->offset + at,
                           o->err);
        for (int64_t i = 0; ok && i < bytes / size; i++) {
            float value = lt_quant_scale(&scales, i);
            ok = check_finite(o, info, &value, at / size + i, 1);
        }
    }
    free(piece);
    return ok;
}

static bool take_memory(opening *o, int64_t floats)
{
    o->quant->memory = malloc((size_t)floats * sizeof(float));
    return o->quant->memory || lt_error_set(o->err, LT_ERR_MEMORY, "%s: out of memory for the scales of '%s'",
                                            path_of(o, o->codes), o->codes->name);
}

/* log2 of a block size that is a power of two. */
static bool read_shift(const lt_json *state, const char *key, int *shift, lt_error *err)
{
    int64_t size = 0;
    if (!lt_json_get_int(state, key, 1, 1 << 20, &size, err))
        return false;
    if (size < 2 || (size & (size - 1)))
        return lt_json_error(state, err, LT_ERR_FORMAT, "field '%s': expected a power of two, found %" PRId64, key, size);
    *shift = __builtin_ctzll((unsigned long long)size);
    return true;
}

/* The type in which bitsandbytes adds up a scale of double quantisation. */
static bool read_nested_dtype(const lt_json *state, lt_dtype *dtype, lt_error *err)
{
    const char *name = "float32";
    if (!lt_json_get_string(state, "nested_dtype", &name, err))
        return false;
    *dtype = !strcmp(name, "bfloat16") ? LT_DTYPE_BF16 : !strcmp(name, "float16") ? LT_DTYPE_F16 : LT_DTYPE_F32;
    return *dtype != LT_DTYPE_F32 || !strcmp(name, "float32") ||
           lt_json_error(state, err, LT_ERR_UNSUPPORTED, "field 'nested_dtype': expected float32, bfloat16 or float16, found '%.40s'", name);
}

static bool check_matrix_shape(const opening *o, const lt_json *state)
{
    lt_json shape;
    int64_t size[2] = {-1, -1};
    if (!lt_json_member(state, "shape", &shape))
        return lt_json_error(state, o->err, LT_ERR_FORMAT, "field 'shape' is missing");
    if (!lt_json_array(&shape, o->err))
        return false;
    for (size_t i = 0; i < 2 && i < json_array_size(shape.value); i++) {
        lt_json element = lt_json_element(&shape, i);
        if (!lt_json_int(&element, 0, INT64_MAX, &size[i], o->err))
            return false;
    }
    if (json_array_size(shape.value) != 2 || size[0] != o->rows || size[1] != o->cols)
        return lt_json_error(&shape, o->err, LT_ERR_FORMAT, "expected [%" PRId64 ", %" PRId64 "], found %zu dimensions [%" PRId64
                             ", %" PRId64 "]", o->rows, o->cols, json_array_size(shape.value), size[0], size[1]);
    return true;
}

/* The JSON in the state tensor. nested: double quantisation, which its fields say. */
static bool read_state(const opening *o, const lt_tensor_info *info, bool *nested)
{
    char source[NAME_BYTES + 4096];
    snprintf(source, sizeof source, "%s: tensor '%s'", path_of(o, info), info->name);
    if (info->dtype != LT_DTYPE_U8 || info->elements > STATE_BYTES)
        return lt_error_set(o->err, LT_ERR_FORMAT, "%s: expected at most %d bytes of JSON, found %" PRId64 " elements of %s", source,
                            STATE_BYTES, info->elements, lt_dtype_get(info->dtype)->name);
    char *text = malloc((size_t)info->bytes + 1);
    if (!text)
        return lt_error_set(o->err, LT_ERR_MEMORY, "%s: out of memory", source);
    json_t *root = lt_safetensors_read(o->set, info, text, o->err) ? lt_json_parse(text, (size_t)info->bytes, source, o->err) : NULL;
    free(text);
    if (!root)
        return false;
    lt_json state = lt_json_root(root, source);
    lt_quant_scales *scales = &o->quant->scales;
    double offset = 0;
    *nested = lt_json_has(&state, "nested_blocksize");
    bool ok = read_shift(&state, "blocksize", &scales->block_shift, o->err) && check_matrix_shape(o, &state) &&
              (!*nested || read_shift(&state, "nested_blocksize", &scales->nested_shift, o->err)) &&
              read_nested_dtype(&state, &scales->nested_dtype, o->err) && lt_json_get_real(&state, "nested_offset", &offset, o->err);
    scales->offset = (float)offset;
    if (ok && !isfinite(scales->offset))
        ok = lt_json_error(&state, o->err, LT_ERR_NUMERIC, "field 'nested_offset': %g is no single-precision number", offset);
    json_decref(root);
    return ok;
}

/* Double quantisation: a byte per block in the file, the tables in memory. */
static bool open_nested(opening *o, int64_t blocks)
{
    lt_quant_scales *scales = &o->quant->scales;
    int64_t groups = (blocks + ((int64_t)1 << scales->nested_shift) - 1) >> scales->nested_shift;
    const lt_tensor_info *map = need(o, false, ".nested_quant_map", 256), *absmax = map ? need(o, false, ".nested_absmax", groups) : NULL;
    if (!absmax || !take_memory(o, 256 + groups))
        return false;
    scales->code_values = o->quant->memory;
    scales->code_scales = o->quant->memory + 256;
    return read_numbers(o, map, o->quant->memory) && read_numbers(o, absmax, o->quant->memory + 256);
}

static bool open_four_bits(opening *o)
{
    bool nested;
    lt_quant_scales *scales = &o->quant->scales;
    o->quant->dtype = LT_DTYPE_NF4;
    if (!read_state(o, state_of(o->set, o->codes), &nested))
        return false;
    int64_t elements = o->rows * o->cols, blocks = (elements + ((int64_t)1 << scales->block_shift) - 1) >> scales->block_shift;
    if (o->codes->elements != (elements + 1) / 2)
        return lt_error_set(o->err, LT_ERR_FORMAT, "%s: tensor '%s': expected %" PRId64 " bytes for a matrix [%" PRId64 ", %" PRId64
                            "] of 4 bits, found %" PRId64, path_of(o, o->codes), o->codes->name, (elements + 1) / 2, o->rows, o->cols,
                            o->codes->elements);
    const lt_tensor_info *map = need(o, false, ".quant_map", 16), *absmax = map ? need(o, false, ".absmax", blocks) : NULL;
    if (!absmax || !read_numbers(o, map, scales->values))
        return false;
    bool number = absmax->dtype == LT_DTYPE_F32 || absmax->dtype == LT_DTYPE_BF16 || absmax->dtype == LT_DTYPE_F16;
    if (nested ? absmax->dtype != LT_DTYPE_U8 : !number)
        return lt_error_set(o->err, LT_ERR_FORMAT, "%s: tensor '%s': expected %s double quantisation, found %s", path_of(o, absmax),
                            absmax->name, nested ? "U8 with" : "F32, BF16 or F16 without", lt_dtype_get(absmax->dtype)->name);
    o->quant->blocks = absmax;
    scales->absmax_dtype = absmax->dtype;
    scales->factor = 1;
    return nested ? open_nested(o, blocks) : scan_blocks(o, absmax);
}

static bool open_int8(opening *o)
{
    const bool scb = beside(o->set, o->codes, true, ".SCB") != NULL;
    const lt_tensor_info *info = need(o, true, scb ? ".SCB" : ".weight_scale", o->rows), *format;
    o->quant->dtype = LT_DTYPE_I8;
    if (!info || !take_memory(o, o->rows) || !read_numbers(o, info, o->quant->memory))
        return false;
    uint8_t layout = 0;
    format = beside(o->set, o->codes, true, ".weight_format");
    if (scb && format && format->dtype == LT_DTYPE_U8 && format->elements == 1 && !lt_safetensors_read(o->set, format, &layout, o->err))
        return false;
    if (layout != 0)
        return lt_error_set(o->err, LT_ERR_UNSUPPORTED, "%s: tensor '%s': int8 codes in the order of a GPU (%d); save them row by row",
                            path_of(o, format), format->name, layout);
    for (int64_t i = 0; scb && i < o->rows; i++)
        o->quant->memory[i] *= 1.0f / 127;
    o->quant->scales.absmax = o->quant->memory;
    o->quant->scales.factor = 1;
    return true;
}

bool lt_weights_quant_open(const lt_safetensors *set, const lt_tensor_info *codes, int64_t rows, int64_t cols,
                           lt_weights_quant **quant, lt_error *err)
{
    opening o = {set, codes, rows, cols, calloc(1, sizeof **quant), err};
    if (!o.quant)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path_of(&o, codes));
    if (codes->dtype == LT_DTYPE_U8 ? open_four_bits(&o) : open_int8(&o)) {
        *quant = o.quant;
        return true;
    }
    lt_weights_quant_close(o.quant);
    return false;
}

void lt_weights_quant_close(lt_weights_quant *quant)
{
    if (!quant)
        return;
    free(quant->memory);
    free(quant);
}

int64_t lt_weights_quant_span(const lt_weights_quant *quant, int64_t cols, int64_t row, int64_t rows, int64_t *offset)
{
    if (!quant->blocks || rows == 0)
        return *offset = 0;
    const int64_t size = lt_dtype_bytes(quant->blocks->dtype, 1);
    int64_t first = (row * cols) >> quant->scales.block_shift, last = ((row + rows) * cols - 1) >> quant->scales.block_shift;
    *offset = first * size;
    return (last - first + 1) * size;
}
