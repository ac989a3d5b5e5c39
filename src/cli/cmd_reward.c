/* lathe reward: reward models. */
#include "cli/cmd_train.h"

static const lt_command_example examples[] = {
    {"lathe reward --model SmolLM2-135M-Instruct --data pairs.jsonl --eval-data dev.jsonl --output run/",
     "a LoRA adapter and a scalar head"},
    {"lathe eval --model SmolLM2-135M-Instruct --adapter run/ --data dev.jsonl --json --per-example", "the rewards of each pair"},
    {NULL, NULL},
};

static void defaults(lt_options *options)
{
    lathe_train_options_init(&options->train, "reward", NULL);
}

const lt_command lt_cli_reward = {
    .id = LT_COMMAND_REWARD,
    .name = "reward",
    .section = "Train",
    .summary = "train a reward model on pairs of answers",
    .usage = "--model DIR --data FILE... --output DIR",
    .details = "Rows as for `lathe dpo`, or {\"chosen_ids\", \"rejected_ids\"}; a \"margin\" is how much better the chosen answer is. A "
               "linear head on the last token gives one number for a conversation; the loss is -log sigmoid(chosen - rejected - margin). "
               "PEFT loads the result as SEQ_CLS with one label.",
    .examples = examples,
    .defaults = defaults,
    .idle = lt_cmd_train_idle,
    .run = lt_cmd_train_run,
};
