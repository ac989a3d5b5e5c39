/* Saving and resuming. A resumed run must be the run that was interrupted: what would change its numbers is compared, and
 * the first difference is named. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/file.h"
#include "core/log.h"
#include "formats/json.h"
#include "formats/peft.h"
#include "formats/safetensors.h"
#include "simd/kernels.h"
#include "train/params_io.h"
#include "train/run.h"
#include "train/snapshot.h"

/* ---- what must be the same ---- */

/* Names, types, shapes and the first bytes of every tensor: another base differs in these; reading it whole would take as
 * long as training on it for a while. */
static bool hash_tensors(const lt_safetensors *set, char hex[17], lt_error *err)
{
    enum { SAMPLE = 4096 };
    XXH3_state_t *hash = XXH3_createState();
    if (!hash)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a checksum");
    XXH3_64bits_reset(hash);
    bool ok = true;
    for (int64_t i = 0; ok && i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *tensor = lt_safetensors_at(set, i);
        char bytes[SAMPLE];
        size_t n = tensor->bytes < SAMPLE ? (size_t)tensor->bytes : SAMPLE;
        ok = lt_file_pread(lt_safetensors_shard_fd(set, tensor->shard), lt_safetensors_shard_path(set, tensor->shard), bytes, n,
                           tensor->offset, err);
        if (!ok)
            break;
        XXH3_64bits_update(hash, tensor->name, strlen(tensor->name) + 1);
        XXH3_64bits_update(hash, &tensor->dtype, sizeof tensor->dtype);
        XXH3_64bits_update(hash, tensor->shape, (size_t)tensor->dims * sizeof tensor->shape[0]);
        XXH3_64bits_update(hash, bytes, n);
    }
    snprintf(hex, 17, "%016llx", (unsigned long long)XXH3_64bits_digest(hash));
    XXH3_freeState(hash);
    return ok;
}

/* Names and shapes of what is trained: another rank, other target modules. */
static void hash_params(const lt_param_list *params, char hex[17])
{
    uint64_t hash = 0;
    for (int i = 0; i < params->count; i++) {
        const lt_param *p = &params->items[i];
        hash = XXH3_64bits_withSeed(p->name, strlen(p->name), hash);
        hash = XXH3_64bits_withSeed(p->shape, (size_t)p->dims * sizeof p->shape[0], hash);
    }
    snprintf(hex, 17, "%016llx", (unsigned long long)hash);
}

static void hash_mix(const lt_mix *mix, char hex[17])
{
    uint64_t hash = XXH3_64bits(mix->weight, (size_t)mix->sources * sizeof mix->weight[0]);
    hash = XXH3_64bits_withSeed(&mix->whole, sizeof mix->whole, hash);
    snprintf(hex, 17, "%016llx", (unsigned long long)(mix->sources ? hash : 0));
}

/* Numbers of the objective that make another run of it. */
static void add_objective(json_t *out, const lt_train_options *o)
{
    const lt_objective_options *p = &o->objective_options;
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"loss_type", p->loss_type},
                   {"simpo_gamma", p->simpo_gamma},
                   {"cpo_alpha", p->cpo_alpha},
                   {"discopop_tau", p->discopop_tau},
                   {"desirable_weight", p->desirable_weight},
                   {"undesirable_weight", p->undesirable_weight},
                   {"center_rewards_coefficient", p->center_rewards_coefficient},
                   {"pad_token_id", o->pad_id}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(out, numbers[i].key, json_real(numbers[i].value));
    json_object_set_new(out, "ref_adapter", json_string(o->ref_adapter ? o->ref_adapter : ""));
    for (int64_t i = 0; p->class_weights && i < o->labels; i++) {
        char key[40];
        snprintf(key, sizeof key, "class weight %lld", (long long)i);
        json_object_set_new(out, key, json_real(p->class_weights[i]));
    }
}

