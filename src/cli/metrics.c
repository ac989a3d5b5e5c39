#include "cli/metrics.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/curve.h"
#include "cli/terminal.h"
#include "core/file.h"

static bool push(lt_metrics *metrics, double step, double loss)
{
    if ((metrics->count & (metrics->count - 1)) == 0) { /* a power of two is full */
        size_t capacity = metrics->count ? 2 * (size_t)metrics->count : 1;
        double *steps = realloc(metrics->step, capacity * sizeof *steps);
        metrics->step = steps ? steps : metrics->step;
        double *losses = realloc(metrics->loss, capacity * sizeof *losses);
        metrics->loss = losses ? losses : metrics->loss;
        if (!steps || !losses)
            return false;
    }
    metrics->step[metrics->count] = step;
    metrics->loss[metrics->count++] = loss;
    return true;
}

static bool read_row(lt_metrics *metrics, const char *line, size_t size)
{
    json_t *row = json_loadb(line, size, 0, NULL);
    const json_t *step = json_object_get(row, "step"), *loss = json_object_get(row, "loss");
    bool ok = !json_is_number(step) || !json_is_number(loss) ||
              push(metrics, json_number_value(step), json_number_value(loss));
    json_decref(row);
    return ok;
}

bool lt_metrics_read(lt_metrics *metrics, const char *folder, lt_error *err)
{
    enum { LIMIT_BYTES = 256 << 20 };
    char path[4096], *data = NULL;
    size_t size = 0;
    *metrics = (lt_metrics){0};
    if (!lt_file_join(path, sizeof path, folder, "metrics.jsonl", err) ||
        !lt_file_read(path, LIMIT_BYTES, &data, &size, err))
        return false;
    bool ok = true;
    for (const char *line = data, *end = data + size; ok && line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line)), *stop = newline ? newline : end;
        ok = read_row(metrics, line, (size_t)(stop - line));
        line = stop + 1;
    }
    free(data);
    return ok || lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
}

void lt_metrics_free(lt_metrics *metrics)
{
    free(metrics->step);
    free(metrics->loss);
    *metrics = (lt_metrics){0};
}

static void draw(const lt_metrics *metrics, FILE *out)
{
    enum { POINTS_LEAST = 8, WIDTH_MOST = 72, HEIGHT = 8, AROUND = 12 };
    if (metrics->count < POINTS_LEAST)
        return;
    int width = lt_terminal_width(out) - AROUND;
    lt_curve curve = {.x = metrics->step,
                      .y = metrics->loss,
                      .count = metrics->count,
                      .x_label = "step",
                      .width = width > WIDTH_MOST ? WIDTH_MOST
                               : width < 20       ? 20
                                                  : width,
                      .height = HEIGHT};
    fprintf(out, "\n%sloss%s\n", lt_style_on(out, LT_STYLE_BOLD), lt_style_off(out));
    lt_curve_draw(out, &curve);
}

void lt_metrics_draw_run(const char *folder, FILE *out)
{
    lt_metrics metrics;
    if (lt_metrics_read(&metrics, folder, NULL))
        draw(&metrics, out);
    lt_metrics_free(&metrics);
}
