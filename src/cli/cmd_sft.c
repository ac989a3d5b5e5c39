/* lathe sft: supervised fine-tuning. */
#include "cli/cmd_train.h"

static const lt_command_example examples[] = {
    {"lathe sft --model SmolLM2-135M-Instruct --data train.jsonl --eval-data dev.jsonl --output run/",
     "a LoRA adapter on every linear layer"},
    {"lathe sft --model SmolLM2-135M-Instruct --data gsm8k.jsonl --prompt-field question --completion-field answer "
     "--output run/ --max-memory 512M",
     "rows {\"question\", \"answer\"}, in half a gigabyte"},
    {"lathe sft --config run/recipe.yaml --seed 1 --output run2/", "the same run again, with another seed"},
    {"lathe sft --resume run/", "go on where a run was stopped"},
    {NULL, NULL},
};

static void defaults(lt_options *options)
{
    lathe_train_options_init(&options->train, "sft", NULL);
}

const lt_command lt_cli_sft = {
    .id = LT_COMMAND_SFT,
    .name = "sft",
    .section = "Train",
    .summary = "fine-tune a model on conversations, prompts with answers, or text",
    .usage = "--model DIR --data FILE... --output DIR",
    .details =
        "Trains an adapter (or with --method full all parameters) on rows of data, which are recognised by their keys: "
        "messages, prompt and completion, instruction and output, conversations, text, or input_ids and labels. Of "
        "conversations every assistant turn is trained, of prompts the completion; `lathe lint` shows it.\n\n"
        "Memory is planned before the run starts; see `lathe plan`. Ctrl-C saves a checkpoint and stops.",
    .examples = examples,
    .defaults = defaults,
    .idle = lt_cmd_train_idle,
    .run = lt_cmd_train_run,
};
