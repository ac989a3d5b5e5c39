/* What is computed on experience: log-probabilities as they were when it was made, and updates. */
#include <math.h>
#include <stdlib.h>

#include "rl/learn_internal.h"
#include "train/params_io.h"

/* Log-probabilities are those of the distribution that is sampled from, so logits are divided by the temperature here, too;
 * logit_scale is put back when that is done. */

/* ---- looking ---- */

/* Values of the targets in the pass; the hidden states stay for the backward pass. */
static void values(lt_learn *run)
{
    lt_experience_pass *p = &run->pass;
    for (int64_t i = 0; i < p->batch.target_count; i++)
        lt_engine_hidden(run->engine, p->target_rows[i], p->hidden + i * run->value.C);
    lt_score_head_forward(&run->value, p->hidden, p->batch.target_count, p->score);
}

/* logp of all targets into `to`; with the policy's the values too. */
static bool look_through(lt_learn *run, bool policy, float *to, lt_error *err)
{
    lt_experience *e = &run->experience;
    bool ok = true;
    if (!policy)
        lt_tuning_enable(run->tuning, false);
    for (int64_t next = 0; ok && lt_experience_next(e, &run->pass, NULL, &next);) {
        lt_engine_set_step(run->engine, run->options.seed, (uint64_t)run->at.step);
        lt_engine_set_dropout(run->engine, false);
        ok = lt_engine_forward(run->engine, &run->pass.batch, err) && lt_engine_head(run->engine, NULL, run->pass.logp, NULL, NULL, NULL, err);
        if (ok)
            lt_experience_store(&run->pass, e, run->pass.logp, to);
        if (ok && policy && run->value.N) {
            values(run);
            lt_experience_store(&run->pass, e, run->pass.score, e->per_target[LT_TARGET_OLD_VALUE]);
        }
    }
    if (!policy)
        lt_tuning_enable(run->tuning, true);
    return ok;
}

bool lt_learn_look(lt_learn *run, lt_error *err)
{
    lt_experience *e = &run->experience;
    double begin = lt_learn_clock(), scale = run->policy.model->config.logit_scale;
    run->policy.model->config.logit_scale = scale / run->rollout_options.sample.temperature;
    bool ok = (!lt_learn_needs_old(run) || look_through(run, true, e->per_target[LT_TARGET_OLD_LOGP], err)) &&
              (!lt_learn_needs_reference(run) || look_through(run, false, e->per_target[LT_TARGET_REFERENCE_LOGP], err));
    run->policy.model->config.logit_scale = scale;
    run->at.training += lt_learn_clock() - begin;
    return ok;
}

/* ---- an update ---- */

/* Answers whose gradient is zero whatever the model says are not computed: their advantage is 0, and nothing pulls them to the
 * reference. They count where means are taken. */
static int64_t choose(const lt_learn *run, bool *wanted)
{
    const lt_experience *e = &run->experience;
    bool pulled = run->request->algorithm == LT_RL_PPO || (run->request->algorithm == LT_RL_GRPO && run->request->objective.beta > 0) ||
                  (run->request->algorithm == LT_RL_RLOO && run->request->objective.mirror_coef > 0 && run->request->num_iterations > 1);
    int64_t count = 0;
    for (int64_t i = 0; i < e->count; i++)
        count += wanted[i] = !e->answers[i].masked && (pulled || e->answers[i].advantage != 0);
    return count;
}

static void fill_view(lt_learn *run)
{
    lt_experience_pass *p = &run->pass;
    bool ppo = run->value.N > 0;
    p->view.per_target[LT_TARGET_ADVANTAGE] = p->arrays[LT_TARGET_ADVANTAGE];
    p->view.per_target[LT_TARGET_OLD_LOGP] = lt_learn_needs_old(run) ? p->arrays[LT_TARGET_OLD_LOGP] : NULL;
    p->view.per_target[LT_TARGET_REFERENCE_LOGP] = lt_learn_needs_reference(run) ? p->arrays[LT_TARGET_REFERENCE_LOGP] : NULL;
    p->view.per_target[LT_TARGET_RETURN] = ppo ? p->arrays[LT_TARGET_RETURN] : NULL;
    p->view.per_target[LT_TARGET_OLD_VALUE] = ppo ? p->arrays[LT_TARGET_OLD_VALUE] : NULL;
}

