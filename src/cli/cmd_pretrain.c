/* lathe pretrain: language modelling on plain text. */
#include "cli/cmd_train.h"

static const lt_command_example examples[] = {
    {"lathe init --config config.json --output new/", "a model with random weights"},
    {"lathe pretrain --model new/ --data books.txt --output run/", "train all its parameters on text"},
    {"lathe pretrain --model SmolLM2-135M-Instruct --method lora --data notes.jsonl.zst --output run/",
     "go on pre-training with an adapter"},
    {NULL, NULL},
};

static void defaults(lt_options *options)
{
    lathe_train_options_init(&options->train, "pretrain", NULL);
}

const lt_command lt_cli_pretrain = {
    .id = LT_COMMAND_PRETRAIN,
    .name = "pretrain",
    .section = "Train",
    .summary = "train a model on plain text",
    .usage = "--model DIR --data FILE... --output DIR",
    .details =
        "Trains all parameters (or with --method lora an adapter) to predict every token of plain text: text files, or "
        "rows {\"text\"}. With packing, texts are put one behind the other and cut into rows of --max-length tokens; "
        "attention does not cross from one text to the next.",
    .examples = examples,
    .defaults = defaults,
    .idle = lt_cmd_train_idle,
    .run = lt_cmd_train_run,
};
