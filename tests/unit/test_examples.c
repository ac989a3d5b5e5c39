#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/examples.h"
#include "text/lint.h"

/* A byte-level tokenizer with 15 merges of our own; <|bos|> is added in front of plain text, <|im_end|> is eos. Its
 * template:
 * <|im_start|>role\ncontent<|im_end|>\n. */
static const char folder[] = "tests/data/examples";

typedef struct setup {
    lt_tokenizer *tokenizer;
    lt_chat *chat;
    lt_dataset *dataset;
    lt_examples *examples;
    lt_examples_options options;
} setup;

static setup open_named(const char *name, const char *text, lt_examples_options options, const char *template)
{
    setup s = {.options = options};
    lt_error err = {0};
    cr_assert(lt_tokenizer_open(&s.tokenizer, folder, &err), "%s", err.message);
    if (!template)
        cr_assert(lt_chat_open(&s.chat, folder, NULL, &err), "%s", err.message);
    else if (*template) {
        json_t *special = json_pack("{s:s}", "eos_token", "<|im_end|>");
        cr_assert(lt_chat_open_source(&s.chat, "template", template, strlen(template), special, NULL, &err), "%s",
                  err.message);
        json_decref(special);
    }
    s.options.tokenizer = s.tokenizer;
    s.options.chat = s.chat;
    cr_assert(lt_dataset_open_memory(&s.dataset, name, text, strlen(text),
                                     &(lt_dataset_options){.row_bytes_max = 1 << 20}, &err));
    cr_assert(lt_examples_open(&s.examples, s.dataset, &s.options, &err), "%s", err.message);
    return s;
}

static void close_setup(setup *s)
{
    lt_examples_close(s->examples);
    lt_dataset_close(s->dataset);
    lt_chat_close(s->chat);
    lt_tokenizer_close(s->tokenizer);
}

/* Tokens as text, those that are trained in brackets: "ab[c]"; two sequences with " / " between them. */
static char *marked(const setup *s, const lt_example *example)
{
    char *all = NULL;
    size_t size;
    FILE *out = open_memstream(&all, &size);
    for (int32_t k = 0, at = 0; k < example->sequences; at += example->lengths[k], k++) {
        bool on = false;
        fputs(k ? " / " : "", out);
        for (int32_t i = 0; i < example->lengths[k]; i++) {
            char *text;
            size_t n;
            lt_error err;
            cr_assert(lt_tokenizer_decode(s->tokenizer, example->ids + at + i, 1, 0, &text, &n, &err));
            if (example->trained[at + i] != on)
                fputc(on ? ']' : '[', out);
            on = example->trained[at + i];
            fputs(text, out);
            free(text);
        }
        if (on)
            fputc(']', out);
    }
    fclose(out);
    return all;
}

/* All examples of text as marked tokens, a '|' after each; or the error. */
static char *all_marked(const char *name, const char *text, lt_examples_options options, const char *template)
{
    setup s = open_named(name, text, options, template);
    char *all = NULL;
    size_t size;
    FILE *out = open_memstream(&all, &size);
    for (;;) {
        lt_example example;
        bool end;
        lt_error err = {0};
        if (!lt_examples_next(s.examples, &example, &end, &err))
            fputs(err.message, out);
        if (end || *err.message)
            break;
        char *one = marked(&s, &example);
        fprintf(out, "%s|", one);
        free(one);
    }
    fclose(out);
    close_setup(&s);
    return all;
}

static void expect(const char *name, const char *text, lt_examples_options options, const char *template,
                   const char *expected)
{
    char *got = all_marked(name, text, options, template);
    cr_assert_str_eq(got, expected, "%s", got);
    free(got);
}

static void expect_row(const char *row, const char *expected)
{
    expect("a.jsonl", row, (lt_examples_options){0}, NULL, expected);
}

#define U(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define A(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"

