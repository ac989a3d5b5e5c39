/* The command line: defaults, recipe, flags, in rising order of authority. */
#include "cli/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/suggest.h"
#include "core/log.h"

/* Names are compared with '_' read as '-'. */
static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b))
            return false;
    return *a == *b;
}

const lt_option *lt_option_find(const lt_command *command, const char *name)
{
    const lt_option *option;
    for (int i = 0; (option = lt_option_at(i)); i++)
        if (lt_option_belongs(option, command) &&
            (same_name(option->name, name) || (option->alias && same_name(option->alias, name))))
            return option;
    return NULL;
}

lt_option_origin lt_options_origin(const lt_options *options, size_t field)
{
    const lt_option *option;
    for (int i = 0; (option = lt_option_at(i)); i++)
        if (option->field == field && lt_option_belongs(option, options->command))
            return (lt_option_origin)options->origin[i];
    return LT_ORIGIN_DEFAULT;
}

bool lt_options_init(lt_options *options, const lt_command *command, lt_error *err)
{
    const lt_option *option;
    memset(options, 0, sizeof *options);
    options->command = command;
    for (int i = 0; (option = lt_option_at(i)); i++)
        if (lt_option_belongs(option, command))
            lt_option_clear(options, option);
    if (command->defaults)
        command->defaults(options);
    bool ok = true; /* every value is owned before anything may fail, or freeing would go wrong */
    for (int i = 0; (option = lt_option_at(i)); i++)
        if (lt_option_belongs(option, command))
            ok = lt_option_own(options, option, err) && ok;
    for (int i = 0; ok && (option = lt_option_at(i)); i++)
        if (lt_option_belongs(option, command) && option->initial)
            ok = lt_option_set(options, option, option->name, option->initial, err);
    return ok;
}

/* ---- unknown names ---- */

/* The commands that know `name`, as "dpo, reward"; false when none does. */
static bool list_owners(const char *name, char *out, size_t capacity)
{
    const lt_option *option;
    *out = '\0';
    for (int c = 0; c < LT_COMMAND_COUNT; c++) {
        option = lt_option_find(lt_command_at((lt_command_id)c), name);
        if (option && !(option->flags & LT_OPTION_RECIPE_ONLY)) {
            size_t used = strlen(out);
            snprintf(out + used, capacity - used, "%s%s", used ? ", " : "", lt_command_at((lt_command_id)c)->name);
        }
    }
    return *out != '\0';
}

static bool unknown_option(const lt_command *command, const char *name, lt_error *err)
{
    char owners[256], kebab[LT_OPTION_NAME_MAX];
    if (list_owners(name, owners, sizeof owners))
        return lt_error_set(err, LT_ERR_USAGE, "--%s is not an option of '%s' (it belongs to: %s)", name, command->name,
                            owners);
    snprintf(kebab, sizeof kebab, "%s", name);
    for (char *c = kebab; *c; c++)
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
    lt_suggest suggest = {.wanted = kebab};
    const lt_option *option;
    for (int i = 0; (option = lt_option_at(i)); i++)
        if (lt_option_belongs(option, command) && !(option->flags & LT_OPTION_RECIPE_ONLY))
            lt_suggest_offer(&suggest, option->name);
    char question[96], see[96];
    snprintf(see, sizeof see, " (see: lathe %s --help)", command->name);
    return lt_error_set(err, LT_ERR_USAGE, "unknown option '--%s'%s", name,
                        *suggest.best ? lt_suggest_question(&suggest, "--", question) : see);
}

/* ---- reading argv ---- */

typedef struct reader {
    lt_options *options;
    int argc, next;
    char **argv;
} reader;

static bool takes_list(const lt_option *option)
{
    return option->type == LT_OPTION_NAMES || option->type == LT_OPTION_FILES || option->type == LT_OPTION_INTS;
}

/* The first mention on the command line replaces what the defaults or the recipe said; later ones of a list add to it.
 */
