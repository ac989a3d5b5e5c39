#include "cli/conversation.h"

#include "cli/output.h"

bool lt_conversation_load(const char *messages_file, const char *tools_file, json_t **document, json_t **tools,
                          lt_chat_request *request, lt_error *err)
{
    *document = *tools = NULL;
    json_t *root = *document = lt_output_load_json(messages_file, err);
    if (!root)
        return false;
    request->messages = json_is_object(root) ? json_object_get(root, "messages") : root;
    request->tools = json_is_object(root) ? json_object_get(root, "tools") : NULL;
    request->documents = json_is_object(root) ? json_object_get(root, "documents") : NULL;
    if (!json_is_array(request->messages) || json_array_size(request->messages) == 0)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a list of messages, or an object with a list 'messages'", messages_file);
    if (!tools_file)
        return true;
    *tools = lt_output_load_json(tools_file, err);
    if (*tools && !json_is_array(*tools))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a list of tools", tools_file);
    request->tools = *tools;
    return *tools != NULL;
}
