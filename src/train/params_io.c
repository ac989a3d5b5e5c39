#include "train/params_io.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "formats/safetensors.h"
#include "simd/kernels.h"

enum { PIECE = 1 << 15 }; /* elements converted at once */

static bool append(lt_safetensors_writer *writer, const float *values, int64_t n, lt_dtype dtype, lt_error *err)
{
    if (dtype == LT_DTYPE_F32)
        return lt_safetensors_append(writer, values, n * (int64_t)sizeof *values, err);
    for (int64_t done = 0; done < n; done += PIECE) {
        uint16_t half[PIECE];
        int64_t part = n - done < PIECE ? n - done : PIECE;
        if (dtype == LT_DTYPE_F16)
            lt_kernels_get()->f32_to_f16(values + done, half, part);
        else
            lt_kernels_get()->f32_to_bf16(values + done, half, part);
        if (!lt_safetensors_append(writer, half, part * (int64_t)sizeof *half, err))
            return false;
    }
    return true;
}

bool lt_params_save(const lt_param_list *params, lt_params_part part, lt_dtype dtype, const char *path, lt_error *err)
{
    assert(dtype == LT_DTYPE_F32 || dtype == LT_DTYPE_F16 || dtype == LT_DTYPE_BF16);
    static const char *const metadata[] = {"format", "pt", NULL};
    lt_safetensors_writer *writer = NULL;
    lt_tensor_spec *specs = calloc((size_t)params->count + 1, sizeof *specs);
    if (!specs)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for the list of tensors", path);
    for (int i = 0; i < params->count; i++) {
        specs[i] = (lt_tensor_spec){.name = params->items[i].name, .dtype = dtype, .dims = params->items[i].dims};
        for (int d = 0; d < params->items[i].dims; d++)
            specs[i].shape[d] = params->items[i].shape[d];
    }
    bool ok = lt_safetensors_create(&writer, path, specs, params->count, metadata, err);
    free(specs);
    if (!ok)
        return false;
    for (int i = 0; i < params->count; i++) {
        const lt_param *param = &params->items[i];
        if (!append(writer, part == LT_PARAMS_VALUES ? param->value : param->gradient, param->elements, dtype, err)) {
            lt_safetensors_abort(writer);
            return false;
        }
    }
    return lt_safetensors_finish(writer, err);
}

static void print_shape(char *out, size_t capacity, int dims, const int64_t *shape)
{
    size_t n = (size_t)snprintf(out, capacity, "[");
    for (int d = 0; d < dims && n < capacity; d++)
        n += (size_t)snprintf(out + n, capacity - n, "%s%lld", d ? ", " : "", (long long)shape[d]);
    if (n < capacity)
        snprintf(out + n, capacity - n, "]");
}

static bool load_one(lt_param *param, const lt_safetensors *set, const char *path, lt_error *err)
{
    const lt_tensor_info *tensor = lt_safetensors_find(set, param->name);
    if (!tensor)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s' is missing", path, param->name);
    bool same = tensor->dims == param->dims;
    for (int d = 0; same && d < param->dims; d++)
        same = tensor->shape[d] == param->shape[d];
    if (!same) {
        char expected[96], found[96];
        print_shape(expected, sizeof expected, param->dims, param->shape);
        print_shape(found, sizeof found, tensor->dims, tensor->shape);
        return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s': expected shape %s, found %s", path, param->name, expected,
                            found);
    }
    if (!lt_safetensors_read_f32(set, tensor, param->value, err))
        return false;
    for (int64_t i = 0; i < param->elements; i++)
        if (!isfinite(param->value[i]))
            return lt_error_set(err, LT_ERR_NUMERIC, "%s: tensor '%s': element %lld is %g", path, param->name, (long long)i,
                                (double)param->value[i]);
    return true;
}

bool lt_params_load(lt_param_list *params, const char *path, lt_error *err)
{
    lt_safetensors *set = NULL;
    if (!lt_safetensors_open(&set, path, err))
        return false;
    bool ok = true;
    for (int i = 0; ok && i < params->count; i++)
        ok = load_one(&params->items[i], set, path, err);
    int64_t left = 0;
    const char *first = NULL;
    for (int64_t i = 0; ok && i < lt_safetensors_count(set); i++) {
        const char *name = lt_safetensors_at(set, i)->name;
        /* PEFT also writes the untouched base weights of an adapted embedding. */
        if (!lt_param_list_find(params, name) && !strstr(name, ".base_layer.") && left++ == 0)
            first = name;
    }
    if (left)
        lt_log_warning("%s: %lld tensors are not used, the first is '%s'", path, (long long)left, first);
    lt_safetensors_close(set);
    return ok;
}
