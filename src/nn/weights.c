#include "nn/weights.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"
#include "nn/sigbus.h"
#include "nn/weights_quant.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; older kernels say EINVAL and pages come in on demand */
#endif

/* The life of a slab. Only WANTED and LOADING belong to the prefetch thread. */
typedef enum { SLAB_OUT, SLAB_WANTED, SLAB_LOADING, SLAB_IN } slab_state;

static const uintptr_t FAULT_AROUND = 64 << 10, /* the kernel's default */
    HUGE = 2 << 20;
static const int64_t LEAST_HUGE_WINDOW = 8 << 20;

/* Bytes of a mapped file. */
typedef struct span {
    char *data;
    int64_t bytes;
    char *map, *map_end; /* of the file they lie in */
} span;

typedef struct slab {
    span spans[2]; /* rows of a matrix; of a quantised one also their scales, when they lie elsewhere */
    int64_t bytes; /* of both */
    slab_state state;
    int older, newer; /* neighbours in the order of arrival, -1 at the ends */
} slab;

typedef struct used_tensor {
    lt_matrix matrix;
    lt_weights_quant *quant; /* owned; NULL: the matrix is all there is */
    int shard;
    int first_slab, slabs;
    int64_t slab_rows;
} used_tensor;

struct lt_weights {
    lt_safetensors *set;
    char prefix[64]; /* of names, which a base model's file leaves out */
    char **maps; /* one per shard */
    used_tensor *tensors;
    int tensor_count, tensor_capacity;
    slab *slabs;
    int slab_count;
    int oldest, newest; /* of the resident slabs */
    int in_use;         /* the slab that lt_weights_use gave last, -1 */
    int64_t window, resident, bytes_read;
    bool populate; /* larger than memory: the prefetch thread waits for the disk, so that products do not */
    bool huge;     /* pages of the mappings may be huge */

    pthread_mutex_t lock; /* guards slab states and the order */
    pthread_cond_t wanted, loaded;
    pthread_t thread;
    bool thread_runs, stop;
    int *queue; /* slabs to load, in order: a ring as long as there are slabs */
    int queue_head, queue_length;
};

static int64_t matrix_bytes(const lt_matrix *m, int64_t rows)
{
    return lt_dtype_bytes(m->dtype, rows * m->cols);
}

/* Whole pages of [data, data + bytes), widened outward. */
static void advise(const slab *s, int advice)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 2 && s->spans[i].bytes; i++) {
        uintptr_t data = (uintptr_t)s->spans[i].data, begin = data & ~(page - 1);
        madvise((void *)begin, data + (uintptr_t)s->spans[i].bytes - begin, advice);
    }
}

/* Takes a slab's pages out of resident memory, and those around it that came in with it: a fault maps the whole aligned
 * block of FAULT_AROUND bytes, or the huge page, that it falls into, and at the ends of a slab that is part of a neighbour which may
 * never be dropped itself. A page of a neighbour that is in use comes back when it is touched. */
static void drop(const lt_weights *w, const slab *s)
{
    const uintptr_t around = w->huge ? HUGE : FAULT_AROUND;
    for (int i = 0; i < 2 && s->spans[i].bytes; i++) {
        const span *part = &s->spans[i];
        uintptr_t begin = (uintptr_t)part->data & ~(around - 1);
        uintptr_t end = ((uintptr_t)part->data + (uintptr_t)part->bytes + around - 1) & ~(around - 1);
        begin = begin < (uintptr_t)part->map ? (uintptr_t)part->map : begin; /* never beyond the file: memory of others is there */
        end = end > (uintptr_t)part->map_end ? (uintptr_t)part->map_end : end;
        madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
}

/* Whether the page cache holds a slab: a page of every huge one is asked for. */
static bool is_cached(const slab *s)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 2 && s->spans[i].bytes; i++) {
        uintptr_t begin = (uintptr_t)s->spans[i].data & ~(page - 1), end = (uintptr_t)s->spans[i].data + (uintptr_t)s->spans[i].bytes;
        for (uintptr_t at = begin; at < end; at += HUGE) {
            unsigned char in = 1;
            if (mincore((void *)at, 1, &in) == 0 && !(in & 1))
                return false;
        }
    }
    return true;
}