/* The tensors of an adapter, and the configuration that says how they count. */
static bool hash_adapter(const char *folder, char hex[17], lt_error *err)
{
    char path[4096], tensors[17], *config = NULL;
    size_t size;
    lt_safetensors *set;
    if (!lt_file_join(path, sizeof path, folder, "adapter_config.json", err) ||
        !lt_file_read(path, LT_JSON_CONFIG_LIMIT_BYTES, &config, &size, err))
        return false;
    uint64_t hash = XXH3_64bits(config, size);
    free(config);
    if (!lt_peft_open_tensors(&set, folder, err))
        return false;
    bool ok = hash_tensors(set, tensors, err);
    lt_safetensors_close(set);
    if (ok)
        snprintf(hex, 17, "%016llx", (unsigned long long)XXH3_64bits_withSeed(tensors, strlen(tensors), hash));
    return ok;
}

/* Another teacher, or another weight of what it says, makes another run. */
static bool add_teacher(json_t *out, const lt_run *run, lt_error *err)
{
    char model[17], adapter[17] = "none";
    const lt_train_options *o = run->options;
    if (!hash_tensors(lt_weights_set(lt_teacher_model(run->teacher)->weights), model, err) ||
        (o->teacher_adapter && !hash_adapter(o->teacher_adapter, adapter, err)))
        return false;
    json_object_set_new(out, "teacher", json_string(model));
    json_object_set_new(out, "teacher_adapter", json_string(adapter));
    json_object_set_new(out, "distill_alpha", json_real(o->objective_options.distill_alpha));
    json_object_set_new(out, "distill_temperature", json_real(o->objective_options.distill_temperature));
    return true;
}

json_t *lt_run_make_fingerprint(const lt_run *run, lt_error *err)
{
    const lt_train_options *o = run->options;
    char model[17], params[17], data[17], mix[17];
    if (!hash_tensors(lt_weights_set(run->model->weights), model, err))
        return NULL;
    hash_params(&run->params, params);
    hash_mix(&o->mix, mix);
    snprintf(data, sizeof data, "%016llx", (unsigned long long)lt_token_store_totals(run->train)->hash);
    json_t *out = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:i,s:f,s:f,s:s,s:I,s:I,s:I,s:b,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:s,s:I,s:f,s:f,s:f,s:I,s:f,s:f,s:b}",
        "base model", model, "trained tensors", params, "training data", data, "objective", o->objective->name, "optim",
        run->optimizer.kind->name, "frozen_cache", run->frozen.bits, "muon_momentum", o->optimizer.momentum, "neftune_noise_alpha",
        o->neftune_noise_alpha, "shares of the data", mix, "steps before", (json_int_t)o->start_steps, "rows per step", (json_int_t)run->loader.options.rows_per_step, "seed", (json_int_t)o->seed,
        "shuffle", o->shuffle, "total steps", (json_int_t)run->total_steps, "learning_rate", o->learning_rate, "adam_beta1",
        o->optimizer.beta1, "adam_beta2", o->optimizer.beta2, "adam_epsilon", o->optimizer.epsilon, "weight_decay",
        o->optimizer.weight_decay, "max_grad_norm", o->max_grad_norm, "dropout", lt_tuning_dropout(run->tuning),
        "lr_scheduler_type", o->schedule.type, "warm-up steps", (json_int_t)run->schedule.warmup_steps, "min_lr_ratio",
        run->schedule.min_ratio, "num_cycles", run->schedule.cycles, "power", run->schedule.power, "decay steps",
        (json_int_t)run->schedule.decay_steps, "beta", o->objective_options.beta, "label_smoothing",
        o->objective_options.label_smoothing, "bf16", run->options->compute == LT_COMPUTE_BF16);
    if (!out)
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for the state of the run");
    else if (o->objective->head != LT_HEAD_LM || o->objective->logp_first)
        add_objective(out, o);
    if (out && run->teacher && !add_teacher(out, run, err)) {
        json_decref(out);
        return NULL;
    }
    return out;
}

