#include "rl/learn.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "core/threads.h"
#include "rl/learn_internal.h"
#include "train/memory.h"

static const lt_objective *const objectives[] = {&lt_objective_grpo, &lt_objective_rloo, &lt_objective_ppo};

const char *lt_rl_algorithm_name(lt_rl_algorithm algorithm) { return objectives[algorithm]->name; }

double lt_learn_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool lt_learn_stopped(const lt_learn *run) { return run->options.stop && *run->options.stop; }

void lt_learn_show(const lt_learn *run, const char *phase, int64_t done, int64_t total)
{
    const lt_learn_counters *at = &run->at;
    if (!run->options.progress)
        return;
    double elapsed = lt_learn_clock() - run->session_start;
    lt_progress progress = {.phase = phase, .done = done, .total = total,
                            .epoch = (double)at->epoch + (double)at->position / (double)run->prompt_count, .loss = run->loss,
                            .learning_rate = run->learning_rate, .grad_norm = run->grad_norm,
                            .tokens_per_second = elapsed > 0 ? (double)at->tokens / elapsed : 0, .elapsed_seconds = elapsed,
                            .eta_seconds = at->step ? elapsed / (double)at->step * (double)(run->total_steps - at->step) : 0,
                            .rss_bytes = lt_memory_resident(), .planned_bytes = run->plan.peak_bytes + run->rollout_shape.bytes};
    run->options.progress(&progress, run->options.progress_context);
}

static bool check(const lt_rl_request *r, lt_error *err)
{
    const lt_train_options *o = &r->train;
    if (!o->output)
        return lt_error_set(err, LT_ERR_USAGE, "output: a training run needs a folder");
    if (o->overwrite && o->resume)
        return lt_error_set(err, LT_ERR_USAGE, "resume and overwrite_output_dir exclude each other");
    if (o->batch_size < 1 || o->gradient_accumulation_steps < 1 || o->logging_steps < 1)
        return lt_error_set(err, LT_ERR_USAGE, "batch_size, gradient_accumulation_steps and logging_steps: expected 1 or more");
    if (o->save_strategy == LT_STRATEGY_STEPS && o->save_steps < 1)
        return lt_error_set(err, LT_ERR_USAGE, "save_steps: expected 1 or more, found %lld", (long long)o->save_steps);
    if (o->max_steps <= 0 && !(o->num_train_epochs > 0 && o->num_train_epochs <= 1e6))
        return lt_error_set(err, LT_ERR_USAGE, "num_train_epochs: expected more than 0, found %g", o->num_train_epochs);
    if (r->algorithm == LT_RL_PPO && !(r->gamma >= 0 && r->gamma <= 1 && r->lam >= 0 && r->lam <= 1))
        return lt_error_set(err, LT_ERR_USAGE, "gamma and lam: expected 0 to 1, found %g and %g", r->gamma, r->lam);
    if (r->kl_target > 0 && !(r->objective.beta > 0))
        return lt_error_set(err, LT_ERR_USAGE, "kl_target: needs a coefficient to begin with; beta is %g", r->objective.beta);
    return true;
}

/* Does a multiple of `every` lie in the steps of the round that just ended? */
static bool due(const lt_learn *run, int64_t every)
{
    int64_t before = run->at.step - run->request->num_iterations;
    return run->at.step / every > (before < 0 ? 0 : before) / every;
}

/* The place before a round that was not finished: nothing of the model has changed since. */
static bool interrupted(lt_learn *run, const lt_learn_counters *before, const lt_meter *meter, lt_error *err)
{
    run->at = *before;
    run->meter = *meter;
    run->ordered_epoch = -1;
    if (run->at.step == 0)
        return lt_error_set(err, LT_ERR_INTERRUPTED, "stopped before the first step");
    return lt_learn_save(run, err) && lt_error_set(err, LT_ERR_INTERRUPTED, "stopped after step %lld of %lld; --resume goes on from %s/checkpoint-%lld",
                                                   (long long)run->at.step, (long long)run->total_steps, run->folder.path, (long long)run->at.step);
}

