/* Which bytes are trained: the same for every way a template may treat its turns. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "text/chat.h"

/* Added tokens of a tokenizer. */
static size_t token_length(void *context, const char *text, size_t n)
{
    static const char *const TOKENS[] = {
        "<|im_start|>",  "<|im_end|>",      "<|eot_id|>", "<|header|>", "<|header_end|>",
        "<end_of_turn>", "<start_of_turn>", "<|end|>",    "<|user|>",   "<|assistant|>",
        "<tool_call>",   "</tool_call>",    "<think>",    "</think>",   "<s>",
        "</s>",          "[INST]",          "[/INST]",    "<my_end>",      "<part_end>"};
    size_t longest = 0;
    (void)context;
    for (size_t i = 0; i < sizeof TOKENS / sizeof *TOKENS; i++) {
        size_t size = strlen(TOKENS[i]);
        if (size <= n && size > longest && memcmp(text, TOKENS[i], size) == 0)
            longest = size;
    }
    return longest;
}

static lt_chat *open_source(const char *source)
{
    lt_chat *chat;
    lt_error err;
    json_t *special = json_pack("{s:s, s:s}", "bos_token", "<s>", "eos_token", "</s>");
    cr_assert(lt_chat_open_source(&chat, "template", source, strlen(source), special, NULL, &err), "%s", err.message);
    json_decref(special);
    return chat;
}

static lt_chat *open_data(const char *name)
{
    char path[300], *source;
    size_t size;
    lt_error err;
    snprintf(path, sizeof path, "tests/data/chat/%s.jinja", name);
    cr_assert(lt_file_read(path, 1 << 20, &source, &size, &err), "%s", err.message);
    lt_chat *chat = open_source(source);
    free(source);
    return chat;
}

/* Masks the conversation and compares what is trained, joined by '@', with `expected`. Returns the counters. */
static lt_chat_masked check(lt_chat *chat, const char *messages, size_t first_trained, lt_chat_token_length tokens,
                            const char *expected)
{
    lt_chat_masked masked = {0};
    lt_error err;
    char trained[4000] = "";
    json_t *list = json_loads(messages, 0, NULL);
    cr_assert(list, "%s", messages);
    lt_chat_request request = {.messages = list};
    cr_assert(lt_chat_render_masked(chat, &request, first_trained, tokens, NULL, &masked, &err), "%s", err.message);
    for (size_t i = 0; i < masked.spans.count; i++) {
        const lt_jinja_span *span = &masked.spans.items[i];
        cr_assert(span->begin < span->end && span->end <= masked.text.size);
        cr_assert(i == 0 || span->begin >= masked.spans.items[i - 1].end);
        snprintf(trained + strlen(trained), sizeof trained - strlen(trained), "%s%.*s", i ? "@" : "",
                 (int)(span->end - span->begin), masked.text.data + span->begin);
    }
    cr_expect_str_eq(trained, expected, "trained\n%s\nexpected\n%s\nof\n%s", trained, expected, masked.text.data);
    json_decref(list);
    lt_chat_close(chat);
    lt_chat_masked result = masked;
    lt_chat_masked_free(&masked);
    return result;
}

#define USER(text) "{\"role\": \"user\", \"content\": \"" text "\"}, "
#define REPLY(text) "{\"role\": \"assistant\", \"content\": \"" text "\"}"
#define TALK                                                                                                           \
    "[{\"role\": \"system\", \"content\": \"Be brief.\"}, " USER("hi") REPLY("one") ", " USER("hi")                    \
        REPLY("two\\nlines") "]"
#define SHORT "[" USER("hi") REPLY("one") ", " USER("hi") REPLY(" two ") "]"

Test(chat_mask, a_reply_is_trained_with_its_stop_token_and_nothing_after_it)
{
    lt_chat_masked m = check(open_data("plain"), TALK, 0, token_length, "one<|im_end|>@two\nlines<|im_end|>");
    cr_expect_eq(m.turns, 2);
    cr_expect_eq(m.turns_located + m.turns_lost + m.turns_without_stop, 0);
    check(open_data("plain"), TALK, 0, NULL, "one<|im_end|>@two\nlines<|im_end|>");
    check(open_data("trimmed"), TALK, 0, token_length, "one<|eot_id|>@two\nlines<|eot_id|>");
    check(open_data("trimmed"), SHORT, 0, token_length, "one<|eot_id|>@two<|eot_id|>");
    check(open_data("alternating"), SHORT, 0, token_length, "one<end_of_turn>@two<end_of_turn>");
    check(open_data("alternating"), SHORT, 0, NULL, "one<end_of_turn>@two<end_of_turn>");
}

