/* The cache of what leaves the frozen blocks: what it gives back, what it survives, and runs with and without it. */
#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/file.h"
#include "core/rng.h"
#include "folder.h"
#include "formats/peft.h"
#include "llama_folder.h"
#include "nn/ckpt.h"
#include "rows_of.h"
#include "train/frozen_cache.h"
#include "train/trainer.h"

enum { C = 40, TOKENS = 3000, RECORDS = 5 };

static float *random_rows(uint64_t seed, int64_t n)
{
    lt_rng rng = lt_rng_make(seed, 0);
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = lt_rng_normal(&rng);
    return x;
}

static lt_frozen_cache_options options_in(const test_folder *folder, int bits)
{
    return (lt_frozen_cache_options){.folder = folder->path, .bits = bits, .width = C, .records = RECORDS, .key = 0x1234};
}

static lt_frozen_cache *open_cache(const lt_frozen_cache_options *options)
{
    lt_frozen_cache *cache;
    lt_error err;
    cr_assert(lt_frozen_cache_open(&cache, options, &err), "%s", err.message);
    return cache;
}

Test(frozen_cache, gives_back_what_put_rounded_it_to)
{
    static const int bits[] = {8, 16, 32};
    test_folder folder = test_folder_make();
    for (int b = 0; b < 3; b++) {
        lt_frozen_cache_options options = options_in(&folder, bits[b]);
        lt_frozen_cache *cache = open_cache(&options);
        float *raw = random_rows(1, TOKENS * C), *put = malloc(sizeof(float) * TOKENS * C), *got = malloc(sizeof(float) * TOKENS * C);
        memcpy(put, raw, sizeof(float) * TOKENS * C);
        cr_assert_not(lt_frozen_cache_get(cache, 2, TOKENS, got));
        lt_frozen_cache_put(cache, 2, TOKENS, put);
        cr_assert(lt_frozen_cache_has(cache, 2));
        cr_assert_not(lt_frozen_cache_has(cache, 1));
        cr_assert(lt_frozen_cache_get(cache, 2, TOKENS, got));
        cr_assert_arr_eq(got, put, sizeof(float) * TOKENS * C);
        cr_assert_eq(memcmp(raw, put, sizeof(float) * TOKENS * C) == 0, bits[b] == 32);
        cr_assert_leq(lt_frozen_cache_bytes(cache), 32 + lt_frozen_cache_disk(&options, 1, TOKENS));
        lt_frozen_cache_close(cache, true);
        cr_assert_not(lt_file_exists(test_folder_file(&folder, "frozen-0000000000001234.cache")));
        free(raw);
        free(put);
        free(got);
    }
    test_folder_remove(&folder);
}

/* Fills all records, closes, and leaves the file. */
static void fill(const lt_frozen_cache_options *options)
{
    lt_frozen_cache *cache = open_cache(options);
    for (int64_t r = 0; r < RECORDS; r++) {
        float *x = random_rows((uint64_t)r, (r + 1) * 100 * C);
        lt_frozen_cache_put(cache, r, (r + 1) * 100, x);
        free(x);
    }
    lt_frozen_cache_close(cache, false);
}

static int usable(const lt_frozen_cache_options *options)
{
    lt_frozen_cache *cache = open_cache(options);
    int n = 0;
    for (int64_t r = 0; r < RECORDS; r++) {
        float *x = random_rows((uint64_t)r, (r + 1) * 100 * C), *got = malloc((size_t)(r + 1) * 100 * C * sizeof *got);
        if (lt_frozen_cache_get(cache, r, (r + 1) * 100, got)) {
            cr_assert_arr_eq(got, x, (size_t)(r + 1) * 100 * C * sizeof *got);
            n++;
        }
        cr_assert_eq(lt_frozen_cache_get(cache, r, (r + 1) * 100 - 1, got), false); /* another length is another record */
        free(x);
        free(got);
    }
    lt_frozen_cache_close(cache, false);
    return n;
}

