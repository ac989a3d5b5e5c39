#include "rl/mix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/rng.h"
#include "formats/dataset.h"
#include "formats/json.h"
#include "formats/safetensors.h"

/* ---- rows ---- */

typedef struct rows {
    char **text;
    uint32_t *order;
    int64_t count, capacity;
} rows;

static void free_rows(rows *r)
{
    for (int64_t i = 0; i < r->count; i++)
        free(r->text[i]);
    free(r->text);
    free(r->order);
}

static bool add(rows *r, const json_t *row)
{
    if (r->count == r->capacity) {
        int64_t capacity = 2 * r->capacity + 256;
        char **grown = realloc(r->text, (size_t)capacity * sizeof *grown);
        if (!grown)
            return false;
        r->text = grown;
        r->capacity = capacity;
    }
    r->text[r->count] = json_dumps(row, JSON_COMPACT);
    return r->text[r->count++] != NULL;
}

static bool read_rows(const char *path, rows *r, lt_error *err)
{
    lt_dataset *data;
    lt_dataset_row row;
    bool ok = lt_dataset_open(&data, &path, 1, NULL, err);
    if (!ok)
        return false;
    while ((ok = lt_dataset_next(data, &row, err)) && row.json)
        if (!add(r, row.json)) {
            ok = lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its rows", path);
            break;
        }
    lt_dataset_close(data);
    r->order = ok ? malloc((size_t)(r->count + 1) * sizeof *r->order) : NULL;
    return ok && (r->order || lt_error_set(err, LT_ERR_MEMORY, "out of memory"));
}

/* How many of the sources' rows: shares of the total, the remainders to the largest fractions' sources in order. */
static void divide(lt_mix_source *sources, int count, int64_t total)
{
    double sum = 0;
    int64_t given = 0;
    for (int i = 0; i < count; i++)
        sum += sources[i].share;
    for (int i = 0; i < count; i++)
        given += sources[i].taken = (int64_t)floor((double)total * sources[i].share / sum + 1e-9);
    for (int i = 0; given < total; i = (i + 1) % count) {
        sources[i].taken++;
        given++;
    }
}

static int64_t most(const lt_mix_source *sources, int count)
{
    double sum = 0, total = INFINITY;
    for (int i = 0; i < count; i++)
        sum += sources[i].share;
    for (int i = 0; i < count; i++)
        total = fmin(total, floor((double)sources[i].rows * sum / sources[i].share + 1e-9));
    return total < 1e15 ? (int64_t)total : 0;
}

/* The rows of all sources, shuffled together. */
static bool write_rows(const char *output, const lt_mix_source *sources, rows *all, int count, int64_t total, uint64_t seed, lt_error *err)
{
    const char **picked = malloc((size_t)(total + 1) * sizeof *picked);
    uint32_t *order = malloc((size_t)(total + 1) * sizeof *order);
    lt_file_writer writer;
    int64_t n = 0;
    bool ok = (picked && order) || lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld rows", (long long)total);
    for (int s = 0; ok && s < count; s++) {
        lt_rng rng = lt_rng_make(seed, 0x6D6978 + (uint64_t)s);
        for (int64_t i = 0; i < sources[s].taken; i++) {
            if (i % all[s].count == 0) { /* another order every time around */
                for (int64_t k = 0; k < all[s].count; k++)
                    all[s].order[k] = (uint32_t)k;
                lt_rng_shuffle(&rng, all[s].order, (uint32_t)all[s].count);
            }
            picked[n++] = all[s].text[all[s].order[i % all[s].count]];
        }
    }
    lt_rng rng = lt_rng_make(seed, 0x6D6977);
    for (int64_t i = 0; ok && i < n; i++)
        order[i] = (uint32_t)i;
    if (ok)
        lt_rng_shuffle(&rng, order, (uint32_t)n);
    ok = ok && lt_file_create(&writer, output, err);
    bool open = ok;
    for (int64_t i = 0; ok && i < n; i++)
        ok = lt_file_write(&writer, picked[order[i]], strlen(picked[order[i]]), err) && lt_file_write(&writer, "\n", 1, err);
    if (ok)
        ok = lt_file_commit(&writer, err);
    else if (open)
        lt_file_abort(&writer);
    free(picked);
    free(order);
    return ok;
}

bool lt_mix_rows(const char *output, lt_mix_source *sources, int count, int64_t total, uint64_t seed, lt_error *err)
{
    rows *all = calloc((size_t)count, sizeof *all);
    bool ok = all || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int i = 0; ok && i < count; i++) {
        if (!(sources[i].share > 0 && isfinite(sources[i].share)))
            ok = lt_error_set(err, LT_ERR_USAGE, "mix: %s: expected a share above 0, found %g", sources[i].path, sources[i].share);
        ok = ok && read_rows(sources[i].path, &all[i], err);
        sources[i].rows = all[i].count;
        if (ok && (all[i].count == 0 || all[i].count > UINT32_MAX))
            ok = lt_error_set(err, LT_ERR_USAGE, "mix: %s has no rows", sources[i].path);
    }
    if (ok && total == 0)
        total = most(sources, count);
    if (ok && (total < 1 || total > UINT32_MAX))
        ok = lt_error_set(err, LT_ERR_USAGE, "mix: at these shares not one row can be taken of each file without taking some twice; give rows");
    if (ok) {
        divide(sources, count, total);
        ok = write_rows(output, sources, all, count, total, seed, err);
    }
    for (int i = 0; all && i < count; i++)
        free_rows(&all[i]);
    free(all);
    return ok;
}