/* Ids as apply_chat_template(tokenize=True) of transformers gives them for this tokenizer. */
Test(examples, a_conversation_has_the_reference_ids_and_trains_answers_with_their_stop_token)
{
    static const int32_t ids[] = {271, 117, 115, 263, 10,  259, 268, 272, 10,  271, 97,  115, 115, 105, 115, 116,
                                  262, 116, 10,  256, 98,  99,  10,  272, 10,  271, 117, 115, 263, 10,  264, 272,
                                  10,  271, 97,  115, 115, 105, 115, 116, 262, 116, 10,  263, 272, 10};
    const char *row = "{\"messages\":[" U("the yes") "," A(" abc\\n") "," U("on") "," A("er") "]}";
    setup s = open_named("a.jsonl", row, (lt_examples_options){0}, NULL);
    lt_example example;
    bool end;
    lt_error err;
    cr_assert(lt_examples_next(s.examples, &example, &end, &err) && !end, "%s", err.message);
    cr_assert_eq(example.lengths[0], sizeof ids / sizeof *ids);
    cr_assert_arr_eq(example.ids, ids, sizeof ids);
    char *got = marked(&s, &example);
    cr_assert_str_eq(got, "<|im_start|>user\nthe yes<|im_end|>\n<|im_start|>assistant\n[ "
                          "abc\n<|im_end|>]\n<|im_start|>user\non<|im_end|>\n<|im_"
                          "start|>assistant\n[er<|im_end|>]\n");
    cr_assert_eq(example.targets, 7);
    free(got);
    close_setup(&s);
    expect("a.jsonl", row, (lt_examples_options){.train_everything = true}, NULL,
           "<|im_start|>[user\nthe yes<|im_end|>\n<|im_start|>assistant\n "
           "abc\n<|im_end|>\n<|im_start|>user\non<|im_end|>\n<|im_start|>assistant\ner<"
           "|im_end|>\n]|");
}

Test(examples, a_prompt_that_is_messages_is_not_trained_though_it_holds_answers)
{
    expect_row("{\"prompt\":[" U("a") "," A("b") "," U("c") "],\"completion\":[" A("d") "]}",
               "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_"
               "start|>assistant\n[d<|im_end|>]"
               "\n|");
    expect_row("{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"c\"}",
               "<|im_start|>user\na\nb<|im_end|>\n<|im_start|>assistant\n[c<|im_end|>]\n|");
}

/* TRL: prompt + completion + eos as one text; the completion begins where its ids leave those of the prompt alone. */
Test(examples, strings_are_joined_and_end_with_eos)
{
    expect_row("{\"prompt\":\"the\",\"completion\":\" yes abc\"}", "<|bos|>the[ yes abc<|im_end|>]|");
    expect_row("{\"prompt\":\"the y\",\"completion\":\"es\"}", "<|bos|>the[ yes<|im_end|>]|");
    expect_row("{\"prompt\":\"the\",\"completion\":\" on<|im_end|>\"}", "<|bos|>the[ on<|im_end|>]|");
    expect_row("{\"prompt\":\"\",\"completion\":\"on\"}", "<|bos|>[on<|im_end|>]|");
    expect_row("{\"prompt\":\"the\",\"completion\":\"\"}", "<|bos|>the[<|im_end|>]|");
    expect("a.jsonl", "{\"prompt\":\"the\",\"completion\":\"on\"}",
           (lt_examples_options){.omit_eos = true, .train_everything = true}, NULL, "<|bos|>[theon]|");
    expect("a.jsonl", "{\"instruction\":\"on\",\"output\":\"yes\"}", (lt_examples_options){0}, "",
           "<|bos|>Below is an instruction that describes a task. Write a response that appropriately completes the "
           "request.\n\n### Instruction:\non\n\n"
           "### Response:\n[yes<|im_end|>]|");
}

Test(examples, text_is_trained_from_its_second_token_on)
{
    expect_row("{\"text\":\"the yes\"}", "<|bos|>[the yes<|im_end|>]|");
    expect("a.txt", "the\non\n", (lt_examples_options){0}, NULL, "<|bos|>[the\non\n<|im_end|>]|");
}

Test(examples, sequences_above_max_length_are_cut_or_split)
{
    const char *text = "{\"text\":\"the yes abc\"}"; /* 7 tokens: bos, the, yes, a, b, c, eos */
    expect("a.jsonl", text, (lt_examples_options){.max_length = 3}, NULL, "<|bos|>[the yes]|");
    expect("a.jsonl", text, (lt_examples_options){.max_length = 7}, NULL, "<|bos|>[the yes abc<|im_end|>]|");
    expect("a.jsonl", text, (lt_examples_options){.max_length = 5, .overflow = LT_EXAMPLES_SPLIT}, NULL,
           "<|bos|>[the yes ab]|c[<|im_end|>]|");
    expect("a.jsonl", text, (lt_examples_options){.max_length = 3, .overflow = LT_EXAMPLES_SPLIT}, NULL,
           "<|bos|>[the yes]| a[bc]|");
    expect("a.jsonl", "{\"prompt\":\"the\",\"completion\":\" yes abc\"}",
           (lt_examples_options){.max_length = 4, .overflow = LT_EXAMPLES_SPLIT}, NULL, "<|bos|>the[ yes a]|");
    setup s = open_named("a.jsonl", "{\"text\":\"the yes abc\"}\n{\"text\":\"on\"}",
                         (lt_examples_options){.max_length = 3}, NULL);
    lt_example example;
    bool end = false;
    lt_error err;
    while (!end)
        cr_assert(lt_examples_next(s.examples, &example, &end, &err));
    const lt_examples_counts *c = lt_examples_count(s.examples);
    cr_assert(c->rows == 2 && c->examples == 2 && c->truncated == 1 && c->tokens == 6 && c->targets == 4 &&
              c->longest == 7);
    close_setup(&s);
}