/* Has what the page cache does not hold read. MADV_WILLNEED would read it in single pages, which cost most to map: so in huge ones the
 * pages are touched, and the caller waits for the disk. */
static void bring_in(const lt_weights *w, const slab *s)
{
    if (!w->huge)
        advise(s, MADV_WILLNEED);
    if (w->populate || (w->huge && !is_cached(s)))
        advise(s, MADV_POPULATE_READ);
}

static void unlink_slab(lt_weights *w, int i)
{
    slab *s = &w->slabs[i];
    *(s->older < 0 ? &w->oldest : &w->slabs[s->older].newer) = s->newer;
    *(s->newer < 0 ? &w->newest : &w->slabs[s->newer].older) = s->older;
}

static void append_slab(lt_weights *w, int i)
{
    slab *s = &w->slabs[i];
    s->older = w->newest;
    s->newer = -1;
    *(w->newest < 0 ? &w->oldest : &w->slabs[w->newest].newer) = i;
    w->newest = i;
}

/* Drops the oldest slabs until `bytes` more fit; never the one in use. With the lock held. False: it cannot be made to fit. */
static bool make_room(lt_weights *w, int64_t bytes)
{
    for (int i = w->oldest; i >= 0 && w->resident + bytes > w->window;) {
        slab *s = &w->slabs[i];
        int next = s->newer;
        if (i != w->in_use) {
            while (s->state == SLAB_LOADING)
                pthread_cond_wait(&w->loaded, &w->lock);
            unlink_slab(w, i);
            if (s->state == SLAB_IN)
                drop(w, s);
            s->state = SLAB_OUT; /* a wanted one is skipped by the thread */
            w->resident -= s->bytes;
        }
        i = next;
    }
    return w->resident + bytes <= w->window;
}

static void *prefetch_loop(void *context)
{
    lt_weights *w = context;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->stop && w->queue_length == 0)
            pthread_cond_wait(&w->wanted, &w->lock);
        if (w->stop)
            break;
        slab *s = &w->slabs[w->queue[w->queue_head]];
        w->queue_head = (w->queue_head + 1) % w->slab_count;
        w->queue_length--;
        if (s->state != SLAB_WANTED)
            continue;
        s->state = SLAB_LOADING;
        pthread_mutex_unlock(&w->lock);
        bring_in(w, s);
        pthread_mutex_lock(&w->lock);
        s->state = SLAB_IN;
        pthread_cond_broadcast(&w->loaded);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void stop_thread(lt_weights *w)
{
    if (!w->thread_runs)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wanted);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->thread_runs = w->stop = false;
}

bool lt_weights_open(lt_weights **out, const char *path, lt_error *err)
{
    lt_safetensors *set;
    return lt_safetensors_open(&set, path, err) && lt_weights_adopt(out, set, err);
}

bool lt_weights_adopt(lt_weights **out, lt_safetensors *set, lt_error *err)
{
    const char *path = lt_safetensors_shard_path(set, 0);
    lt_weights *w = calloc(1, sizeof *w);
    if (!w) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
        lt_safetensors_close(set);
        return false;
    }
    w->set = set;
    w->oldest = w->newest = w->in_use = -1;
    w->window = INT64_MAX;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wanted, NULL);
    pthread_cond_init(&w->loaded, NULL);
    int shards = lt_safetensors_shard_count(w->set);
    int64_t total = 0, memory = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    w->maps = calloc((size_t)shards, sizeof *w->maps);
    if (!w->maps) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    for (int i = 0; i < shards; i++) {
        size_t bytes = (size_t)lt_safetensors_shard_bytes(w->set, i);
        void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, lt_safetensors_shard_fd(w->set, i), 0);
        if (map == MAP_FAILED) {
            lt_error_errno(err, "%s: cannot map %zu bytes", lt_safetensors_shard_path(w->set, i), bytes);
            goto fail;
        }
        w->maps[i] = map;
        madvise(map, bytes, MADV_NOHUGEPAGE); /* until a window is set that has room: what is read before would stay */
        total += (int64_t)bytes;
        lt_sigbus_guard(map, bytes);
    }
    /* What stays in the page cache is mapped fastest by the threads that read it, each a part; a thread of its own for that takes a
     * core from one of them while the others wait. */
    w->populate = total > memory / 10 * 7;
    *out = w;
    return true;
