/* The commands of the program. Adding one is a file cmd_<name>.c that defines `lt_cli_<name>`, and one line here. */
#ifndef LT_API_COMMAND_H
#define LT_API_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/* identifier, variable suffix; in the order of `lathe --help` */
#define LT_COMMANDS(X)                                                                                                 \
    X(SFT, sft)                                                                                                        \
    X(PRETRAIN, pretrain)                                                                                              \
    X(DPO, dpo)                                                                                                        \
    X(REWARD, reward)                                                                                                  \
    X(CLASSIFY, classify)                                                                                              \
    X(RL, rl)                                                                                                          \
    X(ROUNDS, rounds)                                                                                                  \
    X(SAMPLE, sample)                                                                                                  \
    X(PLAN, plan)                                                                                                      \
    X(GENERATE, generate)                                                                                              \
    X(CHAT, chat)                                                                                                      \
    X(EVAL, eval)                                                                                                      \
    X(INIT, init)                                                                                                      \
    X(QUANTIZE, quantize)                                                                                              \
    X(MERGE, merge)                                                                                                    \
    X(EXPORT, export)                                                                                                  \
    X(IMPORT, import)                                                                                                  \
    X(LINT, lint)                                                                                                      \
    X(TOKENIZE, tokenize)                                                                                              \
    X(TEMPLATE, template)                                                                                              \
    X(INSPECT, inspect)                                                                                                \
    X(REPORT, report)                                                                                                  \
    X(DOCTOR, doctor)

typedef enum lt_command_id {
#define X(id, name) LT_COMMAND_##id,
    LT_COMMANDS(X)
#undef X
        LT_COMMAND_COUNT
} lt_command_id;

/* A set of commands, for the options table. */
#define LT_ON(id) (UINT64_C(1) << LT_COMMAND_##id)

struct lt_options;
struct lt_option;

typedef struct lt_command_example {
    const char *line; /* "lathe sft --model …" */
    const char *why;  /* what it does, a phrase */
} lt_command_example;

typedef struct lt_command {
    lt_command_id id;
    const char *name;
    const char *section; /* heading in `lathe --help`; commands of one section stand together */
    const char *summary; /* one line, lower case, no full stop */
    const char *usage;   /* what follows the name: "--model DIR --data FILE… --output DIR" */
    const char *details; /* paragraphs for help and manual, separated by blank lines; may be NULL */
    const char *operand; /* the option that arguments without a name are added to, or NULL: none are taken */
    const lt_command_example *examples; /* ends with {NULL, NULL} */

    /* Fills structs of the options (options->train …) with their defaults, before the table's; may be NULL. */
    void (*defaults)(struct lt_options *options);

    /* Why an option has no effect beside the others, or NULL when it has; the pointer itself may be NULL. Such an
     * option on the command line is an error, and is left out of the recipe. */
    const char *(*idle)(const struct lt_options *options, const struct lt_option *option);

    /* Does the work: results to stdout, messages to stderr. False with *err set; the status decides the exit status. */
    bool (*run)(struct lt_options *options, lt_error *err);
} lt_command;

#define X(id, name) extern const lt_command lt_cli_##name;
LT_COMMANDS(X)
#undef X

const lt_command *lt_command_at(lt_command_id id);
const lt_command *lt_command_find(const char *name); /* NULL when there is none */

#endif