static bool give(lt_options *options, const lt_option *option, const char *place, const char *text, lt_error *err)
{
    unsigned char *origin = &options->origin[lt_option_index(option)];
    if (*origin != LT_ORIGIN_GIVEN)
        lt_option_clear(options, option);
    *origin = LT_ORIGIN_GIVEN;
    return lt_option_set(options, option, place, text, err);
}

/* True when argument i can only be a value: not "--name", not "-x"; "-1" and "-" are values. */
static bool is_plain(const reader *in, int i)
{
    const char *text = i < in->argc ? in->argv[i] : "-x";
    return text[0] != '-' || text[1] == '\0' || (isdigit((unsigned char)text[1]) || text[1] == '.');
}

static bool read_values(reader *in, const lt_option *option, const char *place, lt_error *err)
{
    bool there = in->next < in->argc && strncmp(in->argv[in->next], "--", 2) != 0;
    if (option->flags & LT_OPTION_VALUE_OPTIONAL)
        return give(in->options, option, place, is_plain(in, in->next) ? in->argv[in->next++] : "", err);
    if (!there && in->next < in->argc && option->type == LT_OPTION_TEXT)
        return lt_error_set(err, LT_ERR_USAGE, "%s needs a value; one that begins with dashes is written %s=%s", place,
                            place, in->argv[in->next]);
    if (!there)
        return lt_error_set(err, LT_ERR_USAGE, "%s needs a value: %s", place, option->value);
    do {
        if (!give(in->options, option, place, in->argv[in->next++], err))
            return false;
    } while (takes_list(option) && is_plain(in, in->next));
    return true;
}

/* A word right after a switch is its value only when it cannot be anything else. */
static bool is_truth_word(const reader *in)
{
    const char *text = in->next < in->argc ? in->argv[in->next] : "";
    return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0;
}

static bool read_bool(reader *in, const lt_option *option, const char *place, bool negated, const char *value,
                      lt_error *err)
{
    if (negated && value)
        return lt_error_set(err, LT_ERR_USAGE, "%s takes no value", place);
    if (!value && !negated && is_truth_word(in))
        value = in->argv[in->next++];
    return give(in->options, option, place, negated ? "false" : value ? value : "true", err);
}

/* One "--name", "--name value", "--name=value", "--no-name". */
static bool read_option(reader *in, const char *argument, lt_error *err)
{
    const lt_command *command = in->options->command;
    const char *equals = strchr(argument, '='), *value = equals ? equals + 1 : NULL;
    char name[LT_OPTION_NAME_MAX], place[80];
    size_t n = equals ? (size_t)(equals - argument) - 2 : strlen(argument) - 2;
    if (n >= sizeof name)
        return lt_error_set(err, LT_ERR_USAGE, "unknown option '%.60s…' (see: lathe %s --help)", argument,
                            command->name);
    snprintf(name, sizeof name, "%.*s", (int)n, argument + 2);
    snprintf(place, sizeof place, "--%s", name);

    const lt_option *option = lt_option_find(command, name);
    bool negated = false;
    if (!option && (strncmp(name, "no-", 3) == 0 || strncmp(name, "no_", 3) == 0)) {
        option = lt_option_find(command, name + 3);
        negated = option && option->type == LT_OPTION_BOOL;
        if (option && !negated)
            return lt_error_set(err, LT_ERR_USAGE, "%s: --%s is no switch, it takes a value: %s", place, option->name,
                                option->value);
    }
    if (!option || (option->flags & LT_OPTION_RECIPE_ONLY))
        return unknown_option(command, name, err);
    if (option->type == LT_OPTION_BOOL)
        return read_bool(in, option, place, negated, value, err);
    return value ? give(in->options, option, place, value, err) : read_values(in, option, place, err);
}

static bool read_operand(reader *in, const char *text, lt_error *err)
{
    const lt_command *command = in->options->command;
    const lt_option *option = command->operand ? lt_option_find(command, command->operand) : NULL;
    if (!option) {
        lt_suggest suggest = {.wanted = text};
        for (int i = 0; (option = lt_option_at(i)); i++)
            if (lt_option_belongs(option, command))
                lt_suggest_offer(&suggest, option->name);
        char question[96];
        return lt_error_set(err, LT_ERR_USAGE, "unexpected argument '%s'%s", text,
                            lt_suggest_question(&suggest, "--", question));
    }
    if (!takes_list(option) && in->options->origin[lt_option_index(option)] == LT_ORIGIN_GIVEN)
        return lt_error_set(err, LT_ERR_USAGE, "unexpected argument '%s': %s is already given", text, option->name);
    return give(in->options, option, option->value, text, err);
}

