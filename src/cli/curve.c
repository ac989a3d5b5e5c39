#include "cli/curve.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cli/terminal.h"
#include "core/utf8.h"

enum { MAX_WIDTH = 200, MAX_HEIGHT = 40, DOTS_ACROSS = 2, DOTS_DOWN = 4, LABEL_COLUMNS = 9 };

typedef struct plot {
    int columns, lines;         /* characters */
    int dots_across, dots_down; /* per character: 2 × 4 or 1 × 1 */
    double x0, x1, y0, y1;
    double mean[MAX_WIDTH * DOTS_ACROSS];      /* of each column of dots; NAN when nothing falls into it */
    unsigned char dots[MAX_HEIGHT][MAX_WIDTH]; /* bits of the braille pattern, or 1 */
} plot;

static bool finite_point(const lt_curve *curve, int i)
{
    return isfinite(curve->x[i]) && isfinite(curve->y[i]);
}

static int find_range(const lt_curve *curve, plot *p)
{
    int count = 0;
    for (int i = 0; i < curve->count; i++) {
        if (!finite_point(curve, i))
            continue;
        p->x0 = count ? fmin(p->x0, curve->x[i]) : curve->x[i];
        p->x1 = count ? fmax(p->x1, curve->x[i]) : curve->x[i];
        p->y0 = count ? fmin(p->y0, curve->y[i]) : curve->y[i];
        p->y1 = count ? fmax(p->y1, curve->y[i]) : curve->y[i];
        count++;
    }
    return count;
}

/* Means per column, and a straight line across columns without values: a curve, not a cloud. */
static void fill_columns(const lt_curve *curve, plot *p)
{
    int across = p->columns * p->dots_across, counts[MAX_WIDTH * DOTS_ACROSS] = {0};
    double sums[MAX_WIDTH * DOTS_ACROSS] = {0};
    for (int i = 0; i < curve->count; i++) {
        if (!finite_point(curve, i))
            continue;
        int column = (int)((curve->x[i] - p->x0) / (p->x1 - p->x0) * (across - 1) + 0.5);
        sums[column] += curve->y[i];
        counts[column]++;
    }
    int last = -1;
    for (int c = 0; c < across; c++) {
        p->mean[c] = counts[c] ? sums[c] / counts[c] : NAN;
        if (!counts[c])
            continue;
        for (int between = last + 1; last >= 0 && between < c; between++)
            p->mean[between] = p->mean[last] + (p->mean[c] - p->mean[last]) * (between - last) / (c - last);
        last = c;
    }
}

static void set_dot(plot *p, int across, int down)
{
    /* Bits of U+2800 + n: the left column is 0 1 2 6, the right one 3 4 5 7, from the top. */
    static const unsigned char bits[DOTS_DOWN][DOTS_ACROSS] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
    p->dots[down / p->dots_down][across / p->dots_across] |= bits[down % p->dots_down][across % p->dots_across];
}

/* From each column to the next the dots between the two heights are set too, so that steep parts hang together. */
static void draw_dots(plot *p)
{
    int down = p->lines * p->dots_down, before = -1;
    double span = p->y1 > p->y0 ? p->y1 - p->y0 : 1;
    for (int c = 0; c < p->columns * p->dots_across; c++) {
        if (isnan(p->mean[c]))
            continue;
        int row = (int)((p->y1 - p->mean[c]) / span * (down - 1) + 0.5);
        int from = before < 0 ? row : before < row ? before + 1 : before > row ? before - 1 : row;
        for (int r = from; r != row; r += r < row ? 1 : -1)
            set_dot(p, c, r);
        set_dot(p, c, row);
        before = row;
    }
}

static void print_cell(FILE *out, const plot *p, int line, int column)
{
    char text[5] = " ";
    unsigned char dots = p->dots[line][column];
    if (dots && p->dots_across == 1)
        text[0] = '*';
    else if (dots)
        text[lt_utf8_encode(0x2800u + dots, text)] = '\0';
    fputs(text, out);
}

static void print_plot(FILE *out, const plot *p, const char *x_label)
{
    bool fine = p->dots_across > 1;
    for (int line = 0; line < p->lines; line++) {
        double value = p->y1 - (p->y1 - p->y0) * line / (p->lines - 1);
        bool labelled = line == 0 || line == p->lines - 1 || line == p->lines / 2;
        if (labelled)
            fprintf(out, "%*.4g %s", LABEL_COLUMNS - 2, value, fine ? "┤" : "|");
        else
            fprintf(out, "%*s%s", LABEL_COLUMNS - 1, "", fine ? "│" : "|");
        fputs(lt_style_on(out, LT_STYLE_GREEN), out);
        for (int column = 0; column < p->columns; column++)
            print_cell(out, p, line, column);
        fprintf(out, "%s\n", lt_style_off(out));
    }
    fprintf(out, "%*s%s", LABEL_COLUMNS - 1, "", fine ? "└" : "+");
    for (int column = 0; column < p->columns; column++)
        fputs(fine ? "─" : "-", out);
    char last[LT_FIGURE + 32];
    snprintf(last, sizeof last, "%s %g", x_label, p->x1);
    fprintf(out, "\n%*s%-*g%s\n", LABEL_COLUMNS, "", p->columns - (int)strlen(last), p->x0, last);
}

void lt_curve_draw(FILE *out, const lt_curve *curve)
{
    plot p = {.columns = curve->width > 0 ? curve->width : 60, .lines = curve->height > 1 ? curve->height : 10};
    if (p.columns > MAX_WIDTH)
        p.columns = MAX_WIDTH;
    if (p.lines > MAX_HEIGHT)
        p.lines = MAX_HEIGHT;
    p.dots_across = lt_terminal_is_utf8() ? DOTS_ACROSS : 1;
    p.dots_down = lt_terminal_is_utf8() ? DOTS_DOWN : 1;
    if (find_range(curve, &p) < 2 || p.x1 <= p.x0)
        return;
    fill_columns(curve, &p);
    draw_dots(&p);
    print_plot(out, &p, curve->x_label);
}
