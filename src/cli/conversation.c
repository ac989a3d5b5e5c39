#include "cli/conversation.h"

#include <stdlib.h>

#include "core/file.h"
#include "text/jinja.h"

/* As Python reads it for a template: integers of any size. */
static json_t *load(const char *path, lt_error *err)
{
    enum { LIMIT_BYTES = 64 << 20 };
    char *text;
    size_t size;
    if (!lt_file_read(path, LIMIT_BYTES, &text, &size, err))
        return NULL;
    json_t *json = lt_jinja_parse_json(path, text, size, err);
    free(text);
    return json;
}

bool lt_conversation_load(const char *messages_file, const char *tools_file, json_t **document, json_t **tools,
                          lt_chat_request *request, lt_error *err)
{
    *document = *tools = NULL;
    json_t *root = *document = load(messages_file, err);
    if (!root)
        return false;
    request->messages = json_is_object(root) ? json_object_get(root, "messages") : root;
    request->tools = json_is_object(root) ? json_object_get(root, "tools") : NULL;
    request->documents = json_is_object(root) ? json_object_get(root, "documents") : NULL;
    if (!json_is_array(request->messages) || json_array_size(request->messages) == 0)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a list of messages, or an object with a list 'messages'", messages_file);
    if (!tools_file)
        return true;
    *tools = load(tools_file, err);
    if (*tools && !json_is_array(*tools))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a list of tools", tools_file);
    request->tools = *tools;
    return *tools != NULL;
}