fail:
    lt_weights_close(w);
    return false;
}

void lt_weights_close(lt_weights *w)
{
    if (!w)
        return;
    stop_thread(w);
    for (int i = 0; w->maps && i < lt_safetensors_shard_count(w->set); i++)
        if (w->maps[i]) {
            lt_sigbus_unguard(w->maps[i]);
            munmap(w->maps[i], (size_t)lt_safetensors_shard_bytes(w->set, i));
        }
    lt_safetensors_close(w->set);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wanted);
    pthread_cond_destroy(&w->loaded);
    for (int i = 0; i < w->tensor_count; i++)
        lt_weights_quant_close(w->tensors[i].quant);
    free(w->maps);
    free(w->tensors);
    free(w->slabs);
    free(w->queue);
    free(w);
}

const lt_safetensors *lt_weights_set(const lt_weights *w)
{
    return w->set;
}

void lt_weights_set_prefix(lt_weights *w, const char *prefix)
{
    snprintf(w->prefix, sizeof w->prefix, "%s", prefix);
}

/* With another ending: NULL when name does not end in `from`. */
static const lt_tensor_info *find_ending(const lt_weights *w, const char *name, const char *from, const char *to)
{
    char other[512];
    size_t n = strlen(name), tail = strlen(from);
    if (n < tail || strcmp(name + n - tail, from) || n >= sizeof other - 8)
        return NULL;
    snprintf(other, sizeof other, "%.*s%s", (int)(n - tail), name, to);
    return lt_safetensors_find(w->set, other);
}

static const lt_tensor_info *find_any_ending(const lt_weights *w, const char *name)
{
    const lt_tensor_info *info = lt_safetensors_find(w->set, name);
    if (!info)
        info = find_ending(w, name, "LayerNorm.weight", "LayerNorm.gamma");
    return info ? info : find_ending(w, name, "LayerNorm.bias", "LayerNorm.beta");
}

const lt_tensor_info *lt_weights_info(const lt_weights *w, const char *name)
{
    size_t n = strlen(w->prefix);
    const lt_tensor_info *info = find_any_ending(w, name);
    return info || n == 0 || strncmp(name, w->prefix, n) ? info : find_any_ending(w, name + n);
}

static bool check_shape(const lt_weights *w, const lt_tensor_info *info, int64_t rows, int64_t cols, lt_error *err)
{
    bool fits = info->dims == 2 ? info->shape[0] == rows && info->shape[1] == cols
                                : info->dims == 1 && rows == 1 && info->shape[0] == cols;
    if (fits)
        return true;
    char found[128] = "";
    for (int i = 0; i < info->dims; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%lld", i ? ", " : "", (long long)info->shape[i]);
    if (rows == 1)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s': expected shape [%lld], found [%s]",
                            lt_safetensors_shard_path(w->set, info->shard), info->name, (long long)cols, found);
    return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s': expected shape [%lld, %lld], found [%s]",
                        lt_safetensors_shard_path(w->set, info->shard), info->name, (long long)rows, (long long)cols, found);
}

