/* One message: role and content as chat templates want them, from OpenAI's or ShareGPT's spelling. */
#include "text/examples_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The JSON value that a string holds, or NULL. */
static json_t *parse(const json_t *string)
{
    return json_loadb(json_string_value(string), json_string_length(string), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                      NULL);
}

/* ---- content ---- */

static bool part_text(const lt_json *part, const json_t **text, lt_error *err)
{
    const char *type = "", *unused;
    lt_json field;
    if (!lt_json_object(part, err) || !lt_json_get_string(part, "type", &type, err))
        return false;
    if (strcmp(type, "text") || !lt_json_member(part, "text", &field))
        return lt_json_error(part, err, LT_ERR_UNSUPPORTED,
                             "expected a part of type 'text' with a field 'text', found type '%.40s'", type);
    *text = field.value;
    return lt_json_string(&field, &unused, err);
}

/* The text of a list of parts. */
static json_t *joined_parts(const lt_json *at, lt_error *err)
{
    char *all = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&all, &size);
    bool ok = stream != NULL;
    for (size_t i = 0; ok && i < json_array_size(at->value); i++) {
        lt_json part = lt_json_element(at, i);
        const json_t *text = NULL;
        ok = part_text(&part, &text, err);
        if (ok)
            fwrite(json_string_value(text), 1, json_string_length(text), stream);
        else
            at = NULL; /* *err is set */
    }
    bool whole = stream && fclose(stream) == 0;
    json_t *joined = ok && whole ? json_stringn(all, size) : NULL;
    free(all);
    if (!joined && at)
        lt_json_error(at, err, LT_ERR_MEMORY, "out of memory");
    return joined;
}

static bool has_no_content_of_its_own(const lt_json *message)
{
    return lt_json_has(message, "tool_calls") || lt_json_has(message, "reasoning_content") ||
           lt_json_has(message, "thinking");
}

/* Checks a message that has a role; a changed copy only where its content is a list. */
static json_t *openai_message(const lt_json *at, const lt_json *role, lt_error *err)
{
    static const char *const strangers[] = {"human", "gpt",   "chatgpt",       "bot",
                                            "ai",    "model", "function_call", "observation"};
    const char *name;
    lt_json content, calls;
    if (!lt_json_string(role, &name, err))
        return NULL;
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        if (!strcmp(name, strangers[i])) {
            lt_json_error(role, err, LT_ERR_FORMAT,
                          "expected system, user, assistant, tool or another role of the template, found '%s'", name);
            return NULL;
        }
    if (!*name) {
        lt_json_error(role, err, LT_ERR_FORMAT, "expected a role, found an empty string");
        return NULL;
    }
    if (lt_json_member(at, "tool_calls", &calls) && !lt_json_array(&calls, err))
        return NULL;
    if (!lt_json_member(at, "content", &content)) {
        if (has_no_content_of_its_own(at))
            return json_incref((json_t *)at->value);
        lt_json_error(at, err, LT_ERR_FORMAT, "expected a field 'content', found none");
        return NULL;
    }
    if (json_is_string(content.value))
        return json_incref((json_t *)at->value);
    if (!json_is_array(content.value)) {
        lt_json_error(&content, err, LT_ERR_FORMAT, "expected a string or a list of parts, found %s",
                      lt_json_type_name(content.value));
        return NULL;
    }
    json_t *text = joined_parts(&content, err), *copy = text ? json_copy((json_t *)at->value) : NULL;
    if (text && (!copy || json_object_set(copy, "content", text))) {
        json_decref(copy);
        copy = NULL;
        lt_json_error(at, err, LT_ERR_MEMORY, "out of memory");
    }
    json_decref(text);
    return copy;
}

/* ---- ShareGPT ---- */

static const struct {
    const char *from, *role;
} speakers[] = {
    {"human", "user"},    {"user", "user"},        {"gpt", "assistant"},          {"chatgpt", "assistant"},
    {"bot", "assistant"}, {"model", "assistant"},  {"assistant", "assistant"},    {"system", "system"},
    {"tool", "tool"},     {"observation", "tool"}, {"function_response", "tool"}, {"function_call", "assistant"},
};

