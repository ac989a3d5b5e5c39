#include "models/quantize.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/json.h"
#include "models/companions.h"
#include "models/new_folder.h"
#include "models/open.h"
#include "models/quantize_values.h"

enum { PIECE_BYTES = 4 << 20, PIECE_ROWS = 64, STATE_LENGTH = 256, NAME_BYTES = 1024 };

static const int64_t default_shard_bytes = 5000000000;

/* What a tensor of the output is, of the tensor it comes from. */
typedef enum part {
    PART_COPY, /* it, unchanged */
    PART_NF4_CODES,
    PART_NF4_ABSMAX,
    PART_NF4_NESTED_ABSMAX,
    PART_NF4_NESTED_MAP,
    PART_NF4_MAP,
    PART_NF4_STATE,
    PART_INT8_CODES,
    PART_INT8_SCB,
    PART_INT8_FORMAT,
} part;

typedef struct output_tensor {
    lt_tensor_spec spec; /* name owned */
    part part;
    int64_t source; /* index in the set */
    int shard;
} output_tensor;

typedef struct job {
    const lt_quantize_options *options;
    lt_new_folder folder;
    lt_model *model;
    const lt_safetensors *set;
    const lt_weight **matrix; /* of each tensor of the set: the weight that is quantised, or NULL */
    output_tensor *tensors;
    int64_t count, capacity;
    int shards;
    int64_t bytes, bytes_before, done, quantised;
    json_t *config;
    float *rows, *absmax; /* a piece of a matrix; all scales of the one that is written */
    void *piece;
    float table[256];   /* the dynamic map, then for one matrix: */
    uint8_t *codes;     /* its doubly quantised scales */
    float *scales, offset;
} job;

/* ---- what is to be written ---- */

static void mark(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    job *j = context;
    (void)slot;
    if (block == j->model->config.L) /* the head */
        return;
    for (int64_t i = 0; i < lt_safetensors_count(j->set); i++)
        if (lt_safetensors_at(j->set, i) == linear->weight.info)
            j->matrix[i] = &linear->weight;
}

static bool add(job *j, int64_t source, part what, const char *ending, lt_dtype dtype, int dims, const int64_t *shape, lt_error *err)
{
    const lt_tensor_info *info = lt_safetensors_at(j->set, source);
    const bool replaces = ending[0] && (what == PART_INT8_SCB || what == PART_INT8_FORMAT); /* X.SCB, not X.weight.SCB */
    int length = (int)strlen(info->name) - (replaces ? (int)strlen(".weight") : 0);
    if (j->count == j->capacity) {
        j->capacity = j->capacity ? 2 * j->capacity : 256;
        output_tensor *grown = realloc(j->tensors, (size_t)j->capacity * sizeof *grown);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a list of %" PRId64 " tensors", j->capacity);
        j->tensors = grown;
    }
    char *name = malloc(NAME_BYTES);
    if (!name)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a name");
    output_tensor *t = &j->tensors[j->count++];
    *t = (output_tensor){.spec = {.name = name, .dtype = dtype, .dims = dims}, .part = what, .source = source};
    if (snprintf(name, NAME_BYTES, "%.*s%s", length, info->name, ending) >= NAME_BYTES)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "tensor name of %d bytes is too long", length);
    if (dims)
        memcpy(t->spec.shape, shape, (size_t)dims * sizeof *shape);
    return true;
}

