#include "text/examples_row.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "formats/json.h"
#include "text/chat.h"
#include "text/examples_message.h"

typedef struct maker {
    lt_examples_row *out;
    const lt_examples_row_options *options;
    lt_json row;
    lt_error *err;
} maker;

static bool no_memory(maker *m)
{
    return lt_json_error(&m->row, m->err, LT_ERR_MEMORY, "out of memory");
}

/* Takes a new reference that may be NULL. */
static bool keep(maker *m, json_t **place, json_t *made)
{
    json_decref(*place);
    *place = made;
    return made || no_memory(m);
}

/* The string at a key; *text stays NULL when it is absent and not needed. Borrowed. */
static bool string_at(maker *m, const char *key, bool needed, json_t **text)
{
    lt_json at;
    const char *unused;
    *text = NULL;
    if (!lt_json_member(&m->row, key, &at))
        return !needed || lt_json_error(&m->row, m->err, LT_ERR_FORMAT, "expected a field '%s', found none", key);
    *text = (json_t *)at.value;
    return lt_json_string(&at, &unused, m->err);
}

static json_t *message(const char *role, json_t *content)
{
    return json_pack("{s:s,s:O}", "role", role, "content", content);
}

static json_t *list_of_one(json_t *made)
{
    json_t *list = made ? json_pack("[o]", made) : NULL;
    return list;
}

static bool append(maker *m, json_t *list, json_t *made)
{
    return (made && !json_array_append_new(list, made)) || no_memory(m);
}

static const char *role_of(const json_t *messages, size_t i)
{
    const char *role = json_string_value(json_object_get(json_array_get(messages, i), "role"));
    return role ? role : "";
}

/* Moves the messages from `from` on out of list into a new list. */
static json_t *split_off(json_t *list, size_t from)
{
    json_t *rest = json_array();
    for (size_t i = from; rest && i < json_array_size(list); i++)
        if (json_array_append(rest, json_array_get(list, i))) {
            json_decref(rest);
            return NULL;
        }
    while (rest && json_array_size(list) > from)
        json_array_remove(list, json_array_size(list) - 1);
    return rest;
}

/* ---- the kinds ---- */

/* One turn or several: a string is a turn of `role`, a list and a single object are messages. */
static json_t *turns(maker *m, const lt_json *at, const char *role)
{
    json_t *made;
    if (json_is_string(at->value))
        made = list_of_one(message(role, (json_t *)at->value));
    else if (json_is_object(at->value)) {
        json_t *one = lt_examples_message(at, m->options, m->err);
        if (!one)
            return NULL;
        made = list_of_one(one);
    } else if (json_is_array(at->value))
        return lt_examples_messages(at, m->options, m->err);
    else {
        lt_json_error(at, m->err, LT_ERR_FORMAT, "expected a string or a list of messages, found %s",
                      lt_json_type_name(at->value));
        return NULL;
    }
    if (!made)
        no_memory(m);
    return made;
}

/* The conversation under `key`; in ShareGPT's form the row's `system` comes first where it has none of its own. */
static bool conversation(maker *m, const char *key, json_t **out)
{
    lt_json at;
    json_t *system;
    if (!lt_json_member(&m->row, key, &at))
        return lt_json_error(&m->row, m->err, LT_ERR_FORMAT, "expected a field '%s', found none", key);
    *out = lt_examples_messages(&at, m->options, m->err);
    if (!*out)
        return false;
    if (strcmp(key, "conversations"))
        return true;
    if (!string_at(m, "system", false, &system))
        return false;
    if (!system || !json_string_length(system) || !strcmp(role_of(*out, 0), "system"))
        return true;
    json_t *first = message("system", system);
    return (first && !json_array_insert_new(*out, 0, first)) || no_memory(m);
}

static bool make_messages(maker *m, const char *key)
{
    m->out->chat = true;
    m->out->answers = 1;
    return keep(m, &m->out->prompt, json_array()) && conversation(m, key, &m->out->answer[0]);
}

static bool make_prompt_completion(maker *m, const char *answer_key)
{
    lt_json prompt, answer;
    if (!lt_json_member(&m->row, "prompt", &prompt) || !lt_json_member(&m->row, answer_key, &answer))
        return lt_json_error(&m->row, m->err, LT_ERR_FORMAT, "expected the fields 'prompt' and '%s'", answer_key);
    m->out->answers = 1;
    if (json_is_string(prompt.value) && json_is_string(answer.value))
        return keep(m, &m->out->prompt, json_incref((json_t *)prompt.value)) &&
               keep(m, &m->out->answer[0], json_incref((json_t *)answer.value));
    m->out->chat = true;
    m->out->prompt = turns(m, &prompt, "user");
    m->out->answer[0] = m->out->prompt ? turns(m, &answer, "assistant") : NULL;
    return m->out->answer[0] != NULL;
}

