#include <criterion/criterion.h>

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "folder.h"
#include "rows_of.h"
#include "train/token_store.h"

static const test_row some[] = {{"abcd", NULL, 0}, {"ef", "..", 0}, {"gh", NULL, 0}, {"ijklm", "...xx", 0}};

static test_rows rows_of(const test_row *rows, int count) { return (test_rows){.rows = rows, .count = count}; }

/* The record as text: "abc|de" with the trained ones in capitals. */
static const char *show(lt_token_store *store, int64_t index)
{
    static char text[256];
    int32_t lengths[32], ids[256];
    uint8_t trained[256];
    lt_record record = {.lengths = lengths, .ids = ids, .trained = trained};
    lt_error err;
    cr_assert(lt_token_store_read(store, index, &record, &err), "%s", err.message);
    int at = 0, n = 0;
    for (int s = 0; s < record.sequences; s++) {
        if (s)
            text[n++] = '|';
        for (int t = 0; t < lengths[s]; t++, at++)
            text[n++] = (char)((trained[at] ? 'A' : 'a') + ids[at] - 1);
    }
    text[n] = '\0';
    cr_assert_eq(at, record.tokens);
    return text;
}

static lt_token_store *build(test_rows *rows, const lt_token_store_options *options, int64_t *skipped)
{
    test_folder folder = test_folder_make();
    lt_token_store_options with = *options;
    with.folder = folder.path;
    with.vocabulary = 27;
    with.sequences = with.sequences ? with.sequences : 1;
    lt_row_source source = test_rows_source(rows);
    lt_token_store *store = NULL;
    lt_error err;
    cr_assert(lt_token_store_build(&store, &source, &with, skipped, &err), "%s", err.message);
    cr_assert_eq(rows->closed, 1);
    test_folder_remove(&folder);
    return store;
}

Test(token_store, keeps_rows_and_leaves_out_those_that_train_nothing)
{
    test_rows rows = rows_of(some, 4);
    int64_t skipped = -1;
    lt_token_store *store = build(&rows, &(lt_token_store_options){.packing = LT_PACKING_NONE}, &skipped);
    const lt_token_totals *totals = lt_token_store_totals(store);
    cr_assert_eq(skipped, 1);
    cr_assert_eq(totals->rows, 4);
    cr_assert_eq(totals->records, 3);
    cr_assert_eq(totals->tokens, 11);
    cr_assert_eq(totals->targets, 3 + 1 + 2);
    cr_assert_eq(totals->longest_record, 5);
    cr_assert_str_eq(show(store, 0), "aBCD");
    cr_assert_str_eq(show(store, 2), "ijkLM");
    cr_assert_str_eq(show(store, 1), "gH");
    lt_record_size size;
    cr_assert(lt_token_store_size(store, 2, &size, NULL));
    cr_assert_eq(size.tokens, 5);
    cr_assert_eq(size.targets, 2);
    cr_assert_eq(size.squares, 25.0f);
    lt_token_store_close(store);
}

Test(token_store, packs_whole_rows_and_keeps_them_apart)
{
    test_rows rows = rows_of(some, 4);
    int64_t skipped;
    lt_token_store *store =
        build(&rows, &(lt_token_store_options){.packing = LT_PACKING_ROWS, .max_length = 7}, &skipped);
    cr_assert_eq(skipped, 1);
    cr_assert_eq(lt_token_store_totals(store)->records, 2);
    cr_assert_str_eq(show(store, 0), "aBCD|gH");
    cr_assert_str_eq(show(store, 1), "ijkLM");
    cr_assert_eq(lt_token_store_totals(store)->most_sequences, 2);
    lt_token_store_close(store);
}

Test(token_store, cuts_a_stream_of_text_into_full_blocks)
{
    static const test_row text[] = {{"abcd", NULL, 0}, {"ef", NULL, 0}, {"ghijklmno", NULL, 0}};
    test_rows rows = rows_of(text, 3);
    int64_t skipped;
    lt_token_store *store =
        build(&rows, &(lt_token_store_options){.packing = LT_PACKING_STREAM, .max_length = 5}, &skipped);
    cr_assert_eq(lt_token_store_totals(store)->records, 3);
    cr_assert_str_eq(show(store, 0), "aBCDE");
    cr_assert_str_eq(show(store, 1), "fGHIJ");
    cr_assert_str_eq(show(store, 2), "kLMNO");
    lt_token_store_close(store);
    store = build(&rows, &(lt_token_store_options){.packing = LT_PACKING_STREAM, .max_length = 14}, &skipped);
    cr_assert_eq(lt_token_store_totals(store)->records, 1, "a last block of one token trains nothing");
    cr_assert_eq(skipped, 1);
    lt_token_store_close(store);
}