static int64_t bytes_of(const output_tensor *t)
{
    int64_t elements = 1;
    for (int i = 0; i < t->spec.dims; i++)
        elements *= t->spec.shape[i];
    return lt_dtype_bytes(t->spec.dtype, elements);
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static bool add_nf4(job *j, int64_t source, const lt_matrix *m, lt_error *err)
{
    const int64_t n = m->rows * m->cols, blocks = divide_up(n, LT_NF4_BLOCK), groups = divide_up(blocks, LT_NF4_NESTED);
    return add(j, source, PART_NF4_CODES, "", LT_DTYPE_U8, 2, (int64_t[]){divide_up(n, 2), 1}, err) &&
           add(j, source, PART_NF4_ABSMAX, ".absmax", LT_DTYPE_U8, 1, &blocks, err) &&
           add(j, source, PART_NF4_NESTED_ABSMAX, ".nested_absmax", LT_DTYPE_F32, 1, &groups, err) &&
           add(j, source, PART_NF4_NESTED_MAP, ".nested_quant_map", LT_DTYPE_F32, 1, (int64_t[]){256}, err) &&
           add(j, source, PART_NF4_MAP, ".quant_map", LT_DTYPE_F32, 1, (int64_t[]){16}, err) &&
           add(j, source, PART_NF4_STATE, ".quant_state.bitsandbytes__nf4", LT_DTYPE_U8, 1, (int64_t[]){STATE_LENGTH}, err);
}

static bool add_int8(job *j, int64_t source, const lt_matrix *m, lt_error *err)
{
    return add(j, source, PART_INT8_CODES, "", LT_DTYPE_I8, 2, (int64_t[]){m->rows, m->cols}, err) &&
           add(j, source, PART_INT8_SCB, ".SCB", LT_DTYPE_F32, 1, &m->rows, err) &&
           add(j, source, PART_INT8_FORMAT, ".weight_format", LT_DTYPE_U8, 0, NULL, err);
}

/* All that comes from one tensor goes into one file, in this order. */
static bool plan_tensors(job *j, lt_error *err)
{
    const int64_t limit = j->options->shard_bytes > 0 ? j->options->shard_bytes : default_shard_bytes;
    int64_t used = 0;
    j->shards = 1;
    for (int64_t i = 0; i < lt_safetensors_count(j->set); i++) {
        const lt_tensor_info *info = lt_safetensors_at(j->set, i);
        int64_t first = j->count, bytes = 0;
        j->bytes_before += info->bytes;
        bool ok = !j->matrix[i]                        ? add(j, i, PART_COPY, "", info->dtype, info->dims, info->shape, err)
                  : j->options->type == LT_DTYPE_NF4 ? add_nf4(j, i, &j->matrix[i]->matrix, err)
                                                     : add_int8(j, i, &j->matrix[i]->matrix, err);
        if (!ok)
            return false;
        j->quantised += j->matrix[i] != NULL;
        for (int64_t t = first; t < j->count; t++)
            bytes += bytes_of(&j->tensors[t]);
        if (used > 0 && bytes > limit - used) {
            j->shards++;
            used = 0;
        }
        used += bytes;
        j->bytes += bytes;
        for (int64_t t = first; t < j->count; t++)
            j->tensors[t].shard = j->shards - 1;
    }
    return true;
}

static bool is_plain(lt_dtype dtype)
{
    return dtype == LT_DTYPE_F32 || dtype == LT_DTYPE_BF16 || dtype == LT_DTYPE_F16;
}

/* The largest matrix decides how much memory is needed. */
static bool take_memory(job *j, lt_error *err)
{
    int64_t rows = 1, cols = 1, elements = 1;
    for (int64_t i = 0; i < lt_safetensors_count(j->set); i++) {
        if (!j->matrix[i])
            continue;
        const lt_matrix *m = &j->matrix[i]->matrix;
        if (!is_plain(m->dtype))
            return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: tensor '%s' is quantised already (%s); give the plain model",
                                j->options->model, lt_safetensors_at(j->set, i)->name, lt_dtype_get(m->dtype)->name);
        rows = m->rows > rows ? m->rows : rows;
        cols = m->cols > cols ? m->cols : cols;
        elements = m->rows * m->cols > elements ? m->rows * m->cols : elements;
    }
    int64_t blocks = divide_up(elements, LT_NF4_BLOCK);
    j->rows = malloc((size_t)(PIECE_ROWS * cols) * sizeof *j->rows);
    j->piece = malloc((size_t)(PIECE_ROWS * cols > PIECE_BYTES ? PIECE_ROWS * cols : PIECE_BYTES));
    j->absmax = malloc((size_t)(blocks > rows ? blocks : rows) * sizeof *j->absmax);
    j->codes = malloc((size_t)blocks);
    j->scales = malloc((size_t)divide_up(blocks, LT_NF4_NESTED) * sizeof *j->scales);
    if (!j->rows || !j->piece || !j->absmax || !j->codes || !j->scales)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for a piece of a matrix", j->options->model);
    return true;
}

static bool open_source(job *j, lt_error *err)
{
    char path[4096], *text = NULL;
    size_t n;
    if (!lt_file_is_folder(j->options->model))
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: expected a model folder with config.json and safetensors", j->options->model);
    if (!lt_model_open(&j->model, j->options->model, err))
        return false;
    if (j->model->config.conv1d)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: matrices of %s are stored transposed and cannot be quantised in this form",
                            j->options->model, j->model->config.architecture);
    j->set = lt_weights_set(j->model->weights);
    j->matrix = calloc((size_t)lt_safetensors_count(j->set) + 1, sizeof *j->matrix);
    if (!j->matrix)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", j->options->model);
    lt_model_each_linear(j->model, mark, j);
    lt_model_each_expert(j->model, mark, j);
    if (!lt_file_join(path, sizeof path, j->options->model, "config.json", err) ||
        !lt_file_read(path, LT_JSON_CONFIG_LIMIT_BYTES, &text, &n, err))
        return false;
    j->config = lt_json_parse(text, n, path, err);
    free(text);
    return j->config && take_memory(j, err) && plan_tensors(j, err);
}

