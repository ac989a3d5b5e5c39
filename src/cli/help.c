#include "cli/help.h"

#include <stdbool.h>
#include <string.h>

#include "cli/options.h"
#include "cli/terminal.h"

enum { NAME_COLUMN = 30, WIDEST = 110 };

static int page_width(FILE *out)
{
    int width = lt_terminal_width(out);
    return width > WIDEST ? WIDEST : width < 60 ? 60 : width;
}

/* Words of text from column `at` on, broken before `width` and continued at column `indent`. */
static void wrap(FILE *out, const char *text, int at, int indent, int width)
{
    bool first = true;
    while (*text) {
        size_t n = strcspn(text, " \n");
        char word[256];
        snprintf(word, sizeof word, "%.*s", (int)n, text);
        int columns = lt_terminal_columns(word);
        if (!first && at + 1 + columns > width) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        fputs(word, out);
        at += columns;
        first = false;
        text += n;
        if (text[0] == '\n' && text[1] == '\n') { /* a blank line parts paragraphs */
            fprintf(out, "\n\n%*s", indent, "");
            at = indent;
            first = true;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', out);
}

static void heading(FILE *out, const char *text)
{
    fprintf(out, "\n%s%s%s\n", lt_style_on(out, LT_STYLE_BOLD), text, lt_style_off(out));
}

/* ---- one option ---- */

const char *lt_help_default(const lt_option *option, const lt_command *command, char *out, size_t capacity)
{
    *out = '\0';
    if (option->shown)
        snprintf(out, capacity, "%s", option->shown);
    else if (option->type != LT_OPTION_BOOL) {
        lt_options defaults;
        if (lt_options_init(&defaults, command, NULL))
            lt_option_text(&defaults, option, out, capacity);
        lt_options_free(&defaults);
    }
    return out;
}

/* "--[no-]shuffle" when the default is on, "--lora-r N". */
static void option_label(const lt_option *option, const lt_command *command, char *out, size_t capacity)
{
    bool list = option->type == LT_OPTION_FILES || option->type == LT_OPTION_NAMES || option->type == LT_OPTION_INTS;
    if (option->type == LT_OPTION_BOOL) {
        lt_options defaults;
        bool on = lt_options_init(&defaults, command, NULL) && *(bool *)((char *)&defaults + option->field);
        lt_options_free(&defaults);
        snprintf(out, capacity, "--%s%s", on ? "[no-]" : "", option->name);
    } else if (option->flags & LT_OPTION_VALUE_OPTIONAL)
        snprintf(out, capacity, "--%s [%s]", option->name, option->value);
    else
        snprintf(out, capacity, "--%s %s%s", option->name, option->value, list ? " ..." : "");
}

/* "help (default 16)" */
static void option_text(const lt_option *option, const lt_command *command, char *out, size_t capacity)
{
    char initial[128];
    if (option->required >> command->id & 1)
        snprintf(out, capacity, "%s (required)", option->help);
    else if (*lt_help_default(option, command, initial, sizeof initial))
        snprintf(out, capacity, "%s (default %s)", option->help, initial);
    else
        snprintf(out, capacity, "%s", option->help);
}

static void print_option(FILE *out, const lt_option *option, const lt_command *command, int width)
{
    char label[160], text[512];
    option_label(option, command, label, sizeof label);
    option_text(option, command, text, sizeof text);
    int used = 2 + lt_terminal_columns(label);
    fprintf(out, "  %s%s%s", lt_style_on(out, LT_STYLE_CYAN), label, lt_style_off(out));
    if (used + 2 > NAME_COLUMN)
        fprintf(out, "\n%*s", NAME_COLUMN, "");
    else
        fprintf(out, "%*s", NAME_COLUMN - used, "");
    wrap(out, text, NAME_COLUMN, NAME_COLUMN, width);
}

/* ---- pages ---- */

void lt_help_command(FILE *out, const lt_command *command)
{
    int width = page_width(out);
    fprintf(out, "%slathe %s%s%s%s\n\n", lt_style_on(out, LT_STYLE_BOLD), command->name, lt_style_off(out),
            *command->usage ? " " : "", command->usage);
    wrap(out, command->details, 0, 0, width);
    for (int group = 0; group < LT_GROUP_COUNT; group++) {
        const lt_option *option;
        bool any = false;
        for (int i = 0; (option = lt_option_at(i)); i++) {
            if ((int)option->group != group || !lt_option_belongs(option, command) ||
                (option->flags & LT_OPTION_RECIPE_ONLY))
                continue;
            if (!any)
                heading(out, lt_option_group_heading((lt_option_group)group));
            any = true;
            print_option(out, option, command, width);
        }
    }
    heading(out, "Examples");
    for (const lt_command_example *example = command->examples; example->line; example++)
        fprintf(out, "%s  %s# %s%s\n  %s\n", example == command->examples ? "" : "\n", lt_style_on(out, LT_STYLE_DIM),
                example->why, lt_style_off(out), example->line);
}

void lt_help_program(FILE *out)
{
    int width = page_width(out);
    fprintf(out, "%slathe%s: fine-tunes language models on this computer's CPU\n\nlathe COMMAND [OPTIONS]\n",
            lt_style_on(out, LT_STYLE_BOLD), lt_style_off(out));
    const char *section = "";
    for (int i = 0; i < LT_COMMAND_COUNT; i++) {
        const lt_command *command = lt_command_at((lt_command_id)i);
        if (strcmp(command->section, section) != 0)
            heading(out, command->section);
        section = command->section;
        fprintf(out, "  %s%-12s%s", lt_style_on(out, LT_STYLE_CYAN), command->name, lt_style_off(out));
        wrap(out, command->summary, 14, 14, width);
    }
    fprintf(out, "\n"
                 "lathe COMMAND --help   options and examples of a command\n"
                 "lathe --version        version and kernels in use\n"
                 "lathe --man            the manual page: lathe --man | man -l -\n");
}
