/* Training, from the public options to the trainer's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/adapter.h"
#include "api/merge.h"
#include "api/api.h"
#include "api/data.h"
#include "api/data_mix.h"
#include "api/labels.h"
#include "api/options.h"
#include "api/vocabulary.h"
#include "core/threads.h"
#include "formats/peft.h"
#include "models/family.h"
#include "train/trainer.h"

/* Everything that a run borrows while it goes on. */
typedef struct setup {
    const lathe_train_options *from;
    lt_train_options to;
    lt_api_adapter adapter;
    lt_peft_view view; /* of an adapter to start from that is not PEFT's */
    lt_peft_view teacher_view; /* likewise of the teacher's */
    lt_api_labels labels; /* classify */
    lt_examples_shape_options shape;
    json_t *companion; /* labels.json, or NULL */
} setup;

/* ---- the data ---- */

static bool is_pretraining(const lathe_train_options *options)
{
    return strcmp(options->command, "pretrain") == 0;
}

static void close_rows(lt_row_source *source)
{
    if (source->next && source->close)
        source->close(source->context);
    *source = (lt_row_source){0};
}

/* Pre-training reads text: packed, it is cut wherever a block is full; unpacked, long texts become several rows. */
static bool open_rows(setup *s, lt_api_text *text, const lathe_strings *files, lt_row_source *source, lt_error *err)
{
    bool pretrain = is_pretraining(s->from), cut_by_store = pretrain && s->from->packing;
    lt_api_data_options options = {.files = *files,
                                   .fields = s->from->fields,
                                   .max_length = cut_by_store ? 0 : s->from->max_length,
                                   .split = pretrain,
                                   .train_everything = pretrain,
                                   .shape = s->to.objective->rows == LT_ROW_SEQUENCE ? NULL : &s->shape};
    lt_api_data *data;
    if (!lt_api_data_open(&data, text, &options, err))
        return false;
    lt_api_data_source(data, source);
    return true;
}

/* "0.7" */
static bool read_weight(const char *text, double *weight, lt_error *err)
{
    char *end;
    *weight = strtod(text, &end);
    return (*text && !*end && *weight >= 0 && *weight <= 1e12) ||
           lt_error_set(err, LT_ERR_USAGE, "data_weights: expected numbers of 0 or more, found '%s'", text);
}

/* The shares that options ask for. Without weights the files of data are one set. */
static bool set_shares(setup *s, lt_error *err)
{
    const lathe_train_options *from = s->from;
    lt_mix *mix = &s->to.mix;
    double sum = 0;
    *mix = (lt_mix){0};
    if (from->data_weights.count == 0 && from->replay_data.count == 0)
        return true;
    int32_t sets = from->data_weights.count ? from->data_weights.count : 1;
    if (from->data_weights.count && from->data_weights.count != from->data.count)
        return lt_error_set(err, LT_ERR_USAGE, "data_weights: expected %d, one for each file of data, found %d", from->data.count,
                            from->data_weights.count);
    if (sets + 1 > LT_ROW_SOURCES_MAX)
        return lt_error_set(err, LT_ERR_USAGE, "data_weights: at most %d", LT_ROW_SOURCES_MAX - 1);
    for (int32_t i = 0; i < sets; i++) {
        mix->weight[i] = 1;
        if (from->data_weights.count && !read_weight(from->data_weights.items[i], &mix->weight[i], err))
            return false;
        sum += mix->weight[i];
    }
    mix->sources = sets;
    if (from->replay_data.count == 0)
        return true;
    if (!(from->replay_ratio > 0 && from->replay_ratio < 1))
        return lt_error_set(err, LT_ERR_USAGE, "replay_ratio: expected more than 0 and less than 1, found %g", from->replay_ratio);
    mix->whole = sets;
    mix->weight[mix->sources++] = sum * from->replay_ratio / (1 - from->replay_ratio);
    return true;
}

