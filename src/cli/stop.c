#include "cli/stop.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_INTERRUPTED = 130 };

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    if (stopped)
        _exit(STATUS_INTERRUPTED);
    stopped = 1;
    /* Said here because the step under way may take minutes. */
    static const char text[] = "\nlathe: stopping after this step, with a checkpoint (once more: stop at once)\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
}

const volatile sig_atomic_t *lt_stop_watch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    return &stopped;
}
