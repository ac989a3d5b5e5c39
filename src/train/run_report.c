/* What a run tells: metrics rows, trainer_state.json, summary.json, progress. */
#include <math.h>
#include <time.h>

#include "core/file.h"
#include "simd/kernels.h"
#include "train/evaluate.h"
#include "train/memory.h"
#include "train/run.h"
#include "train/run_classes.h"
#include "train/trainer_state.h"

double lt_run_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool lt_run_stopped(const lt_run *run) { return run->options->stop && *run->options->stop; }

/* As transformers counts: whole steps over the steps of an epoch; where rows wrap around, over rows. */
double lt_run_epoch(const lt_run *run)
{
    if (run->loader.options.wrap)
        return (double)run->loader.place.epoch +
               (double)run->loader.place.position / (double)lt_token_store_totals(run->train)->records;
    return (double)run->at.step / (double)lt_loader_steps_per_epoch(&run->loader);
}

void lt_run_show(const lt_run *run, const char *phase, int64_t done, int64_t total)
{
    if (!run->options->progress)
        return;
    const lt_run_counters *at = &run->at;
    double here = at->elapsed - at->window_elapsed;
    double left = at->step ? at->elapsed / (double)at->step * (double)(run->total_steps - at->step) : 0;
    lt_progress progress = {
        .phase = phase,
        .done = done,
        .total = total,
        .epoch = run->total_steps ? lt_run_epoch(run) : 0, /* 0 while rows are still read */
        .loss = run->last.loss,
        .learning_rate = run->last.learning_rate,
        .grad_norm = run->last.grad_norm,
        .tokens_per_second = at->window_steps && here > 0 ? (double)at->window_tokens / here
                             : at->elapsed > 0            ? (double)at->tokens / at->elapsed
                                                          : 0,
        .elapsed_seconds = at->elapsed,
        .eta_seconds = left,
        .rss_bytes = lt_memory_resident(),
        .planned_bytes = run->plan.peak_bytes,
    };
    run->options->progress(&progress, run->options->progress_context);
}

static void set_metrics(json_t *row, const lt_objective *objective, const char *prefix, const lt_mean *metric)
{
    for (int i = 0; objective->metrics && objective->metrics[i]; i++) {
        char key[96];
        if (metric[i].count == 0)
            continue; /* no row that it is a mean of (a batch without bad answers) */
        snprintf(key, sizeof key, "%s%s", prefix, objective->metrics[i]);
        json_object_set_new(row, key, json_real(lt_mean_value(&metric[i])));
    }
}

static bool log_row(lt_run *run, json_t *row, lt_error *err)
{
    bool ok = row ? lt_run_folder_log(&run->folder, row, err) : lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row");
    json_decref(row);
    return ok;
}

bool lt_run_log(lt_run *run, lt_error *err)
{
    lt_run_counters *at = &run->at;
    double seconds = at->elapsed - at->window_elapsed, loss = at->window_loss / (double)at->window_steps;
    json_t *row = json_pack("{s:I,s:f,s:f,s:f,s:f,s:I,s:f,s:I,s:f}", "step", (json_int_t)at->step, "epoch", lt_run_epoch(run),
                            "loss", loss, "grad_norm", run->last.grad_norm, "learning_rate", run->last.learning_rate,
                            "tokens", (json_int_t)at->tokens, "tokens_per_second",
                            seconds > 0 ? (double)at->window_tokens / seconds : 0.0, "rss_bytes",
                            (json_int_t)lt_memory_resident(), "elapsed", at->elapsed);
    if (row)
        set_metrics(row, run->options->objective, "", at->window_metric);
    if (isnan(at->loss_first))
        at->loss_first = loss;
    at->loss_last = loss;
    at->window_steps = at->window_tokens = 0;
    at->window_loss = 0;
    at->window_elapsed = at->elapsed;
    for (int i = 0; i < LT_OBJECTIVE_METRICS; i++)
        at->window_metric[i] = (lt_mean){0};
    return log_row(run, row, err);
}

static bool show_evaluation(int64_t done, int64_t total, void *context)
{
    const lt_run *run = ((const lt_run_classes *)context)->run;
    lt_run_show(run, "evaluating", done, total);
    return !lt_run_stopped(run);
}

