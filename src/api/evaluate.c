/* Loss over files of rows. */
#include <math.h>
#include <stdlib.h>

#include "api/api.h"
#include "api/model.h"
#include "core/threads.h"
#include "train/plan.h"

/* All rows as tokens, on disk. */
static bool read_rows(lt_api_model *model, const lathe_evaluate_options *options, lt_token_store **store, lt_error *err)
{
    const char *folder = getenv("TMPDIR");
    lt_api_data_options files = {.files = options->data, .fields = options->fields, .max_length = options->max_length};
    lt_token_store_options shape = {
        .folder = folder && *folder ? folder : "/tmp", .vocabulary = model->base->config.V, .sequences = 1,
        .in_place = model->base->config.bidirectional, .typed = model->base->config.types > 0,
        .firsts = lt_virtual_rows(model->base->virtual) > 0 && !model->base->config.bidirectional};
    lt_api_data *data;
    lt_row_source rows;
    int64_t skipped;
    shape.masking = lt_api_masking(model->text, LT_API_MLM_PROBABILITY);
    if (options->data.count == 0)
        return lt_error_set(err, LT_ERR_USAGE, "evaluation needs data");
    if (!lt_api_data_open(&data, model->text, &files, err))
        return false;
    lt_api_data_source(data, &rows);
    return lt_token_store_build(store, &rows, &shape, &skipped, err);
}

bool lt_api_engine_open(lt_api_model *model, const lt_token_totals *totals, lt_engine **engine, int64_t *pass_tokens,
                        lt_error *err)
{
    enum { PASS_TOKENS = 2048 };
    lt_plan plan;
    int64_t overhead = totals->most_sequences * lt_virtual_rows(model->base->virtual);
    int64_t longest = totals->longest_record + overhead, all = totals->tokens + totals->records * overhead;
    lt_plan_request request = {
        .model = model->base,
        .least_tokens = longest > PASS_TOKENS ? longest : PASS_TOKENS,
        .longest_sequence = totals->longest_sequence,
        .compute = model->compute,
        .threads = lt_threads_count(),
        .max_memory_bytes = model->max_memory_bytes,
    };
    if (all < request.least_tokens)
        request.least_tokens = longest > all ? longest : all;
    if (!lt_plan_make(&plan, &request, err))
        return false;
    lt_weights_set_window(model->base->weights, plan.choice.window_bytes);
    *pass_tokens = plan.shape.max_T;
    return lt_engine_open(engine, model->base, &plan.shape, err);
}

bool lt_api_evaluation_open(lt_api_model *model, const lathe_evaluate_options *options, lt_token_store **store,
                            lt_engine **engine, int64_t *pass_tokens, lt_error *err)
{
    *store = NULL;
    *engine = NULL;
    if (lt_model_has_head(model->base, err) && read_rows(model, options, store, err) && lt_api_engine_open(model, lt_token_store_totals(*store), engine, pass_tokens, err))
        return true;
    lt_token_store_close(*store);
    *store = NULL;
    return false;
}

bool lt_api_evaluate(lt_api_model *model, const lathe_evaluate_options *options, lathe_evaluation *out, lt_error *err)
{
    static const lt_objective_options objective;
    lt_token_store *store;
    lt_engine *engine;
    lt_evaluate_options evaluate = {.objective = &lt_objective_lm, .objective_options = &objective};
    lt_objective_sums sums = {0};
    if (!lt_api_evaluation_open(model, options, &store, &engine, &evaluate.pass_tokens, err))
        return false;
    bool ok = lt_evaluate(engine, store, &evaluate, &sums, err);
    if (ok) {
        const lt_token_totals *totals = lt_token_store_totals(store);
        double loss = lt_mean_value(&sums.loss);
        *out = (lathe_evaluation){
            .examples = totals->records, .tokens = (int64_t)sums.loss.count, .loss = loss, .perplexity = exp(loss)};
    }
    lt_engine_close(engine);
    lt_token_store_close(store);
    return ok;
}

bool lathe_evaluate(lathe_model *model, const lathe_evaluate_options *options, lathe_evaluation *out, lathe_error *err)
{
    lt_error error;
    return lt_api_evaluate(lt_api_model_of(model), options, out, &error) || lt_api_error(err, &error);
}
