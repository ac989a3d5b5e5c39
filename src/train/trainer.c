#include "train/trainer.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/log.h"
#include "core/threads.h"
#include "train/report.h"
#include "train/run.h"
#include "train/snapshot.h"

void lt_train_defaults(lt_train_options *options)
{
    *options = (lt_train_options){
        .command = "sft",
        .objective = &lt_objective_lm,
        .max_length = 1024,
        .shuffle = true,
        .batch_size = 8,
        .gradient_accumulation_steps = 1,
        .num_train_epochs = 3,
        .schedule = {.type = "linear"},
        .learning_rate = 5e-5,
        .optimizer = {.name = "adamw", .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
        .max_grad_norm = 1.0,
        .seed = 42,
        .eval_strategy = LT_STRATEGY_NO,
        .save_strategy = LT_STRATEGY_STEPS,
        .logging_steps = 10,
        .save_steps = 500,
        .save_dtype = LT_DTYPE_F32,
        .frozen_cache = LT_FROZEN_CACHE_AUTO,
    };
}

/* ---- is the request one? ---- */

static bool same_folder(const char *a, const char *b)
{
    char real_a[PATH_MAX], real_b[PATH_MAX];
    return realpath(a, real_a) && realpath(b, real_b) && !strcmp(real_a, real_b);
}

static bool out_of_range(const char *name, const char *expected, double found, lt_error *err)
{
    return lt_error_set(err, LT_ERR_USAGE, "%s: expected %s, found %g", name, expected, found);
}

static bool check_options(const lt_train_options *o, bool writes, lt_error *err)
{
    if (o->batch_size < 1 || o->batch_size > INT32_MAX)
        return out_of_range("batch_size", "1 or more", (double)o->batch_size, err);
    if (o->gradient_accumulation_steps < 1 || o->gradient_accumulation_steps > INT32_MAX)
        return out_of_range("gradient_accumulation_steps", "1 or more", (double)o->gradient_accumulation_steps, err);
    if (o->max_steps < 0)
        return out_of_range("max_steps", "0 or more", (double)o->max_steps, err);
    if (o->max_steps == 0 && !(o->num_train_epochs > 0 && o->num_train_epochs <= 1e9))
        return out_of_range("num_train_epochs", "more than 0", o->num_train_epochs, err);
    if (!(o->learning_rate >= 0 && isfinite(o->learning_rate)))
        return out_of_range("learning_rate", "0 or more", o->learning_rate, err);
    if (!(o->max_grad_norm >= 0))
        return out_of_range("max_grad_norm", "0 (no clipping) or more", o->max_grad_norm, err);
    if (o->logging_steps < 1)
        return out_of_range("logging_steps", "1 or more", (double)o->logging_steps, err);
    if (o->eval_steps < 0)
        return out_of_range("eval_steps", "0 (as logging_steps) or more", (double)o->eval_steps, err);
    if (o->save_strategy == LT_STRATEGY_STEPS && o->save_steps < 1)
        return out_of_range("save_steps", "1 or more", (double)o->save_steps, err);
    if (o->save_total_limit < 0)
        return out_of_range("save_total_limit", "0 (keep all) or more", (double)o->save_total_limit, err);
    if (o->packing != LT_PACKING_NONE && o->max_length < 2)
        return out_of_range("max_length", "2 or more", (double)o->max_length, err);
    if (o->frozen_cache != LT_FROZEN_CACHE_AUTO && o->frozen_cache != 0 && o->frozen_cache != 8 && o->frozen_cache != 16 &&
        o->frozen_cache != 32)
        return out_of_range("frozen_cache", "8, 16, 32 bits, or 0", o->frozen_cache, err);
    if (!(o->neftune_noise_alpha >= 0 && isfinite(o->neftune_noise_alpha)))
        return out_of_range("neftune_noise_alpha", "0 (none) or more", o->neftune_noise_alpha, err);
    if (!(o->masking.probability >= 0 && o->masking.probability <= 1))
        return out_of_range("mlm_probability", "0 to 1", o->masking.probability, err);
    if (o->replay_eval_rows.next && o->objective->rows != LT_ROW_SEQUENCE)
        return lt_error_set(err, LT_ERR_USAGE, "replay evaluation: the rows of '%s' have no loss on text", o->objective->name);
    if (o->activation_bits && o->activation_bits != 8 && o->activation_bits != 16 && o->activation_bits != 32)
        return out_of_range("activation_bits", "8, 16 or 32", o->activation_bits, err);
    if (o->eval_strategy != LT_STRATEGY_NO && !o->eval_rows.next && !o->replay_eval_rows.next)
        return lt_error_set(err, LT_ERR_USAGE, "eval_strategy is set, but there is no evaluation data");
    if (o->packing != LT_PACKING_NONE && o->objective->rows != LT_ROW_SEQUENCE)
        return lt_error_set(err, LT_ERR_USAGE, "packing: the rows of '%s' cannot be packed", o->objective->name);
    if (o->objective->teacher && !o->teacher)
        return lt_error_set(err, LT_ERR_USAGE, "teacher: '%s' needs a model to learn from", o->objective->name);
    if (o->overwrite && o->resume)
        return lt_error_set(err, LT_ERR_USAGE, "resume and overwrite_output_dir exclude each other");
    if (writes && !o->output)
        return lt_error_set(err, LT_ERR_USAGE, "output: a training run needs a folder");
    if (writes && same_folder(o->model, o->output))
        return lt_error_set(err, LT_ERR_USAGE, "output: %s is the model's own folder", o->output);
    return true;
}

/* ---- the loop ---- */

/* Is something due after this step? every: steps between two times. */
static bool due(const lt_run *run, lt_strategy strategy, int64_t every)
{
    if (strategy == LT_STRATEGY_STEPS)
        return run->at.step % every == 0;
    return strategy == LT_STRATEGY_EPOCH && run->last.epoch_ended;
}

static bool after_step(lt_run *run, lt_error *err)
{
    const lt_train_options *o = run->options;
    bool ends = run->at.step == run->total_steps;
    if ((run->at.step % o->logging_steps == 0 || ends) && !lt_run_log(run, err))
        return false;
    lt_run_show(run, "training", run->at.step, run->total_steps);
    int64_t eval_every = o->eval_steps ? o->eval_steps : o->logging_steps;
    if ((run->eval || run->replay_eval) && (due(run, o->eval_strategy, eval_every) || ends) && !lt_run_evaluate(run, err))
        return false;
    if (due(run, o->save_strategy, o->save_steps) || (ends && o->save_strategy != LT_STRATEGY_NO))
        return lt_run_save(run, err);
    return true;
}

static bool interrupted(lt_run *run, lt_error *err)
{
    if (run->at.step == 0)
        return lt_error_set(err, LT_ERR_INTERRUPTED, "stopped before the first step");
    return lt_run_save(run, err) &&
           lt_error_set(err, LT_ERR_INTERRUPTED, "stopped after step %lld of %lld; --resume goes on from %s/checkpoint-%lld",
                        (long long)run->at.step, (long long)run->total_steps, run->folder.path, (long long)run->at.step);
}

static bool train(lt_run *run, lt_error *err)
{
    while (run->at.step < run->total_steps) {
        if (lt_run_stopped(run))
            return interrupted(run, err);
        if (!lt_run_step(run, err))
            return false;
        if (!after_step(run, err)) {
            /* A signal during the evaluation: the step before it is done and must not be lost. */
            return err && err->status == LT_ERR_INTERRUPTED ? interrupted(run, err) : false;
        }
    }
    /* Resumed from a checkpoint of the last step, whose evaluation was interrupted. */
    return !(run->eval || run->replay_eval) || run->eval_step == run->at.step || lt_run_evaluate(run, err);
}

/* ---- from options to the finished folder ---- */

static bool save_companion(const lt_train_options *o, const char *folder, lt_error *err)
{
    return !o->companion || lt_run_folder_write_json(folder, o->companion_name, o->companion, err);
}

static bool finish(lt_run *run, lt_train_result *result, lt_error *err)
{
    const char *folder = run->folder.path;
    lt_run_folder_keep(&run->folder); /* from here on files of the finished run appear */
    return lt_run_folder_sync(&run->folder, err) &&
           lt_tuning_save(run->tuning, &run->params, run->options->save_dtype, folder, err) &&
           lt_tuning_save_companions(run->tuning, folder, err) && save_companion(run->options, folder, err) && lt_run_write_trainer_state(run, folder, err) &&
           lt_run_write_summary(run, result, err) && lt_report_write(folder, err);
}

static bool prepare(lt_run *run, const char *temporary, lt_error *err)
{
    run->at.loss_first = run->at.loss_last = NAN;
    run->at.eval_before = run->at.replay_before = NAN;
    run->eval_loss = run->replay_loss = NAN;
    run->eval_step = -1;
    return lt_run_open_model(run, err) && lt_run_open_teacher(run, err) && lt_run_read_data(run, temporary, err) && lt_run_choose_frozen(run, err);
}

static bool resume(lt_run *run, char folder[4096], lt_plan_choice *choice, lt_error *err)
{
    json_t *state = NULL;
    if (!lt_run_find_checkpoint(run, folder, &state, err))
        return false;
    bool ok = lt_run_resume_state(run, folder, state, choice, err);
    json_decref(state);
    if (ok && run->at.step > run->total_steps)
        return lt_error_set(err, LT_ERR_USAGE, "%s: is at step %lld already, beyond the %lld steps of this run", folder,
                            (long long)run->at.step, (long long)run->total_steps);
    return ok;
}

static bool run_all(lt_run *run, lt_run_mode mode, lt_train_result *result, lt_error *err)
{
    const lt_train_options *o = run->options;
    char checkpoint[4096];
    lt_plan_choice choice;
    if (!prepare(run, o->output, err) || !(run->fingerprint = lt_run_make_fingerprint(run, err)))
        return false;
    if (o->resume && !resume(run, checkpoint, &choice, err))
        return false;
    if (!lt_run_build_references(run, o->output, err) ||
        !lt_run_make_plan(run, o->resume ? &choice : NULL, false, err) || !lt_run_start(run, err))
        return false;
    if (o->resume && !lt_run_resume_tensors(run, checkpoint, err))
        return false;
    if (lt_run_stopped(run))
        return lt_error_set(err, LT_ERR_INTERRUPTED, "stopped before the first step");
    lt_run_folder_remove_unfinished(o->output);
    if (!lt_run_folder_start(&run->folder, mode, o->recipe, run->at.step, err))
        return false;
    if (!lt_run_open_frozen(run, err))
        return false;
    run->session_start = lt_run_clock() - run->at.elapsed;
    return lt_run_evaluate_before(run, err) && train(run, err) && finish(run, result, err);
}

/* The sources are the run's to close, also when it fails before it takes a row. */
static void close_rows(const lt_train_options *o)
{
    if (o->rows.close)
        o->rows.close(o->rows.context);
    if (o->eval_rows.close)
        o->eval_rows.close(o->eval_rows.context);
    if (o->replay_eval_rows.close)
        o->replay_eval_rows.close(o->replay_eval_rows.context);
}

/* How many steps the optimiser state to begin with has seen, over all runs before. */
static bool count_start_steps(lt_train_options *o, lt_error *err)
{
    json_t *state = NULL;
    o->start_steps = 0;
    if (!o->start_state)
        return true;
    if (!lt_snapshot_verify(o->start_state, &state, err))
        return false;
    o->start_steps = json_integer_value(json_object_get(json_object_get(state, "counters"), "step")) +
                     json_integer_value(json_object_get(json_object_get(state, "run"), "steps before"));
    json_decref(state);
    return true;
}

bool lt_train_run(const lt_train_options *options, lt_train_result *result, lt_error *err)
{
    lt_run run = {0};
    lt_train_options own = *options;
    lt_run_mode mode = own.resume ? LT_RUN_RESUME : own.overwrite ? LT_RUN_OVERWRITE : LT_RUN_NEW;
    own.threads = lt_threads_set(own.threads);
    run.options = &own;
    *result = (lt_train_result){.eval_loss = NAN};
    run.folder.lock = -1;
    bool ok = check_options(&own, true, err) && count_start_steps(&own, err) && lt_run_folder_open(&run.folder, own.output, mode, err);
    bool opened = ok;
    ok = ok && run_all(&run, mode, result, err);
    if (!run.rows_taken)
        close_rows(&own);
    lt_run_close_frozen(&run, ok);
    if (opened)
        lt_run_folder_close(&run.folder, ok);
    lt_run_close(&run);
    return ok;
}

bool lt_train_plan(const lt_train_options *options, lt_plan *plan, lt_error *err)
{
    lt_run run = {0};
    lt_train_options own = *options;
    const char *temporary = getenv("TMPDIR");
    own.threads = lt_threads_set(own.threads);
    run.options = &own;
    bool ok = check_options(&own, false, err) &&
              prepare(&run, temporary && *temporary ? temporary : "/tmp", err) && lt_run_make_plan(&run, NULL, true, err);
    if (!run.rows_taken)
        close_rows(&own);
    if (ok)
        *plan = run.plan;
    lt_run_close(&run);
    return ok;
}
