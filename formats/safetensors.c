/* Opening and reading safetensors. What a header claims is believed only after it has been compared with the size of
 * the open file; the header itself is copied out first, so nothing is read twice. */
#include "formats/safetensors.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "formats/json.h"
#include "formats/safetensors_header.h"
#include "simd/kernels.h"
#include "simd/quant.h"

enum {
    HEADER_LIMIT_BYTES = 100 * 1000 * 1000, /* as the reference implementation */
    INDEX_LIMIT_BYTES = 32 << 20,
};

typedef struct shard {
    char *path;
    int fd; /* -1 when not open */
    struct stat opened;
} shard;

struct lt_safetensors {
    shard *shards;
    int shard_count;
    lt_tensor_info *tensors; /* by shard and offset */
    int64_t count;
    int64_t *by_name; /* indices into tensors */
    json_t *metadata; /* of the first shard, or NULL */
};

/* ---- one shard ---- */

static bool read_header(const shard *file, char **text, size_t *bytes, lt_error *err)
{
    unsigned char prefix[8];
    uint64_t n = 0;
    int64_t size = file->opened.st_size;
    if (size < 8)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a safetensors file, found %" PRId64 " bytes", file->path,
                            size);
    if (!lt_file_pread(file->fd, file->path, prefix, sizeof prefix, 0, err))
        return false;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | prefix[i];
    if (n > HEADER_LIMIT_BYTES)
        return lt_error_set(err, LT_ERR_FORMAT,
                            "%s: its header claims %" PRIu64
                            " bytes, at most %d are accepted (not a safetensors file?)",
                            file->path, n, HEADER_LIMIT_BYTES);
    if (n > (uint64_t)size - 8)
        return lt_error_set(err, LT_ERR_FORMAT,
                            "%s: its header claims %" PRIu64 " bytes but the file has %" PRId64
                            " (truncated download?)",
                            file->path, n, size);
    *text = malloc(n + 1);
    if (!*text)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for a header of %" PRIu64 " bytes", file->path, n);
    if (!lt_file_pread(file->fd, file->path, *text, n, 8, err)) {
        free(*text);
        return false;
    }
    (*text)[n] = '\0';
    *bytes = n;
    return true;
}

/* Opens shard number `index` and appends its tensors. */
static bool open_shard(lt_safetensors *set, int index, lt_error *err)
{
    shard *file = &set->shards[index];
    int64_t size;
    char *text = NULL;
    size_t n = 0;
    file->fd = lt_file_open(file->path, &size, err);
    if (file->fd < 0)
        return false;
    if (fstat(file->fd, &file->opened))
        return lt_error_errno(err, "%s: cannot stat", file->path);
    if (!read_header(file, &text, &n, err))
        return false;
    lt_tensor_info *more = NULL;
    int64_t added = 0;
    json_t *metadata = NULL;
    bool ok = lt_safetensors_parse_header(text, n, file->path, file->opened.st_size - 8 - (int64_t)n, &more, &added,
                                          &metadata, err);
    free(text);
    if (!ok)
        return false;
    if (index == 0)
        set->metadata = json_incref(metadata);
    json_decref(metadata);

    lt_tensor_info *all = realloc(set->tensors, (size_t)(set->count + added + 1) * sizeof *all);
    if (!all) {
        lt_safetensors_free_infos(more, added);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its %" PRId64 " tensors", file->path, added);
    }
    for (int64_t i = 0; i < added; i++) {
        more[i].shard = index;
        more[i].offset += 8 + (int64_t)n;
        all[set->count + i] = more[i];
    }
    free(more);
    set->tensors = all;
    set->count += added;
    return true;
}

/* ---- finding by name ---- */

static int compare_names(const void *a, const void *b, void *tensors)
{
    const lt_tensor_info *infos = tensors;
    return strcmp(infos[*(const int64_t *)a].name, infos[*(const int64_t *)b].name);
}

static bool build_name_index(lt_safetensors *set, lt_error *err)
{
    set->by_name = malloc((size_t)(set->count + 1) * sizeof *set->by_name);
    if (!set->by_name)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for an index of %" PRId64 " tensors", set->count);
    for (int64_t i = 0; i < set->count; i++)
        set->by_name[i] = i;
    qsort_r(set->by_name, (size_t)set->count, sizeof *set->by_name, compare_names, set->tensors);
    for (int64_t i = 1; i < set->count; i++) {
        const lt_tensor_info *a = &set->tensors[set->by_name[i - 1]], *b = &set->tensors[set->by_name[i]];
        if (!strcmp(a->name, b->name))
            return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s' is also in %s", set->shards[b->shard].path,
                                b->name, set->shards[a->shard].path);
    }
    return true;
}