/* All files that are trained on, in their sets. */
static bool open_training(setup *s, lt_api_text *text, lt_error *err)
{
    const lathe_train_options *from = s->from;
    lt_row_source sources[LT_ROW_SOURCES_MAX] = {{0}};
    int32_t numbers[LT_ROW_SOURCES_MAX];
    int count = 0;
    if (!set_shares(s, err))
        return false;
    if (s->to.mix.sources == 0)
        return open_rows(s, text, &from->data, &s->to.rows, err);
    bool ok = true, each = from->data_weights.count > 0;
    for (int i = 0; ok && i < (each ? from->data.count : 1); i++) {
        lathe_strings files = each ? (lathe_strings){&from->data.items[i], 1} : from->data;
        ok = open_rows(s, text, &files, &sources[count], err);
        numbers[count] = i;
        count += ok;
    }
    if (ok && from->replay_data.count) {
        ok = open_rows(s, text, &from->replay_data, &sources[count], err);
        numbers[count] = s->to.mix.sources - 1;
        count += ok;
    }
    if (ok)
        return lt_api_chain_rows(&s->to.rows, sources, numbers, count, err);
    for (int i = 0; i < count; i++)
        close_rows(&sources[i]);
    return false;
}

/* A tokenizer at a time: first the teacher's, as checksums. */
static bool open_text(setup *s, lt_api_text **text, lt_error *err)
{
    const lathe_train_options *from = s->from;
    lt_api_vocabulary teacher = {0};
    if (from->teacher && !lt_api_vocabulary_read(&teacher, from->teacher, err))
        return false;
    bool ok = lt_api_text_open(text, from->model, from->chat_template, err);
    if (ok && !lt_api_vocabulary_same(&teacher, (*text)->tokenizer, "teacher", &s->to.teacher_tokens, err)) {
        lt_api_text_close(*text);
        ok = false;
    }
    lt_api_vocabulary_free(&teacher);
    return ok;
}

static bool set_data(setup *s, lt_error *err)
{
    const lathe_train_options *from = s->from;
    if (from->data.count == 0)
        return lt_error_set(err, LT_ERR_USAGE, "%s needs data: files of rows to train on", from->command);
    lt_api_text *text;
    if (!open_text(s, &text, err))
        return false;
    bool ok = open_training(s, text, err) &&
              (from->eval_data.count == 0 || open_rows(s, text, &from->eval_data, &s->to.eval_rows, err)) &&
              (from->eval_replay_data.count == 0 || open_rows(s, text, &from->eval_replay_data, &s->to.replay_eval_rows, err));
    s->to.masking = lt_api_masking(text, from->mlm_probability);
    lt_api_text_close(text); /* the sources keep it as long as they read */
    s->to.packing = !from->packing ? LT_PACKING_NONE : is_pretraining(from) ? LT_PACKING_BLOCKS : LT_PACKING_ROWS;
    return ok;
}

/* ---- the rest ---- */

static void pass_progress(const lt_progress *p, void *context)
{
    const lathe_train_options *options = context;
    lathe_progress progress = {
        .phase = p->phase,
        .done = p->done,
        .total = p->total,
        .epoch = p->epoch,
        .loss = p->loss,
        .learning_rate = p->learning_rate,
        .grad_norm = p->grad_norm,
        .tokens_per_second = p->tokens_per_second,
        .elapsed_seconds = p->elapsed_seconds,
        .eta_seconds = p->eta_seconds,
        .rss_bytes = p->rss_bytes,
        .planned_bytes = p->planned_bytes,
    };
    options->progress(&progress, options->progress_context);
}

static lt_strategy strategy_of(int strategy)
{
    return strategy == LATHE_STRATEGY_NO      ? LT_STRATEGY_NO
           : strategy == LATHE_STRATEGY_EPOCH ? LT_STRATEGY_EPOCH
                                              : LT_STRATEGY_STEPS;
}