static bool read_arguments(reader *in, lt_error *err)
{
    bool only_operands = false;
    while (in->next < in->argc && !in->options->help) {
        const char *argument = in->argv[in->next++];
        bool ok;
        if (!only_operands && strcmp(argument, "--") == 0)
            only_operands = ok = true;
        else if (!only_operands && strncmp(argument, "--", 2) == 0)
            ok = read_option(in, argument, err);
        else if (!only_operands && strcmp(argument, "-h") == 0)
            in->options->help = ok = true;
        else if (!only_operands && argument[0] == '-' && argument[1])
            ok = lt_error_set(err, LT_ERR_USAGE,
                              "unknown option '%s' (options are spelled out, as in --model; see: lathe %s --help)",
                              argument, in->options->command->name);
        else
            ok = read_operand(in, argument, err);
        if (!ok)
            return false;
    }
    return true;
}

/* ---- all together ---- */

static bool check_required(const lt_options *options, lt_error *err)
{
    const lt_command *command = options->command;
    const lt_option *option;
    for (int i = 0; (option = lt_option_at(i)); i++) {
        if (!(option->required >> command->id & 1) || options->origin[i] != LT_ORIGIN_DEFAULT)
            continue;
        if (options->dry_run && strcmp(option->name, "output") == 0)
            continue; /* a plan writes nothing */
        if (options->stages && strcmp(option->name, "data") == 0)
            continue; /* each stage has its own */
        bool operand = command->operand && strcmp(command->operand, option->name) == 0;
        return lt_error_set(err, LT_ERR_USAGE, "%s needs %s%s%s%s: %s", command->name, operand ? "" : "--",
                            operand ? "" : option->name, operand ? "" : " ", option->value, option->help);
    }
    return true;
}

/* True when the value is the default's: saying it again does no harm. */
static bool is_default(const lt_options *options, const lt_option *option)
{
    char now[256], before[256];
    lt_options defaults;
    bool same = lt_options_init(&defaults, options->command, NULL) &&
                strcmp(lt_option_text(options, option, now, sizeof now),
                       lt_option_text(&defaults, option, before, sizeof before)) == 0;
    lt_options_free(&defaults);
    return same;
}

static bool check_idle(const lt_options *options, lt_error *err)
{
    const lt_option *option;
    for (int i = 0; options->command->idle && (option = lt_option_at(i)); i++) {
        if (options->origin[i] == LT_ORIGIN_DEFAULT)
            continue;
        const char *why = options->command->idle(options, option);
        if (!why || is_default(options, option))
            continue;
        if (options->origin[i] == LT_ORIGIN_GIVEN)
            return lt_error_set(err, LT_ERR_USAGE, "--%s has no effect here: %s", option->name, why);
        char key[LT_OPTION_NAME_MAX];
        lt_log_warning("%s: %s has no effect here: %s", options->config, lt_option_key(option, key), why);
    }
    return true;
}

bool lt_options_parse(lt_options *options, const lt_command *command, int argc, char **argv, lt_error *err)
{
    reader in = {.options = options, .argc = argc, .argv = argv};
    if (!lt_options_init(options, command, err) || !read_arguments(&in, err))
        return false;
    if (options->help)
        return true;
    return (!options->resume || lt_options_find_resumed(options, err)) &&
           (!options->config || lt_options_apply_recipe(options, options->config, err)) &&
           check_required(options, err) && check_idle(options, err);
}

void lt_options_free(lt_options *options)
{
    const lt_option *option;
    for (int i = 0; (option = lt_option_at(i)); i++)
        if (lt_option_belongs(option, options->command))
            lt_option_clear(options, option);
    json_decref(options->stages);
    options->stages = NULL;
}
