/* Questions with known answers: examples before the question (in-context learning), step-by-step prompting, what an answer says in
 * the end, majority over several answers (self-consistency), and how sure an accuracy is.
 *
 *     number   the number that the text ends with (GSM8K's form, rl/scorer.h)
 *     choice   the last capital letter A … J that stands alone
 *     label    the label of the data that is named first
 *     regex    the (last) group of a pattern, at its last match
 *     exact    the whole text, without white space around it
 *
 * Brown et al. 2020 (arXiv 2005.14165): examples; Wei et al. 2022 (2201.11903) and Kojima et al. 2022 (2205.11916): steps;
 * Wang et al. 2022 (2203.11171): self-consistency; Wilson 1927: the interval. */
#ifndef LT_RL_TASK_H
#define LT_RL_TASK_H

#include <jansson.h>

#include "core/error.h"
#include "formats/dataset.h"

typedef enum lt_task_kind { LT_TASK_NONE, LT_TASK_NUMBER, LT_TASK_CHOICE, LT_TASK_LABEL, LT_TASK_REGEX, LT_TASK_EXACT } lt_task_kind;

typedef struct lt_question {
    char *text, *answer; /* answer: as the row has it, reasoning included */
} lt_question;

/* Rows of files. Owned. */
typedef struct lt_questions {
    lt_question *items;
    int64_t count;
    char **labels; /* different answers in their order of appearance, of LT_TASK_LABEL */
    int64_t label_count;
} lt_questions;

/* Reads {question, answer} (also {prompt, completion}), or {text, label} for LT_TASK_LABEL; fields rename keys. most: 0: all. */
bool lt_questions_read(lt_questions *out, lt_task_kind kind, const char *const *files, int file_count, const lt_dataset_fields *fields,
                       int64_t most, lt_error *err);
void lt_questions_free(lt_questions *questions);

/* How the model is asked. */
typedef struct lt_task {
    lt_task_kind kind;
    bool chain_of_thought;
    const lt_questions *shots; /* examples: all of its rows, in order; NULL: none */
    const char *pattern;       /* regex */
    char **labels;             /* of LT_TASK_LABEL */
    int64_t label_count;
} lt_task;

/* k of the questions, drawn with seed, in their order. items are borrowed from `from`. LT_ERR_USAGE when there are fewer. */
bool lt_task_draw(const lt_questions *from, int64_t k, uint64_t seed, lt_questions *out, lt_error *err);

/* The conversation for a model with a template (new reference, NULL: out of memory), or text for one without (malloc'ed):
 * "Question: …\nAnswer: …\n\n" and "Question: …\nAnswer:". An example's answer is its last word (number, letter, label) unless steps
 * are asked for; without examples the step-by-step sentence is added to the question. */
json_t *lt_task_messages(const lt_task *task, const char *question);
char *lt_task_text(const lt_task *task, const char *question);

/* What answer text[0, size) says in the end; malloc'ed, NULL when it says nothing. Numbers in one form ("1,200.0" is "1200"). What a
 * model without a template invents after its answer (a next "Question:") does not count. */
bool lt_task_extract(const lt_task *task, const char *text, size_t size, char **said, lt_error *err);

bool lt_task_same(const lt_task *task, const char *a, const char *b);

/* The most frequent of what was said (NULL entries do not vote), the first of equals; -1 when nobody said anything. */
int64_t lt_task_majority(const lt_task *task, char *const *said, int64_t count, int64_t *votes);

/* 95 % interval of a share of n trials (Wilson 1927). */
void lt_task_interval(int64_t right, int64_t n, double *low, double *high);

#endif