static bool make_prompt(maker *m)
{
    lt_json prompt;
    if (!lt_json_member(&m->row, "prompt", &prompt))
        return lt_json_error(&m->row, m->err, LT_ERR_FORMAT, "expected a field 'prompt', found none");
    m->out->chat = !json_is_string(prompt.value);
    m->out->prompt = m->out->chat ? turns(m, &prompt, "user") : json_incref((json_t *)prompt.value);
    return m->out->prompt != NULL;
}

static bool make_text(maker *m)
{
    json_t *text;
    m->out->answers = 1;
    return keep(m, &m->out->prompt, json_string("")) && string_at(m, "text", true, &text) &&
           keep(m, &m->out->answer[0], json_incref(text));
}

/* Checks `history`: a list of pairs of strings. */
static bool history_at(maker *m, lt_json *history, size_t *count)
{
    *count = 0;
    if (!lt_json_member(&m->row, "history", history))
        return true;
    if (!lt_json_array(history, m->err))
        return false;
    for (size_t i = 0; i < json_array_size(history->value); i++) {
        lt_json pair = lt_json_element(history, i);
        const json_t *said = json_array_get(pair.value, 0), *answered = json_array_get(pair.value, 1);
        if (json_array_size(pair.value) != 2 || !json_is_string(said) || !json_is_string(answered))
            return lt_json_error(&pair, m->err, LT_ERR_FORMAT,
                                 "expected a pair of strings, what was said and what was answered");
    }
    *count = json_array_size(history->value);
    return true;
}

typedef struct instruction {
    json_t *text, *input, *system; /* borrowed; input and system may be NULL, and are then or when empty left out */
    lt_json history;
    size_t history_count;
} instruction;

static bool instruction_at(maker *m, instruction *in)
{
    if (!string_at(m, "instruction", true, &in->text) || !string_at(m, "input", false, &in->input) ||
        !string_at(m, "system", false, &in->system) || !history_at(m, &in->history, &in->history_count))
        return false;
    in->input = in->input && json_string_length(in->input) ? in->input : NULL;
    in->system = in->system && json_string_length(in->system) ? in->system : NULL;
    return true;
}

static json_t *said_before(const instruction *in, size_t i, size_t which)
{
    return json_array_get(json_array_get(in->history.value, i), which);
}

static bool instruction_as_chat(maker *m, const instruction *in)
{
    json_t *list = json_array();
    if (!keep(m, &m->out->prompt, list) || (in->system && !append(m, list, message("system", in->system))))
        return false;
    for (size_t i = 0; i < in->history_count; i++)
        if (!append(m, list, message("user", said_before(in, i, 0))) ||
            !append(m, list, message("assistant", said_before(in, i, 1))))
            return false;
    json_t *asked = in->input ? json_sprintf("%s\n%s", json_string_value(in->text), json_string_value(in->input))
                              : json_incref(in->text);
    bool ok = append(m, list, asked ? message("user", asked) : NULL);
    json_decref(asked);
    return ok;
}

/* The form of Stanford Alpaca (github.com/tatsu-lab/stanford_alpaca), the published prompt of that model. */
static bool instruction_as_text(maker *m, const instruction *in)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return no_memory(m);
    if (in->system)
        fprintf(out, "%s", json_string_value(in->system));
    else
        fprintf(out,
                "Below is an instruction that describes a task%s. Write a response that appropriately completes the "
                "request.",
                in->input ? ", paired with an input that provides further context" : "");
    for (size_t i = 0; i < in->history_count; i++)
        fprintf(out, "\n\n### Instruction:\n%s\n\n### Response:\n%s", json_string_value(said_before(in, i, 0)),
                json_string_value(said_before(in, i, 1)));
    fprintf(out, "\n\n### Instruction:\n%s", json_string_value(in->text));
    if (in->input)
        fprintf(out, "\n\n### Input:\n%s", json_string_value(in->input));
    fprintf(out, "\n\n### Response:\n");
    bool ok = fclose(out) == 0 && keep(m, &m->out->prompt, json_stringn(text, size));
    free(text);
    return ok;
}

