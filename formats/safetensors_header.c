#include "formats/safetensors_header.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json.h"

static bool tensor_error(const char *source, const char *name, lt_error *err, lt_status status, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static bool tensor_error(const char *source, const char *name, lt_error *err, lt_status status, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return lt_error_set(err, status, "%s: tensor '%.300s': %s", source, name, text);
}

/* A JSON value of two bytes ("[]", "1,") becomes an object of fifty; a header of the accepted size must not become
 * gigabytes. The shortest honest tensor takes 51 bytes for three brackets and five commas, so text that is much denser
 * is refused unparsed. */
static bool plausible_density(const char *text, size_t n)
{
    size_t brackets = 0, commas = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted)
            brackets += c == '[' || c == '{', commas += c == ',';
    }
    return brackets <= 64 + n / 16 && commas <= 64 + n / 4;
}

static bool parse_dtype(const json_t *entry, const char *source, lt_tensor_info *info, lt_error *err)
{
    const json_t *dtype = json_object_get(entry, "dtype");
    if (!json_is_string(dtype))
        return tensor_error(source, info->name, err, LT_ERR_FORMAT, "dtype: expected a string, found %s",
                            dtype ? lt_json_type_name(dtype) : "nothing");
    if (!lt_dtype_parse(json_string_value(dtype), &info->dtype))
        return tensor_error(source, info->name, err, LT_ERR_UNSUPPORTED,
                            "dtype '%.40s' is not known (F32, F16, BF16, F64 and the integers from I8 to I64 are)",
                            json_string_value(dtype));
    return true;
}

static bool parse_shape(const json_t *entry, const char *source, lt_tensor_info *info, lt_error *err)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return tensor_error(source, info->name, err, LT_ERR_FORMAT, "shape: expected a list, found %s",
                            shape ? lt_json_type_name(shape) : "nothing");
    size_t dims = json_array_size(shape);
    if (dims > LT_MAX_DIMS)
        return tensor_error(source, info->name, err, LT_ERR_UNSUPPORTED,
                            "shape: expected at most %d dimensions, found %zu", LT_MAX_DIMS, dims);
    info->dims = (int)dims;
    info->elements = 1;
    for (size_t i = 0; i < dims; i++) {
        const json_t *size = json_array_get(shape, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return tensor_error(source, info->name, err, LT_ERR_FORMAT, "shape[%zu]: expected an integer, not negative",
                                i);
        info->shape[i] = json_integer_value(size);
        if (__builtin_mul_overflow(info->elements, info->shape[i], &info->elements))
            return tensor_error(source, info->name, err, LT_ERR_FORMAT,
                                "shape: the number of elements exceeds 64 bits");
    }
    int64_t width = lt_dtype_bytes(info->dtype, 1), bytes;
    if (__builtin_mul_overflow(info->elements, width, &bytes))
        return tensor_error(source, info->name, err, LT_ERR_FORMAT, "shape: the number of bytes exceeds 64 bits");
    info->bytes = bytes;
    return true;
}

static bool parse_offsets(const json_t *entry, const char *source, int64_t data_bytes, lt_tensor_info *info,
                          lt_error *err)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (json_array_size(offsets) != 2 || !json_is_integer(json_array_get(offsets, 0)) ||
        !json_is_integer(json_array_get(offsets, 1)))
        return tensor_error(source, info->name, err, LT_ERR_FORMAT, "data_offsets: expected a list of two integers");
    int64_t begin = json_integer_value(json_array_get(offsets, 0)),
            end = json_integer_value(json_array_get(offsets, 1));
    if (begin < 0 || end < begin)
        return tensor_error(source, info->name, err, LT_ERR_FORMAT,
                            "data_offsets: [%" PRId64 ", %" PRId64 "] is not a range", begin, end);
    if (end > data_bytes)
        return tensor_error(source, info->name, err, LT_ERR_FORMAT,
                            "data_offsets end at %" PRId64 " but the file has %" PRId64
                            " bytes of data (truncated download?)",
                            end, data_bytes);
    if (end - begin != info->bytes)
        return tensor_error(source, info->name, err, LT_ERR_FORMAT,
                            "data_offsets span %" PRId64 " bytes, its shape and dtype need %" PRId64, end - begin,
                            info->bytes);
    info->offset = begin;
    return true;
}

