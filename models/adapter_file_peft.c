/* PEFT folders, in and out. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "models/adapter_file.h"
#include "nn/config_tensors.h"

typedef struct reading {
    lt_adapter_file *file;
    const lt_config *base; /* or NULL */
    lt_safetensors *set;
    lt_peft_matcher *matcher;
    lt_error *err;
} reading;

static bool bad(const reading *r, const lt_tensor_info *tensor, const char *what)
{
    return lt_error_set(r->err, LT_ERR_FORMAT, "%s: tensor '%s': %s", lt_safetensors_shard_path(r->set, 0), tensor->name, what);
}

/* Finite numbers only: a NaN would spread over everything it is merged into. */
static bool read_values(const reading *r, const lt_tensor_info *tensor, float *out)
{
    if (!lt_safetensors_read_f32(r->set, tensor, out, r->err))
        return false;
    for (int64_t i = 0; i < tensor->elements; i++)
        if (!isfinite(out[i]))
            return bad(r, tensor, "has a value that is not finite");
    return true;
}

static const lt_tensor_info *partner(const reading *r, const char *module, lt_peft_part part)
{
    char key[LT_PEFT_KEY_MAX];
    lt_peft_key_compose(key, module, part);
    return lt_safetensors_find(r->set, key);
}

static bool read_vector(const reading *r, const char *module, lt_peft_part part, int64_t n, float **out)
{
    const lt_tensor_info *tensor = partner(r, module, part);
    if (!tensor)
        return true;
    if (tensor->elements != n)
        return bad(r, tensor, "has another length than its layer has outputs");
    *out = malloc((size_t)n * sizeof **out);
    return *out ? read_values(r, tensor, *out) : lt_error_set(r->err, LT_ERR_MEMORY, "%s: out of memory", r->file->path);
}

static bool set_scale(const reading *r, const lt_tensor_info *a, lt_lora_module *m)
{
    lt_peft_match match;
    const lt_lora_config *c = &r->file->config.lora;
    if (!lt_peft_matcher_match(r->matcher, m->name, m->embedding ? LT_PEFT_MODULE_EMBEDDING : LT_PEFT_MODULE_LINEAR, &match, r->err))
        return false;
    if (!match.adapts) /* a head beside "all-linear" */
        match = (lt_peft_match){.rank = c->rank, .scale = c->alpha / (c->use_rslora ? sqrt((double)c->rank) : c->rank)};
    if (match.rank != m->R)
        return lt_error_set(r->err, LT_ERR_FORMAT, "%s: tensor '%s': expected the rank %d of adapter_config.json, found %" PRId64,
                            lt_safetensors_shard_path(r->set, 0), a->name, match.rank, m->R);
    m->scale = match.scale;
    return true;
}

static bool read_module(reading *r, const char *module, bool embedding, const lt_tensor_info *a)
{
    const lt_tensor_info *b = partner(r, module, embedding ? LT_PEFT_PART_EMBEDDING_B : LT_PEFT_PART_LORA_B);
    if (!b || a->dims != 2 || b->dims != 2 || a->shape[0] != b->shape[1] || a->elements == 0 || b->elements == 0)
        return bad(r, a, "expected matrices A (rank, in) and B (out, rank)");
    lt_lora_module *m = lt_adapter_file_add(r->file, module, b->shape[0], a->shape[1], a->shape[0], r->err);
    if (!m)
        return false;
    m->embedding = embedding;
    return read_values(r, a, m->a) && read_values(r, b, m->b) && set_scale(r, a, m) &&
           read_vector(r, module, LT_PEFT_PART_MAGNITUDE, m->N, &m->magnitude) &&
           read_vector(r, module, LT_PEFT_PART_LORA_B_BIAS, m->N, &m->b_bias);
}