Test(examples, pieces_of_a_document_get_bos_once_and_eos_once)
{
    const char *text = "the abc yes\nthe abc yes\n";
    setup s = {.dataset = NULL};
    lt_error err;
    cr_assert(lt_tokenizer_open(&s.tokenizer, folder, &err));
    cr_assert(lt_dataset_open_memory(&s.dataset, "a.txt", text, strlen(text),
                                     &(lt_dataset_options){.row_bytes_max = 20}, &err));
    s.options.tokenizer = s.tokenizer;
    cr_assert(lt_examples_open(&s.examples, s.dataset, &s.options, &err));
    static const char *const expected[] = {"<|bos|>[the abc yes\n]", "the[ abc yes\n<|im_end|>]"};
    for (int i = 0; i < 2; i++) {
        lt_example example;
        bool end;
        cr_assert(lt_examples_next(s.examples, &example, &end, &err) && !end);
        char *got = marked(&s, &example);
        cr_assert_str_eq(got, expected[i]);
        free(got);
    }
    close_setup(&s);
}

Test(examples, a_preference_is_two_sequences_with_one_prompt)
{
    setup s = open_named("a.jsonl",
                         "{\"prompt\":\"the\",\"chosen\":\" yes\",\"rejected\":\" on\",\"margin\":0.5}\n"
                         "{\"chosen\":[" U("q") "," A("abc") "],\"rejected\":[" U("q") "," A(
                             "abb") "]}\n"
                                    "{\"prompt_ids\":[1,2],\"chosen_ids\":[3],\"rejected_ids\":[4,5]}\n{\"chosen_ids\":"
                                    "[1,2,3],\"rejected_ids\":[1,2,4]}\n"
                                    "{\"prompt\":\"the\",\"chosen\":\"a\",\"rejected\":\"a\"}\n",
                         (lt_examples_options){0}, NULL);
    static const char *const expected[] = {"<|bos|>the[ yes<|im_end|>] / <|bos|>the[ on<|im_end|>]",
                                           "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n[abc<|im_end|>]\n / "
                                           "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n[abb<|im_"
                                           "end|>]\n",
                                           NULL, NULL, NULL};
    static const int32_t prompts[] = {2, 18, 2, 2, 2};
    for (int i = 0; i < 5; i++) {
        lt_example example;
        bool end;
        lt_error err;
        cr_assert(lt_examples_next(s.examples, &example, &end, &err) && !end, "%s", err.message);
        cr_assert_eq(example.sequences, 2);
        cr_assert_eq(example.prompt, prompts[i], "%d: %d", i, example.prompt);
        cr_assert_eq(example.value, i ? 0.0f : 0.5f);
        char *got = marked(&s, &example);
        if (expected[i])
            cr_assert_str_eq(got, expected[i], "%s", got);
        if (i == 2) {
            static const int32_t ids[] = {1, 2, 3, 1, 2, 4, 5};
            static const uint8_t trained[] = {0, 0, 1, 0, 0, 1, 1};
            cr_assert_arr_eq(example.ids, ids, sizeof ids);
            cr_assert_arr_eq(example.trained, trained, sizeof trained);
        }
        free(got);
    }
    cr_assert_eq(lt_examples_count(s.examples)->equal_pairs, 1);
    close_setup(&s);
}

