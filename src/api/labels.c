#include "api/labels.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/dataset.h"
#include "formats/json.h"

static const char *const problem_names[] = {
    [LT_LABEL_CLASS] = "single_label_classification", [LT_LABEL_NUMBERS] = "regression", [LT_LABEL_SET] = "multi_label_classification"};

/* ---- where a trained classifier says it ---- */

static bool read_description(lt_api_labels *labels, const json_t *json, const char *source, lt_error *err)
{
    const json_t *id2label = json_object_get(json, "id2label"), *pad = json_object_get(json, "pad_token_id");
    const char *problem = json_string_value(json_object_get(json, "problem_type"));
    for (int i = 0; problem && i < 3; i++)
        if (!strcmp(problem, problem_names[i]))
            labels->form = (lt_label_form)i;
    if (json_is_integer(pad) && json_integer_value(pad) >= 0 && json_integer_value(pad) <= INT32_MAX)
        labels->pad_id = (int32_t)json_integer_value(pad);
    return !json_is_object(id2label) || lt_labels_read(&labels->names, id2label, source, err);
}

static bool read_file(lt_api_labels *labels, const char *folder, const char *name, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, folder, name, err))
        return false;
    if (!lt_file_exists(path))
        return true;
    json_t *json = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
    bool ok = json && read_description(labels, json, path, err);
    json_decref(json);
    return ok;
}

/* A language model's config.json may have an id2label as well: two labels that mean nothing. */
static bool is_classifier(const char *model)
{
    char path[4096];
    lt_error unused;
    bool found = false;
    if (!lt_file_join(path, sizeof path, model, "config.json", &unused))
        return false;
    json_t *json = lt_file_exists(path) ? lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, &unused) : NULL;
    const char *name = json_string_value(json_array_get(json_object_get(json, "architectures"), 0));
    found = name && strstr(name, "ForSequenceClassification");
    json_decref(json);
    return found;
}

static void set_values(lt_api_labels *labels)
{
    if (labels->names.count == 1 && labels->form == LT_LABEL_CLASS)
        labels->form = LT_LABEL_NUMBERS; /* as transformers takes one label to be */
    labels->values = labels->form == LT_LABEL_CLASS ? 1 : labels->names.count;
}

bool lt_api_labels_known(lt_api_labels *labels, const char *model, const char *adapter, lt_error *err)
{
    *labels = (lt_api_labels){.pad_id = -1};
    if (adapter && !read_file(labels, adapter, LT_LABELS_FILE, err))
        return false;
    if (!labels->names.count && is_classifier(model) && !read_file(labels, model, "config.json", err))
        return false;
    set_values(labels);
    return true;
}

/* ---- the data ---- */

typedef bool (*label_visitor)(void *context, const json_t *label, const char *where, lt_error *err);

static bool each_label(const lathe_train_options *o, label_visitor visit, void *context, lt_error *err)
{
    lt_dataset_options how = {.accept = LT_DATASET_FOR_LABEL, .fields = {.text = o->fields.text, .label = o->fields.label}};
    lt_dataset *dataset;
    lt_dataset_row row;
    bool ok = lt_dataset_open(&dataset, o->data.items, o->data.count, &how, err);
    if (!ok)
        return false;
    while ((ok = lt_dataset_next(dataset, &row, err)) && row.json) {
        char where[512];
        snprintf(where, sizeof where, "%.400s:%lld", row.path, (long long)row.line);
        if (!(ok = visit(context, json_object_get(row.json, "label"), where, err)))
            break;
    }
    lt_dataset_close(dataset);
    return ok;
}

/* What the first look finds. */
typedef struct found {
    lt_labels_seen seen;
    bool list, fraction; /* a label is a list; is a number that is not whole */
    size_t list_size;
    bool numbers; /* lists hold numbers */
    int64_t least, rows; /* of whole numbers */
} found;