const lt_tensor_info *lt_safetensors_find(const lt_safetensors *set, const char *name)
{
    int64_t low = 0, high = set->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(set->tensors[set->by_name[middle]].name, name);
        if (order == 0)
            return &set->tensors[set->by_name[middle]];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- a folder ---- */

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Fills set->shards with the files that weight_map names, each once, in the order of their names. */
static bool list_shards(lt_safetensors *set, const char *folder, const lt_json *map, lt_error *err)
{
    size_t n = json_object_size(map->value), used = 0;
    const char **names = malloc((n + 1) * sizeof *names);
    bool ok = false;
    if (!names)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its index", folder);
    const char *tensor;
    json_t *value;
    json_object_foreach ((json_t *)map->value, tensor, value) {
        lt_json at = {.value = value, .parent = map, .key = tensor};
        if (!lt_json_string(&at, &names[used], err))
            goto done;
        if (!lt_file_is_plain_name(names[used])) {
            lt_json_error(&at, err, LT_ERR_FORMAT, "expected a file name inside the folder, found \"%.200s\"",
                          names[used]);
            goto done;
        }
        used++;
    }
    if (!used) {
        lt_json_error(map, err, LT_ERR_FORMAT, "expected at least one tensor, found none");
        goto done;
    }
    qsort(names, used, sizeof *names, compare_strings);
    size_t unique = 1;
    for (size_t i = 1; i < used; i++)
        if (strcmp(names[unique - 1], names[i]))
            names[unique++] = names[i];
    set->shards = calloc(unique, sizeof *set->shards);
    if (!set->shards) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for %zu shards", folder, unique);
        goto done;
    }
    for (size_t i = 0; i < unique; i++) {
        char path[4096];
        if (!lt_file_join(path, sizeof path, folder, names[i], err))
            goto done;
        set->shards[i] = (shard){.path = strdup(path), .fd = -1};
        set->shard_count++;
        if (!set->shards[i].path) {
            lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", folder);
            goto done;
        }
    }
    ok = true;
done:
    free(names);
    return ok;
}

/* Every tensor of the index must be where the index says. Shards may hold more (old exports keep rotary tables). */
static bool check_index(const lt_safetensors *set, const lt_json *map, lt_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)map->value, name, value) {
        lt_json at = {.value = value, .parent = map, .key = name};
        const lt_tensor_info *tensor = lt_safetensors_find(set, name);
        const char *path = tensor ? set->shards[tensor->shard].path : "", *slash = strrchr(path, '/');
        if (!tensor || strcmp(slash ? slash + 1 : path, json_string_value(value)))
            return lt_json_error(&at, err, LT_ERR_FORMAT, "expected this tensor in %.200s, which does not have it",
                                 json_string_value(value));
    }
    return true;
}

static bool open_shards(lt_safetensors *set, lt_error *err)
{
    for (int i = 0; i < set->shard_count; i++)
        if (!open_shard(set, i, err))
            return false;
    return build_name_index(set, err);
}

static bool open_file(lt_safetensors *set, const char *path, lt_error *err)
{
    set->shards = calloc(1, sizeof *set->shards);
    if (!set->shards || !(set->shards[0].path = strdup(path)))
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    set->shards[0].fd = -1;
    set->shard_count = 1;
    return open_shards(set, err);
}

static bool open_index(lt_safetensors *set, const char *folder, const char *path, lt_error *err)
{
    json_t *root = lt_json_load(path, INDEX_LIMIT_BYTES, err);
    if (!root)
        return false;
    lt_json top = lt_json_root(root, path), map;
    bool ok = lt_json_member(&top, "weight_map", &map) ||
              lt_json_error(&top, err, LT_ERR_FORMAT, "expected a field 'weight_map', found none");
    ok = ok && lt_json_object(&map, err) && list_shards(set, folder, &map, err) && open_shards(set, err) &&
         check_index(set, &map, err);
    json_decref(root);
    return ok;
}

