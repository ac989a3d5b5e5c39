#include "cli/cmd_train.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "cli/console.h"
#include "cli/eval_scores.h"
#include "cli/metrics.h"
#include "cli/output.h"
#include "cli/plan_view.h"
#include "cli/progress.h"
#include "cli/stop.h"
#include "cli/terminal.h"
#include "core/file.h"
#include "formats/json.h"
#include "models/family.h"

/* ---- options without effect ---- */

static bool one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* Options that shape a new adapter, and the methods that use them. */
static const char *shape_idle(const lathe_train_options *train, const char *name)
{
    enum {
        LORA = 1 << LATHE_METHOD_LORA | 1 << LATHE_METHOD_DORA,
        IA3 = 1 << LATHE_METHOD_IA3,
        PROMPT = 1 << LATHE_METHOD_PROMPT_TUNING,
        P = 1 << LATHE_METHOD_P_TUNING,
        PREFIX = 1 << LATHE_METHOD_PREFIX_TUNING,
        ANY = LORA | IA3 | PROMPT | P | PREFIX,
    };
    static const struct {
        const char *option;
        unsigned methods;
    } shapes[] = {
        {"lora-r", LORA}, {"lora-alpha", LORA}, {"lora-dropout", LORA}, {"use-rslora", LORA}, {"init-lora-weights", LORA},
        {"rank-pattern", LORA}, {"alpha-pattern", LORA}, {"layers-to-transform", LORA}, {"layers-pattern", LORA},
        {"top-layers", LORA}, {"target-modules", LORA | IA3}, {"exclude-modules", LORA | IA3}, {"modules-to-save", ANY},
        {"trainable-token-indices", LORA},
        {"feedforward-modules", IA3}, {"num-virtual-tokens", PROMPT | P | PREFIX}, {"prompt-tuning-init", PROMPT},
        {"prompt-tuning-init-text", PROMPT}, {"encoder-reparameterization-type", P}, {"encoder-hidden-size", P | PREFIX},
        {"encoder-num-layers", P}, {"encoder-dropout", P}, {"prefix-projection", PREFIX}, {"prefix-init-weights", PREFIX},
        {"method", ANY},
    };
    unsigned method = 1u << train->method;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strcmp(name, shapes[i].option) != 0 || (shapes[i].methods == ANY && train->method == LATHE_METHOD_FULL))
            continue;
        if (train->method == LATHE_METHOD_FULL)
            return "with --method full there is no adapter";
        if (train->adapter)
            return "--adapter starts from an adapter whose own configuration says it";
        if (!(shapes[i].methods & method))
            return "this --method does not use it";
    }
    if (strcmp(name, "loraplus-lr-ratio") == 0 && !train->adapter && !(method & LORA))
        return "this --method does not use it";
    if (strcmp(name, "prompt-tuning-init-text") == 0 && train->prompt_tuning_init != LATHE_PROMPT_INIT_TEXT)
        return "--prompt-tuning-init is not text";
    if ((strcmp(name, "encoder-num-layers") == 0 || strcmp(name, "encoder-dropout") == 0) && !train->encoder_reparameterization_type)
        return "--encoder-reparameterization-type is not lstm";
    if (strcmp(name, "encoder-hidden-size") == 0 && train->method == LATHE_METHOD_PREFIX_TUNING && !train->prefix_projection)
        return "there is no --prefix-projection";
    return NULL;
}

/* Numbers of a preference loss, and the losses that have them. */
static const char *loss_idle(const lathe_train_options *train, const char *name)
{
    static const struct {
        const char *option, *losses[6];
    } numbers[] = {
        {"label-smoothing", {"sigmoid", "robust", "exo_pair", "cpo", "simpo"}},
        {"discopop-tau", {"discopop"}},
        {"simpo-gamma", {"simpo"}},
        {"cpo-alpha", {"cpo", "cpo_hinge", "cpo_ipo", "simpo"}},
        {"desirable-weight", {"kto", "apo_zero_unpaired"}},
        {"undesirable-weight", {"kto", "apo_zero_unpaired"}},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && strcmp(train->command, "dpo") == 0; i++)
        if (strcmp(name, numbers[i].option) == 0 && !one_of(train->loss_type, numbers[i].losses))
            return "this --loss-type does not use it";
    return NULL;
}