/* ---- adapters ---- */

static bool open_adapter(lt_safetensors **set, const char *folder, lt_error *err)
{
    char path[4096];
    return lt_file_join(path, sizeof path, folder, "adapter_model.safetensors", err) && lt_safetensors_open(set, path, err);
}

/* The tensor of every set that the first one's tensor i corresponds to. */
static bool same_tensor(lt_safetensors *const *sets, const char *const *folders, int k, const lt_tensor_info *first, const lt_tensor_info **out, lt_error *err)
{
    const lt_tensor_info *info = lt_safetensors_find(sets[k], first->name);
    bool same = info && info->dims == first->dims && lt_safetensors_count(sets[k]) == lt_safetensors_count(sets[0]);
    for (int d = 0; same && d < first->dims; d++)
        same = info->shape[d] == first->shape[d];
    *out = info;
    return same || lt_error_set(err, LT_ERR_USAGE, "%s: its tensor '%s' is not like that of %s: adapters of other shapes have no average",
                                folders[k], first->name, folders[0]);
}

static bool average_tensor(lt_safetensors *const *sets, const char *const *folders, const double *weights, int count, int64_t index,
                           lt_safetensors_writer *writer, lt_error *err)
{
    const lt_tensor_info *first = lt_safetensors_at(sets[0], index), *info;
    float *sum = calloc((size_t)first->elements + 1, sizeof *sum), *one = malloc(((size_t)first->elements + 1) * sizeof *one);
    double total = 0;
    bool ok = (sum && one) || lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tensor");
    for (int k = 0; k < count; k++)
        total += weights ? weights[k] : 1;
    for (int k = 0; ok && k < count; k++) {
        ok = same_tensor(sets, folders, k, first, &info, err) && lt_safetensors_read_f32(sets[k], info, one, err);
        float w = (float)((weights ? weights[k] : 1) / total);
        for (int64_t i = 0; ok && i < first->elements; i++)
            sum[i] += w * one[i];
    }
    ok = ok && lt_safetensors_append(writer, sum, first->elements * (int64_t)sizeof *sum, err);
    free(sum);
    free(one);
    return ok;
}

static bool copy_config(const char *from, const char *to, lt_error *err)
{
    char a[4096], b[4096], *text = NULL;
    size_t size;
    if (!lt_file_join(a, sizeof a, from, "adapter_config.json", err) || !lt_file_join(b, sizeof b, to, "adapter_config.json", err) ||
        !lt_file_read(a, LT_JSON_CONFIG_LIMIT_BYTES, &text, &size, err))
        return false;
    bool ok = lt_file_replace(b, text, size, err);
    free(text);
    return ok;
}

static bool write_average(const char *path, lt_safetensors *const *sets, const char *const *folders, const double *weights, int count, lt_error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    int64_t n = lt_safetensors_count(sets[0]);
    lt_tensor_spec *specs = calloc((size_t)n + 1, sizeof *specs);
    lt_safetensors_writer *writer;
    if (!specs)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; i < n; i++) {
        const lt_tensor_info *info = lt_safetensors_at(sets[0], i);
        specs[i] = (lt_tensor_spec){.name = info->name, .dtype = LT_DTYPE_F32, .dims = info->dims};
        memcpy(specs[i].shape, info->shape, (size_t)info->dims * sizeof info->shape[0]);
    }
    bool ok = lt_safetensors_create(&writer, path, specs, n, metadata, err);
    bool open = ok;
    for (int64_t i = 0; ok && i < n; i++)
        ok = average_tensor(sets, folders, weights, count, i, writer, err);
    if (ok)
        ok = lt_safetensors_finish(writer, err);
    else if (open)
        lt_safetensors_abort(writer);
    free(specs);
    return ok;
}

bool lt_mix_adapters(const char *output, const char *const *folders, const double *weights, int count, lt_error *err)
{
    char path[4096];
    lt_safetensors **sets = calloc((size_t)count + 1, sizeof *sets);
    bool ok = sets || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    double total = 0;
    for (int i = 0; i < count; i++)
        total += weights ? weights[i] : 1;
    if (ok && (count < 1 || !(total > 0 && isfinite(total))))
        ok = lt_error_set(err, LT_ERR_USAGE, "average: expected one adapter or more, and weights with a sum above 0");
    for (int i = 0; ok && i < count; i++)
        ok = open_adapter(&sets[i], folders[i], err);
    ok = ok && lt_file_make_folder(output, err) && lt_file_join(path, sizeof path, output, "adapter_model.safetensors", err) &&
         write_average(path, sets, folders, weights, count, err) && copy_config(folders[0], output, err);
    for (int i = 0; sets && i < count; i++)
        lt_safetensors_close(sets[i]);
    free(sets);
    return ok;
}
