/* GGUF LoRA, as llama.cpp applies it: every tensor of the base may have "<name>.lora_a" (rank, in) and "<name>.lora_b" (out, rank);
 * the scale is adapter.lora.alpha / rank, or 1 when alpha is 0. A of the embedding is turned: (V, rank). */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/gguf_write.h"
#include "models/adapter_file.h"
#include "models/gguf.h"
#include "nn/config_tensors.h"
#include "simd/kernels.h"

/* Tells a place in the model by its Hugging Face module name, and the other way. */
typedef struct place {
    char module[LT_NAME_MAX], gguf[LT_NAME_MAX]; /* "model.layers.3.mlp.up_proj", "blk.3.ffn_up" */
    bool embedding, paired;
} place;

typedef struct places {
    place *items;
    int64_t count;
} places;

/* All linear layers and the embedding of the base. */
static bool list_places(places *p, const lt_config *base, const lt_gguf_family *family, lt_error *err)
{
    lt_config_tensor *list;
    int64_t count;
    if (!lt_config_tensors(base, &list, &count, err))
        return false;
    p->items = calloc((size_t)count + 2, sizeof *p->items);
    for (int64_t i = 0; p->items && i < count; i++) {
        place *at = &p->items[p->count];
        if (list[i].role != LT_ROLE_LINEAR && list[i].role != LT_ROLE_EMBEDDING && list[i].role != LT_ROLE_HEAD)
            continue;
        if (list[i].expert >= 0 || !lt_gguf_tensor_name(&list[i], base, at->gguf))
            continue; /* one expert of a mixture is no tensor of its own there */
        at->gguf[strlen(at->gguf) - strlen(".weight")] = '\0';
        snprintf(at->module, sizeof at->module, "%.*s", (int)(strlen(list[i].name) - strlen(".weight")), list[i].name);
        at->embedding = list[i].role == LT_ROLE_EMBEDDING;
        at->paired = list[i].role == LT_ROLE_LINEAR && family->paired_rows &&
                     (list[i].slot == LT_LINEAR_Q || list[i].slot == LT_LINEAR_K);
        p->count++;
    }
    free(list);
    return p->items || lt_error_set(err, LT_ERR_MEMORY, "out of memory for the layers of the base");
}

static const lt_gguf_family *family_of(const lt_config *base, const char *path, lt_error *err)
{
    const lt_gguf_family *family = base ? lt_gguf_family_named(base->model_type) : NULL;
    if (!base)
        lt_error_set(err, LT_ERR_USAGE, "%s: a GGUF adapter names tensors of its base; say which model that is with --model", path);
    else if (!family)
        lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: GGUF has no architecture for \"%s\" that lathe knows", path, base->model_type);
    return family;
}

/* rows (N,cols) in the order of the base's outputs to that of paired rows, or back. */
static void pair_rows(float *to, const float *from, int64_t N, int64_t cols, int64_t head, bool back)
{
    for (int64_t row = 0; row < N; row++) {
        int64_t out = lt_tensor_row(LT_VIEW_PAIRED_ROWS, head, row); /* stored row → output */
        memcpy(to + (back ? out : row) * cols, from + (back ? row : out) * cols, (size_t)cols * sizeof *to);
    }
}

static void transpose(float *to, const float *from, int64_t rows, int64_t cols)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < cols; k++)
            to[k * rows + i] = from[i * cols + k];
}

/* ---- reading ---- */

static bool read_values(const lt_gguf *file, const lt_gguf_tensor *tensor, float *out, lt_error *err)
{
    lt_dtype dtype;
    if (!lt_gguf_dtype(tensor->type, &dtype) || (dtype != LT_DTYPE_F32 && dtype != LT_DTYPE_F16 && dtype != LT_DTYPE_BF16))
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: tensor '%s': expected F32, F16 or BF16, found %s", file->path, tensor->name,
                            lt_gguf_tensor_type_get(tensor->type)->name);
    uint16_t *half = dtype == LT_DTYPE_F32 ? NULL : malloc((size_t)tensor->bytes);
    if (dtype != LT_DTYPE_F32 && !half)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", file->path);
    bool ok = lt_file_pread(file->fd, file->path, half ? (void *)half : out, (size_t)tensor->bytes, tensor->offset, err);
    if (ok && half)
        (dtype == LT_DTYPE_F16 ? lt_kernels_get()->f16_to_f32 : lt_kernels_get()->bf16_to_f32)(half, out, tensor->elements);
    free(half);
    for (int64_t i = 0; ok && i < tensor->elements; i++)
        if (!isfinite(out[i]))
            ok = lt_error_set(err, LT_ERR_NUMERIC, "%s: tensor '%s': has a value that is not finite", file->path, tensor->name);
    return ok;
}