static void set_plain(setup *s)
{
    const lathe_train_options *from = s->from;
    lt_train_options *to = &s->to;
    to->command = from->command;
    to->model = from->model;
    to->method = from->method == LATHE_METHOD_FULL ? LT_METHOD_FULL : LT_METHOD_LORA;
    to->loraplus_lr_ratio = from->loraplus_lr_ratio;
    to->adapter = from->adapter;
    to->output = from->output;
    to->overwrite = from->overwrite;
    to->resume = from->resume;
    to->resume_from = from->resume_from;
    to->start_state = from->start_state;

    to->max_length = from->max_length;
    to->shuffle = from->shuffle;
    to->neftune_noise_alpha = from->neftune_noise_alpha;
    to->batch_size = from->batch_size;
    to->gradient_accumulation_steps = from->gradient_accumulation_steps;
    to->num_train_epochs = from->num_train_epochs;
    to->max_steps = from->max_steps;
    to->seed = (uint64_t)from->seed;

    to->schedule = (lt_schedule_options){.type = from->lr_scheduler_type,
                                         .warmup_steps = from->warmup_steps,
                                         .warmup_ratio = from->warmup_ratio,
                                         .decay_steps = from->num_decay_steps,
                                         .min_lr_ratio = from->min_lr_ratio,
                                         .num_cycles = from->num_cycles,
                                         .power = from->power};
    to->learning_rate = from->learning_rate;
    to->optimizer = (lt_optimizer_options){.name = from->optim,
                                           .beta1 = from->adam_beta1,
                                           .beta2 = from->adam_beta2,
                                           .epsilon = from->adam_epsilon,
                                           .momentum = from->muon_momentum,
                                           .compute = lt_api_compute(from->compute),
                                           .weight_decay = from->weight_decay};
    to->max_grad_norm = from->max_grad_norm;

    to->eval_strategy = strategy_of(from->eval_strategy);
    to->save_strategy = strategy_of(from->save_strategy);
    to->logging_steps = from->logging_steps;
    to->eval_steps = from->eval_steps;
    to->save_steps = from->save_steps;
    to->save_total_limit = from->save_total_limit;
    to->save_gradients = from->save_gradients;

    static const int cache_bits[] = {LT_FROZEN_CACHE_AUTO, 0, 8, 16, 32};
    to->frozen_cache = cache_bits[from->frozen_cache];
    to->cache_folder = from->cache_dir;
    to->keep_cache = from->keep_cache;

    to->compute = lt_api_compute(from->compute);
    to->threads = lt_threads_set((int)from->threads);
    to->activation_bits = (int)from->activation_bits;
    to->max_memory_bytes = from->max_memory;
    to->stop = from->stop;
    if (from->progress) {
        to->progress = pass_progress;
        to->progress_context = (void *)from;
    }
}

/* ---- what is optimised ---- */

static bool set_preference(setup *s, lt_error *err)
{
    const lathe_train_options *from = s->from;
    lt_objective_options *options = &s->to.objective_options;
    s->to.objective = lt_objective_preference(from->loss_type, &options->loss_type);
    if (!s->to.objective) {
        char list[512] = "";
        for (const char *const *name = lt_objective_preferences(); *name; name++)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "", *name);
        return lt_error_set(err, LT_ERR_USAGE, "loss_type: expected one of %s; found '%s'", list, from->loss_type);
    }
    if (from->ref_adapter && !(s->to.objective->needs & LT_TARGET_BIT(LT_TARGET_REFERENCE_LOGP)))
        return lt_error_set(err, LT_ERR_USAGE, "ref_adapter: loss_type %s has no reference model", from->loss_type);
    if (strcmp(from->loss_type, "kto") == 0 && from->batch_size < 2)
        return lt_error_set(err, LT_ERR_USAGE, "batch_size: kto compares answers of a batch with one another, so it takes 2 or more, found %lld",
                            (long long)from->batch_size);
    s->to.ref_adapter = from->ref_adapter;
    return true;
}

