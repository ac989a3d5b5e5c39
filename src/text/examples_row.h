/* A row of data, whatever its kind, as one of two things: plain text with a prompt and one or two answers, or a
 * conversation with a beginning and one or two ways it goes on. Checks every field that it uses.
 *
 *   kind                     becomes
 *   text, labelled text      an answer, no prompt
 *   prompt and completion    plain when both are strings (TRL does not put strings into a template); else a
 * conversation, where a string is a user turn or an assistant turn messages, conversations  a conversation of which
 * every assistant turn is an answer instruction              a conversation when the model has a chat template: system,
 * history, user turn (the instruction, then a line break and the input, if any), assistant turn. Else plain, in the
 *                            form of Stanford Alpaca
 *   preference               two answers. Without a prompt it is what both begin with, as TRL splits it. A prompt that
 * is a string beside whole conversations that start with the user is left out: they contain it unpaired preference of a
 * list of messages the last one is the answer prompt                   no answer
 *
 * ShareGPT turns {from, value}: human and user; gpt, chatgpt, bot, model and assistant; system; tool, observation,
 * function_response; function_call holds {"name", "arguments"} or a list of them and becomes a turn with tool_calls.
 * `tools` may be a list or a string that holds one as JSON. Content given as a list of {"type": "text"} parts is
 * joined; other parts are not supported. */
#ifndef LT_TEXT_EXAMPLES_ROW_H
#define LT_TEXT_EXAMPLES_ROW_H

#include <stdbool.h>

#include <jansson.h>

#include "core/error.h"
#include "formats/dataset.h"

typedef struct lt_examples_row {
    bool chat;
    int answers;         /* 0, 1 or 2 */
    json_t *prompt;      /* plain: a string; chat: a list of messages; either may be empty */
    json_t *answer[2];   /* plain: strings; chat: lists of messages; the first is the preferred one */
    json_t *tools;       /* a list that is not empty, or NULL */
    json_t *variables;   /* the row's chat_template_kwargs, or NULL */
    float value;         /* 1 or 0 for unpaired preferences, a preference's margin, else 0 */
    bool has_tool_calls; /* some turn of the conversation has */
} lt_examples_row;

typedef struct lt_examples_row_options {
    bool has_template; /* instruction rows become conversations */
    /* What the template wants of the tool calls that ShareGPT's turns become: */
    bool calls_as_text;         /* it shows no calls: the turn keeps its text */
    bool call_ids;              /* calls and their results have ids */
    bool call_null_content;     /* the turn's content is null, not "" */
    bool call_string_arguments; /* arguments are a string that holds JSON */
} lt_examples_row_options;

/* Not for rows of token ids. *out is owned: free it with lt_examples_row_free. Errors name file, line and field. */
bool lt_examples_row_make(lt_examples_row *out, const lt_dataset_row *row, const lt_examples_row_options *options,
                          lt_error *err);
void lt_examples_row_free(lt_examples_row *row);

#endif
