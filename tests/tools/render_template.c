/* Renders many templates in one process, for the comparison with Python (scripts/check_templates.py).
 *
 * Reads JSON objects from standard input, one a line, and answers each with one line:
 *   {"template": source, "context": {…}}       {"text": …, "spans": [[begin, end], …]}
 *                                              or {"error": …, "status": …}
 *   {"chat": {…}, "request": {…}, …}            see answer_chat
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/chat.h"
#include "text/jinja.h"

static json_t *failure(const lt_error *err)
{
    return json_pack("{s:s, s:i}", "error", err->message, "status", (int)err->status);
}

static json_t *spans_json(const lt_jinja_spans *spans)
{
    json_t *array = json_array();
    for (size_t i = 0; i < spans->count; i++)
        json_array_append_new(array,
                              json_pack("[I, I]", (json_int_t)spans->items[i].begin, (json_int_t)spans->items[i].end));
    return array;
}

static json_t *answer_template(json_t *question, const struct tm *now)
{
    json_t *source = json_object_get(question, "template");
    lt_jinja_template *template;
    lt_jinja_buffer out = {0};
    lt_jinja_spans spans = {0};
    lt_error err;
    json_t *answer;
    if (!lt_jinja_compile(&template, "template", json_string_value(source), json_string_length(source), &err))
        return failure(&err);
    lt_jinja_options options = {.now = now, .spans = &spans};
    if (lt_jinja_render(template, json_object_get(question, "context"), &options, &out, &err))
        answer = json_pack("{s:o, s:o}", "text", json_stringn(out.data ? out.data : "", out.size), "spans",
                           spans_json(&spans));
    else
        answer = failure(&err);
    lt_jinja_buffer_free(&out);
    lt_jinja_spans_free(&spans);
    lt_jinja_free(template);
    return answer;
}

/* {"chat": {"source": …, "special": {…}}, "request": {"messages": …, "tools": …, "documents": …, "variables": …,
 *  "add_generation_prompt": …}, "mask": bool, "tokens": [strings], "first_trained": n} */
static size_t token_length(void *context, const char *text, size_t n)
{
    size_t longest = 0;
    const json_t *tokens = context;
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const json_t *token = json_array_get(tokens, i);
        size_t size = json_string_length(token);
        if (size <= n && size > longest && memcmp(text, json_string_value(token), size) == 0)
            longest = size;
    }
    return longest;
}

static json_t *masked_answer(const lt_chat *chat, const lt_chat_request *request, json_t *question)
{
    lt_chat_masked masked = {0};
    lt_error err;
    json_t *answer;
    size_t first = (size_t)json_integer_value(json_object_get(question, "first_trained"));
    json_t *tokens = json_object_get(question, "tokens");
    if (lt_chat_render_masked(chat, request, first, tokens ? token_length : NULL, tokens, &masked, &err))
        answer = json_pack("{s:o, s:o, s:i, s:i, s:i, s:i}", "text",
                           json_stringn(masked.text.data ? masked.text.data : "", masked.text.size), "spans",
                           spans_json(&masked.spans), "turns", (int)masked.turns, "located", (int)masked.turns_located,
                           "lost", (int)masked.turns_lost, "without_stop", (int)masked.turns_without_stop);
    else
        answer = failure(&err);
    lt_chat_masked_free(&masked);
    return answer;
}

static json_t *answer_chat(json_t *question, const struct tm *now)
{
    json_t *model = json_object_get(question, "chat"), *r = json_object_get(question, "request");
    json_t *source = json_object_get(model, "source");
    lt_jinja_buffer out = {0};
    lt_chat *chat;
    lt_error err;
    json_t *answer;
    if (!lt_chat_open_source(&chat, "template", json_string_value(source), json_string_length(source),
                             json_object_get(model, "special"), NULL, &err))
        return failure(&err);
    lt_chat_request request = {
        .messages = json_object_get(r, "messages"),
        .tools = json_object_get(r, "tools"),
        .documents = json_object_get(r, "documents"),
        .variables = json_object_get(r, "variables"),
        .add_generation_prompt = json_is_true(json_object_get(r, "add_generation_prompt")),
        .now = now,
    };
    if (json_is_true(json_object_get(question, "mask")))
        answer = masked_answer(chat, &request, question);
    else if (lt_chat_render(chat, &request, &out, &err))
        answer = json_pack("{s:o}", "text", json_stringn(out.data ? out.data : "", out.size));
    else
        answer = failure(&err);
    lt_jinja_buffer_free(&out);
    lt_chat_close(chat);
    return answer;
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    struct tm now = {.tm_year = 124,
                     .tm_mon = 6,
                     .tm_mday = 26,
                     .tm_hour = 13,
                     .tm_min = 5,
                     .tm_sec = 9,
                     .tm_wday = 5,
                     .tm_yday = 207};
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        lt_error err = {0};
        json_t *question = lt_jinja_parse_json("question", line, (size_t)size, &err);
        json_t *answer = !question                           ? failure(&err)
                         : json_object_get(question, "chat") ? answer_chat(question, &now)
                                                             : answer_template(question, &now);
        char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
        puts(text ? text : "{\"error\": \"no answer\", \"status\": -1}");
        fflush(stdout);
        free(text);
        json_decref(answer);
        json_decref(question);
    }
    free(line);
    return 0;
}
