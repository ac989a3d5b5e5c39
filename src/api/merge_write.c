/* The numbers of one merged tensor, a few rows at a time. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/merge_internal.h"
#include "core/file.h"
#include "simd/kernels.h"

static bool count_done(lt_merge *m, int64_t bytes)
{
    m->done_bytes += bytes;
    const lt_merge_options *o = m->options;
    return !o->progress || o->progress(m->done_bytes, m->total_bytes, o->context) ||
           lt_error_set(m->err, LT_ERR_INTERRUPTED, "%s: stopped; nothing was kept", o->output);
}

static bool reserve(lt_merge *m, int64_t elements)
{
    if (elements <= m->values_capacity)
        return true;
    float *grown = realloc(m->values, (size_t)elements * sizeof *grown);
    if (!grown)
        return lt_error_set(m->err, LT_ERR_MEMORY, "out of memory for %lld values", (long long)elements);
    m->values = grown;
    m->values_capacity = elements;
    return true;
}

static bool copy_raw(lt_merge *m, const lt_merge_tensor *item, lt_merge_append append, void *writer)
{
    int fd = lt_safetensors_shard_fd(m->base, item->from->shard);
    const char *path = lt_safetensors_shard_path(m->base, item->from->shard);
    if (!reserve(m, LT_MERGE_ELEMENTS))
        return false;
    for (int64_t at = 0; at < item->from->bytes;) {
        int64_t n = item->from->bytes - at, most = LT_MERGE_ELEMENTS * (int64_t)sizeof(float);
        n = n < most ? n : most;
        if (!lt_file_pread(fd, path, m->values, (size_t)n, item->from->offset + at, m->err) || !append(writer, m->values, n, m->err) ||
            !count_done(m, n))
            return false;
        at += n;
    }
    return true;
}

/* ---- to the stored type ---- */

/* Blocks of 32: scale max|x| / 127 as f16, codes x / scale rounded half away from zero, as ggml does. */
static void encode_q8_0(const float *in, unsigned char *out, int64_t n)
{
    for (int64_t b = 0; b < n; b += 32, out += 34) {
        float most = 0;
        for (int i = 0; i < 32; i++)
            most = fabsf(in[b + i]) > most ? fabsf(in[b + i]) : most;
        float scale = most / 127.0f, inverse = scale > 0 ? 1.0f / scale : 0;
        uint16_t half = lt_f32_to_f16(scale);
        memcpy(out, &half, 2);
        for (int i = 0; i < 32; i++)
            ((int8_t *)out)[2 + i] = (int8_t)roundf(in[b + i] * inverse);
    }
}

/* In place where the type is no wider; returns the bytes. */
static int64_t encode(lt_dtype dtype, float *values, int64_t n, unsigned char *out)
{
    if (dtype == LT_DTYPE_F32)
        memcpy(out, values, (size_t)n * sizeof *values);
    else if (dtype == LT_DTYPE_F16)
        lt_kernels_get()->f32_to_f16(values, (uint16_t *)out, n);
    else if (dtype == LT_DTYPE_BF16)
        lt_kernels_get()->f32_to_bf16(values, (uint16_t *)out, n);
    else {
        assert(dtype == LT_DTYPE_Q8_0);
        encode_q8_0(values, out, n);
    }
    return lt_dtype_bytes(dtype, n);
}

/* How far rounding moves a merged tensor, for the report. */
static void measure(const lt_merge_tensor *item, const float *exact, const unsigned char *stored, int64_t n, double *moved, double *greatest)
{
    enum { PIECE = 4096 };
    float back[PIECE];
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t part = n - i < PIECE ? n - i : PIECE;
        const unsigned char *at = stored + lt_dtype_bytes(item->dtype, i);
        if (item->dtype == LT_DTYPE_F16)
            lt_kernels_get()->f16_to_f32((const uint16_t *)at, back, part);
        else if (item->dtype == LT_DTYPE_BF16)
            lt_kernels_get()->bf16_to_f32((const uint16_t *)at, back, part);
        else
            return;
        for (int64_t k = 0; k < part; k++) {
            double distance = fabs((double)back[k] - (double)exact[i + k]), size = fabs((double)exact[i + k]);
            *moved = distance > *moved ? distance : *moved;
            *greatest = size > *greatest ? size : *greatest;
        }
    }
}

/* ---- rows ---- */