const char *lt_cmd_train_idle(const lt_options *options, const lt_option *option)
{
    static const struct {
        const char *option, *schedules[4];
    } kwargs[] = {
        {"num-decay-steps", {"warmup_stable_decay"}},
        {"min-lr-ratio", {"cosine_with_min_lr", "warmup_stable_decay"}},
        {"num-cycles", {"cosine", "cosine_with_restarts", "cosine_with_min_lr"}},
        {"power", {"polynomial"}},
    };
    const lathe_train_options *train = &options->train;
    const char *shapeless = shape_idle(train, option->name), *lossless = loss_idle(train, option->name);
    if (shapeless || lossless)
        return shapeless ? shapeless : lossless;
    for (size_t i = 0; i < sizeof kwargs / sizeof *kwargs; i++)
        if (strcmp(option->name, kwargs[i].option) == 0 && !one_of(train->lr_scheduler_type, kwargs[i].schedules))
            return "this --lr-scheduler-type does not use it";
    if (train->eval_data.count == 0 && train->eval_replay_data.count == 0 &&
        (strcmp(option->name, "eval-steps") == 0 ||
         (strcmp(option->name, "eval-strategy") == 0 && train->eval_strategy > LATHE_STRATEGY_NO)))
        return "there is no --eval-data";
    if (strcmp(option->name, "save-steps") == 0 &&
        (train->save_strategy == LATHE_STRATEGY_NO || train->save_strategy == LATHE_STRATEGY_EPOCH))
        return "--save-strategy says otherwise";
    if (strcmp(option->name, "warmup-ratio") == 0 && train->warmup_steps > 0)
        return "--warmup-steps wins over it";
    if (strcmp(option->name, "muon-momentum") == 0 && strcmp(train->optim, "muon") != 0)
        return "--optim is not muon";
    if (strncmp(option->name, "adam-", 5) == 0 && strcmp(train->optim, "adafactor") == 0)
        return "--optim adafactor does not use it";
    if (strcmp(option->name, "adam-epsilon") == 0 && strncmp(train->optim, "lion", 4) == 0)
        return "--optim lion does not use it";
    if (strcmp(option->name, "replay-ratio") == 0 && train->replay_data.count == 0)
        return "there is no --replay-data";
    if (!train->teacher && (strcmp(option->name, "teacher-adapter") == 0 || strncmp(option->name, "distill-", 8) == 0))
        return "there is no --teacher";
    if (strcmp(option->name, "distill-temperature") == 0 && train->distill_alpha == 0)
        return "--distill-alpha is 0";
    if ((strcmp(option->name, "cache-dir") == 0 || strcmp(option->name, "keep-cache") == 0) &&
        train->frozen_cache == LATHE_FROZEN_CACHE_NO)
        return "--frozen-cache no leaves nothing to keep";
    return NULL;
}

/* ---- the result, for people ---- */

/* A path as a shell takes it. */
static const char *quoted(const char *path, char *out, size_t capacity)
{
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
    if (*path && strspn(path, plain) == strlen(path))
        snprintf(out, capacity, "%s", path);
    else
        snprintf(out, capacity, strchr(path, '\'') ? "\"%s\"" : "'%s'", path);
    return out;
}

