/* Standard error: whole lines, and at most one status line below them that is drawn again and again. */
#ifndef LT_CLI_CONSOLE_H
#define LT_CLI_CONSOLE_H

#include "core/error.h"

/* Library messages (core/log.h) come out here: "lathe: warning: …" or the plain line. */
void lt_console_start(void);

/* A line of its own; the status line, if there is one, moves below it. No newline in the text. */
void lt_console_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "lathe: error: …" */
void lt_console_error(const lt_error *err);

/* Replaces the status line. Only on terminals that can redraw (lt_terminal_is_live). The text fits the width. */
void lt_console_status(const char *text);
void lt_console_clear_status(void);

/* Asks stdout whether everything reached its reader. A reader that has gone (EPIPE) is no failure: it had enough. */
bool lt_console_finish_output(lt_error *err);

#endif