/* A call's arguments, which the row gives as a value or as JSON in a string, in the form that is wanted. New reference.
 */
static json_t *call_arguments(json_t *given, const lt_examples_row_options *options)
{
    if (options->call_string_arguments == json_is_string(given) && given)
        return json_incref(given);
    if (!options->call_string_arguments) {
        json_t *parsed = given ? parse(given) : json_object();
        return parsed ? parsed : json_incref(given);
    }
    char *text = given ? json_dumps(given, JSON_ENCODE_ANY) : NULL;
    json_t *string = json_string(text ? text : "{}");
    free(text);
    return string;
}

/* One {"name", "arguments"} as an OpenAI tool call. */
static json_t *tool_call(const json_t *call, const lt_examples_row_options *options)
{
    json_t *name = json_object_get(call, "name");
    if (!json_is_string(name))
        return NULL;
    return json_pack("{s:s,s:{s:O,s:o}}", "type", "function", "function", "name", name, "arguments",
                     call_arguments(json_object_get(call, "arguments"), options));
}

/* The turn of a function_call, or NULL when its text is no call. */
static json_t *call_message(const json_t *text, const lt_examples_row_options *options)
{
    json_t *call = parse(text), *calls = json_array();
    bool ok = calls && (json_is_object(call) || json_array_size(call) > 0);
    for (size_t i = 0; ok && i < (json_is_object(call) ? 1 : json_array_size(call)); i++) {
        json_t *one = tool_call(json_is_object(call) ? call : json_array_get(call, i), options);
        ok = one && !json_array_append_new(calls, one);
    }
    json_t *content = options->call_null_content ? json_null() : json_string("");
    json_t *message =
        ok ? json_pack("{s:s,s:O,s:O}", "role", "assistant", "content", content, "tool_calls", calls) : NULL;
    json_decref(content);
    json_decref(call);
    json_decref(calls);
    return message;
}

static json_t *sharegpt_message(const lt_json *at, const lt_json *from, const lt_examples_row_options *options,
                                lt_error *err)
{
    const char *name, *unused, *role = NULL;
    lt_json value;
    if (!lt_json_string(from, &name, err))
        return NULL;
    for (size_t i = 0; i < sizeof speakers / sizeof *speakers; i++)
        if (!strcmp(name, speakers[i].from))
            role = speakers[i].role;
    if (!role) {
        lt_json_error(from, err, LT_ERR_FORMAT,
                      "expected human, gpt, system, tool, function_call or observation, found '%.60s'", name);
        return NULL;
    }
    if (!lt_json_member(at, "value", &value)) {
        lt_json_error(at, err, LT_ERR_FORMAT, "expected a field 'value', found none");
        return NULL;
    }
    if (!lt_json_string(&value, &unused, err))
        return NULL;
    bool is_call = !strcmp(name, "function_call") && !options->calls_as_text;
    json_t *message =
        is_call ? call_message(value.value, options) : json_pack("{s:s,s:O}", "role", role, "content", value.value);
    if (!message && is_call)
        lt_json_error(&value, err, LT_ERR_FORMAT,
                      "expected a call as JSON, {\"name\", \"arguments\"} or a list of them, found \"%.100s\"", unused);
    else if (!message)
        lt_json_error(at, err, LT_ERR_MEMORY, "out of memory");
    return message;
}

json_t *lt_examples_message(const lt_json *at, const lt_examples_row_options *options, lt_error *err)
{
    lt_json speaker;
    if (!lt_json_object(at, err))
        return NULL;
    if (lt_json_member(at, "role", &speaker))
        return openai_message(at, &speaker, err);
    if (lt_json_member(at, "from", &speaker))
        return sharegpt_message(at, &speaker, options, err);
    lt_json_error(at, err, LT_ERR_FORMAT,
                  "expected a message {role, content} or {from, value}, found neither role nor from");
    return NULL;
}

