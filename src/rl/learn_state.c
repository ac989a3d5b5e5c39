/* Checkpoints, metrics, and what the finished run leaves. A checkpoint is taken between rounds of sampling. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/log.h"
#include "formats/json.h"
#include "rl/learn_internal.h"
#include "simd/kernels.h"
#include "train/memory.h"
#include "train/params_io.h"
#include "train/snapshot.h"
#include "train/trainer_state.h"

static const char *const VALUE_FILE = "value_head.safetensors";

/* ---- counters ---- */

typedef struct field {
    const char *name;
    size_t offset;
} field;

#define FIELD(member) {#member, offsetof(lt_learn_counters, member)}
static const field integers[] = {FIELD(step), FIELD(generation), FIELD(epoch), FIELD(position), FIELD(answers), FIELD(tokens), FIELD(trained_tokens),
                                 FIELD(groups), FIELD(equal_groups), FIELD(replaced_groups)};
static const field reals[] = {FIELD(elapsed), FIELD(sampling), FIELD(scoring), FIELD(training), FIELD(reward_first), FIELD(reward_last), FIELD(beta)};
enum { INTEGERS = sizeof integers / sizeof *integers, REALS = sizeof reals / sizeof *reals };

static json_t *counters_json(const lt_learn_counters *at)
{
    json_t *out = json_object();
    for (int i = 0; i < INTEGERS; i++)
        json_object_set_new(out, integers[i].name, json_integer(*(const int64_t *)((const char *)at + integers[i].offset)));
    for (int i = 0; i < REALS; i++) {
        double x = *(const double *)((const char *)at + reals[i].offset);
        json_object_set_new(out, reals[i].name, isfinite(x) ? json_real(x) : json_null());
    }
    return out;
}

static bool read_counters(lt_learn *run, const json_t *json, const char *source, lt_error *err)
{
    lt_learn_counters at = {.reward_first = NAN, .reward_last = NAN};
    lt_json in = lt_json_root(json, source);
    bool ok = json_is_object(json) || lt_error_set(err, LT_ERR_FORMAT, "%s: its state is incomplete", source);
    for (int i = 0; ok && i < INTEGERS; i++)
        ok = lt_json_get_int(&in, integers[i].name, 0, INT64_MAX / 2, (int64_t *)((char *)&at + integers[i].offset), err);
    for (int i = 0; ok && i < REALS; i++)
        ok = lt_json_get_real(&in, reals[i].name, (double *)((char *)&at + reals[i].offset), err);
    if (ok && (at.position >= run->prompt_count || at.step < 1))
        ok = lt_error_set(err, LT_ERR_FORMAT, "%s: its state is not of this data", source);
    run->at = ok ? at : run->at;
    return ok;
}

/* ---- saving ---- */

static bool write_trainer_state(const lt_learn *run, const char *folder, lt_error *err)
{
    char metrics[4096];
    const lt_train_options *o = &run->options;
    lt_trainer_state state = {.global_step = run->at.step, .max_steps = run->total_steps, .num_train_epochs = (int64_t)ceil(o->num_train_epochs),
                              .logging_steps = o->logging_steps, .eval_steps = o->logging_steps, .save_steps = o->save_steps,
                              .train_batch_size = o->batch_size, .tokens_seen = run->at.tokens,
                              .epoch = (double)run->at.epoch + (double)run->at.position / (double)run->prompt_count};
    return lt_file_join(metrics, sizeof metrics, run->folder.path, "metrics.jsonl", err) && lt_trainer_state_write(&state, folder, metrics, err);
}

static bool save_value(const lt_learn *run, const char *folder, lt_error *err)
{
    char path[4096];
    lt_param_list view = lt_learn_value_view(run);
    return view.count == 0 || (lt_file_join(path, sizeof path, folder, VALUE_FILE, err) &&
                               lt_params_save(&view, LT_PARAMS_VALUES, LT_DTYPE_F32, path, err));
}

static bool write_files(const char *folder, void *context, lt_error *err)
{
    const lt_learn *run = context;
    lt_param_list view = lt_learn_adapter_view(run);
    return lt_tuning_save(run->tuning, &view, LT_DTYPE_F32, folder, err) && save_value(run, folder, err) && write_trainer_state(run, folder, err);
}