/* One expert's share of a pair: rows e·R … of A, columns j·E + e of B, of which gate has the first half and up the second. */
static bool add_expert(reading *r, int64_t layer, int64_t expert, int part, int64_t R, const float *a, int64_t K, const float *b,
                       int64_t N, int64_t first_row)
{
    char module[LT_NAME_MAX];
    const lt_lora_config *c = &r->file->config.lora;
    int64_t E = r->base->experts;
    lt_config_expert_name(module, r->base->expert_name[part], (int)layer, (int)expert);
    lt_lora_module *m = lt_adapter_file_add(r->file, module, N, K, R, r->err);
    if (!m)
        return false;
    m->scale = c->alpha / (c->use_rslora ? sqrt((double)R) : (double)R);
    memcpy(m->a, a + expert * R * K, (size_t)(R * K) * sizeof *a);
    for (int64_t n = 0; n < N; n++)
        for (int64_t j = 0; j < R; j++)
            m->b[n * R + j] = b[((first_row + n) * R + j) * E + expert];
    return true;
}

/* Which layer's experts a module is, -1: none's. PEFT wraps a layer's two parameters one in the other. */
static int64_t experts_layer(const reading *r, const char *module)
{
    char name[LT_NAME_MAX];
    size_t n = strlen(module), inner = strlen(".base_layer");
    n -= n > inner && !strcmp(module + n - inner, ".base_layer") ? inner : 0;
    for (int64_t l = 0; r->base && r->base->experts && l < r->base->L; l++) {
        lt_config_name(name, r->base->experts_module, (int)l);
        if (strlen(name) == n && !memcmp(name, module, n))
            return l;
    }
    return -1;
}

static bool read_experts(reading *r, const char *module, int64_t layer, const lt_tensor_info *a)
{
    const lt_tensor_info *b = partner(r, module, LT_PEFT_PART_LORA_B);
    int64_t E = r->base->experts, F = r->base->expert_F, C = r->base->C, R = r->file->config.lora.rank;
    bool shaped = b && a->dims == 2 && b->dims == 2 && a->shape[0] == E * R && b->shape[1] == E * R;
    bool in = shaped && a->shape[1] == C && b->shape[0] == 2 * F, out = shaped && a->shape[1] == F && b->shape[0] == C;
    if (!in && !out)
        return bad(r, a, "expected A (experts · rank, in) and B (out, experts · rank) of the base's gate_up_proj or down_proj");
    float *values_a = malloc((size_t)a->elements * sizeof *values_a), *values_b = malloc((size_t)b->elements * sizeof *values_b);
    bool ok = (values_a && values_b) || lt_error_set(r->err, LT_ERR_MEMORY, "%s: out of memory", r->file->path);
    ok = ok && read_values(r, a, values_a) && read_values(r, b, values_b);
    for (int64_t e = 0; ok && e < E; e++)
        ok = in ? add_expert(r, layer, e, 0, R, values_a, C, values_b, F, 0) && add_expert(r, layer, e, 1, R, values_a, C, values_b, F, F)
                : add_expert(r, layer, e, 2, R, values_a, F, values_b, C, 0);
    free(values_a);
    free(values_b);
    r->file->experts = true;
    return ok;
}

static bool read_ia3(reading *r, const char *module, const lt_tensor_info *tensor)
{
    lt_peft_match match;
    if (r->file->config.type != LT_PEFT_IA3 || tensor->dims != 2 || (tensor->shape[0] != 1 && tensor->shape[1] != 1))
        return bad(r, tensor, "expected IA3's factors (out, 1), or (1, in) of a feedforward module");
    if (!lt_peft_matcher_match(r->matcher, module, LT_PEFT_MODULE_LINEAR, &match, r->err))
        return false;
    if (!match.adapts || tensor->shape[match.feedforward ? 0 : 1] != 1)
        return bad(r, tensor, "does not go with target_modules and feedforward_modules");
    int64_t n = tensor->elements;
    lt_lora_module *m = lt_adapter_file_add(r->file, module, match.feedforward ? 0 : n, match.feedforward ? n : 0, 0, r->err);
    if (!m)
        return false;
    m->of_inputs = match.feedforward;
    m->factors = malloc((size_t)n * sizeof *m->factors + 1);
    return m->factors ? read_values(r, tensor, m->factors) : lt_error_set(r->err, LT_ERR_MEMORY, "%s: out of memory", r->file->path);
}