/* ---- writing ---- */

static bool report(job *j, int64_t bytes, lt_error *err)
{
    j->done += bytes;
    if (j->options->progress && !j->options->progress(j->done, j->bytes_before, j->options->context))
        return lt_error_set(err, LT_ERR_INTERRUPTED, "%s: stopped; nothing was kept", j->folder.output);
    return true;
}

static bool copy_tensor(job *j, lt_safetensors_writer *writer, const lt_tensor_info *info, lt_error *err)
{
    const char *path = lt_safetensors_shard_path(j->set, info->shard);
    for (int64_t at = 0, n; at < info->bytes; at += n) {
        n = info->bytes - at < PIECE_BYTES ? info->bytes - at : PIECE_BYTES;
        if (!lt_file_pread(lt_safetensors_shard_fd(j->set, info->shard), path, j->piece, (size_t)n, info->offset + at, err) ||
            !lt_safetensors_append(writer, j->piece, n, err) || !report(j, n, err))
            return false;
    }
    return true;
}

static bool check_finite(const job *j, const lt_weight *w, int64_t row, int64_t rows, lt_error *err)
{
    const int64_t cols = w->matrix.cols;
    for (int64_t i = 0; i < rows * cols; i++)
        if (!isfinite(j->rows[i]))
            return lt_error_set(err, LT_ERR_NUMERIC, "%s: tensor '%s': element [%" PRId64 ", %" PRId64 "] is not finite",
                                j->options->model, w->info->name, row + i / cols, i % cols);
    return true;
}

/* Rows at a time, a multiple of 64 so that blocks stay whole. The scales are kept for the tensors behind this one. */
static bool write_codes(job *j, lt_safetensors_writer *writer, const lt_weight *w, lt_error *err)
{
    const lt_matrix *m = &w->matrix;
    const bool nf4 = j->options->type == LT_DTYPE_NF4;
    for (int64_t row = 0, rows; row < m->rows; row += rows) {
        rows = m->rows - row < PIECE_ROWS ? m->rows - row : PIECE_ROWS;
        for (int64_t i = 0; i < rows; i++)
            if (!lt_weights_read_row(w, row + i, j->rows + i * m->cols, err))
                return false;
        if (!check_finite(j, w, row, rows, err))
            return false;
        int64_t n = rows * m->cols;
        if (nf4)
            lt_nf4_encode(j->rows, n, j->piece, j->absmax + row * m->cols / LT_NF4_BLOCK);
        else
            lt_int8_encode(j->rows, rows, m->cols, j->piece, j->absmax + row);
        if (!lt_safetensors_append(writer, j->piece, nf4 ? divide_up(n, 2) : n, err) ||
            !report(j, lt_dtype_bytes(w->info->dtype, n), err))
            return false;
    }
    if (nf4)
        lt_nf4_encode_scales(j->absmax, divide_up(m->rows * m->cols, LT_NF4_BLOCK), j->table, j->codes, j->scales, &j->offset);
    return true;
}

/* The state as JSON, filled up with blanks: its length is declared before the offset is known. */
static void state_text(const job *j, const lt_weight *w, char out[STATE_LENGTH + 1])
{
    const char *dtype = w->info->dtype == LT_DTYPE_BF16 ? "bfloat16" : w->info->dtype == LT_DTYPE_F16 ? "float16" : "float32";
    char offset[32];
    lt_json_real_text((double)j->offset, offset);
    int n = snprintf(out, STATE_LENGTH + 1,
                     "{\"quant_type\": \"nf4\", \"blocksize\": %d, \"dtype\": \"%s\", \"shape\": [%" PRId64 ", %" PRId64
                     "], \"nested_blocksize\": %d, \"nested_dtype\": \"float32\", \"nested_offset\": %s}",
                     LT_NF4_BLOCK, dtype, w->matrix.rows, w->matrix.cols, LT_NF4_NESTED, offset);
    assert(n > 0 && n <= STATE_LENGTH);
    memset(out + n, ' ', (size_t)(STATE_LENGTH - n));
}

static bool write_tensor(job *j, lt_safetensors_writer *writer, const output_tensor *t, lt_error *err)
{
    static const uint8_t row_by_row = 0;
    char state[STATE_LENGTH + 1];
    const void *data = NULL;
    switch (t->part) {
    case PART_COPY: return copy_tensor(j, writer, lt_safetensors_at(j->set, t->source), err);
    case PART_NF4_CODES:
    case PART_INT8_CODES: return write_codes(j, writer, j->matrix[t->source], err);
    case PART_NF4_ABSMAX: data = j->codes; break;
    case PART_NF4_NESTED_ABSMAX: data = j->scales; break;
    case PART_NF4_NESTED_MAP: data = j->table; break;
    case PART_NF4_MAP: data = lt_nf4_values; break;
    case PART_NF4_STATE:
        state_text(j, j->matrix[t->source], state);
        data = state;
        break;
    case PART_INT8_SCB: data = j->absmax; break;
    case PART_INT8_FORMAT: data = &row_by_row; break;
    }
    return lt_safetensors_append(writer, data, bytes_of(t), err);
}

