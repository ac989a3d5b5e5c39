#include <criterion/criterion.h>

#include <string.h>

#include "folder.h"
#include "rows_of.h"
#include "train/loader.h"

enum { ROWS = 23 };

static lt_token_store *store_from(lt_row_source source, lt_token_store_options options)
{
    test_folder folder = test_folder_make();
    lt_token_store *store = NULL;
    lt_error err;
    options.folder = folder.path;
    options.vocabulary = 40;
    cr_assert(lt_token_store_build(&store, &source, &options, NULL, &err), "%s", err.message);
    test_folder_remove(&folder);
    return store;
}

static lt_token_store *store_of(const test_row *some, int count, int sequences)
{
    test_rows rows = {.rows = some, .count = count};
    return store_from(test_rows_source(&rows), (lt_token_store_options){.sequences = sequences});
}

static lt_token_store *numbered(void)
{
    static test_row rows[ROWS];
    static char text[ROWS][16];
    for (int i = 0; i < ROWS; i++) {
        memset(text[i], 'a' + i, 2 + (size_t)i % 5);
        rows[i].text = text[i];
    }
    return store_of(rows, ROWS, 1);
}

/* A step's batch with room for the whole run. */
static lt_step_batch room(lt_loader *loader, lt_arena *arena, int64_t steps, int64_t pass_tokens)
{
    lt_loader_extent extent;
    lt_step_batch step;
    lt_error err;
    cr_assert(lt_loader_measure(loader, steps, pass_tokens, &extent, &err));
    lt_arena counted = lt_arena_measure();
    lt_step_batch_layout(&step, loader->store, &extent, &counted);
    cr_assert(lt_arena_init(arena, counted.used, &err));
    lt_step_batch_layout(&step, loader->store, &extent, arena);
    return step;
}

Test(loader, an_epoch_has_every_row_once_in_an_order_of_its_own)
{
    lt_token_store *store = numbered();
    lt_loader loader;
    int64_t order[3][ROWS];
    lt_loader_init(&loader, store, &(lt_loader_options){.rows_per_step = 4, .shuffle = true, .seed = 5}, NULL);
    for (int epoch = 0; epoch < 2; epoch++) {
        bool seen[ROWS] = {0};
        for (int i = 0; i < ROWS; i++) {
            int64_t record = order[epoch][i] = lt_loader_record(&loader, epoch, i);
            cr_assert(record >= 0 && record < ROWS && !seen[record]);
            seen[record] = true;
        }
    }
    lt_loader_init(&loader, store, &(lt_loader_options){.rows_per_step = 4, .shuffle = true, .seed = 6}, NULL);
    for (int i = 0; i < ROWS; i++)
        order[2][i] = lt_loader_record(&loader, 0, i);
    cr_assert_neq(memcmp(order[0], order[1], sizeof order[0]), 0);
    cr_assert_neq(memcmp(order[0], order[2], sizeof order[0]), 0);
    lt_token_store_close(store);
}

/* With 23 rows a position is each row equally often over many epochs: a chi-square of 22 degrees of freedom. */
Test(loader, shuffles_evenly)
{
    lt_token_store *store = numbered();
    lt_loader loader;
    lt_loader_init(&loader, store, &(lt_loader_options){.rows_per_step = 4, .shuffle = true, .seed = 1}, NULL);
    enum { EPOCHS = 4600 };
    for (int position = 0; position < ROWS; position += 11) {
        double chi = 0, expected = (double)EPOCHS / ROWS;
        int count[ROWS] = {0};
        for (int epoch = 0; epoch < EPOCHS; epoch++)
            count[lt_loader_record(&loader, epoch, position)]++;
        for (int i = 0; i < ROWS; i++)
            chi += (count[i] - expected) * (count[i] - expected) / expected;
        cr_assert_lt(chi, 48.3, "position %d: %g", position, chi); /* p = 0.001 */
    }
    lt_token_store_close(store);
}

