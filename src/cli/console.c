#include "cli/console.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/terminal.h"
#include "core/log.h"

static char status[1024];

static void erase_status(void)
{
    if (*status)
        fputs("\r\033[K", stderr);
}

static void draw_status(void)
{
    if (*status)
        fputs(status, stderr);
    fflush(stderr);
}

/* Messages come from any thread; the stream's own lock keeps a line and the status below it together. */
static void print_line(const char *before, lt_style style, const char *text)
{
    flockfile(stderr);
    erase_status();
    fprintf(stderr, "%s%s%s%s%s\n", *before ? "lathe: " : "", lt_style_on(stderr, style), before, lt_style_off(stderr),
            text);
    draw_status();
    funlockfile(stderr);
}

static void log_line(lt_log_level level, const char *line, void *context)
{
    (void)context;
    if (level == LT_LOG_WARNING)
        print_line("warning: ", LT_STYLE_YELLOW, line);
    else
        lt_console_print("%s", line);
}

void lt_console_start(void)
{
    setvbuf(stderr, NULL, _IOLBF, 4096); /* a line, or a redraw, in one write */
    lt_log_set_sink(log_line, NULL);
}

void lt_console_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    flockfile(stderr);
    erase_status();
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    draw_status();
    funlockfile(stderr);
    va_end(args);
}

void lt_console_error(const lt_error *err)
{
    print_line("error: ", LT_STYLE_RED, err->message);
}

void lt_console_status(const char *text)
{
    flockfile(stderr);
    erase_status();
    snprintf(status, sizeof status, "%s", text);
    draw_status();
    funlockfile(stderr);
}

void lt_console_clear_status(void)
{
    flockfile(stderr);
    erase_status();
    *status = '\0';
    fflush(stderr);
    funlockfile(stderr);
}

bool lt_console_finish_output(lt_error *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    if (errno == EPIPE)
        return true;
    if (errno == 0)
        errno = EIO;
    return lt_error_errno(err, "standard output: cannot write the result");
}