static void print_field(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void print_field(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("  %s%-12s%s", lt_style_on(stdout, LT_STYLE_CYAN), name, lt_style_off(stdout));
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

/* Encoders continue no text. */
static bool is_encoder(const char *model)
{
    lt_config config;
    lt_error unused;
    if (!lt_family_load(model, &config, &unused))
        return false;
    bool encoder = config.bidirectional;
    lt_config_free(&config);
    return encoder;
}

static void print_next(const lathe_train_options *train)
{
    char model[512], output[512];
    bool full = train->method == LATHE_METHOD_FULL;
    quoted(train->output, output, sizeof output);
    if (train->method != LATHE_METHOD_FULL)
        print_field("adapter", "%s  (PEFT loads it as it is)", train->output);
    else
        print_field("model", "%s", train->output);
    if (strcmp(train->command, "reward") == 0 || strcmp(train->command, "classify") == 0 || is_encoder(train->model)) {
        print_field("try it", "lathe eval --model %s%s%s --data FILE", full ? output : quoted(train->model, model, sizeof model),
                    full ? "" : " --adapter ", full ? "" : output);
        return;
    }
    if (!lt_command_find("generate"))
        return;
    if (train->method != LATHE_METHOD_FULL)
        print_field("try it", "lathe generate --model %s --adapter %s --prompt '...'",
                    quoted(train->model, model, sizeof model), output);
    else
        print_field("try it", "lathe generate --model %s --prompt '...'", output);
}

static void print_eval(const lathe_train_options *train, const lathe_train_result *r)
{
    bool is_language = !train->teacher && (strcmp(train->command, "sft") == 0 || strcmp(train->command, "pretrain") == 0);
    if (is_language)
        print_field("eval loss", "%.4f (perplexity %.4g)", r->eval_loss, exp(r->eval_loss));
    else
        print_field("eval loss", "%.4f", r->eval_loss);
    if (isnan(r->eval_accuracy))
        return;
    print_field("accuracy", "%.4f  (F1 %.4f, mean of the classes)", r->eval_accuracy, r->eval_f1_macro);
    char path[4096];
    lt_error unused;
    json_t *summary = lt_file_join(path, sizeof path, train->output, "summary.json", &unused)
                          ? lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, &unused)
                          : NULL;
    lt_eval_print_confusion(json_object_get(summary, "eval_classes"), stdout);
    json_decref(summary);
}

static void print_summary(const lathe_train_options *train, const lathe_train_result *r)
{
    char steps[LT_FIGURE], tokens[LT_FIGURE], time[LT_FIGURE], speed[LT_FIGURE], peak[LT_FIGURE], plan[LT_FIGURE];
    lt_metrics_draw_run(train->output, stdout);
    printf("\n%sdone%s: %s step%s, %s tokens in %s, %s tokens/s\n", lt_style_on(stdout, LT_STYLE_GREEN),
           lt_style_off(stdout), lt_figure_grouped(r->steps, steps), r->steps == 1 ? "" : "s",
           lt_figure_count((double)r->tokens, tokens), lt_figure_seconds(r->seconds, time),
           lt_figure_count(r->tokens_per_second, speed));
    print_field("loss", "%.4f when first logged, %.4f at the end", r->loss_first, r->loss_last);
    if (!isnan(r->eval_loss))
        print_eval(train, r);
    if (!isnan(r->replay_loss))
        print_field("old data", "loss %.4f, %+.4f since the start", r->replay_loss, r->replay_loss - r->replay_loss_before);
    if (!isnan(r->replay_loss) && !isnan(r->eval_loss_before))
        print_field("new data", "eval loss %+.4f since the start", r->eval_loss - r->eval_loss_before);
    print_field("memory", "peak %s, planned %s", lt_figure_bytes(r->peak_rss_bytes, peak),
                lt_figure_bytes(r->planned_peak_bytes, plan));
    print_next(train);
}

/* What other programs get is the very file that the run leaves. */
static bool print_summary_json(const lathe_train_options *train, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, train->output, "summary.json", err))
        return false;
    json_t *summary = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
    return summary && lt_output_json(summary, err);
}

/* ---- running ---- */

static bool plan(const lt_options *options, lt_error *err)
{
    lt_plan planned;
    if (!lt_api_train_plan(&options->train, &planned, err))
        return false;
    if (options->json)
        return lt_output_json(lt_plan_json(&planned), err);
    lt_plan_view_print(&planned, stdout);
    return true;
}

/* Stopping on request is no error: the lines say where the run stands, and main only sets the exit status. */
static void say_how_to_go_on(const lt_options *options, lt_error *err)
{
    char output[512];
    lt_console_print("lathe: %s", err->message);
    lt_console_print("go on with: lathe %s --resume %s", options->command->name,
                     quoted(options->train.output, output, sizeof output));
    *err->message = '\0';
}

bool lt_cmd_train_run(lt_options *options, lt_error *err)
{
    lathe_train_options *train = &options->train;
    train->threads = options->threads;
    if (!lt_api_train_resolve(train, err)) /* before the recipe is made: it says what was chosen */
        return false;
    if (options->dry_run)
        return plan(options, err);
    lt_progress_view view = {.logging_steps = train->logging_steps};
    lathe_train_result result;
    train->progress = lt_progress_show;
    train->progress_context = &view;
    train->stop = lt_stop_watch("stopping after this step, with a checkpoint");
    json_t *recipe = lt_options_recipe(options);
    bool ok = lt_api_train(train, recipe, &result, err);
    json_decref(recipe);
    lt_console_clear_status();
    if (!ok && err->status == LT_ERR_INTERRUPTED)
        say_how_to_go_on(options, err);
    if (!ok)
        return false;
    if (options->json)
        return print_summary_json(train, err);
    print_summary(train, &result);
    return true;
}
