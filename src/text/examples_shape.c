#include "text/examples_shape.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An answer that waits for its neighbours: tokens and marks, of which the first `prompt` are the prompt. */
typedef struct answer {
    int32_t *ids;
    uint8_t *trained;
    int32_t length, prompt;
    float value;
} answer;

struct lt_examples_shape {
    lt_examples *examples;
    lt_examples_shape_options options;
    lt_examples_shape_counts counts;
    int32_t lengths[2];
    int32_t *ids;     /* of the row given */
    uint8_t *trained;
    size_t room;      /* tokens that both have room for */
    float *values;
    lt_example example; /* behind the row given */
    answer *answers;    /* (group) */
    int64_t held, next;
    bool ended;
};

uint32_t lt_examples_shape_accepts(lt_row_shape rows)
{
    static const uint32_t accepts[LT_ROW_SHAPES] = {[LT_ROW_SEQUENCE] = LT_DATASET_FOR_LANGUAGE,
                                                    [LT_ROW_PAIR] = LT_DATASET_FOR_PREFERENCE,
                                                    [LT_ROW_LABEL] = LT_DATASET_FOR_LABEL,
                                                    [LT_ROW_ANSWER] = LT_DATASET_FOR_UNPAIRED};
    return accepts[rows];
}

bool lt_examples_shape_open(lt_examples_shape **out, lt_examples *examples, const lt_examples_shape_options *options, lt_error *err)
{
    lt_examples_shape *shape = calloc(1, sizeof *shape);
    if (!shape)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    shape->examples = examples;
    shape->options = *options;
    if (shape->options.group < 1)
        shape->options.group = 1;
    shape->values = calloc((size_t)(options->values > 0 ? options->values : 1), sizeof(float));
    shape->answers = calloc((size_t)shape->options.group, sizeof *shape->answers);
    if (!shape->values || !shape->answers) {
        lt_examples_shape_close(shape);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    }
    *out = shape;
    return true;
}

static void drop_answers(lt_examples_shape *shape)
{
    for (int64_t i = 0; i < shape->held; i++) {
        free(shape->answers[i].ids);
        free(shape->answers[i].trained);
    }
    shape->held = shape->next = 0;
}

void lt_examples_shape_close(lt_examples_shape *shape)
{
    if (!shape)
        return;
    drop_answers(shape);
    free(shape->answers);
    free(shape->values);
    free(shape->ids);
    free(shape->trained);
    free(shape);
}

const lt_examples_shape_counts *lt_examples_shape_count(const lt_examples_shape *shape) { return &shape->counts; }

static bool reserve(lt_examples_shape *shape, size_t tokens, lt_error *err)
{
    if (tokens <= shape->room)
        return true;
    size_t room = tokens + tokens / 2;
    int32_t *ids = realloc(shape->ids, room * sizeof *ids);
    if (ids)
        shape->ids = ids;
    uint8_t *trained = ids ? realloc(shape->trained, room) : NULL;
    if (!trained)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row of %zu tokens", tokens);
    shape->trained = trained;
    shape->room = room;
    return true;
}

static lt_row row_of(const lt_example *example)
{
    return (lt_row){.sequences = example->sequences,
                    .lengths = example->lengths,
                    .ids = example->ids,
                    .trained = example->trained,
                    .types = example->type_ids,
                    .value = example->value,
                    .path = example->row.path,
                    .line = example->row.line};
}

static bool next_example(lt_examples_shape *shape, lt_example *example, bool *end, lt_error *err)
{
    if (!lt_examples_next(shape->examples, example, end, err))
        return false;
    shape->counts.rows += !*end;
    shape->ended = *end;
    return true;
}