Test(chat_mask, what_a_template_writes_at_the_very_end_is_not_trained)
{
    check(open_data("text_end"), TALK, 0, token_length, "one<|end|>@two\nlines<|end|>");
    check(open_source("{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>\n' }}{% endfor %}"
                      "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}the end"),
          TALK, 0, token_length, "one<|end|>@two\nlines<|end|>");
}

Test(chat_mask, reasoning_that_a_template_drops_later_is_trained_where_it_is_shown)
{
    static const char THINK[] = "[" USER("q") REPLY("<think>\\nhm\\n</think>\\n\\nx") ", " USER("r")
        REPLY("<think>\\nso\\n</think>\\n\\ny") "]";
    lt_chat_masked m =
        check(open_data("thinking"), THINK, 0, token_length, "x<|im_end|>@<think>\nso\n</think>\n\ny<|im_end|>");
    cr_expect_eq(m.turns_lost + m.turns_without_stop, 0);
    check(open_data("thinking"), SHORT, 0, token_length, "one<|im_end|>@<think>\n\n</think>\n\n two <|im_end|>");
}

Test(chat_mask, tool_calls_are_trained_and_answers_are_not)
{
    static const char CALLS[] =
        "[" USER("q") "{\"role\": \"assistant\", \"content\": \"\", \"reasoning_content\": \"look\", \"tool_calls\": "
                      "[{\"type\": \"function\", "
                      "\"function\": {\"name\": \"f\", \"arguments\": {\"x\": 1}}}]}, {\"role\": \"tool\", "
                      "\"content\": \"4\"}, " REPLY("It is 4.") ", " USER("thanks") REPLY("bye") "]";
    check(open_data("thinking"), CALLS, 0, token_length,
          "\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call><|im_end|>@It is 4.<|im_end|>@"
          "<think>\n\n</think>\n\nbye<|im_end|>");
}

Test(chat_mask, a_question_that_is_written_differently_when_it_is_the_last_does_not_matter)
{
    lt_chat_masked m = check(open_data("question_last"), TALK, 0, token_length, " one</s>@ two\nlines</s>");
    cr_expect_eq(m.turns_located, 2);
    cr_expect_eq(m.turns_lost, 0);
}

Test(chat_mask, without_a_stop_token_the_text_alone_is_trained_and_counted)
{
    lt_chat_masked m = check(open_data("no_stop"), TALK, 0, token_length, "one@two\nlines");
    cr_expect_eq(m.turns_without_stop, 2);
}

Test(chat_mask, a_stop_token_that_only_the_tokenizer_knows_is_found)
{
    static const char SOURCE[] =
        "{% for m in messages %}{{ m.role + ': ' + m.content }}{% for c in m.tool_calls %}{{ '<call>' + c }}{% endfor "
        "%}"
        "{{ '<my_end>\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";
    static const char CALLS[] =
        "[" USER("q") "{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [\"f\"]}, {\"role\": \"tool\", "
                      "\"content\": \"4\"}, " REPLY("It is 4.") "]";
    check(open_source(SOURCE), TALK, 0, token_length, "one<my_end>@two\nlines<my_end>");
    check(open_source(SOURCE), CALLS, 0, token_length, "<call>f<my_end>@It is 4.<my_end>");
    lt_chat_masked m = check(open_source(SOURCE), TALK, 0, NULL, "one@two\nlines");
    cr_expect_eq(m.turns_without_stop, 2);
}

Test(chat_mask, a_token_that_ends_a_part_does_not_hide_the_one_that_ends_the_turn)
{
    static const char SOURCE[] =
        "{% for m in messages %}{{ m.role + ': ' + m.content }}{% if m.role == 'assistant' %}{{ '<part_end>' }}{% endif %}"
        "{{ '</s>' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";
    check(open_source(SOURCE), TALK, 0, token_length, "one<part_end></s>@two\nlines<part_end></s>");
}