Test(loader, packs_rows_with_shifted_targets_and_boundaries)
{
    static const test_row rows[] = {{"abc", NULL, 0}, {"de", NULL, 0}, {"fghi", "...x", 0}};
    lt_token_store *store = store_of(rows, 3, 1);
    lt_loader loader;
    lt_loader_init(&loader, store, &(lt_loader_options){.rows_per_step = 3}, NULL);
    lt_arena arena;
    lt_step_batch step = room(&loader, &arena, 1, 0);
    lt_error err;
    bool more;
    cr_assert(lt_loader_next_step(&loader, &step, &err));
    cr_assert(lt_loader_next_pass(&loader, &step, 0, &more, &err) && more);
    const lt_batch *batch = &step.batch;
    cr_assert_eq(batch->T, 9);
    cr_assert_eq(batch->sequences, 3);
    cr_assert_eq(batch->target_count, 4);
    cr_assert_arr_eq(batch->ids, ((int32_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9}), 9 * sizeof(int32_t));
    cr_assert_arr_eq(batch->starts, ((int32_t[]){0, 3, 5, 9}), 4 * sizeof(int32_t));
    cr_assert_arr_eq(batch->targets, ((int32_t[]){2, 3, -1, 5, -1, -1, -1, 9, -1}), 9 * sizeof(int32_t));
    cr_assert_arr_eq(step.sequence_targets, ((int64_t[]){0, 2, 3, 4}), 4 * sizeof(int64_t));
    cr_assert_eq(step.row_count, 3);
    cr_assert_eq(step.step_targets, 4);
    cr_assert(lt_loader_next_pass(&loader, &step, 0, &more, &err) && !more);
    lt_arena_free(&arena);
    lt_token_store_close(store);
}

/* Rows whose first token counts, all but those that begin with 'd'. */
static bool next_with_first(void *context, lt_row *row, bool *end, lt_error *err)
{
    static uint8_t first;
    test_rows *rows = context;
    lt_row_source source = {.context = rows};
    test_rows copy = *rows;
    source.next = test_rows_source(&copy).next;
    if (!source.next(rows, row, end, err) || *end)
        return *end;
    first = row->ids[0] != 4;
    row->first = &first;
    return true;
}

Test(loader, first_tokens_are_targets_behind_virtual_tokens)
{
    static const test_row rows[] = {{"abc", NULL, 0}, {"de", NULL, 0}, {"f", NULL, 0}};
    for (int packed = 0; packed < 2; packed++) {
        test_rows from = {.rows = rows, .count = 3};
        lt_row_source source = {.next = next_with_first, .context = &from};
        lt_token_store_options options = {.sequences = 1, .firsts = true, .max_length = 6, .packing = packed ? LT_PACKING_ROWS : LT_PACKING_NONE};
        lt_token_store *store = store_from(source, options);
        lt_loader loader;
        lt_loader_init(&loader, store, &(lt_loader_options){.rows_per_step = packed ? 1 : 3}, NULL);
        lt_arena arena;
        lt_step_batch step = room(&loader, &arena, 1, 0);
        lt_error err;
        bool more;
        cr_assert(lt_loader_next_step(&loader, &step, &err));
        cr_assert(lt_loader_next_pass(&loader, &step, 0, &more, &err) && more);
        cr_assert_eq(step.batch.target_count, 5);
        cr_assert_eq(step.step_targets, 5);
        cr_assert_arr_eq(step.batch.firsts, ((int32_t[]){1, -1, 6}), 3 * sizeof(int32_t));
        cr_assert_arr_eq(step.batch.targets, ((int32_t[]){2, 3, -1, 5, -1, -1}), 6 * sizeof(int32_t));
        cr_assert_arr_eq(step.sequence_targets, ((int64_t[]){0, 3, 4, 5}), 4 * sizeof(int64_t));
        lt_arena_free(&arena);
        lt_token_store_close(store);
    }
}

Test(loader, keeps_the_sequences_of_a_row_together)
{
    static const test_row rows[] = {{"abc|abd", NULL, 2.5f}, {"ef|eg", NULL, 0}};
    lt_token_store *store = store_of(rows, 2, 2);
    lt_loader loader;
    lt_loader_init(&loader, store, &(lt_loader_options){.rows_per_step = 2}, NULL);
    lt_arena arena;
    lt_step_batch step = room(&loader, &arena, 1, 0);
    lt_error err;
    bool more;
    cr_assert(lt_loader_next_step(&loader, &step, &err) && lt_loader_next_pass(&loader, &step, 0, &more, &err) && more);
    cr_assert_eq(step.batch.sequences, 4);
    cr_assert_eq(step.row_count, 2);
    cr_assert_eq(step.rows[1].first_sequence, 2);
    cr_assert_eq(step.rows[1].sequences, 2);
    cr_assert_eq(step.rows[0].value, 2.5f);
    cr_assert_arr_eq(step.sequence_targets, ((int64_t[]){0, 2, 4, 5, 6}), 5 * sizeof(int64_t));
    lt_arena_free(&arena);
    lt_token_store_close(store);
}