Test(frozen_cache, a_file_that_was_left_is_gone_on_with_unless_its_key_differs)
{
    test_folder folder = test_folder_make();
    lt_frozen_cache_options options = options_in(&folder, 32);
    fill(&options);
    cr_assert_eq(usable(&options), RECORDS);
    const char *from = test_folder_file(&folder, "frozen-0000000000001234.cache");
    const char *to = test_folder_file(&folder, "frozen-0000000000001235.cache");
    cr_assert_eq(rename(from, to), 0);
    options.key++;
    cr_assert_eq(usable(&options), 0);
    test_folder_remove(&folder);
}

Test(frozen_cache, damage_anywhere_costs_entries_and_nothing_else)
{
    test_folder folder = test_folder_make();
    lt_frozen_cache_options options = options_in(&folder, 32);
    const char *path = test_folder_file(&folder, "frozen-0000000000001234.cache");
    fill(&options);
    char *whole, keep[300];
    size_t size;
    snprintf(keep, sizeof keep, "%s", path);
    cr_assert(lt_file_read(keep, 1 << 24, &whole, &size, NULL));
    for (size_t at = 0; at < size; at += size / 40) {
        char *bad = malloc(size);
        memcpy(bad, whole, size);
        bad[at] ^= 0x40;
        cr_assert(lt_file_replace(keep, bad, size, NULL));
        int n = usable(&options);
        cr_assert(n < RECORDS, "a flipped bit at %zu went unnoticed", at);
        cr_assert(lt_file_replace(keep, whole, at, NULL)); /* cut short */
        cr_assert(usable(&options) <= RECORDS);
        free(bad);
    }
    free(whole);
    test_folder_remove(&folder);
}

Test(frozen_cache, a_full_disk_ends_the_writing_but_rounds_all_the_same)
{
    test_folder folder = test_folder_make();
    lt_frozen_cache_options options = options_in(&folder, 8);
    lt_frozen_cache *cache = open_cache(&options);
    struct rlimit old;
    int there = 0;
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){20000, old.rlim_max});
    for (int64_t r = 0; r < RECORDS; r++) {
        float *x = random_rows((uint64_t)r, 200 * C), *rounded = malloc(200 * C * sizeof *x), *got = malloc(200 * C * sizeof *x);
        char stored[200 * 64];
        lt_ckpt_put(8, x, C, C, 200, stored);
        lt_ckpt_get(8, stored, rounded, C, C, 200);
        lt_frozen_cache_put(cache, r, 200, x);
        cr_assert_arr_eq(x, rounded, 200 * C * sizeof *x);
        if (lt_frozen_cache_get(cache, r, 200, got)) {
            there++;
            cr_assert_arr_eq(got, rounded, 200 * C * sizeof *x);
        }
        free(x);
        free(rounded);
        free(got);
    }
    setrlimit(RLIMIT_FSIZE, &old);
    cr_assert(there > 0 && there < RECORDS, "%d of %d records", there, RECORDS);
    cr_assert_leq(lt_frozen_cache_bytes(cache), 20000);
    lt_frozen_cache_close(cache, true);
    options.reserve_bytes = INT64_MAX / 2; /* more than any disk has free */
    cache = open_cache(&options);
    float *x = random_rows(1, 10 * C);
    lt_frozen_cache_put(cache, 0, 10, x);
    cr_assert_not(lt_frozen_cache_has(cache, 0));
    free(x);
    lt_frozen_cache_close(cache, true);
    test_folder_remove(&folder);
}

Test(frozen_cache, a_second_run_on_the_same_rows_has_a_file_of_its_own)
{
    test_folder folder = test_folder_make();
    lt_frozen_cache_options options = options_in(&folder, 16);
    lt_frozen_cache *a = open_cache(&options), *b = open_cache(&options);
    float *x = random_rows(1, 10 * C), got[10 * C];
    lt_frozen_cache_put(a, 0, 10, x);
    cr_assert_not(lt_frozen_cache_get(b, 0, 10, got));
    lt_frozen_cache_put(b, 0, 10, x);
    cr_assert(lt_frozen_cache_get(b, 0, 10, got));
    cr_assert_arr_eq(got, x, sizeof got);
    lt_frozen_cache_close(b, false);
    cr_assert(lt_frozen_cache_get(a, 0, 10, got));
    lt_frozen_cache_close(a, true);
    free(x);
    test_folder_remove(&folder);
}

/* ---- whole runs ---- */

