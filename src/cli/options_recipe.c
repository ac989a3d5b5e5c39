/* Recipes: the same rows, read from a YAML mapping whose keys have underscores. */
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "core/suggest.h"
#include "core/file.h"
#include "formats/yaml.h"
#include "train/run_folder.h"

enum { PLACE_MAX = 512 };

/* "recipe.yaml:3: lora_r" */
static void name_place(const char *path, const json_t *lines, const char *key, char place[PLACE_MAX])
{
    const json_t *line = json_object_get(lines, key);
    if (line)
        snprintf(place, PLACE_MAX, "%.400s:%lld: %.80s", path, (long long)json_integer_value(line), key);
    else
        snprintf(place, PLACE_MAX, "%.400s: %.80s", path, key);
}

static bool unknown_key(const lt_command *command, const char *place, const char *key, lt_error *err)
{
    lt_suggest suggest = {.wanted = key};
    const lt_option *option;
    for (int i = 0; (option = lt_option_at(i)); i++) {
        char name[LT_OPTION_NAME_MAX];
        if (lt_option_belongs(option, command) && !(option->flags & LT_OPTION_NOT_IN_RECIPE))
            lt_suggest_offer(&suggest, lt_option_key(option, name));
    }
    char question[96];
    return lt_error_set(err, LT_ERR_USAGE, "%s: '%s' has no such key%s", place, command->name,
                        lt_suggest_question(&suggest, "", question));
}

static const char *kind_of(const json_t *value)
{
    return json_is_object(value)  ? "a mapping"
           : json_is_array(value) ? "a list"
           : json_is_null(value)  ? "null"
                                  : "text";
}

/* A scalar goes through the parser of the command line, so both accept and refuse the same values. */
static bool set_scalar(lt_options *options, const lt_option *option, const char *place, const json_t *value,
                       lt_error *err)
{
    char number[40];
    bool wants_text =
        option->type == LT_OPTION_TEXT || option->type == LT_OPTION_FILES || option->type == LT_OPTION_NAMES;
    if (json_is_string(value)) {
        if (strlen(json_string_value(value)) != json_string_length(value))
            return lt_error_set(err, LT_ERR_USAGE, "%s: the text has a NUL inside", place);
        return lt_option_set(options, option, place, json_string_value(value), err);
    }
    if (json_is_boolean(value) && !wants_text)
        return lt_option_set(options, option, place, json_is_true(value) ? "true" : "false", err);
    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return lt_option_set(options, option, place, number, err);
    }
    if (json_is_real(value)) {
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
        return lt_option_set(options, option, place, number, err);
    }
    return lt_error_set(err, LT_ERR_USAGE, "%s: expected %s, found %s", place, wants_text ? "text" : "one value",
                        json_is_boolean(value) ? "a boolean" : kind_of(value));
}

static bool set_value(lt_options *options, const lt_option *option, const char *place, const json_t *value,
                      lt_error *err)
{
    bool takes_list =
        option->type == LT_OPTION_NAMES || option->type == LT_OPTION_FILES || option->type == LT_OPTION_INTS;
    if (!takes_list || !json_is_array(value))
        return set_scalar(options, option, place, value, err);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!set_scalar(options, option, place, json_array_get(value, i), err))
            return false;
    return true;
}

/* The recipe says for which command it was written: a run's recipe.yaml must not start another kind of run. */
static bool check_command(const lt_options *options, const char *path, const json_t *value, lt_error *err)
{
    const char *name = json_is_string(value) ? json_string_value(value) : "";
    if (strcmp(name, options->command->name) == 0)
        return true;
    return lt_error_set(err, LT_ERR_USAGE, "%s: command: this recipe is for 'lathe %s', not for 'lathe %s'", path, name,
                        options->command->name);
}