static bool run_pass(lt_learn *run, int64_t number, lt_objective_sums *sums, lt_mean *entropy, lt_error *err)
{
    lt_experience_pass *p = &run->pass;
    const lt_objective_options *o = &run->request->objective;
    lt_engine_set_step(run->engine, run->options.seed + (uint64_t)number * 0x9E3779B97F4A7C15ull, (uint64_t)run->at.step);
    if (!lt_engine_forward(run->engine, &p->batch, err) || !lt_engine_head(run->engine, NULL, p->logp, p->entropy, NULL, NULL, err))
        return false;
    for (int64_t i = 0; i < p->batch.target_count; i++) {
        entropy->sum += p->entropy[i];
        entropy->count += 1;
    }
    fill_view(run);
    if (run->value.N)
        values(run);
    run->objective->weigh(o, &p->view);
    run->objective->measure(o, &p->view, sums);
    if (!isfinite(sums->loss.sum))
        return true;
    if (run->value.N) {
        lt_score_head_backward(&run->value, p->hidden, p->batch.target_count, p->dscore, p->gradient);
        lt_engine_add_target_gradients(run->engine, p->gradient);
    }
    return lt_engine_head(run->engine, p->weight, p->logp, NULL, NULL, NULL, err) && lt_engine_backward(run->engine, err);
}

static bool not_finite(const lt_learn *run, const char *what, double value, lt_error *err)
{
    return lt_error_set(err, LT_ERR_NUMERIC, "step %lld: the %s is %g; the weights are as step %lld left them. A lower learning_rate or "
                                             "max_grad_norm may help", (long long)run->at.step + 1, what, value, (long long)run->at.step);
}

static void measure(lt_learn *run, const lt_objective_sums *sums, const lt_mean *entropy)
{
    for (int i = 0; run->objective->metrics && run->objective->metrics[i]; i++)
        if (run->objective->metrics[i][0] != 'k' || lt_learn_needs_reference(run)) /* kl: only beside a reference */
            lt_meter_add_mean(&run->meter, run->objective->metrics[i], &sums->metric[i]);
    lt_meter_add_mean(&run->meter, run->request->algorithm == LT_RL_PPO ? "objective/entropy" : "entropy", entropy);
    lt_meter_add(&run->meter, "loss", run->loss);
    lt_meter_add(&run->meter, "grad_norm", run->grad_norm);
}

static bool update(lt_learn *run, lt_error *err)
{
    run->grad_norm = lt_param_list_gradient_norm(&run->params);
    if (!isfinite(run->grad_norm))
        return not_finite(run, "gradient norm", run->grad_norm, err);
    if (run->at.step == 0 && run->options.save_gradients) {
        lt_param_list view = lt_learn_adapter_view(run);
        if (!lt_params_save(&view, LT_PARAMS_GRADIENTS, LT_DTYPE_F32, run->options.save_gradients, err))
            return false;
    }
    lt_optimizer_step step = {.learning_rate = run->learning_rate, .gradient_scale = lt_optimizer_clip(run->grad_norm, run->options.max_grad_norm),
                              .number = run->at.step + 1};
    lt_optimizer_apply(&run->optimizer, &run->params, &step);
    return true;
}

bool lt_learn_step(lt_learn *run, lt_error *err)
{
    const lt_experience *e = &run->experience;
    double begin = lt_learn_clock(), scale = run->policy.model->config.logit_scale;
    bool *wanted = calloc((size_t)e->count, sizeof *wanted), ok = true;
    lt_objective_sums sums = {0};
    lt_mean entropy = {0};
    if (!wanted)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    int64_t count = choose(run, wanted), number = 0;
    run->learning_rate = run->options.learning_rate * lt_schedule_factor(&run->schedule, run->at.step);
    lt_param_list_zero_gradients(&run->params);
    run->policy.model->config.logit_scale = scale / run->rollout_options.sample.temperature;
    for (int64_t next = 0; ok && lt_experience_next(e, &run->pass, wanted, &next);) {
        run->at.trained_tokens += run->pass.batch.target_count;
        ok = run_pass(run, number++, &sums, &entropy, err);
        if (ok && !isfinite(sums.loss.sum))
            ok = not_finite(run, "loss", sums.loss.sum, err);
    }
    run->policy.model->config.logit_scale = scale;
    free(wanted);
    if (run->request->algorithm != LT_RL_PPO)
        sums.loss.count += (double)(e->count - count);
    run->loss = lt_mean_value(&sums.loss);
    ok = ok && update(run, err);
    if (ok)
        measure(run, &sums, &entropy);
    run->at.step += ok;
    run->at.training += lt_learn_clock() - begin;
    return ok;
}