static bool write_shard(job *j, int64_t first, int64_t last, lt_error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    char name[LT_SHARD_NAME], path[4096];
    lt_safetensors_writer *writer = NULL;
    lt_tensor_spec *specs = malloc((size_t)(last - first) * sizeof *specs);
    if (!specs)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a list of %" PRId64 " tensors", last - first);
    for (int64_t i = first; i < last; i++)
        specs[i - first] = j->tensors[i].spec;
    lt_new_folder_shard_name(j->tensors[first].shard, j->shards, name);
    bool ok = lt_file_join(path, sizeof path, j->folder.folder, name, err) &&
              lt_safetensors_create(&writer, path, specs, last - first, metadata, err);
    free(specs);
    if (!ok)
        return false;
    for (int64_t i = first; i < last && ok; i++)
        ok = write_tensor(j, writer, &j->tensors[i], err);
    if (ok)
        return lt_safetensors_finish(writer, err);
    lt_safetensors_abort(writer);
    return false;
}

static bool write_weights(job *j, lt_error *err)
{
    lt_nf4_dynamic_map(j->table);
    for (int64_t first = 0, last; first < j->count; first = last) {
        for (last = first + 1; last < j->count && j->tensors[last].shard == j->tensors[first].shard; last++)
            ;
        if (!write_shard(j, first, last, err))
            return false;
    }
    return true;
}

static bool write_index(const job *j, lt_error *err)
{
    char name[LT_SHARD_NAME];
    if (j->shards == 1)
        return true;
    json_t *root = json_object(), *map = json_object();
    json_object_set_new(root, "metadata", json_pack("{s:I}", "total_size", (json_int_t)j->bytes));
    json_object_set_new(root, "weight_map", map);
    for (int64_t i = 0; i < j->count; i++) {
        lt_new_folder_shard_name(j->tensors[i].shard, j->shards, name);
        json_object_set_new(map, j->tensors[i].spec.name, json_string(name));
    }
    bool ok = lt_new_folder_write_json(j->folder.folder, "model.safetensors.index.json", root, true, err);
    json_decref(root);
    return ok;
}

/* What transformers needs to know to load it. The compute type is that of the weights before. */
static bool write_config(job *j, lt_error *err)
{
    const bool nf4 = j->options->type == LT_DTYPE_NF4;
    const char *dtype = json_string_value(json_object_get(j->config, "dtype"));
    if (!dtype)
        dtype = json_string_value(json_object_get(j->config, "torch_dtype"));
    json_t *q = json_pack("{s:s, s:b, s:b, s:s, s:s, s:s, s:b, s:n, s:f}", "quant_method", "bitsandbytes", "load_in_4bit", nf4,
                          "load_in_8bit", !nf4, "bnb_4bit_quant_type", "nf4", "bnb_4bit_quant_storage", "uint8",
                          "bnb_4bit_compute_dtype", dtype ? dtype : "float32", "bnb_4bit_use_double_quant", 1, "llm_int8_skip_modules",
                          "llm_int8_threshold", 6.0);
    json_object_set_new(j->config, "quantization_config", q);
    return lt_new_folder_write_json(j->folder.folder, "config.json", j->config, false, err);
}

static void free_job(job *j)
{
    for (int64_t i = 0; i < j->count; i++)
        free((char *)j->tensors[i].spec.name);
    free(j->tensors);
    free(j->matrix);
    free(j->rows);
    free(j->piece);
    free(j->absmax);
    free(j->codes);
    free(j->scales);
    json_decref(j->config);
    lt_model_close(j->model);
}

bool lt_quantize_run(const lt_quantize_options *options, lt_quantize_result *result, lt_error *err)
{
    job j = {.options = options};
    assert(options->type == LT_DTYPE_NF4 || options->type == LT_DTYPE_I8);
    bool ok = open_source(&j, err) && lt_new_folder_begin(&j.folder, options->output, j.bytes, err) && write_config(&j, err) &&
              lt_companions_copy(options->model, j.folder.folder, err) && write_weights(&j, err) && write_index(&j, err) &&
              lt_new_folder_publish(&j.folder, err);
    if (ok)
        *result = (lt_quantize_result){j.bytes_before, j.bytes, j.quantised, j.shards};
    else
        lt_new_folder_abandon(&j.folder);
    free_job(&j);
    return ok;
}
