/* Several adapters as one: their sum, or PEFT's add_weighted_adapter (linear, TIES: Yadav et al. 2023, DARE: Yu et al. 2024,
 * magnitude pruning), which works on A and B apart. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "models/adapter_file.h"

typedef struct combining {
    lt_adapter_file *const *files;
    const double *weights;
    int count;
    lt_combination kind;
    double density;
    uint64_t seed;
    lt_adapter_file *out;
    lt_error *err;
} combining;

static bool check_one(const combining *c, const lt_adapter_file *file)
{
    if (file->config.type == LT_PEFT_IA3)
        return lt_error_set(c->err, LT_ERR_UNSUPPORTED, "%s: IA3 adapters cannot be combined with others; merge one after the other", file->path);
    for (int i = 0; i < file->module_count; i++)
        if (file->modules[i].magnitude || file->modules[i].b_bias)
            return lt_error_set(c->err, LT_ERR_UNSUPPORTED, "%s: adapters with DoRA or biases cannot be combined with others; merge one "
                                "after the other", file->path);
    if (file->row_count)
        return lt_error_set(c->err, LT_ERR_UNSUPPORTED, "%s: adapters that replace rows of an embedding cannot be combined with others",
                            file->path);
    return true;
}

/* ---- prunings ---- */

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Keeps the int(density · n) values of greatest magnitude; of equal ones at the border the earlier. */
static bool keep_greatest(float *values, int64_t n, double density, lt_error *err)
{
    int64_t keep = (int64_t)(density * (double)n);
    if (density >= 1)
        return true;
    float *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for pruning");
    for (int64_t i = 0; i < n; i++)
        sorted[i] = fabsf(values[i]);
    qsort(sorted, (size_t)n, sizeof *sorted, descending);
    float border = keep > 0 ? sorted[keep - 1] : INFINITY;
    int64_t above = 0;
    for (int64_t i = 0; i < n; i++)
        above += fabsf(values[i]) > border;
    int64_t ties = keep - above;
    for (int64_t i = 0; i < n; i++) {
        float magnitude = fabsf(values[i]);
        if (magnitude < border || (magnitude == border && ties-- <= 0))
            values[i] = 0;
    }
    free(sorted);
    return true;
}

/* Keeps each value with probability density, and divides by it. */
static void keep_random(float *values, int64_t n, double density, uint64_t seed, uint64_t stream)
{
    lt_rng rng = lt_rng_make(seed, stream);
    for (int64_t i = 0; i < n && density < 1; i++)
        values[i] = (double)lt_rng_uniform(&rng) < density ? (float)(values[i] / density) : 0;
}

/* out = Σ weight · task over those whose sign is the majority's, divided by how many they are. The sign is that of the sum, zero
 * counts as positive; a zero agrees with neither. */
static void elect(float *out, float *const *tasks, const double *weights, int count, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float sum = 0, mixed = 0;
        int agreeing = 0;
        for (int t = 0; t < count; t++)
            sum += tasks[t][i];
        for (int t = 0; t < count; t++)
            if (sum >= 0 ? tasks[t][i] > 0 : tasks[t][i] < 0) {
                mixed += tasks[t][i] * (float)weights[t];
                agreeing++;
            }
        out[i] = mixed / (float)(agreeing > 1 ? agreeing : 1);
    }
}

/* out (n) of `count` tensors of the same size, which are changed. */
static bool combine_tensors(const combining *c, float *out, float *const *tasks, const double *weights, int count, int64_t n, uint64_t stream)
{
    bool magnitude = c->kind == LT_COMBINE_TIES || c->kind == LT_COMBINE_MAGNITUDE_PRUNE;
    bool random = c->kind == LT_COMBINE_DARE_LINEAR || c->kind == LT_COMBINE_DARE_TIES;
    for (int t = 0; t < count; t++) {
        if (magnitude && !keep_greatest(tasks[t], n, c->density, c->err))
            return false;
        if (random)
            keep_random(tasks[t], n, c->density, c->seed, stream * 64 + (uint64_t)t);
    }
    if (c->kind == LT_COMBINE_TIES || c->kind == LT_COMBINE_DARE_TIES) {
        elect(out, tasks, weights, count, n);
        return true;
    }
    memset(out, 0, (size_t)n * sizeof *out);
    for (int t = 0; t < count; t++)
        for (int64_t i = 0; i < n; i++)
            out[i] += (float)weights[t] * tasks[t][i];
    return true;
}

/* ---- modules ---- */

/* The adapters that have this module, and their weights. */
typedef struct share {
    const lt_lora_module *modules[64];
    double weights[64];
    int count;
} share;

