/* lathe lint: rows of data as the model will see them. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/data.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/utf8.h"
#include "text/lint.h"

static const lt_command_example examples[] = {
    {"lathe lint --model SmolLM2-135M-Instruct train.jsonl", "three rows with their mask, and figures of all"},
    {"lathe lint --model SmolLM2-135M-Instruct train.jsonl --show 0 --json", "the figures alone, for another program"},
    {NULL, NULL},
};

/* ---- rows ---- */

/* Text of strangers for a terminal: line ends and tabs stay, other control characters are spelt out. */
static void print_safely(const char *text, size_t size)
{
    while (size > 0) {
        uint32_t code_point;
        int n = lt_utf8_decode(text, size, &code_point);
        bool plain = n > 0 && (code_point == '\n' || code_point == '\t' || (code_point >= 0x20 && code_point != 0x7F));
        if (plain && !(code_point >= 0x80 && code_point < 0xA0))
            fwrite(text, 1, (size_t)n, stdout);
        else
            printf("\\x%02x", (unsigned char)*text);
        text += n > 0 ? n : 1;
        size -= (size_t)(n > 0 ? n : 1);
    }
}

/* Trained text is green; without colours it stands in double brackets. */
static void print_piece(const lt_lint_piece *piece)
{
    bool colour = lt_terminal_has_colour(stdout);
    fputs(colour           ? lt_style_on(stdout, piece->trained ? LT_STYLE_GREEN : LT_STYLE_DIM)
          : piece->trained ? "[["
                           : "",
          stdout);
    print_safely(piece->text, piece->size);
    fputs(colour ? lt_style_off(stdout) : piece->trained ? "]]" : "", stdout);
}

static void print_row(const lt_lint_shown *row)
{
    char path[300];
    lt_utf8_printable(row->path, path, sizeof path);
    printf("%s%s:%lld%s  %s%s, %d tokens, %lld of them trained\n", lt_style_on(stdout, LT_STYLE_BOLD), path,
           (long long)row->line, lt_style_off(stdout), lt_dataset_kind_name(row->kind),
           row->sequence ? " (rejected)" : "", row->tokens, (long long)row->targets);
    for (size_t i = 0; i < row->count; i++)
        print_piece(&row->pieces[i]);
    puts(row->cut ? "...\n" : "\n");
}

/* ---- figures ---- */

static void print_count(const char *name, int64_t count, const char *remark)
{
    char figure[LT_FIGURE];
    printf("  %s%-26s%s%14s%s%s\n", lt_style_on(stdout, LT_STYLE_CYAN), name, lt_style_off(stdout),
           lt_figure_grouped(count, figure), *remark ? "  " : "", remark);
}

/* A figure that should be 0 is shown only when it is not. */
static void print_fault(const char *name, int64_t count, const char *remark)
{
    if (count > 0)
        print_count(name, count, remark);
}

/* How often each label occurs, as far as there are few. */
static void print_labels(const json_t *labels)
{
    const char *name;
    json_t *count;
    json_object_foreach((json_t *)labels, name, count)
    {
        char printable[96], line[128];
        lt_utf8_printable(name, printable, sizeof printable);
        snprintf(line, sizeof line, "label %s", printable);
        print_count(line, json_integer_value(count), "");
    }
}

static void print_figures(const lt_lint_report *report)
{
    const lt_examples_counts *counts = &report->counts;
    char text[600];
    print_count("rows", counts->rows, "");
    for (int kind = 0; kind < LT_DATASET_KINDS; kind++)
        print_fault(lt_dataset_kind_name((lt_dataset_kind)kind), report->kinds[kind], "");
    print_count("tokens", counts->tokens, "");
    snprintf(text, sizeof text, "%.1f %%",
             counts->tokens ? 100.0 * (double)counts->targets / (double)counts->tokens : 0.0);
    print_count("trained tokens", counts->targets, text);
    snprintf(text, sizeof text, "shortest %lld, median %lld, 95 %% up to %lld, longest %lld",
             (long long)report->shortest, (long long)report->median, (long long)report->p95,
             (long long)report->longest);
    print_count("tokens of the longest", counts->longest, text);
    print_fault("cut at --max-length", counts->truncated, "");
    print_fault("train nothing", counts->untrained, counts->first_untrained);
    print_fault("empty, left out", counts->empty, "");
    snprintf(text, sizeof text, "first: %s like %s", report->first_duplicate, report->duplicate_of);
    print_fault("duplicates", report->duplicates, text);
    print_fault("pairs of equal answers", counts->equal_pairs, "they teach nothing");
    print_labels(report->labels);
    print_fault("prompt and answer merge", counts->merged, "the prompt has other tokens alone than with its answer");
    print_fault("turns lost", counts->turns_lost, "the template leaves them out");
    print_fault("turns without stop token", counts->turns_without_stop, "the model would not learn to stop");
    print_fault("tool calls lost", counts->calls_lost, "the template does not show them");
}