static bool see(void *context, const json_t *label, const char *where, lt_error *err)
{
    found *f = context;
    if (!json_is_array(label)) {
        double real = json_number_value(label);
        bool whole = !json_is_real(label) || (real >= 0 && real < 1e9 && real == (double)(int64_t)real);
        int64_t number = (int64_t)real;
        f->least = f->rows++ && f->least < number ? f->least : number;
        f->fraction |= !whole || (json_is_integer(label) && json_integer_value(label) < 0);
        return f->fraction || lt_labels_see(&f->seen, label, where, err);
    }
    f->list = true;
    f->list_size = json_array_size(label);
    for (size_t i = 0; i < json_array_size(label); i++) {
        const json_t *one = json_array_get(label, i);
        f->numbers |= json_is_number(one);
        if (!json_is_number(one) && !lt_labels_see(&f->seen, one, where, err))
            return false;
    }
    return true;
}

static bool forms_agree(const lathe_train_options *o, const found *f, lt_label_form form, lt_error *err)
{
    if (form == LT_LABEL_CLASS && (f->list || f->fraction))
        return lt_error_set(err, LT_ERR_USAGE, "problem_type single_label_classification: the data has labels that are %s",
                            f->list ? "lists" : "not whole numbers");
    if (form == LT_LABEL_SET && !f->list)
        return lt_error_set(err, LT_ERR_USAGE, "problem_type multi_label_classification: expected labels that are lists");
    (void)o;
    return true;
}

/* Names from the data, when nothing else gave them. */
static bool settle(lt_api_labels *labels, const lathe_train_options *o, found *f, lt_error *err)
{
    if (labels->form == LT_LABEL_NUMBERS || (f->list && f->numbers)) {
        json_decref(f->seen.names);
        f->seen.names = NULL;
        return lt_labels_number(&labels->names, f->list ? (int32_t)f->list_size : 1, err);
    }
    bool names = f->seen.names && json_object_size(f->seen.names) > 0;
    if (!lt_labels_settle(&f->seen, &labels->names, err))
        return false;
    int32_t only = names ? 0 : (int32_t)f->least; /* of numbers: the least is also the greatest */
    if (labels->form == LT_LABEL_CLASS && only == labels->names.count - 1)
        return lt_error_set(err, LT_ERR_USAGE, "every row of %s has the label %s: a classifier needs two classes at least",
                            o->data.items[0], labels->names.names[only]);
    return true;
}

/* ---- class weights ---- */

typedef struct counts {
    const lt_labels *labels;
    int64_t rows, *of;
} counts;

static bool count_one(void *context, const json_t *label, const char *where, lt_error *err)
{
    counts *c = context;
    int32_t number;
    if (!lt_labels_find(c->labels, label, where, &number, err))
        return false;
    c->rows++;
    c->of[number]++;
    return true;
}

/* scikit-learn's "balanced": rows / (classes · rows of the class). */
static bool balance(lt_api_labels *labels, const lathe_train_options *o, lt_error *err)
{
    int32_t n = labels->names.count;
    counts c = {.labels = &labels->names, .of = calloc((size_t)n, sizeof *c.of)};
    bool ok = c.of ? each_label(o, count_one, &c, err) : lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int32_t i = 0; ok && i < n; i++)
        labels->class_weights[i] = c.of[i] ? (float)((double)c.rows / ((double)n * (double)c.of[i])) : 0;
    free(c.of);
    return ok;
}