static bool instruction_prompt(maker *m)
{
    instruction in;
    if (!instruction_at(m, &in))
        return false;
    m->out->chat = m->options->has_template;
    return m->out->chat ? instruction_as_chat(m, &in) : instruction_as_text(m, &in);
}

/* An answer in the form the row has taken. */
static bool answer_at(maker *m, const char *key, int which)
{
    lt_json at;
    if (!lt_json_member(&m->row, key, &at))
        return lt_json_error(&m->row, m->err, LT_ERR_FORMAT, "expected a field '%s', found none", key);
    const char *unused;
    if (m->out->chat)
        m->out->answer[which] = turns(m, &at, "assistant");
    else if (lt_json_string(&at, &unused, m->err))
        m->out->answer[which] = json_incref((json_t *)at.value);
    return m->out->answer[which] != NULL;
}

static bool make_instruction(maker *m)
{
    m->out->answers = 1;
    return instruction_prompt(m) && answer_at(m, "output", 0);
}

/* ---- preferences ---- */

/* What both lists begin with becomes the prompt. Lists that are alike keep their last message as the answer. */
static bool split_messages(maker *m)
{
    json_t *a = m->out->answer[0], *b = m->out->answer[1];
    size_t least = json_array_size(a) < json_array_size(b) ? json_array_size(a) : json_array_size(b), same = 0;
    while (same + 1 < least && json_equal(json_array_get(a, same), json_array_get(b, same)))
        same++;
    json_t *rest[2] = {split_off(a, same), split_off(b, same)};
    m->out->prompt = a;
    m->out->answer[0] = rest[0];
    m->out->answer[1] = rest[1];
    json_decref(b);
    return (rest[0] && rest[1]) || no_memory(m);
}

/* What both strings begin with becomes the prompt, without a space at its end, as TRL does it; by whole characters. */
static bool split_strings(maker *m)
{
    const char *a = json_string_value(m->out->answer[0]), *b = json_string_value(m->out->answer[1]);
    size_t na = json_string_length(m->out->answer[0]), nb = json_string_length(m->out->answer[1]),
           least = na < nb ? na : nb, same = 0;
    while (same < least && a[same] == b[same])
        same++;
    bool differ = same < least;
    if (!differ && same > 0) /* one begins with all of the other: at least a character is left */
        same--;
    while (same > 0 && ((unsigned char)a[same] & 0xC0) == 0x80)
        same--;
    if (differ && same > 0 && a[same - 1] == ' ')
        same--;
    json_t *parts[3] = {json_stringn(a, same), json_stringn(a + same, na - same), json_stringn(b + same, nb - same)};
    /* All three are handed over, whatever becomes of the others. */
    bool prompt = keep(m, &m->out->prompt, parts[0]), chosen = keep(m, &m->out->answer[0], parts[1]),
         rejected = keep(m, &m->out->answer[1], parts[2]);
    return prompt && chosen && rejected;
}

static bool starts_with_the_user(const lt_json *at)
{
    const json_t *first = json_array_get(at->value, 0);
    const char *role = json_string_value(json_object_get(first, json_object_get(first, "role") ? "role" : "from"));
    return role && (!strcmp(role, "user") || !strcmp(role, "system") || !strcmp(role, "human"));
}

static bool preference_prompt(maker *m, const lt_json *chosen, bool *implicit)
{
    lt_json prompt;
    *implicit = false;
    if (lt_json_has(&m->row, "conversations")) {
        m->out->chat = true;
        return conversation(m, "conversations", &m->out->prompt);
    }
    if (lt_json_has(&m->row, "instruction") && !json_is_array(chosen->value))
        return instruction_prompt(m);
    bool has_prompt = lt_json_member(&m->row, "prompt", &prompt);
    m->out->chat = !json_is_string(chosen->value) || (has_prompt && !json_is_string(prompt.value));
    *implicit =
        !has_prompt || (json_is_string(prompt.value) && json_is_array(chosen->value) && starts_with_the_user(chosen));
    if (*implicit)
        return true;
    m->out->prompt = m->out->chat ? turns(m, &prompt, "user") : json_incref((json_t *)prompt.value);
    return m->out->prompt != NULL;
}

