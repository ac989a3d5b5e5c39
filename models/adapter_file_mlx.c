/* MLX folders (mlx-lm): adapters.safetensors with "<module>.lora_a" (in, rank) and "<module>.lora_b" (rank, out), DoRA's "<module>.m";
 * adapter_config.json with one rank and one scale for all: y = x W + scale · (x a) b. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/json.h"
#include "models/adapter_file.h"

static void transpose(float *to, const float *from, int64_t rows, int64_t cols)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < cols; k++)
            to[k * rows + i] = from[i * cols + k];
}

/* ---- reading ---- */

/* scale, or what older versions wrote: alpha and rank. */
static bool read_scale(lt_adapter_file *file, double *scale, lt_error *err)
{
    char path[4096];
    lt_json parameters;
    double alpha = NAN, rank = NAN;
    const char *kind = "lora";
    if (!lt_file_join(path, sizeof path, file->path, "adapter_config.json", err))
        return false;
    json_t *root = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
    if (!root)
        return false;
    lt_json top = lt_json_root(root, path);
    const char *base = NULL;
    bool ok = lt_json_get_string(&top, "fine_tune_type", &kind, err) && lt_json_get_string(&top, "model", &base, err);
    if (ok && strcmp(kind, "lora") && strcmp(kind, "dora"))
        ok = lt_json_error(&top, err, LT_ERR_UNSUPPORTED, "fine_tune_type: expected \"lora\" or \"dora\", found \"%.40s\"", kind);
    if (ok && base)
        file->config.base_model = strdup(base);
    if (ok && !lt_json_member(&top, "lora_parameters", &parameters))
        ok = lt_json_error(&top, err, LT_ERR_FORMAT, "expected a field 'lora_parameters', found none");
    *scale = NAN;
    ok = ok && lt_json_get_real(&parameters, "scale", scale, err) && lt_json_get_real(&parameters, "alpha", &alpha, err) &&
         lt_json_get_real(&parameters, "rank", &rank, err);
    if (ok && isnan(*scale))
        *scale = alpha / rank;
    if (ok && !isfinite(*scale))
        ok = lt_json_error(&parameters, err, LT_ERR_FORMAT, "expected a field 'scale', found none");
    json_decref(root);
    return ok;
}

static bool read_values(const lt_safetensors *set, const lt_tensor_info *tensor, float *out, lt_error *err)
{
    if (!lt_safetensors_read_f32(set, tensor, out, err))
        return false;
    for (int64_t i = 0; i < tensor->elements; i++)
        if (!isfinite(out[i]))
            return lt_error_set(err, LT_ERR_NUMERIC, "%s: tensor '%s': has a value that is not finite",
                                lt_safetensors_shard_path(set, 0), tensor->name);
    return true;
}

static bool read_module(lt_adapter_file *file, const lt_safetensors *set, const lt_tensor_info *a, double scale, lt_error *err)
{
    char module[LT_PEFT_KEY_MAX], name[LT_PEFT_KEY_MAX + 16];
    size_t n = strlen(a->name) - strlen(".lora_a");
    if (n >= sizeof module)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: a tensor's name is too long", lt_safetensors_shard_path(set, 0));
    snprintf(module, sizeof module, "%.*s", (int)n, a->name);
    snprintf(name, sizeof name, "%s.lora_b", module);
    const lt_tensor_info *b = lt_safetensors_find(set, name);
    snprintf(name, sizeof name, "%s.m", module);
    const lt_tensor_info *m = lt_safetensors_find(set, name);
    if (!b || a->dims != 2 || b->dims != 2 || a->shape[1] != b->shape[0] || a->elements == 0 || b->elements == 0)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s': expected lora_a (in, rank) and lora_b (rank, out)",
                            lt_safetensors_shard_path(set, 0), a->name);
    lt_lora_module *to = lt_adapter_file_add(file, module, b->shape[1], a->shape[0], a->shape[1], err);
    float *raw = to ? malloc((size_t)(a->elements > b->elements ? a->elements : b->elements) * sizeof *raw) : NULL;
    if (!raw)
        return to ? lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", file->path) : false;
    to->scale = scale;
    to->embedding = strstr(module, "embed_tokens") || strstr(module, "wte");
    bool ok = read_values(set, a, raw, err);
    if (ok)
        transpose(to->a, raw, a->shape[0], a->shape[1]);
    ok = ok && read_values(set, b, raw, err);
    if (ok)
        transpose(to->b, raw, b->shape[0], b->shape[1]);
    free(raw);
    if (ok && m) {
        to->magnitude = malloc((size_t)to->N * sizeof *to->magnitude);
        ok = (to->magnitude && m->elements == to->N) ||
             lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s': expected %" PRId64 " values, found %" PRId64,
                          lt_safetensors_shard_path(set, 0), m->name, to->N, m->elements);
        ok = ok && read_values(set, m, to->magnitude, err);
    }
    return ok;
}

