/* Messages and tools as chat templates want them, from OpenAI's or ShareGPT's spelling. Part of examples_row.c. */
#ifndef LT_TEXT_EXAMPLES_MESSAGE_H
#define LT_TEXT_EXAMPLES_MESSAGE_H

#include <stdbool.h>

#include <jansson.h>

#include "core/error.h"
#include "formats/json.h"
#include "text/examples_row.h"

/* The message at `at`, {role, content} or {from, value}, checked and as {role, content, …}. New reference, or NULL.
 * With calls_as_text a function_call's text is kept as the content of an assistant turn. */
json_t *lt_examples_message(const lt_json *at, const lt_examples_row_options *options, lt_error *err);

/* The same for a list with at least one. */
json_t *lt_examples_messages(const lt_json *at, const lt_examples_row_options *options, lt_error *err);

/* The tools at `at`, a list of objects or a string that holds one as JSON; *tools is a new reference, or NULL when
 * there are none. wrap: bare functions get OpenAI's {"type", "function"} around them. */
bool lt_examples_tools(const lt_json *at, bool wrap, json_t **tools, lt_error *err);

#endif
