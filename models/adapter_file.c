#include "models/adapter_file.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/arena.h"
#include "core/threads.h"
#include "formats/gguf.h"
#include "simd/gemm.h"

const char *lt_adapter_format_name(lt_adapter_format format)
{
    static const char *const names[LT_ADAPTER_FORMATS] = {"peft", "gguf", "mlx"};
    return names[format];
}

static bool has_file(const char *folder, const char *name)
{
    char path[4096];
    return lt_file_join(path, sizeof path, folder, name, NULL) && lt_file_exists(path);
}

bool lt_adapter_format_of(const char *path, lt_adapter_format *format, lt_error *err)
{
    if (!lt_file_exists(path) && !lt_file_is_folder(path))
        return lt_error_set(err, LT_ERR_IO, "%s: there is no such adapter", path);
    if (!lt_file_is_folder(path)) {
        if (!lt_gguf_is(path))
            return lt_error_set(err, LT_ERR_FORMAT, "%s: expected an adapter: a PEFT or MLX folder, or a GGUF file", path);
        *format = LT_ADAPTER_GGUF;
        return true;
    }
    if (has_file(path, "adapter_model.safetensors") || has_file(path, "adapter_model.bin"))
        *format = LT_ADAPTER_PEFT;
    else if (has_file(path, "adapters.safetensors"))
        *format = LT_ADAPTER_MLX;
    else
        return lt_error_set(err, LT_ERR_FORMAT,
                            "%s: expected adapter_model.safetensors (PEFT) or adapters.safetensors (MLX) in the folder, found neither",
                            path);
    return true;
}

/* Mixtures have tens of thousands of modules. */
static bool sort_names(lt_adapter_file *file, lt_error *err)
{
    if (!(file->by_name = malloc((size_t)(file->module_count + 1) * sizeof *file->by_name)))
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", file->path);
    for (int i = 0; i < file->module_count; i++)
        file->by_name[i] = i;
    for (int gap = file->module_count / 2; gap > 0; gap /= 2) /* Shell's: no room for a context in qsort */
        for (int i = gap; i < file->module_count; i++) {
            int item = file->by_name[i], at = i;
            for (; at >= gap && strcmp(file->modules[file->by_name[at - gap]].name, file->modules[item].name) > 0; at -= gap)
                file->by_name[at] = file->by_name[at - gap];
            file->by_name[at] = item;
        }
    return true;
}

bool lt_adapter_file_read(lt_adapter_file **out, const char *path, const lt_config *base, lt_error *err)
{
    lt_adapter_format format;
    if (!lt_adapter_format_of(path, &format, err))
        return false;
    lt_adapter_file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    }
    lt_peft_config_init(&file->config, LT_PEFT_LORA);
    file->format = format;
    bool ok = format == LT_ADAPTER_PEFT   ? lt_adapter_read_peft(file, base, err)
              : format == LT_ADAPTER_GGUF ? lt_adapter_read_gguf(file, base, err)
                                          : lt_adapter_read_mlx(file, err);
    if (!ok || !sort_names(file, err)) {
        lt_adapter_file_free(file);
        return false;
    }
    *out = file;
    return true;
}

void lt_adapter_file_free(lt_adapter_file *file)
{
    if (!file)
        return;
    for (int i = 0; i < file->module_count; i++) {
        lt_lora_module *m = &file->modules[i];
        free(m->name);
        free(m->a);
        free(m->b);
        free(m->magnitude);
        free(m->b_bias);
        free(m->factors);
    }
    for (int i = 0; i < file->tensor_count; i++) {
        free(file->tensors[i].name);
        free(file->tensors[i].values);
    }
    for (int i = 0; i < file->row_count; i++) {
        free(file->rows[i].name);
        free(file->rows[i].ids);
        free(file->rows[i].values);
    }
    free(file->by_name);
    free(file->modules);
    free(file->tensors);
    free(file->rows);
    lt_peft_config_free(&file->config);
    free(file->path);
    free(file);
}