static bool gather(const combining *c, const char *name, share *s)
{
    s->count = 0;
    for (int i = 0; i < c->count; i++) {
        const lt_lora_module *m = lt_adapter_file_find(c->files[i], name);
        if (!m)
            continue;
        const lt_lora_module *first = s->count ? s->modules[0] : m;
        if (m->N != first->N || m->K != first->K || m->embedding != first->embedding)
            return lt_error_set(c->err, LT_ERR_USAGE, "%s: '%s' has other sizes than in the adapter before", c->files[i]->path, name);
        if (c->kind != LT_COMBINE_SUM && m->R != first->R)
            return lt_error_set(c->err, LT_ERR_USAGE, "%s: '%s' has rank %lld, another adapter %lld: only --combination sum takes adapters "
                                "of different ranks", c->files[i]->path, name, (long long)m->R, (long long)first->R);
        s->modules[s->count] = m;
        s->weights[s->count++] = c->weights[i] * m->scale;
    }
    return true;
}

/* Side by side: A below A, B beside B. */
static bool add_sum(const combining *c, const char *name, const share *s)
{
    int64_t R = 0, at = 0;
    for (int i = 0; i < s->count; i++)
        R += s->modules[i]->R;
    lt_lora_module *out = lt_adapter_file_add(c->out, name, s->modules[0]->N, s->modules[0]->K, R, c->err);
    if (!out)
        return false;
    out->embedding = s->modules[0]->embedding;
    for (int i = 0; i < s->count; i++) {
        const lt_lora_module *m = s->modules[i];
        memcpy(out->a + at * m->K, m->a, (size_t)(m->R * m->K) * sizeof *m->a);
        for (int64_t n = 0; n < m->N; n++)
            for (int64_t r = 0; r < m->R; r++)
                out->b[n * R + at + r] = (float)(m->b[n * m->R + r] * s->weights[i]);
        at += m->R;
    }
    return true;
}

static bool add_mixed(const combining *c, const char *name, const share *s, uint64_t stream)
{
    const lt_lora_module *first = s->modules[0];
    int64_t sizes[2] = {first->R * first->K, first->N * first->R};
    lt_lora_module *out = lt_adapter_file_add(c->out, name, first->N, first->K, first->R, c->err);
    float *tasks[64] = {NULL};
    double weights[64];
    bool ok = out != NULL;
    if (ok)
        out->embedding = first->embedding;
    for (int part = 0; ok && part < 2; part++) {
        for (int t = 0; ok && t < s->count; t++) {
            free(tasks[t]);
            tasks[t] = malloc((size_t)sizes[part] * sizeof *tasks[t]);
            ok = tasks[t] || lt_error_set(c->err, LT_ERR_MEMORY, "out of memory for '%s'", name);
            if (ok)
                memcpy(tasks[t], part ? s->modules[t]->b : s->modules[t]->a, (size_t)sizes[part] * sizeof *tasks[t]);
            weights[t] = sqrt(fabs(s->weights[t])) * (part == 0 && s->weights[t] < 0 ? -1 : 1);
        }
        ok = ok && combine_tensors(c, part ? out->b : out->a, tasks, weights, s->count, sizes[part], 2 * stream + (uint64_t)part);
    }
    for (int t = 0; t < s->count; t++)
        free(tasks[t]);
    return ok;
}

static bool add_module(const combining *c, const char *name)
{
    share s;
    if (lt_adapter_file_find(c->out, name))
        return true;
    return gather(c, name, &s) &&
           (c->kind == LT_COMBINE_SUM ? add_sum(c, name, &s) : add_mixed(c, name, &s, (uint64_t)c->out->module_count));
}

static bool add_tensors(const combining *c, const lt_adapter_file *file)
{
    for (int i = 0; i < file->tensor_count; i++) {
        const lt_adapter_tensor *t = &file->tensors[i];
        for (int k = 0; k < c->out->tensor_count; k++)
            if (!strcmp(c->out->tensors[k].name, t->name))
                return lt_error_set(c->err, LT_ERR_UNSUPPORTED, "%s: holds '%s' whole, and so does an adapter before it", file->path, t->name);
        lt_adapter_tensor *copy = lt_adapter_file_add_tensor(c->out, t->name, t->dims, t->shape, c->err);
        if (!copy)
            return false;
        memcpy(copy->values, t->values, (size_t)t->elements * sizeof *t->values);
    }
    return true;
}

bool lt_adapter_combine(lt_adapter_file **out, lt_adapter_file *const *files, const double *weights, int count,
                        lt_combination combination, double density, uint64_t seed, lt_error *err)
{
    combining c = {files, weights, count, combination, density, seed, calloc(1, sizeof(lt_adapter_file)), err};
    if (count > 64) {
        free(c.out);
        return lt_error_set(err, LT_ERR_USAGE, "at most 64 adapters can be combined");
    }
    if (!c.out || !(c.out->path = strdup(files[0]->path))) {
        free(c.out);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    }
    lt_peft_config_init(&c.out->config, LT_PEFT_LORA);
    c.out->format = LT_ADAPTER_FORMATS; /* of no file: a writer makes a configuration of its own */
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        ok = check_one(&c, files[i]) && add_tensors(&c, files[i]);
        for (int k = 0; ok && k < files[i]->module_count; k++)
            ok = add_module(&c, files[i]->modules[k].name);
    }
    if (!ok) {
        lt_adapter_file_free(c.out);
        return false;
    }
    *out = c.out;
    return true;
}