static bool read_whole(reading *r, const char *module, bool bias, const lt_tensor_info *tensor)
{
    char name[LT_PEFT_KEY_MAX + 16];
    snprintf(name, sizeof name, "%s%s", module, bias ? ".bias" : ".weight");
    lt_adapter_tensor *t = lt_adapter_file_add_tensor(r->file, name, tensor->dims, tensor->shape, r->err);
    return t && read_values(r, tensor, t->values);
}

/* The rows of trainable_token_indices. */
static bool read_rows(reading *r, const char *module, const lt_tensor_info *tensor)
{
    const lt_lora_config *c = &r->file->config.lora;
    lt_adapter_file *file = r->file;
    const struct lt_lora_tokens *tokens = NULL;
    size_t n = strlen(module);
    for (int i = 0; i < c->token_modules; i++) {
        const char *name = c->tokens[i].module;
        size_t k = name ? strlen(name) : 0;
        if (k <= n && (!name || !strcmp(module + n - k, name)))
            tokens = &c->tokens[i];
    }
    if (!tokens || tensor->dims != 2 || tensor->shape[0] != tokens->count)
        return bad(r, tensor, "has not as many rows as trainable_token_indices names");
    lt_adapter_rows *grown = realloc(file->rows, (size_t)(file->row_count + 1) * sizeof *grown);
    if (!grown)
        return lt_error_set(r->err, LT_ERR_MEMORY, "%s: out of memory", file->path);
    file->rows = grown;
    lt_adapter_rows *rows = &grown[file->row_count++];
    *rows = (lt_adapter_rows){.count = tokens->count, .C = tensor->shape[1]};
    rows->name = malloc(n + 8);
    rows->ids = malloc((size_t)tokens->count * sizeof *rows->ids + 1);
    rows->values = malloc((size_t)tensor->elements * sizeof *rows->values + 1);
    if (!rows->name || !rows->ids || !rows->values)
        return lt_error_set(r->err, LT_ERR_MEMORY, "%s: out of memory", file->path);
    sprintf(rows->name, "%s.weight", module);
    memcpy(rows->ids, tokens->ids, (size_t)tokens->count * sizeof *rows->ids);
    return read_values(r, tensor, rows->values);
}

static bool read_tensor(reading *r, const lt_tensor_info *tensor)
{
    char module[LT_PEFT_KEY_MAX];
    lt_peft_part part;
    if (!lt_peft_key_parse(tensor->name, module, &part))
        return bad(r, tensor, "is no key of a LoRA adapter");
    int64_t layer = part == LT_PEFT_PART_LORA_A ? experts_layer(r, module) : -1;
    if (layer >= 0)
        return read_experts(r, module, layer, tensor);
    switch (part) {
    case LT_PEFT_PART_IA3: return read_ia3(r, module, tensor);
    case LT_PEFT_PART_LORA_A: return read_module(r, module, false, tensor);
    case LT_PEFT_PART_EMBEDDING_A: return read_module(r, module, true, tensor);
    case LT_PEFT_PART_LORA_B: return partner(r, module, LT_PEFT_PART_LORA_A) || bad(r, tensor, "its lora_A is missing");
    case LT_PEFT_PART_EMBEDDING_B: return partner(r, module, LT_PEFT_PART_EMBEDDING_A) || bad(r, tensor, "its lora_embedding_A is missing");
    case LT_PEFT_PART_MAGNITUDE:
    case LT_PEFT_PART_LORA_B_BIAS: return partner(r, module, LT_PEFT_PART_LORA_A) || bad(r, tensor, "its lora_A is missing");
    case LT_PEFT_PART_BASE_WEIGHT: return true; /* the base's own, untouched */
    case LT_PEFT_PART_BASE_BIAS:
    case LT_PEFT_PART_BIAS: return read_whole(r, module, true, tensor);
    case LT_PEFT_PART_WEIGHT: return read_whole(r, module, false, tensor);
    case LT_PEFT_PART_TOKENS: return read_rows(r, module, tensor);
    default: return bad(r, tensor, "is no key of a LoRA adapter");
    }
}