Test(token_store, cuts_blocks_that_keep_rows_apart)
{
    static const test_row text[] = {{"abcd", NULL, 0}, {"efghi", NULL, 0}};
    test_rows rows = rows_of(text, 2);
    int64_t skipped;
    lt_token_store *store =
        build(&rows, &(lt_token_store_options){.packing = LT_PACKING_BLOCKS, .max_length = 6}, &skipped);
    cr_assert_str_eq(show(store, 0), "aBCD|eF");
    cr_assert_str_eq(show(store, 1), "gHI");
    lt_token_store_close(store);
}

Test(token_store, hash_tells_data_apart)
{
    static const test_row other[] = {{"abcd", NULL, 0}, {"ef", "..", 0}, {"gh", NULL, 0}, {"ijklm", "..xxx", 0}};
    int64_t skipped;
    lt_token_store_options options = {.packing = LT_PACKING_NONE};
    test_rows a = rows_of(some, 4), b = rows_of(some, 4), c = rows_of(other, 4);
    lt_token_store *one = build(&a, &options, &skipped), *same = build(&b, &options, &skipped),
                   *different = build(&c, &options, &skipped);
    cr_assert_eq(lt_token_store_totals(one)->hash, lt_token_store_totals(same)->hash);
    cr_assert_neq(lt_token_store_totals(one)->hash, lt_token_store_totals(different)->hash);
    lt_token_store_close(one);
    lt_token_store_close(same);
    lt_token_store_close(different);
}

static void refuse(test_rows *rows, lt_token_store_options options, lt_status status, const char *part)
{
    test_folder folder = test_folder_make();
    options.folder = options.folder ? options.folder : folder.path;
    options.sequences = options.sequences ? options.sequences : 1;
    lt_row_source source = test_rows_source(rows);
    lt_token_store *store = NULL;
    lt_error err;
    rows->closed = 0;
    cr_assert_not(lt_token_store_build(&store, &source, &options, NULL, &err));
    cr_assert_eq(err.status, status, "%s", err.message);
    cr_assert(strstr(err.message, part), "%s", err.message);
    cr_assert_eq(rows->closed, 1);
    DIR *dir = opendir(folder.path);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        files += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(dir);
    cr_assert_eq(files, 0, "nothing may be left behind");
    test_folder_remove(&folder);
}

static bool stop_at_two(int64_t rows, void *context)
{
    (void)context;
    return rows < 2;
}

Test(token_store, refuses_bad_rows_and_stops_when_asked)
{
    static const test_row nothing[] = {{"abc", "...", 0}}, pair[] = {{"ab|cd", NULL, 0}}, hole[] = {{"ab|", NULL, 0}};
    test_rows rows = rows_of(some, 4), masked = rows_of(nothing, 1), two = rows_of(pair, 1), empty = rows_of(hole, 1);
    refuse(&rows, (lt_token_store_options){.vocabulary = 9}, LT_ERR_FORMAT, "row 4: token 0 has id 9");
    refuse(&masked, (lt_token_store_options){.vocabulary = 27}, LT_ERR_FORMAT, "none of the 1 rows");
    refuse(&two, (lt_token_store_options){.vocabulary = 27}, LT_ERR_FORMAT, "expected 1 token sequences, found 2");
    refuse(&empty, (lt_token_store_options){.vocabulary = 27, .sequences = 2}, LT_ERR_FORMAT, "sequence 1 has no tokens");
    rows.fail_at = 3;
    refuse(&rows, (lt_token_store_options){.vocabulary = 27}, LT_ERR_FORMAT, "row 3 is broken");
    rows.fail_at = 0;
    refuse(&rows, (lt_token_store_options){.vocabulary = 27, .progress = stop_at_two}, LT_ERR_INTERRUPTED, "stopped");
    refuse(&rows, (lt_token_store_options){.vocabulary = 27, .folder = "/no/such/folder"}, LT_ERR_IO, "/no/such/folder");
}

Test(token_store, a_disk_that_is_full_is_an_error)
{
    /* A limit on the size of files stands in for the full disk: write fails with EFBIG once SIGXFSZ is ignored. */
    static const test_row row = {"abcdefghijklmnopqrstuvwxyz", NULL, 0};
    test_rows rows = rows_of(&row, 1);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){16, 16});
    refuse(&rows, (lt_token_store_options){.vocabulary = 27}, LT_ERR_IO, "cannot write");
}
