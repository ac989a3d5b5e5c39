/* From rows of data to token ids with a mask of what is trained.
 *
 *   conversations     The whole conversation is rendered by the chat template and tokenised once, so ids are those of
 *                     transformers' apply_chat_template(tokenize=True). Trained is every assistant turn, or only the
 * answer's turns where the row has a prompt: text and stop token, nothing that the template puts after that. A token is
 * trained when any byte of it lies in such a turn (so is one that begins with the space before the turn), except
 * special tokens that began before it (they may have swallowed white space). prompt+completion as strings, preferences
 * as strings (TRL's way): one text, the eos token's text appended unless it ends with it, special tokens added as the
 * tokenizer adds them. The answer begins where the ids of the prompt alone and of the whole differ. text the same
 * without a prompt: everything is trained. Pieces of one document get the tokenizer's special tokens only in the first,
 * eos only in the last. labelled text     the tokenizer's special tokens, no eos; nothing is trained but `label`.
 *   prompt            as a model would be asked: a conversation ends with the generation prompt. Nothing is trained.
 *   token ids         as they are. labels of -100 are not trained; without labels everything is. {prompt_ids, …}: the
 * answers. {chosen_ids, rejected_ids}: what both begin with is the prompt.
 *
 * A sequence's first token is never marked: no token comes before it to predict it from. Where virtual tokens do, `first` says
 * whether it counts. */
#ifndef LT_TEXT_EXAMPLES_H
#define LT_TEXT_EXAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <jansson.h>

#include "core/error.h"
#include "formats/dataset.h"
#include "text/chat.h"
#include "text/tokenizer.h"
#include "core/rows.h"

/* What to do with sequences longer than max_length. */
typedef enum lt_examples_overflow {
    LT_EXAMPLES_TRUNCATE, /* keep the start; of prompts without an answer the end */
    LT_EXAMPLES_SPLIT,    /* rows of plain text become several examples; others are truncated */
} lt_examples_overflow;

typedef struct lt_examples_options {
    const lt_tokenizer *tokenizer; /* borrowed; NULL: rows must be token ids */
    const lt_chat *chat;           /* borrowed; NULL: the model has no chat template */
    int64_t max_length;            /* tokens of a sequence; 0: no limit */
    lt_examples_overflow overflow;
    bool train_everything;   /* no mask: prompts are trained too */
    bool omit_eos;           /* plain text gets no eos token */
    const json_t *tools;     /* borrowed; for conversations whose rows name none; may be NULL */
    const json_t *variables; /* borrowed object of template variables, may be NULL; a row's chat_template_kwargs win */
    const struct tm *now;    /* for strftime_now; NULL: the clock */
} lt_examples_options;

/* One example. Borrowed until the next call on the lt_examples it came from. */
typedef struct lt_example {
    lt_dataset_row row;
    int32_t sequences;      /* 1; 2 for preferences, the chosen one first */
    int32_t lengths[2];     /* tokens of each, at least 1 */
    const int32_t *ids;     /* (Σ lengths) */
    const uint8_t *trained; /* (Σ lengths) 1: predicting this token counts */
    uint8_t first[2];       /* the mark that each sequence's first token would have if something came before it */
    int64_t targets;        /* how many are trained */
    const int32_t *labels; /* (Σ lengths) as the row gives them where they differ from its ids (masked language models:
                            * -100 does not count, the first token may); otherwise NULL */
    const int32_t *given_labels; /* (Σ lengths) the row's labels whether they differ or not, or NULL */
    const int32_t *type_ids; /* (Σ lengths) the row's token_type_ids, or NULL */
    int32_t prompt;          /* preferences: so many tokens both sequences begin with, untrained */
    float value;             /* unpaired preferences: 1 good, 0 bad; preferences: margin; integer label; else 0 */
    const char *label_text;  /* labelled rows: the label, when it is a string */
    int64_t label;           /* labelled rows: the label, when it is an integer */
    bool truncated;
    const char *text[2]; /* what each sequence was tokenised from, or NULL (token ids) */
    size_t text_size[2];
    const lt_span *spans; /* (Σ lengths) the bytes of its text that each token stands for; NULL without text */
} lt_example;

typedef struct lt_examples_counts {
    int64_t rows, examples;
    int64_t tokens, targets;
    int64_t longest;            /* tokens of a sequence, before truncation */
    int64_t truncated;          /* examples */
    int64_t untrained;          /* examples that train nothing */
    int64_t empty;              /* rows without any token, left out */
    int64_t equal_pairs;        /* preferences whose answers are the same tokens */
    int64_t merged;             /* rows whose prompt has other tokens alone than with its answer */
    int64_t turns_lost;         /* assistant turns that the template leaves out or changes beyond recognition */
    int64_t turns_without_stop; /* assistant turns that no stop token follows */
    int64_t calls_lost;         /* rows with tool calls that the template does not show */
    char first_untrained[256];  /* "file:line" of the first, or "" */
} lt_examples_counts;

typedef struct lt_examples lt_examples;

/* dataset is borrowed, and may be NULL when only lt_examples_make is used. */
bool lt_examples_open(lt_examples **out, lt_dataset *dataset, const lt_examples_options *options, lt_error *err);
void lt_examples_close(lt_examples *examples); /* NULL is fine */

/* The next example; *end instead after the last. Rows without tokens are left out; those that train nothing are given,
 * with targets 0. When none of all rows trains anything, the end is an error that says why (LT_ERR_USAGE). */
bool lt_examples_next(lt_examples *examples, lt_example *out, bool *end, lt_error *err);

/* The example of one row, whole (never split, never left out: it may have no tokens). */
bool lt_examples_make(lt_examples *examples, const lt_dataset_row *row, lt_example *out, lt_error *err);

/* A place between two examples. */
typedef struct lt_examples_position {
    lt_dataset_position row;
    int64_t part; /* examples already taken of the row that is read there */
} lt_examples_position;

lt_examples_position lt_examples_tell(const lt_examples *examples);
bool lt_examples_seek(lt_examples *examples, const lt_examples_position *position, lt_error *err);

/* Since it was opened. */
const lt_examples_counts *lt_examples_count(const lt_examples *examples);

/* What of it a person should know, as warnings to the log: a line for each number that is not as it should be. */
void lt_examples_warn(const lt_examples_counts *counts);

/* The examples as rows of a run. source->close stays NULL: the caller sets it to what closes tokenizer, dataset and
 * this. */
void lt_examples_source(lt_examples *examples, lt_row_source *source);

#endif
