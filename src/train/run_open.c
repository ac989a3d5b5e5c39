/* Setting up a run, in the order that keeps memory low and says no early: rows to tokens (the tokenizer goes away with that),
 * the base and its adapter, the plan, and only then the memory. */
#include <math.h>
#include <string.h>

#include "core/file.h"
#include "core/log.h"
#include "core/threads.h"
#include "models/open.h"
#include "train/memory.h"
#include "train/run.h"
#include "train/snapshot.h"

typedef struct store_progress {
    const lt_run *run;
    double next; /* when the sink is called again */
} store_progress;

static bool show_rows(int64_t rows, void *context)
{
    store_progress *p = context;
    double now = lt_run_clock();
    if (now >= p->next) {
        lt_run_show(p->run, "tokenizing", rows, 0);
        p->next = now + 0.2;
    }
    return !lt_run_stopped(p->run);
}

/* Ids that the model and its teacher have. */
static int64_t known_tokens(const lt_run *run)
{
    int64_t V = run->model->config.V, other = run->teacher ? lt_teacher_model(run->teacher)->config.V : V;
    return V < other ? V : other;
}

/* Rows of the stream before every sequence: the model's virtual tokens or the teacher's, whichever are more. */
static int64_t overhead(const lt_run *run)
{
    int64_t own = lt_virtual_rows(run->model->virtual), other = run->teacher ? lt_teacher_overhead(run->teacher) : 0;
    return own > other ? own : other;
}

static bool read_rows(lt_run *run, const lt_row_source *rows, lt_packing packing, const char *folder, lt_token_store **store,
                      int64_t *skipped, lt_error *err)
{
    static const int32_t sequences[LT_ROW_SHAPES] = {
        [LT_ROW_SEQUENCE] = 1, [LT_ROW_PAIR] = 2, [LT_ROW_LABEL] = 1, [LT_ROW_ANSWER] = 2};
    store_progress progress = {.run = run};
    lt_token_store_options options = {
        .folder = folder,
        .packing = packing,
        .max_length = run->options->max_length,
        .vocabulary = known_tokens(run),
        .sequences = sequences[run->options->objective->rows],
        .in_place = run->model->config.bidirectional && run->options->objective->rows == LT_ROW_SEQUENCE,
        .masking = run->options->masking,
        .typed = run->model->config.types > 0,
        .firsts = run->options->objective->rows == LT_ROW_SEQUENCE && lt_virtual_rows(run->model->virtual) > 0 &&
                  (!run->teacher || lt_teacher_overhead(run->teacher) > 0) && /* or it has no row that could predict them */
                  !run->model->config.bidirectional,
        .values = run->options->row_values,
        .keep_all = run->options->objective->head == LT_HEAD_SCORE,
        .progress = show_rows,
        .context = &progress,
    };
    return lt_token_store_build(store, rows, &options, skipped, err);
}

static int64_t steps_of(const lt_run *run)
{
    const lt_train_options *o = run->options;
    if (o->max_steps > 0)
        return o->max_steps;
    double steps = ceil((double)lt_loader_steps_per_epoch(&run->loader) * o->num_train_epochs);
    return steps < 1 ? 1 : (int64_t)steps;
}

static void close_source(const lt_row_source *source)
{
    if (source->close)
        source->close(source->context);
}

/* Blocks of text are evaluated as they are trained on; whole rows stay rows. */
static bool read_eval_rows(lt_run *run, const char *folder, lt_error *err)
{
    const lt_train_options *o = run->options;
    int64_t skipped;
    lt_packing packing = o->packing == LT_PACKING_ROWS ? LT_PACKING_NONE : o->packing;
    if (o->eval_rows.next && !read_rows(run, &o->eval_rows, packing, folder, &run->eval, &skipped, err)) {
        close_source(&o->replay_eval_rows);
        return lt_error_context(err, "evaluation data");
    }
    return !o->replay_eval_rows.next || read_rows(run, &o->replay_eval_rows, packing, folder, &run->replay_eval, &skipped, err) ||
           lt_error_context(err, "evaluation data of replay");
}

