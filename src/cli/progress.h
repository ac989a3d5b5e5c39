/* The trainer's progress for a person: a bar that is redrawn on a terminal, log lines elsewhere. */
#ifndef LT_CLI_PROGRESS_H
#define LT_CLI_PROGRESS_H

#include "lathe.h"

typedef struct lt_progress_view {
    int64_t logging_steps; /* a log line at every so many steps, when there is no live terminal */
    double drawn_seconds;  /* when the bar or a line was last printed */
    int64_t drawn_step;
    const char *phase;
} lt_progress_view;

/* A lathe_progress_sink; context is an lt_progress_view, zeros but for logging_steps. */
void lt_progress_show(const lathe_progress *progress, void *view);

/* The bar as text of at most `columns` columns; parts that do not fit are left out, the least telling first. */
void lt_progress_format(const lathe_progress *progress, int columns, char *out, size_t capacity);

#endif
