/* Reading answers, voting, drawing examples, prompts and intervals of tasks. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "rl/task.h"

static void says(const lt_task *task, const char *text, const char *expected)
{
    char *said;
    lt_error err;
    cr_assert(lt_task_extract(task, text, strlen(text), &said, &err), "%s", err.message);
    if (expected)
        cr_assert_str_eq(said, expected, "'%s' says %s", text, said ? said : "nothing");
    else
        cr_assert_null(said, "'%s' says %s", text, said);
    free(said);
}

Test(task, reads_what_an_answer_says_in_the_end)
{
    char *labels[] = {"negative", "positive", "very positive"};
    lt_task number = {.kind = LT_TASK_NUMBER}, choice = {.kind = LT_TASK_CHOICE}, exact = {.kind = LT_TASK_EXACT};
    lt_task label = {.kind = LT_TASK_LABEL, .labels = labels, .label_count = 3};
    lt_task regex = {.kind = LT_TASK_REGEX, .pattern = "answer is (\\w+)"};
    says(&number, "48/2 = 24. Then 48+24 = 72.\n#### 72", "72");
    says(&number, "It costs $1,200.50.", "1200.5");
    says(&number, "I do not know.", NULL);
    says(&number, " 12\n\nQuestion: How many?\nAnswer: 99", "12");
    says(&choice, "The best summary is (C).", "C");
    says(&choice, "A boat. So B", "B");
    says(&choice, "A", "A");
    says(&choice, "An Answer", NULL);
    says(&label, "This one is Positive, not negative.", "positive");
    says(&label, "very positive indeed", "very positive");
    says(&label, "unpositive", NULL);
    says(&regex, "The answer is red. No, the answer is blue.", "blue");
    says(&regex, "blue", NULL);
    says(&exact, "  two words \n", "two words");
    lt_task bad = {.kind = LT_TASK_REGEX, .pattern = "(unclosed"};
    char *said;
    lt_error err;
    cr_assert_not(lt_task_extract(&bad, "x", 1, &said, &err));
    cr_assert_eq(err.status, LT_ERR_USAGE);
}

Test(task, the_majority_wins_and_the_first_of_equals)
{
    lt_task task = {.kind = LT_TASK_NUMBER};
    int64_t votes;
    cr_assert_eq(lt_task_majority(&task, (char *[]){"3", NULL, "4", "4"}, 4, &votes), 2);
    cr_assert_eq(votes, 2);
    cr_assert_eq(lt_task_majority(&task, (char *[]){NULL, "5", "6"}, 3, &votes), 1);
    cr_assert_eq(lt_task_majority(&task, (char *[]){NULL, NULL}, 2, &votes), -1);
    cr_assert_eq(votes, 0);
}

/* Values of the formula, worked out apart; statsmodels names it "wilson". */
Test(task, the_interval_is_wilsons)
{
    static const struct {
        int right, n;
        double low, high;
    } cases[] = {{8, 10, 0.4901624715, 0.9433178485}, {0, 20, 0, 0.1611251580}, {20, 20, 0.8388748419, 1}, {37, 500, 0.0541611848, 0.1003347533}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double low, high;
        lt_task_interval(cases[i].right, cases[i].n, &low, &high);
        cr_assert_float_eq(low, cases[i].low, 1e-7, "%.10f", low);
        cr_assert_float_eq(high, cases[i].high, 1e-7, "%.10f", high);
    }
}

static lt_questions read(const char *text, lt_task_kind kind)
{
    test_folder folder = test_folder_make();
    const char *path = test_folder_write_text(&folder, "rows.jsonl", text);
    lt_questions q;
    lt_error err;
    cr_assert(lt_questions_read(&q, kind, &path, 1, &(lt_dataset_fields){0}, 0, &err), "%s", err.message);
    test_folder_remove(&folder);
    return q;
}

Test(task, reads_rows_of_three_shapes)
{
    lt_questions a = read("{\"question\": \"1+1?\", \"answer\": \"It is #### 2\"}\n{\"question\": \"x\", \"answer\": 5}\n", LT_TASK_NUMBER);
    lt_questions b = read("{\"prompt\": \"1+1?\", \"completion\": \"2\"}\n", LT_TASK_NUMBER);
    lt_questions c = read("{\"text\": \"good\", \"label\": \"positive\"}\n{\"text\": \"bad\", \"label\": 0}\n{\"text\": \"fine\", \"label\": \"positive\"}\n", LT_TASK_LABEL);
    cr_assert(a.count == 2 && !strcmp(a.items[1].answer, "5"));
    cr_assert(b.count == 1 && !strcmp(b.items[0].text, "1+1?"));
    cr_assert(c.count == 3 && c.label_count == 2 && !strcmp(c.labels[0], "positive") && !strcmp(c.labels[1], "0"));
    lt_questions_free(&a);
    lt_questions_free(&b);
    lt_questions_free(&c);
}

Test(task, prompts_show_examples_with_their_reasoning_only_where_steps_are_asked_for)
{
    lt_questions shots = read("{\"question\": \"1+1?\", \"answer\": \"One and one. #### 2\"}\n", LT_TASK_NUMBER);
    lt_task task = {.kind = LT_TASK_NUMBER, .shots = &shots};
    char *text = lt_task_text(&task, "2+2?");
    cr_assert_str_eq(text, "Question: 1+1?\nAnswer: 2\n\nQuestion: 2+2?\nAnswer:");
    free(text);
    task.chain_of_thought = true;
    text = lt_task_text(&task, "2+2?");
    cr_assert_str_eq(text, "Question: 1+1?\nAnswer: One and one. #### 2\n\nQuestion: 2+2?\nAnswer:");
    free(text);
    task.shots = NULL;
    text = lt_task_text(&task, "2+2?");
    cr_assert_str_eq(text, "Question: 2+2?\nAnswer: Let's think step by step.");
    free(text);
    json_t *messages = lt_task_messages(&task, "2+2?");
    cr_assert_eq(json_array_size(messages), 1);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(messages, 0), "content")), "2+2?\nLet's think step by step.");
    json_decref(messages);
    lt_questions_free(&shots);
}

Test(task, draws_so_many_examples_as_a_function_of_the_seed)
{
    lt_question items[10];
    lt_questions all = {.items = items, .count = 10}, a, b, c;
    lt_error err;
    for (int i = 0; i < 10; i++)
        items[i] = (lt_question){.text = (char *)"q", .answer = (char *)(uintptr_t)(i + 1)};
    cr_assert(lt_task_draw(&all, 4, 1, &a, &err) && lt_task_draw(&all, 4, 1, &b, &err) && lt_task_draw(&all, 4, 2, &c, &err));
    cr_assert(a.count == 4 && b.count == 4 && c.count == 4);
    cr_assert_arr_eq(a.items, b.items, 4 * sizeof *a.items);
    cr_assert(memcmp(a.items, c.items, 4 * sizeof *a.items));
    for (int i = 1; i < 4; i++)
        cr_assert_lt((uintptr_t)a.items[i - 1].answer, (uintptr_t)a.items[i].answer);
    free(b.items);
    cr_assert_not(lt_task_draw(&all, 11, 1, &b, &err));
    free(a.items);
    free(c.items);
}
