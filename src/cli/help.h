/* Help and the manual page, from the commands and the options table. */
#ifndef LT_CLI_HELP_H
#define LT_CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

void lt_help_program(FILE *out);
void lt_help_command(FILE *out, const lt_command *command);

/* lathe(1) in roff (man macros). */
void lt_help_manual(FILE *out);

#endif
