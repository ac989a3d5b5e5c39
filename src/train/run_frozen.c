/* The blocks below the lowest trained one: computed in the first epoch, read from disk in later ones (frozen_cache.h). */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <xxhash.h>

#include "core/file.h"
#include "core/log.h"
#include "nn/engine.h"
#include "simd/kernels.h"
#include "train/run.h"

/* Left free on the disk, so that checkpoints can still be written: three of them with room to spare. */
static int64_t reserve(const lt_run *run)
{
    const int64_t least = 64 << 20;
    return least + 3 * 12 * lt_param_list_elements(&run->params);
}

static bool sees_rows_again(const lt_run *run)
{
    return run->total_steps > lt_loader_steps_per_epoch(&run->loader);
}

bool lt_run_choose_frozen(lt_run *run, lt_error *err)
{
    const lt_train_options *o = run->options;
    int64_t lowest = lt_model_lowest_trained(run->model);
    int bits = o->frozen_cache;
    run->frozen = (lt_frozen_cache_options){0};
    if (bits == 0)
        return true;
    if (o->neftune_noise_alpha > 0) /* noise of every step below them */
        return bits == LT_FROZEN_CACHE_AUTO || lt_error_set(err, LT_ERR_USAGE, "frozen_cache: with neftune_noise_alpha nothing stays the same");
    if (lt_token_store_totals(run->train)->masking.probability > 0)
        return bits == LT_FROZEN_CACHE_AUTO || lt_error_set(err, LT_ERR_USAGE, "frozen_cache: masks are drawn anew in every epoch, so that nothing stays the same");
    if (bits != LT_FROZEN_CACHE_AUTO && lowest == 0)
        return lt_error_set(err, LT_ERR_USAGE, "frozen_cache: something in the first block or below it is trained, so that nothing stays the same");
    if (bits == LT_FROZEN_CACHE_AUTO) {
        if (lowest == 0 || !sees_rows_again(run))
            return true;
        bits = o->compute == LT_COMPUTE_F32 ? 32 : 16;
    }
    run->frozen = (lt_frozen_cache_options){
        .folder = o->cache_folder ? o->cache_folder : o->output,
        .bits = bits,
        .width = run->model->config.C,
        .records = lt_token_store_totals(run->train)->records,
        .reserve_bytes = reserve(run),
    };
    return true;
}

/* What the numbers depend on, besides the record's number: base, rows, how it is computed. */
static uint64_t cache_key(const lt_run *run)
{
    char path[4096], text[256], *config = NULL;
    size_t size = 0;
    uint64_t hash = 0;
    if (lt_file_join(path, sizeof path, run->options->model, "config.json", NULL) &&
        lt_file_read(path, 16 << 20, &config, &size, NULL))
        hash = XXH3_64bits(config, size);
    free(config);
    int n = snprintf(text, sizeof text, "%s %s %s %d %lld %d %s",
                     json_string_value(json_object_get(run->fingerprint, "base model")),
                     json_string_value(json_object_get(run->fingerprint, "training data")), lt_kernels_get()->name,
                     (int)run->options->compute, (long long)lt_model_lowest_trained(run->model), run->frozen.bits, LT_VERSION);
    return XXH3_64bits_withSeed(text, (size_t)n, hash);
}

bool lt_run_open_frozen(lt_run *run, lt_error *err)
{
    if (!run->frozen.bits)
        return true;
    run->frozen.key = cache_key(run);
    if (!lt_frozen_cache_open(&run->cache, &run->frozen, err))
        return false;
    struct statvfs disk;
    int64_t most = lt_frozen_cache_disk(&run->frozen, run->frozen.records, lt_token_store_totals(run->train)->tokens);
    if (statvfs(run->frozen.folder, &disk) == 0) {
        int64_t left = (int64_t)((uint64_t)disk.f_bavail * disk.f_frsize) + lt_frozen_cache_bytes(run->cache);
        if (left < most + run->frozen.reserve_bytes)
            lt_log_warning("%s: the output of the frozen blocks takes up to %lld MiB, and %lld MiB are free; rows that find no room "
                           "are computed in every epoch",
                           run->frozen.folder, (long long)(most >> 20), (long long)(left >> 20));
    }
    return true;
}

void lt_run_close_frozen(lt_run *run, bool finished)
{
    /* A run that can be resumed finds it again. */
    lt_frozen_cache_close(run->cache, !run->options->keep_cache && (finished || !run->folder.kept));
    run->cache = NULL;
}

/* Calls visit with every record of the pass and its rows of the stream. */
static bool each_record(lt_run *run, float *stream, bool (*visit)(lt_frozen_cache *, int64_t, int64_t, float *))
{
    const lt_step_batch *b = &run->batch;
    bool all = true;
    for (int64_t r = 0; r < b->row_count; r++) {
        const lt_objective_row *row = &b->rows[r];
        int64_t begin = b->starts[row->first_sequence], end = b->starts[row->first_sequence + row->sequences];
        all &= visit(run->cache, row->row, end - begin, stream + begin * run->frozen.width);
    }
    return all;
}

static bool has(lt_frozen_cache *cache, int64_t record, int64_t tokens, float *x)
{
    (void)tokens;
    (void)x;
    return lt_frozen_cache_has(cache, record);
}

static bool load(float *stream, bool *have, void *context, lt_error *err)
{
    lt_run *run = context;
    (void)err;
    *have = each_record(run, stream, has) && each_record(run, stream, lt_frozen_cache_get);
    return true;
}

/* Records that are there already give their own numbers: those of another pass, down to the last digit. */
static bool get_or_put(lt_frozen_cache *cache, int64_t record, int64_t tokens, float *x)
{
    if (!lt_frozen_cache_get(cache, record, tokens, x))
        lt_frozen_cache_put(cache, record, tokens, x);
    return true;
}

static bool store(float *stream, void *context, lt_error *err)
{
    (void)err;
    each_record(context, stream, get_or_put);
    return true;
}

bool lt_run_forward(lt_run *run, lt_error *err)
{
    lt_engine_prefix prefix = {.load = load, .store = store, .context = run};
    return run->cache ? lt_engine_forward_cached(run->engine, &run->batch.batch, &prefix, err)
                      : lt_engine_forward(run->engine, &run->batch.batch, err);
}