static bool apply(lt_options *options, const char *path, const json_t *recipe, const json_t *lines, lt_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)recipe, key, value)
    {
        char place[PLACE_MAX];
        name_place(path, lines, key, place);
        if (strcmp(key, "command") == 0) {
            if (!check_command(options, path, value, err))
                return false;
            continue;
        }
        if (strcmp(key, "stages") == 0 && options->command->id == LT_COMMAND_PRETRAIN) {
            if (!json_is_array(value))
                return lt_error_set(err, LT_ERR_USAGE, "%s: expected a list of stages, found %s", place, kind_of(value));
            json_decref(options->stages);
            options->stages = json_incref(value);
            continue;
        }
        const lt_option *option = lt_option_find(options->command, key);
        if (!option)
            return unknown_key(options->command, place, key, err);
        if (option->flags & LT_OPTION_NOT_IN_RECIPE)
            return lt_error_set(err, LT_ERR_USAGE, "%s: this belongs on the command line, as --%s", place,
                                option->name);
        unsigned char *origin = &options->origin[lt_option_index(option)];
        if (*origin == LT_ORIGIN_RECIPE)
            return lt_error_set(err, LT_ERR_USAGE, "%s: the same option as another key: %s", place, option->name);
        if (*origin == LT_ORIGIN_GIVEN || json_is_null(value))
            continue;
        *origin = LT_ORIGIN_RECIPE;
        lt_option_clear(options, option);
        if (!set_value(options, option, place, value, err))
            return false;
    }
    return true;
}

bool lt_options_apply(lt_options *options, const char *place, const json_t *recipe, lt_error *err)
{
    for (int i = 0; i < LT_OPTION_MAX; i++) /* mappings may follow one another; each says a key once */
        if (options->origin[i] == LT_ORIGIN_RECIPE)
            options->origin[i] = LT_ORIGIN_DEFAULT;
    return apply(options, place, recipe, NULL, err);
}

bool lt_options_apply_recipe(lt_options *options, const char *path, lt_error *err)
{
    json_t *recipe = NULL, *lines = NULL;
    bool ok = lt_yaml_read(path, &recipe, &lines, err);
    if (ok && json_is_object(recipe))
        ok = apply(options, path, recipe, lines, err);
    else if (ok && !json_is_null(recipe)) /* an empty file asks for nothing */
        ok = lt_error_set(err, LT_ERR_USAGE, "%s: expected a mapping of options, found %s", path, kind_of(recipe));
    json_decref(recipe);
    json_decref(lines);
    return ok;
}

/* ---- resuming ---- */

/* Sets a text as if it stood on the command line, unless it does. */
static bool set_unless_given(lt_options *options, const char *name, const char *text, lt_error *err)
{
    const lt_option *option = lt_option_find(options->command, name);
    unsigned char *origin = &options->origin[lt_option_index(option)];
    if (*origin == LT_ORIGIN_GIVEN)
        return true;
    *origin = LT_ORIGIN_GIVEN;
    return lt_option_set(options, option, name, text, err);
}

/* DIR is a run folder, or a checkpoint inside one: DIR = run/checkpoint-20. */
static void find_run(lt_options *options, char run[4096])
{
    size_t n = strlen(options->resume);
    while (n > 1 && options->resume[n - 1] == '/')
        options->resume[--n] = '\0';
    const char *slash = strrchr(options->resume, '/'), *name = slash ? slash + 1 : options->resume;
    int64_t step;
    if (!lt_run_folder_checkpoint_name(name, &step)) {
        snprintf(run, 4096, "%s", options->resume);
        return;
    }
    options->train.resume_from = options->resume;
    snprintf(run, 4096, "%.*s", slash ? (int)(slash - options->resume) : 1, slash ? options->resume : ".");
}

bool lt_options_find_resumed(lt_options *options, lt_error *err)
{
    char run[4096], recipe[4096];
    options->train.resume = true;
    if (!*options->resume && !options->train.output)
        return lt_error_set(err, LT_ERR_USAGE, "--resume needs the folder of a run, here or as --output");
    if (*options->resume)
        find_run(options, run);
    else
        snprintf(run, sizeof run, "%s", options->train.output);
    if (!set_unless_given(options, "output", run, err))
        return false;
    if (!lt_file_is_folder(run))
        return lt_error_set(err, LT_ERR_USAGE, "--resume: there is no folder %s", run);
    if (!lt_file_join(recipe, sizeof recipe, run, "recipe.yaml", err))
        return false;
    return !lt_file_exists(recipe) || set_unless_given(options, "config", recipe, err);
}

const lt_command *lt_options_recipe_command(const char *path)
{
    json_t *recipe = NULL;
    const lt_command *command = NULL;
    if (lt_yaml_read(path, &recipe, NULL, NULL)) {
        const char *name = json_string_value(json_object_get(recipe, "command"));
        command = name ? lt_command_find(name) : NULL;
    }
    json_decref(recipe);
    return command;
}
