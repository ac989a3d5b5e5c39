#include "models/init.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/file.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "models/family.h"
#include "models/init_values.h"
#include "models/companions.h"
#include "models/new_folder.h"
#include "nn/config_tensors.h"

enum { CHUNK_ELEMENTS = 4 << 20 };

static const int64_t default_shard_bytes = 5000000000;

typedef struct creation {
    const lt_init_options *options;
    char source[4096]; /* the config.json */
    char source_folder[4096];
    lt_new_folder folder;
    json_t *root;
    lt_config config;
    lt_dtype dtype;
    double deviation; /* initializer_range */
    lt_config_tensor *tensors;
    int64_t count;
    int *shard; /* of each tensor */
    int shards;
    int64_t parameters, bytes, done;
    lt_init_normal normal;
    void *chunk;
} creation;

static int64_t elements_of(const lt_config_tensor *tensor)
{
    return tensor->shape[0] * (tensor->dims == 2 ? tensor->shape[1] : 1);
}

/* ---- what to make ---- */

static bool find_source(creation *job, lt_error *err)
{
    const char *config = job->options->config, *slash = strrchr(config, '/');
    if (lt_file_is_folder(config)) {
        snprintf(job->source_folder, sizeof job->source_folder, "%s", config);
        return lt_file_join(job->source, sizeof job->source, config, "config.json", err);
    }
    if (strlen(config) >= sizeof job->source)
        return lt_error_set(err, LT_ERR_USAGE, "path of %zu bytes is too long", strlen(config));
    strcpy(job->source, config);
    snprintf(job->source_folder, sizeof job->source_folder, "%.*s", slash ? (int)(slash - config) + 1 : 1,
             slash ? config : ".");
    return true;
}

static bool choose_dtype(creation *job, const lt_json *top, lt_error *err)
{
    static const struct {
        const char *name;
        lt_dtype dtype;
    } known[] = {{"float32", LT_DTYPE_F32}, {"bfloat16", LT_DTYPE_BF16}, {"float16", LT_DTYPE_F16}};
    const char *name = "float32";
    job->dtype = job->options->dtype;
    if (job->dtype != LT_DTYPE_COUNT)
        return true;
    if (!lt_json_get_string(top, "torch_dtype", &name, err) || !lt_json_get_string(top, "dtype", &name, err))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name))
            job->dtype = known[i].dtype;
    return job->dtype != LT_DTYPE_COUNT ||
           lt_json_error(top, err, LT_ERR_UNSUPPORTED,
                         "weights of type \"%.40s\" are not written (float32, bfloat16 and float16 are)", name);
}

static bool read_source(creation *job, lt_error *err)
{
    char *text;
    size_t n;
    if (!find_source(job, err) || !lt_file_read(job->source, LT_JSON_CONFIG_LIMIT_BYTES, &text, &n, err))
        return false;
    job->root = lt_json_parse(text, n, job->source, err);
    bool ok = job->root && lt_family_parse(text, job->source, &job->config, err);
    free(text);
    if (!ok)
        return false;
    lt_json top = lt_json_root(job->root, job->source);
    job->deviation = 0.02;
    if (!choose_dtype(job, &top, err) || !lt_json_get_real(&top, "initializer_range", &job->deviation, err))
        return false;
    if (job->deviation == 0) /* as transformers */
        job->deviation = 0.02;
    if (!(job->deviation > 0) || job->deviation > 1e3)
        return lt_json_error(&top, err, LT_ERR_FORMAT,
                             "field 'initializer_range': expected a positive number, found %g", job->deviation);
    return lt_config_tensors(&job->config, &job->tensors, &job->count, err);
}