/* One file is preferred over an index beside it, as transformers does. */
static bool open_folder(lt_safetensors *set, const char *folder, lt_error *err)
{
    char single[4096], index[4096], pickle[4096];
    if (!lt_file_join(single, sizeof single, folder, "model.safetensors", err) ||
        !lt_file_join(index, sizeof index, folder, "model.safetensors.index.json", err) ||
        !lt_file_join(pickle, sizeof pickle, folder, "pytorch_model.bin", err))
        return false;
    if (lt_file_exists(single))
        return open_file(set, single, err);
    if (lt_file_exists(index))
        return open_index(set, folder, index, err);
    if (lt_file_exists(pickle))
        return lt_error_set(err, LT_ERR_UNSUPPORTED,
                            "%s: pickled weights are not read, since they can run code; "
                            "save the model as safetensors",
                            pickle);
    return lt_error_set(err, LT_ERR_IO,
                        "%s: expected model.safetensors or model.safetensors.index.json in this folder, "
                        "found neither",
                        folder);
}

bool lt_safetensors_open(lt_safetensors **out, const char *path, lt_error *err)
{
    lt_safetensors *set = calloc(1, sizeof *set);
    if (!set)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    if (!(lt_file_is_folder(path) ? open_folder : open_file)(set, path, err)) {
        lt_safetensors_close(set);
        return false;
    }
    *out = set;
    return true;
}

static bool reopen(shard *file, const char *path, lt_error *err)
{
    int64_t size;
    file->path = strdup(path);
    if (!file->path)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    file->fd = lt_file_open(path, &size, err);
    return file->fd >= 0 && (fstat(file->fd, &file->opened) == 0 || lt_error_errno(err, "%s: cannot stat", path));
}

bool lt_safetensors_assemble(lt_safetensors **out, const char *const *paths, int path_count, lt_tensor_info *infos, int64_t count,
                             lt_error *err)
{
    lt_safetensors *set = calloc(1, sizeof *set);
    bool ok = set && (set->shards = calloc((size_t)path_count, sizeof *set->shards));
    if (!ok) {
        free(set);
        lt_safetensors_free_infos(infos, count);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", paths[0]);
    }
    set->tensors = infos;
    set->count = count;
    for (int i = 0; ok && i < path_count; i++) {
        set->shards[i].fd = -1;
        set->shard_count++;
        ok = reopen(&set->shards[i], paths[i], err);
    }
    for (int64_t i = 0; ok && i < count; i++)
        if (infos[i].offset + infos[i].bytes > set->shards[infos[i].shard].opened.st_size)
            ok = lt_error_set(err, LT_ERR_FORMAT, "%s: became shorter while it was opened", paths[infos[i].shard]);
    if (!ok || !build_name_index(set, err)) {
        lt_safetensors_close(set);
        return false;
    }
    *out = set;
    return true;
}

void lt_safetensors_close(lt_safetensors *set)
{
    if (!set)
        return;
    for (int i = 0; i < set->shard_count; i++) {
        if (set->shards[i].fd >= 0)
            close(set->shards[i].fd);
        free(set->shards[i].path);
    }
    free(set->shards);
    lt_safetensors_free_infos(set->tensors, set->count);
    free(set->by_name);
    json_decref(set->metadata);
    free(set);
}

int64_t lt_safetensors_count(const lt_safetensors *set)
{
    return set->count;
}

const lt_tensor_info *lt_safetensors_at(const lt_safetensors *set, int64_t index)
{
    assert(index >= 0 && index < set->count);
    return &set->tensors[index];
}

const char *lt_safetensors_metadata(const lt_safetensors *set, const char *key)
{
    return json_string_value(json_object_get(set->metadata, key));
}

int lt_safetensors_shard_count(const lt_safetensors *set)
{
    return set->shard_count;
}

const char *lt_safetensors_shard_path(const lt_safetensors *set, int index)
{
    return set->shards[index].path;
}

int lt_safetensors_shard_fd(const lt_safetensors *set, int index)
{
    return set->shards[index].fd;
}

int64_t lt_safetensors_shard_bytes(const lt_safetensors *set, int index)
{
    return set->shards[index].opened.st_size;
}

/* The open descriptor shows a file written in place, the path one that was replaced. */
bool lt_safetensors_unchanged(const lt_safetensors *set, lt_error *err)
{
    for (int i = 0; i < set->shard_count; i++) {
        const shard *file = &set->shards[i];
        const struct stat *then = &file->opened;
        struct stat now, there;
        if (fstat(file->fd, &now))
            return lt_error_errno(err, "%s: cannot stat", file->path);
        if (stat(file->path, &there))
            return lt_error_errno(err, "%s: was there when it was opened", file->path);
        if (now.st_size != then->st_size)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: had %" PRId64 " bytes when it was opened, now has %" PRId64,
                                file->path, (int64_t)then->st_size, (int64_t)now.st_size);
        if (now.st_mtim.tv_sec != then->st_mtim.tv_sec || now.st_mtim.tv_nsec != then->st_mtim.tv_nsec)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: was written to after it was opened", file->path);
        if (there.st_ino != then->st_ino || there.st_dev != then->st_dev)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: was replaced after it was opened", file->path);
    }
    return true;
}

