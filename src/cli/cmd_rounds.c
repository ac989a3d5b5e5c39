/* lathe rounds: the loop of Llama 3.1 and its kin. */
#include <stdio.h>

#include "cli/options.h"
#include "cli/output.h"
#include "cli/rounds.h"

static const lt_command_example examples[] = {
    {"lathe rounds llama.yaml --output run", "reward model, rejection sampling, SFT, DPO, as often as the recipe says"},
    {"lathe rounds llama.yaml --output run --resume", "go on where it was stopped, whatever the step"},
    {NULL, NULL},
};

static bool run(lt_options *options, lt_error *err)
{
    json_t *table;
    bool ok = lt_rounds_run(options->rounds_recipe, options->train.output, options->rounds_resume, &table, err);
    if (ok && options->json)
        return lt_output_json(json_pack("{s:o}", "steps", table), err);
    if (ok)
        lt_rounds_print(table);
    json_decref(table);
    return ok;
}

const lt_command lt_cli_rounds = {
    .id = LT_COMMAND_ROUNDS,
    .name = "rounds",
    .section = "Train",
    .summary = "several commands over rounds: reward model, rejection sampling, SFT, DPO, RL, averaging",
    .usage = "RECIPE [--output DIR] [--resume]",
    .details =
        "The recipe is a YAML file with model, output, rounds, seed, steps and evaluate. steps is a list; each is one of reward, sample, sft, "
        "dpo, rl, pretrain with the options of that command, mix {data: files, shares: numbers, rows: N} (human and generated rows at "
        "stated ratios, into rows.jsonl) or average {adapters: folders, weights: numbers}. The steps run in their order in every round, or "
        "only in those that a step's `rounds: [1, 2]` names.\n\n"
        "A step starts from the adapter that the last sft, dpo, rl or average left (adapter: null: from the base; keep_policy: true: its output "
        "is not the next one's start). In values ${NAME} is the folder of the last step of that name (name: renames one), ${policy} the adapter "
        "now, ${round} the number; ${NAME?} leaves the value out when there is none yet.\n\n"
        "evaluate has options of `lathe sample` for an evaluation before the first and after every round: the table says what each "
        "gained. Every step leaves its folder and its recipe, round-R/N-NAME and round-R/N-NAME.yaml, and can be gone on with.",
    .operand = "recipe",
    .examples = examples,
    .run = run,
};