Test(loader, the_last_step_of_an_epoch_is_short_unless_rows_wrap_around)
{
    lt_token_store *store = numbered();
    for (int wrap = 0; wrap < 2; wrap++) {
        lt_loader loader;
        lt_error err;
        lt_loader_init(&loader, store, &(lt_loader_options){.rows_per_step = 5, .wrap = wrap}, NULL);
        cr_assert_eq(lt_loader_steps_per_epoch(&loader), 5);
        lt_arena arena;
        lt_step_batch step = room(&loader, &arena, 6, 0);
        for (int i = 0; i < 5; i++)
            cr_assert(lt_loader_next_step(&loader, &step, &err));
        cr_assert_eq(step.step_rows, wrap ? 5 : 3);
        cr_assert_eq(step.records[2], 22);
        if (wrap)
            cr_assert_eq(step.records[4], 1);
        cr_assert_eq(loader.place.epoch, 1);
        cr_assert_eq(loader.place.position, wrap ? 2 : 0);
        lt_arena_free(&arena);
    }
    lt_token_store_close(store);
}

Test(loader, goes_on_from_a_saved_place)
{
    lt_token_store *store = numbered();
    lt_loader straight, resumed;
    lt_loader_options options = {.rows_per_step = 4, .shuffle = true, .seed = 9};
    lt_loader_init(&straight, store, &options, NULL);
    lt_loader_init(&resumed, store, &options, NULL);
    lt_arena a, b;
    lt_step_batch one = room(&straight, &a, 20, 0), two = room(&resumed, &b, 20, 0);
    lt_error err;
    for (int i = 0; i < 8; i++)
        cr_assert(lt_loader_next_step(&straight, &one, &err));
    resumed.place = straight.place;
    for (int i = 0; i < 8; i++) {
        cr_assert(lt_loader_next_step(&straight, &one, &err) && lt_loader_next_step(&resumed, &two, &err));
        cr_assert_eq(one.step_rows, two.step_rows);
        cr_assert_arr_eq(one.records, two.records, (size_t)one.step_rows * sizeof *one.records);
    }
    lt_arena_free(&a);
    lt_arena_free(&b);
    lt_token_store_close(store);
}

Test(loader, cuts_a_large_step_into_passes_of_whole_rows)
{
    lt_token_store *store = numbered();
    lt_loader loader;
    lt_error err;
    lt_loader_init(&loader, store, &(lt_loader_options){.rows_per_step = ROWS}, NULL);
    lt_arena arena;
    lt_step_batch step = room(&loader, &arena, 1, 9);
    cr_assert_leq(step.extent.pass_tokens, 9);
    cr_assert_geq(step.extent.pass_tokens, 6);
    cr_assert(lt_loader_next_step(&loader, &step, &err));
    int64_t tokens = 0, targets = 0, rows = 0;
    for (bool more = true;;) {
        cr_assert(lt_loader_next_pass(&loader, &step, 9, &more, &err));
        if (!more)
            break;
        cr_assert_leq(step.batch.T, 9);
        tokens += step.batch.T;
        targets += step.batch.target_count;
        rows += step.row_count;
    }
    cr_assert_eq(rows, ROWS);
    cr_assert_eq(tokens, lt_token_store_totals(store)->tokens);
    cr_assert_eq(targets, step.step_targets);
    cr_assert_float_eq(step.extent.mean_passes, (double)step.passes, 1e-9);
    lt_arena_free(&arena);
    lt_token_store_close(store);
}

