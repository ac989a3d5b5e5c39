/* Any bytes as a chat template, rendered on a fixed conversation within small limits: an error or a text, in little
 * time and memory. Whatever is rendered is masked too: the spans must lie in order within the text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char CONVERSATION[] =
    "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Gr\\u00fc\\u00dfe \\n\"},"
    "{\"role\":\"assistant\",\"content\":\"<think>\\nhm\\n</"
    "think>\\n\\nHi\",\"tool_calls\":[{\"id\":\"abcdefghi\",\"type\":\"function\","
    "\"function\":{\"name\":\"f\",\"arguments\":{\"x\":[1,2.5,null,true]}}}]},{\"role\":\"tool\",\"content\":\"4\"},"
    "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Four.\"}]},{\"role\":\"user\",\"content\":"
    "\"Bye\"},"
    "{\"role\":\"assistant\",\"content\":\"Bye!\"}]";

static size_t token_length(void *context, const char *text, size_t n)
{
    (void)context;
    const char *end = n > 1 && text[0] == '<' && text[1] == '|' ? memmem(text, n < 32 ? n : 32, "|>", 2) : NULL;
    return end ? (size_t)(end - text) + 2 : 0;
}

static void check_mask(const lt_chat *chat, const lt_chat_request *request, size_t first_trained)
{
    lt_chat_masked masked = {0};
    lt_error err;
    if (lt_chat_render_masked(chat, request, first_trained, token_length, NULL, &masked, &err)) {
        size_t at = 0;
        for (size_t i = 0; i < masked.spans.count; i++) {
            if (masked.spans.items[i].begin < at || masked.spans.items[i].end <= masked.spans.items[i].begin)
                abort();
            at = masked.spans.items[i].end;
        }
        if (at > masked.text.size)
            abort();
    }
    lt_chat_masked_free(&masked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lt_chat *chat;
    lt_error err;
    struct tm now = {.tm_year = 124, .tm_mday = 1};
    lt_jinja_buffer out = {0};
    if (!lt_chat_open_source(&chat, "fuzz", (const char *)data, size, NULL, NULL, &err))
        return 0;
    json_t *messages = lt_jinja_parse_json("conversation", CONVERSATION, sizeof CONVERSATION - 1, &err);
    lt_chat_request request = {.messages = messages, .now = &now, .limits = {100000, 4 << 20, 1 << 20}};
    lt_chat_render(chat, &request, &out, &err);
    check_mask(chat, &request, 0);
    check_mask(chat, &request, 3);
    lt_jinja_buffer_free(&out);
    json_decref(messages);
    lt_chat_close(chat);
    return 0;
}
