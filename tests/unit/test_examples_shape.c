/* Examples as pairs, labels and single answers; rows of token ids, so that no tokenizer is needed. */
#include <criterion/criterion.h>

#include <string.h>

#include "text/examples_shape.h"

typedef struct fixture {
    lt_dataset *dataset;
    lt_examples *examples;
    lt_examples_shape *shape;
    lt_row_source source;
    lt_labels labels;
} fixture;

static void open_rows(fixture *f, const char *rows, lt_examples_shape_options options)
{
    lt_error err;
    lt_dataset_options how = {.accept = lt_examples_shape_accepts(options.objective->rows)};
    lt_examples_options none = {0};
    cr_assert(lt_dataset_open_memory(&f->dataset, "rows.jsonl", rows, strlen(rows), &how, &err), "%s", err.message);
    cr_assert(lt_examples_open(&f->examples, f->dataset, &none, &err), "%s", err.message);
    options.labels = &f->labels;
    cr_assert(lt_examples_shape_open(&f->shape, f->examples, &options, &err), "%s", err.message);
    lt_examples_shape_source(f->shape, &f->source);
}

static void close_rows(fixture *f)
{
    lt_examples_shape_close(f->shape);
    lt_examples_close(f->examples);
    lt_dataset_close(f->dataset);
    lt_labels_free(&f->labels);
}

/* The next row; false at the end. */
static bool next(fixture *f, lt_row *row)
{
    lt_error err;
    bool end = false;
    cr_assert(f->source.next(f->source.context, row, &end, &err), "%s", err.message);
    return !end;
}

static bool fails(fixture *f, const char *words)
{
    lt_error err;
    lt_row row;
    bool end = false;
    while (f->source.next(f->source.context, &row, &end, &err))
        cr_assert_not(end, "expected an error with '%s'", words);
    cr_assert(strstr(err.message, words), "%s", err.message);
    return true;
}

static const char pairs[] = "{\"prompt_ids\": [1, 2], \"chosen_ids\": [3, 4], \"rejected_ids\": [5]}\n"
                            "{\"prompt_ids\": [1, 2], \"chosen_ids\": [3], \"rejected_ids\": []}\n"
                            "{\"prompt_ids\": [7], \"chosen_ids\": [8], \"rejected_ids\": [9]}\n";

Test(examples_shape, pairs_train_their_answers_and_one_sided_ones_are_left_out)
{
    fixture f = {0};
    lt_row row;
    open_rows(&f, pairs, (lt_examples_shape_options){.objective = &lt_objective_dpo});
    cr_assert(next(&f, &row));
    cr_assert(row.sequences == 2 && row.lengths[0] == 4 && row.lengths[1] == 3);
    cr_assert_eq(memcmp(row.trained, "\0\0\1\1\0\0\1", 7), 0);
    cr_assert(next(&f, &row));
    cr_assert_eq(row.ids[0], 7);
    cr_assert_not(next(&f, &row));
    cr_assert_eq(lt_examples_shape_count(f.shape)->one_sided, 1);
    close_rows(&f);
}

Test(examples_shape, orpo_marks_the_prompt_of_the_chosen_sequence_too)
{
    fixture f = {0};
    lt_row row;
    open_rows(&f, pairs, (lt_examples_shape_options){.objective = &lt_objective_orpo});
    cr_assert(next(&f, &row));
    cr_assert_eq(memcmp(row.trained, "\0\2\1\1\0\0\1", 7), 0);
    close_rows(&f);
}

Test(examples_shape, reward_pairs_train_no_token)
{
    fixture f = {0};
    lt_row row;
    open_rows(&f, "{\"chosen_ids\": [1, 2], \"rejected_ids\": [1, 2, 3], \"margin\": 0.5}\n",
              (lt_examples_shape_options){.objective = &lt_objective_reward});
    cr_assert(next(&f, &row));
    cr_assert_eq(memcmp(row.trained, "\0\0\0\0\0", 5), 0);
    cr_assert_eq(row.value, 0.5f);
    close_rows(&f);
}

Test(examples_shape, equal_pairs_alone_are_an_error)
{
    fixture f = {0};
    open_rows(&f, "{\"prompt_ids\": [1], \"chosen_ids\": [2], \"rejected_ids\": [2]}\n",
              (lt_examples_shape_options){.objective = &lt_objective_dpo});
    fails(&f, "in all 1 pairs the chosen answer is the rejected one");
    close_rows(&f);
}

Test(examples_shape, labels_are_names_or_numbers)
{
    fixture f = {0};
    lt_row row;
    lt_error err;
    cr_assert(lt_labels_number(&f.labels, 3, &err));
    open_rows(&f, "{\"input_ids\": [1, 2], \"label\": 2}\n{\"input_ids\": [3], \"label\": \"LABEL_1\"}\n{\"input_ids\": [3], \"label\": 3}\n",
              (lt_examples_shape_options){.objective = &lt_objective_classify, .values = 1});
    cr_assert(next(&f, &row));
    cr_assert_eq(row.value, 2);
    cr_assert(next(&f, &row));
    cr_assert_eq(row.value, 1);
    fails(&f, "rows.jsonl:3: field 'label': expected 0 to 2, found 3");
    close_rows(&f);
}

