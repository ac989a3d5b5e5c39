#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/dataset.h"
#include "text/examples_row.h"
#include "text/examples_shots.h"

/* What the one row of text becomes, as JSON: {"prompt", "answer", "other", "tools", "value"} without what is absent; or
 * the error's message. */
static char *made(const char *text, lt_examples_row_options options)
{
    lt_dataset *d;
    lt_dataset_row row;
    lt_examples_row r;
    lt_error err = {0};
    cr_assert(lt_dataset_open_memory(&d, "a.jsonl", text, strlen(text), NULL, &err));
    cr_assert(lt_dataset_next(d, &row, &err) && row.json, "%s", err.message);
    char *result = NULL;
    if (lt_examples_row_make(&r, &row, &options, &err)) {
        json_t *all = json_pack("{s:O*,s:O*,s:O*,s:O*,s:O*}", "prompt", r.prompt, "answer", r.answer[0], "other",
                                r.answer[1], "tools", r.tools, "variables", r.variables);
        if (r.value != 0)
            json_object_set_new(all, "value", json_real((double)r.value));
        result = json_dumps(all, JSON_COMPACT);
        json_decref(all);
        lt_examples_row_free(&r);
    } else {
        result = strdup(err.message);
    }
    lt_dataset_close(d);
    return result;
}

static void expect_with(const char *text, lt_examples_row_options options, const char *expected)
{
    char *got = made(text, options);
    cr_assert_str_eq(got, expected, "%s gave %s", text, got);
    free(got);
}

static void expect(const char *text, const char *expected)
{
    expect_with(text, (lt_examples_row_options){.has_template = true}, expected);
}

#define U(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define A(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"
#define S(text) "{\"role\":\"system\",\"content\":\"" text "\"}"

Test(examples_row, messages_are_all_answer_and_keep_their_other_members)
{
    expect("{\"messages\":[" U("q") "," A("a") "]}", "{\"prompt\":[],\"answer\":[" U("q") "," A("a") "]}");
    expect("{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"x\":1}]},{\"role\":\"tool\","
           "\"name\":\"f\","
           "\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\\u0000\"}]}],\"tools\":[]}",
           "{\"prompt\":[],\"answer\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"x\":1}]},{\"role\":"
           "\"tool\","
           "\"name\":\"f\",\"content\":\"ab\\u0000\"}]}");
    expect("{\"messages\":[" U("q") "],\"tools\":\"[{\\\"name\\\":\\\"f\\\"}]\",\"chat_template_kwargs\":{\"x\":true}}",
           "{\"prompt\":[],\"answer\":[" U("q") "],\"tools\":[{\"name\":\"f\"}],\"variables\":{\"x\":true}}");
}

Test(examples_row, broken_messages_name_the_field)
{
    static const char *const cases[][2] = {
        {"{\"messages\":[]}", "a.jsonl:1: field 'messages': expected at least one message, found an empty list"},
        {"{\"messages\":\"q\"}", "a.jsonl:1: field 'messages': expected a list, found the string \"q\""},
        {"{\"messages\":[" U("q") ",7]}", "a.jsonl:1: field 'messages[1]': expected an object, found an integer"},
        {"{\"messages\":[" U("q") ",{\"role\":5,\"content\":\"\"}]}",
         "a.jsonl:1: field 'messages[1].role': expected a string, found an integer"},
        {"{\"messages\":[{\"role\":\"human\",\"content\":\"\"}]}",
         "a.jsonl:1: field 'messages[0].role': expected system, user, assistant, tool or another role of the template, "
         "found 'human'"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":null}]}",
         "a.jsonl:1: field 'messages[0]': expected a field 'content', found none"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":5}]}",
         "a.jsonl:1: field 'messages[0].content': expected a string or a list of parts, found an integer"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]}",
         "a.jsonl:1: field 'messages[0].content[0]': expected a part of type 'text' with a field 'text', found type "
         "'image'"},
        {"{\"messages\":[{\"content\":\"x\"}]}", "a.jsonl:1: field 'messages[0]': expected a message {role, content} "
                                                 "or {from, value}, found neither role nor from"},
        {"{\"messages\":[" U("q") "],\"tools\":\"nonsense\"}",
         "a.jsonl:1: field 'tools': expected a list of tools as JSON, found \"nonsense\""},
        {"{\"conversations\":[{\"from\":\"you\",\"value\":\"\"}]}",
         "a.jsonl:1: field 'conversations[0].from': expected human, gpt, system, tool, function_call or observation, "
         "found 'you'"},
        {"{\"conversations\":[{\"from\":\"function_call\",\"value\":\"{}\"}]}",
         "a.jsonl:1: field 'conversations[0].value': expected a call as JSON, {\"name\", \"arguments\"} or a list of "
         "them, found \"{}\""},
        {"{\"prompt\":\"p\",\"completion\":5}",
         "a.jsonl:1: field 'completion': expected a string or a list of messages, found an integer"},
        {"{\"chosen\":\"p\",\"rejected\":[]}",
         "a.jsonl:1: field 'rejected': expected a string as 'chosen' is, found a list"},
        {"{\"instruction\":\"i\",\"output\":\"o\",\"history\":[[\"a\"]]}",
         "a.jsonl:1: field 'history[0]': expected a pair of strings, what was said and what was answered"},
        {"{\"text\":5}", "a.jsonl:1: field 'text': expected a string, found an integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(cases[i][0], cases[i][1]);
}