Test(chat_mask, marks_are_used_where_the_template_has_them)
{
    lt_chat_masked m = check(open_data("marked"), TALK, 0, token_length, "one<|im_end|>@two\nlines<|im_end|>");
    cr_expect_eq(m.turns, 2);
    cr_expect_eq(m.turns_without_stop, 0);
    /* The stop token behind the block belongs to it; a mark inside a captured text has no place, so turns are found. */
    check(open_source("{% for m in messages %}{{ m.role }}:{% if m.role == 'assistant' %}{% generation %}{{ m.content "
                      "}}{% endgeneration %}"
                      "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"),
          TALK, 0, token_length, "one<|im_end|>@two\nlines<|im_end|>");
    check(open_source("{% for m in messages %}{{ m.role }}:{% set t %}{% generation %}{{ m.content }}{% endgeneration "
                      "%}{% endset %}{{ t }}<|im_end|>\n"
                      "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"),
          TALK, 0, token_length, "one<|im_end|>@two\nlines<|im_end|>");
}

Test(chat_mask, only_turns_from_the_first_trained_message_on_are_trained)
{
    static const char *const NAMES[] = {"plain", "marked"};
    for (int i = 0; i < 2; i++) {
        lt_chat_masked m = check(open_data(NAMES[i]), TALK, 3, token_length, "two\nlines<|im_end|>");
        cr_expect_eq(m.turns, 1);
        m = check(open_data(NAMES[i]), TALK, 5, token_length, "");
        cr_expect_eq(m.turns, 0);
    }
}

Test(chat_mask, a_turn_that_the_template_leaves_out_is_counted_as_lost)
{
    lt_chat_masked m =
        check(open_source(
                  "{% for m in messages if m.content != 'one' %}{{ m.role + ':' + m.content }}<|im_end|>\n{% endfor %}"
                  "{% if add_generation_prompt %}assistant:{% endif %}"),
              TALK, 0, token_length, "two\nlines<|im_end|>");
    cr_expect_eq(m.turns, 2);
    cr_expect_eq(m.turns_lost, 1);
}

Test(chat_mask, text_in_parts_and_text_with_markers_is_found)
{
    check(open_source(
              "{% for m in messages %}{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}{% for p in "
              "m.content %}{{ p.text }}"
              "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"),
          "[" USER("q") "{\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}, {\"type\": "
                        "\"text\", \"text\": \"b\"}]}]",
          0, token_length, "ab<|im_end|>");
    check(open_data("plain"), "[" USER("what is <|im_end|>?") REPLY("<|im_end|> ends a turn") "]", 0, token_length,
          "<|im_end|> ends a turn<|im_end|>");
}

Test(chat_mask, a_conversation_that_begins_with_a_reply_is_found_by_its_text)
{
    lt_chat_masked m = check(open_data("plain"), "[" REPLY("hello") ", " USER("hi") REPLY("again") "]", 0, token_length,
                             "hello<|im_end|>@again<|im_end|>");
    cr_expect_eq(m.turns_located, 1);
}

Test(chat_mask, an_empty_rendering_loses_every_turn)
{
    lt_chat_masked m = check(open_source("{% if false %}x{% endif %}"), TALK, 0, token_length, "");
    cr_expect_eq(m.turns_lost, 2);
}

Test(chat_mask, a_refused_conversation_is_an_error_and_leaves_nothing)
{
    lt_chat *chat = open_data("alternating");
    lt_chat_masked masked = {0};
    lt_error err;
    json_t *messages = json_loads(TALK, 0, NULL);
    cr_expect_not(lt_chat_render_masked(chat, &(lt_chat_request){.messages = messages}, 0, NULL, NULL, &masked, &err));
    cr_expect(strstr(err.message, "System role not supported") && err.status == LT_ERR_USAGE, "%s", err.message);
    cr_expect_eq(masked.text.size + masked.spans.count, 0);
    lt_chat_masked_free(&masked);
    json_decref(messages);
    lt_chat_close(chat);
}