/* Tensors fill shards in order; one that is larger than a shard has its own. */
static bool plan_shards(creation *job, lt_error *err)
{
    int64_t limit = job->options->shard_bytes > 0 ? job->options->shard_bytes : default_shard_bytes, used = 0;
    job->shard = calloc((size_t)job->count, sizeof *job->shard);
    if (!job->shard)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a list of %" PRId64 " tensors", job->count);
    job->shards = 1;
    for (int64_t i = 0; i < job->count; i++) {
        int64_t bytes = lt_dtype_bytes(job->dtype, elements_of(&job->tensors[i]));
        if (used > 0 && bytes > limit - used) {
            job->shards++;
            used = 0;
        }
        used += bytes;
        job->shard[i] = job->shards - 1;
        job->parameters += elements_of(&job->tensors[i]);
        job->bytes += bytes;
    }
    return true;
}

/* ---- weights ---- */

static bool report(creation *job, int64_t bytes, lt_error *err)
{
    job->done += bytes;
    if (job->options->progress && !job->options->progress(job->done, job->bytes, job->options->context))
        return lt_error_set(err, LT_ERR_INTERRUPTED, "%s: stopped; nothing was kept", job->folder.output);
    return true;
}

/* transformers zeroes the padding token's embedding, so that padding adds nothing. */
static void clear_padding(const creation *job, int64_t first, int64_t n)
{
    int64_t C = job->config.C, begin = job->config.pad_id * C, end = begin + C;
    begin = begin > first ? begin : first;
    end = end < first + n ? end : first + n;
    if (job->config.pad_id >= 0 && begin < end)
        memset((char *)job->chunk + lt_dtype_bytes(job->dtype, begin - first), 0,
               (size_t)lt_dtype_bytes(job->dtype, end - begin));
}

static void fill(const creation *job, const lt_config_tensor *tensor, uint64_t stream, int64_t first, int64_t n)
{
    switch (tensor->role) {
    case LT_ROLE_EMBEDDING:
        lt_init_normal_fill(&job->normal, job->options->seed, stream, first, n, job->chunk);
        clear_padding(job, first, n);
        break;
    case LT_ROLE_TABLE:
    case LT_ROLE_ROUTER:
    case LT_ROLE_LINEAR:
    case LT_ROLE_HEAD:
    case LT_ROLE_CLASSIFIER: lt_init_normal_fill(&job->normal, job->options->seed, stream, first, n, job->chunk); break;
    case LT_ROLE_NORM:
        lt_init_constant_fill(job->dtype, job->config.norm == LT_NORM_RMS_PLUS_ONE ? 0 : 1, n, job->chunk);
        break;
    case LT_ROLE_BIAS:
    case LT_ROLE_NORM_BIAS: lt_init_constant_fill(job->dtype, 0, n, job->chunk); break;
    }
}

/* A tensor's values depend on its name, not on its place: the same whatever the shards. */
static bool write_tensor(creation *job, lt_safetensors_writer *writer, const lt_config_tensor *tensor, lt_error *err)
{
    uint64_t stream = XXH3_64bits(tensor->name, strlen(tensor->name));
    int64_t elements = elements_of(tensor);
    for (int64_t first = 0; first < elements; first += CHUNK_ELEMENTS) {
        int64_t n = elements - first < CHUNK_ELEMENTS ? elements - first : CHUNK_ELEMENTS;
        int64_t bytes = lt_dtype_bytes(job->dtype, n);
        fill(job, tensor, stream, first, n);
        if (!lt_safetensors_append(writer, job->chunk, bytes, err) || !report(job, bytes, err))
            return false;
    }
    return true;
}