Test(examples_row, prompt_and_completion_are_plain_only_as_strings)
{
    expect("{\"prompt\":\"p\",\"completion\":\" c\"}", "{\"prompt\":\"p\",\"answer\":\" c\"}");
    expect("{\"prompt\":[" U("p") "],\"completion\":\"c\"}", "{\"prompt\":[" U("p") "],\"answer\":[" A("c") "]}");
    expect("{\"prompt\":\"p\",\"completion\":[" A("c") "]}", "{\"prompt\":[" U("p") "],\"answer\":[" A("c") "]}");
    expect("{\"prompt\":[" S("s") "," U("p") "]}", "{\"prompt\":[" S("s") "," U("p") "]}");
    expect("{\"text\":\"t\"}", "{\"prompt\":\"\",\"answer\":\"t\"}");
}

Test(examples_row, instructions_become_turns_with_a_template_and_alpaca_without)
{
    const char *row =
        "{\"instruction\":\"i\",\"input\":\"x\",\"output\":\"o\",\"system\":\"s\",\"history\":[[\"h\",\"r\"]]}";
    expect(row, "{\"prompt\":[" S("s") "," U("h") "," A("r") "," U("i\\nx") "],\"answer\":[" A("o") "]}");
    expect("{\"instruction\":\"i\",\"input\":\"\",\"output\":\"o\"}",
           "{\"prompt\":[" U("i") "],\"answer\":[" A("o") "]}");
    lt_examples_row_options plain = {.has_template = false};
    expect_with(
        "{\"instruction\":\"i\",\"input\":\"x\",\"output\":\"o\"}", plain,
        "{\"prompt\":\"Below is an instruction that describes a task, paired with an input that provides further "
        "context. Write "
        "a response that appropriately completes the request.\\n\\n### Instruction:\\ni\\n\\n### Input:\\nx\\n\\n### "
        "Response:\\n\",\"answer\":\"o\"}");
    expect_with(row, plain,
                "{\"prompt\":\"s\\n\\n### Instruction:\\nh\\n\\n### Response:\\nr\\n\\n### Instruction:\\ni\\n\\n### "
                "Input:\\nx\\n\\n### "
                "Response:\\n\",\"answer\":\"o\"}");
}

Test(examples_row, sharegpt_turns_become_messages_with_tool_calls)
{
    const char *row =
        "{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"function_call\",\"value\":\"{"
        "\\\"name\\\": "
        "\\\"f\\\", \\\"arguments\\\": {\\\"x\\\": "
        "[1]}}\"},{\"from\":\"observation\",\"value\":\"r\"},{\"from\":\"gpt\","
        "\"value\":\"a\"}],\"system\":\"s\",\"tools\":\"[{\\\"name\\\":\\\"f\\\",\\\"parameters\\\":{}}]\"}";
    expect(row, "{\"prompt\":[],\"answer\":[" S("s") "," U(
                    "q") ",{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"type\":\"function\","
                         "\"function\":{\"name\":\"f\",\"arguments\":{"
                         "\"x\":[1]}}}]},{\"role\":\"tool\",\"content\":\"r\"}," A(
                             "a") "],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                                  "\"parameters\":{}}}]}");
    expect_with("{\"conversations\":[{\"from\":\"function_call\",\"value\":\"{\\\"name\\\":1}\"}]}",
                (lt_examples_row_options){.calls_as_text = true},
                "{\"prompt\":[],\"answer\":[" A("{\\\"name\\\":1}") "]}");
    expect_with("{\"conversations\":[{\"from\":\"function_call\",\"value\":\"[{\\\"name\\\":\\\"f\\\","
                "\\\"arguments\\\":\\\"{}\\\"}]\"},{\"from\":"
                "\"observation\",\"value\":\"r\"}]}",
                (lt_examples_row_options){.call_ids = true},
                "{\"prompt\":[],\"answer\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"type\":"
                "\"function\",\"function\":{\"name\":"
                "\"f\",\"arguments\":{}},\"id\":\"call00000\"}]},{\"role\":\"tool\",\"content\":\"r\",\"tool_call_id\":"
                "\"call00000\"}]}");
}