/* The marks of the row in memory of our own: all 0, or with the prompt of the first sequence marked too. */
static bool set_marks(lt_examples_shape *shape, lt_row *row, lt_error *err)
{
    size_t tokens = 0;
    for (int32_t s = 0; s < row->sequences; s++)
        tokens += (size_t)row->lengths[s];
    if (!reserve(shape, tokens, err))
        return false;
    if (shape->options.objective->head == LT_HEAD_SCORE) {
        memset(shape->trained, 0, tokens);
    } else {
        memcpy(shape->trained, row->trained, tokens);
        for (int32_t t = 1; t < row->lengths[0] && !shape->trained[t]; t++)
            shape->trained[t] = LT_TARGET_PROMPT;
    }
    row->trained = shape->trained;
    return true;
}

/* ---- pairs ---- */

static bool trains_both(const lt_example *example)
{
    return memchr(example->trained, 1, (size_t)example->lengths[0]) &&
           memchr(example->trained + example->lengths[0], 1, (size_t)example->lengths[1]);
}

static bool all_equal(const lt_examples_shape *shape, lt_error *err)
{
    const lt_examples_counts *c = lt_examples_count(shape->examples);
    if (c->equal_pairs == 0 || c->equal_pairs < shape->counts.rows)
        return true;
    return lt_error_set(err, LT_ERR_USAGE, "in all %lld pairs the chosen answer is the rejected one: there is nothing to learn",
                        (long long)shape->counts.rows);
}

static bool next_pair(lt_examples_shape *shape, lt_row *row, bool *end, lt_error *err)
{
    bool scored = shape->options.objective->head == LT_HEAD_SCORE;
    lt_example *example = &shape->example;
    for (;;) {
        if (!next_example(shape, example, end, err))
            return false;
        if (*end)
            return all_equal(shape, err);
        if (scored || trains_both(example))
            break;
        shape->counts.one_sided++;
    }
    *row = row_of(example);
    shape->counts.given++;
    return !(scored || shape->options.objective->trains_prompt) || set_marks(shape, row, err);
}

/* ---- labels ---- */

static bool read_number(const json_t *label, const char *where, float *out, lt_error *err)
{
    double value = json_number_value(label);
    *out = (float)value;
    if (!json_is_number(label) || !isfinite(*out))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: field 'label': expected a number", where);
    return true;
}

static bool read_numbers(lt_examples_shape *shape, const json_t *label, const char *where, lt_error *err)
{
    int32_t n = shape->options.values;
    if (!json_is_array(label) && n == 1)
        return read_number(label, where, shape->values, err);
    if (!json_is_array(label) || (int32_t)json_array_size(label) != n)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: field 'label': expected a list of %d numbers", where, n);
    for (int32_t i = 0; i < n; i++)
        if (!read_number(json_array_get(label, (size_t)i), where, &shape->values[i], err))
            return false;
    return true;
}

/* A list of labels that hold, or one 0 or 1 for each label (a list of N numbers with a fraction or with values 0 and 1 only). */
static bool read_set(lt_examples_shape *shape, const json_t *label, const char *where, lt_error *err)
{
    int32_t n = shape->options.values;
    if (!json_is_array(label))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: field 'label': expected a list of labels", where);
    bool flags = (int32_t)json_array_size(label) == n;
    for (size_t i = 0; flags && i < json_array_size(label); i++) {
        double v = json_is_number(json_array_get(label, i)) ? json_number_value(json_array_get(label, i)) : -1;
        flags = v >= 0 && v <= 1;
    }
    if (flags)
        return read_numbers(shape, label, where, err);
    memset(shape->values, 0, (size_t)n * sizeof(float));
    for (size_t i = 0; i < json_array_size(label); i++) {
        int32_t number;
        if (!lt_labels_find(shape->options.labels, json_array_get(label, i), where, &number, err))
            return false;
        shape->values[number] = 1;
    }
    return true;
}

