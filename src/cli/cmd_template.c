/* lathe template: a conversation as the model reads it. */
#include <stdio.h>

#include "cli/conversation.h"
#include "cli/options.h"
#include "text/chat.h"

static const lt_command_example examples[] = {
    {"lathe template --model SmolLM2-135M-Instruct --messages question.json --add-generation-prompt",
     "the very text that generate gives the model"},
    {"lathe template --chat-template chatml --messages chat.json", "a template without a model"},
    {NULL, NULL},
};

static bool run(lt_options *options, lt_error *err)
{
    json_t *document = NULL, *tools = NULL;
    lt_chat *chat = NULL;
    lt_jinja_buffer text = {0};
    lt_chat_request request = {.add_generation_prompt = options->add_generation_prompt};
    if (!options->model && !options->chat_template)
        return lt_error_set(err, LT_ERR_USAGE, "template needs --model DIR or --chat-template FILE");
    bool ok = lt_conversation_load(options->messages, options->tools, &document, &tools, &request, err);
    if (ok && options->model)
        ok = lt_chat_open(&chat, options->model, options->chat_template, err);
    else if (ok)
        ok = lt_chat_open_source(&chat, options->chat_template, NULL, 0, NULL, options->chat_template, err);
    ok = ok && lt_chat_render(chat, &request, &text, err);
    if (ok)
        fwrite(text.data, 1, text.size, stdout); /* byte for byte: nothing is added or escaped */
    lt_jinja_buffer_free(&text);
    lt_chat_close(chat);
    json_decref(tools);
    json_decref(document);
    return ok;
}

const lt_command lt_cli_template = {
    .id = LT_COMMAND_TEMPLATE,
    .name = "template",
    .section = "Look",
    .summary = "a conversation as the model reads it",
    .usage = "--model DIR --messages FILE",
    .details = "Renders a conversation with the model's own chat template and prints the text byte for byte, without a "
               "newline "
               "of its own.",
    .examples = examples,
    .run = run,
};