static const char *shown(const json_t *value, char out[64])
{
    if (json_is_string(value))
        snprintf(out, 64, "%s", json_string_value(value));
    else if (json_is_real(value))
        snprintf(out, 64, "%g", json_real_value(value));
    else if (json_is_integer(value))
        snprintf(out, 64, "%lld", (long long)json_integer_value(value));
    else
        snprintf(out, 64, "%s", json_is_true(value) ? "on" : json_is_false(value) ? "off" : "absent");
    return out;
}

static bool same_run(const lt_run *run, const char *folder, const json_t *then, lt_error *err)
{
    const char *key;
    json_t *now;
    bool any_length = !lt_schedule_needs_total(&run->schedule);
    json_object_foreach(run->fingerprint, key, now)
    {
        const json_t *was = json_object_get(then, key);
        char a[64], b[64];
        if (any_length && (!strcmp(key, "total steps") || !strcmp(key, "decay steps")))
            continue; /* a run whose rate does not depend on its end may be made longer */
        if (!was || !json_equal((json_t *)was, now))
            return lt_error_set(err, LT_ERR_USAGE, "%s: cannot be resumed with these options: %s was %s and is %s now", folder,
                                key, shown(was, a), shown(now, b));
    }
    return true;
}

/* ---- saving ---- */

static json_t *counters_json(const lt_run *run)
{
    const lt_run_counters *at = &run->at;
    json_t *metric = json_array();
    for (int i = 0; i < LT_OBJECTIVE_METRICS; i++)
        json_array_append_new(metric, json_pack("[f,f]", at->window_metric[i].sum, at->window_metric[i].count));
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:f,s:o,s:o,s:I,s:I,s:f,s:f,s:o,s:o,s:o}", "step", (json_int_t)at->step, "epoch",
                     (json_int_t)run->loader.place.epoch, "position", (json_int_t)run->loader.place.position, "tokens",
                     (json_int_t)at->tokens, "trained_tokens", (json_int_t)at->trained_tokens, "elapsed", at->elapsed,
                     "loss_first", isnan(at->loss_first) ? json_null() : json_real(at->loss_first), "loss_last",
                     isnan(at->loss_last) ? json_null() : json_real(at->loss_last), "window_steps",
                     (json_int_t)at->window_steps, "window_tokens", (json_int_t)at->window_tokens, "window_loss",
                     at->window_loss, "window_elapsed", at->window_elapsed, "window_metric", metric, "eval_before",
                     isnan(at->eval_before) ? json_null() : json_real(at->eval_before), "replay_before",
                     isnan(at->replay_before) ? json_null() : json_real(at->replay_before));
}

static bool read_counters(lt_run *run, const json_t *json, const char *source, lt_error *err)
{
    lt_run_counters at = {.loss_first = NAN, .loss_last = NAN, .eval_before = NAN, .replay_before = NAN};
    lt_loader_place place = {0};
    lt_json in = lt_json_root(json, source);
    int64_t records = run->loader.length;
    if (!lt_json_get_int(&in, "step", 1, INT64_MAX / 2, &at.step, err) ||
        !lt_json_get_int(&in, "epoch", 0, INT32_MAX, &place.epoch, err) ||
        !lt_json_get_int(&in, "position", 0, records - 1, &place.position, err) ||
        !lt_json_get_int(&in, "tokens", 0, INT64_MAX, &at.tokens, err) ||
        !lt_json_get_int(&in, "trained_tokens", 0, INT64_MAX, &at.trained_tokens, err) ||
        !lt_json_get_real(&in, "elapsed", &at.elapsed, err) || !lt_json_get_real(&in, "loss_first", &at.loss_first, err) ||
        !lt_json_get_real(&in, "loss_last", &at.loss_last, err) ||
        !lt_json_get_int(&in, "window_steps", 0, INT64_MAX, &at.window_steps, err) ||
        !lt_json_get_int(&in, "window_tokens", 0, INT64_MAX, &at.window_tokens, err) ||
        !lt_json_get_real(&in, "window_loss", &at.window_loss, err) ||
        !lt_json_get_real(&in, "window_elapsed", &at.window_elapsed, err) ||
        !lt_json_get_real(&in, "eval_before", &at.eval_before, err) ||
        !lt_json_get_real(&in, "replay_before", &at.replay_before, err))
        return false;
    const json_t *metric = json_object_get(json, "window_metric");
    for (size_t i = 0; i < LT_OBJECTIVE_METRICS; i++) {
        const json_t *pair = json_array_get(metric, i);
        at.window_metric[i].sum = json_number_value(json_array_get(pair, 0));
        at.window_metric[i].count = json_number_value(json_array_get(pair, 1));
    }
    run->at = at;
    run->loader.place = place;
    return true;
}