static bool next_label(lt_examples_shape *shape, lt_row *row, bool *end, lt_error *err)
{
    lt_example *example = &shape->example;
    char where[512];
    int32_t number = 0;
    if (!next_example(shape, example, end, err) || *end)
        return *end;
    snprintf(where, sizeof where, "%.400s:%lld", example->row.path, (long long)example->row.line);
    const json_t *label = json_object_get(example->row.json, "label");
    bool ok = shape->options.form == LT_LABEL_CLASS ? lt_labels_find(shape->options.labels, label, where, &number, err)
              : shape->options.form == LT_LABEL_SET ? read_set(shape, label, where, err)
                                                    : read_numbers(shape, label, where, err);
    if (!ok)
        return false;
    *row = row_of(example);
    row->value = (float)number;
    row->values = shape->options.form == LT_LABEL_CLASS ? NULL : shape->values;
    shape->counts.given++;
    return set_marks(shape, row, err);
}

/* ---- single answers ---- */

static bool hold(lt_examples_shape *shape, const lt_example *example, lt_error *err)
{
    answer *a = &shape->answers[shape->held];
    size_t n = (size_t)example->lengths[0];
    const uint8_t *first = memchr(example->trained, 1, n);
    if (!first) {
        shape->counts.one_sided++;
        return true;
    }
    *a = (answer){.ids = malloc(n * sizeof(int32_t)), .trained = malloc(n), .length = example->lengths[0],
                  .prompt = (int32_t)(first - example->trained), .value = example->value};
    shape->held++;
    if (!a->ids || !a->trained)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row of %zu tokens", n);
    memcpy(a->ids, example->ids, n * sizeof(int32_t));
    memcpy(a->trained, example->trained, n);
    return true;
}

static bool fill_group(lt_examples_shape *shape, lt_error *err)
{
    lt_example example;
    bool end = false;
    drop_answers(shape);
    while (shape->held < shape->options.group && !shape->ended)
        if (!next_example(shape, &example, &end, err) || (!end && !hold(shape, &example, err)))
            return false;
    return true;
}

/* A row: the prompt with its answer, and the prompt with the answer before it in the group (the last one's for the first). */
static bool next_answer(lt_examples_shape *shape, lt_row *row, bool *end, lt_error *err)
{
    while (shape->next == shape->held && !shape->ended)
        if (!fill_group(shape, err))
            return false;
    *end = shape->next == shape->held;
    if (*end)
        return true;
    const answer *a = &shape->answers[shape->next], *other = &shape->answers[(shape->next + shape->held - 1) % shape->held];
    size_t n = (size_t)a->length, p = (size_t)a->prompt, left = (size_t)(other->length - other->prompt);
    size_t most = (size_t)shape->options.max_length;
    if (most && p + left > most)
        left = most > p ? most - p : 1;
    if (!reserve(shape, n + p + left, err))
        return false;
    memcpy(shape->ids, a->ids, n * sizeof(int32_t));
    memcpy(shape->ids + n, a->ids, p * sizeof(int32_t));
    memcpy(shape->ids + n + p, other->ids + other->prompt, left * sizeof(int32_t));
    memcpy(shape->trained, a->trained, n);
    memset(shape->trained + n, 0, p);
    memcpy(shape->trained + n + p, other->trained + other->prompt, left);
    shape->lengths[0] = a->length;
    shape->lengths[1] = (int32_t)(p + left);
    *row = (lt_row){.sequences = 2, .lengths = shape->lengths, .ids = shape->ids, .trained = shape->trained, .value = a->value};
    shape->next++;
    shape->counts.given++;
    return true;
}

static bool next_row(void *context, lt_row *row, bool *end, lt_error *err)
{
    lt_examples_shape *shape = context;
    switch (shape->options.objective->rows) {
    case LT_ROW_PAIR:
        return next_pair(shape, row, end, err);
    case LT_ROW_LABEL:
        return next_label(shape, row, end, err);
    case LT_ROW_ANSWER:
        return next_answer(shape, row, end, err);
    default:
        assert(!"sequences come from lt_examples_source");
        return false;
    }
}

void lt_examples_shape_source(lt_examples_shape *shape, lt_row_source *source)
{
    *source = (lt_row_source){.next = next_row, .context = shape};
}
