/* What the table says of a command: its rows, their names, and the recipe of a run. */
#include "api/options.h"

#include <stdio.h>
#include <string.h>

const char *lt_option_key(const lt_option *option, char out[LT_OPTION_NAME_MAX])
{
    snprintf(out, LT_OPTION_NAME_MAX, "%s", option->name);
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : *c;
    return out;
}

bool lt_option_belongs(const lt_option *option, const lt_command *command)
{
    return (option->commands >> command->id & 1) != 0;
}

json_t *lt_options_recipe(const lt_options *options)
{
    json_t *recipe = json_pack("{s:s}", "command", options->command->name);
    const lt_option *option;
    for (int i = 0; recipe && (option = lt_option_at(i)); i++) {
        if (!lt_option_belongs(option, options->command) || (option->flags & LT_OPTION_NOT_IN_RECIPE) ||
            (options->command->idle && options->command->idle(options, option)))
            continue;
        char key[LT_OPTION_NAME_MAX];
        json_t *value = lt_option_json(options, option);
        if (value)
            json_object_set_new(recipe, lt_option_key(option, key), value);
    }
    if (recipe && options->stages)
        json_object_set(recipe, "stages", options->stages);
    return recipe;
}

json_t *lt_options_train_recipe(const lathe_train_options *train)
{
    static const lt_command commands[] = {
#define X(identifier, word) {.id = LT_COMMAND_##identifier, .name = #word},
        LT_COMMANDS(X)
#undef X
    };
    lt_options options = {.train = *train, .threads = train->threads};
    for (int i = 0; i < LT_COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, train->command) == 0)
            options.command = &commands[i];
    if (options.command->id == LT_COMMAND_REWARD)
        options.train.num_labels = 1;
    return lt_options_recipe(&options);
}