static bool write_shard(creation *job, int shard, int64_t first, int64_t count, lt_error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    char name[LT_SHARD_NAME], path[4096];
    lt_safetensors_writer *writer = NULL;
    bool ok = false;
    lt_tensor_spec *specs = calloc((size_t)count, sizeof *specs);
    if (!specs)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a list of %" PRId64 " tensors", count);
    for (int64_t i = 0; i < count; i++) {
        const lt_config_tensor *tensor = &job->tensors[first + i];
        specs[i] = (lt_tensor_spec){.name = tensor->name, .dtype = job->dtype, .dims = tensor->dims};
        memcpy(specs[i].shape, tensor->shape, sizeof tensor->shape);
    }
    lt_new_folder_shard_name(shard, job->shards, name);
    if (!lt_file_join(path, sizeof path, job->folder.folder, name, err) ||
        !lt_safetensors_create(&writer, path, specs, count, metadata, err))
        goto done;
    ok = true;
    for (int64_t i = 0; i < count && ok; i++)
        ok = write_tensor(job, writer, &job->tensors[first + i], err);
    if (!ok)
        lt_safetensors_abort(writer);
    else
        ok = lt_safetensors_finish(writer, err);
done:
    free(specs);
    return ok;
}

static bool write_weights(creation *job, lt_error *err)
{
    job->chunk = malloc((size_t)lt_dtype_bytes(job->dtype, CHUNK_ELEMENTS));
    if (!job->chunk)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a buffer of %d values", CHUNK_ELEMENTS);
    if (!lt_init_normal_make(&job->normal, job->deviation, job->dtype, err))
        return false;
    for (int64_t first = 0, last; first < job->count; first = last) {
        for (last = first + 1; last < job->count && job->shard[last] == job->shard[first]; last++)
            ;
        if (!write_shard(job, job->shard[first], first, last - first, err))
            return false;
    }
    return true;
}

/* ---- the files beside them ---- */

static bool write_index(const creation *job, lt_error *err)
{
    char name[LT_SHARD_NAME];
    if (job->shards == 1)
        return true;
    json_t *root = json_object(), *map = json_object();
    json_object_set_new(
        root, "metadata",
        json_pack("{s:I, s:I}", "total_parameters", (json_int_t)job->parameters, "total_size", (json_int_t)job->bytes));
    json_object_set_new(root, "weight_map", map);
    for (int64_t i = 0; i < job->count; i++) {
        lt_new_folder_shard_name(job->shard[i], job->shards, name);
        json_object_set_new(map, job->tensors[i].name, json_string(name));
    }
    bool ok = lt_new_folder_write_json(job->folder.folder, "model.safetensors.index.json", root, true, err);
    json_decref(root);
    return ok;
}

static bool write_config(const creation *job, lt_error *err)
{
    const char *name = job->dtype == LT_DTYPE_F32 ? "float32" : job->dtype == LT_DTYPE_F16 ? "float16" : "bfloat16";
    bool newer = json_object_get(job->root, "dtype") != NULL;
    if (newer)
        json_object_del(job->root, "torch_dtype");
    json_object_set_new(job->root, newer ? "dtype" : "torch_dtype", json_string(name));
    return lt_new_folder_write_json(job->folder.folder, "config.json", job->root, false, err);
}

bool lt_init_create(const lt_init_options *options, lt_init_result *result, lt_error *err)
{
    creation job = {.options = options};
    assert(options->dtype == LT_DTYPE_F32 || options->dtype == LT_DTYPE_BF16 || options->dtype == LT_DTYPE_F16 ||
           options->dtype == LT_DTYPE_COUNT);
    bool ok = read_source(&job, err) && plan_shards(&job, err) && lt_new_folder_begin(&job.folder, options->output, job.bytes, err) &&
              write_config(&job, err) && lt_companions_copy(job.source_folder, job.folder.folder, err) && write_weights(&job, err) &&
              write_index(&job, err) && lt_new_folder_publish(&job.folder, err);
    if (!ok)
        lt_new_folder_abandon(&job.folder);
    if (ok)
        *result = (lt_init_result){job.parameters, job.bytes, job.shards, job.dtype};
    lt_init_normal_free(&job.normal);
    free(job.chunk);
    free(job.shard);
    free(job.tensors);
    json_decref(job.root);
    lt_config_free(&job.config);
    return ok;
}
