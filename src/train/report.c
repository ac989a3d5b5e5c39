#include "train/report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "formats/events.h"
#include "formats/json.h"

enum { SERIES_MOST = 64, POINTS_MOST = 600, KEY = 96 };

typedef struct series {
    char key[KEY];
    double *x, *y;
    int64_t count, room;
} series;

typedef struct curves {
    series items[SERIES_MOST];
    int count;
} curves;

/* ---- metrics ---- */

static bool add_point(curves *c, const char *key, double x, double y)
{
    int i = 0;
    while (i < c->count && strcmp(c->items[i].key, key))
        i++;
    if (i == SERIES_MOST || strlen(key) >= KEY)
        return true; /* more than anybody looks at */
    series *s = &c->items[i];
    if (i == c->count) {
        strcpy(s->key, key);
        c->count++;
    }
    if (s->count == s->room) {
        int64_t room = s->room * 2 + 64;
        double *xs = realloc(s->x, (size_t)room * sizeof *xs);
        if (xs)
            s->x = xs;
        double *ys = xs ? realloc(s->y, (size_t)room * sizeof *ys) : NULL;
        if (!ys)
            return false;
        s->y = ys;
        s->room = room;
    }
    s->x[s->count] = x;
    s->y[s->count++] = y;
    return true;
}

static bool is_place(const char *key)
{
    return !strcmp(key, "step") || !strcmp(key, "epoch") || !strcmp(key, "elapsed") || !strcmp(key, "stage_step") ||
           !strcmp(key, "tokens") || !strcmp(key, "eval_runtime");
}

/* One row for both: points of the curves, and an event. */
static bool take_row(curves *c, lt_events *events, const json_t *row, double start, double *elapsed, lt_error *err)
{
    lt_event_value values[SERIES_MOST];
    char tags[SERIES_MOST][KEY + 8];
    int count = 0;
    const char *key;
    json_t *value;
    const json_t *step = json_object_get(row, "step");
    if (!json_is_integer(step))
        return true;
    if (json_is_number(json_object_get(row, "elapsed")))
        *elapsed = json_number_value(json_object_get(row, "elapsed"));
    json_object_foreach((json_t *)row, key, value)
    {
        if (!json_is_number(value) || !strcmp(key, "step") || count == SERIES_MOST || strlen(key) >= KEY)
            continue;
        bool eval = !strncmp(key, "eval_", 5);
        snprintf(tags[count], sizeof tags[count], "%s/%s", eval ? "eval" : "train", eval ? key + 5 : key);
        values[count] = (lt_event_value){tags[count], (float)json_number_value(value)};
        count++;
        if (!is_place(key) && !add_point(c, key, (double)json_integer_value(step), json_number_value(value)))
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for curves");
    }
    return count == 0 || lt_events_add(events, start + *elapsed, json_integer_value(step), values, count, err);
}

static double started(const char *folder)
{
    char path[4096];
    struct stat st;
    return lt_file_join(path, sizeof path, folder, "recipe.yaml", NULL) && stat(path, &st) == 0 ? (double)st.st_mtime : 0;
}

static bool read_metrics(const char *folder, curves *c, lt_error *err)
{
    char path[4096], runs[4096], *line = NULL;
    size_t room = 0;
    double start = started(folder), elapsed = 0;
    lt_events events;
    if (!lt_file_join(path, sizeof path, folder, "metrics.jsonl", err) || !lt_file_join(runs, sizeof runs, folder, "runs", err))
        return false;
    FILE *in = fopen(path, "re");
    if (!in)
        return lt_error_errno(err, "%s: cannot open", path);
    bool ok = lt_file_make_folder(runs, err) && lt_file_join(path, sizeof path, runs, "events.out.tfevents.0.lathe", err) &&
              lt_events_create(&events, path, start, err);
    bool opened = ok;
    for (ssize_t n; ok && (n = getline(&line, &room, in)) > 0;) {
        json_t *row = json_loadb(line, (size_t)n, 0, NULL);
        ok = !json_is_object(row) || take_row(c, &events, row, start, &elapsed, err);
        json_decref(row);
    }
    free(line);
    fclose(in);
    if (ok)
        return lt_events_finish(&events, err);
    if (opened)
        lt_events_abort(&events);
    return false;
}

/* ---- the page ---- */

static void put_text(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
}

static void bounds(const series *s, double *low, double *high)
{
    for (int64_t i = 0; i < s->count; i++)
        if (isfinite(s->y[i])) {
            *low = fmin(*low, s->y[i]);
            *high = fmax(*high, s->y[i]);
        }
}

enum { WIDTH = 640, HEIGHT = 220, LEFT = 64, BOTTOM = 24, TOP = 10, RIGHT = 10 };

/* Where many steps fall on one place, their mean. */
static void draw_line(FILE *out, const series *s, double x0, double x1, double y0, double y1, const char *colour)
{
    int64_t bin = (s->count + POINTS_MOST - 1) / POINTS_MOST;
    fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", colour);
    for (int64_t i = 0; i < s->count; i += bin) {
        double x = 0, y = 0;
        int64_t n = 0;
        for (int64_t j = i; j < i + bin && j < s->count; j++)
            if (isfinite(s->y[j])) {
                x += s->x[j];
                y += s->y[j];
                n++;
            }
        if (n)
            fprintf(out, "%.1f,%.1f ", LEFT + (x / (double)n - x0) / (x1 > x0 ? x1 - x0 : 1) * (WIDTH - LEFT - RIGHT),
                    HEIGHT - BOTTOM - (y / (double)n - y0) / (y1 > y0 ? y1 - y0 : 1) * (HEIGHT - BOTTOM - TOP));
    }
    fputs("\"/>\n", out);
}