/* ---- reading ---- */

bool lt_safetensors_read(const lt_safetensors *set, const lt_tensor_info *tensor, void *out, lt_error *err)
{
    const shard *file = &set->shards[tensor->shard];
    return lt_file_pread(file->fd, file->path, out, (size_t)tensor->bytes, tensor->offset, err) ||
           lt_error_context(err, "tensor '%s'", tensor->name);
}

static void widen(lt_dtype dtype, const void *in, float *out, int64_t n)
{
    const double *wide = in;
    switch (dtype) {
    case LT_DTYPE_F32: memcpy(out, in, (size_t)n * sizeof *out); break;
    case LT_DTYPE_BF16: lt_kernels_get()->bf16_to_f32(in, out, n); break;
    case LT_DTYPE_F16: lt_kernels_get()->f16_to_f32(in, out, n); break;
    case LT_DTYPE_F64:
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)wide[i];
        break;
    default: {
        lt_matrix blocks = {.data = in, .dtype = dtype, .rows = 1, .cols = n, .row_stride = n};
        lt_kernels_get()->decode_f32(&blocks, 0, 0, n, out);
    }
    }
}

/* Puts rows, or elements of a vector, where they belong. values: whole heads, `elements` in all. */
static bool arrange(const lt_tensor_info *tensor, float *values, int64_t elements, lt_error *err)
{
    if (tensor->view == LT_VIEW_PLUS_ONE)
        for (int64_t i = 0; i < elements; i++)
            values[i] -= 1.0f;
    if (tensor->view != LT_VIEW_PAIRED_ROWS)
        return true;
    int64_t width = tensor->elements / tensor->shape[0], head = tensor->head_rows * width;
    float *copy = malloc((size_t)head * sizeof *copy);
    if (!copy)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a head of tensor '%s'", tensor->name);
    for (int64_t begin = 0; begin < elements; begin += head) {
        memcpy(copy, values + begin, (size_t)head * sizeof *copy);
        for (int64_t row = 0; row < tensor->head_rows; row++)
            memcpy(values + begin + lt_tensor_row(tensor->view, tensor->head_rows, row) * width, copy + row * width,
                   (size_t)width * sizeof *copy);
    }
    free(copy);
    return true;
}

/* Elements [first, first + count), whole blocks. */
static bool read_elements(const lt_safetensors *set, const lt_tensor_info *tensor, int64_t first, int64_t count, float *out,
                          lt_error *err)
{
    enum { CHUNK = 4096 };
    const shard *file = &set->shards[tensor->shard];
    if (!lt_dtype_get(tensor->dtype)->is_float || tensor->dtype == LT_DTYPE_NF4)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s': expected floating-point numbers, found %s",
                            file->path, tensor->name, lt_dtype_get(tensor->dtype)->name);
    double stored[CHUNK]; /* also room for narrower types; whole blocks of the quantised ones */
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t n = count - i < CHUNK ? count - i : CHUNK;
        if (!lt_file_pread(file->fd, file->path, stored, (size_t)lt_dtype_bytes(tensor->dtype, n),
                           tensor->offset + lt_dtype_bytes(tensor->dtype, first + i), err))
            return lt_error_context(err, "tensor '%s'", tensor->name);
        widen(tensor->dtype, stored, out + i, n);
    }
    return arrange(tensor, out, count, err);
}

bool lt_safetensors_read_f32(const lt_safetensors *set, const lt_tensor_info *tensor, float *out, lt_error *err)
{
    return read_elements(set, tensor, 0, tensor->elements, out, err);
}

bool lt_safetensors_read_rows(const lt_safetensors *set, const lt_tensor_info *tensor, int64_t first, int64_t count, float *out,
                              lt_error *err)
{
    int64_t width = tensor->shape[0] ? tensor->elements / tensor->shape[0] : 0;
    assert(first >= 0 && count >= 0 && first + count <= tensor->shape[0]);
    assert(tensor->view != LT_VIEW_PAIRED_ROWS || (first % tensor->head_rows == 0 && count % tensor->head_rows == 0));
    return read_elements(set, tensor, first * width, count * width, out, err);
}
