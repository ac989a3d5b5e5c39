#include "train/snapshot_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/file.h"
#include "formats/json.h"
#include "formats/zst.h"

static const char magic[] = "lathe state 1\n";
enum { MAGIC = sizeof magic - 1, BUFFER = 1 << 16, HEAD_MAX = 64 << 20 };

bool lt_snapshot_digest(const char *path, lt_file_digest *digest, lt_error *err)
{
    int64_t size;
    int fd = lt_file_open(path, &size, err);
    if (fd < 0)
        return false;
    char *buffer = malloc(BUFFER);
    XXH3_state_t *hash = XXH3_createState();
    bool ok = buffer && hash;
    if (!ok)
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its checksum", path);
    else
        XXH3_64bits_reset(hash);
    for (int64_t at = 0; ok && at < size;) {
        size_t part = size - at < BUFFER ? (size_t)(size - at) : BUFFER;
        ok = lt_file_pread(fd, path, buffer, part, at, err);
        if (ok)
            XXH3_64bits_update(hash, buffer, part);
        at += (int64_t)part;
    }
    if (ok) {
        digest->bytes = size;
        snprintf(digest->hex, sizeof digest->hex, "%016llx", (unsigned long long)XXH3_64bits_digest(hash));
    }
    XXH3_freeState(hash);
    free(buffer);
    close(fd);
    return ok;
}

/* ---- writing ---- */

typedef struct state_writer {
    lt_zst_writer *zst;
    XXH3_state_t *hash;
} state_writer;

static bool put(state_writer *w, const void *data, size_t n, lt_error *err)
{
    XXH3_64bits_update(w->hash, data, n);
    return lt_zst_writer_write(w->zst, data, n, err);
}

static json_t *tensor_table(const lt_param_list *params, const lt_optimizer *optimizer)
{
    json_t *table = json_array();
    for (int i = 0; i < params->count; i++)
        for (int s = 0; optimizer->kind->states[s]; s++)
            json_array_append_new(
                table, json_pack("[s,s,I]", params->items[i].name, optimizer->kind->states[s],
                                 (json_int_t)optimizer->kind->state_elements(&params->items[i], s)));
    return table;
}

static bool put_all(state_writer *w, const json_t *head, const lt_param_list *params, const lt_optimizer *optimizer,
                    lt_error *err)
{
    char *text = json_dumps(head, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!text)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the state");
    uint64_t length = strlen(text);
    bool ok = put(w, magic, MAGIC, err) && put(w, &length, sizeof length, err) && put(w, text, length, err);
    free(text);
    for (int i = 0; ok && i < params->count; i++)
        for (int s = 0; ok && optimizer->kind->states[s]; s++) {
            int64_t n = optimizer->kind->state_elements(&params->items[i], s);
            ok = put(w, optimizer->state[s][i], (size_t)n * sizeof(float), err);
        }
    uint64_t sum = XXH3_64bits_digest(w->hash);
    return ok && lt_zst_writer_write(w->zst, &sum, sizeof sum, err);
}

bool lt_snapshot_state_write(const char *path, json_t *head, const lt_param_list *params, const lt_optimizer *optimizer,
                             lt_error *err)
{
    lt_file_writer file;
    state_writer w = {.hash = XXH3_createState()};
    bool ok = false;
    json_object_set_new(head, "tensors", tensor_table(params, optimizer));
    if (!w.hash)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its checksum", path);
    XXH3_64bits_reset(w.hash);
    if (!lt_file_create(&file, path, err)) {
        XXH3_freeState(w.hash);
        return false;
    }
    /* Level 1: momenta are noise to a compressor, only zeros shrink. */
    ok = lt_zst_writer_open(&w.zst, &file, 1, err) && put_all(&w, head, params, optimizer, err) &&
         lt_zst_writer_finish(w.zst, err);
    lt_zst_writer_close(w.zst);
    XXH3_freeState(w.hash);
    if (!ok) {
        lt_file_abort(&file);
        return false;
    }
    return lt_file_commit(&file, err);
}

/* ---- reading ---- */

typedef struct state_reader {
    lt_zst_reader *zst;
    XXH3_state_t *hash;
    const char *path;
    char *buffer; /* for what is only checked */
} state_reader;

static bool take_raw(state_reader *r, void *out, size_t n, lt_error *err)
{
    for (size_t done = 0; done < n;) {
        size_t got;
        if (!lt_zst_read(r->zst, (char *)out + done, n - done, &got, err))
            return false;
        if (!got)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: ends too early", r->path);
        done += got;
    }
    return true;
}

