/* What the person's terminal can show, and figures written for people. */
#ifndef LT_CLI_TERMINAL_H
#define LT_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Looks once, at the start. */
void lt_terminal_start(void);

bool lt_terminal_is_live(void);            /* stderr is a terminal that can redraw a line */
bool lt_terminal_is_utf8(void);            /* the locale says so */
bool lt_terminal_has_colour(FILE *stream); /* a terminal, and NO_COLOR is not set */
int lt_terminal_width(FILE *stream);       /* columns now; 80 when it is no terminal */

/* The start and the end of a style on this stream; "" where it has no colours. */
typedef enum lt_style {
    LT_STYLE_BOLD,
    LT_STYLE_DIM,
    LT_STYLE_RED,
    LT_STYLE_GREEN,
    LT_STYLE_YELLOW,
    LT_STYLE_CYAN
} lt_style;
const char *lt_style_on(FILE *stream, lt_style style);
const char *lt_style_off(FILE *stream);

/* Columns that a UTF-8 text takes (East Asian wide characters two, combining marks none). */
int lt_terminal_columns(const char *text);

/* Figures for people, into out; they return out. */
enum { LT_FIGURE = 32 };
const char *lt_figure_bytes(int64_t bytes, char out[LT_FIGURE]);    /* 981 B, 1.5 KiB, 384 MiB, 1.42 GiB */
const char *lt_figure_count(double count, char out[LT_FIGURE]);     /* 950, 12.3k, 134.5M */
const char *lt_figure_seconds(double seconds, char out[LT_FIGURE]); /* 0.8 s, 42 s, 3:07, 2:15:40, 3 d 04 h */
const char *lt_figure_grouped(int64_t count, char out[LT_FIGURE]);  /* 4,968,734,720 */

#endif