static const struct {
    const char *logged, *key;
} class_metrics[] = {{"eval_accuracy", "accuracy"}, {"eval_f1_macro", "f1_macro"}, {"eval_f1_micro", "f1_micro"}};

/* The loss over one store; *sums has the metrics too. */
static bool evaluate_store(lt_run *run, lt_token_store *store, lt_reference *reference, lt_objective_sums *sums, double *loss,
                           lt_error *err)
{
    const lt_train_options *o = run->options;
    lt_pass_means means = lt_run_means(run);
    lt_run_classes classes;
    lt_evaluate_options options = {
        .objective = o->objective,
        .objective_options = &o->objective_options,
        .pass_tokens = run->plan.shape.max_T,
        .progress = show_evaluation,
        .scored = lt_run_classes_take,
        .context = &classes,
        .reference = reference,
        .teacher = run->teacher,
        .score = means.score,
        .pad_id = means.pad_id,
        .first_token = means.first_token,
    };
    json_t *counted;
    bool ok = lt_run_classes_begin(&classes, store == run->eval ? o->predictions : NULL, run, err) &&
              lt_evaluate(run->engine, store, &options, sums, err);
    if (!lt_run_classes_end(&classes, ok, &counted, err))
        return false;
    if (store == run->eval) {
        json_decref(run->eval_classes);
        run->eval_classes = json_incref(counted);
    }
    json_decref(counted);
    *loss = lt_mean_value(&sums->loss);
    return isfinite(*loss) || lt_error_set(err, LT_ERR_NUMERIC, "the evaluation after step %lld gives a loss of %g",
                                           (long long)run->at.step, *loss);
}

bool lt_run_evaluate(lt_run *run, lt_error *err)
{
    const lt_train_options *o = run->options;
    double begin = lt_run_clock();
    lt_objective_sums sums, old;
    if (run->eval && !evaluate_store(run, run->eval, run->eval_reference, &sums, &run->eval_loss, err))
        return false;
    if (run->replay_eval && !evaluate_store(run, run->replay_eval, NULL, &old, &run->replay_loss, err))
        return false;
    double seconds = lt_run_clock() - begin;
    run->session_start += seconds; /* evaluation is not training: rates and times of rows leave it out */
    run->eval_step = run->at.step;
    json_t *row = json_pack("{s:I,s:f}", "step", (json_int_t)run->at.step, "epoch", lt_run_epoch(run));
    if (row && run->eval)
        json_object_set_new(row, "eval_loss", json_real(run->eval_loss));
    if (row && run->replay_eval)
        json_object_set_new(row, "eval_replay_loss", json_real(run->replay_loss));
    if (row)
        json_object_set_new(row, "eval_runtime", json_real(seconds));
    if (row && run->eval)
        set_metrics(row, o->objective, "eval_", sums.metric);
    for (int i = 0; row && run->eval_classes && i < 3; i++)
        json_object_set(row, class_metrics[i].logged, json_object_get(run->eval_classes, class_metrics[i].key));
    return log_row(run, row, err);
}

bool lt_run_evaluate_before(lt_run *run, lt_error *err)
{
    if (!run->replay_eval || run->at.step > 0)
        return true;
    if (!lt_run_evaluate(run, err))
        return false;
    run->at.eval_before = run->eval_loss;
    run->at.replay_before = run->replay_loss;
    return true;
}

bool lt_run_write_trainer_state(const lt_run *run, const char *folder, lt_error *err)
{
    const lt_train_options *o = run->options;
    char metrics[4096];
    lt_trainer_state state = {
        .global_step = run->at.step,
        .max_steps = run->total_steps,
        .num_train_epochs = (int64_t)ceil((double)run->total_steps / (double)lt_loader_steps_per_epoch(&run->loader)),
        .logging_steps = o->logging_steps,
        .eval_steps = o->eval_steps ? o->eval_steps : o->logging_steps,
        .save_steps = o->save_steps,
        .train_batch_size = o->batch_size,
        .tokens_seen = run->at.tokens,
        .epoch = lt_run_epoch(run),
        .total_flos = run->plan.useful_flops_per_step * (double)run->at.step,
    };
    return lt_file_join(metrics, sizeof metrics, run->folder.path, "metrics.jsonl", err) &&
           lt_trainer_state_write(&state, folder, metrics, err);
}

