/* lathe classify: sequence classifiers. */
#include "cli/cmd_train.h"

static const lt_command_example examples[] = {
    {"lathe classify --model MiniLM --data sst2-train.jsonl --eval-data sst2-dev.jsonl --output run/",
     "labels from the data; accuracy, F1 and confusion matrix of the evaluation data"},
    {"lathe classify --model SmolLM2-135M --data train.jsonl --class-weights balanced --eval-data dev.jsonl --predictions out.jsonl "
     "--output run/",
     "rare classes count more; what is predicted for each row goes to a file"},
    {NULL, NULL},
};

static void defaults(lt_options *options)
{
    lathe_train_options_init(&options->train, "classify", NULL);
}

const lt_command lt_cli_classify = {
    .id = LT_COMMAND_CLASSIFY,
    .name = "classify",
    .section = "Train",
    .summary = "train a classifier: an adapter (or all parameters) and a head",
    .usage = "--model DIR --data FILE... --output DIR",
    .details = "Rows are {\"text\", \"label\"} or {\"input_ids\", \"label\"}. A label is a name or a whole number (one class), a list "
               "(several labels hold), or with --problem-type regression a number. Decoders are read at their last token, encoders "
               "through their pooler. PEFT loads the result as SEQ_CLS; labels.json beside it has the names.",
    .examples = examples,
    .defaults = defaults,
    .idle = lt_cmd_train_idle,
    .run = lt_cmd_train_run,
};