static bool parse_tensor(const char *name, const json_t *entry, const char *source, int64_t data_bytes,
                         lt_tensor_info *info, lt_error *err)
{
    if (!json_is_object(entry))
        return tensor_error(source, name, err, LT_ERR_FORMAT, "expected an object, found %s", lt_json_type_name(entry));
    info->name = strdup(name);
    if (!info->name)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", source);
    return parse_dtype(entry, source, info, err) && parse_shape(entry, source, info, err) &&
           parse_offsets(entry, source, data_bytes, info, err);
}

static bool check_metadata(const json_t *metadata, const char *source, lt_error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: __metadata__: expected an object, found %s", source,
                            lt_json_type_name(metadata));
    json_object_foreach ((json_t *)metadata, key, value)
        if (!json_is_string(value))
            return lt_error_set(err, LT_ERR_FORMAT, "%s: __metadata__: '%.200s': expected a string, found %s", source,
                                key, lt_json_type_name(value));
    return true;
}

static int compare_offsets(const void *a, const void *b)
{
    const lt_tensor_info *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes) /* an empty tensor lies before the one that begins at the same place */
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool check_tiling(const lt_tensor_info *infos, int64_t count, int64_t data_bytes, const char *source,
                         lt_error *err)
{
    int64_t end = 0;
    for (int64_t i = 0; i < count; i++) {
        if (infos[i].offset != end)
            return tensor_error(source, infos[i].name, err, LT_ERR_FORMAT,
                                "data_offsets begin at %" PRId64 ", %s the previous tensor, which ends at %" PRId64,
                                infos[i].offset, infos[i].offset < end ? "inside" : "leaving a hole after", end);
        end += infos[i].bytes;
    }
    if (end != data_bytes)
        return lt_error_set(err, LT_ERR_FORMAT,
                            "%s: its tensors end at %" PRId64 " but %" PRId64 " bytes of data follow the header",
                            source, end, data_bytes);
    return true;
}

bool lt_safetensors_parse_header(const char *text, size_t n, const char *source, int64_t data_bytes,
                                 lt_tensor_info **infos, int64_t *count, json_t **metadata, lt_error *err)
{
    json_error_t at;
    json_t *root = NULL;
    bool ok = false;
    int64_t used = 0;
    lt_tensor_info *list = NULL;
    if (n == 0 || text[0] != '{')
        return lt_error_set(err, LT_ERR_FORMAT, "%s: its header does not begin with '{' (not a safetensors file?)",
                            source);
    if (!plausible_density(text, n))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: its header is a nest of empty values, not a list of tensors",
                            source);
    root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &at);
    if (!root)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: header, byte %d: not valid JSON: %s", source, at.position,
                            at.text);
    json_t *meta = json_object_get(root, "__metadata__");
    if (meta && !check_metadata(meta, source, err))
        goto done;
    list = calloc(json_object_size(root) + 1, sizeof *list);
    if (!list) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for %zu tensors", source, json_object_size(root));
        goto done;
    }
    const char *name;
    json_t *entry;
    json_object_foreach (root, name, entry) {
        if (entry == meta)
            continue;
        if (!parse_tensor(name, entry, source, data_bytes, &list[used++], err))
            goto done;
    }
    qsort(list, (size_t)used, sizeof *list, compare_offsets);
    if (!check_tiling(list, used, data_bytes, source, err))
        goto done;
    *infos = list;
    *count = used;
    *metadata = json_incref(meta);
    ok = true;
done:
    if (!ok)
        lt_safetensors_free_infos(list, used);
    json_decref(root);
    return ok;
}

void lt_safetensors_free_infos(lt_tensor_info *infos, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        free((char *)infos[i].name);
    free(infos);
}
