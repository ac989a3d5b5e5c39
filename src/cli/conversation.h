/* Conversations from JSON files. */
#ifndef LT_CLI_CONVERSATION_H
#define LT_CLI_CONVERSATION_H

#include <jansson.h>

#include "core/error.h"
#include "text/chat.h"

/* Fills request's messages, tools and documents from a file that is a list of messages, or an object as a row of data has it; a tools
 * file (may be NULL) wins over the object's own. *document and *tools own what request borrows: decref both, also on failure. */
bool lt_conversation_load(const char *messages_file, const char *tools_file, json_t **document, json_t **tools,
                          lt_chat_request *request, lt_error *err);

#endif