static bool write_model_files(const char *folder, void *context, lt_error *err)
{
    const lt_run *run = context;
    return lt_tuning_save(run->tuning, &run->params, LT_DTYPE_F32, folder, err) &&
           lt_run_write_trainer_state(run, folder, err);
}

bool lt_run_save(lt_run *run, lt_error *err)
{
    const char *names[16];
    int count = 0;
    double begin = lt_run_clock();
    lt_run_show(run, "saving", run->at.step, run->total_steps);
    for (const char *const *name = lt_tuning_files(run->tuning); *name; name++)
        names[count++] = *name;
    names[count++] = "trainer_state.json";
    names[count] = NULL;
    /* A base that changed under the run would make the checkpoint worthless. */
    if (!lt_safetensors_unchanged(lt_weights_set(run->model->weights), err) ||
        (run->teacher && !lt_safetensors_unchanged(lt_weights_set(lt_teacher_model(run->teacher)->weights), err)) ||
        !lt_run_folder_sync(&run->folder, err))
        return false;
    json_t *state = json_pack("{s:o,s:O,s:o,s:s}", "counters", counters_json(run), "run", run->fingerprint, "plan",
                              lt_plan_choice_json(&run->plan.choice), "kernels", lt_kernels_get()->name);
    if (!state)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the state of the run");
    lt_snapshot_parts parts = {
        .state = state,
        .params = &run->params,
        .optimizer = &run->optimizer,
        .write = write_model_files,
        .names = names,
        .context = run,
    };
    bool ok = lt_snapshot_save(run->folder.path, run->at.step, &parts, err);
    json_decref(state);
    if (!ok)
        return false;
    lt_run_folder_keep(&run->folder);
    lt_snapshot_prune(run->folder.path, run->options->save_total_limit, run->at.step);
    run->session_start += lt_run_clock() - begin; /* saving is not training either */
    return true;
}

/* ---- resuming ---- */

bool lt_run_find_checkpoint(lt_run *run, char folder[4096], json_t **state, lt_error *err)
{
    const lt_train_options *o = run->options;
    if (!o->resume_from)
        return lt_snapshot_latest(o->output, folder, state, err);
    if (strlen(o->resume_from) >= 4096)
        return lt_error_set(err, LT_ERR_USAGE, "resume: a path of %zu bytes", strlen(o->resume_from));
    strcpy(folder, o->resume_from);
    return lt_snapshot_verify(folder, state, err);
}

bool lt_run_resume_state(lt_run *run, const char *folder, const json_t *state, lt_plan_choice *choice, lt_error *err)
{
    const char *kernels = json_string_value(json_object_get(state, "kernels"));
    const json_t *counters = json_object_get(state, "counters"), *plan = json_object_get(state, "plan");
    if (!json_is_object(counters) || !json_is_object(plan) || !kernels)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: its state is incomplete", folder);
    if (!same_run(run, folder, json_object_get(state, "run"), err) || !read_counters(run, counters, folder, err) ||
        !lt_plan_choice_read(choice, plan, folder, err))
        return false;
    if (strcmp(kernels, lt_kernels_get()->name))
        lt_log_warning("%s was computed with the kernel set %s; with %s the run goes on with other last digits", folder,
                       kernels, lt_kernels_get()->name);
    return true;
}

bool lt_run_resume_tensors(lt_run *run, const char *folder, lt_error *err)
{
    return lt_tuning_resume(run->tuning, &run->params, folder, err) &&
           lt_snapshot_load(folder, &run->params, &run->optimizer, err);
}
