#include "api/evaluate_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "train/confusion.h"

/* One evaluation. */
typedef struct evaluation {
    lt_api_model *model;
    const lt_api_scores_options *options;
    lt_api_labels labels;
    lt_examples_shape_options shape;
    lt_objective_options none;
    lt_token_store *store;
    lt_engine *engine;
    lt_confusion confusion;
    json_t *rows; /* NULL: not wanted */
    lt_api_scores *out;
} evaluation;

/* ---- what the rows are ---- */

static lt_dataset_fields fields_of(const lathe_fields *f)
{
    return (lt_dataset_fields){.text = f->text,
                               .prompt = f->prompt,
                               .messages = f->messages,
                               .completion = f->completion,
                               .chosen = f->chosen,
                               .rejected = f->rejected,
                               .label = f->label};
}

static bool are_pairs(const lathe_evaluate_options *rows, bool *pairs, lt_error *err)
{
    lt_dataset_options how = {.accept = LT_DATASET_FOR_PREFERENCE | LT_DATASET_FOR_LABEL, .fields = fields_of(&rows->fields)};
    lt_dataset *dataset;
    lt_dataset_row row;
    if (!lt_dataset_open(&dataset, rows->data.items, rows->data.count, &how, err))
        return false;
    bool ok = lt_dataset_next(dataset, &row, err);
    *pairs = ok && row.json && (LT_DATASET_BIT(row.kind) & LT_DATASET_FOR_PREFERENCE);
    lt_dataset_close(dataset);
    return ok;
}

static bool choose(evaluation *e, lt_error *err)
{
    bool pairs;
    int64_t N = e->model->base->score.N;
    if (e->options->rows.data.count == 0)
        return lt_error_set(err, LT_ERR_USAGE, "evaluation needs data");
    if (!lt_api_labels_known(&e->labels, e->model->base->path, e->model->adapter_path, err))
        return false;
    if (e->labels.names.count != N) {
        lt_labels_free(&e->labels.names);
        if (!lt_labels_number(&e->labels.names, (int32_t)N, err))
            return false;
        e->labels.form = N == 1 ? LT_LABEL_NUMBERS : LT_LABEL_CLASS;
        e->labels.values = 1;
    }
    if (!are_pairs(&e->options->rows, &pairs, err))
        return false;
    if (pairs && N != 1)
        return lt_error_set(err, LT_ERR_USAGE, "pairs are for reward models; this is a classifier with %lld labels", (long long)N);
    e->shape = (lt_examples_shape_options){.objective = pairs ? &lt_objective_reward : lt_api_labels_objective(&e->labels),
                                           .group = 1,
                                           .max_length = e->options->rows.max_length,
                                           .form = e->labels.form,
                                           .labels = &e->labels.names,
                                           .values = e->labels.values};
    return true;
}

static bool read_rows(evaluation *e, lt_error *err)
{
    const char *folder = getenv("TMPDIR");
    const lt_model *base = e->model->base;
    lt_api_data_options files = {.files = e->options->rows.data,
                                 .fields = e->options->rows.fields,
                                 .max_length = e->options->rows.max_length,
                                 .shape = &e->shape};
    lt_token_store_options how = {.folder = folder && *folder ? folder : "/tmp",
                                  .vocabulary = base->config.V,
                                  .sequences = e->shape.objective->rows == LT_ROW_PAIR ? 2 : 1,
                                  .typed = base->config.types > 0,
                                  .values = e->labels.values,
                                  .keep_all = true};
    lt_api_data *data;
    lt_row_source rows;
    int64_t skipped;
    if (!lt_api_data_open(&data, e->model->text, &files, err))
        return false;
    lt_api_data_source(data, &rows);
    return lt_token_store_build(&e->store, &rows, &how, &skipped, err);
}

/* ---- a row ---- */

static json_t *numbers(const float *score, int32_t n)
{
    json_t *list = json_array();
    for (int32_t j = 0; j < n; j++)
        json_array_append_new(list, json_real(score[j]));
    return list;
}

/* The loss of a row alone. */
static double loss_of(evaluation *e, const lt_objective_row *row, const float *score, int32_t labels)
{
    lt_objective_row alone = *row;
    lt_objective_sums sums = {0};
    alone.first_sequence = 0;
    lt_objective_pass pass = {.rows = &alone, .row_count = 1, .step_rows = 1, .score = score, .labels = labels, .step_weight = 1};
    e->shape.objective->measure(&e->none, &pass, &sums);
    return lt_mean_value(&sums.loss);
}

