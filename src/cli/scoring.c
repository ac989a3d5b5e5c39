#include "cli/scoring.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool lt_scoring_weights(const lt_options *options, double **weights, lt_error *err)
{
    const lt_strings *given = &options->rl.reward_weights;
    *weights = NULL;
    if (given->count == 0)
        return true;
    if (given->count != options->rl.scorer.count)
        return lt_error_set(err, LT_ERR_USAGE, "--reward-weights: expected %d numbers, one for each scorer, found %d", options->rl.scorer.count, given->count);
    *weights = malloc((size_t)given->count * sizeof **weights);
    for (int i = 0; *weights && i < given->count; i++) {
        char *end;
        (*weights)[i] = strtod(given->items[i], &end);
        if (*end || end == given->items[i] || !isfinite((*weights)[i])) {
            free(*weights);
            *weights = NULL;
            return lt_error_set(err, LT_ERR_USAGE, "--reward-weights: expected a number, found '%s'", given->items[i]);
        }
    }
    return *weights || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
}

lt_scorer_options lt_scoring_scorer(const lt_options *options)
{
    const lt_rl_options *rl = &options->rl;
    return (lt_scorer_options){.pattern = rl->scorer_pattern, .schema = rl->scorer_schema, .command = rl->reward_command.items,
                               .command_count = rl->reward_command.count, .command_seconds = rl->reward_timeout, .reward_model = rl->reward_model,
                               .base_model = options->train.model, .threads = (int)options->threads};
}

lt_prompts_options lt_scoring_prompts(const lt_options *options)
{
    const lt_rl_options *rl = &options->rl;
    return (lt_prompts_options){.files = options->train.data.items, .file_count = options->train.data.count,
                                .fields = {.prompt = options->train.fields.prompt, .messages = options->train.fields.messages},
                                .answer_field = rl->answer_field, .prompt_template = rl->prompt_template, .system = rl->system,
                                .conversation = rl->conversation, .max_length = rl->max_prompt_length};
}

lt_rollout_options lt_scoring_rollout(const lt_options *options)
{
    const lt_sampling_options *o = &options->sampling;
    return (lt_rollout_options){.sample = {.greedy = o->temperature == 0, .temperature = o->temperature, .top_k = o->top_k, .top_p = o->top_p,
                                           .min_p = o->min_p, .repetition_penalty = o->repetition_penalty},
                                .answers = options->rl.num_generations, .max_new_tokens = o->max_new_tokens, .seed = (uint64_t)options->train.seed};
}

const char *lt_scoring_idle(const lt_options *options, const lt_option *option)
{
    static const struct { const char *option, *scorer, *why; } owners[] = {
        {"scorer-pattern", "regex", "only the scorer regex uses it"},     {"scorer-schema", "json", "only the scorer json uses it"},
        {"reward-command", "command", "only the scorer command uses it"}, {"reward-timeout", "command", "only the scorer command uses it"},
        {"reward-model", "reward", "only the scorer reward uses it"},
    };
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        bool used = strcmp(option->name, owners[i].option) != 0;
        for (int s = 0; !used && s < options->rl.scorer.count; s++)
            used = !strcmp(options->rl.scorer.items[s], owners[i].scorer);
        if (!used)
            return owners[i].why;
    }
    return NULL;
}