static bool ends(const char *text, const char *ending)
{
    size_t n = strlen(text), k = strlen(ending);
    return n > k && !strcmp(text + n - k, ending);
}

bool lt_adapter_read_mlx(lt_adapter_file *file, lt_error *err)
{
    char path[4096];
    double scale;
    lt_safetensors *set = NULL;
    if (!read_scale(file, &scale, err) || !lt_file_join(path, sizeof path, file->path, "adapters.safetensors", err) ||
        !lt_safetensors_open(&set, path, err))
        return false;
    bool ok = true;
    for (int64_t i = 0; ok && i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *tensor = lt_safetensors_at(set, i);
        if (ends(tensor->name, ".lora_a"))
            ok = read_module(file, set, tensor, scale, err);
        else if (!ends(tensor->name, ".lora_b") && !ends(tensor->name, ".m"))
            ok = lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: tensor '%s' is no part of a LoRA adapter", path, tensor->name);
    }
    lt_safetensors_close(set);
    return ok;
}

/* ---- writing ---- */

static bool refuse(const lt_adapter_file *file, lt_error *err)
{
    if (file->tensor_count || file->row_count)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: holds '%s' whole, which an MLX adapter cannot; merge it into the model instead",
                            file->path, file->tensor_count ? file->tensors[0].name : file->rows[0].name);
    for (int i = 0; i < file->module_count; i++)
        if (file->modules[i].b_bias)
            return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: has biases of its own, which an MLX adapter cannot hold", file->path);
    return file->module_count > 0 || lt_error_set(err, LT_ERR_FORMAT, "%s: the adapter adapts nothing", file->path);
}

/* "self_attn.q_proj" of "model.layers.3.self_attn.q_proj": what mlx-lm puts adapters on, in every block. */
static void add_key(json_t *keys, const char *module)
{
    const char *at = module;
    for (const char *dot = module; (dot = strchr(dot, '.')); dot++)
        if (dot[1] >= '0' && dot[1] <= '9') {
            const char *end = strchr(dot + 1, '.');
            at = end ? end + 1 : at;
        }
    for (size_t i = 0; i < json_array_size(keys); i++)
        if (!strcmp(json_string_value(json_array_get(keys, i)), at))
            return;
    json_array_append_new(keys, json_string(at));
}

static bool write_config(const lt_adapter_file *file, const lt_config *base, int64_t rank, double scale, bool dora, const char *folder,
                         lt_error *err)
{
    char path[4096];
    json_t *keys = json_array();
    for (int i = 0; i < file->module_count; i++)
        add_key(keys, file->modules[i].name);
    json_t *root = json_pack("{s:s, s:I, s:{s:I, s:f, s:f, s:o}}", "fine_tune_type", dora ? "dora" : "lora", "num_layers",
                             base ? (json_int_t)base->L : (json_int_t)-1, "lora_parameters", "rank", (json_int_t)rank, "scale", scale,
                             "dropout", 0.0, "keys", keys);
    if (root && file->config.base_model)
        json_object_set_new(root, "model", json_string(file->config.base_model));
    char *text = root ? lt_json_text(root, 4, true) : NULL;
    bool ok = text ? lt_file_join(path, sizeof path, folder, "adapter_config.json", err) && lt_file_replace(path, text, strlen(text), err)
                   : lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", folder);
    free(text);
    json_decref(root);
    return ok;
}

