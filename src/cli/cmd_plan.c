/* lathe plan: its page in the help. The work is a training command's own with --dry-run: main.c turns one into the
 * other. */
#include <stddef.h>

#include "cli/options.h"

static const lt_command_example examples[] = {
    {"lathe plan sft --model SmolLM2-135M-Instruct --data train.jsonl", "memory, time and disk traffic of that run"},
    {"lathe plan sft --model SmolLM2-135M-Instruct --data train.jsonl --max-memory 200M --json",
     "what fits into 200 MiB, for another program"},
    {"lathe plan --config run/recipe.yaml", "the plan of a run that was made before"},
    {NULL, NULL},
};

const lt_command lt_cli_plan = {
    .id = LT_COMMAND_PLAN,
    .name = "plan",
    .section = "Train",
    .summary = "memory, time and disk traffic of a training command, before it runs",
    .usage = "[sft | pretrain] OPTIONS",
    .details = "Takes the options of the training command (sft when none is named) and shows what the run would need: "
               "bytes by "
               "purpose, seconds and bytes read per step. Nothing is trained and nothing is written.",
    .examples = examples,
};
