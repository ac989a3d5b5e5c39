/* lathe sample: rejection sampling. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/scoring.h"
#include "cli/stop.h"
#include "cli/terminal.h"
#include "rl/sampling.h"

static const lt_command_example examples[] = {
    {"lathe sample --model SmolLM2-135M-Instruct --data gsm8k.jsonl --prompt-field question --conversation --scorer number "
     "--num-generations 8 --threshold 1 --output samples",
     "eight answers to every question; those that end with the right number"},
    {"lathe sample --model base --adapter run --data prompts.jsonl --scorer command --reward-command 'python3 judge.py --strict' --output samples",
     "scored by a program: the best of eight, and best against worst as a preference"},
    {"lathe sft --model SmolLM2-135M-Instruct --data samples/sft.jsonl --output run2", "train on what was kept"},
    {NULL, NULL},
};

static const char *idle(const lt_options *options, const lt_option *option)
{
    return lt_scoring_idle(options, option);
}

static void show(const char *phase, int64_t done, int64_t tokens, double speed, void *context)
{
    char line[128], a[LT_FIGURE], b[LT_FIGURE], c[LT_FIGURE];
    static double last;
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double t = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    if (!lt_terminal_is_live() || t - last < 0.1)
        return;
    last = t;
    snprintf(line, sizeof line, "%s  %s prompts done, %s tokens, %s tokens/s", phase, lt_figure_grouped(done, a), lt_figure_grouped(tokens, b),
             lt_figure_count(speed, c));
    lt_console_status(line);
}

static void print_result(const lt_sampling_request *r, const lt_sampling_result *s)
{
    char cache[LT_FIGURE], time[LT_FIGURE], speed[LT_FIGURE], a[LT_FIGURE], b[LT_FIGURE];
    double prompts = s->prompts ? (double)s->prompts : 1;
    printf("%sdone%s: %s answers to %s prompts in %s, %s tokens/s (%lld at once, keys and values %s)\n", lt_style_on(stdout, LT_STYLE_GREEN),
           lt_style_off(stdout), lt_figure_grouped(s->answers, a), lt_figure_grouped(s->prompts, b), lt_figure_seconds(s->seconds, time),
           lt_figure_count(s->seconds > 0 ? (double)s->tokens / s->seconds : 0, speed), (long long)s->batch, lt_figure_bytes(s->cache_bytes, cache));
    printf("  score        mean %.4f, best of each prompt %.4f; %.1f %% of prompts solved\n", s->answers ? s->score_sum / (double)s->answers : 0,
           s->best_sum / prompts, 100 * (double)s->solved / prompts);
    printf("  kept         %lld answers in %s/sft.jsonl, %lld pairs in %s/preferences.jsonl\n", (long long)s->chosen, r->output, (long long)s->pairs, r->output);
    if (s->truncated)
        printf("  cut          %lld answers did not end within --max-new-tokens\n", (long long)s->truncated);
}

static bool make_request(lt_options *options, lt_sampling_request *r, const char **adapters, double **weights, lt_error *err)
{
    const lt_rl_options *rl = &options->rl;
    int count = 0;
    if (!lt_scoring_weights(options, weights, err))
        return false;
    if (options->train.adapter)
        adapters[count++] = options->train.adapter;
    for (int i = 0; i < rl->committee.count; i++)
        adapters[count++] = rl->committee.items[i];
    *r = (lt_sampling_request){.model = options->train.model, .adapters = adapters, .adapter_count = count, .chat_template = options->train.chat_template,
                               .prompts = lt_scoring_prompts(options), .rollout = lt_scoring_rollout(options), .ignore_eos = options->sampling.ignore_eos,
                               .batch = rl->decode_batch, .scorer = lt_scoring_scorer(options), .scorers = rl->scorer.items, .weights = *weights,
                               .scorer_count = rl->scorer.count, .best_of = rl->best_of,
                               .threshold = rl->threshold, .keep_truncated = rl->keep_truncated, .max_prompts = rl->max_prompts,
                               .output = options->train.output, .overwrite = options->train.overwrite, .resume = options->resume != NULL,
                               .compute = lt_api_compute(options->train.compute), .threads = (int)options->threads,
                               .max_memory_bytes = options->train.max_memory, .progress = show};
    return true;
}

static bool run(lt_options *options, lt_error *err)
{
    lt_sampling_request request;
    lt_sampling_result result;
    double *weights = NULL;
    const char **adapters = calloc((size_t)options->rl.committee.count + 1, sizeof *adapters);
    if (!adapters)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (!LT_GIVEN(options, rl.best_of)) /* before the recipe is made: it says what was chosen */
        options->rl.best_of = isnan(options->rl.threshold);
    bool ok = make_request(options, &request, adapters, &weights, err);
    json_t *recipe = lt_options_recipe(options);
    if (ok) {
        request.recipe = recipe;
        request.stop = lt_stop_watch("stopping; --resume goes on after the last whole group of prompts");
        ok = lt_sampling_run(&request, &result, err);
        lt_console_clear_status();
    }
    if (ok && options->json)
        ok = lt_output_json(lt_sampling_json(&request, &result), err);
    else if (ok)
        print_result(&request, &result);
    json_decref(recipe);
    free(weights);
    free(adapters);
    return ok;
}

const lt_command lt_cli_sample = {
    .id = LT_COMMAND_SAMPLE,
    .name = "sample",
    .section = "Train",
    .summary = "rejection sampling: many answers to each prompt, the best ones kept as training rows",
    .usage = "--model DIR [--adapter DIR] --data FILE... --scorer NAME --output DIR",
    .details = "Gives --num-generations answers to every prompt and scores them: exact (the row's own answer as text), number (the same number, as "
               "GSM8K has it), regex, json (a JSON schema), command (a program of yours) or reward (a reward model). Writes rows for lathe sft (the "
               "best answer of each prompt, or all from --threshold on) and for lathe dpo (best against worst), with their scores.\n\n"
               "Answers are decoded many at a time and share their prompt's keys and values. An answer is a function of the seed, its prompt "
               "and its number: threads and batch do not change it. Ctrl-C loses at most a group of prompts; --resume goes on.",
    .examples = examples,
    .idle = idle,
    .run = run,
};