Test(examples_row, calls_take_the_form_that_the_template_wants)
{
    expect_with("{\"conversations\":[{\"from\":\"function_call\",\"value\":\"{\\\"name\\\":\\\"f\\\",\\\"arguments\\\":"
                "{\\\"x\\\":1}}\"}]}",
                (lt_examples_row_options){.call_null_content = true, .call_string_arguments = true},
                "{\"prompt\":[],\"answer\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"type\":"
                "\"function\",\"function\":{\"name\":"
                "\"f\",\"arguments\":\"{\\\"x\\\": 1}\"}}]}]}");
}

Test(examples_row, preferences_come_in_many_forms)
{
    expect("{\"prompt\":\"p\",\"chosen\":\" c\",\"rejected\":\" r\",\"margin\":2}",
           "{\"prompt\":\"p\",\"answer\":\" c\",\"other\":\" r\",\"value\":2.0}");
    expect("{\"prompt\":[" U("p") "],\"chosen\":[" A("c") "],\"rejected\":[" A("r") "]}",
           "{\"prompt\":[" U("p") "],\"answer\":[" A("c") "],\"other\":[" A("r") "]}");
    expect("{\"prompt\":[" U("p") "],\"chosen\":\"c\",\"rejected\":\"r\"}",
           "{\"prompt\":[" U("p") "],\"answer\":[" A("c") "],\"other\":[" A("r") "]}");
    expect("{\"prompt\":\"p\",\"chosen\":[" A("c") "],\"rejected\":[" A("r") "]}",
           "{\"prompt\":[" U("p") "],\"answer\":[" A("c") "],\"other\":[" A("r") "]}");
    /* implicit prompts; the last one repeats its prompt as a string */
    expect("{\"chosen\":[" U("p") "," A("c") "],\"rejected\":[" U("p") "," A("r") "]}",
           "{\"prompt\":[" U("p") "],\"answer\":[" A("c") "],\"other\":[" A("r") "]}");
    expect("{\"chosen\":[" U("p") "," A("c") "],\"rejected\":[" U("p") "," A("c") "]}",
           "{\"prompt\":[" U("p") "],\"answer\":[" A("c") "],\"other\":[" A("c") "]}");
    expect("{\"prompt\":\"p\",\"chosen\":[" U("p") "," A("c") "],\"rejected\":[" U("p") "," A("r") "]}",
           "{\"prompt\":[" U("p") "],\"answer\":[" A("c") "],\"other\":[" A("r") "]}");
    expect("{\"chosen\":\"It is blue\",\"rejected\":\"It is bad\"}",
           "{\"prompt\":\"It is b\",\"answer\":\"lue\",\"other\":\"ad\"}");
    expect("{\"chosen\":\"It is \xc3\xa4\",\"rejected\":\"It is \xc3\xb6\"}",
           "{\"prompt\":\"It is\",\"answer\":\" \xc3\xa4\",\"other\":\" \xc3\xb6\"}");
    expect("{\"chosen\":\"same\",\"rejected\":\"same\"}", "{\"prompt\":\"sam\",\"answer\":\"e\",\"other\":\"e\"}");
    /* ShareGPT and Alpaca */
    expect("{\"conversations\":[{\"from\":\"human\",\"value\":\"p\"}],\"chosen\":{\"from\":\"gpt\",\"value\":\"c\"},"
           "\"rejected\":{\"from\":\"gpt\","
           "\"value\":\"r\"}}",
           "{\"prompt\":[" U("p") "],\"answer\":[" A("c") "],\"other\":[" A("r") "]}");
    expect("{\"instruction\":\"i\",\"chosen\":\"c\",\"rejected\":\"r\"}",
           "{\"prompt\":[" U("i") "],\"answer\":[" A("c") "],\"other\":[" A("r") "]}");
}