static bool read_module(lt_adapter_file *to, const lt_gguf *file, const place *at, const lt_config *base, double alpha, lt_error *err)
{
    char name[LT_NAME_MAX + 32];
    snprintf(name, sizeof name, "%s.weight.lora_a", at->gguf);
    const lt_gguf_tensor *a = lt_gguf_find_tensor(file, name);
    snprintf(name, sizeof name, "%s.weight.lora_b", at->gguf);
    const lt_gguf_tensor *b = lt_gguf_find_tensor(file, name);
    if (!a && !b)
        return true;
    int rank_at = at->embedding ? 1 : 0;
    if (!a || !b || a->dims != 2 || b->dims != 2 || a->shape[rank_at] != b->shape[1])
        return lt_error_set(err, LT_ERR_FORMAT, "%s: '%s': expected lora_a and lora_b of one rank", file->path, at->gguf);
    int64_t R = b->shape[1], N = b->shape[0], K = a->shape[1 - rank_at];
    if (at->paired && N % base->D)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: '%s': %" PRId64 " rows are no whole heads of %" PRId64, file->path, at->gguf, N, base->D);
    lt_lora_module *m = lt_adapter_file_add(to, at->module, N, K, R, err);
    float *raw = m ? malloc((size_t)(a->elements > b->elements ? a->elements : b->elements) * sizeof *raw) : NULL;
    if (!raw)
        return m ? lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", file->path) : false;
    m->embedding = at->embedding;
    m->scale = alpha != 0 ? alpha / (double)R : 1;
    bool ok = read_values(file, a, raw, err);
    if (ok && at->embedding)
        transpose(m->a, raw, K, R);
    else if (ok)
        memcpy(m->a, raw, (size_t)a->elements * sizeof *raw);
    ok = ok && read_values(file, b, raw, err);
    if (ok && at->paired)
        pair_rows(m->b, raw, N, R, base->D, true);
    else if (ok)
        memcpy(m->b, raw, (size_t)b->elements * sizeof *raw);
    free(raw);
    return ok;
}

static bool check_kind(const lt_gguf *file, const lt_gguf_family *family, lt_error *err)
{
    lt_gguf_string type = {"", 0}, kind = {"", 0}, architecture = {"", 0};
    if (!lt_gguf_get_string(file, "general.type", &type, err) || !lt_gguf_get_string(file, "adapter.type", &kind, err) ||
        !lt_gguf_get_string(file, "general.architecture", &architecture, err))
        return false;
    if (type.size != 7 || memcmp(type.data, "adapter", 7) || kind.size != 4 || memcmp(kind.data, "lora", 4))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a LoRA adapter ('general.type' adapter, 'adapter.type' lora)", file->path);
    if (architecture.size != strlen(family->architecture) || memcmp(architecture.data, family->architecture, architecture.size))
        return lt_error_set(err, LT_ERR_USAGE, "%s: is an adapter of the architecture \"%.*s\", the model is \"%s\"", file->path,
                            architecture.size < 40 ? (int)architecture.size : 40, architecture.data, family->architecture);
    return true;
}

bool lt_adapter_read_gguf(lt_adapter_file *to, const lt_config *base, lt_error *err)
{
    const lt_gguf_family *family = family_of(base, to->path, err);
    places p = {0};
    lt_gguf *file = NULL;
    double alpha = 0;
    if (!family || !lt_gguf_open(&file, to->path, err))
        return false;
    bool ok = check_kind(file, family, err) && lt_gguf_get_real(file, "adapter.lora.alpha", &alpha, err) &&
              list_places(&p, base, family, err);
    for (int64_t i = 0; ok && i < p.count; i++)
        ok = read_module(to, file, &p.items[i], base, alpha, err);
    if (ok && 2 * (int64_t)to->module_count != file->tensor_count)
        ok = lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: %" PRId64 " of its tensors are no lora_a or lora_b of a layer of the model",
                          file->path, file->tensor_count - 2 * to->module_count);
    free(p.items);
    lt_gguf_close(file);
    return ok;
}

/* ---- writing ---- */

static bool refuse(const lt_adapter_file *file, lt_error *err)
{
    if (file->tensor_count || file->row_count)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: holds '%s' whole, which a GGUF adapter cannot; merge it into the model instead",
                            file->path, file->tensor_count ? file->tensors[0].name : file->rows[0].name);
    for (int i = 0; i < file->module_count; i++)
        if (file->modules[i].magnitude || file->modules[i].b_bias)
            return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: has %s, which a GGUF adapter cannot hold; merge it into the model instead",
                                file->path, file->modules[i].magnitude ? "DoRA magnitudes" : "biases of its own");
    if (file->module_count == 0)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: the adapter adapts nothing", file->path);
    return true;
}

