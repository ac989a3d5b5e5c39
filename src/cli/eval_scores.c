#include <stdio.h>
#include <string.h>

#include "api/evaluate_scores.h"
#include "cli/console.h"
#include "cli/eval_scores.h"
#include "cli/output.h"
#include "cli/stop.h"
#include "cli/terminal.h"
#include "core/utf8.h"
#include "formats/safetensors.h"

enum { CLASSES_SHOWN = 12 };

static double number(const json_t *result, const char *key) { return json_number_value(json_object_get(result, key)); }

static void print_name(const json_t *names, size_t i, FILE *out)
{
    char name[64];
    const char *text = json_string_value(json_array_get(names, i));
    lt_utf8_printable(text ? text : "", name, sizeof name);
    fprintf(out, "  %-16.16s", name);
}

void lt_eval_print_confusion(const json_t *result, FILE *out)
{
    const json_t *names = json_object_get(result, "labels"), *matrix = json_object_get(result, "confusion_matrix"),
                 *classes = json_object_get(result, "per_class");
    size_t n = json_array_size(classes);
    if (n == 0 || n > CLASSES_SHOWN)
        return;
    fprintf(out, "  %s%-16s  precision  recall      F1%s%s\n", lt_style_on(out, LT_STYLE_CYAN), "label",
            matrix ? "   predicted as each" : "", lt_style_off(out));
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(classes, i), *row = json_array_get(matrix, i);
        print_name(names, i, out);
        fprintf(out, "  %9.3f  %6.3f  %6.3f  ", number(one, "precision"), number(one, "recall"), number(one, "f1"));
        for (size_t j = 0; j < json_array_size(row); j++)
            fprintf(out, " %6lld", (long long)json_integer_value(json_array_get(row, j)));
        fputc('\n', out);
    }
}

static void print_rows(const json_t *result)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(result, "per_example"), i, row)
    {
        const json_t *prediction = json_object_get(row, "prediction");
        printf("%6zu  loss %.4f", i + 1, number(row, "loss"));
        if (prediction) {
            char name[64];
            lt_utf8_printable(json_string_value(prediction), name, sizeof name);
            printf("  predicted %s", name);
        } else if (json_object_get(row, "chosen_reward")) {
            printf("  chosen %.4f  rejected %.4f", number(row, "chosen_reward"), number(row, "rejected_reward"));
        }
        putchar('\n');
    }
}

static void print_result(const json_t *result)
{
    char rows[LT_FIGURE];
    printf("loss %.4f", number(result, "loss"));
    if (json_object_get(result, "accuracy"))
        printf("  accuracy %.4f", number(result, "accuracy"));
    if (json_object_get(result, "f1_macro"))
        printf("  F1 %.4f macro, %.4f micro", number(result, "f1_macro"), number(result, "f1_micro"));
    if (json_object_get(result, "margin"))
        printf("  margin %.4f  mean reward %.4f", number(result, "margin"), number(result, "mean_reward"));
    printf("  (%s rows)\n", lt_figure_grouped((int64_t)number(result, "examples"), rows));
    lt_eval_print_confusion(result, stdout);
    print_rows(result);
}

static bool save_first(const char *path, const lt_api_scores *scores, lt_error *err)
{
    lt_safetensors_writer *writer;
    lt_tensor_spec spec = {.name = "logits", .dtype = LT_DTYPE_F32, .dims = 1, .shape = {scores->count}};
    if (!lt_safetensors_create(&writer, path, &spec, 1, NULL, err))
        return false;
    if (lt_safetensors_append(writer, scores->first, scores->count * (int64_t)sizeof(float), err))
        return lt_safetensors_finish(writer, err);
    lt_safetensors_abort(writer);
    return false;
}

static bool show_progress(int64_t done, int64_t total, void *context)
{
    const volatile sig_atomic_t *stop = context;
    if (lt_terminal_is_live()) {
        char line[96], a[LT_FIGURE], b[LT_FIGURE];
        snprintf(line, sizeof line, "evaluating  %s of %s tokens", lt_figure_grouped(done, a), lt_figure_grouped(total, b));
        lt_console_status(line);
    }
    return !*stop;
}

bool lt_eval_scores(const lt_options *options, lt_api_model *model, lt_error *err)
{
    lt_api_scores scores;
    lt_api_scores_options how = {.rows = {.data = options->train.data, .fields = options->train.fields, .max_length = options->train.max_length},
                                 .per_example = options->per_example,
                                 .progress = show_progress,
                                 .context = (void *)lt_stop_watch("stopping")};
    bool ok = lt_api_evaluate_scores(model, &how, &scores, err);
    lt_console_clear_status();
    ok = ok && (!options->save_logits || save_first(options->save_logits, &scores, err));
    if (ok && options->json) {
        ok = lt_output_json(scores.result, err);
        scores.result = NULL;
    } else if (ok) {
        print_result(scores.result);
    }
    lt_api_scores_free(&scores);
    return ok;
}
