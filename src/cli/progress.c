#include "cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/console.h"
#include "cli/terminal.h"

static const double REDRAW_SECONDS = 0.1;
static const double LOG_SECONDS = 5, LOG_SECONDS_AT_LEAST = 1;

enum { BAR_LEAST = 8, BAR_MOST = 40, PART_MAX = 64 };

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the parts ---- */

typedef struct parts {
    char step[PART_MAX], loss[PART_MAX], speed[PART_MAX], memory[PART_MAX], left[PART_MAX];
} parts;

static void make_parts(const lathe_progress *p, parts *out)
{
    char a[LT_FIGURE], b[LT_FIGURE];
    *out = (parts){0};
    if (p->total > 0)
        snprintf(out->step, PART_MAX, "%s/%s", lt_figure_grouped(p->done, a), lt_figure_grouped(p->total, b));
    else
        snprintf(out->step, PART_MAX, "%s", lt_figure_grouped(p->done, a));
    if (strcmp(p->phase, "training") == 0 && p->done > 0)
        snprintf(out->loss, PART_MAX, "loss %.4f", p->loss);
    if (p->tokens_per_second > 0)
        snprintf(out->speed, PART_MAX, "%s tok/s", lt_figure_count(p->tokens_per_second, a));
    if (p->rss_bytes > 0 && p->planned_bytes > 0)
        snprintf(out->memory, PART_MAX, "%s of %s", lt_figure_bytes(p->rss_bytes, a),
                 lt_figure_bytes(p->planned_bytes, b));
    else if (p->rss_bytes > 0)
        snprintf(out->memory, PART_MAX, "%s", lt_figure_bytes(p->rss_bytes, a));
    if (p->total > p->done && p->eta_seconds > 0)
        snprintf(out->left, PART_MAX, "%s left", lt_figure_seconds(p->eta_seconds, a));
}

/* ---- the bar ---- */

/* Eighths of a block in UTF-8, '#' and '.' elsewhere. */
static void append_bar(char *out, size_t capacity, double share, int columns)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    bool fine = lt_terminal_is_utf8();
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    int full = (int)(share * columns), rest = (int)((share * columns - full) * 8);
    size_t used = strlen(out);
    for (int i = 0; i < columns && used + 4 < capacity; i++) {
        const char *cell = i < full ? (fine ? "█" : "#") : i == full && fine && rest ? eighths[rest] : fine ? "░" : ".";
        used += (size_t)snprintf(out + used, capacity - used, "%s", cell);
    }
}

void lt_progress_format(const lathe_progress *progress, int columns, char *out, size_t capacity)
{
    parts p;
    make_parts(progress, &p);
    /* In the order of the line; rank says how long a part is kept when room gets scarce. */
    const struct {
        const char *text;
        int rank;
    } line[] = {{progress->phase, 1}, {p.step, 0}, {p.loss, 0}, {p.speed, 2}, {p.memory, 3}, {p.left, 1}};
    enum { COUNT = sizeof line / sizeof *line };
    bool bar = progress->total > 0;
    int worst = 4, width;
    do {
        worst--;
        width = bar ? BAR_LEAST : 0;
        for (int i = 0; i < COUNT; i++)
            if (line[i].rank <= worst && *line[i].text)
                width += 2 + lt_terminal_columns(line[i].text);
    } while (width > columns && worst > 0);
    if (width > columns)
        bar = false;
    int spare = columns - width;

    *out = '\0';
    for (int i = 0; i < COUNT; i++) {
        if (line[i].rank <= worst && *line[i].text) {
            size_t used = strlen(out);
            snprintf(out + used, capacity - used, "%s%s", used ? "  " : "", line[i].text);
        }
        if (i == 0 && bar) {
            size_t used = strlen(out);
            snprintf(out + used, capacity - used, "%s", used ? "  " : "");
            int length = BAR_LEAST + spare < BAR_MOST ? BAR_LEAST + spare : BAR_MOST;
            append_bar(out, capacity, (double)progress->done / (double)progress->total, length);
        }
    }
}

/* ---- showing ---- */

static void show_live(const lathe_progress *progress, lt_progress_view *view, double now)
{
    bool over = progress->total > 0 && progress->done >= progress->total;
    if (progress->phase == view->phase && !over && now - view->drawn_seconds < REDRAW_SECONDS)
        return;
    char text[512];
    /* The last column stays free: some terminals wrap when it is written. */
    lt_progress_format(progress, lt_terminal_width(stderr) - 1, text, sizeof text);
    lt_console_status(text);
    view->drawn_seconds = now;
    view->phase = progress->phase;
}

static bool line_is_due(const lathe_progress *progress, const lt_progress_view *view, double now)
{
    double since = now - view->drawn_seconds;
    if (strcmp(progress->phase, "training") != 0)
        return since >= LOG_SECONDS;
    if (progress->done == view->drawn_step)
        return false;
    bool edge = progress->done == 1 || progress->done == progress->total;
    bool logging = view->logging_steps > 0 && progress->done % view->logging_steps == 0;
    return edge || since >= LOG_SECONDS || (logging && since >= LOG_SECONDS_AT_LEAST);
}

static void show_line(const lathe_progress *progress, lt_progress_view *view, double now)
{
    if (view->drawn_seconds == 0)
        view->drawn_seconds = now;
    if (!line_is_due(progress, view, now))
        return;
    parts p;
    make_parts(progress, &p);
    const char *const rest[] = {p.loss, p.speed, p.memory, p.left};
    char text[512];
    bool training = strcmp(progress->phase, "training") == 0;
    snprintf(text, sizeof text, "%s %s", training ? "step" : progress->phase, p.step);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        if (*rest[i]) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "  %s", rest[i]);
        }
    lt_console_print("%s", text);
    view->drawn_seconds = now;
    view->drawn_step = training ? progress->done : 0;
}

void lt_progress_show(const lathe_progress *progress, void *context)
{
    if (lt_terminal_is_live())
        show_live(progress, context, now_seconds());
    else
        show_line(progress, context, now_seconds());
}
