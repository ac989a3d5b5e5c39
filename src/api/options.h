/* Everything a user can ask for. One table (options_table.c) of rows is the only place where an option exists: the
 * command line, the recipe (YAML, --config), `--help`, the manual page and the recipe.yaml of a run are all made from
 * it. */
#ifndef LT_API_OPTIONS_H
#define LT_API_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/command.h"
#include "lathe.h"

typedef enum lt_option_type {
    LT_OPTION_BOOL,   /* bool: --name, --no-name */
    LT_OPTION_INT,    /* int64_t */
    LT_OPTION_NUMBER, /* double, finite; NAN when unset */
    LT_OPTION_SIZE,   /* int64_t, bytes: "512M", "3GiB", "20GB" */
    LT_OPTION_CHOICE, /* int: index into the words of `value`, separated by '|' */
    LT_OPTION_TEXT,   /* char *, NULL when unset */
    LT_OPTION_NAMES,  /* lt_strings; "a,b,c", or a b c, or the option repeated */
    LT_OPTION_FILES,  /* lt_strings; the same without commas, which file names may have */
    LT_OPTION_INTS,   /* lt_integers; separated as names are */
} lt_option_type;

/* Headings of the help, in this order. */
#define LT_OPTION_GROUPS(X)                                                                                            \
    X(INPUT, "Input")                                                                                                  \
    X(OUTPUT, "Output")                                                                                                \
    X(ADAPTER, "Method and adapter")                                                                                   \
    X(TRAINING, "Training")                                                                                            \
    X(OPTIMIZER, "Optimiser and schedule")                                                                             \
    X(SAMPLING, "Sampling")                                                                                            \
    X(MACHINE, "Memory and speed")                                                                                     \
    X(GENERAL, "General")

typedef enum lt_option_group {
#define X(id, heading) LT_GROUP_##id,
    LT_OPTION_GROUPS(X)
#undef X
        LT_GROUP_COUNT
} lt_option_group;

enum {
    LT_OPTION_NOT_IN_RECIPE = 1,  /* about this call, not about the run: --json, --config, --dry-run */
    LT_OPTION_RECIPE_ONLY = 2,    /* a key of recipes that is no option: command */
    LT_OPTION_VALUE_OPTIONAL = 4, /* TEXT: may stand without a value, which is then "" */
};

/* A row of the table. Two rows may share a name when they belong to different commands (other defaults). */
typedef struct lt_option {
    const char *name;  /* kebab-case, without dashes; snake_case is accepted everywhere */
    const char *alias; /* another accepted spelling, or NULL */
    lt_option_type type;
    const char *value; /* what the help calls the value: "FILE", "N"; of a choice: its words, "fp32|bf16" */
    const char *
        initial; /* default as it would be typed; NULL: what the command's defaults say, or off, 0, NAN, unset, empty */
    const char *shown; /* default as the help shows it, where `initial` does not say it; or NULL */
    double low, high;  /* INT, NUMBER: bounds, inclusive; both 0: none. SIZE: low only */
    lt_option_group group;
    unsigned flags;
    uint64_t commands; /* LT_ON(…) | … */
    uint64_t required; /* of those, the ones that cannot do without */
    size_t field;      /* offset in lt_options */
    const char *help;  /* a phrase, lower case, no full stop */
} lt_option;

typedef lathe_strings lt_strings; /* as the public API has them; here they are owned */
typedef lathe_integers lt_integers;

/* What generate and chat take beyond the model. */
typedef struct lt_sampling_options {
    char *prompt;
    lt_integers prompt_ids;
    lt_strings examples;
    int64_t num_examples, max_new_tokens, top_k, context;
    bool greedy, ignore_eos;
    double temperature, top_p, min_p, repetition_penalty;
    lt_strings stop;
} lt_sampling_options;

/* Questions with answers to extract: eval and generate. */
typedef struct lt_task_options {
    int kind; /* lt_task_kind */
    bool chain_of_thought;
    int64_t num_fewshot, self_consistency, max_examples;
    lt_strings fewshot_data;
    char *answer_pattern;
} lt_task_options;