Test(examples_shape, seen_labels_are_sorted_names_or_numbers_up_to_the_greatest)
{
    lt_labels_seen seen = {0};
    lt_labels labels;
    lt_error err;
    json_t *b = json_string("b"), *a = json_string("a"), *four = json_integer(4);
    cr_assert(lt_labels_see(&seen, b, "x:1", &err) && lt_labels_see(&seen, a, "x:2", &err) && lt_labels_see(&seen, b, "x:3", &err));
    cr_assert_not(lt_labels_see(&seen, four, "x:4", &err));
    cr_assert(strstr(err.message, "x:4: field 'label': expected a string as in the rows before, found a number"), "%s", err.message);
    cr_assert(lt_labels_settle(&seen, &labels, &err));
    cr_assert(labels.count == 2 && !strcmp(labels.names[0], "a") && !strcmp(labels.names[1], "b"));
    lt_labels_free(&labels);
    cr_assert(lt_labels_see(&seen, four, "x:1", &err) && lt_labels_settle(&seen, &labels, &err));
    cr_assert(labels.count == 5 && !strcmp(labels.names[4], "LABEL_4"));
    lt_labels_free(&labels);
    json_decref(a);
    json_decref(b);
    json_decref(four);
}

/* What TRL pairs up: within each batch of rows, and no further, every prompt with the answer before it; the first with the last one's. */
Test(examples_shape, single_answers_are_mismatched_within_their_batch)
{
    static const char rows[] = "{\"prompt_ids\": [1], \"completion_ids\": [11], \"label\": true}\n"
                               "{\"prompt_ids\": [2, 2], \"completion_ids\": [12, 22], \"label\": true}\n"
                               "{\"prompt_ids\": [3], \"completion_ids\": [13], \"label\": false}\n"
                               "{\"prompt_ids\": [4], \"completion_ids\": [14], \"label\": false}\n"
                               "{\"prompt_ids\": [5], \"completion_ids\": [15], \"label\": true}\n";
    /* batches of 3: (1 2 3), (4 5); of 2: (1 2), (3 4), (5) alone, whose mismatched answer is its own */
    static const int32_t wanted[2][5][3] = {{{1, 13}, {2, 2, 11}, {3, 12, 22}, {4, 15}, {5, 14}},
                                            {{1, 12, 22}, {2, 2, 11}, {3, 14}, {4, 13}, {5, 15}}};
    static const float good[5] = {1, 1, 0, 0, 1};
    for (int size = 0; size < 2; size++) {
        fixture f = {0};
        lt_row row;
        open_rows(&f, rows, (lt_examples_shape_options){.objective = &lt_objective_kto, .group = size ? 2 : 3});
        for (int i = 0; i < 5; i++) {
            cr_assert(next(&f, &row) && row.sequences == 2);
            cr_assert_eq(row.value, good[i]);
            cr_assert_arr_eq(row.ids + row.lengths[0], wanted[size][i], (size_t)row.lengths[1] * sizeof(int32_t), "batch of %d, row %d",
                             size ? 2 : 3, i);
            cr_assert_eq(row.trained[row.lengths[0]], 0);
            cr_assert_eq(row.trained[row.lengths[0] + row.lengths[1] - 1], 1);
        }
        cr_assert_not(next(&f, &row));
        close_rows(&f);
    }
}

Test(examples_shape, ids_have_numbers_and_sets_as_labels)
{
    fixture f = {0};
    lt_row row;
    lt_error err;
    open_rows(&f, "{\"input_ids\": [1, 2], \"label\": 0.75}\n{\"input_ids\": [3], \"label\": -2}\n{\"input_ids\": [3], \"label\": \"x\"}\n",
              (lt_examples_shape_options){.objective = &lt_objective_regression, .values = 1, .form = LT_LABEL_NUMBERS});
    cr_assert(next(&f, &row) && row.values[0] == 0.75f);
    cr_assert(next(&f, &row) && row.values[0] == -2.0f);
    fails(&f, "rows.jsonl:3: field 'label': expected a number");
    close_rows(&f);
    f = (fixture){0};
    cr_assert(lt_labels_number(&f.labels, 3, &err));
    open_rows(&f, "{\"input_ids\": [1], \"label\": [\"LABEL_2\", \"LABEL_0\"]}\n{\"input_ids\": [3], \"label\": [0, 1, 0]}\n",
              (lt_examples_shape_options){.objective = &lt_objective_multi_label, .values = 3, .form = LT_LABEL_SET});
    cr_assert(next(&f, &row) && row.values[0] == 1 && row.values[1] == 0 && row.values[2] == 1);
    cr_assert(next(&f, &row) && row.values[0] == 0 && row.values[1] == 1 && row.values[2] == 0);
    close_rows(&f);
}