static bool give_labels(void *context, lt_row *row, bool *end, lt_error *err)
{
    static const int32_t lengths[] = {4, 3}, ids[] = {5, 6, 7, 8, 9, 10, 11}, labels[] = {21, -100, 23, -100, -100, -100, 27},
                         types[] = {0, 0, 1, 1};
    int *row_number = context, at = *row_number ? 4 : 0;
    (void)err;
    static const uint8_t trained[7];
    *end = *row_number == 2;
    if (!*end)
        *row = (lt_row){.sequences = 1, .lengths = lengths + *row_number, .ids = ids + at, .trained = trained, .labels = labels + at,
                        .types = *row_number ? NULL : types, .path = "m.jsonl", .line = *row_number + 1};
    ++*row_number;
    return true;
}

Test(loader, masked_rows_have_targets_in_place_and_token_types)
{
    test_folder folder = test_folder_make();
    int rows = 0;
    lt_row_source source = {.next = give_labels, .context = &rows};
    lt_token_store_options options = {.folder = folder.path, .vocabulary = 40, .sequences = 1, .in_place = true, .typed = true};
    lt_token_store *store = NULL;
    lt_loader loader;
    lt_arena arena;
    lt_error err;
    bool more;
    cr_assert(lt_token_store_build(&store, &source, &options, NULL, &err), "%s", err.message);
    cr_assert_eq(lt_token_store_totals(store)->targets, 3);
    lt_loader_init(&loader, store, &(lt_loader_options){.rows_per_step = 2}, NULL);
    lt_step_batch step = room(&loader, &arena, 1, 0);
    cr_assert(lt_loader_next_step(&loader, &step, &err));
    cr_assert(lt_loader_next_pass(&loader, &step, 0, &more, &err) && more);
    cr_assert_eq(step.batch.target_count, 3);
    cr_assert_arr_eq(step.batch.targets, ((int32_t[]){21, -1, 23, -1, -1, -1, 27}), 7 * sizeof(int32_t));
    cr_assert_arr_eq(step.batch.types, ((int32_t[]){0, 0, 1, 1, 0, 0, 0}), 7 * sizeof(int32_t));
    lt_arena_free(&arena);
    lt_token_store_close(store);

    rows = 0;
    options.in_place = false;
    cr_assert_not(lt_token_store_build(&store, &source, &options, NULL, &err));
    cr_assert_str_eq(err.message, "m.jsonl:1: expected labels that are the input_ids or -100, found others");
    rows = 0;
    options.in_place = true;
    options.vocabulary = 22;
    cr_assert_not(lt_token_store_build(&store, &source, &options, NULL, &err));
    cr_assert_str_eq(err.message, "m.jsonl:1: a label is no token of the model");
    test_folder_remove(&folder);
}

/* ---- shares ---- */

static const test_row large[] = {{"ab", NULL, 0}, {"bc", NULL, 0}, {"cd", NULL, 0}, {"de", NULL, 0}, {"ef", NULL, 0},
                                 {"fg", NULL, 0}, {"gh", NULL, 0}, {"hi", NULL, 0}, {"ij", NULL, 0}, {"jk", NULL, 0},
                                 {"kl", NULL, 0}, {"lm", NULL, 0}, {"x", NULL, 0}};
static const test_row small[] = {{"na", NULL, 0}, {"nb", NULL, 0}, {"nc", NULL, 0}};

/* A store of both, set 0 and set 1. */
typedef struct two_sets {
    test_rows rows[2];
    lt_row_source source[2];
    int at;
} two_sets;

static bool next_of_two(void *context, lt_row *row, bool *end, lt_error *err)
{
    two_sets *t = context;
    *end = false;
    if (!t->source[t->at].next(t->source[t->at].context, row, end, err))
        return false;
    if (*end && t->at == 0) {
        t->at = 1;
        return next_of_two(context, row, end, err);
    }
    row->source = t->at;
    return true;
}

static lt_token_store *store_of_two(lt_packing packing)
{
    static two_sets t;
    lt_token_store *store;
    lt_error err;
    t = (two_sets){.rows = {{.rows = large, .count = 13}, {.rows = small, .count = 3}}};
    for (int i = 0; i < 2; i++)
        t.source[i] = test_rows_source(&t.rows[i]);
    lt_row_source both = {.next = next_of_two, .context = &t};
    lt_token_store_options options = {.folder = "/tmp", .vocabulary = 30, .sequences = 1, .packing = packing, .max_length = 4};
    cr_assert(lt_token_store_build(&store, &both, &options, NULL, &err), "%s", err.message);
    return store;
}