static const place *find_place(const places *p, const lt_lora_module *m)
{
    for (int64_t i = 0; i < p->count; i++)
        if (!strcmp(p->items[i].module, m->name))
            return &p->items[i];
    return NULL;
}

/* B with its scale in alpha / rank: what is left of a module's own scale is folded in. */
static bool append_module(lt_gguf_writer *writer, const lt_lora_module *m, const place *at, const lt_config *base, double alpha,
                          lt_error *err)
{
    int64_t an = m->R * m->K, bn = m->N * m->R;
    float *out = malloc((size_t)(an > bn ? an : bn) * sizeof *out);
    if (!out)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for '%s'", m->name);
    double ratio = alpha == 0 ? m->scale : m->scale * (double)m->R / alpha;
    if (at->embedding)
        transpose(out, m->a, m->R, m->K);
    else
        memcpy(out, m->a, (size_t)an * sizeof *out);
    bool ok = lt_gguf_append(writer, out, an * (int64_t)sizeof *out, err);
    if (at->paired)
        pair_rows(out, m->b, m->N, m->R, base->D, false);
    else
        memcpy(out, m->b, (size_t)bn * sizeof *out);
    for (int64_t i = 0; i < bn && fabs(ratio - 1) > 1e-7; i++)
        out[i] = (float)(out[i] * ratio);
    ok = ok && lt_gguf_append(writer, out, bn * (int64_t)sizeof *out, err);
    free(out);
    return ok;
}

static bool write_file(const lt_adapter_file *file, const places *p, const lt_config *base, const lt_gguf_family *family,
                       const char *path, lt_error *err)
{
    enum { NAME = LT_NAME_MAX + 32 };
    lt_gguf_metadata m = {0};
    lt_gguf_writer *writer = NULL;
    int count = file->module_count;
    lt_gguf_spec *specs = calloc((size_t)(2 * count), sizeof *specs);
    char(*names)[NAME] = calloc((size_t)(2 * count), sizeof *names);
    double alpha = file->modules[0].scale * (double)file->modules[0].R;
    bool ok = (specs && names) || lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    for (int i = 0; ok && i < count; i++) {
        const lt_lora_module *mod = &file->modules[i];
        const place *at = find_place(p, mod);
        if (!at) {
            ok = lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: '%s' is no layer of the model%s", file->path, mod->name,
                              base->tied_head && !strcmp(mod->name, base->head_name) ? " (its head is the embedding)" : "");
            break;
        }
        snprintf(names[2 * i], NAME, "%s.weight.lora_a", at->gguf);
        snprintf(names[2 * i + 1], NAME, "%s.weight.lora_b", at->gguf);
        specs[2 * i] = (lt_gguf_spec){.name = names[2 * i], .dims = 2, .shape = {mod->R, mod->K}};
        if (at->embedding)
            specs[2 * i] = (lt_gguf_spec){.name = names[2 * i], .dims = 2, .shape = {mod->K, mod->R}};
        specs[2 * i + 1] = (lt_gguf_spec){.name = names[2 * i + 1], .dims = 2, .shape = {mod->N, mod->R}};
    }
    lt_gguf_set_string(&m, "general.type", "adapter", 7);
    lt_gguf_set_string(&m, "general.architecture", family->architecture, strlen(family->architecture));
    lt_gguf_set_u32(&m, "general.file_type", 0);
    lt_gguf_set_string(&m, "adapter.type", "lora", 4);
    lt_gguf_set_f32(&m, "adapter.lora.alpha", (float)alpha);
    ok = ok && lt_gguf_create(&writer, path, &m, specs, 2 * count, err);
    for (int i = 0; ok && i < count; i++)
        ok = append_module(writer, &file->modules[i], find_place(p, &file->modules[i]), base, (double)(float)alpha, err);
    if (ok)
        ok = lt_gguf_finish(writer, err);
    else
        lt_gguf_abort(writer);
    lt_gguf_metadata_free(&m);
    free(specs);
    free(names);
    return ok;
}

bool lt_adapter_write_gguf(const lt_adapter_file *file, const lt_config *base, const char *path, lt_error *err)
{
    places p = {0};
    const lt_gguf_family *family = family_of(base, path, err);
    bool ok = family && refuse(file, err) && list_places(&p, base, family, err) && write_file(file, &p, base, family, path, err);
    free(p.items);
    return ok;
}
