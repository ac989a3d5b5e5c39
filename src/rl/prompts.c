#include "rl/prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lt_prompts {
    lt_prompts_options o;
    lt_dataset *data;
    int64_t too_long;
};

void lt_prompt_free(lt_prompt *p)
{
    json_decref(p->row);
    json_decref(p->asked);
    free(p->text);
    free(p->reference);
    lt_ids_free(&p->ids);
    *p = (lt_prompt){0};
}

bool lt_prompts_open(lt_prompts **out, const lt_prompts_options *o, lt_error *err)
{
    lt_prompts *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    p->o = *o;
    lt_dataset_options how = {.fields = o->fields, .accept = LT_DATASET_BIT(LT_DATASET_PROMPT) | LT_DATASET_BIT(LT_DATASET_PROMPT_COMPLETION) |
                                                             LT_DATASET_BIT(LT_DATASET_MESSAGES)};
    bool ok = !o->prompt_template || strstr(o->prompt_template, "{prompt}") ||
              lt_error_set(err, LT_ERR_USAGE, "prompt_template: expected {prompt} somewhere, found '%s'", o->prompt_template);
    if (!ok || !lt_dataset_open(&p->data, o->files, o->file_count, &how, err)) {
        lt_prompts_close(p);
        return false;
    }
    *out = p;
    return true;
}

void lt_prompts_close(lt_prompts *p)
{
    if (!p)
        return;
    lt_dataset_close(p->data);
    free(p);
}

int64_t lt_prompts_too_long(const lt_prompts *p) { return p->too_long; }

/* ---- the row's own answer ---- */

/* A string, a number, or the text of the last message of a list. New string or NULL. */
static char *text_of(const json_t *value, size_t *size)
{
    char number[64];
    if (json_is_array(value))
        value = json_object_get(json_array_get(value, json_array_size(value) - 1), "content");
    if (json_is_string(value)) {
        *size = json_string_length(value);
        char *copy = malloc(*size + 1);
        return copy ? memcpy(copy, json_string_value(value), *size + 1) : NULL;
    }
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(number, sizeof number, "%s", json_is_true(value) ? "true" : "false");
    else
        return NULL;
    *size = strlen(number);
    return strdup(number);
}

/* ---- the prompt ---- */

static json_t *filled_in(const char *pattern, const json_t *text)
{
    const char *hole = strstr(pattern, "{prompt}"), *rest = hole + strlen("{prompt}");
    size_t before = (size_t)(hole - pattern), n = json_string_length(text), after = strlen(rest);
    char *all = malloc(before + n + after + 1);
    if (!all)
        return NULL;
    memcpy(all, pattern, before);
    memcpy(all + before, json_string_value(text), n);
    memcpy(all + before + n, rest, after + 1);
    json_t *out = json_stringn(all, before + n + after);
    free(all);
    return out;
}

static bool has_system(const json_t *messages)
{
    const char *role = json_string_value(json_object_get(json_array_get(messages, 0), "role"));
    return role && !strcmp(role, "system");
}

/* Messages before the last assistant turn; *answer is that turn's content. NULL when there is none to answer. */
static json_t *asked_messages(const json_t *messages, const json_t **answer)
{
    size_t last = json_array_size(messages);
    *answer = NULL;
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        const char *role = json_string_value(json_object_get(message, "role"));
        if (role && !strcmp(role, "assistant")) {
            last = i;
            *answer = json_object_get(message, "content");
        }
    }
    json_t *asked = json_array();
    for (size_t i = 0; i < last; i++)
        json_array_append(asked, json_array_get(messages, i));
    return asked;
}

/* The prompt as new rows have it. */
static json_t *shape_prompt(const lt_prompts *p, const json_t *prompt)
{
    const lt_prompts_options *o = &p->o;
    json_t *asked = json_is_string(prompt) && o->prompt_template ? filled_in(o->prompt_template, prompt) : json_incref((json_t *)prompt);
    if (json_is_string(asked) && (o->conversation || o->system)) {
        json_t *messages = json_pack("[{s:s, s:O}]", "role", "user", "content", asked);
        json_decref(asked);
        asked = messages;
    }
    if (json_is_array(asked) && o->system && !has_system(asked)) {
        json_t *messages = json_pack("[{s:s, s:s}]", "role", "system", "content", o->system);
        if (messages)
            json_array_extend(messages, asked);
        json_decref(asked);
        asked = messages;
    }
    return asked;
}

