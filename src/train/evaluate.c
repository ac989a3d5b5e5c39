#include "train/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "train/loader.h"

enum { STEP_RECORDS = 64 }; /* looked at together when passes are packed */

/* Masks of an evaluation are the same every time, whatever the run's seed. */
static const uint64_t MASK_SEED = 0x6576616c;

static bool evaluate_pass(lt_engine *engine, const lt_step_batch *step, const lt_evaluate_options *options, lt_pass *pass,
                          lt_objective_sums *sums, lt_error *err)
{
    lt_objective_pass view;
    if (!lt_engine_forward(engine, &step->batch, err) || !lt_pass_evaluate(pass, engine, step, sums, &view, err))
        return false;
    for (int64_t i = 0; i < step->row_count; i++) {
        const lt_objective_row *row = &step->rows[i];
        int64_t first = step->sequence_targets[row->first_sequence];
        int64_t last = step->sequence_targets[row->first_sequence + row->sequences];
        if (options->record && !options->record(row->row, pass->logp + first, last - first, options->context, err))
            return false;
        if (options->scored && pass->score &&
            !options->scored(row, pass->score + row->first_sequence * view.labels, view.labels, options->context, err))
            return false;
    }
    return true;
}

static bool evaluate_all(lt_engine *engine, lt_loader *loader, lt_step_batch *step, const lt_evaluate_options *options,
                         lt_pass *pass, lt_objective_sums *sums, lt_error *err)
{
    int64_t done = 0, total = lt_token_store_totals(loader->store)->tokens;
    for (int64_t s = lt_loader_steps_per_epoch(loader); s > 0; s--) {
        if (!lt_loader_next_step(loader, step, err))
            return false;
        for (bool more = true;;) {
            if (!lt_loader_next_pass(loader, step, options->pass_tokens, &more, err))
                return false;
            if (!more)
                break;
            if (!evaluate_pass(engine, step, options, pass, sums, err))
                return false;
            done += step->batch.T;
            if (options->progress && !options->progress(done, total, options->context))
                return lt_error_set(err, LT_ERR_INTERRUPTED, "stopped during the evaluation");
        }
    }
    return true;
}

static void layout(lt_step_batch *step, lt_pass *pass, const lt_pass_means *means, const lt_token_store *store,
                   const lt_loader_extent *extent, int64_t C, lt_arena *arena)
{
    lt_step_batch_layout(step, store, extent, arena);
    lt_pass_layout(pass, means, extent, C, arena);
}

bool lt_evaluate(lt_engine *engine, lt_token_store *store, const lt_evaluate_options *options, lt_objective_sums *sums,
                 lt_error *err)
{
    lt_loader loader;
    lt_loader_extent extent;
    lt_step_batch step;
    lt_pass pass;
    lt_pass_means means = {.objective = options->objective,
                           .options = options->objective_options,
                           .reference = options->reference,
                           .teacher = options->teacher,
                           .score = options->score,
                           .pad_id = options->pad_id,
                           .first_token = options->first_token};
    int64_t C = lt_engine_width(engine);
    *sums = (lt_objective_sums){0};
    int64_t overhead = lt_engine_overhead(engine), of_teacher = options->teacher ? lt_teacher_overhead(options->teacher) : 0;
    lt_loader_options order = {.rows_per_step = STEP_RECORDS, .overhead = overhead > of_teacher ? overhead : of_teacher, .seed = MASK_SEED};
    lt_loader_init(&loader, store, &order,
                   NULL); /* without a mix nothing can fail */
    if (!lt_loader_measure(&loader, lt_loader_steps_per_epoch(&loader), options->pass_tokens, &extent, err))
        return false;
    lt_arena counted = lt_arena_measure(), arena;
    layout(&step, &pass, &means, store, &extent, C, &counted);
    if (!lt_arena_init(&arena, counted.used, err))
        return false;
    layout(&step, &pass, &means, store, &extent, C, &arena);
    lt_engine_set_dropout(engine, false);
    bool ok = evaluate_all(engine, &loader, &step, options, &pass, sums, err);
    lt_arena_free(&arena);
    return ok;
}

bool lt_evaluate_logits(lt_engine *engine, lt_token_store *store, int64_t index, lt_logits_sink sink, void *context,
                        lt_error *err)
{
    lt_record_size size;
    if (!lt_token_store_size(store, index, &size, err))
        return false;
    size_t tokens = (size_t)size.tokens;
    int32_t *numbers = malloc(((size_t)size.sequences * 2 + 1 + tokens * 3) * sizeof *numbers);
    uint8_t *trained = malloc(tokens);
    float *logp = malloc(tokens * sizeof *logp);
    bool ok = numbers && trained && logp;
    if (!ok)
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row of %d tokens", size.tokens);
    int32_t *lengths = numbers, *starts = numbers + size.sequences, *ids = starts + size.sequences + 1, *targets = ids + tokens,
            *types = targets + tokens;
    bool typed = lt_token_store_totals(store)->typed;
    lt_record record = {.lengths = lengths, .ids = ids, .trained = trained, .labels = targets, .types = types};
    ok = ok && lt_token_store_read(store, index, &record, err);
    if (ok) {
        starts[0] = 0;
        for (int32_t s = 0; s < size.sequences; s++)
            starts[s + 1] = starts[s] + lengths[s];
        /* Any target will do: what is wanted are the logits that come on the way to it. */
        memcpy(targets, ids, tokens * sizeof *ids);
        lt_batch batch = {.T = size.tokens, .sequences = size.sequences, .ids = ids, .types = typed ? types : NULL, .starts = starts, .targets = targets,
                          .target_count = size.tokens};
        lt_engine_set_dropout(engine, false);
        ok = lt_engine_forward(engine, &batch, err) && lt_engine_head(engine, NULL, logp, NULL, sink, context, err);
    }
    free(numbers);
    free(trained);
    free(logp);
    return ok;
}
