/* Adapters from one format to another, checked by what they compute. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/merge.h"
#include "core/file.h"
#include "core/rng.h"
#include "models/family.h"

/* y (N) = scale · B A x. */
static bool apply(const lt_lora_module *m, const float *x, double *y, lt_error *err)
{
    double *u = malloc((size_t)m->R * sizeof *u);
    if (!u)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int64_t r = 0; r < m->R; r++) {
        u[r] = 0;
        for (int64_t k = 0; k < m->K; k++)
            u[r] += (double)m->a[r * m->K + k] * (double)x[k];
    }
    for (int64_t n = 0; n < m->N; n++) {
        y[n] = 0;
        for (int64_t r = 0; r < m->R; r++)
            y[n] += (double)m->b[n * m->R + r] * u[r] * m->scale;
    }
    free(u);
    return true;
}

static double distance(const double *a, const double *b, int64_t n)
{
    double apart = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        apart += (a[i] - b[i]) * (a[i] - b[i]);
        size += a[i] * a[i];
    }
    return size > 0 ? sqrt(apart / size) : sqrt(apart);
}

static bool compare_module(const lt_lora_module *a, const lt_lora_module *b, double *largest, lt_error *err)
{
    if (!b || a->N != b->N || a->K != b->K)
        return lt_error_set(err, LT_ERR_FORMAT, "'%s' did not come back as it was", a->name);
    float *x = malloc((size_t)a->K * sizeof *x);
    double *y = malloc((size_t)a->N * sizeof *y), *z = malloc((size_t)a->N * sizeof *z);
    lt_rng rng = lt_rng_make(1, (uint64_t)a->N);
    bool ok = (x && y && z) || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; ok && i < a->K; i++)
        x[i] = lt_rng_normal(&rng);
    ok = ok && apply(a, x, y, err) && apply(b, x, z, err);
    double apart = ok ? distance(y, z, a->N) : 0;
    for (int64_t n = 0; ok && a->magnitude && n < a->N; n++)
        if (!b->magnitude || fabsf(a->magnitude[n] - b->magnitude[n]) > 1e-6f * fabsf(a->magnitude[n]))
            ok = lt_error_set(err, LT_ERR_FORMAT, "the magnitudes of '%s' did not come back as they were", a->name);
    *largest = apart > *largest ? apart : *largest;
    free(x);
    free(y);
    free(z);
    return ok;
}

/* What was written computes what was read, to the rounding of f32. */
static bool compare(const lt_adapter_file *source, const char *output, const lt_config *base, double *largest, lt_error *err)
{
    lt_adapter_file *back;
    *largest = 0;
    if (!lt_adapter_file_read(&back, output, base, err))
        return lt_error_context(err, "reading back what was written");
    bool ok = back->module_count == source->module_count || lt_error_set(err, LT_ERR_FORMAT, "%s: has %d layers, expected %d", output,
                                                                         back->module_count, source->module_count);
    for (int i = 0; ok && i < source->module_count; i++)
        ok = compare_module(&source->modules[i], lt_adapter_file_find(back, source->modules[i].name), largest, err);
    lt_adapter_file_free(back);
    if (ok && *largest > 1e-5)
        ok = lt_error_set(err, LT_ERR_NUMERIC, "%s: what was written computes something else than %s (relative distance %.2g)", output,
                          source->path, *largest);
    return ok;
}

static void discard(const char *path, lt_adapter_format format)
{
    static const char *const names[] = {"adapter_model.safetensors", "adapter_config.json", "adapters.safetensors"};
    char file[4096];
    if (format == LT_ADAPTER_GGUF) {
        unlink(path);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lt_file_join(file, sizeof file, path, names[i], NULL))
            unlink(file);
    rmdir(path);
}

static bool holds_adapter(const char *output)
{
    lt_adapter_format format;
    lt_error err;
    return lt_file_is_folder(output) ? lt_adapter_format_of(output, &format, &err) : lt_file_exists(output);
}

bool lt_api_convert(const char *source, const char *model, lt_adapter_format to, const char *output, lt_convert_result *result,
                    lt_error *err)
{
    lt_config config;
    lt_adapter_file *file = NULL;
    bool known = model != NULL;
    if (holds_adapter(output))
        return lt_error_set(err, LT_ERR_USAGE, "%s: exists already", output);
    if (known && !lt_family_load(model, &config, err))
        return false;
    const lt_config *base = known ? &config : NULL;
    bool ok = lt_adapter_file_read(&file, source, base, err) && lt_adapter_check_convertible(file, err);
    if (ok && known && file->format != LT_ADAPTER_PEFT && !file->config.base_model)
        file->config.base_model = strdup(model);
    if (ok) {
        ok = to == LT_ADAPTER_PEFT   ? lt_adapter_write_peft(file, output, err)
             : to == LT_ADAPTER_GGUF ? lt_adapter_write_gguf(file, base, output, err)
                                     : lt_adapter_write_mlx(file, base, output, err);
        double largest = 0;
        if (ok && !compare(file, output, base, &largest, err)) {
            discard(output, to);
            ok = false;
        }
        *result = (lt_convert_result){file->format, to, file->module_count, largest};
    }
    lt_adapter_file_free(file);
    if (known)
        lt_config_free(&config);
    return ok;
}

/* ---- for those who take PEFT alone ---- */

bool lt_api_peft_view_open(lt_peft_view *view, const char *adapter, const char *model, lt_error *err)
{
    lt_adapter_format format;
    lt_convert_result result;
    lt_error ignored;
    *view = (lt_peft_view){.temporary = false};
    if (strlen(adapter) >= sizeof view->path)
        return lt_error_set(err, LT_ERR_USAGE, "adapter: a name of %zu bytes", strlen(adapter));
    /* What is none of the formats is for the caller's own reader to complain about. */
    if (!lt_adapter_format_of(adapter, &format, &ignored) || format == LT_ADAPTER_PEFT) {
        strcpy(view->path, adapter);
        return true;
    }
    const char *folder = getenv("TMPDIR");
    snprintf(view->path, sizeof view->path, "%s/lathe-adapter-XXXXXX", folder && *folder ? folder : "/tmp");
    if (!mkdtemp(view->path))
        return lt_error_errno(err, "%s: cannot make a temporary folder", view->path);
    view->temporary = true;
    if (lt_api_convert(adapter, model, LT_ADAPTER_PEFT, view->path, &result, err))
        return true;
    lt_api_peft_view_close(view);
    return false;
}

void lt_api_peft_view_close(lt_peft_view *view)
{
    if (view->temporary)
        discard(view->path, LT_ADAPTER_PEFT);
    view->temporary = false;
}
