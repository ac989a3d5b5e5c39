/* Rendering conversations; see chat.h. Loading is in chat_open.c, loss masks in chat_mask.c. */
#include "text/chat.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/chat_internal.h"

const char *lt_chat_special_token(const lt_chat *chat, const char *name)
{
    return json_string_value(json_object_get(chat->special_tokens, name));
}

static const lt_jinja_template *find_template(const lt_chat *chat, const char *name)
{
    for (int i = 0; i < chat->count; i++)
        if (strcmp(chat->templates[i].name, name) == 0)
            return chat->templates[i].template;
    return NULL;
}

const lt_jinja_template *lt_chat_pick(const lt_chat *chat, bool tools, lt_error *err)
{
    assert(chat->count > 0);
    if (chat->count == 1)
        return chat->templates[0].template;
    const lt_jinja_template *found = tools && !chat->fixed ? find_template(chat, "tool_use") : NULL;
    if (!found)
        found = find_template(chat, "default");
    if (found)
        return found;
    char names[400] = "";
    for (int i = 0; i < chat->count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s'%s'", i ? ", " : "", chat->templates[i].name);
    }
    lt_error_set(err, LT_ERR_USAGE,
                 "%s: there are several chat templates and none is the default; choose one with "
                 "--chat-template: %s",
                 chat->name, names);
    return NULL;
}

/* ---- messages -------------------------------------------------------------------------------------------------- */

/* The names under which the reasoning of a message is given; the first is what templates read. */
static const char *const REASONING[] = {"reasoning_content", "thinking", "reasoning"};

json_t *lt_chat_normal_message(const json_t *message)
{
    const json_t *reasoning = NULL;
    const char *key;
    json_t *value, *normal = json_object();
    for (size_t i = 0; i < sizeof REASONING / sizeof *REASONING && !reasoning; i++) {
        reasoning = json_object_get(message, REASONING[i]);
        reasoning = json_is_null(reasoning) ? NULL : reasoning;
    }
    bool ok = normal != NULL;
    if (reasoning)
        ok = ok && json_object_set(normal, "thinking", (json_t *)reasoning) == 0;
    json_object_foreach((json_t *)message, key, value) if (!json_is_null(value)) ok =
        ok && json_object_set(normal, key, value) == 0;
    if (reasoning)
        ok = ok && json_object_set(normal, REASONING[0], (json_t *)reasoning) == 0;
    if (ok)
        return normal;
    json_decref(normal);
    return NULL;
}

static json_t *normal_messages(const lt_chat *chat, const json_t *messages, lt_error *err)
{
    if (!json_is_array(messages) || json_array_size(messages) == 0) {
        lt_error_set(err, LT_ERR_USAGE, "%s: a conversation is a list of at least one message", chat->name);
        return NULL;
    }
    json_t *normal = json_array();
    for (size_t i = 0; normal && i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        if (!json_is_object(message)) {
            lt_error_set(err, LT_ERR_USAGE, "%s: message %zu is not an object with role and content", chat->name, i);
            json_decref(normal);
            return NULL;
        }
        if (json_array_append_new(normal, lt_chat_normal_message(message)) != 0) {
            json_decref(normal);
            normal = NULL;
        }
    }
    if (!normal)
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", chat->name);
    return normal;
}

/* tools, documents: absent, null, or an array of objects. */
static bool check_objects(const lt_chat *chat, const json_t *list, const char *what, lt_error *err)
{
    if (!list || json_is_null(list))
        return true;
    if (!json_is_array(list))
        return lt_error_set(err, LT_ERR_USAGE, "%s: %s must be a list of objects", chat->name, what);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_object(json_array_get(list, i)))
            return lt_error_set(err, LT_ERR_USAGE, "%s: %s[%zu] is not an object", chat->name, what, i);
    return true;
}