bool lt_learn_save(lt_learn *run, lt_error *err)
{
    const char *names[16];
    int count = 0;
    lt_learn_show(run, "saving", run->at.step, run->total_steps);
    for (const char *const *name = lt_tuning_files(run->tuning); *name; name++)
        names[count++] = *name;
    if (run->value.N)
        names[count++] = VALUE_FILE;
    names[count++] = "trainer_state.json";
    names[count] = NULL;
    if (!lt_safetensors_unchanged(lt_weights_set(run->policy.model->weights), err) || !lt_run_folder_sync(&run->folder, err))
        return false;
    json_t *state = json_pack("{s:o, s:o, s:O, s:o, s:I, s:s}", "counters", counters_json(&run->at), "meter", lt_meter_json(&run->meter), "run",
                              run->fingerprint, "plan", lt_plan_choice_json(&run->plan.choice), "pass_tokens", (json_int_t)run->plan.shape.max_T,
                              "kernels", lt_kernels_get()->name);
    if (!state)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the state of the run");
    lt_snapshot_parts parts = {.state = state, .params = &run->params, .optimizer = &run->optimizer, .write = write_files, .names = names, .context = run};
    bool ok = lt_snapshot_save(run->folder.path, run->at.step, &parts, err);
    json_decref(state);
    if (ok) {
        lt_run_folder_keep(&run->folder);
        lt_snapshot_prune(run->folder.path, run->options.save_total_limit, run->at.step);
    }
    return ok;
}

/* ---- resuming ---- */

/* The recipes must agree in everything that changes a number. */
static bool same_run(const lt_learn *run, const char *folder, const json_t *then, lt_error *err)
{
    static const char *const free_to_change[] = {"output", "threads", "decode_batch", "max_memory", "logging_steps", "save_steps", "save_strategy",
                                                 "save_total_limit", "reward_timeout", NULL};
    const char *key;
    json_t *now;
    json_object_foreach(run->fingerprint, key, now)
    {
        bool may_change = !strcmp(key, "max_steps") && !lt_schedule_needs_total(&run->schedule);
        for (int i = 0; free_to_change[i]; i++)
            may_change |= !strcmp(key, free_to_change[i]);
        if (!may_change && !json_equal(json_object_get(then, key), now))
            return lt_error_set(err, LT_ERR_USAGE, "%s: cannot be resumed with these options: %s is another", folder, key);
    }
    return true;
}

bool lt_learn_find(lt_learn *run, lt_plan_choice *choice, int64_t *pass_tokens, lt_error *err)
{
    const lt_train_options *o = &run->options;
    json_t *state = NULL;
    char *folder = run->checkpoint;
    bool ok;
    if (o->resume_from) {
        snprintf(run->checkpoint, sizeof run->checkpoint, "%s", o->resume_from);
        ok = lt_snapshot_verify(folder, &state, err);
    } else {
        ok = lt_snapshot_latest(o->output, folder, &state, err);
    }
    const char *kernels = json_string_value(json_object_get(state, "kernels"));
    lt_json root = lt_json_root(state ? state : run->fingerprint, folder);
    ok = ok && same_run(run, folder, json_object_get(state, "run"), err) && read_counters(run, json_object_get(state, "counters"), folder, err) &&
         lt_plan_choice_read(choice, json_object_get(state, "plan"), folder, err) &&
         lt_json_get_int(&root, "pass_tokens", 1, INT32_MAX, pass_tokens, err);
    if (ok && *pass_tokens < run->longest_prompt + run->rollout_options.max_new_tokens)
        ok = lt_error_set(err, LT_ERR_FORMAT, "%s: its state is not of this data", folder);
    if (ok)
        lt_meter_read(&run->meter, json_object_get(state, "meter"));
    if (ok && kernels && strcmp(kernels, lt_kernels_get()->name))
        lt_log_warning("%s was computed with the kernel set %s; with %s the run goes on with other last digits", folder, kernels,
                       lt_kernels_get()->name);
    json_decref(state);
    return ok;
}

bool lt_learn_load(lt_learn *run, lt_error *err)
{
    char path[4096];
    lt_param_list adapter = lt_learn_adapter_view(run), value = lt_learn_value_view(run);
    return lt_file_join(path, sizeof path, run->checkpoint, lt_tuning_files(run->tuning)[0], err) && lt_params_load(&adapter, path, err) &&
           (value.count == 0 || (lt_file_join(path, sizeof path, run->checkpoint, VALUE_FILE, err) && lt_params_load(&value, path, err))) &&
           lt_snapshot_load(run->checkpoint, &run->params, &run->optimizer, err);
}

