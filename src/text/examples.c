#include "text/examples.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "text/examples_encode.h"

struct lt_examples {
    lt_dataset *dataset; /* borrowed */
    lt_examples_encoder encoder;
    lt_examples_counts counts;
    lt_examples_position at; /* of the next example */
    lt_example whole;        /* a row that is given in parts */
    lt_example given;        /* behind the row that the source gave */
    int64_t next_part;       /* where in it the next part begins; 0: there is no such row */
    int64_t trainable;       /* rows of kinds that are trained token by token */
    int64_t trained;         /* of those, examples that train something */
};

bool lt_examples_open(lt_examples **out, lt_dataset *dataset, const lt_examples_options *options, lt_error *err)
{
    assert(options->max_length >= 0);
    lt_examples *ex = calloc(1, sizeof *ex);
    if (!ex)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    ex->dataset = dataset;
    if (dataset)
        ex->at.row = lt_dataset_tell(dataset);
    if (!lt_examples_encoder_init(&ex->encoder, options, &ex->counts, err)) {
        lt_examples_close(ex);
        return false;
    }
    *out = ex;
    return true;
}

void lt_examples_close(lt_examples *ex)
{
    if (!ex)
        return;
    lt_examples_encoder_free(&ex->encoder);
    free(ex);
}

bool lt_examples_make(lt_examples *ex, const lt_dataset_row *row, lt_example *out, lt_error *err)
{
    ex->next_part = 0;
    ex->counts.rows++;
    return lt_examples_encode(&ex->encoder, row, false, out, err);
}

/* ---- one after the other ---- */

/* Every sequence must have something to learn from: a preference also the rejected one. */
static bool trains(const lt_example *example)
{
    const uint8_t *at = example->trained;
    for (int32_t s = 0; s < example->sequences; at += example->lengths[s], s++)
        if (!example->lengths[s] || !memchr(at, 1, (size_t)example->lengths[s]))
            return false;
    return true;
}

static void count(lt_examples *ex, const lt_example *example)
{
    lt_examples_counts *c = &ex->counts;
    c->examples++;
    c->targets += example->targets;
    c->truncated += example->truncated;
    for (int32_t s = 0; s < example->sequences; s++)
        c->tokens += example->lengths[s];
    if (!lt_examples_trains(example->row.kind))
        return;
    ex->trainable++;
    if (trains(example))
        ex->trained++;
    else if (!c->untrained++)
        snprintf(c->first_untrained, sizeof c->first_untrained, "%s:%lld", example->row.path,
                 (long long)example->row.line);
}

/* The next window of a row that is given in parts. A single token at the end has nothing to predict and is left out. */
static void next_part(lt_examples *ex, lt_example *out)
{
    int64_t begin = ex->next_part, left = ex->whole.lengths[0] - begin, most = ex->encoder.options.max_length;
    int64_t n = left < most ? left : most;
    *out = ex->whole;
    out->lengths[0] = (int32_t)n;
    out->ids += begin;
    out->trained += begin;
    out->spans = out->spans ? out->spans + begin : NULL;
    out->first[0] = begin ? ex->encoder.trained.data[begin] : ex->whole.first[0];
    ex->encoder.trained.data[begin] = 0;
    out->targets = 0;
    for (int64_t i = 0; i < n; i++)
        out->targets += out->trained[i];
    ex->next_part = left - n > 1 ? begin + n : 0;
    ex->at.part++;
}

static bool is_in_parts(const lt_examples *ex, const lt_example *example)
{
    const lt_examples_options *options = &ex->encoder.options;
    return options->overflow == LT_EXAMPLES_SPLIT && options->max_length && example->row.kind == LT_DATASET_TEXT &&
           example->lengths[0] > options->max_length;
}

static bool is_empty(const lt_example *example)
{
    return example->lengths[0] == 0 || (example->sequences == 2 && example->lengths[1] == 0);
}

static bool nothing_trained(const lt_examples *ex, lt_error *err)
{
    const lt_examples_counts *c = &ex->counts;
    const char *why = c->turns_lost  ? "the chat template leaves out the assistant turns"
                      : c->truncated ? "prompts alone are as long as max_length"
                                     : "they hold no assistant turn and no completion with text in it";
    if (!ex->trainable)
        return lt_error_set(err, LT_ERR_USAGE, "the data holds no text: %lld rows, all of them empty",
                            (long long)c->rows);
    return lt_error_set(err, LT_ERR_USAGE, "none of %lld rows trains anything, from %s on: %s", (long long)c->rows,
                        c->first_untrained, why);
}