static void set_companion(setup *s)
{
    s->to.companion = s->companion = lt_api_labels_json(&s->labels, (int32_t)s->from->pad_token_id);
    s->to.companion_name = LT_LABELS_FILE;
}

static bool set_labels(setup *s, lt_error *err)
{
    const lathe_train_options *from = s->from;
    if (from->data.count == 0)
        return lt_error_set(err, LT_ERR_USAGE, "%s needs data: files of rows to train on", from->command);
    if (!lt_api_labels_open(&s->labels, from, err))
        return false;
    if (from->predictions && from->eval_data.count == 0)
        return lt_error_set(err, LT_ERR_USAGE, "predictions: there is no eval_data to predict");
    s->to.predictions = from->predictions;
    s->to.objective = lt_api_labels_objective(&s->labels);
    s->to.objective_options.class_weights = s->labels.class_weights;
    s->to.labels = s->labels.names.count;
    s->to.row_values = s->labels.values;
    set_companion(s);
    return true;
}

static bool set_objective(setup *s, lt_error *err)
{
    const lathe_train_options *from = s->from;
    lt_train_options *to = &s->to;
    to->objective = &lt_objective_lm;
    to->objective_options = (lt_objective_options){.beta = from->beta,
                                                   .label_smoothing = from->label_smoothing,
                                                   .simpo_gamma = from->simpo_gamma,
                                                   .cpo_alpha = from->cpo_alpha,
                                                   .discopop_tau = from->discopop_tau,
                                                   .desirable_weight = from->desirable_weight,
                                                   .undesirable_weight = from->undesirable_weight,
                                                   .center_rewards_coefficient = from->center_rewards_coefficient,
                                                   .distill_alpha = from->distill_alpha,
                                                   .distill_temperature = from->distill_temperature};
    to->pad_id = (int32_t)from->pad_token_id;
    bool ok = true;
    if (from->teacher) {
        to->objective = &lt_objective_distill;
        to->teacher = from->teacher;
        to->teacher_adapter = from->teacher_adapter;
    }
    if (strcmp(from->command, "dpo") == 0)
        ok = set_preference(s, err);
    else if (strcmp(from->command, "reward") == 0) {
        ok = lt_labels_number(&s->labels.names, 1, err);
        s->labels.form = LT_LABEL_NUMBERS;
        to->objective = &lt_objective_reward;
        to->labels = 1;
        set_companion(s);
    } else if (strcmp(from->command, "classify") == 0)
        ok = set_labels(s, err);
    s->shape = (lt_examples_shape_options){.objective = to->objective,
                                           .group = from->batch_size,
                                           .max_length = from->max_length,
                                           .form = s->labels.form,
                                           .labels = &s->labels.names,
                                           .values = s->labels.values};
    return ok && (!to->objective->check || to->objective->check(&to->objective_options, err));
}

static bool set_adapter(setup *s, lt_error *err)
{
    if (s->from->method == LATHE_METHOD_FULL || s->from->adapter)
        return true;
    s->to.peft = &s->adapter.peft;
    return lt_api_adapter_make(&s->adapter, s->from, s->to.objective->head == LT_HEAD_SCORE, err);
}

static bool prepare(setup *s, lt_error *err)
{
    lt_train_defaults(&s->to);
    set_plain(s);
    return set_objective(s, err) && set_adapter(s, err) && set_data(s, err);
}

/* Options as they will be used: an adapter of another format is a temporary PEFT folder from here on. */
static bool resolve(setup *s, lathe_train_options *options, lt_error *err)
{
    if (!lt_api_train_resolve(options, err))
        return false;
    if (options->adapter && !lt_api_peft_view_open(&s->view, options->adapter, options->model, err))
        return false;
    if (options->adapter)
        options->adapter = s->view.path;
    if (!options->teacher_adapter)
        return true;
    if (!options->teacher)
        return lt_error_set(err, LT_ERR_USAGE, "teacher_adapter: there is no teacher");
    if (!lt_api_peft_view_open(&s->teacher_view, options->teacher_adapter, options->teacher, err)) {
        lt_api_peft_view_close(&s->view);
        return false;
    }
    options->teacher_adapter = s->teacher_view.path;
    return true;
}

