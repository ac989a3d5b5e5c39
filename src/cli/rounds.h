/* A recipe of rounds: commands of lathe one behind the other, over and over, on the adapter that the last one left. */
#ifndef LT_CLI_ROUNDS_H
#define LT_CLI_ROUNDS_H

#include <jansson.h>

#include "core/error.h"

/* Runs recipe (a YAML file; its form is in the help of `lathe rounds`) into `output`, or NULL: what the recipe says. resume: goes
 * on with what is there. *table is a new reference: one object for each step that was done. */
bool lt_rounds_run(const char *recipe, const char *output, bool resume, json_t **table, lt_error *err);

/* The table for people. */
void lt_rounds_print(const json_t *table);

#endif
