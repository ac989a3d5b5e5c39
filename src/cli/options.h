/* Options from the command line and from recipes; the table of them is src/api/options_table.c. */
#ifndef LT_CLI_OPTIONS_H
#define LT_CLI_OPTIONS_H

#include "api/options.h"

/* Defaults, then the recipe, then argv[0 .. argc) (what follows the command's name). LT_ERR_USAGE names the option or
 * the recipe's key. With --help in argv the rest is not looked at: options->help is set and nothing is required. Free
 * with lt_options_free in every case. */
bool lt_options_parse(lt_options *options, const lt_command *command, int argc, char **argv, lt_error *err);
void lt_options_free(lt_options *options);

/* The defaults alone. Free as above. */
bool lt_options_init(lt_options *options, const lt_command *command, lt_error *err);

/* The row of `name` (dashes or underscores; alias too) for a command, or NULL. */
const lt_option *lt_option_find(const lt_command *command, const char *name);

/* Where the value of this field of lt_options came from: LT_GIVEN(options, learning_rate). */
lt_option_origin lt_options_origin(const lt_options *options, size_t field);
#define LT_GIVEN(options, member) (lt_options_origin(options, offsetof(lt_options, member)) != LT_ORIGIN_DEFAULT)

/* ---- recipes (options_recipe.c) ---- */

/* Sets every option that the recipe names and the command line did not. An unknown key is an error. */
bool lt_options_apply_recipe(lt_options *options, const char *path, lt_error *err);

/* The same from a mapping in memory; place names it in messages. */
bool lt_options_apply(lt_options *options, const char *place, const json_t *recipe, lt_error *err);

/* What --resume says: the run folder becomes the output, and its recipe.yaml the recipe, unless others were given. */
bool lt_options_find_resumed(lt_options *options, lt_error *err);

/* The training command that a recipe is for, or NULL. Borrowed from the registry. */
const lt_command *lt_options_recipe_command(const char *path);

#endif