static bool set_class_weights(lt_api_labels *labels, const lathe_train_options *o, lt_error *err)
{
    const lathe_strings *given = &o->class_weights;
    int32_t n = labels->names.count;
    if (given->count == 0)
        return true;
    if (labels->form != LT_LABEL_CLASS)
        return lt_error_set(err, LT_ERR_USAGE, "class_weights: only for one class of several (problem_type single_label_classification)");
    labels->class_weights = calloc((size_t)n, sizeof *labels->class_weights);
    if (!labels->class_weights)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (given->count == 1 && !strcmp(given->items[0], "balanced"))
        return balance(labels, o, err);
    if (given->count != n)
        return lt_error_set(err, LT_ERR_USAGE, "class_weights: expected balanced, or %d numbers (one for each label), found %d", n,
                            given->count);
    for (int32_t i = 0; i < n; i++) {
        char *end;
        labels->class_weights[i] = strtof(given->items[i], &end);
        if (end == given->items[i] || *end || !(labels->class_weights[i] >= 0 && labels->class_weights[i] < 1e30f))
            return lt_error_set(err, LT_ERR_USAGE, "class_weights: expected a number of 0 or more, found '%s'", given->items[i]);
    }
    return true;
}

/* ---- both ---- */

static bool choose_form(lt_api_labels *labels, const lathe_train_options *o, const found *f, lt_error *err)
{
    if (o->problem_type != LATHE_PROBLEM_AUTO)
        labels->form = o->problem_type == LATHE_PROBLEM_SINGLE_LABEL ? LT_LABEL_CLASS
                       : o->problem_type == LATHE_PROBLEM_MULTI_LABEL ? LT_LABEL_SET
                                                                      : LT_LABEL_NUMBERS;
    else if (o->num_labels == 1 || labels->names.count == 1)
        labels->form = LT_LABEL_NUMBERS;
    else if (!labels->names.count)
        labels->form = f->list ? LT_LABEL_SET : f->fraction ? LT_LABEL_NUMBERS : LT_LABEL_CLASS;
    return forms_agree(o, f, labels->form, err);
}

bool lt_api_labels_open(lt_api_labels *labels, const lathe_train_options *o, lt_error *err)
{
    found f = {0};
    if (!lt_api_labels_known(labels, o->model, o->adapter, err))
        return false;
    bool ok = each_label(o, see, &f, err) && choose_form(labels, o, &f, err);
    bool named = f.seen.names && json_object_size(f.seen.names) > 0;
    if (ok && labels->names.count && o->num_labels && o->num_labels != labels->names.count)
        ok = lt_error_set(err, LT_ERR_USAGE, "num_labels: the model has %d labels, not %lld", labels->names.count,
                          (long long)o->num_labels);
    if (ok && !labels->names.count && o->num_labels && !named)
        ok = lt_labels_number(&labels->names, (int32_t)o->num_labels, err);
    if (ok && !labels->names.count)
        ok = settle(labels, o, &f, err);
    json_decref(f.seen.names);
    if (ok && o->num_labels && o->num_labels != labels->names.count)
        ok = lt_error_set(err, LT_ERR_USAGE, "num_labels: the data has %d labels, not %lld", labels->names.count,
                          (long long)o->num_labels);
    if (ok) {
        labels->values = labels->form == LT_LABEL_CLASS ? 1 : labels->names.count;
        ok = set_class_weights(labels, o, err);
    }
    if (!ok)
        lt_api_labels_free(labels);
    return ok;
}

void lt_api_labels_free(lt_api_labels *labels)
{
    lt_labels_free(&labels->names);
    free(labels->class_weights);
    *labels = (lt_api_labels){.pad_id = -1};
}

const lt_objective *lt_api_labels_objective(const lt_api_labels *labels)
{
    return labels->form == LT_LABEL_CLASS ? &lt_objective_classify
           : labels->form == LT_LABEL_SET ? &lt_objective_multi_label
                                          : &lt_objective_regression;
}

json_t *lt_api_labels_json(const lt_api_labels *labels, int32_t pad_id)
{
    json_t *json = json_pack("{s:o, s:o, s:s}", "id2label", lt_labels_id2label(&labels->names), "label2id",
                             lt_labels_label2id(&labels->names), "problem_type", problem_names[labels->form]);
    if (json && pad_id >= 0)
        json_object_set_new(json, "pad_token_id", json_integer(pad_id));
    return json;
}