/* ---- JSON ---- */

static json_t *row_json(const lt_lint_shown *row)
{
    json_t *pieces = json_array();
    for (size_t i = 0; i < row->count; i++)
        json_array_append_new(pieces,
                              json_pack("{s:o, s:b}", "text", json_stringn(row->pieces[i].text, row->pieces[i].size),
                                        "trained", (int)row->pieces[i].trained));
    return json_pack("{s:s, s:I, s:s, s:i, s:i, s:I, s:b, s:o}", "file", row->path, "line", (json_int_t)row->line,
                     "kind", lt_dataset_kind_name(row->kind), "sequence", (int)row->sequence, "tokens",
                     (int)row->tokens, "targets", (json_int_t)row->targets, "cut", (int)row->cut, "pieces", pieces);
}

static json_t *report_json(const lt_lint_report *report)
{
    const lt_examples_counts *c = &report->counts;
    json_t *kinds = json_object(), *shown = json_array();
    for (int kind = 0; kind < LT_DATASET_KINDS; kind++)
        if (report->kinds[kind])
            json_object_set_new(kinds, lt_dataset_kind_name((lt_dataset_kind)kind), json_integer(report->kinds[kind]));
    for (size_t i = 0; i < report->shown_count; i++)
        json_array_append_new(shown, row_json(&report->shown[i]));
    const struct {
        const char *name;
        int64_t value;
    } figures[] = {{"rows", c->rows},
                   {"examples", c->examples},
                   {"tokens", c->tokens},
                   {"trained_tokens", c->targets},
                   {"shortest", report->shortest},
                   {"median", report->median},
                   {"p95", report->p95},
                   {"longest", report->longest},
                   {"longest_before_cut", c->longest},
                   {"truncated", c->truncated},
                   {"untrained", c->untrained},
                   {"empty", c->empty},
                   {"duplicates", report->duplicates},
                   {"equal_pairs", c->equal_pairs},
                   {"merged", c->merged},
                   {"turns_lost", c->turns_lost},
                   {"turns_without_stop", c->turns_without_stop},
                   {"calls_lost", c->calls_lost}};
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        json_object_set_new(json, figures[i].name, json_integer(figures[i].value));
    json_object_set_new(json, "first_untrained", json_string(c->first_untrained));
    json_object_set_new(json, "first_duplicate", json_string(report->first_duplicate));
    json_object_set_new(json, "duplicate_of", json_string(report->duplicate_of));
    json_object_set_new(json, "kinds", kinds);
    if (report->labels)
        json_object_set(json, "labels", report->labels);
    json_object_set_new(json, "shown", shown);
    return json;
}

/* ---- running ---- */

static bool show_progress(int64_t rows, void *context)
{
    (void)context;
    char text[64], figure[LT_FIGURE];
    if (lt_terminal_is_live()) {
        snprintf(text, sizeof text, "reading  %s rows", lt_figure_grouped(rows, figure));
        lt_console_status(text);
    }
    return true;
}

static bool run(lt_options *options, lt_error *err)
{
    lathe_train_options *train = &options->train;
    lt_lint_options lint = {.show = options->show, .progress = show_progress};
    lt_lint_report report = {0};
    lt_api_text *text = NULL;
    lt_api_data *data = NULL;
    bool ok = lt_api_train_resolve(train, err) && lt_api_text_open(&text, train->model, train->chat_template, err);
    if (ok) {
        lt_api_data_options from = {.files = train->data, .fields = train->fields, .max_length = train->max_length, .any_kind = true};
        ok = lt_api_data_open(&data, text, &from, err) &&
             lt_lint_run(data->examples, text->tokenizer, &lint, &report, err);
        lt_console_clear_status();
    }
    if (ok && options->json)
        ok = lt_output_json(report_json(&report), err);
    else if (ok) {
        for (size_t i = 0; i < report.shown_count; i++)
            print_row(&report.shown[i]);
        print_figures(&report);
    }
    ok = ok && !lt_lint_failed(&report, err);
    lt_lint_free(&report);
    lt_api_data_close(data);
    lt_api_text_close(text);
    return ok;
}

static void defaults(lt_options *options)
{
    lathe_train_options_init(&options->train, "sft", NULL);
}

const lt_command lt_cli_lint = {
    .id = LT_COMMAND_LINT,
    .name = "lint",
    .section = "Look",
    .summary = "rows of data as the model will see them, and what is odd about them",
    .usage = "--model DIR FILE...",
    .details = "Shows rows with the mask of `lathe sft`: what is trained is coloured, or stands in [[double "
               "brackets]]; pairs of `lathe dpo` and `lathe reward` with both answers, labelled rows of `lathe classify` with how "
               "often each label occurs. Fails when rows train nothing.",
    .operand = "data",
    .examples = examples,
    .defaults = defaults,
    .run = run,
};