/* Without target_modules PEFT takes the family's; what the file has is what they were. */
static bool complete_targets(lt_adapter_file *file, lt_error *err)
{
    return file->config.lora.target_modules.given || lt_peft_names_set_regex(&file->config.lora.target_modules, ".*", err);
}

bool lt_adapter_read_peft(lt_adapter_file *file, const lt_config *base, lt_error *err)
{
    reading r = {.file = file, .base = base, .err = err};
    unsigned can = LT_PEFT_CAN_ALL & ~(base && base->experts ? 0u : (unsigned)LT_PEFT_CAN_PARAMETERS);
    lt_peft_config_free(&file->config);
    if (!lt_peft_config_read(&file->config, file->path, can, err))
        return false;
    if (lt_peft_is_prompt(&file->config))
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: is tokens or a prefix put before the text, not a change of weights; such an "
                            "adapter is neither merged nor converted", file->path);
    bool ok = complete_targets(file, err) && lt_peft_open_tensors(&r.set, file->path, err) &&
              lt_peft_matcher_create(&r.matcher, &file->config, err);
    for (int64_t i = 0; ok && i < lt_safetensors_count(r.set); i++)
        ok = read_tensor(&r, lt_safetensors_at(r.set, i));
    lt_peft_matcher_free(r.matcher);
    lt_safetensors_close(r.set);
    return ok;
}

/* ---- writing ---- */

static bool same(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b);
}

/* A configuration that gives every module its rank and scale: the first one's for all, patterns for the others. */
static bool make_config(const lt_adapter_file *file, lt_peft_config *config, lt_error *err)
{
    const lt_lora_module *first = &file->modules[0];
    const char **names = malloc((size_t)file->module_count * sizeof *names);
    int count = 0;
    if (!names)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", file->path);
    lt_peft_config_init(config, LT_PEFT_LORA);
    config->task_type = strdup("CAUSAL_LM");
    config->base_model = file->config.base_model ? strdup(file->config.base_model) : NULL;
    config->inference_mode = true;
    config->lora.rank = (int)first->R;
    config->lora.alpha = first->scale * (double)first->R;
    bool ok = true;
    for (int i = 0; ok && i < file->module_count; i++) {
        const lt_lora_module *m = &file->modules[i];
        const char *dot = strrchr(m->name, '.'), *last = dot ? dot + 1 : m->name;
        bool known = false;
        for (int k = 0; !known && k < count; k++)
            known = !strcmp(names[k], last);
        if (!known)
            names[count++] = last;
        config->lora.use_dora |= m->magnitude != NULL;
        if (m->R != first->R)
            ok = lt_peft_patterns_add(&config->lora.rank_pattern, m->name, (double)m->R, err);
        if (ok && !same(m->scale * (double)m->R, config->lora.alpha))
            ok = lt_peft_patterns_add(&config->lora.alpha_pattern, m->name, m->scale * (double)m->R, err);
    }
    ok = ok && lt_peft_names_set(&config->lora.target_modules, names, count, err);
    free(names);
    return ok;
}

typedef struct listing {
    lt_tensor_spec *specs;
    char (*keys)[LT_PEFT_KEY_MAX];
    const float **values;
    int count;
} listing;