static bool is_readable(lt_dtype dtype, int64_t cols)
{
    int64_t bytes;
    return dtype == LT_DTYPE_F32 || dtype == LT_DTYPE_F16 || dtype == LT_DTYPE_BF16 ||
           (lt_dtype_is_block(dtype) && lt_dtype_row_bytes(dtype, cols, &bytes));
}

static const lt_tensor_info *find_checked(const lt_weights *w, const char *name, int64_t rows, int64_t cols, lt_error *err)
{
    const lt_tensor_info *info = lt_weights_info(w, name);
    if (!info) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s' is missing", lt_safetensors_shard_path(w->set, 0), name);
        return NULL;
    }
    if (rows > 1 && lt_weights_quant_is(w->set, info)) /* what belongs to it is checked when it is opened */
        return info->dtype == LT_DTYPE_U8 || check_shape(w, info, rows, cols, err) ? info : NULL;
    if (!check_shape(w, info, rows, cols, err))
        return NULL;
    if (!is_readable(info->dtype, cols)) {
        lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: tensor '%s': expected F32, F16, BF16 or a quantised type, found %s",
                     lt_safetensors_shard_path(w->set, info->shard), name, lt_dtype_get(info->dtype)->name);
        return NULL;
    }
    return info;
}

/* Values per block stay in the mapping. */
static void plug_scales(const lt_weights *w, lt_weights_quant *quant)
{
    if (!quant->blocks)
        return;
    const char *data = w->maps[quant->blocks->shard] + quant->blocks->offset;
    if (quant->blocks->dtype == LT_DTYPE_U8)
        quant->scales.codes = (const uint8_t *)data;
    else
        quant->scales.absmax = data;
}

bool lt_weights_find(lt_weights *w, const char *name, int64_t rows, int64_t cols, lt_weight *weight, lt_error *err)
{
    const lt_tensor_info *info = find_checked(w, name, rows, cols, err);
    if (!info)
        return false;
    if (w->tensor_count == w->tensor_capacity) {
        int capacity = w->tensor_capacity ? 2 * w->tensor_capacity : 64;
        used_tensor *grown = realloc(w->tensors, (size_t)capacity * sizeof *grown);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the list of tensors");
        w->tensors = grown;
        w->tensor_capacity = capacity;
    }
    lt_matrix matrix = {.data = w->maps[info->shard] + info->offset, .dtype = info->dtype, .rows = rows, .cols = cols, .row_stride = cols};
    lt_weights_quant *quant = NULL;
    if (lt_weights_quant_is(w->set, info)) {
        if (!lt_weights_quant_open(w->set, info, rows, cols, &quant, err))
            return false;
        plug_scales(w, quant);
        matrix.dtype = quant->dtype;
        matrix.scales = &quant->scales;
    }
    w->tensors[w->tensor_count] = (used_tensor){.matrix = matrix, .quant = quant, .shard = info->shard, .slab_rows = rows};
    *weight = (lt_weight){.matrix = matrix, .owner = w, .info = info, .index = w->tensor_count++};
    if (info->view == LT_VIEW_PAIRED_ROWS)
        weight->paired_rows = info->head_rows;
    return true;
}

bool lt_weights_read_vector(lt_weights *w, const char *name, int64_t n, float *out, lt_error *err)
{
    const lt_tensor_info *info = find_checked(w, name, 1, n, err);
    return info && lt_safetensors_read_f32(w->set, info, out, err);
}

static span make_span(const lt_weights *w, int shard, char *data, int64_t bytes)
{
    char *map = w->maps[shard];
    return (span){data, bytes, map, map + lt_safetensors_shard_bytes(w->set, shard)};
}

int64_t lt_weights_overhang(int64_t window_bytes)
{
    return window_bytes >= LEAST_HUGE_WINDOW ? 2 * (int64_t)HUGE : 0;
}

