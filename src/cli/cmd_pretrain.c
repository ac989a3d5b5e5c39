/* lathe pretrain: language modelling on plain text. */
#include "cli/cmd_train.h"
#include "cli/stages.h"

static const lt_command_example examples[] = {
    {"lathe init --config config.json --output new/", "a model with random weights"},
    {"lathe pretrain --model new/ --data books.txt --output run/", "train all its parameters on text"},
    {"lathe pretrain --model SmolLM2-135M-Instruct --method lora --data notes.jsonl.zst --output run/",
     "go on pre-training with an adapter"},
    {"lathe pretrain --config stages.yaml", "stages: core, longer context, annealing"},
    {NULL, NULL},
};

static void defaults(lt_options *options)
{
    lathe_train_options_init(&options->train, "pretrain", NULL);
}

static bool run(lt_options *options, lt_error *err)
{
    return options->stages ? lt_stages_run(options, err) : lt_cmd_train_run(options, err);
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
        "attention does not cross from one text to the next.\n\n"
        "A recipe may have stages: a list of mappings, each with a name, data, data_weights, max_length, max_steps and schedule of "
        "its own above the run's keys, and rope_theta or rope_scaling where the context grows. A stage begins with the model and "
        "(unless keep_optimizer: false) the optimiser state of the one before; --resume goes on inside the stage that was stopped.",
    .examples = examples,
    .defaults = defaults,
    .idle = lt_cmd_train_idle,
    .run = run,
};
