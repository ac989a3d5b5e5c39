/* Scorers: what says how good an answer is. A verifier (exact match, number, regular expression, JSON schema), a command of
 * the user's, or a reward model; several of them add up with weights.
 *
 * Answers come from a model and rows from a file: whatever they hold, a verifier gives a number. Only a command or a reward
 * model can fail, and a command's failure names what it did.
 *
 * A new kind is one file with an lt_scorer_kind in it and one line in the registry of scorer.c. */
#ifndef LT_RL_SCORER_H
#define LT_RL_SCORER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* An answer to be scored. Everything is borrowed. */
typedef struct lt_scored_answer {
    const char *prompt, *completion; /* UTF-8, NUL-terminated; may hold NULs inside */
    size_t prompt_size, completion_size;
    const char *reference; /* the row's own answer as text, or NULL when it has none */
    size_t reference_size;
    const json_t *row;           /* the row that the prompt came from */
    const int32_t *ids;          /* prompt and completion as the model saw them */
    int64_t prompt_ids, all_ids; /* how many of them are the prompt; all */
} lt_scored_answer;

typedef struct lt_scorer_options {
    const char *pattern;        /* regex: must be found in the completion */
    const char *schema;         /* json: file with the schema */
    const char *const *command; /* command: its argv */
    int command_count;
    double command_seconds;     /* time limit for one call; 0: 60 */
    const char *reward_model;   /* reward: folder */
    const char *base_model;     /* reward: the base of a reward adapter, when its file names none that is here */
    int threads;
} lt_scorer_options;

typedef struct lt_scorer_kind {
    const char *name;
    bool needs_reference; /* every row must have an answer to compare with */
    bool (*open)(void **state, const lt_scorer_options *options, lt_error *err); /* NULL: nothing to open */
    /* scores (count) out. */
    bool (*score)(void *state, const lt_scored_answer *answers, int64_t count, double *scores, lt_error *err);
    void (*close)(void *state);
} lt_scorer_kind;

typedef struct lt_scorer lt_scorer;

/* names (count ≥ 1) of kinds; weights (count) or NULL: 1 each. LT_ERR_USAGE for an unknown name or a missing option. */
bool lt_scorer_open(lt_scorer **scorer, const char *const *names, const double *weights, int count,
                    const lt_scorer_options *options, lt_error *err);
void lt_scorer_close(lt_scorer *scorer); /* NULL is fine */

bool lt_scorer_needs_reference(const lt_scorer *scorer);

/* scores (count) f64 out: Σ weight · score. parts (scorers, count) gets each one's own score, or NULL. */
bool lt_scorer_score(lt_scorer *scorer, const lt_scored_answer *answers, int64_t count, double *scores, double *parts, lt_error *err);

int lt_scorer_count(const lt_scorer *scorer);
const char *lt_scorer_name(const lt_scorer *scorer, int i); /* "number" */
const char *const *lt_scorer_names(void);                   /* of all kinds, NULL-terminated */

extern const lt_scorer_kind lt_scorer_exact, lt_scorer_number; /* scorer_match.c */
extern const lt_scorer_kind lt_scorer_regex;                   /* scorer_regex.c */
extern const lt_scorer_kind lt_scorer_json;                    /* scorer_json.c */
extern const lt_scorer_kind lt_scorer_command;                 /* scorer_command.c */
extern const lt_scorer_kind lt_scorer_reward;                  /* scorer_reward.c */

/* ---- parts that tests reach ---- */

/* The number that an answer ends with: the first after the last "####" where there is one, otherwise the last of the text.
 * Signs, $, commas between thousands, decimals, fractions (3/4, 2 1/2) and % (ignored) are understood. False when there is
 * none, or it is beyond double precision's range. */
bool lt_scorer_find_number(const char *text, size_t size, double *value);

/* A command line cut into words as a shell cuts plain ones: blanks separate, '…' and "…" hold together, a backslash takes the
 * next character; nothing is expanded. *words is malloc'ed (one block each), *count of them. LT_ERR_USAGE: a quote is open. */
bool lt_scorer_split(const char *line, char ***words, int *count, lt_error *err);
void lt_scorer_split_free(char **words, int count);

#endif
