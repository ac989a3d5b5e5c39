/* Rows shown to a model before it is asked: few-shot prompting from a file of examples. */
#ifndef LT_TEXT_EXAMPLES_SHOTS_H
#define LT_TEXT_EXAMPLES_SHOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/error.h"
#include "formats/dataset.h"

/* Examples in both forms: turns for a model with a chat template, text for one without. */
typedef struct lt_shots {
    int64_t count;
    json_t *messages; /* user and assistant turns of all examples, one after the other, no system turns */
    char *text;       /* "question\nanswer\n\n" of all examples, NUL-terminated */
    size_t text_size;
} lt_shots;

typedef struct lt_shots_options {
    int64_t count; /* k, at least 1 */
    bool draw;     /* k rows drawn at random, in file order; false: the first k */
    uint64_t seed; /* of the draw */
} lt_shots_options;

/* Takes examples from the rows of dataset (prompt and completion, messages, conversations, instruction, labelled text;
 * open it with accept = LT_SHOTS_ACCEPT). LT_ERR_USAGE when it has fewer than k. */
#define LT_SHOTS_ACCEPT                                                                                                \
    (LT_DATASET_BIT(LT_DATASET_PROMPT_COMPLETION) | LT_DATASET_BIT(LT_DATASET_MESSAGES) |                              \
     LT_DATASET_BIT(LT_DATASET_CONVERSATIONS) | LT_DATASET_BIT(LT_DATASET_INSTRUCTION) |                               \
     LT_DATASET_BIT(LT_DATASET_TEXT_LABEL))

bool lt_shots_read(lt_shots *out, lt_dataset *dataset, const lt_shots_options *options, lt_error *err);
void lt_shots_free(lt_shots *shots);

/* A conversation with the examples before it, behind its own system turns. New reference; NULL when memory runs out. */
json_t *lt_shots_messages(const lt_shots *shots, const json_t *messages);

/* prompt[0, size) asked in the way of the examples: their text, the prompt, and a line break where the prompt does not
 * end with white space. *text is malloc'ed, with a NUL after its *text_size bytes. */
bool lt_shots_text(const lt_shots *shots, const char *prompt, size_t size, char **text, size_t *text_size,
                   lt_error *err);

#endif