static void label(FILE *out, double x, double y, const char *anchor, double value)
{
    fprintf(out, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%.5g</text>\n", x, y, anchor, value);
}

/* One picture with a curve, or several that belong together. */
static void draw(FILE *out, const series *const *list, int count)
{
    static const char *const colours[] = {"#1f6fb2", "#c8501e", "#3a8f3a", "#8a4fa3"};
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (int i = 0; i < count; i++) {
        bounds(list[i], &y0, &y1);
        x0 = fmin(x0, list[i]->x[0]);
        x1 = fmax(x1, list[i]->x[list[i]->count - 1]);
    }
    if (!isfinite(y0))
        return;
    fputs("<figure><figcaption>", out);
    for (int i = 0; i < count; i++) {
        fprintf(out, "<span style=\"color:%s\">", colours[i % 4]);
        put_text(out, list[i]->key);
        fputs("</span> ", out);
    }
    fprintf(out, "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH, HEIGHT);
    fprintf(out, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#999\"/>\n", LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT);
    label(out, LEFT - 6, TOP + 8, "end", y1);
    label(out, LEFT - 6, HEIGHT - BOTTOM, "end", y0);
    label(out, LEFT, HEIGHT - 6, "start", x0);
    label(out, WIDTH - RIGHT, HEIGHT - 6, "end", x1);
    for (int i = 0; i < count; i++)
        draw_line(out, list[i], x0, x1, y0, y1, colours[i % 4]);
    fputs("</svg></figure>\n", out);
}

static const series *find(const curves *c, const char *key)
{
    for (int i = 0; i < c->count; i++)
        if (!strcmp(c->items[i].key, key))
            return &c->items[i];
    return NULL;
}

static void draw_all(FILE *out, const curves *c)
{
    static const char *const losses[] = {"loss", "eval_loss", "eval_replay_loss"};
    const series *list[3];
    int count = 0;
    for (int i = 0; i < 3; i++)
        if (find(c, losses[i]))
            list[count++] = find(c, losses[i]);
    if (count)
        draw(out, list, count);
    for (int i = 0; i < c->count; i++) {
        const series *one = &c->items[i];
        bool drawn = false;
        for (int l = 0; l < count; l++)
            drawn |= list[l] == one;
        if (!drawn)
            draw(out, &one, 1);
    }
}

static void put_summary(FILE *out, const char *folder)
{
    char path[4096];
    json_t *summary = lt_file_join(path, sizeof path, folder, "summary.json", NULL) ? lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, NULL) : NULL;
    const char *key;
    json_t *value;
    fputs("<table>\n", out);
    json_object_foreach(summary, key, value)
    {
        char number[40];
        if (json_is_object(value) || json_is_array(value) || json_is_null(value))
            continue;
        fputs("<tr><th>", out);
        put_text(out, key);
        fputs("</th><td>", out);
        if (json_is_real(value))
            snprintf(number, sizeof number, "%.6g", json_real_value(value));
        else if (json_is_integer(value))
            snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        else
            snprintf(number, sizeof number, "%s", json_is_true(value) ? "true" : "false");
        put_text(out, json_is_string(value) ? json_string_value(value) : number);
        fputs("</td></tr>\n", out);
    }
    fputs("</table>\n", out);
    json_decref(summary);
}

static void put_recipe(FILE *out, const char *folder)
{
    char path[4096], *text;
    size_t size;
    if (!lt_file_join(path, sizeof path, folder, "recipe.yaml", NULL) || !lt_file_read(path, 1 << 20, &text, &size, NULL))
        return;
    fputs("<h2>Recipe</h2>\n<pre>", out);
    put_text(out, text);
    fputs("</pre>\n", out);
    free(text);
}

static bool write_page(const char *folder, const curves *c, lt_error *err)
{
    char path[4096], *page = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&page, &size);
    if (!out || !lt_file_join(path, sizeof path, folder, "report.html", err)) {
        if (out)
            fclose(out);
        free(page);
        return out ? false : lt_error_set(err, LT_ERR_MEMORY, "out of memory for the report");
    }
    const char *slash = strrchr(folder, '/');
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>", out);
    put_text(out, slash && slash[1] ? slash + 1 : folder);
    fputs("</title>\n<style>body{font:15px/1.4 sans-serif;max-width:1340px;margin:2em auto;padding:0 1em;color:#222}"
          "figure{display:inline-block;margin:0 1em 1em 0;width:640px;max-width:100%}svg{width:100%}svg text{font-size:11px;fill:#555}"
          "th{text-align:left;font-weight:normal;color:#555;padding-right:2em}pre{background:#f4f4f4;padding:1em;overflow:auto}"
          "</style></head><body>\n<h1>",
          out);
    put_text(out, slash && slash[1] ? slash + 1 : folder);
    fputs("</h1>\n", out);
    draw_all(out, c);
    fputs("<h2>Summary</h2>\n", out);
    put_summary(out, folder);
    put_recipe(out, folder);
    fputs("</body></html>\n", out);
    bool ok = fclose(out) == 0 || lt_error_set(err, LT_ERR_MEMORY, "out of memory for the report");
    ok = ok && lt_file_replace(path, page, size, err);
    free(page);
    return ok;
}

bool lt_report_write(const char *folder, lt_error *err)
{
    curves *c = calloc(1, sizeof *c);
    if (!c)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the report");
    bool ok = read_metrics(folder, c, err) && write_page(folder, c, err);
    for (int i = 0; i < c->count; i++) {
        free(c->items[i].x);
        free(c->items[i].y);
    }
    free(c);
    return ok;
}