lt_lora_module *lt_adapter_file_find(const lt_adapter_file *file, const char *module)
{
    for (int i = 0; !file->by_name && i < file->module_count; i++)
        if (strcmp(file->modules[i].name, module) == 0)
            return &file->modules[i];
    for (int low = 0, high = file->by_name ? file->module_count : 0; low < high;) {
        int middle = low + (high - low) / 2, at = file->by_name[middle], order = strcmp(file->modules[at].name, module);
        if (order == 0)
            return &file->modules[at];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool lt_adapter_check_convertible(const lt_adapter_file *file, lt_error *err)
{
    if (file->config.type == LT_PEFT_IA3)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: is an IA3 adapter, which PEFT alone has; merge it into the model instead", file->path);
    return !file->experts || lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: adapts the experts of a mixture as parameters, which PEFT alone "
                                          "does; merge it into the model instead", file->path);
}

static bool out_of_memory(const lt_adapter_file *file, lt_error *err)
{
    return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for the adapter", file->path);
}

lt_lora_module *lt_adapter_file_add(lt_adapter_file *file, const char *module, int64_t N, int64_t K, int64_t R, lt_error *err)
{
    lt_lora_module *grown = realloc(file->modules, (size_t)(file->module_count + 1) * sizeof *grown);
    if (!grown) {
        out_of_memory(file, err);
        return NULL;
    }
    file->modules = grown;
    lt_lora_module *m = &grown[file->module_count++];
    *m = (lt_lora_module){.name = strdup(module), .N = N, .K = K, .R = R, .scale = 1};
    m->a = malloc((size_t)(R * K) * sizeof *m->a + 1);
    m->b = malloc((size_t)(N * R) * sizeof *m->b + 1);
    if (m->name && m->a && m->b)
        return m;
    out_of_memory(file, err);
    return NULL;
}

lt_adapter_tensor *lt_adapter_file_add_tensor(lt_adapter_file *file, const char *name, int dims, const int64_t *shape, lt_error *err)
{
    lt_adapter_tensor *grown = realloc(file->tensors, (size_t)(file->tensor_count + 1) * sizeof *grown);
    if (!grown) {
        out_of_memory(file, err);
        return NULL;
    }
    file->tensors = grown;
    lt_adapter_tensor *t = &grown[file->tensor_count++];
    *t = (lt_adapter_tensor){.name = strdup(name), .dims = dims, .elements = 1};
    for (int i = 0; i < dims; i++) {
        t->shape[i] = shape[i];
        t->elements *= shape[i];
    }
    t->values = malloc((size_t)t->elements * sizeof *t->values + 1);
    if (t->name && t->values)
        return t;
    out_of_memory(file, err);
    return NULL;
}

/* ---- merging ---- */

/* w (rows,K) += scale · B[first …] A, or, where rows are inputs, w (rows,N) += scale · A[:, first …]ᵀ Bᵀ. */
static bool add_product(const lt_lora_module *m, bool rows_are_inputs, int64_t first, int64_t rows, float *w, lt_error *err)
{
    lt_matrix a = lt_matrix_f32(m->a, m->R, m->K), b = lt_matrix_f32(m->b, m->N, m->R);
    lt_matrix slice = rows_are_inputs ? (lt_matrix){m->a + first, LT_DTYPE_F32, m->R, rows, m->K}
                                      : (lt_matrix){m->b + first * m->R, LT_DTYPE_F32, rows, m->R, m->R};
    int64_t N = rows_are_inputs ? m->N : m->K;
    void *scratch = aligned_alloc(64, (size_t)lt_align_up(lt_gemm_scratch_bytes(LT_COMPUTE_F32, rows, m->R, lt_threads_count())));
    if (!scratch)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for merging '%s'", m->name);
    lt_gemm(&(lt_gemm_call){.M = rows, .N = N, .K = m->R, .compute = LT_COMPUTE_F32, .a = &slice, .transpose_a = rows_are_inputs,
                            .b = rows_are_inputs ? &b : &a, .transpose_b = rows_are_inputs, .c = w, .c_stride = N,
                            .alpha = (float)m->scale, .beta = 1, .scratch = scratch});
    free(scratch);
    return true;
}

/* w (K,N) = w · m / ‖w‖ by columns, which are the layer's outputs. */
static bool rescale_columns(const lt_lora_module *m, float *w, lt_error *err)
{
    double *squares = calloc((size_t)m->N, sizeof *squares);
    if (!squares)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the norms of '%s'", m->name);
    for (int64_t k = 0; k < m->K; k++)
        for (int64_t n = 0; n < m->N; n++)
            squares[n] += (double)w[k * m->N + n] * (double)w[k * m->N + n];
    for (int64_t k = 0; k < m->K; k++)
        for (int64_t n = 0; n < m->N; n++)
            w[k * m->N + n] *= m->magnitude[n] / (float)sqrt(squares[n]);
    free(squares);
    return true;
}

/* IA3: rows of w are outputs, or, where rows are inputs, columns are. */
static void multiply(const lt_lora_module *m, bool rows_are_inputs, int64_t first, int64_t rows, float *w)
{
    int64_t width = rows_are_inputs ? m->N : m->K;
    bool by_row = m->of_inputs == rows_are_inputs;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < width; k++)
            w[i * width + k] *= m->factors[by_row ? first + i : k];
}

bool lt_lora_merge_rows(const lt_lora_module *m, bool rows_are_inputs, int64_t first, int64_t rows, float *w, lt_error *err)
{
    if (m->magnitude && m->embedding)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "'%s': DoRA on an embedding cannot be merged", m->name);
    if (m->factors) {
        multiply(m, rows_are_inputs, first, rows, w);
        return true;
    }
    if (!add_product(m, rows_are_inputs || m->embedding, first, rows, w, err))
        return false;
    if (m->magnitude && rows_are_inputs) {
        assert(first == 0 && rows == m->K);
        return rescale_columns(m, w, err);
    }
    for (int64_t i = 0; m->magnitude && i < rows; i++) {
        double norm = sqrt(lt_kernels_get()->sum_squares(w + i * m->K, m->K));
        lt_kernels_get()->scale(w + i * m->K, m->magnitude[first + i] / (float)norm, m->K);
    }
    return true;
}
