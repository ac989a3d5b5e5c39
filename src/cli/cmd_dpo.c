/* lathe dpo: training on preferences. */
#include "cli/cmd_train.h"

static const lt_command_example examples[] = {
    {"lathe dpo --model SmolLM2-135M-Instruct --data pairs.jsonl --output run/", "DPO with a LoRA adapter; the reference is the base"},
    {"lathe dpo --model SmolLM2-135M-Instruct --adapter sft/ --ref-adapter sft/ --data pairs.jsonl --output run/",
     "go on with an adapter, which is the reference as well"},
    {"lathe dpo --model SmolLM2-135M-Instruct --loss-type simpo --beta 2 --simpo-gamma 1 --data pairs.jsonl --output run/",
     "SimPO: no reference model"},
    {"lathe dpo --model SmolLM2-135M-Instruct --loss-type kto --data rated.jsonl --output run/",
     "KTO: single answers with a label true or false"},
    {NULL, NULL},
};

static void defaults(lt_options *options)
{
    lathe_train_options_init(&options->train, "dpo", NULL);
}

const lt_command lt_cli_dpo = {
    .id = LT_COMMAND_DPO,
    .name = "dpo",
    .section = "Train",
    .summary = "train on preferences: DPO and its kin, ORPO, CPO, SimPO, KTO",
    .usage = "--model DIR --data FILE... --output DIR",
    .details =
        "Rows are pairs {\"chosen\", \"rejected\"} with or without a \"prompt\" (strings or messages), {\"conversations\", \"chosen\", "
        "\"rejected\"}, or {\"prompt_ids\", \"chosen_ids\", \"rejected_ids\"}; for kto and apo_zero_unpaired single answers, "
        "{\"prompt\", \"completion\", \"label\"} or {\"messages\", \"label\"} with a label of true or false.\n\n"
        "The reference is the base without the adapter that is trained, or with --ref-adapter. Its log-probabilities are computed once, "
        "before training, and kept in a temporary file of the run folder. Losses are TRL's --loss-type: sigmoid, hinge, ipo, robust, "
        "sigmoid_norm (length-normalised), exo_pair, nca_pair, bco_pair, sppo_hard, apo_zero, apo_down, discopop; without a "
        "reference orpo, cpo, cpo_hinge, cpo_ipo, simpo; for single answers kto, apo_zero_unpaired.",
    .examples = examples,
    .defaults = defaults,
    .idle = lt_cmd_train_idle,
    .run = lt_cmd_train_run,
};
