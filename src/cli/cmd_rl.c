/* lathe rl: reinforcement learning. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/adapter.h"
#include "api/api.h"
#include "cli/cmd_train.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/scoring.h"
#include "cli/stop.h"
#include "cli/terminal.h"
#include "core/file.h"
#include "formats/json.h"
#include "rl/learn.h"

static const lt_command_example examples[] = {
    {"lathe rl --model SmolLM2-135M-Instruct --data gsm8k.jsonl --prompt-field question --conversation --scorer number --output run/",
     "GRPO with a verifier: a right number is worth 1"},
    {"lathe rl --model base --adapter sft/ --data prompts.jsonl --scorer command --reward-command 'python3 judge.py' --algorithm rloo "
     "--loss-type mirror --output run/",
     "leave-one-out with mirror descent, from an adapter, scored by a program"},
    {"lathe rl --model base --data prompts.jsonl --scorer json --scorer-schema order.json --algorithm ppo --kl-target 6 --output run/",
     "PPO with a value head and an adapted divergence"},
    {"lathe rl --resume run/", "go on where a run was stopped"},
    {NULL, NULL},
};

static void defaults(lt_options *options)
{
    lathe_train_options_init(&options->train, "sft", NULL);
    options->train.command = "rl";
    options->train.num_train_epochs = 1;
    options->train.batch_size = 64;
    options->train.logging_steps = 1;
    options->train.save_steps = 50;
    options->train.lr_scheduler_type = "constant";
}

static bool one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(name, *list))
            return true;
    return false;
}

static const char *idle(const lt_options *options, const lt_option *option)
{
    static const char *const of_ppo[] = {"gamma", "lam", "vf-coef", "cliprange-value", "whiten-rewards", "kl-target", "kl-horizon", NULL};
    static const char *const not_of_ppo[] = {"loss-type", "epsilon-high", NULL};
    const char *why = lt_scoring_idle(options, option);
    lt_rl_algorithm algorithm = (lt_rl_algorithm)options->rl.algorithm;
    if (why)
        return why;
    if (one_of(option->name, of_ppo) && algorithm != LT_RL_PPO)
        return "only --algorithm ppo uses it";
    if (one_of(option->name, not_of_ppo) && algorithm == LT_RL_PPO)
        return "--algorithm ppo does not use it";
    if (!strcmp(option->name, "scale-rewards") && algorithm != LT_RL_GRPO)
        return "only --algorithm grpo uses it";
    if (!strcmp(option->name, "normalize-advantages") && algorithm != LT_RL_RLOO)
        return "only --algorithm rloo uses it";
    if (!strcmp(option->name, "mirror-coef") && (algorithm != LT_RL_RLOO || !options->rl.loss_type || strcmp(options->rl.loss_type, "mirror")))
        return "only --algorithm rloo with --loss-type mirror uses it";
    if (!strcmp(option->name, "kl-horizon") && !(options->rl.kl_target > 0))
        return "without --kl-target beta is fixed";
    return lt_cmd_train_idle(options, option);
}

/* Replaces what is to be chosen by the choice, so that the recipe says what was done. */
static bool resolve(lt_options *options, lt_error *err)
{
    lt_rl_options *rl = &options->rl;
    lathe_train_options *train = &options->train;
    lt_rl_algorithm algorithm = (lt_rl_algorithm)rl->algorithm;
    train->threads = options->threads;
    train->max_length = 1; /* not an option here: prompts and answers have lengths of their own */
    if (isnan(train->learning_rate))
        train->learning_rate = train->method == LATHE_METHOD_FULL ? 1e-6 : 1e-5;
    if (isnan(rl->beta))
        rl->beta = algorithm == LT_RL_GRPO ? 0 : 0.05;
    if (isnan(rl->epsilon_high))
        rl->epsilon_high = rl->epsilon;
    if (isnan(rl->missing_eos_penalty))
        rl->missing_eos_penalty = 0;
    if (isnan(rl->kl_target))
        rl->kl_target = 0;
    if (rl->num_iterations == 0)
        rl->num_iterations = algorithm == LT_RL_PPO ? 4 : 1;
    if (!rl->loss_type && algorithm != LT_RL_PPO && !(rl->loss_type = strdup(algorithm == LT_RL_GRPO ? "dapo" : "clip")))
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    return lt_api_train_resolve(train, err);
}

