#include "train/run_classes.h"

#include <stdlib.h>
#include <unistd.h>


bool lt_run_classes_begin(lt_run_classes *c, const char *predictions, const lt_run *run, lt_error *err)
{
    const lt_train_options *o = run->options;
    bool sets = o->objective == &lt_objective_multi_label;
    *c = (lt_run_classes){.run = run, .predictions = predictions, .id2label = json_object_get(o->companion, "id2label")};
    if ((sets || o->objective == &lt_objective_classify) && !lt_confusion_init(&c->confusion, (int32_t)run->model->score.N, sets)) {
        lt_confusion_free(&c->confusion);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the counts of %lld classes", (long long)run->model->score.N);
    }
    if (!predictions)
        return true;
    int n = snprintf(c->temporary, sizeof c->temporary, "%s.part", predictions);
    if (n < 0 || (size_t)n >= sizeof c->temporary)
        return lt_error_set(err, LT_ERR_USAGE, "predictions: a path of %d bytes", n);
    c->file = fopen(c->temporary, "wbe");
    return c->file || lt_error_errno(err, "%s: cannot be written", c->temporary);
}

static json_t *name_of(const lt_run_classes *c, int32_t label)
{
    char key[16];
    snprintf(key, sizeof key, "%d", label);
    json_t *name = json_object_get(c->id2label, key);
    return name ? json_incref(name) : json_integer(label);
}

static json_t *numbers(const float *values, int32_t n)
{
    json_t *list = json_array();
    for (int32_t j = 0; j < n; j++)
        json_array_append_new(list, json_real(values[j]));
    return list;
}

static json_t *set_of(const lt_run_classes *c, const float *values, int32_t n, float above)
{
    json_t *list = json_array();
    for (int32_t j = 0; j < n; j++)
        if (values[j] > above)
            json_array_append_new(list, name_of(c, j));
    return list;
}

/* {"row", "label", "prediction", "logits"}: row counts from 0, in the order of the files. */
static bool write_row(const lt_run_classes *c, const lt_objective_row *row, const float *score, int32_t N, lt_error *err)
{
    const float *values = row->values ? row->values : &row->value;
    json_t *label, *prediction;
    if (c->confusion.N && !c->confusion.sets) {
        label = name_of(c, (int32_t)row->value);
        prediction = name_of(c, lt_confusion_best(score, N));
    } else if (c->confusion.N) {
        label = set_of(c, values, N, 0.5f);
        prediction = set_of(c, score, N, 0);
    } else {
        label = numbers(values, N);
        prediction = numbers(score, N);
    }
    json_t *json = json_pack("{s:I, s:o, s:o, s:o}", "row", (json_int_t)row->row, "label", label, "prediction", prediction, "logits",
                             numbers(score, N));
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    bool ok = text && fprintf(c->file, "%s\n", text) > 0;
    free(text);
    json_decref(json);
    return ok || lt_error_errno(err, "%s: cannot be written", c->temporary);
}

bool lt_run_classes_take(const lt_objective_row *row, const float *score, int32_t N, void *context, lt_error *err)
{
    lt_run_classes *c = context;
    if (c->confusion.N && c->confusion.sets)
        lt_confusion_add_set(&c->confusion, row->values ? row->values : &row->value, score);
    else if (c->confusion.N)
        lt_confusion_add(&c->confusion, (int32_t)row->value, lt_confusion_best(score, N));
    return !c->file || write_row(c, row, score, N, err);
}

static bool finish_file(lt_run_classes *c, bool ok, lt_error *err)
{
    if (!c->file)
        return ok;
    bool written = fflush(c->file) == 0 && fsync(fileno(c->file)) == 0;
    written = fclose(c->file) == 0 && written;
    if (ok && written && rename(c->temporary, c->predictions) == 0)
        return true;
    if (ok)
        lt_error_errno(err, "%s: cannot be written", c->predictions);
    unlink(c->temporary);
    return false;
}

bool lt_run_classes_end(lt_run_classes *c, bool ok, json_t **result, lt_error *err)
{
    *result = NULL;
    ok = finish_file(c, ok, err);
    if (ok && c->confusion.N) {
        json_t *names = json_array();
        for (int32_t j = 0; j < c->confusion.N; j++)
            json_array_append_new(names, name_of(c, j));
        *result = lt_confusion_json(&c->confusion);
        json_object_set_new(*result, "labels", names);
    }
    lt_confusion_free(&c->confusion);
    return ok;
}
