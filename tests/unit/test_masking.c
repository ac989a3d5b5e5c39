#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "folder.h"
#include "train/loader.h"

enum { LENGTH = 50, MASK = 103, WORDS = 1000, CLS = 101, SEP = 102 };

static const lt_masking bert = {.probability = 0.15, .mask_id = MASK, .vocabulary = WORDS};

/* Within five standard deviations. */
static void expect_share(const char *what, int64_t found, int64_t of, double share)
{
    double deviation = sqrt((double)of * share * (1 - share));
    cr_assert(fabs((double)found - (double)of * share) < 5 * deviation, "%s: %lld of %lld, expected %g", what, (long long)found,
              (long long)of, share);
}

Test(masking, draws_fifteen_percent_of_which_eight_tenths_are_masked_and_one_is_random)
{
    enum { N = 400000, ID = 500 };
    int64_t targets = 0, masked = 0, same = 0, high = 0, random = 0;
    lt_masking_place place = {.seed = 7, .epoch = 1, .record = 3};
    for (int64_t i = 0; i < N; i++) {
        int32_t id = ID;
        bool drawn = lt_masking_draw(&bert, &place, i, &id);
        cr_assert(drawn || id == ID);
        targets += drawn;
        masked += drawn && id == MASK;
        same += drawn && id == ID;
        random += drawn && id != MASK && id != ID;
        high += drawn && id != MASK && id != ID && id >= WORDS / 2;
        cr_assert(id >= 0 && id < WORDS);
    }
    expect_share("targets", targets, N, 0.15);
    expect_share("masked", masked, targets, 0.8 + 0.1 / WORDS);
    expect_share("unchanged", same, targets, 0.1 + 0.1 / WORDS);
    expect_share("random, upper half", high, random, 0.5);
    cr_assert_eq(lt_masking_count(&bert, &place, N), targets);
    cr_assert_eq(lt_masking_count(&(lt_masking){.probability = 1, .mask_id = MASK, .vocabulary = WORDS}, &place, 1000), 1000);
}