static bool make_request(const lt_options *options, lt_rl_request *r, double **weights, lt_error *err)
{
    const lt_rl_options *rl = &options->rl;
    const lt_objective *objective = lt_objective_find(lt_rl_algorithm_name((lt_rl_algorithm)rl->algorithm));
    int loss_type = rl->loss_type ? lt_objective_loss_type(objective, rl->loss_type) : 0;
    if (loss_type < 0)
        return lt_error_set(err, LT_ERR_USAGE, "--loss-type: %s has no loss '%s'", objective->name, rl->loss_type);
    if (!lt_scoring_weights(options, weights, err))
        return false;
    r->algorithm = (lt_rl_algorithm)rl->algorithm;
    r->objective = (lt_objective_options){.loss_type = loss_type, .beta = rl->beta, .epsilon = rl->epsilon, .epsilon_high = rl->epsilon_high,
                                          .completion_length = options->sampling.max_new_tokens, .mirror_coef = rl->mirror_coef, .vf_coef = rl->vf_coef,
                                          .cliprange_value = rl->cliprange_value};
    r->chat_template = options->train.chat_template;
    r->prompts = lt_scoring_prompts(options);
    r->rollout = lt_scoring_rollout(options);
    r->decode_batch = rl->decode_batch;
    r->scorer = lt_scoring_scorer(options);
    r->scorers = rl->scorer.items;
    r->scorer_count = rl->scorer.count;
    r->weights = *weights;
    r->num_iterations = rl->num_iterations;
    r->scale_rewards = (lt_scale_rewards)rl->scale_rewards;
    r->normalize_advantages = rl->normalize_advantages;
    r->mask_truncated_completions = rl->mask_truncated;
    r->dynamic_sampling = rl->dynamic_sampling;
    r->missing_eos_penalty = rl->missing_eos_penalty;
    r->gamma = rl->gamma;
    r->lam = rl->lam;
    r->whiten_rewards = rl->whiten_rewards;
    r->kl_target = rl->kl_target;
    r->kl_horizon = rl->kl_horizon;
    return true;
}

static void print_result(const lt_options *options, const lt_rl_result *r)
{
    char time[LT_FIGURE], answers[LT_FIGURE], tokens[LT_FIGURE], speed[LT_FIGURE], cache[LT_FIGURE];
    printf("%sdone%s: %lld steps, %s answers, %s tokens in %s\n", lt_style_on(stdout, LT_STYLE_GREEN), lt_style_off(stdout), (long long)r->steps,
           lt_figure_grouped(r->answers, answers), lt_figure_count((double)r->tokens, tokens), lt_figure_seconds(r->seconds, time));
    printf("  reward       %.4f when first logged, %.4f at the end; %.0f %% of groups scored the same\n", r->reward_first, r->reward_last,
           100 * r->frac_reward_zero_std);
    printf("  sampling     %s tokens/s, %lld at once, keys and values %s\n",
           lt_figure_count(r->sampling_seconds > 0 ? (double)r->tokens / r->sampling_seconds : 0, speed), (long long)r->batch,
           lt_figure_bytes(r->cache_bytes, cache));
    printf("  %s      %s\n", options->train.method == LATHE_METHOD_FULL ? "model  " : "adapter", options->train.output);
}

static bool print_summary(const lt_options *options, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, options->train.output, "summary.json", err))
        return false;
    json_t *summary = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
    return summary && lt_output_json(summary, err);
}

static bool run(lt_options *options, lt_error *err)
{
    lt_rl_request request = {0};
    lt_rl_result result;
    lt_api_adapter adapter;
    double *weights = NULL;
    lt_progress_view view = {.logging_steps = options->train.logging_steps};
    if (!resolve(options, err))
        return false;
    options->train.progress = lt_progress_show;
    options->train.progress_context = &view;
    options->train.stop = lt_stop_watch("stopping after this round, with a checkpoint");
    bool ok = lt_api_train_options(&options->train, &adapter, &request.train, err) && make_request(options, &request, &weights, err);
    json_t *recipe = lt_options_recipe(options);
    request.train.recipe = recipe;
    ok = ok && lt_rl_run(&request, &result, err);
    lt_console_clear_status();
    if (!ok && err->status == LT_ERR_INTERRUPTED) {
        lt_console_print("lathe: %s", err->message);
        *err->message = '\0';
    }
    if (ok && options->json)
        ok = print_summary(options, err);
    else if (ok)
        print_result(options, &result);
    json_decref(recipe);
    lt_api_adapter_free(&adapter);
    free(weights);
    return ok;
}

const lt_command lt_cli_rl = {
    .id = LT_COMMAND_RL,
    .name = "rl",
    .section = "Train",
    .summary = "reinforcement learning: answers are sampled, scored, and learned from",
    .usage = "--model DIR --data FILE... --scorer NAME --output DIR",
    .details =
        "In every round the model, with its adapter as it is, gives --num-generations answers to each of some prompts; a scorer scores them "
        "(see `lathe sample`), and the adapter is updated by GRPO (also as DAPO or Dr. GRPO), RLOO (with clipping or mirror descent) or PPO "
        "(value head, GAE). A round has --batch-size × --gradient-accumulation-steps answers. The reference is the model with the adapter "
        "off; base and memory are shared.\n\n"
        "metrics.jsonl has TRL's names: reward, reward_std, kl, entropy, clip_ratio/*, completions/mean_length … Ctrl-C saves a checkpoint.",
    .examples = examples,
    .defaults = defaults,
    .idle = idle,
    .run = run,
};