bool lt_run_read_data(lt_run *run, const char *temporary, lt_error *err)
{
    const lt_train_options *o = run->options;
    run->rows_taken = true;
    if (!read_rows(run, &o->rows, o->packing, temporary, &run->train, &run->rows_skipped, err)) {
        close_source(&o->eval_rows);
        close_source(&o->replay_eval_rows);
        return false;
    }
    if (!read_eval_rows(run, temporary, err))
        return false;
    if (run->rows_skipped)
        lt_log_warning("%lld of %lld rows train nothing and are left out", (long long)run->rows_skipped,
                       (long long)lt_token_store_totals(run->train)->rows);
    lt_loader_options loader = {
        .rows_per_step = o->batch_size * o->gradient_accumulation_steps,
        .shuffle = o->shuffle,
        .wrap = !o->shuffle && o->max_steps > 0,
        .seed = o->seed,
        .overhead = overhead(run),
        .mix = o->mix,
    };
    if (!lt_loader_init(&run->loader, run->train, &loader, err))
        return false;
    run->total_steps = steps_of(run);
    lt_schedule_options schedule = o->schedule;
    schedule.total_steps = run->total_steps;
    schedule.learning_rate = o->learning_rate;
    return lt_schedule_init(&run->schedule, &schedule, err);
}

bool lt_run_open_model(lt_run *run, lt_error *err)
{
    lt_arena values = lt_arena_measure(), gradients = lt_arena_measure();
    const lt_train_options *o = run->options;
    bool open = o->labels ? lt_model_open_classifier(&run->model, o->model, o->labels, o->seed, err)
                          : lt_model_open(&run->model, o->model, err);
    if (!open ||
        (run->options->objective->head != LT_HEAD_SCORE && !lt_model_has_head(run->model, err)) ||
        !lt_tuning_open(&run->tuning, run->model, run->options, &run->params, err) ||
        !lt_optimizer_init(&run->optimizer, &run->options->optimizer, err))
        return false;
    lt_param_list_layout(&run->params, &values, &gradients);
    /* Mapped, but not resident before it is touched: the plan comes first. */
    if (!lt_arena_init(&run->values, values.used, err) || !lt_arena_init(&run->gradients, gradients.used, err))
        return false;
    lt_param_list_layout(&run->params, &run->values, &run->gradients);
    lt_model_trained_plug(run->model, &run->params);
    return true;
}

/* A vocabulary that is padded further in one of them is the same as far as there are tokens. */
static bool same_vocabulary(const lt_run *run, lt_error *err)
{
    int64_t V = run->model->config.V, other = lt_teacher_model(run->teacher)->config.V, known = run->options->teacher_tokens;
    if (V == other || (known > 0 && known <= V && known <= other))
        return true;
    return lt_error_set(err, LT_ERR_USAGE,
                        "teacher: %s has a vocabulary of %lld tokens and %s one of %lld: their logits cannot be compared",
                        run->options->teacher, (long long)other, run->options->model, (long long)V);
}

bool lt_run_open_teacher(lt_run *run, lt_error *err)
{
    const lt_train_options *o = run->options;
    return !o->objective->teacher ||
           (lt_teacher_open(&run->teacher, o->teacher, o->teacher_adapter, err) && same_vocabulary(run, err));
}

lt_pass_means lt_run_means(const lt_run *run)
{
    const lt_train_options *o = run->options;
    return (lt_pass_means){.objective = o->objective,
                           .options = &o->objective_options,
                           .reference = run->reference,
                           .teacher = run->teacher,
                           .score = run->model->score.N ? &run->model->score : NULL,
                           .pad_id = o->pad_id >= 0 ? o->pad_id : run->model->config.pad_id,
                           .first_token = run->model->config.bidirectional};
}

static bool show_reference(int64_t done, int64_t total, void *context)
{
    const lt_run *run = context;
    lt_run_show(run, "reference", done, total);
    return !lt_run_stopped(run);
}

bool lt_run_build_references(lt_run *run, const char *temporary, lt_error *err)
{
    const lt_train_options *o = run->options;
    if (!(o->objective->needs & LT_TARGET_BIT(LT_TARGET_REFERENCE_LOGP)))
        return true;
    lt_reference_options options = {.model = o->model,
                                    .adapter = o->ref_adapter,
                                    .folder = temporary,
                                    .compute = o->compute,
                                    .threads = o->threads,
                                    .max_memory_bytes = o->max_memory_bytes,
                                    .progress = show_reference,
                                    .context = run};
    return lt_reference_build(&run->reference, run->train, &options, err) &&
           (!run->eval || lt_reference_build(&run->eval_reference, run->eval, &options, err));
}