/* Pages of all mappings may be huge, or must not: a window of a few megabytes has no room for what comes in with a row. */
static void set_huge(lt_weights *w, bool huge)
{
    w->huge = huge;
    for (int i = 0; i < lt_safetensors_shard_count(w->set); i++)
        madvise(w->maps[i], (size_t)lt_safetensors_shard_bytes(w->set, i), huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

void lt_weights_set_window(lt_weights *w, int64_t window_bytes)
{
    stop_thread(w);
    for (int i = w->oldest; i >= 0; i = w->slabs[i].newer)
        drop(w, &w->slabs[i]);
    set_huge(w, lt_weights_overhang(window_bytes) > 0);
    free(w->slabs);
    free(w->queue);
    w->window = window_bytes;
    w->resident = 0;
    w->oldest = w->newest = w->in_use = -1;
    w->queue_head = w->queue_length = 0;
    w->slab_count = 0;
    for (int i = 0; i < w->tensor_count; i++) {
        used_tensor *t = &w->tensors[i];
        int64_t row = matrix_bytes(&t->matrix, 1), rows = window_bytes == INT64_MAX ? t->matrix.rows : window_bytes / 4 / row;
        /* Multiples of 64 rows keep the kernels' panels whole. */
        rows = rows >= 64 ? rows / 64 * 64 : rows < 1 ? 1 : rows;
        t->slab_rows = rows < t->matrix.rows ? rows : t->matrix.rows;
        t->slabs = (int)((t->matrix.rows + t->slab_rows - 1) / t->slab_rows);
        t->first_slab = w->slab_count;
        w->slab_count += t->slabs;
    }
    w->slabs = calloc((size_t)w->slab_count + 1, sizeof *w->slabs);
    w->queue = calloc((size_t)w->slab_count + 1, sizeof *w->queue);
    assert(w->slabs && w->queue && "out of memory for a table of a few kilobytes");
    for (int i = 0; i < w->tensor_count; i++) {
        const used_tensor *t = &w->tensors[i];
        for (int s = 0; s < t->slabs; s++) {
            int64_t row = s * t->slab_rows, rows = t->matrix.rows - row < t->slab_rows ? t->matrix.rows - row : t->slab_rows;
            slab *it = &w->slabs[t->first_slab + s];
            it->spans[0] = make_span(w, t->shard, (char *)t->matrix.data + matrix_bytes(&t->matrix, row), matrix_bytes(&t->matrix, rows));
            if (t->quant && t->quant->blocks) {
                const lt_tensor_info *blocks = t->quant->blocks;
                int64_t offset, bytes = lt_weights_quant_span(t->quant, t->matrix.cols, row, rows, &offset);
                it->spans[1] = make_span(w, blocks->shard, w->maps[blocks->shard] + blocks->offset + offset, bytes);
            }
            it->bytes = it->spans[0].bytes + it->spans[1].bytes;
        }
    }
}

int lt_weights_slabs(const lt_weight *weight)
{
    if (!weight->owner)
        return 1;
    if (!weight->owner->slabs)
        lt_weights_set_window(weight->owner, weight->owner->window);
    return weight->owner->tensors[weight->index].slabs;
}

lt_matrix lt_weights_use(const lt_weight *weight, int s, int64_t *first_row)
{
    if (first_row)
        *first_row = 0;
    lt_weights *w = weight->owner;
    if (!w)
        return weight->matrix;
    int count = lt_weights_slabs(weight); /* cuts the slabs on first use */
    assert(s >= 0 && s < count);
    const used_tensor *t = &w->tensors[weight->index];
    int i = t->first_slab + s;
    slab *it = &w->slabs[i];
    pthread_mutex_lock(&w->lock);
    w->in_use = i;
    while (it->state == SLAB_LOADING)
        pthread_cond_wait(&w->loaded, &w->lock);
    if (it->state == SLAB_OUT) {
        make_room(w, it->bytes); /* a window smaller than one slab holds just that slab */
        append_slab(w, i);
        w->resident += it->bytes;
        w->bytes_read += it->bytes;
        if (!w->huge) /* else whoever touches it first reads huge pages */
            advise(it, MADV_WILLNEED);
    } else { /* used again: the youngest now */
        unlink_slab(w, i);
        append_slab(w, i);
    }
    it->state = SLAB_IN;
    pthread_mutex_unlock(&w->lock);

    int64_t row = s * t->slab_rows, rows = t->matrix.rows - row < t->slab_rows ? t->matrix.rows - row : t->slab_rows;
    if (first_row)
        *first_row = row;
    lt_matrix matrix = t->matrix;
    matrix.data = it->spans[0].data;
    matrix.rows = rows;
    matrix.first_row = row;
    return matrix;
}

void lt_weights_prefetch(const lt_weight *weight)
{
    lt_weights *w = weight->owner;
    if (!w)
        return;
    int count = lt_weights_slabs(weight);
    if (!w->thread_runs) {
        if (pthread_create(&w->thread, NULL, prefetch_loop, w))
            return; /* pages then come in on demand */
        w->thread_runs = true;
    }
    const used_tensor *t = &w->tensors[weight->index];
    pthread_mutex_lock(&w->lock);
    for (int s = 0; s < count; s++) {
        int i = t->first_slab + s;
        slab *it = &w->slabs[i];
        if (it->state != SLAB_OUT)
            continue;
        /* Half of the window is for what lies ahead; more would push out what is in use now. */
        if (w->window != INT64_MAX && (s + 1) * it->bytes > w->window / 2)
            break;
        if (!make_room(w, it->bytes))
            break;
        append_slab(w, i);
        w->resident += it->bytes;
        w->bytes_read += it->bytes;
        it->state = SLAB_WANTED;
        w->queue[(w->queue_head + w->queue_length++) % w->slab_count] = i;
        pthread_cond_signal(&w->wanted);
    }
    pthread_mutex_unlock(&w->lock);
}

bool lt_weights_read_row(const lt_weight *weight, int64_t row, float *out, lt_error *err)
{
    lt_matrix m = weight->matrix;
    const lt_kernels *k = lt_kernels_get();
    if (!weight->owner) {
        k->decode_f32(&m, row, 0, m.cols, out);
        return true;
    }
    int64_t offset = matrix_bytes(&m, row), bytes = matrix_bytes(&m, row + 1) - offset;
    bytes += m.dtype == LT_DTYPE_NF4 && (row + 1) * m.cols % 2; /* the last byte may be shared with the next row */
    char buffer[4096];
    char *copy = bytes <= (int64_t)sizeof buffer ? buffer : malloc((size_t)bytes);
    assert(copy);
    const lt_safetensors *set = weight->owner->set;
    int shard = weight->info->shard;
    bool ok = lt_file_pread(lt_safetensors_shard_fd(set, shard), lt_safetensors_shard_path(set, shard), copy, (size_t)bytes,
                            weight->info->offset + offset, err);
    m.data = copy;
    m.first_row = row;
    if (ok)
        k->decode_f32(&m, 0, 0, m.cols, out);
    if (copy != buffer)
        free(copy);
    return ok;
}

bool lt_weights_check(lt_weights *w, lt_error *err)
{
    for (int i = 0; i < lt_safetensors_shard_count(w->set); i++)
        if (lt_sigbus_hit(w->maps[i]))
            return lt_error_set(err, LT_ERR_FORMAT, "%s: the file shrank while it was in use; nothing computed since can be trusted",
                                lt_safetensors_shard_path(w->set, i));
    return true;
}

int64_t lt_weights_bytes(const lt_weight *weight)
{
    const lt_matrix *m = &weight->matrix;
    if (!weight->owner)
        return 0;
    const lt_weights_quant *quant = weight->owner->tensors[weight->index].quant;
    int64_t offset;
    return matrix_bytes(m, m->rows) + (quant ? lt_weights_quant_span(quant, m->cols, 0, m->rows, &offset) : 0);
}

int64_t lt_weights_bytes_read(const lt_weights *w)
{
    return w->bytes_read;
}