static bool make_preference(maker *m)
{
    lt_json chosen, rejected, margin;
    bool implicit;
    double value = 0;
    if (!lt_json_member(&m->row, "chosen", &chosen) || !lt_json_member(&m->row, "rejected", &rejected))
        return lt_json_error(&m->row, m->err, LT_ERR_FORMAT, "expected the fields 'chosen' and 'rejected'");
    if (json_typeof(chosen.value) != json_typeof(rejected.value))
        return lt_json_error(&rejected, m->err, LT_ERR_FORMAT, "expected %s as 'chosen' is, found %s",
                             lt_json_type_name(chosen.value), lt_json_type_name(rejected.value));
    if (lt_json_member(&m->row, "margin", &margin) && !lt_json_real(&margin, &value, m->err))
        return false;
    m->out->value = (float)value;
    m->out->answers = 2;
    if (!preference_prompt(m, &chosen, &implicit) || !answer_at(m, "chosen", 0) || !answer_at(m, "rejected", 1))
        return false;
    return !implicit || (m->out->chat ? split_messages(m) : split_strings(m));
}

static bool make_unpaired(maker *m)
{
    lt_json label;
    bool desirable;
    if (!lt_json_member(&m->row, "label", &label) || !lt_json_bool(&label, &desirable, m->err))
        return lt_json_has(&m->row, "label")
                   ? false
                   : lt_json_error(&m->row, m->err, LT_ERR_FORMAT, "expected a field 'label', found none");
    m->out->value = desirable ? 1.0f : 0.0f;
    if (lt_json_has(&m->row, "completion"))
        return make_prompt_completion(m, "completion");
    m->out->chat = true;
    m->out->answers = 1;
    if (!conversation(m, lt_json_has(&m->row, "messages") ? "messages" : "conversations", &m->out->prompt))
        return false;
    return keep(m, &m->out->answer[0], split_off(m->out->prompt, json_array_size(m->out->prompt) - 1));
}

/* ---- all ---- */

static bool has_tool_calls(const json_t *messages)
{
    for (size_t i = 0; i < json_array_size(messages); i++)
        if (json_array_size(json_object_get(json_array_get(messages, i), "tool_calls")) > 0)
            return true;
    return false;
}

static bool make(maker *m, lt_dataset_kind kind)
{
    switch (kind) {
    case LT_DATASET_TEXT:
    case LT_DATASET_TEXT_LABEL:
        return make_text(m);
    case LT_DATASET_MESSAGES:
        return make_messages(m, "messages");
    case LT_DATASET_CONVERSATIONS:
        return make_messages(m, "conversations");
    case LT_DATASET_PROMPT_COMPLETION:
        return make_prompt_completion(m, "completion");
    case LT_DATASET_INSTRUCTION:
        return make_instruction(m);
    case LT_DATASET_PREFERENCE:
        return make_preference(m);
    case LT_DATASET_UNPAIRED:
        return make_unpaired(m);
    case LT_DATASET_PROMPT:
        return make_prompt(m);
    default:
        break;
    }
    assert(!"rows of token ids have no text");
    return false;
}

static bool add_tools_and_variables(maker *m)
{
    lt_json at;
    if (lt_json_member(&m->row, "tools", &at) &&
        !lt_examples_tools(&at, lt_json_has(&m->row, "conversations"), &m->out->tools, m->err))
        return false;
    if (!lt_json_member(&m->row, "chat_template_kwargs", &at))
        return true;
    m->out->variables = json_incref((json_t *)at.value);
    return lt_json_object(&at, m->err);
}

bool lt_examples_row_make(lt_examples_row *out, const lt_dataset_row *row, const lt_examples_row_options *options,
                          lt_error *err)
{
    char where[512];
    snprintf(where, sizeof where, "%s:%lld", row->path, (long long)row->line);
    *out = (lt_examples_row){.chat = false};
    maker m = {.out = out, .options = options, .row = lt_json_root(row->json, where), .err = err};
    if (!make(&m, row->kind) || (out->chat && !add_tools_and_variables(&m))) {
        lt_examples_row_free(out);
        return false;
    }
    if (out->chat)
        out->has_tool_calls =
            has_tool_calls(out->prompt) || has_tool_calls(out->answer[0]) || has_tool_calls(out->answer[1]);
    return true;
}

void lt_examples_row_free(lt_examples_row *row)
{
    json_decref(row->prompt);
    json_decref(row->answer[0]);
    json_decref(row->answer[1]);
    json_decref(row->tools);
    json_decref(row->variables);
    *row = (lt_examples_row){.chat = false};
}