static void list(listing *l, const char *module, lt_peft_part part, int64_t rows, int64_t cols, const float *values)
{
    if (!values)
        return;
    lt_peft_key_compose(l->keys[l->count], module, part);
    l->specs[l->count] = (lt_tensor_spec){
        .name = l->keys[l->count], .dtype = LT_DTYPE_F32, .dims = cols ? 2 : 1, .shape = {rows, cols}};
    l->values[l->count++] = values;
}

static void list_all(listing *l, const lt_adapter_file *file)
{
    for (int i = 0; i < file->module_count; i++) {
        const lt_lora_module *m = &file->modules[i];
        list(l, m->name, m->embedding ? LT_PEFT_PART_EMBEDDING_A : LT_PEFT_PART_LORA_A, m->R, m->K, m->a);
        list(l, m->name, m->embedding ? LT_PEFT_PART_EMBEDDING_B : LT_PEFT_PART_LORA_B, m->N, m->R, m->b);
        list(l, m->name, LT_PEFT_PART_MAGNITUDE, m->N, 0, m->magnitude);
        list(l, m->name, LT_PEFT_PART_LORA_B_BIAS, m->N, 0, m->b_bias);
    }
    for (int i = 0; i < file->tensor_count; i++) {
        const lt_adapter_tensor *t = &file->tensors[i];
        snprintf(l->keys[l->count], LT_PEFT_KEY_MAX, "base_model.model.%s", t->name);
        l->specs[l->count] = (lt_tensor_spec){.name = l->keys[l->count], .dtype = LT_DTYPE_F32, .dims = t->dims};
        memcpy(l->specs[l->count].shape, t->shape, sizeof t->shape);
        l->values[l->count++] = t->values;
    }
    for (int i = 0; i < file->row_count; i++) {
        const lt_adapter_rows *rows = &file->rows[i];
        char module[LT_PEFT_KEY_MAX];
        snprintf(module, sizeof module, "%.*s", (int)(strlen(rows->name) - strlen(".weight")), rows->name);
        list(l, module, LT_PEFT_PART_TOKENS, rows->count, rows->C, rows->values);
    }
}

static bool write_tensors(const lt_adapter_file *file, const char *path, lt_error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    size_t most = (size_t)(4 * file->module_count + file->tensor_count + file->row_count + 1);
    listing l = {malloc(most * sizeof *l.specs), malloc(most * sizeof *l.keys), malloc(most * sizeof *l.values), 0};
    lt_safetensors_writer *writer = NULL;
    bool ok = (l.specs && l.keys && l.values) || lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    if (ok)
        list_all(&l, file);
    ok = ok && lt_safetensors_create(&writer, path, l.specs, l.count, metadata, err);
    for (int i = 0; ok && i < l.count; i++) {
        int64_t elements = 1;
        for (int d = 0; d < l.specs[i].dims; d++)
            elements *= l.specs[i].shape[d];
        ok = lt_safetensors_append(writer, l.values[i], elements * (int64_t)sizeof(float), err);
    }
    if (ok)
        ok = lt_safetensors_finish(writer, err);
    else
        lt_safetensors_abort(writer);
    free(l.specs);
    free(l.keys);
    free(l.values);
    return ok;
}

bool lt_adapter_write_peft(const lt_adapter_file *file, const char *folder, lt_error *err)
{
    char path[4096];
    lt_peft_config made = {0};
    const lt_peft_config *config = &file->config;
    if (file->format != LT_ADAPTER_PEFT) {
        if (file->module_count == 0)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: the adapter adapts nothing", file->path);
        if (!make_config(file, &made, err)) {
            lt_peft_config_free(&made);
            return false;
        }
        config = &made;
    }
    bool ok = lt_file_make_folder(folder, err) && lt_file_join(path, sizeof path, folder, "adapter_model.safetensors", err) &&
              write_tensors(file, path, err) && lt_peft_config_write(config, folder, err);
    if (config == &made)
        lt_peft_config_free(&made);
    return ok;
}
