/* Prompts to be answered, from rows of data.
 *
 *     {prompt}              a string or a list of messages
 *     {prompt, completion}  the same; the completion is the row's own answer
 *     {messages}            up to the last assistant turn, which is the row's own answer
 *
 * The key `answer_field` (when the row has it) wins over both as the row's own answer, which verifiers compare with. A list of
 * messages is rendered by the chat template with the generation prompt; a string stays one, or with `conversation` becomes a
 * user's turn. */
#ifndef LT_RL_PROMPTS_H
#define LT_RL_PROMPTS_H

#include <jansson.h>

#include "formats/dataset.h"
#include "text/chat.h"
#include "text/tokenizer.h"

typedef struct lt_prompts_options {
    const lt_tokenizer *tokenizer;
    const lt_chat *chat; /* NULL: the model has no template */
    const char *const *files;
    int file_count;
    lt_dataset_fields fields;    /* names of the data's own */
    const char *answer_field;    /* NULL: "answer" */
    const char *prompt_template; /* strings are put where it says {prompt}; NULL: as they are */
    const char *system;          /* system message before every conversation that has none; implies conversation */
    bool conversation;
    int64_t max_length; /* tokens; longer prompts are left out, and counted */
} lt_prompts_options;

typedef struct lt_prompt {
    json_t *row, *asked; /* the row; its prompt as it is written to new rows: a string or a list of messages */
    char *text, *reference; /* as the model reads it; the row's own answer or NULL */
    size_t text_size, reference_size;
    lt_ids ids;
    int64_t index; /* of the row in the data, from 0 */
} lt_prompt;

void lt_prompt_free(lt_prompt *prompt);

typedef struct lt_prompts lt_prompts;

bool lt_prompts_open(lt_prompts **prompts, const lt_prompts_options *options, lt_error *err);
void lt_prompts_close(lt_prompts *prompts); /* NULL is fine */

/* The next one, owned by the caller; *end instead after the last. need_reference: a row without an answer is an error. */
bool lt_prompts_next(lt_prompts *prompts, bool need_reference, lt_prompt *out, bool *end, lt_error *err);

int64_t lt_prompts_too_long(const lt_prompts *prompts); /* left out so far */

/* All of them in a malloc'ed list. LT_ERR_USAGE when none is left. */
bool lt_prompts_read_all(lt_prompts *prompts, bool need_reference, lt_prompt **list, int64_t *count, lt_error *err);
void lt_prompts_free_all(lt_prompt *list, int64_t count);

#endif