/* The next row that has tokens, whole. */
static bool next_row(lt_examples *ex, lt_example *out, bool *end, lt_error *err)
{
    lt_dataset_row row;
    bool split = ex->encoder.options.overflow == LT_EXAMPLES_SPLIT;
    do {
        ex->at = (lt_examples_position){.row = lt_dataset_tell(ex->dataset)};
        if (!lt_dataset_next(ex->dataset, &row, err))
            return false;
        if (!row.json) {
            *end = true;
            bool expected = lt_dataset_accepts(ex->dataset) & ~(LT_DATASET_FOR_LABEL | LT_DATASET_FOR_PROMPT);
            return ex->trained || !expected || !ex->counts.rows || nothing_trained(ex, err);
        }
        ex->counts.rows++;
        if (!lt_examples_encode(&ex->encoder, &row, split, out, err))
            return false;
        ex->counts.empty += is_empty(out);
    } while (is_empty(out));
    return true;
}

bool lt_examples_next(lt_examples *ex, lt_example *out, bool *end, lt_error *err)
{
    assert(ex->dataset);
    *end = false;
    if (!ex->next_part) {
        if (!next_row(ex, out, end, err))
            return false;
        if (*end)
            return true;
        if (is_in_parts(ex, out)) {
            ex->whole = *out;
            next_part(ex, out);
        }
    } else {
        next_part(ex, out);
    }
    count(ex, out);
    return true;
}

/* ---- places ---- */

lt_examples_position lt_examples_tell(const lt_examples *ex)
{
    return ex->next_part ? ex->at : (lt_examples_position){.row = lt_dataset_tell(ex->dataset)};
}

bool lt_examples_seek(lt_examples *ex, const lt_examples_position *position, lt_error *err)
{
    ex->next_part = 0;
    ex->at = *position;
    if (!lt_dataset_seek(ex->dataset, &position->row, err) || !position->part)
        return position->part == 0;
    lt_example part;
    bool end = false;
    if (!next_row(ex, &ex->whole, &end, err))
        return false;
    if (!end && is_in_parts(ex, &ex->whole)) {
        do
            next_part(ex, &part);
        while (ex->at.part < position->part && ex->next_part);
    }
    if (ex->at.part != position->part || !ex->next_part)
        return lt_error_set(err, LT_ERR_FORMAT,
                            "expected a row with more than %lld parts, found fewer (did the data change?)",
                            (long long)position->part);
    return true;
}

/* ---- counts ---- */

const lt_examples_counts *lt_examples_count(const lt_examples *ex)
{
    return &ex->counts;
}

static void warn(int64_t number, const char *what, const char *why)
{
    if (number)
        lt_log_warning("%lld %s%s", (long long)number, what, why);
}

void lt_examples_warn(const lt_examples_counts *c)
{
    warn(c->truncated, "sequences were longer than max_length and were cut", "");
    if (c->untrained)
        lt_log_warning("%lld rows train nothing, the first is %s", (long long)c->untrained, c->first_untrained);
    warn(c->empty, "rows without any token were left out", "");
    warn(c->equal_pairs, "preferences have two equal answers", " and teach nothing");
    warn(c->merged, "prompts have other tokens alone than before their completion", ": end prompts where a token ends");
    warn(c->turns_lost, "assistant turns are left out by the chat template", "");
    warn(c->turns_without_stop, "assistant turns have no stop token after them", ": the model does not learn to stop");
    warn(c->calls_lost, "conversations have tool calls that the chat template does not show", "");
}

/* ---- rows of a run ---- */

static bool source_next(void *context, lt_row *row, bool *end, lt_error *err)
{
    lt_examples *ex = context;
    const lt_example *example = &ex->given;
    if (!lt_examples_next(ex, &ex->given, end, err))
        return false;
    if (*end)
        return true;
    *row = (lt_row){.sequences = example->sequences,
                    .lengths = example->lengths,
                    .ids = example->ids,
                    .trained = example->trained,
                    .first = example->first,
                    .labels = example->given_labels,
                    .types = example->type_ids,
                    .value = example->value,
                    .path = example->row.path,
                    .line = example->row.line};
    return true;
}

void lt_examples_source(lt_examples *ex, lt_row_source *source)
{
    *source = (lt_row_source){.next = source_next, .context = ex};
}
