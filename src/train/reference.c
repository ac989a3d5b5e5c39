/* A sparse file beside the token store's: a record's log-probabilities lie at the place that the record has there. They take less
 * room than the record itself (four bytes a target, five and more a token), so none runs into the next. */
#include "train/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapt/adapter.h"
#include "core/file.h"
#include "models/open.h"
#include "train/evaluate.h"
#include "train/memory.h"
#include "train/plan.h"

struct lt_reference {
    lt_token_store *store;
    FILE *file;
};

/* A model that computes, and what it takes. */
typedef struct computer {
    lt_model *model;
    lt_used_adapter *adapter;
    lt_engine *engine;
    lt_plan plan;
} computer;

static bool open_computer(computer *c, const lt_token_store *store, const lt_reference_options *o, lt_error *err)
{
    enum { PASS_TOKENS = 2048 };
    const lt_token_totals *totals = lt_token_store_totals(store);
    if (!lt_model_open(&c->model, o->model, err) ||
        (o->adapter && !lt_used_adapter_open(&c->adapter, c->model, o->adapter, err)))
        return false;
    lt_plan_request request = {
        .model = c->model,
        .least_tokens = totals->longest_record > PASS_TOKENS ? totals->longest_record
                        : totals->tokens < PASS_TOKENS      ? totals->tokens
                                                            : PASS_TOKENS,
        .longest_sequence = totals->longest_sequence,
        .compute = o->compute,
        .threads = o->threads,
        .max_memory_bytes = o->max_memory_bytes,
    };
    if (!lt_plan_make(&c->plan, &request, err))
        return false;
    lt_weights_set_window(c->model->weights, c->plan.choice.window_bytes);
    return lt_engine_open(&c->engine, c->model, &c->plan.shape, err);
}

static void close_computer(computer *c)
{
    lt_engine_close(c->engine);
    if (c->adapter)
        lt_used_adapter_close(c->adapter);
    if (c->model)
        lt_model_close(c->model);
    lt_memory_trim();
}

typedef struct writing {
    lt_reference *reference;
    const lt_reference_options *options;
} writing;

static bool write_record(int64_t index, const float *logp, int64_t targets, void *context, lt_error *err)
{
    const writing *w = context;
    lt_record_size size;
    if (!lt_token_store_size(w->reference->store, index, &size, err))
        return false;
    const char *at = (const char *)logp;
    off_t place = (off_t)size.offset;
    for (size_t left = (size_t)targets * sizeof *logp; left > 0;) {
        ssize_t n = pwrite(fileno(w->reference->file), at, left, place);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return lt_error_errno(err, "%s: cannot write the reference's log-probabilities", w->options->folder);
        at += n;
        place += n;
        left -= (size_t)n;
    }
    return true;
}

static bool show(int64_t done, int64_t total, void *context)
{
    const writing *w = context;
    return !w->options->progress || w->options->progress(done, total, w->options->context);
}

bool lt_reference_build(lt_reference **out, lt_token_store *store, const lt_reference_options *options, lt_error *err)
{
    static const lt_objective_options none;
    computer c = {0};
    lt_objective_sums sums;
    lt_reference *r = calloc(1, sizeof *r);
    if (!r)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    writing w = {r, options};
    r->store = store;
    r->file = lt_token_store_temporary(options->folder, err);
    bool ok = r->file && open_computer(&c, store, options, err);
    if (ok) {
        lt_evaluate_options how = {.objective = &lt_objective_lm,
                                   .objective_options = &none,
                                   .pass_tokens = c.plan.shape.max_T,
                                   .record = write_record,
                                   .progress = show,
                                   .context = &w};
        ok = lt_evaluate(c.engine, store, &how, &sums, err);
    }
    close_computer(&c);
    if (!ok) {
        lt_error_context(err, "the reference model");
        lt_reference_close(r);
        return false;
    }
    *out = r;
    return true;
}

void lt_reference_close(lt_reference *reference)
{
    if (!reference)
        return;
    if (reference->file)
        fclose(reference->file);
    free(reference);
}

bool lt_reference_read(lt_reference *reference, int64_t record, float *logp, lt_error *err)
{
    lt_record_size size;
    return lt_token_store_size(reference->store, record, &size, err) &&
           lt_file_pread(fileno(reference->file), "the reference's log-probabilities", logp, (size_t)size.targets * sizeof *logp,
                         size.offset, err);
}