/* What sample and rl take beyond the model. */
typedef struct lt_rl_options {
    lt_strings committee, scorer, reward_weights, reward_command;
    char *answer_field, *prompt_template, *system, *scorer_pattern, *scorer_schema, *reward_model;
    bool conversation, best_of, keep_truncated;
    double threshold, reward_timeout;
    int64_t num_generations, max_prompts, max_prompt_length, decode_batch;
    /* rl */
    int algorithm, scale_rewards;
    char *loss_type;
    double beta, epsilon, epsilon_high, mirror_coef, missing_eos_penalty;
    double gamma, lam, vf_coef, cliprange_value, kl_target, kl_horizon;
    int64_t num_iterations, dynamic_sampling;
    bool normalize_advantages, mask_truncated, whiten_rewards;
} lt_rl_options;

/* What merge, export and import take beyond the model. */
typedef struct lt_merge_cli_options {
    lt_strings adapters, weights;
    char *source; /* export, import: the adapter */
    int combination, format, adapter_format, dtype;
    double density;
} lt_merge_cli_options;

typedef enum lt_option_origin { LT_ORIGIN_DEFAULT, LT_ORIGIN_RECIPE, LT_ORIGIN_GIVEN } lt_option_origin;

enum { LT_OPTION_MAX = 512, LT_OPTION_NAME_MAX = 64 };

typedef struct lt_options {
    const lt_command *command;           /* whose options these are */
    unsigned char origin[LT_OPTION_MAX]; /* lt_option_origin of each row */

    bool help, json, dry_run;
    char *config;
    char *model; /* of the commands that only look */
    char *chat_template;
    char *text, *text_file; /* tokenize */
    bool special;
    char *messages, *tools; /* template */
    bool add_generation_prompt;
    int64_t show;       /* lint: rows */
    lt_sampling_options sampling;
    char *system;      /* chat */
    bool per_example;  /* eval */
    char *save_logits; /* eval */
    char *model_config; /* init */
    int dtype;
    int quant_type; /* quantize: nf4 or int8 */
    char *resume; /* "" for --resume without a folder */
    lathe_train_options train;
    lt_rl_options rl;
    char *rounds_recipe; /* rounds */
    bool rounds_resume;
    lt_task_options task;
    lt_merge_cli_options merge;
    int64_t threads;
    json_t *stages; /* pretrain: the recipe's list, owned; NULL: one run */
} lt_options;

/* Rows in table order, NULL at the end of it. */
const lt_option *lt_option_at(int index);
int lt_option_index(const lt_option *option);
const char *lt_option_group_heading(lt_option_group group);

bool lt_option_belongs(const lt_option *option, const lt_command *command);

/* Its key in a recipe: the name with underscores. Returns out. */
const char *lt_option_key(const lt_option *option, char out[LT_OPTION_NAME_MAX]);

/* Every option of the command as resolved, keys with underscores, unset ones left out; "command" first. New reference.
 */
json_t *lt_options_recipe(const lt_options *options);

/* The same of a training run that is described by its options alone, as a caller of the library has them; they are resolved. Options
 * without effect stand in it, too. New reference, NULL when out of memory. */
json_t *lt_options_train_recipe(const lathe_train_options *train);

/* ---- values (options_value.c) ---- */

/* Sets the field of `option` from text. `place` names it in messages: "--lora-r", "run.yaml: lora_r". List types
 * append. */
bool lt_option_set(lt_options *options, const lt_option *option, const char *place, const char *text, lt_error *err);

/* Gives a value that was set by other means (a command's defaults) memory of its own. */
bool lt_option_own(lt_options *options, const lt_option *option, lt_error *err);

/* Back to unset: off, 0, NAN, NULL, empty. */
void lt_option_clear(lt_options *options, const lt_option *option);

/* The value as JSON, or NULL when unset. New reference. */
json_t *lt_option_json(const lt_options *options, const lt_option *option);

/* The value as it would be typed; "" when unset. Returns out. */
const char *lt_option_text(const lt_options *options, const lt_option *option, char *out, size_t capacity);

#endif