Test(examples, token_ids_are_checked_and_their_labels_are_the_mask)
{
    setup s = open_named("a.jsonl",
                         "{\"input_ids\":[5,6,7],\"labels\":[-100,-100,7]}\n{\"input_ids\":[5,6]}\n{\"input_ids\":[5,6]"
                         ",\"labels\":[1,-100],"
                         "\"token_type_ids\":[0,1]}",
                         (lt_examples_options){0}, NULL);
    lt_example example;
    bool end;
    lt_error err;
    cr_assert(lt_examples_next(s.examples, &example, &end, &err));
    cr_assert_arr_eq(example.trained, "\0\0\1", 3);
    cr_assert_null(example.labels);
    cr_assert(lt_examples_next(s.examples, &example, &end, &err));
    cr_assert_arr_eq(example.trained, "\0\1", 2);
    cr_assert(lt_examples_next(s.examples, &example, &end, &err)); /* labels of a masked language model */
    cr_assert(example.labels && example.labels[0] == 1 && example.labels[1] == -100);
    cr_assert(example.type_ids && example.type_ids[1] == 1);
    close_setup(&s);

    expect_row("{\"input_ids\":[5,\"x\"]}",
               "a.jsonl:1: field 'input_ids[1]': expected an integer, not negative, found the string \"x\"");
    expect_row("{\"input_ids\":[5,-1]}",
               "a.jsonl:1: field 'input_ids[1]': expected an integer, not negative, found -1");
    expect_row("{\"input_ids\":[5,99999999999]}",
               "a.jsonl:1: field 'input_ids[1]': expected at most 2147483647, found 99999999999");
    expect_row("{\"input_ids\":[5],\"labels\":[5,6]}", "a.jsonl:1: expected 1 labels, as many as input_ids, found 2");
    expect_row("{\"input_ids\":[5,6],\"labels\":[5,-7]}",
               "a.jsonl:1: expected labels that are token ids or -100, found -7 as number 2");
    expect_row("{\"input_ids\":[5,6],\"label\":true}", "a.jsonl:1: field 'label': expected a string, a number or a list of them");
}

Test(examples, rows_that_train_nothing_are_counted_and_all_of_them_are_an_error)
{
    setup s = open_named("a.jsonl", "{\"messages\":[" U("a") "]}\n{\"text\":\"on\"}\n{\"messages\":[" U("b") "]}\n",
                         (lt_examples_options){0}, NULL);
    lt_example example;
    bool end = false;
    lt_error err;
    for (int64_t i = 0; i < 4; i++)
        cr_assert(lt_examples_next(s.examples, &example, &end, &err) && end == (i == 3), "%s", err.message);
    cr_assert_eq(lt_examples_count(s.examples)->untrained, 2);
    cr_assert_str_eq(lt_examples_count(s.examples)->first_untrained, "a.jsonl:1");
    close_setup(&s);
    expect_row("{\"messages\":[" U("a") "]}",
               "<|im_start|>user\na<|im_end|>\n|none of 1 rows trains anything, from a.jsonl:1 on: they hold no "
               "assistant turn and no completion with text in "
               "it");
    expect("a.jsonl", "{\"prompt\":\"the the the\",\"completion\":\"a\"}", (lt_examples_options){.max_length = 3}, NULL,
           "<|bos|>the the|none of 1 rows trains anything, from a.jsonl:1 on: prompts alone are as long as max_length");
    expect("a.jsonl", "{\"messages\":[" U("a") "," A("b") "]}", (lt_examples_options){0},
           "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
           "a|none of 1 rows trains anything, from a.jsonl:1 on: the chat template leaves out the assistant turns");
}

Test(examples, labelled_text_keeps_its_label_and_gets_no_eos)
{
    setup s = open_named(
        "a.jsonl",
        "{\"text\":\"the yes\",\"label\":\"good\"}\n{\"text\":\"on\",\"label\":3}\n{\"input_ids\":[7,8],\"label\":2}",
        (lt_examples_options){.max_length = 2}, NULL);
    lt_example example;
    bool end;
    lt_error err;
    cr_assert(lt_examples_next(s.examples, &example, &end, &err), "%s", err.message);
    cr_assert_str_eq(example.label_text, "good");
    cr_assert(example.truncated && example.lengths[0] == 2 && example.targets == 0 && example.ids[1] == 259);
    cr_assert(lt_examples_next(s.examples, &example, &end, &err));
    cr_assert(example.label == 3 && !example.label_text && example.value == 3.0f && example.lengths[0] == 2);
    cr_assert(lt_examples_next(s.examples, &example, &end, &err));
    cr_assert(example.label == 2 && example.lengths[0] == 2);
    cr_assert(lt_examples_next(s.examples, &example, &end, &err) && end);
    cr_assert_eq(lt_examples_count(s.examples)->untrained, 0);
    close_setup(&s);
    expect_row("{\"text\":\"a\",\"label\":[true]}", "a.jsonl:1: field 'label': expected a string, a number or a list of them");
}