static json_t *row_json(evaluation *e, const lt_objective_row *row, const float *score, int32_t N)
{
    json_t *out = json_pack("{s:f, s:o}", "loss", loss_of(e, row, score, N), "logits", numbers(score, N * row->sequences));
    if (out && e->shape.objective == &lt_objective_reward) {
        json_object_set_new(out, "chosen_reward", json_real(score[0]));
        json_object_set_new(out, "rejected_reward", json_real(score[1]));
    } else if (out && e->labels.form == LT_LABEL_CLASS) {
        json_object_set_new(out, "label", json_string(e->labels.names.names[(int32_t)row->value]));
        json_object_set_new(out, "prediction", json_string(e->labels.names.names[lt_confusion_best(score, N)]));
    }
    return out;
}

static bool take_row(const lt_objective_row *row, const float *score, int32_t N, void *context, lt_error *err)
{
    evaluation *e = context;
    if (!e->out->first) {
        e->out->first = malloc((size_t)N * sizeof *score);
        if (!e->out->first)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
        memcpy(e->out->first, score, (size_t)N * sizeof *score);
        e->out->count = N;
    }
    if (e->confusion.N && e->confusion.sets)
        lt_confusion_add_set(&e->confusion, row->values ? row->values : &row->value, score);
    else if (e->confusion.N)
        lt_confusion_add(&e->confusion, (int32_t)row->value, lt_confusion_best(score, N));
    if (!e->rows)
        return true;
    json_t *json = row_json(e, row, score, N);
    return (json && json_array_append_new(e->rows, json) == 0) ||
           lt_error_set(err, LT_ERR_NUMERIC, "the loss of row %lld is not finite", (long long)row->row + 1);
}

static bool show(int64_t done, int64_t total, void *context)
{
    const evaluation *e = context;
    return !e->options->progress || e->options->progress(done, total, e->options->context);
}

/* ---- all ---- */

static bool report(evaluation *e, const lt_objective_sums *sums, lt_error *err)
{
    const lt_objective *objective = e->shape.objective;
    double loss = lt_mean_value(&sums->loss);
    if (!isfinite(loss))
        return lt_error_set(err, LT_ERR_NUMERIC, "the loss is not finite");
    json_t *out = json_pack("{s:s, s:I, s:f}", "objective", objective->name, "examples",
                            (json_int_t)lt_token_store_totals(e->store)->records, "loss", loss);
    if (!out)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int i = 0; objective->metrics && objective->metrics[i]; i++)
        json_object_set_new(out, objective->metrics[i], json_real(lt_mean_value(&sums->metric[i])));
    if (e->confusion.N) {
        json_t *counts = lt_confusion_json(&e->confusion), *names = json_array();
        for (int32_t i = 0; i < e->labels.names.count; i++)
            json_array_append_new(names, json_string(e->labels.names.names[i]));
        json_object_update(out, counts);
        json_object_set_new(out, "labels", names);
        json_decref(counts);
    }
    if (e->rows)
        json_object_set(out, "per_example", e->rows);
    e->out->result = out;
    return true;
}

static bool evaluate(evaluation *e, lt_error *err)
{
    lt_objective_sums sums;
    const lt_model *base = e->model->base;
    bool counts = e->shape.objective == &lt_objective_classify || e->shape.objective == &lt_objective_multi_label;
    lt_evaluate_options how = {.objective = e->shape.objective,
                               .objective_options = &e->none,
                               .scored = take_row,
                               .progress = show,
                               .context = e,
                               .score = &base->score,
                               .pad_id = e->labels.pad_id >= 0 ? e->labels.pad_id : base->config.pad_id,
                               .first_token = base->config.bidirectional};
    if (counts && !lt_confusion_init(&e->confusion, (int32_t)base->score.N, e->labels.form == LT_LABEL_SET))
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    return lt_api_engine_open(e->model, lt_token_store_totals(e->store), &e->engine, &how.pass_tokens, err) &&
           lt_evaluate(e->engine, e->store, &how, &sums, err) && report(e, &sums, err);
}

bool lt_api_evaluate_scores(lt_api_model *model, const lt_api_scores_options *options, lt_api_scores *out, lt_error *err)
{
    evaluation e = {.model = model, .options = options, .out = out, .rows = options->per_example ? json_array() : NULL};
    *out = (lt_api_scores){0};
    bool ok = choose(&e, err) && read_rows(&e, err) && evaluate(&e, err);
    lt_engine_close(e.engine);
    lt_token_store_close(e.store);
    lt_confusion_free(&e.confusion);
    lt_api_labels_free(&e.labels);
    json_decref(e.rows);
    if (!ok)
        lt_api_scores_free(out);
    return ok;
}

void lt_api_scores_free(lt_api_scores *scores)
{
    json_decref(scores->result);
    free(scores->first);
    *scores = (lt_api_scores){0};
}