static bool fill_rows(lt_merge *m, const lt_merge_tensor *item, int64_t first, int64_t rows, int64_t width, float *out)
{
    if (item->whole)
        memcpy(out, item->whole->values + first * width, (size_t)(rows * width) * sizeof *out);
    else if (!lt_safetensors_read_rows(m->base, item->from, first, rows, out, m->err))
        return false;
    for (int64_t i = 0; item->rows && i < item->rows->count; i++) {
        int64_t id = item->rows->ids[i] - first;
        if (id >= 0 && id < rows)
            memcpy(out + id * width, item->rows->values + i * width, (size_t)width * sizeof *out);
    }
    for (int64_t i = 0; item->bias_of && i < rows; i++)
        out[i] = item->bias_of->factors ? out[i] * item->bias_of->factors[first + i]
                                        : out[i] + (float)(item->bias_of->scale * item->bias_of->b_bias[first + i]);
    return !item->module ||
           lt_lora_merge_rows(item->module, item->rows_are_inputs && !item->module->embedding, first, rows, out, m->err);
}

/* From the order and scale of the Hugging Face layout to what a GGUF stores. */
static bool store_view(lt_merge *m, const lt_merge_tensor *item, float *values, int64_t rows, int64_t width)
{
    if (item->view == LT_VIEW_PLUS_ONE)
        for (int64_t i = 0; i < rows * width; i++)
            values[i] += 1.0f;
    if (item->view != LT_VIEW_PAIRED_ROWS)
        return true;
    float *head = malloc((size_t)(item->head_rows * width) * sizeof *head);
    if (!head)
        return lt_error_set(m->err, LT_ERR_MEMORY, "out of memory for a head of '%s'", item->name);
    for (int64_t begin = 0; begin < rows; begin += item->head_rows) {
        float *at = values + begin * width;
        memcpy(head, at, (size_t)(item->head_rows * width) * sizeof *head);
        for (int64_t row = 0; row < item->head_rows; row++)
            memcpy(at + row * width, head + lt_tensor_row(item->view, item->head_rows, row) * width, (size_t)width * sizeof *head);
    }
    free(head);
    return true;
}

/* A GGUF has no matrices stored (in, out): such a one is turned whole. */
static bool turn(lt_merge *m, const lt_merge_tensor *item, float *values)
{
    int64_t rows = item->shape[0], cols = item->shape[1];
    float *copy = malloc((size_t)item->elements * sizeof *copy);
    if (!copy)
        return lt_error_set(m->err, LT_ERR_MEMORY, "out of memory for turning '%s'", item->name);
    memcpy(copy, values, (size_t)item->elements * sizeof *copy);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < cols; k++)
            values[k * rows + i] = copy[i * cols + k];
    free(copy);
    return true;
}

bool lt_merge_stream(lt_merge *m, const lt_merge_tensor *item, lt_merge_append append, void *writer)
{
    if (item->raw)
        return copy_raw(m, item, append, writer);
    int64_t total = item->dims ? item->shape[0] : 1, width = total ? item->elements / total : 0;
    int64_t unit = item->head_rows ? item->head_rows : item->from && item->from->head_rows ? item->from->head_rows : 1;
    bool turned = m->options->gguf && item->rows_are_inputs && item->dims == 2;
    int64_t step = width ? LT_MERGE_ELEMENTS / width / unit * unit : 1;
    bool whole = turned || (item->module && item->module->magnitude && item->rows_are_inputs);
    step = whole ? total : step < unit ? unit : step;
    step = step < total ? step : total;
    if (item->elements == 0)
        return true;
    unsigned char *stored = malloc((size_t)(step * width) * sizeof(float));
    bool ok = (stored && reserve(m, step * width)) || lt_error_set(m->err, LT_ERR_MEMORY, "out of memory for rows of '%s'", item->name);
    double moved = 0, greatest = 0;
    for (int64_t first = 0; ok && first < total; first += step) {
        int64_t rows = total - first < step ? total - first : step, n = rows * width;
        ok = fill_rows(m, item, first, rows, width, m->values) && (!turned || turn(m, item, m->values)) &&
             store_view(m, item, m->values, rows, width);
        if (!ok)
            break;
        int64_t bytes = encode(item->dtype, m->values, n, stored);
        if (item->module)
            measure(item, m->values, stored, n, &moved, &greatest);
        ok = append(writer, stored, bytes, m->err) && count_done(m, bytes);
    }
    if (greatest > 0 && moved / greatest > m->largest_rounding)
        m->largest_rounding = moved / greatest;
    free(stored);
    return ok;
}
