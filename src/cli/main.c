/* The program's entry: finds the command, reads its options, runs it, and turns the outcome into an exit status. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/command.h"
#include "cli/console.h"
#include "cli/help.h"
#include "cli/options.h"
#include "core/suggest.h"
#include "cli/terminal.h"
#include "core/threads.h"
#include "simd/kernels.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* A standard descriptor that the caller closed would be given to the next file opened, and messages would go into a
 * model. The null device takes its place; for stdout opened for reading, so that writing a result fails and is seen. */
static void hold_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) < 0)
            _exit(EXIT_FAILED);
}

static int exit_status(const lt_error *err)
{
    switch (err->status) {
    case LT_OK:
        return 0;
    case LT_ERR_USAGE:
        return EXIT_USAGE;
    case LT_ERR_INTERRUPTED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_FAILED;
    }
}

static bool unknown_command(const char *name, lt_error *err)
{
    lt_suggest suggest = {.wanted = name};
    char question[96];
    for (int i = 0; i < LT_COMMAND_COUNT; i++)
        lt_suggest_offer(&suggest, lt_command_at((lt_command_id)i)->name);
    return lt_error_set(err, LT_ERR_USAGE, "unknown command '%s'%s", name,
                        *suggest.best ? lt_suggest_question(&suggest, "", question) : " (see: lathe --help)");
}

static bool run_command(const lt_command *command, int argc, char **argv, lt_error *err)
{
    lt_options options;
    bool ok = lt_options_parse(&options, command, argc, argv, err);
    if (ok && options.help)
        lt_help_command(stdout, command);
    else if (ok && lt_kernels_complaint())
        ok = lt_error_set(err, LT_ERR_USAGE, "%s", lt_kernels_complaint());
    else if (ok) {
        lt_threads_set((int)options.threads);
        ok = command->run(&options, err);
    }
    lt_options_free(&options);
    return ok;
}

/* The recipe that stands on a command line, or NULL. */
static const char *find_recipe(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
    }
    return NULL;
}

/* `lathe plan sft …` is `lathe sft --dry-run …`; the command may also be the recipe's, and is sft when nobody says. */
static bool run_plan(int argc, char **argv, lt_error *err)
{
    const lt_command *plan = &lt_cli_plan, *command = argc > 0 ? lt_command_find(argv[0]) : NULL;
    bool named = command != NULL;
    if (argc > 0 && !named && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        lt_help_command(stdout, plan);
        return true;
    }
    const char *recipe = find_recipe(argc, argv);
    if (!named && recipe)
        command = lt_options_recipe_command(recipe);
    if (!command)
        command = &lt_cli_sft;
    if (!lt_option_find(command, "dry-run"))
        return lt_error_set(err, LT_ERR_USAGE, "plan is for training commands; '%s' is none", command->name);
    char **planned = malloc(((size_t)argc + 1) * sizeof *planned);
    if (!planned)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    int count = 0;
    planned[count++] = "--dry-run";
    for (int i = named; i < argc; i++)
        planned[count++] = argv[i];
    bool ok = run_command(command, count, planned, err);
    free(planned);
    return ok;
}

/* `lathe help`, `lathe help sft` */
static bool run_help(int argc, char **argv, lt_error *err)
{
    const lt_command *command = argc > 0 ? lt_command_find(argv[0]) : NULL;
    if (argc > 0 && !command)
        return unknown_command(argv[0], err);
    if (command)
        lt_help_command(stdout, command);
    else
        lt_help_program(stdout);
    return true;
}

static bool run(int argc, char **argv, lt_error *err)
{
    if (argc < 2) {
        lt_help_program(stderr);
        return lt_error_set(err, LT_ERR_USAGE, "which command?");
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return run_help(argc - 2, argv + 2, err);
    if (strcmp(name, "--version") == 0) {
        printf("lathe %s (%s)\n", LT_VERSION, lt_kernels_get()->name);
        return true;
    }
    if (strcmp(name, "--man") == 0) {
        lt_help_manual(stdout);
        return true;
    }
    const lt_command *command = lt_command_find(name);
    if (command == &lt_cli_plan)
        return run_plan(argc - 2, argv + 2, err);
    return command ? run_command(command, argc - 2, argv + 2, err) : unknown_command(name, err);
}

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a reader of the log that goes away must not end a training run */
    lt_terminal_start();
    lt_console_start();
    lt_error err = {0};
    bool ok = run(argc, argv, &err);
    lt_error output = {0};
    bool written =
        lt_console_finish_output(&output); /* before the message, so that both stand in order on a terminal */
    lt_console_clear_status();
    if (ok && written)
        return 0;
    const lt_error *failure = ok ? &output : &err;
    if (*failure->message)
        lt_console_error(failure);
    return exit_status(failure);
}
