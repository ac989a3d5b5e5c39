/* What the model is asked: text, token ids or a conversation, with examples before it when there are some. */
#ifndef LT_CLI_PROMPT_H
#define LT_CLI_PROMPT_H

#include "cli/session.h"

/* The prompt that --prompt, --prompt-ids or --messages (and --tools, --examples) say, as tokens. Appends to ids. */
bool lt_prompt_make(const lt_api_model *model, const lt_options *options, lt_ids *ids, lt_error *err);

#endif