Test(examples, a_prompt_is_what_the_model_would_be_asked)
{
    expect_row("{\"prompt\":[" U("on") "]}", "<|im_start|>user\non<|im_end|>\n<|im_start|>assistant\n|");
    expect_row("{\"prompt\":\"on\"}", "<|bos|>on|");
    expect("a.jsonl", "{\"prompt\":\"the on\"}", (lt_examples_options){.max_length = 2}, NULL, " on|");
    expect_row("{\"prompt\":[" U("a") "," A("b") "]}",
               "a.jsonl:1: expected a prompt that ends with the user's or a tool's turn, found the assistant's");
}

Test(examples, a_token_across_the_start_of_an_answer_is_trained_unless_it_is_special)
{
    expect("a.jsonl", "{\"messages\":[" U("on") "," A("abc") "]}", (lt_examples_options){0},
           "{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt "
           "%}assistant: {% endif %}",
           "user: on<|im_end|>\nassistant:[ abc<|im_end|>]\n|"); /* " a" holds the space of the header */
    expect("a.jsonl", "{\"messages\":[" U("on") "," A("\\n abc") "]}", (lt_examples_options){0},
           "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|im_end|>\n{% endfor %}{% if "
           "add_generation_prompt %}<|assistant|>\n{% endif %}",
           "<|user|>\non<|im_end|>\n<|assistant|>[abc<|im_end|>]\n|"); /* <|assistant|> takes white space behind it
                                                                          along */
}

Test(examples, calls_are_text_where_the_template_does_not_show_them)
{
    const char *row = "{\"conversations\":[{\"from\":\"human\",\"value\":\"on\"},{\"from\":\"function_call\",\"value\":"
                      "\"{\\\"name\\\": \\\"f\\\", "
                      "\\\"arguments\\\": {}}\"}]}";
    expect_row(
        row,
        "<|im_start|>user\non<|im_end|>\n<|im_start|>assistant\n[{\"name\": \"f\", \"arguments\": {}}<|im_end|>]\n|");
    expect("a.jsonl", row, (lt_examples_options){0},
           "{% for m in messages %}{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls %}{{ c.function.name }}{% "
           "endfor %}<|im_end|>\n{% endfor %}{% if "
           "add_generation_prompt %}assistant\n{% endif %}",
           "user\non<|im_end|>\nassistant\n[f<|im_end|>]\n|");
}

Test(examples, what_is_missing_is_said)
{
    expect("a.jsonl", "{\"messages\":[" U("a") "," A("b") "]}", (lt_examples_options){0}, "",
           "a.jsonl:1: a conversation needs a chat template, and the model has none; choose one with --chat-template");
    expect("a.jsonl", "{\"messages\":[" U("a") "," A("b") "]}", (lt_examples_options){0},
           "{{ raise_exception('roles must alternate') }}", "a.jsonl:1: template, line 1: roles must alternate");
}

Test(examples, a_run_can_resume_between_the_parts_of_a_row)
{
    setup s = open_named("a.jsonl", "{\"text\":\"on\"}\n{\"text\":\"the yes abc abc the yes\"}\n{\"text\":\"er\"}",
                         (lt_examples_options){.max_length = 3, .overflow = LT_EXAMPLES_SPLIT}, NULL);
    lt_examples_position places[20];
    char *seen[20];
    int n = 0;
    lt_example example;
    bool end = false;
    lt_error err;
    for (;; n++) {
        places[n] = lt_examples_tell(s.examples);
        cr_assert(lt_examples_next(s.examples, &example, &end, &err), "%s", err.message);
        if (end)
            break;
        seen[n] = marked(&s, &example);
    }
    cr_assert_eq(n, 6);
    for (int from = n; from >= 0; from--) {
        cr_assert(lt_examples_seek(s.examples, &places[from], &err), "%d: %s", from, err.message);
        for (int i = from; i <= n; i++) {
            cr_assert(lt_examples_next(s.examples, &example, &end, &err) && end == (i == n));
            if (end)
                break;
            char *again = marked(&s, &example);
            cr_assert_str_eq(again, seen[i]);
            free(again);
        }
    }
    places[0].part = 1; /* the first row has one part only */
    cr_assert_not(lt_examples_seek(s.examples, &places[0], &err));
    for (int i = 0; i < n; i++)
        free(seen[i]);
    close_setup(&s);
}