/* ---- telling ---- */

bool lt_learn_log(lt_learn *run, lt_error *err)
{
    lt_learn_counters *at = &run->at;
    double reward = lt_meter_value(&run->meter, "reward");
    json_t *row = json_pack("{s:I, s:f, s:f, s:I, s:I, s:f}", "step", (json_int_t)at->step, "epoch",
                            (double)at->epoch + (double)at->position / (double)run->prompt_count, "learning_rate", run->learning_rate, "tokens",
                            (json_int_t)at->tokens, "rss_bytes", (json_int_t)lt_memory_resident(), "elapsed", at->elapsed);
    if (!row)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row");
    json_object_set_new(row, "tokens_per_second", json_real(at->elapsed > 0 ? (double)at->tokens / at->elapsed : 0));
    lt_meter_flush(&run->meter, row);
    if (isnan(at->reward_first))
        at->reward_first = reward;
    if (!isnan(reward)) /* a later update on answers that were counted before */
        at->reward_last = reward;
    bool ok = lt_run_folder_log(&run->folder, row, err);
    json_decref(row);
    return ok;
}

static json_t *summary(const lt_learn *run, const lt_rl_result *r)
{
    json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:i, s:f}", "command",
                            run->options.command, "model", run->options.model, "method", lt_tuning_name(run->tuning), "objective",
                            run->objective->name, "steps", (json_int_t)r->steps, "samples", (json_int_t)r->answers, "tokens", (json_int_t)r->tokens,
                            "trained_tokens", (json_int_t)run->at.trained_tokens, "seconds", r->seconds, "sampling_seconds", r->sampling_seconds,
                            "scoring_seconds", r->scoring_seconds, "training_seconds", r->training_seconds, "sampling_tokens_per_second",
                            r->sampling_seconds > 0 ? (double)r->tokens / r->sampling_seconds : 0.0, "batch", (json_int_t)r->batch, "cache_bytes",
                            (json_int_t)r->cache_bytes, "replaced_groups", (json_int_t)run->at.replaced_groups, "peak_rss_bytes",
                            (json_int_t)r->peak_rss_bytes, "trainable_parameters", (json_int_t)lt_param_list_elements(&run->params), "compute",
                            run->options.compute == LT_COMPUTE_BF16 ? "bf16" : "fp32", "kernels", lt_kernels_get()->name, "threads",
                            run->options.threads, "frac_reward_zero_std", r->frac_reward_zero_std);
    if (out) {
        json_object_set_new(out, "reward_first", isnan(r->reward_first) ? json_null() : json_real(r->reward_first));
        json_object_set_new(out, "reward_last", isnan(r->reward_last) ? json_null() : json_real(r->reward_last));
        json_object_set_new(out, "tokens_per_second", json_real(r->seconds > 0 ? (double)r->tokens / r->seconds : 0));
    }
    return out;
}

bool lt_learn_finish(lt_learn *run, lt_rl_result *result, lt_error *err)
{
    const lt_learn_counters *at = &run->at;
    const char *folder = run->folder.path;
    lt_param_list view = lt_learn_adapter_view(run);
    *result = (lt_rl_result){.steps = at->step, .answers = at->answers, .tokens = at->tokens, .seconds = at->elapsed,
                             .sampling_seconds = at->sampling, .scoring_seconds = at->scoring, .training_seconds = at->training,
                             .reward_first = at->reward_first, .reward_last = at->reward_last,
                             .frac_reward_zero_std = at->groups ? (double)at->equal_groups / (double)at->groups : 0,
                             .peak_rss_bytes = lt_memory_peak(), .batch = run->rollout_shape.decoder.sequences,
                             .cache_bytes = run->rollout_shape.cache_bytes};
    json_t *out = summary(run, result);
    lt_run_folder_keep(&run->folder);
    bool ok = (out || lt_error_set(err, LT_ERR_MEMORY, "out of memory")) && lt_run_folder_sync(&run->folder, err) &&
              lt_tuning_save(run->tuning, &view, run->options.save_dtype, folder, err) && save_value(run, folder, err) &&
              lt_tuning_save_companions(run->tuning, folder, err) && write_trainer_state(run, folder, err) &&
              lt_run_folder_write_json(folder, "summary.json", out, err);
    json_decref(out);
    return ok;
}
