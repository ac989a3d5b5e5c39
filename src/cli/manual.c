/* The manual page. Everything about commands and options is generated; only the last sections are written here. */
#include <stdbool.h>
#include <string.h>

#include "cli/help.h"
#include "cli/options.h"

/* Text with what roff would take for itself escaped; a blank line becomes a paragraph. */
static void put(FILE *out, const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n.IP\n", out);
            text++;
            line_start = true;
            continue;
        }
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        line_start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (strncmp(text, "…", strlen("…")) == 0) {
            fputs("\\&...", out);
            text += strlen("…") - 1;
        } else
            fputc(*text, out);
    }
}

/* " [sft, pretrain]"; nothing when every command has the option. */
static void put_owners(FILE *out, const lt_option *option)
{
    int count = 0;
    for (int i = 0; i < LT_COMMAND_COUNT; i++)
        count += lt_option_belongs(option, lt_command_at((lt_command_id)i));
    if (count == LT_COMMAND_COUNT)
        return;
    const char *separator = " [";
    for (int i = 0; i < LT_COMMAND_COUNT; i++)
        if (lt_option_belongs(option, lt_command_at((lt_command_id)i))) {
            fprintf(out, "%s%s", separator, lt_command_at((lt_command_id)i)->name);
            separator = ", ";
        }
    fputs("]", out);
}

/* " (default 3)"; where commands differ " (default 3; pretrain: 1)". */
static void put_default(FILE *out, const lt_option *option)
{
    char first[128] = "", other[128];
    bool any = false;
    for (int i = 0; i < LT_COMMAND_COUNT; i++) {
        const lt_command *command = lt_command_at((lt_command_id)i);
        if (!lt_option_belongs(option, command))
            continue;
        lt_help_default(option, command, other, sizeof other);
        if (!any && *other) {
            fputs(" (default ", out);
            put(out, other);
            snprintf(first, sizeof first, "%s", other);
            any = true;
        } else if (any && strcmp(first, other) != 0) {
            fprintf(out, "; %s: ", command->name);
            put(out, *other ? other : "none");
        }
    }
    if (any)
        fputc(')', out);
}

static void put_option(FILE *out, const lt_option *option)
{
    fputs(".TP\n\\fB\\-\\-", out);
    put(out, option->name);
    fputs("\\fR", out);
    if (option->type == LT_OPTION_BOOL && !(option->flags & LT_OPTION_NOT_IN_RECIPE)) {
        fputs(", \\fB\\-\\-no\\-", out);
        put(out, option->name);
        fputs("\\fR", out);
    } else if (option->type != LT_OPTION_BOOL) {
        fputs(" \\fI", out);
        put(out, option->value);
        fputs("\\fR", out);
    }
    if (option->alias) {
        fputs(" (also \\fB\\-\\-", out);
        put(out, option->alias);
        fputs("\\fR)", out);
    }
    fputc('\n', out);
    put(out, option->help);
    put_default(out, option);
    put_owners(out, option);
    fputc('\n', out);
}

static void put_options(FILE *out)
{
    fputs(".SH OPTIONS\nNames may be written with dashes or underscores. The commands that know an option stand in "
          "brackets\n"
          "unless all do.\n",
          out);
    for (int group = 0; group < LT_GROUP_COUNT; group++) {
        const lt_option *option;
        bool any = false;
        for (int i = 0; (option = lt_option_at(i)); i++) {
            if ((int)option->group != group || (option->flags & LT_OPTION_RECIPE_ONLY))
                continue;
            if (!any)
                fprintf(out, ".SS \"%s\"\n", lt_option_group_heading((lt_option_group)group));
            any = true;
            put_option(out, option);
        }
    }
}

static void put_commands(FILE *out)
{
    fputs(".SH COMMANDS\n", out);
    for (int i = 0; i < LT_COMMAND_COUNT; i++) {
        const lt_command *command = lt_command_at((lt_command_id)i);
        fprintf(out, ".TP\n\\fBlathe %s\\fR ", command->name);
        put(out, command->usage);
        fputc('\n', out);
        put(out, command->details);
        fputc('\n', out);
    }
    fputs(".SH EXAMPLES\n", out);
    for (int i = 0; i < LT_COMMAND_COUNT; i++)
        for (const lt_command_example *e = lt_command_at((lt_command_id)i)->examples; e->line; e++) {
            fputs(".TP\n", out);
            put(out, e->line);
            fputc('\n', out);
            put(out, e->why);
            fputc('\n', out);
        }
}

static const char tail[] =
    ".SH RECIPES\n"
    "\\fB\\-\\-config\\fR reads a YAML file whose keys are the options' names with underscores. What the command line "
    "says wins over\n"
    "the recipe. A run writes its own as \\fIrecipe.yaml\\fR, with every option as resolved: that file repeats the "
    "run.\n"
    ".SH EXIT STATUS\n"
    ".TP\n0\ndone\n.TP\n1\nfailed; the message names file, place, what was expected and what was found\n"
    ".TP\n2\nwrong usage\n.TP\n130\ninterrupted; a training run saves a checkpoint first, a second signal ends it at "
    "once\n"
    ".SH ENVIRONMENT\n"
    ".TP\n\\fBLATHE_CPU\\fR\nuse at most this kernel set: ref, avx2, avx512, avx512bf16, amx\n"
    ".TP\n\\fBNO_COLOR\\fR\nno colours\n"
    ".TP\n\\fBTERM\\fR\n\\fIdumb\\fR switches colours and the progress bar off\n";

void lt_help_manual(FILE *out)
{
    fputs(".TH LATHE 1 \"\" \"lathe " LT_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nlathe \\- fine\\-tune language models on a CPU\n"
          ".SH SYNOPSIS\n.B lathe\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"
          ".SH DESCRIPTION\nResults go to standard output, progress and messages to standard error.\n",
          out);
    put_commands(out);
    put_options(out);
    fputs(tail, out);
}