static bool check_variables(const lt_chat *chat, const json_t *variables, lt_error *err)
{
    static const char *const RESERVED[] = {"messages", "tools", "documents", "add_generation_prompt"};
    if (!variables || json_is_null(variables))
        return true;
    if (!json_is_object(variables))
        return lt_error_set(err, LT_ERR_USAGE, "%s: the template's variables must be an object", chat->name);
    for (size_t i = 0; i < sizeof RESERVED / sizeof *RESERVED; i++)
        if (json_object_get(variables, RESERVED[i]))
            return lt_error_set(err, LT_ERR_USAGE, "%s: the template variable '%s' is given by the conversation itself",
                                chat->name, RESERVED[i]);
    return true;
}

static bool set_shared(json_t *object, const char *key, const json_t *value)
{
    return json_object_set_new(object, key, value ? json_incref((json_t *)value) : json_null()) == 0;
}

json_t *lt_chat_context(const lt_chat *chat, const lt_chat_request *request, lt_error *err)
{
    if (!check_objects(chat, request->tools, "tools", err) ||
        !check_objects(chat, request->documents, "documents", err) || !check_variables(chat, request->variables, err))
        return NULL;
    json_t *messages = normal_messages(chat, request->messages, err);
    if (!messages)
        return NULL;
    json_t *context = json_object();
    bool ok =
        context && set_shared(context, "messages", messages) && set_shared(context, "tools", request->tools) &&
        set_shared(context, "documents", request->documents) &&
        json_object_set_new(context, "add_generation_prompt", json_boolean(request->add_generation_prompt)) == 0 &&
        json_object_update(context, chat->special_tokens) == 0;
    if (ok && json_is_object(request->variables))
        ok = json_object_update(context, (json_t *)request->variables) == 0;
    json_decref(messages);
    if (ok)
        return context;
    json_decref(context);
    lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", chat->name);
    return NULL;
}

bool lt_chat_render(const lt_chat *chat, const lt_chat_request *request, lt_jinja_buffer *out, lt_error *err)
{
    bool tools = request->tools && !json_is_null(request->tools);
    const lt_jinja_template *template = lt_chat_pick(chat, tools, err);
    json_t *context = template ? lt_chat_context(chat, request, err) : NULL;
    if (!context)
        return false;
    lt_jinja_options options = {.limits = request->limits, .now = request->now};
    bool ok = lt_jinja_render(template, context, &options, out, err);
    json_decref(context);
    return ok;
}

/* ---- conversations from other rows ----------------------------------------------------------------------------- */

static bool append_message(json_t *messages, const char *role, const char *content)
{
    json_t *message = json_object();
    return json_object_set_new(message, "role", json_string(role)) == 0 &&
           json_object_set_new(message, "content", json_string(content)) == 0 &&
           json_array_append_new(messages, message) == 0;
}

json_t *lt_chat_messages_make(const char *system, const char *user, const char *assistant)
{
    json_t *messages = json_array();
    if (messages && (!system || append_message(messages, "system", system)) && append_message(messages, "user", user) &&
        (!assistant || append_message(messages, "assistant", assistant)))
        return messages;
    json_decref(messages);
    return NULL;
}

/* Adds a string as one message, or an array of messages. */
static bool append_part(json_t *messages, const json_t *part, const char *role)
{
    if (json_is_array(part))
        return json_array_extend(messages, (json_t *)part) == 0;
    if (!json_is_string(part))
        return false;
    json_t *message = json_object();
    return json_object_set_new(message, "role", json_string(role)) == 0 &&
           json_object_set(message, "content", (json_t *)part) == 0 && json_array_append_new(messages, message) == 0;
}

json_t *lt_chat_messages_join(const json_t *prompt, const json_t *completion, size_t *first_trained)
{
    json_t *messages = json_array();
    if (messages && append_part(messages, prompt, "user")) {
        *first_trained = json_array_size(messages);
        if (append_part(messages, completion, "assistant"))
            return messages;
    }
    json_decref(messages);
    return NULL;
}