/* One rank for all: smaller ones are filled up with zeros. One scale: the rest of a module's own goes into b. */
static bool append_module(lt_safetensors_writer *writer, const lt_lora_module *m, int64_t rank, double scale, lt_error *err)
{
    int64_t an = m->K * rank, bn = rank * m->N;
    float *out = calloc((size_t)(an > bn ? an : bn), sizeof *out);
    if (!out)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for '%s'", m->name);
    for (int64_t r = 0; r < m->R; r++)
        for (int64_t k = 0; k < m->K; k++)
            out[k * rank + r] = m->a[r * m->K + k];
    bool ok = lt_safetensors_append(writer, out, an * (int64_t)sizeof *out, err);
    double ratio = scale != 0 ? m->scale / scale : 1;
    memset(out, 0, (size_t)bn * sizeof *out);
    for (int64_t n = 0; n < m->N; n++)
        for (int64_t r = 0; r < m->R; r++)
            out[r * m->N + n] = fabs(ratio - 1) > 1e-9 ? (float)(m->b[n * m->R + r] * ratio) : m->b[n * m->R + r];
    ok = ok && lt_safetensors_append(writer, out, bn * (int64_t)sizeof *out, err);
    free(out);
    return ok && (!m->magnitude || lt_safetensors_append(writer, m->magnitude, m->N * (int64_t)sizeof *m->magnitude, err));
}

bool lt_adapter_write_mlx(const lt_adapter_file *file, const lt_config *base, const char *folder, lt_error *err)
{
    enum { NAME = LT_PEFT_KEY_MAX + 16 };
    static const char *const metadata[] = {"format", "mlx", NULL};
    char path[4096];
    if (!refuse(file, err))
        return false;
    int count = 0;
    int64_t rank = 0;
    double scale = file->modules[0].scale;
    bool dora = false;
    for (int i = 0; i < file->module_count; i++) {
        rank = file->modules[i].R > rank ? file->modules[i].R : rank;
        dora |= file->modules[i].magnitude != NULL;
    }
    lt_safetensors_writer *writer = NULL;
    lt_tensor_spec *specs = calloc((size_t)file->module_count * 3, sizeof *specs);
    char(*names)[NAME] = calloc((size_t)file->module_count * 3, sizeof *names);
    bool ok = (specs && names) || lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", folder);
    for (int i = 0; ok && i < file->module_count; i++) {
        const lt_lora_module *m = &file->modules[i];
        const struct {
            const char *ending;
            int64_t rows, cols;
        } parts[3] = {{"lora_a", m->K, rank}, {"lora_b", rank, m->N}, {"m", m->N, 0}};
        for (int k = 0; k < (m->magnitude ? 3 : 2); k++, count++) {
            snprintf(names[count], NAME, "%s.%s", m->name, parts[k].ending);
            specs[count] = (lt_tensor_spec){.name = names[count], .dtype = LT_DTYPE_F32, .dims = parts[k].cols ? 2 : 1,
                                            .shape = {parts[k].rows, parts[k].cols}};
        }
    }
    ok = ok && lt_file_make_folder(folder, err) && lt_file_join(path, sizeof path, folder, "adapters.safetensors", err) &&
         lt_safetensors_create(&writer, path, specs, count, metadata, err);
    for (int i = 0; ok && i < file->module_count; i++)
        ok = append_module(writer, &file->modules[i], rank, scale, err);
    if (ok)
        ok = lt_safetensors_finish(writer, err);
    else
        lt_safetensors_abort(writer);
    free(specs);
    free(names);
    return ok && write_config(file, base, rank, scale, dora, folder, err);
}
