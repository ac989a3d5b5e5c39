/* lathe import: an adapter of another program as a PEFT folder. */
#include "cli/convert.h"

static const lt_command_example examples[] = {
    {"lathe import mlx-adapter/ --output adapter/", "what mlx-lm trained"},
    {"lathe import adapter.gguf --model SmolLM2-135M/ --output adapter/", "a LoRA of llama.cpp"},
    {NULL, NULL}};

static bool run(lt_options *options, lt_error *err)
{
    return lt_cli_convert(options, LT_ADAPTER_PEFT, err);
}

const lt_command lt_cli_import = {
    .id = LT_COMMAND_IMPORT,
    .name = "import",
    .section = "Models",
    .summary = "turn an adapter of another program into a PEFT folder",
    .usage = "SOURCE --output DIR [--model DIR|FILE]",
    .details = "Reads a LoRA adapter out of an MLX folder (adapters.safetensors) or a GGUF file and writes adapter_model.safetensors "
               "and adapter_config.json as PEFT has them. A GGUF adapter needs --model, its base. The result is read back and compared "
               "with the source.\n\n"
               "Training, eval, generate and merge take such adapters as they are, too.",
    .operand = "adapter",
    .examples = examples,
    .run = run,
};