static bool render(const lt_prompts *p, lt_prompt *out, const char *where, lt_error *err)
{
    const lt_tokenizer *tokenizer = p->o.tokenizer;
    if (json_is_string(out->asked)) {
        out->text = text_of(out->asked, &out->text_size);
        return (out->text || lt_error_set(err, LT_ERR_MEMORY, "out of memory")) &&
               lt_tokenizer_encode(tokenizer, out->text, out->text_size, LT_ENCODE_ADD_SPECIAL, &out->ids, err);
    }
    lt_chat_request request = {.messages = out->asked, .tools = json_object_get(out->row, "tools"), .add_generation_prompt = true};
    lt_jinja_buffer text = {0};
    if (!json_is_array(out->asked) || !json_array_size(out->asked))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a prompt, a string or a list of messages", where);
    if (!p->o.chat)
        return lt_error_set(err, LT_ERR_USAGE, "%s: a conversation needs a chat template, and the model has none", where);
    if (json_is_null(request.tools))
        request.tools = NULL;
    bool ok = lt_chat_render(p->o.chat, &request, &text, err) || lt_error_context(err, "%s", where);
    if (ok && !(out->text = malloc(text.size + 1)))
        ok = lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (ok) {
        memcpy(out->text, text.data ? text.data : "", text.size);
        out->text[out->text_size = text.size] = '\0';
        ok = lt_tokenizer_encode(tokenizer, out->text, out->text_size, 0, &out->ids, err);
    }
    lt_jinja_buffer_free(&text);
    return ok;
}

static bool make(const lt_prompts *p, const lt_dataset_row *row, bool need_reference, lt_prompt *out, lt_error *err)
{
    char where[4200];
    const json_t *answer = NULL, *own = json_object_get(row->json, p->o.answer_field ? p->o.answer_field : "answer");
    json_t *prompt;
    snprintf(where, sizeof where, "%s:%lld", row->path, (long long)row->line);
    if (row->kind == LT_DATASET_MESSAGES) {
        prompt = asked_messages(json_object_get(row->json, "messages"), &answer);
    } else {
        prompt = json_incref(json_object_get(row->json, "prompt"));
        answer = json_object_get(row->json, "completion");
    }
    if (own && !json_is_null(own))
        answer = own;
    out->index = row->index;
    out->row = json_deep_copy(row->json);
    out->asked = shape_prompt(p, prompt);
    json_decref(prompt);
    if (!out->row || !out->asked)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row");
    out->reference = answer ? text_of(answer, &out->reference_size) : NULL;
    if (need_reference && !out->reference)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: the scorer compares with an answer, and the row has none under '%s'", where,
                            p->o.answer_field ? p->o.answer_field : "answer");
    return render(p, out, where, err);
}

bool lt_prompts_next(lt_prompts *p, bool need_reference, lt_prompt *out, bool *end, lt_error *err)
{
    for (;;) {
        lt_dataset_row row;
        *out = (lt_prompt){0};
        if (!lt_dataset_next(p->data, &row, err))
            return false;
        *end = !row.json;
        if (*end)
            return true;
        if (!make(p, &row, need_reference, out, err)) {
            lt_prompt_free(out);
            return false;
        }
        if ((int64_t)out->ids.count <= p->o.max_length && out->ids.count > 0)
            return true;
        p->too_long += out->ids.count > 0;
        lt_prompt_free(out);
    }
}

bool lt_prompts_read_all(lt_prompts *p, bool need_reference, lt_prompt **list, int64_t *count, lt_error *err)
{
    int64_t capacity = 0;
    bool end = false;
    *list = NULL;
    *count = 0;
    for (;;) {
        if (*count == capacity) {
            capacity = 2 * capacity + 64;
            lt_prompt *grown = realloc(*list, (size_t)capacity * sizeof *grown);
            if (!grown)
                return lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld prompts", (long long)capacity);
            *list = grown;
        }
        if (!lt_prompts_next(p, need_reference, &(*list)[*count], &end, err))
            return false;
        if (end)
            break;
        ++*count;
    }
    return *count > 0 || lt_error_set(err, LT_ERR_USAGE, "no prompt is left: %lld are longer than %lld tokens", (long long)p->too_long,
                                      (long long)p->o.max_length);
}

void lt_prompts_free_all(lt_prompt *list, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        lt_prompt_free(&list[i]);
    free(list);
}
