/* Renders many templates in one process, for the comparison with Python (scripts/check_templates.py).
 *
 * Reads JSON objects from standard input, one a line, and answers each with one line:
 *   {"template": source, "context": {…}}       {"text": …, "spans": [[begin, end], …]} or {"error": …, "status": …}
 *   {"chat": {…}, "request": {…}}               see chat_answer
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
        json_array_append_new(array, json_pack("[I, I]", (json_int_t)spans->items[i].begin, (json_int_t)spans->items[i].end));
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
        answer = json_pack("{s:o, s:o}", "text", json_stringn(out.data ? out.data : "", out.size), "spans", spans_json(&spans));
    else
        answer = failure(&err);
    lt_jinja_buffer_free(&out);
    lt_jinja_spans_free(&spans);
    lt_jinja_free(template);
    return answer;
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    struct tm now = {.tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_hour = 13, .tm_min = 5, .tm_sec = 9, .tm_wday = 5, .tm_yday = 207};
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        lt_error err = {0};
        json_t *question = lt_jinja_parse_json("question", line, (size_t)size, &err);
        json_t *answer = question ? answer_template(question, &now) : failure(&err);
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
