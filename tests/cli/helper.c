/* What the shell tests cannot do themselves.
 *
 *   helper json FILE [PATH]         checks that FILE holds one JSON value and prints what is at PATH ("ids.0"); strings
 * plain helper pty COLUMNS COMMAND …    runs COMMAND on a terminal of its own and copies what it prints to stdout
 *   helper interrupt TEXT COMMAND … the same, and presses Ctrl-C once TEXT was printed
 *
 * pty and interrupt end with the command's own status; a command killed by a signal gives 128 + its number. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "helper: %s\n", what);
    return 99;
}

/* ---- json ---- */

static json_t *follow(json_t *value, char *path)
{
    for (char *key = strtok(path, "."); key && value; key = strtok(NULL, "."))
        value = json_is_array(value) ? json_array_get(value, (size_t)atol(key)) : json_object_get(value, key);
    return value;
}

static int show_json(int argc, char **argv)
{
    json_error_t at;
    json_t *root = json_load_file(argv[0], JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
    if (!root)
        return fail(at.text);
    json_t *value = argc > 1 ? follow(root, argv[1]) : root;
    if (!value)
        return fail("nothing at this path");
    if (json_is_string(value))
        fwrite(json_string_value(value), 1, json_string_length(value), stdout);
    else
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
    return 0;
}

/* ---- terminals ---- */

static void become(char **command, const char *terminal)
{
    setsid();
    int fd = open(terminal, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0)
        _exit(99);
    for (int i = 0; i <= 2; i++)
        dup2(fd, i);
    signal(SIGINT, SIG_DFL);
    execvp(command[0], command);
    _exit(99);
}

/* Copies the terminal's output until the command has closed it; presses Ctrl-C when `press_after` has passed by. */
static void copy(int master, const char *press_after)
{
    static char seen[1 << 20];
    size_t used = 0;
    char buffer[4096];
    ssize_t n;
    while ((n = read(master, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        fwrite(buffer, 1, (size_t)n, stdout);
        if (!press_after || used + (size_t)n >= sizeof seen)
            continue;
        memcpy(seen + used, buffer, (size_t)n);
        used += (size_t)n;
        seen[used] = '\0';
        if (strstr(seen, press_after)) {
            if (write(master, "\003", 1) != 1)
                return;
            press_after = NULL;
        }
    }
}

static int run_on_terminal(int columns, const char *press_after, char **command)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        return fail("no terminal to be had");
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    ioctl(master, TIOCSWINSZ, &size);
    int held = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC); /* until the child has it, or read() ends early */
    pid_t child = fork();
    if (child == 0)
        become(command, ptsname(master));
    if (child < 0)
        return fail("cannot fork");
    /* The child's own descriptor keeps the terminal open as soon as it has opened it; its first byte or its end tells.
     */
    fd_set ready;
    struct timeval patience = {.tv_sec = 1};
    FD_ZERO(&ready);
    FD_SET(master, &ready);
    select(master + 1, &ready, NULL, NULL, &patience);
    close(held);
    copy(master, press_after);
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "json") == 0)
        return show_json(argc - 2, argv + 2);
    if (argc > 3 && strcmp(argv[1], "pty") == 0)
        return run_on_terminal(atoi(argv[2]), NULL, argv + 3);
    if (argc > 3 && strcmp(argv[1], "interrupt") == 0)
        return run_on_terminal(80, argv[2], argv + 3);
    return fail("usage: helper json | pty | interrupt …");
}