Test(examples, a_source_gives_rows_of_a_run)
{
    setup s = open_named("a.jsonl", "{\"text\":\"on\"}\n{\"input_ids\":[5,6],\"labels\":[1,2]}",
                         (lt_examples_options){0}, NULL);
    lt_row_source source;
    lt_row row;
    bool end;
    lt_error err;
    lt_examples_source(s.examples, &source);
    cr_assert(source.next(source.context, &row, &end, &err) && !end);
    cr_assert(row.sequences == 1 && row.lengths[0] == 3 && row.ids[0] == 273 && !row.trained[0] && row.trained[2]);
    cr_assert(source.next(source.context, &row, &end, &err) && !end);
    cr_assert(row.labels && row.labels[0] == 1 && row.labels[1] == 2 && row.line == 2 && !strcmp(row.path, "a.jsonl"));
    close_setup(&s);
}

Test(lint, a_report_counts_lengths_duplicates_and_rows_that_train_nothing)
{
    setup s =
        open_named("a.jsonl",
                   "{\"text\":\"on\"}\n{\"text\":\"the "
                   "yes\"}\n{\"prompt\":\"the\",\"completion\":\"\"}\n{\"text\":\"on\"}\n{\"messages\":[" U("a") "]}\n",
                   (lt_examples_options){0}, NULL);
    lt_lint_report report;
    lt_error err = {0};
    cr_assert(lt_lint_run(s.examples, s.tokenizer, &(lt_lint_options){.show = 3}, &report, &err), "%s", err.message);
    cr_assert(report.counts.rows == 5 && report.counts.untrained == 1 && report.duplicates == 1 &&
              report.duplicates_complete);
    cr_assert(report.kinds[LT_DATASET_TEXT] == 3 && report.kinds[LT_DATASET_MESSAGES] == 1);
    cr_assert(report.shortest == 3 && report.median == 3 && report.p95 == 8 && report.longest == 8);
    cr_assert_str_eq(report.first_duplicate, "a.jsonl:4");
    cr_assert_str_eq(report.duplicate_of, "a.jsonl:1");
    cr_assert_eq(report.shown_count, 3);
    const lt_lint_shown *shown = &report.shown[2];
    cr_assert_eq(shown->count, 2);
    cr_assert(!strcmp(shown->pieces[0].text, "<|bos|>the") && !shown->pieces[0].trained);
    cr_assert(!strcmp(shown->pieces[1].text, "<|im_end|>") && shown->pieces[1].trained);
    cr_assert(shown->tokens == 3 && shown->targets == 1 && shown->line == 3);
    cr_assert(lt_lint_failed(&report, &err));
    cr_assert_str_eq(err.message, "1 of 5 examples train nothing, the first is a.jsonl:5");
    lt_lint_free(&report);
    close_setup(&s);
}

Test(lint, data_that_trains_nothing_at_all_is_a_report_too)
{
    setup s = open_named("a.jsonl", "{\"messages\":[" U("a") "]}\n", (lt_examples_options){0}, NULL);
    lt_lint_report report;
    lt_error err = {0};
    cr_assert(lt_lint_run(s.examples, s.tokenizer, &(lt_lint_options){.show = 1}, &report, &err), "%s", err.message);
    cr_assert(report.counts.untrained == 1 && lt_lint_failed(&report, &err));
    lt_lint_free(&report);
    close_setup(&s);
}

Test(lint, good_data_does_not_fail_and_long_lengths_are_counted)
{
    char *text = malloc(600000);
    strcpy(text, "{\"input_ids\":[1");
    for (size_t i = 0, at = strlen(text); i < 199999; i++, at += 2)
        strcpy(text + at, ",2");
    strcat(text, "]}\n");
    setup s = open_named("a.jsonl", text, (lt_examples_options){0}, NULL);
    lt_lint_report report;
    lt_error err = {0};
    cr_assert(lt_lint_run(s.examples, NULL, &(lt_lint_options){.show = 1, .show_bytes = 10}, &report, &err), "%s",
              err.message);
    cr_assert(report.longest == 200000 && report.median > 196000 && report.median <= 200000, "%lld",
              (long long)report.median);
    cr_assert_not(lt_lint_failed(&report, &err));
    cr_assert(report.shown[0].cut && report.shown[0].count == 2);
    cr_assert_str_eq(report.shown[0].pieces[0].text, "1");
    lt_lint_free(&report);
    close_setup(&s);
    free(text);
}