Test(masking, depends_on_seed_epoch_record_and_token_alone)
{
    lt_masking_place place = {.seed = 1, .epoch = 2, .record = 3};
    lt_masking_place others[] = {place, {2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    for (int k = 0; k < 4; k++) {
        int differ = 0;
        for (int64_t i = 0; i < 1000; i++) {
            int32_t a = 5, b = 5;
            differ += lt_masking_draw(&bert, &place, i, &a) != lt_masking_draw(&bert, &others[k], i, &b) || a != b;
        }
        cr_assert(k ? differ > 150 : differ == 0, "place %d: %d", k, differ);
    }
}

typedef struct texts {
    int next, count, length;
    bool labels;
} texts;

/* [CLS] words [SEP], another one in the middle. */
static bool next_text(void *context, lt_row *row, bool *end, lt_error *err)
{
    static int32_t ids[LENGTH], length;
    static uint8_t special[LENGTH];
    texts *t = context;
    (void)err;
    *end = t->next == t->count;
    length = t->length;
    for (int i = 0; i < length; i++) {
        special[i] = i == 0 || i == length - 1 || i == 20;
        ids[i] = i == 0 ? CLS : special[i] ? SEP : 200 + i;
    }
    if (!*end)
        *row = (lt_row){.sequences = 1, .lengths = &length, .ids = ids, .trained = special, .special = special,
                        .labels = t->labels && t->next ? ids : NULL, .path = "t.txt", .line = t->next + 1};
    t->next++;
    return true;
}

static bool build(lt_token_store **store, texts *rows, const lt_masking *masking, int64_t vocabulary, lt_error *err)
{
    test_folder folder = test_folder_make();
    lt_row_source source = {.next = next_text, .context = rows};
    lt_token_store_options options = {
        .folder = folder.path, .vocabulary = vocabulary, .sequences = 1, .in_place = true, .masking = *masking};
    bool ok = lt_token_store_build(store, &source, &options, NULL, err);
    test_folder_remove(&folder);
    return ok;
}

static lt_step_batch begin(lt_loader *loader, lt_token_store *store, lt_arena *arena, uint64_t seed, int64_t rows)
{
    lt_loader_extent extent;
    lt_step_batch step;
    lt_error err;
    lt_arena counted = lt_arena_measure();
    cr_assert(lt_loader_init(loader, store, &(lt_loader_options){.rows_per_step = rows, .seed = seed}, &err));
    cr_assert(lt_loader_measure(loader, 4, 0, &extent, &err));
    lt_step_batch_layout(&step, store, &extent, &counted);
    cr_assert(lt_arena_init(arena, counted.used, &err));
    lt_step_batch_layout(&step, store, &extent, arena);
    return step;
}

static void take(lt_loader *loader, lt_step_batch *step)
{
    lt_error err;
    bool more;
    cr_assert(lt_loader_next_step(loader, step, &err));
    cr_assert(lt_loader_next_pass(loader, step, 0, &more, &err) && more);
    cr_assert_eq(step->step_targets, step->batch.target_count);
}

Test(masking, a_loader_masks_words_only_and_anew_in_every_epoch)
{
    enum { ROWS = 40 };
    lt_token_store *store;
    lt_error err;
    texts rows = {.count = ROWS, .length = LENGTH};
    cr_assert(build(&store, &rows, &bert, WORDS, &err), "%s", err.message);
    lt_loader loader;
    lt_arena arena;
    lt_step_batch step = begin(&loader, store, &arena, 9, ROWS);
    static int32_t ids[3][ROWS * LENGTH], targets[3][ROWS * LENGTH];
    int64_t drawn = 0, words = ROWS * (LENGTH - 3);
    for (int epoch = 0; epoch < 2; epoch++) {
        take(&loader, &step);
        memcpy(ids[epoch], step.batch.ids, sizeof ids[0]);
        memcpy(targets[epoch], step.batch.targets, sizeof targets[0]);
        for (int t = 0; t < ROWS * LENGTH; t++) {
            int at = t % LENGTH;
            int32_t word = at == 0 ? CLS : at == LENGTH - 1 || at == 20 ? SEP : 200 + at;
            if (word == CLS || word == SEP)
                cr_assert(targets[epoch][t] == -1 && ids[epoch][t] == word);
            else if (targets[epoch][t] < 0)
                cr_assert_eq(ids[epoch][t], word);
            else
                cr_assert_eq(targets[epoch][t], word, "the label is the word that was there");
        }
        drawn += step.batch.target_count;
    }
    expect_share("targets", drawn, 2 * words, 0.15);
    cr_assert_neq(memcmp(targets[0], targets[1], sizeof targets[0]), 0, "an epoch's masks are its own");
    cr_assert_neq(memcmp(targets[0], targets[0] + LENGTH, LENGTH * sizeof(int32_t)), 0, "equal rows have masks of their own");
    lt_arena_free(&arena);
    step = begin(&loader, store, &arena, 9, ROWS);
    loader.place = (lt_loader_place){.epoch = 1};
    take(&loader, &step);
    cr_assert_arr_eq(step.batch.ids, ids[1], sizeof ids[1]);
    cr_assert_arr_eq(step.batch.targets, targets[1], sizeof targets[1]);
    lt_arena_free(&arena);
    lt_token_store_close(store);
}

Test(masking, a_step_always_has_a_target)
{
    lt_token_store *store;
    lt_error err;
    texts rows = {.count = 30, .length = 4};
    lt_masking rare = {.probability = 1e-9, .mask_id = MASK, .vocabulary = WORDS};
    cr_assert(build(&store, &rows, &rare, WORDS, &err), "%s", err.message);
    lt_loader loader;
    lt_arena arena;
    lt_step_batch step = begin(&loader, store, &arena, 1, 2);
    int places[4] = {0};
    for (int s = 0; s < 15; s++) {
        take(&loader, &step);
        cr_assert_eq(step.batch.target_count, 1);
        for (int t = 0; t < 4; t++) {
            cr_assert_eq(step.batch.ids[t] == MASK, step.batch.targets[t] >= 0);
            places[t] += step.batch.targets[t] >= 0;
        }
    }
    cr_assert(places[0] == 0 && places[1] && places[2] && places[3] == 0);
    lt_arena_free(&arena);
    lt_token_store_close(store);
}

Test(masking, a_data_set_has_labels_or_none)
{
    lt_token_store *store;
    lt_error err;
    texts rows = {.count = 3, .length = 5, .labels = true};
    cr_assert_not(build(&store, &rows, &bert, WORDS, &err));
    cr_assert(strstr(err.message, "t.txt:2: expected no labels"), "%s", err.message);
    rows = (texts){.count = 3, .length = 5};
    cr_assert_not(build(&store, &rows, &(lt_masking){0}, WORDS, &err));
    cr_assert(strstr(err.message, "a tokenizer with a mask token"), "%s", err.message);
    rows = (texts){.count = 3, .length = 5};
    lt_masking outside = {.probability = 0.15, .mask_id = WORDS, .vocabulary = WORDS + 1};
    cr_assert_not(build(&store, &rows, &outside, WORDS, &err));
    cr_assert(strstr(err.message, "mask token is no token of the model"), "%s", err.message);
}
