/* What the training commands share; a command is its texts and its defaults. */
#ifndef LT_CLI_CMD_TRAIN_H
#define LT_CLI_CMD_TRAIN_H

#include "cli/options.h"

/* Trains, or with --dry-run plans, and prints the result. */
bool lt_cmd_train_run(lt_options *options, lt_error *err);

/* Why an option has no effect beside the others that are set, or NULL: lt_command.idle. */
const char *lt_cmd_train_idle(const lt_options *options, const lt_option *option);

#endif
