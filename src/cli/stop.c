#include "cli/stop.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_INTERRUPTED = 130 };

static volatile sig_atomic_t stopped;
static const char *announced;

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n; /* nobody listens: no reason not to stop */
}

static void on_signal(int number)
{
    (void)number;
    if (stopped)
        _exit(STATUS_INTERRUPTED);
    stopped = 1;
    /* Said here because the work under way may take minutes. */
    say("\nlathe: ");
    say(announced);
    say(" (once more: stop at once)\n");
}

const volatile sig_atomic_t *lt_stop_watch(const char *announcement)
{
    announced = announcement;
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    return &stopped;
}
