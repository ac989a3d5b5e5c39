/* One optimiser step: passes of whole rows through the engine, then clipping and the update. */
#include <assert.h>
#include <math.h>

#include "train/params_io.h"
#include "train/run.h"

/* Passes of a step must not draw the same dropout: each has a seed of its own. */
static uint64_t pass_seed(const lt_run *run)
{
    return run->options->seed + (uint64_t)(run->batch.passes - 1) * 0x9E3779B97F4A7C15ull;
}

static bool run_pass(lt_run *run, lt_error *err)
{
    lt_engine_set_step(run->engine, pass_seed(run), (uint64_t)run->at.step);
    return lt_run_forward(run, err) && lt_pass_train(&run->pass, run->engine, &run->batch, &run->last.sums, err);
}

static bool not_finite(const lt_run *run, const char *what, double value, lt_error *err)
{
    return lt_error_set(err, LT_ERR_NUMERIC,
                        "step %lld: the %s is %g; the weights are as step %lld left them. Rate of this step: %g. A lower "
                        "learning_rate, warm-up steps or max_grad_norm may help; look at the data rows of this step too",
                        (long long)run->at.step + 1, what, value, (long long)run->at.step, run->last.learning_rate);
}

static void update(lt_run *run)
{
    lt_optimizer_step step = {
        .learning_rate = run->last.learning_rate,
        .gradient_scale = lt_optimizer_clip(run->last.grad_norm, run->options->max_grad_norm),
        .number = run->options->start_steps + run->at.step + 1,
    };
    lt_optimizer_apply(&run->optimizer, &run->params, &step);
}

static void count(lt_run *run)
{
    lt_run_counters *at = &run->at;
    at->step++;
    at->tokens += run->batch.step_tokens;
    at->trained_tokens += run->batch.step_targets;
    at->window_steps++;
    at->window_tokens += run->batch.step_tokens;
    at->window_loss += run->last.loss;
    for (int i = 0; i < LT_OBJECTIVE_METRICS; i++) {
        at->window_metric[i].sum += run->last.sums.metric[i].sum;
        at->window_metric[i].count += run->last.sums.metric[i].count;
    }
    at->elapsed = lt_run_clock() - run->session_start;
}

bool lt_run_step(lt_run *run, lt_error *err)
{
    int64_t epoch = run->loader.place.epoch;
    run->last = (lt_run_step_result){
        .learning_rate = run->options->learning_rate * lt_schedule_factor(&run->schedule, run->at.step)};
    if (!lt_loader_next_step(&run->loader, &run->batch, err))
        return false;
    run->last.epoch_ended = run->loader.place.epoch != epoch;
    lt_param_list_zero_gradients(&run->params);
    for (bool more = true;;) {
        if (!lt_loader_next_pass(&run->loader, &run->batch, run->plan.choice.pass_tokens, &more, err))
            return false;
        if (!more)
            break;
        if (!run_pass(run, err))
            return false;
    }
    run->last.loss = lt_mean_value(&run->last.sums.loss);
    if (!isfinite(run->last.sums.loss.sum))
        return not_finite(run, "loss", run->last.sums.loss.sum, err);
    run->last.grad_norm = lt_param_list_gradient_norm(&run->params);
    if (!isfinite(run->last.grad_norm))
        return not_finite(run, "gradient norm", run->last.grad_norm, err);
    if (run->at.step == 0 && run->options->save_gradients &&
        !lt_params_save(&run->params, LT_PARAMS_GRADIENTS, LT_DTYPE_F32, run->options->save_gradients, err))
        return false;
    update(run);
    count(run);
    return true;
}