static bool take(state_reader *r, void *out, size_t n, lt_error *err)
{
    if (!take_raw(r, out, n, err))
        return false;
    XXH3_64bits_update(r->hash, out, n);
    return true;
}

static json_t *take_head(state_reader *r, lt_error *err)
{
    char start[MAGIC];
    uint64_t length;
    if (!take(r, start, MAGIC, err))
        return NULL;
    if (memcmp(start, magic, MAGIC)) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: does not start as a state file of this version does", r->path);
        return NULL;
    }
    if (!take(r, &length, sizeof length, err))
        return NULL;
    if (length > HEAD_MAX) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: its head claims %llu bytes", r->path, (unsigned long long)length);
        return NULL;
    }
    char *text = malloc(length + 1);
    if (!text)
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its head", r->path);
    json_t *head = text && take(r, text, length, err) ? lt_json_parse(text, length, r->path, err) : NULL;
    free(text);
    return head;
}

/* One optimiser tensor: into memory of the list's, or only through the checksum. */
static bool take_tensor(state_reader *r, const json_t *entry, float *into, int64_t expected, lt_error *err)
{
    int64_t n = json_integer_value(json_array_get(entry, 2));
    if (n < 0 || n > INT64_MAX / 8 || (into && n != expected))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: tensor '%s' has %lld elements, expected %lld", r->path,
                            json_string_value(json_array_get(entry, 0)), (long long)n, (long long)expected);
    if (into)
        return take(r, into, (size_t)n * sizeof(float), err);
    for (int64_t left = n * (int64_t)sizeof(float); left > 0;) {
        size_t part = left < BUFFER ? (size_t)left : BUFFER;
        if (!take(r, r->buffer, part, err))
            return false;
        left -= (int64_t)part;
    }
    return true;
}

static bool take_tensors(state_reader *r, const json_t *table, const lt_param_list *params, lt_optimizer *optimizer,
                         lt_error *err)
{
    int states = 0;
    while (optimizer && optimizer->kind->states[states])
        states++;
    if (!json_is_array(table))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a list of tensors", r->path);
    size_t count = json_array_size(table);
    if (params && count != (size_t)params->count * (size_t)states)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: has %zu optimiser tensors, expected %d", r->path, count,
                            params->count * states);
    for (size_t k = 0; k < count; k++) {
        const json_t *entry = json_array_get(table, k);
        const char *name = json_string_value(json_array_get(entry, 0)), *state = json_string_value(json_array_get(entry, 1));
        float *into = NULL;
        int64_t expected = 0;
        if (!name || !state)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: its list of tensors is broken", r->path);
        if (params) {
            int i = (int)(k / (size_t)states), s = (int)(k % (size_t)states);
            if (strcmp(name, params->items[i].name) || strcmp(state, optimizer->kind->states[s]))
                return lt_error_set(err, LT_ERR_FORMAT, "%s: has '%s' of '%s' where '%s' of '%s' was expected", r->path, state,
                                    name, optimizer->kind->states[s], params->items[i].name);
            into = optimizer->state[s][i];
            expected = optimizer->kind->state_elements(&params->items[i], s);
        }
        if (!take_tensor(r, entry, into, expected, err))
            return false;
    }
    return true;
}

static bool take_end(state_reader *r, lt_error *err)
{
    uint64_t sum = XXH3_64bits_digest(r->hash), stored;
    size_t got;
    char more;
    if (!take_raw(r, &stored, sizeof stored, err))
        return false;
    if (stored != sum)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: its checksum does not match (damaged?)", r->path);
    if (!lt_zst_read(r->zst, &more, 1, &got, err)) /* also lets zstd check the frame's own checksum */
        return false;
    return got == 0 || lt_error_set(err, LT_ERR_FORMAT, "%s: something follows its end", r->path);
}

bool lt_snapshot_state_read(const char *path, json_t **head, const lt_param_list *params, lt_optimizer *optimizer,
                            lt_error *err)
{
    state_reader r = {.path = path, .hash = XXH3_createState(), .buffer = malloc(BUFFER)};
    bool ok = false;
    *head = NULL;
    if (!r.hash || !r.buffer) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
        goto done;
    }
    XXH3_64bits_reset(r.hash);
    ok = lt_zst_open(&r.zst, path, err) && (*head = take_head(&r, err)) &&
         take_tensors(&r, json_object_get(*head, "tensors"), params, optimizer, err) && take_end(&r, err);
done:
    if (!ok) {
        json_decref(*head);
        *head = NULL;
    }
    lt_zst_close(r.zst);
    XXH3_freeState(r.hash);
    free(r.buffer);
    return ok;
}