static void free_setup(setup *s)
{
    lt_api_peft_view_close(&s->view);
    lt_api_peft_view_close(&s->teacher_view);
    lt_api_adapter_free(&s->adapter);
    lt_api_labels_free(&s->labels);
    json_decref(s->companion);
}

/* A run closes its sources itself; without a run it is done here. */
static void give_up(setup *s)
{
    close_rows(&s->to.rows);
    close_rows(&s->to.eval_rows);
    close_rows(&s->to.replay_eval_rows);
}

bool lt_api_train(const lathe_train_options *options, json_t *recipe, lathe_train_result *result, lt_error *err)
{
    lathe_train_options resolved = *options;
    setup s = {.from = &resolved};
    lt_train_result r = {0};
    if (!resolve(&s, &resolved, err))
        return false;
    bool ok = prepare(&s, err);
    if (ok) {
        s.to.recipe = recipe;
        ok = lt_train_run(&s.to, &r, err) &&
             (resolved.method != LATHE_METHOD_FULL || lt_api_write_gguf_companions(resolved.model, resolved.output, err));
    } else
        give_up(&s);
    free_setup(&s);
    if (ok && result)
        *result = (lathe_train_result){.steps = r.steps,
                                       .tokens = r.tokens,
                                       .trained_tokens = r.trained_tokens,
                                       .seconds = r.seconds,
                                       .tokens_per_second = r.tokens_per_second,
                                       .loss_first = r.loss_first,
                                       .loss_last = r.loss_last,
                                       .eval_loss = r.eval_loss,
                                       .eval_loss_before = r.eval_loss_before,
                                       .replay_loss_before = r.replay_loss_before,
                                       .replay_loss = r.replay_loss,
                                       .eval_accuracy = r.eval_accuracy,
                                       .eval_f1_macro = r.eval_f1_macro,
                                       .peak_rss_bytes = r.peak_rss_bytes,
                                       .planned_peak_bytes = r.planned_peak_bytes};
    return ok;
}

bool lt_api_train_plan(const lathe_train_options *options, lt_plan *plan, lt_error *err)
{
    lathe_train_options resolved = *options;
    setup s = {.from = &resolved};
    if (!resolve(&s, &resolved, err))
        return false;
    bool ok = prepare(&s, err);
    if (ok)
        ok = lt_train_plan(&s.to, plan, err);
    else
        give_up(&s);
    free_setup(&s);
    return ok;
}

bool lt_api_train_options(const lathe_train_options *options, lt_api_adapter *adapter, lt_train_options *to, lt_error *err)
{
    setup s = {.from = options};
    lt_train_defaults(&s.to);
    set_plain(&s);
    bool ok = set_adapter(&s, err);
    *adapter = s.adapter;
    *to = s.to;
    if (to->peft)
        to->peft = &adapter->peft;
    return ok;
}

bool lathe_train(const lathe_train_options *options, lathe_train_result *result, lathe_error *err)
{
    lt_error error;
    lathe_train_options resolved;
    if (!lathe_train_options_init(&resolved, options->command, err)) /* is there such a command? */
        return false;
    resolved = *options;
    if (!lt_api_train_resolve(&resolved, &error))
        return lt_api_error(err, &error);
    json_t *recipe = lt_options_train_recipe(&resolved);
    bool ok = (recipe || lt_error_set(&error, LT_ERR_MEMORY, "out of memory")) && lt_api_train(&resolved, recipe, result, &error);
    json_decref(recipe);
    return ok || lt_api_error(err, &error);
}
