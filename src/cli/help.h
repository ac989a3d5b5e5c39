/* Help and the manual page, from the commands and the options table. */
#ifndef LT_CLI_HELP_H
#define LT_CLI_HELP_H

#include <stdio.h>

#include "api/command.h"

void lt_help_program(FILE *out);
void lt_help_command(FILE *out, const lt_command *command);

/* The default of an option of this command as help shows it, "" when there is none worth showing. Returns out. */
struct lt_option;
const char *lt_help_default(const struct lt_option *option, const lt_command *command, char *out, size_t capacity);

/* lathe(1) in roff (man macros). */
void lt_help_manual(FILE *out);

#endif