/* Gives calls ids, and the results that follow them, in order. Only turns made here are changed. */
static bool add_call_ids(const json_t *from, json_t *messages)
{
    int made = 0, answered = 0;
    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *message = json_array_get(messages, i), *calls = json_object_get(message, "tool_calls");
        if (!json_object_get(json_array_get(from, i), "from"))
            continue;
        for (size_t k = 0; k < json_array_size(calls); k++)
            if (json_object_set_new(json_array_get(calls, k), "id", json_sprintf("call%05d", made++)))
                return false;
        const char *role = json_string_value(json_object_get(message, "role"));
        if (role && !strcmp(role, "tool") && answered < made &&
            json_object_set_new(message, "tool_call_id", json_sprintf("call%05d", answered++)))
            return false;
    }
    return true;
}

json_t *lt_examples_messages(const lt_json *at, const lt_examples_row_options *options, lt_error *err)
{
    if (!lt_json_array(at, err))
        return NULL;
    if (json_array_size(at->value) == 0) {
        lt_json_error(at, err, LT_ERR_FORMAT, "expected at least one message, found an empty list");
        return NULL;
    }
    json_t *messages = json_array();
    for (size_t i = 0; messages && i < json_array_size(at->value); i++) {
        lt_json element = lt_json_element(at, i);
        json_t *message = lt_examples_message(&element, options, err);
        if (!message) {
            json_decref(messages);
            return NULL;
        }
        if (json_array_append_new(messages, message)) {
            json_decref(messages);
            messages = NULL;
        }
    }
    if (messages && options->call_ids && !add_call_ids(at->value, messages)) {
        json_decref(messages);
        messages = NULL;
    }
    if (!messages)
        lt_json_error(at, err, LT_ERR_MEMORY, "out of memory");
    return messages;
}

/* ---- tools ---- */

/* {"name", "parameters", …} alone, as ShareGPT data has it, becomes {"type": "function", "function": {…}}. */
static json_t *wrapped_tool(json_t *tool)
{
    if (json_object_get(tool, "function") || json_object_get(tool, "type") || !json_object_get(tool, "name"))
        return json_incref(tool);
    return json_pack("{s:s,s:O}", "type", "function", "function", tool);
}

bool lt_examples_tools(const lt_json *at, bool wrap, json_t **tools, lt_error *err)
{
    json_t *parsed = NULL, *list = NULL;
    const json_t *given = at->value;
    const char *text;
    bool ok = false;
    *tools = NULL;
    if (json_is_string(given)) {
        text = json_string_value(given);
        if (!text[strspn(text, " \t\r\n")])
            return true;
        parsed = parse(given);
        if (!parsed)
            return lt_json_error(at, err, LT_ERR_FORMAT, "expected a list of tools as JSON, found \"%.100s\"", text);
        given = parsed;
    }
    if (!json_is_array(given)) {
        lt_json_error(at, err, LT_ERR_FORMAT, "expected a list of tools, found %s", lt_json_type_name(given));
        goto done;
    }
    list = json_array();
    for (size_t i = 0; list && i < json_array_size(given); i++) {
        json_t *tool = json_array_get(given, i);
        if (!json_is_object(tool)) {
            lt_json_error(at, err, LT_ERR_FORMAT, "expected tools that are objects, found %s as number %zu",
                          lt_json_type_name(tool), i + 1);
            goto done;
        }
        if (json_array_append_new(list, wrap ? wrapped_tool(tool) : json_incref(tool)))
            break;
    }
    if (!list || json_array_size(list) != json_array_size(given)) {
        lt_json_error(at, err, LT_ERR_MEMORY, "out of memory");
        goto done;
    }
    ok = true;
    if (json_array_size(list)) /* an empty list is none: some templates would announce tools and name none */
        *tools = json_incref(list);
done:
    json_decref(list);
    json_decref(parsed);
    return ok;
}
