#include "rl/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { SAID_MAX = 400, READ_BYTES = 65536 };

/* A running program. */
typedef struct child {
    const lt_process_request *request;
    pid_t pid;
    int in, out, error; /* our ends; -1: closed */
    size_t written;
    char *output;
    size_t size, capacity;
    char said[2 * SAID_MAX + 1]; /* the end of its standard error */
    size_t said_size;
    double deadline;
} child;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool spawn(child *c, int ends[3], lt_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    char **argv = calloc((size_t)c->request->count + 1, sizeof *argv);
    if (!argv)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int i = 0; i < c->request->count; i++)
        argv[i] = (char *)c->request->argv[i];
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&actions, ends[i], i);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    int failure = posix_spawnp(&c->pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    free(argv);
    if (!failure)
        return true;
    errno = failure;
    return lt_error_errno(err, "%s: cannot be started", c->request->argv[0]);
}

/* Pipes and the program. Ends that the child keeps are closed here. */
static bool start(child *c, lt_error *err)
{
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    bool ok = true;
    for (int i = 0; ok && i < 3; i++)
        ok = pipe2(pipes[i], O_CLOEXEC) == 0 || lt_error_errno(err, "a pipe to %s", c->request->argv[0]);
    int ends[3] = {pipes[0][0], pipes[1][1], pipes[2][1]};
    ok = ok && spawn(c, ends, err);
    for (int i = 0; i < 3; i++)
        shut(&ends[i]);
    c->in = pipes[0][1];
    c->out = pipes[1][0];
    c->error = pipes[2][0];
    if (ok) {
        fcntl(c->in, F_SETFL, O_NONBLOCK);
        fcntl(c->out, F_SETFL, O_NONBLOCK);
        fcntl(c->error, F_SETFL, O_NONBLOCK);
    }
    return ok;
}

/* What is left of its input; closed when that is done, or nobody reads it. */
static void give(child *c)
{
    while (c->written < c->request->input_size) {
        ssize_t n = write(c->in, c->request->input + c->written, c->request->input_size - c->written);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            break;
        c->written += (size_t)n;
    }
    shut(&c->in);
}

static bool take(child *c, lt_error *err)
{
    if (c->capacity - c->size < READ_BYTES + 1) {
        size_t capacity = 2 * c->capacity + 2 * READ_BYTES;
        char *grown = realloc(c->output, capacity);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for what %s writes", c->request->argv[0]);
        c->output = grown;
        c->capacity = capacity;
    }
    ssize_t n = read(c->out, c->output + c->size, READ_BYTES);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        shut(&c->out);
    c->size += n > 0 ? (size_t)n : 0;
    if (c->size > c->request->output_max)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: wrote more than %zu bytes", c->request->argv[0], c->request->output_max);
    return true;
}

static void listen(child *c)
{
    ssize_t n = read(c->error, c->said + c->said_size, sizeof c->said - 1 - c->said_size);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        shut(&c->error);
    c->said_size += n > 0 ? (size_t)n : 0;
    if (c->said_size > SAID_MAX) {
        memmove(c->said, c->said + c->said_size - SAID_MAX, SAID_MAX);
        c->said_size = SAID_MAX;
    }
    c->said[c->said_size] = '\0';
}

static bool too_long(const child *c, lt_error *err)
{
    return lt_error_set(err, LT_ERR_IO, "%s: not done after %g seconds, stopped", c->request->argv[0], c->request->seconds);
}

/* Until both of its outputs are closed. */
static bool talk(child *c, lt_error *err)
{
    while (c->out >= 0 || c->error >= 0) {
        struct pollfd fds[3] = {{c->in, POLLOUT, 0}, {c->out, POLLIN, 0}, {c->error, POLLIN, 0}};
        double left = c->deadline - now();
        if (left <= 0)
            return too_long(c, err);
        if (poll(fds, 3, left > 1000 ? 1000000 : (int)(left * 1000) + 1) < 0 && errno != EINTR)
            return lt_error_errno(err, "waiting for %s", c->request->argv[0]);
        if (fds[0].revents)
            give(c);
        if (fds[1].revents && !take(c, err))
            return false;
        if (fds[2].revents)
            listen(c);
    }
    return true;
}

/* Its exit status, when it ends in time. */
static bool ended(child *c, lt_error *err)
{
    int status;
    for (pid_t got; (got = waitpid(c->pid, &status, WNOHANG)) == 0;) {
        if (now() > c->deadline)
            return too_long(c, err);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    c->pid = -1;
    const char *last = c->said_size ? c->said : "nothing on standard error";
    for (size_t n = c->said_size; n && (c->said[n - 1] == '\n' || c->said[n - 1] == ' ');)
        c->said[--n] = '\0';
    if (WIFSIGNALED(status))
        return lt_error_set(err, LT_ERR_IO, "%s: ended by signal %d: %s", c->request->argv[0], WTERMSIG(status), last);
    if (WEXITSTATUS(status))
        return lt_error_set(err, LT_ERR_IO, "%s: exit status %d: %s", c->request->argv[0], WEXITSTATUS(status), last);
    return true;
}

/* Writing to a program that does not read raises SIGPIPE; it must neither end us nor reach a handler of the caller's. */
static bool hold_sigpipe(sigset_t *before)
{
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &set, before);
    return !sigismember(&pending, SIGPIPE);
}

static void release_sigpipe(const sigset_t *before, bool ours)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    while (ours && sigtimedwait(&set, NULL, &(struct timespec){0}) > 0)
        ;
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

bool lt_process_run(const lt_process_request *request, char **output, size_t *size, lt_error *err)
{
    child c = {.request = request, .pid = -1, .in = -1, .out = -1, .error = -1, .deadline = now() + request->seconds};
    sigset_t before;
    bool ours = hold_sigpipe(&before);
    bool ok = start(&c, err);
    pid_t group = c.pid;
    ok = ok && talk(&c, err) && ended(&c, err);
    if (!ok && group > 0)
        kill(-group, SIGKILL);
    if (c.pid > 0)
        while (waitpid(c.pid, NULL, 0) < 0 && errno == EINTR)
            ;
    shut(&c.in);
    shut(&c.out);
    shut(&c.error);
    release_sigpipe(&before, ours);
    if (ok && !c.output)
        ok = (c.output = calloc(1, 1)) || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (!ok) {
        free(c.output);
        return false;
    }
    c.output[c.size] = '\0';
    *output = c.output;
    *size = c.size;
    return true;
}