static json_t *number(double value) { return isnan(value) ? json_null() : json_real(value); }

/* What the run gained on the new data, and what it cost on the old; losses, so that a gain is a fall. */
static void set_drift(const lt_run *run, json_t *out)
{
    const lt_run_counters *at = &run->at;
    json_object_set_new(out, "eval_loss_before", number(at->eval_before));
    json_object_set_new(out, "eval_replay_loss_before", number(at->replay_before));
    json_object_set_new(out, "eval_replay_loss", number(run->replay_loss));
    json_object_set_new(out, "gain", number(at->eval_before - run->eval_loss));
    json_object_set_new(out, "drift", number(run->replay_loss - at->replay_before));
}

static double class_metric(const lt_run *run, const char *key)
{
    const json_t *value = json_object_get(run->eval_classes, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

bool lt_run_write_summary(const lt_run *run, lt_train_result *result, lt_error *err)
{
    const lt_train_options *o = run->options;
    const lt_run_counters *at = &run->at;
    *result = (lt_train_result){
        .steps = at->step,
        .tokens = at->tokens,
        .trained_tokens = at->trained_tokens,
        .seconds = at->elapsed,
        .tokens_per_second = at->elapsed > 0 ? (double)at->tokens / at->elapsed : 0,
        .loss_first = at->loss_first,
        .loss_last = at->loss_last,
        .eval_loss = run->eval && run->eval_step >= 0 ? run->eval_loss : NAN,
        .replay_loss_before = run->replay_eval ? at->replay_before : NAN,
        .replay_loss = run->replay_eval ? run->replay_loss : NAN,
        .eval_loss_before = at->eval_before,
        .peak_rss_bytes = lt_memory_peak(),
        .planned_peak_bytes = run->plan.peak_bytes,
        .eval_accuracy = class_metric(run, "accuracy"),
        .eval_f1_macro = class_metric(run, "f1_macro"),
        .rows_skipped = run->rows_skipped,
    };
    json_t *out = json_pack(
        "{s:s,s:s,s:s,s:s,s:I,s:f,s:I,s:I,s:f,s:f,s:I,s:I,s:o,s:o,s:o,s:I,s:I,s:s,s:s,s:s,s:i}", "command", o->command,
        "model", o->model, "method", lt_tuning_name(run->tuning), "objective", o->objective->name, "steps",
        (json_int_t)result->steps, "epochs", lt_run_epoch(run), "tokens", (json_int_t)result->tokens, "trained_tokens",
        (json_int_t)result->trained_tokens, "seconds", result->seconds, "tokens_per_second", result->tokens_per_second,
        "peak_rss_bytes", (json_int_t)result->peak_rss_bytes, "planned_peak_bytes", (json_int_t)result->planned_peak_bytes,
        "loss_first", isnan(at->loss_first) ? json_null() : json_real(at->loss_first), "loss_last",
        isnan(at->loss_last) ? json_null() : json_real(at->loss_last), "eval_loss",
        isnan(result->eval_loss) ? json_null() : json_real(result->eval_loss), "trainable_parameters",
        (json_int_t)lt_param_list_elements(&run->params), "parameters", (json_int_t)lt_model_parameter_count(run->model),
        "compute", run->plan.shape.compute == LT_COMPUTE_BF16 ? "bf16" : "fp32", "kernels", lt_kernels_get()->name, "mode",
        run->plan.mode, "threads", run->plan.shape.threads);
    if (out && run->replay_eval)
        set_drift(run, out);
    if (out && run->teacher)
        json_object_set_new(out, "teacher", json_string(o->teacher));
    if (!out)
        return lt_error_set(err, LT_ERR_MEMORY, "%s/summary.json: out of memory", run->folder.path);
    for (int i = 0; run->eval_classes && i < 3; i++)
        json_object_set(out, class_metrics[i].logged, json_object_get(run->eval_classes, class_metrics[i].key));
    if (run->eval_classes)
        json_object_set(out, "eval_classes", run->eval_classes);
    bool ok = lt_run_folder_write_json(run->folder.path, "summary.json", out, err);
    json_decref(out);
    return ok;
}