Test(examples_row, the_last_message_of_an_unpaired_preference_is_the_answer)
{
    expect("{\"messages\":[" U("q") "," A("a") "," U("r") "," A("b") "],\"label\":true}",
           "{\"prompt\":[" U("q") "," A("a") "," U("r") "],\"answer\":[" A("b") "],\"value\":1.0}");
    expect("{\"prompt\":\"p\",\"completion\":\"c\",\"label\":false}", "{\"prompt\":\"p\",\"answer\":\"c\"}");
}

static lt_dataset *open_rows(const char *text)
{
    lt_dataset *d;
    lt_error err;
    cr_assert(lt_dataset_open_memory(&d, "a.jsonl", text, strlen(text),
                                     &(lt_dataset_options){.accept = LT_SHOTS_ACCEPT}, &err));
    return d;
}

Test(examples_shots, rows_become_turns_and_text)
{
    lt_dataset *d = open_rows("{\"prompt\":\"p\",\"completion\":\"c\"}\n{\"messages\":[" S("s") "," U("q") "," A(
        "a") "]}\n"
             "{\"text\":\"t\",\"label\":\"good\"}\n{\"text\":\"t2 "
             "\",\"label\":1}\n{\"prompt\":\"x\",\"completion\":\"y\"}");
    lt_shots shots;
    lt_error err = {0};
    cr_assert(lt_shots_read(&shots, d, &(lt_shots_options){.count = 4}, &err), "%s", err.message);
    cr_assert_eq(shots.count, 4);
    cr_assert_str_eq(shots.text, "p\nc\n\nq\na\n\nt\ngood\n\nt2 1\n\n");
    json_t *asked =
        json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "system", "content", "S", "role", "user", "content", "Q");
    json_t *all = lt_shots_messages(&shots, asked);
    char *json = json_dumps(all, JSON_COMPACT), *text;
    size_t size;
    cr_assert_str_eq(json, "[" S("S") "," U("p") "," A("c") "," U("q") "," A("a") "," U("t") "," A("good") "," U(
                               "t2 ") "," A("1") "," U("Q") "]");
    cr_assert(lt_shots_text(&shots, "z", 1, &text, &size, &err));
    cr_assert_str_eq(text, "p\nc\n\nq\na\n\nt\ngood\n\nt2 1\n\nz\n");
    cr_assert_eq(size, strlen(text));
    free(text);
    free(json);
    json_decref(all);
    json_decref(asked);
    lt_shots_free(&shots);
    lt_dataset_close(d);
}

Test(examples_shots, too_few_rows_are_an_error_and_a_draw_takes_every_row_equally)
{
    const char *text = "{\"prompt\":\"0\",\"completion\":\"\"}\n{\"prompt\":\"1\",\"completion\":\"\"}\n{\"prompt\":"
                       "\"2\",\"completion\":\"\"}\n"
                       "{\"prompt\":\"3\",\"completion\":\"\"}\n";
    lt_dataset *d = open_rows(text);
    lt_shots shots;
    lt_error err;
    cr_assert_not(lt_shots_read(&shots, d, &(lt_shots_options){.count = 5}, &err));
    cr_assert_str_eq(err.message, "expected at least 5 examples, found 4 rows");
    int taken[4] = {0};
    for (uint64_t seed = 0; seed < 400; seed++) {
        cr_assert(lt_dataset_rewind(d, &err));
        cr_assert(lt_shots_read(&shots, d, &(lt_shots_options){.count = 2, .draw = true, .seed = seed}, &err));
        int last = -1;
        for (size_t i = 0; i < 4; i += 2) {
            int k = atoi(json_string_value(json_object_get(json_array_get(shots.messages, i), "content")));
            cr_assert_gt(k, last);
            taken[last = k]++;
        }
        lt_shots_free(&shots);
    }
    for (int k = 0; k < 4; k++) /* 200 ± 4 standard deviations */
        cr_assert(taken[k] > 160 && taken[k] < 240, "row %d was taken %d times", k, taken[k]);
    lt_dataset_close(d);
}