static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Rows of the stream that the longest record may take. */
static int64_t longest_record(const lt_run *run, const lt_token_totals *totals)
{
    return totals->longest_record + totals->most_sequences * overhead(run);
}

bool lt_run_make_plan(lt_run *run, const lt_plan_choice *choice, bool measure_speed, lt_error *err)
{
    const lt_train_options *o = run->options;
    const lt_token_totals *train = lt_token_store_totals(run->train);
    lt_pass_means means = lt_run_means(run);
    lt_plan_request request = {
        .model = run->model,
        .teacher = run->teacher ? lt_teacher_model(run->teacher) : NULL,
        .means = &means,
        .params = &run->params,
        .optimizer = &run->optimizer,
        .loader = &run->loader,
        .steps = run->total_steps - run->at.step,
        .least_tokens = run->eval ? longest_record(run, lt_token_store_totals(run->eval)) : 0,
        .longest_sequence = train->longest_sequence,
        .compute = o->compute,
        .threads = o->threads,
        .activation_bits = o->activation_bits,
        .max_memory_bytes = o->max_memory_bytes,
        .measure_speed = measure_speed,
        .frozen = run->frozen.bits ? &run->frozen : NULL,
    };
    if (run->eval)
        request.longest_sequence = max64(request.longest_sequence, lt_token_store_totals(run->eval)->longest_sequence);
    if (run->replay_eval) {
        const lt_token_totals *old = lt_token_store_totals(run->replay_eval);
        request.longest_sequence = max64(request.longest_sequence, old->longest_sequence);
        request.least_tokens = max64(request.least_tokens, old->longest_record);
    }
    return choice ? lt_plan_restore(&run->plan, &request, choice, err) : lt_plan_make(&run->plan, &request, err);
}

static void layout_data(lt_run *run, lt_arena *arena)
{
    lt_pass_means means = lt_run_means(run);
    lt_step_batch_layout(&run->batch, run->train, &run->plan.extent, arena);
    lt_pass_layout(&run->pass, &means, &run->plan.extent, run->model->config.C, arena);
}

bool lt_run_start(lt_run *run, lt_error *err)
{
    lt_arena states = lt_arena_measure(), data = lt_arena_measure();
    lt_weights_set_window(run->model->weights, run->plan.choice.window_bytes);
    if (!lt_optimizer_layout(&run->optimizer, &run->params, &states, err) || !lt_arena_init(&run->states, states.used, err) ||
        !lt_optimizer_layout(&run->optimizer, &run->params, &run->states, err))
        return false;
    layout_data(run, &data);
    if (!lt_arena_init(&run->data, data.used, err))
        return false;
    layout_data(run, &run->data);
    const lt_train_options *o = run->options;
    if (!lt_tuning_fill(run->tuning, &run->params, err) || !lt_engine_open(&run->engine, run->model, &run->plan.shape, err))
        return false;
    if (run->teacher && !lt_teacher_start(run->teacher, &run->plan.teacher_shape, run->plan.teacher_window_bytes, err))
        return false;
    lt_engine_set_noise(run->engine, o->neftune_noise_alpha);
    return !o->start_state || lt_snapshot_load(o->start_state, &run->params, &run->optimizer, err);
}

void lt_run_close(lt_run *run)
{
    lt_engine_close(run->engine);
    lt_tuning_close(run->tuning);
    if (run->model)
        lt_model_close(run->model);
    lt_optimizer_free(&run->optimizer);
    lt_param_list_free(&run->params);
    lt_teacher_close(run->teacher);
    lt_reference_close(run->reference);
    lt_reference_close(run->eval_reference);
    lt_token_store_close(run->train);
    lt_token_store_close(run->eval);
    lt_token_store_close(run->replay_eval);
    lt_arena_free(&run->values);
    lt_arena_free(&run->gradients);
    lt_arena_free(&run->states);
    lt_arena_free(&run->data);
    json_decref(run->fingerprint);
    json_decref(run->eval_classes);
}