static const test_row pattern[] = {
    {"abcdefgh", NULL, 0}, {"hgfedcba", NULL, 0}, {"cdefghij", "....xxxx", 0}, {"jihgf", NULL, 0}, {"defghijk", NULL, 0},
    {"kjihg", NULL, 0},    {"efgh", NULL, 0},     {"mlkjihgfedc", NULL, 0},    {"klm", "..x", 0},
};

static volatile sig_atomic_t stop;
static int stop_at;

static void stop_sometime(const lt_progress *p, void *context)
{
    (void)context;
    if (!strcmp(p->phase, "training") && p->done == stop_at)
        stop = 1;
}

/* Trains an adapter on the upper of two blocks, three epochs; its bytes. */
static char *train(const test_folder *folder, const char *name, int cache, lt_compute compute, bool resume, size_t *size)
{
    char model[300], output[300], path[400], *data = NULL;
    int layer = 1;
    lt_train_options o;
    lt_train_result result;
    lt_error err;
    lt_peft_config peft;
    static const char *const modules[] = {"q_proj", "v_proj", "up_proj"};
    test_rows rows = {.rows = pattern, .count = sizeof pattern / sizeof *pattern};
    snprintf(model, sizeof model, "%s", test_folder_file(folder, "model"));
    snprintf(output, sizeof output, "%s", test_folder_file(folder, name));
    cr_assert(lt_file_make_folder(model, NULL));
    test_llama_write(model, &(test_llama){.width = 16, .layers = 2, .heads = 4, .vocabulary = 30, .seed = 1});
    lt_train_defaults(&o);
    lt_peft_config_init(&peft, LT_PEFT_LORA);
    peft.lora.rank = 2;
    peft.lora.alpha = 4;
    peft.lora.layers = &layer;
    peft.lora.layer_count = 1;
    peft.lora.layers_given = true;
    cr_assert(lt_peft_names_set(&peft.lora.target_modules, modules, 3, &err));
    o.model = model;
    o.output = output;
    o.method = LT_METHOD_LORA;
    o.peft = &peft;
    o.compute = compute;
    o.batch_size = 2;
    o.learning_rate = 0.02;
    o.save_steps = 4;
    o.frozen_cache = cache;
    o.resume = resume;
    o.rows = test_rows_source(&rows);
    o.progress = stop_sometime;
    stop = 0;
    o.stop = &stop;
    bool ok = lt_train_run(&o, &result, &err);
    peft.lora.layers = NULL; /* not the heap's */
    lt_peft_config_free(&peft);
    if (stop_at) {
        cr_assert(!ok && err.status == LT_ERR_INTERRUPTED, "%s", err.message);
        return NULL;
    }
    cr_assert(ok, "%s", err.message);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", output);
    cr_assert(lt_file_read(path, 1 << 24, &data, size, NULL));
    return data;
}

static void same(char *a, size_t m, char *b, size_t n, const char *what)
{
    cr_assert(m == n && !memcmp(a, b, m), "%s", what);
    free(a);
    free(b);
}

Test(frozen_cache, in_fp32_a_run_with_it_gives_the_bytes_of_one_without)
{
    test_folder folder = test_folder_make();
    size_t m, n;
    char *without = train(&folder, "without", 0, LT_COMPUTE_F32, false, &m);
    char *with = train(&folder, "with", LT_FROZEN_CACHE_AUTO, LT_COMPUTE_F32, false, &n);
    same(without, m, with, n, "the cache changed the adapter");
    test_folder_remove(&folder);
}

Test(frozen_cache, an_interrupted_run_goes_on_from_it_and_removes_it_at_the_end)
{
    test_folder folder = test_folder_make();
    size_t m, n;
    char *whole = train(&folder, "whole", 8, LT_COMPUTE_F32, false, &m);
    stop_at = 7;
    train(&folder, "parts", 8, LT_COMPUTE_F32, false, &n);
    stop_at = 0;
    char *parts = train(&folder, "parts", 8, LT_COMPUTE_F32, true, &n);
    same(whole, m, parts, n, "resuming from the cache changed the adapter");
    char command[400];
    snprintf(command, sizeof command, "ls %s | grep -q cache", test_folder_file(&folder, "parts"));
    cr_assert_neq(system(command), 0, "the cache was left behind");
    test_folder_remove(&folder);
}