static bool do_round(lt_learn *run, lt_error *err)
{
    const lt_train_options *o = &run->options;
    int64_t epoch = run->at.epoch;
    if (!lt_learn_sample(run, err))
        return false;
    run->at.generation++;
    for (int64_t i = 0; i < run->request->num_iterations && run->at.step < run->total_steps; i++) {
        if (!lt_learn_step(run, err))
            return false;
        run->at.elapsed = lt_learn_clock() - run->session_start;
        if ((run->at.step % o->logging_steps == 0 || run->at.step == run->total_steps) && !lt_learn_log(run, err))
            return false;
        lt_learn_show(run, "training", run->at.step, run->total_steps);
    }
    bool ends = run->at.step == run->total_steps;
    bool save = ends || (o->save_strategy == LT_STRATEGY_STEPS ? due(run, o->save_steps) : run->at.epoch != epoch);
    save &= o->save_strategy != LT_STRATEGY_NO;
    return !save || lt_learn_save(run, err);
}

static bool learn(lt_learn *run, lt_error *err)
{
    while (run->at.step < run->total_steps) {
        lt_learn_counters before = run->at;
        lt_meter meter = run->meter;
        lt_error error = {0};
        if (lt_learn_stopped(run))
            return interrupted(run, &before, &meter, err);
        if (do_round(run, &error))
            continue;
        if (error.status == LT_ERR_INTERRUPTED)
            return interrupted(run, &before, &meter, err);
        /* A scorer that fails must not cost what was learned before. */
        lt_error unsaved;
        bool changed = run->at.step != before.step;
        if (!changed && before.step > 0) {
            run->at = before;
            run->meter = meter;
            if (error.status != LT_ERR_NUMERIC)
                lt_learn_save(run, &unsaved);
        }
        if (err)
            *err = error;
        return false;
    }
    return true;
}

static bool run_all(lt_learn *run, lt_run_mode mode, lt_rl_result *result, lt_error *err)
{
    lt_plan_choice choice;
    int64_t pass_tokens = 0;
    if (!lt_learn_open(run, err))
        return false;
    run->fingerprint = run->options.recipe ? json_incref(run->options.recipe) : json_object();
    if (run->options.resume && !lt_learn_find(run, &choice, &pass_tokens, err))
        return false;
    if (run->at.step > run->total_steps)
        return lt_error_set(err, LT_ERR_USAGE, "%s: is at step %lld already, beyond the %lld steps of this run", run->checkpoint,
                            (long long)run->at.step, (long long)run->total_steps);
    if (!lt_learn_start(run, run->options.resume ? &choice : NULL, pass_tokens, err) || (run->options.resume && !lt_learn_load(run, err)))
        return false;
    lt_run_folder_remove_unfinished(run->options.output);
    if (!lt_run_folder_start(&run->folder, mode, run->options.recipe, run->at.step, err))
        return false;
    run->session_start = lt_learn_clock() - run->at.elapsed;
    return learn(run, err) && lt_learn_finish(run, result, err);
}

bool lt_rl_run(const lt_rl_request *request, lt_rl_result *result, lt_error *err)
{
    lt_learn run = {.request = request, .options = request->train, .objective = objectives[request->algorithm]};
    lt_run_mode mode = request->train.resume ? LT_RUN_RESUME : request->train.overwrite ? LT_RUN_OVERWRITE : LT_RUN_NEW;
    run.options.threads = lt_threads_set(run.options.threads);
    run.options.objective = run.objective;
    run.folder.lock = -1;
    *result = (lt_rl_result){.reward_first = NAN, .reward_last = NAN};
    bool ok = check(request, err) && lt_run_folder_open(&run.folder, run.options.output, mode, err), opened = ok;
    ok = ok && run_all(&run, mode, result, err);
    if (opened)
        lt_run_folder_close(&run.folder, ok);
    lt_learn_close(&run);
    return ok;
}