Test(loader, a_mix_gives_every_data_set_its_share_and_goes_round_each)
{
    lt_token_store *store = store_of_two(LT_PACKING_NONE);
    lt_loader loader;
    lt_error err;
    const lt_token_totals *totals = lt_token_store_totals(store);
    cr_assert(totals->sources == 2 && totals->source_end[0] == 12 && totals->source_end[1] == 15);
    lt_loader_options options = {.rows_per_step = 4, .shuffle = true, .seed = 5, .mix = {.sources = 2, .weight = {1, 2}}};
    cr_assert(lt_loader_init(&loader, store, &options, &err), "%s", err.message);
    cr_assert_eq(loader.length, 15);
    int seen[15] = {0};
    for (int64_t epoch = 0; epoch < 12; epoch++) {
        int of_small = 0;
        for (int64_t p = 0; p < loader.length; p++) {
            int64_t record = lt_loader_record(&loader, epoch, p);
            of_small += record >= 12;
            seen[record]++;
        }
        cr_assert_eq(of_small, 10, "two thirds of every epoch, found %d", of_small);
    }
    for (int r = 0; r < 15; r++) /* 12 · 5 draws of 12 records, 12 · 10 of 3: all equally often */
        cr_assert_eq(seen[r], r < 12 ? 5 : 40, "record %d was drawn %d times", r, seen[r]);
    lt_token_store_close(store);
}

Test(loader, replay_makes_an_epoch_as_long_as_the_new_data_takes)
{
    lt_token_store *store = store_of_two(LT_PACKING_NONE);
    lt_loader loader;
    lt_error err;
    lt_loader_options options = {
        .rows_per_step = 4, .shuffle = true, .seed = 5, .mix = {.sources = 2, .weight = {0.75, 0.25}, .whole = 1}};
    cr_assert(lt_loader_init(&loader, store, &options, &err), "%s", err.message);
    cr_assert_eq(loader.length, 16);
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        int seen[15] = {0}, old = 0;
        for (int64_t p = 0; p < loader.length; p++) {
            int64_t record = lt_loader_record(&loader, epoch, p);
            seen[record]++;
            old += record >= 12;
        }
        cr_assert_eq(old, 4);
        for (int r = 0; r < 12; r++)
            cr_assert_eq(seen[r], 1, "new record %d in epoch %d: %d times", r, (int)epoch, seen[r]);
    }
    lt_token_store_close(store);
}

Test(loader, packed_blocks_hold_rows_of_one_data_set)
{
    static const lt_packing kinds[] = {LT_PACKING_ROWS, LT_PACKING_STREAM, LT_PACKING_BLOCKS};
    for (int k = 0; k < 3; k++) {
        lt_token_store *store = store_of_two(kinds[k]);
        const lt_token_totals *totals = lt_token_store_totals(store);
        cr_assert_eq(totals->sources, 2);
        for (int64_t r = 0; r < totals->records; r++) {
            int32_t lengths[8], ids[8];
            uint8_t trained[8];
            lt_record record = {.lengths = lengths, .ids = ids, .trained = trained};
            cr_assert(lt_token_store_read(store, r, &record, NULL));
            cr_assert_eq(ids[0] == 14, r >= totals->source_end[0], "block %d begins with id %d", (int)r, ids[0]);
        }
        lt_token_store_close(store);
    }
}

Test(loader, refuses_a_mix_that_cannot_be)
{
    lt_token_store *store = store_of_two(LT_PACKING_NONE);
    lt_loader loader;
    lt_error err;
    lt_loader_options options = {.rows_per_step = 4, .shuffle = true, .mix = {.sources = 3, .weight = {1, 1, 1}}};
    cr_assert_not(lt_loader_init(&loader, store, &options, &err));
    options.mix = (lt_mix){.sources = 2};
    cr_assert_not(lt_loader_init(&loader, store, &options, &err), "weights of 0");
    options.mix = (lt_mix){.sources = 2, .weight = {1, -1}};
    cr_assert_not(lt_loader_init(&loader, store, &options, &err));
    options.mix = (lt_mix){.sources = 2, .weight = {1, 1}};
    options.shuffle = false;
    cr_assert_not(lt_loader_init(&loader, store, &options, &err), "file order");
    lt_token_store_close(store);
}
