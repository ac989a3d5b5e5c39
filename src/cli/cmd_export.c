/* lathe export: an adapter in the format of another program. */
#include "cli/convert.h"

static const lt_command_example examples[] = {
    {"lathe export run/ --format gguf --model SmolLM2-135M/ --output adapter.gguf", "for llama.cpp: --lora adapter.gguf"},
    {"lathe export run/ --format mlx --output mlx-adapter/", "for mlx-lm"},
    {NULL, NULL}};

static bool run(lt_options *options, lt_error *err)
{
    return lt_cli_convert(options, (lt_adapter_format)options->merge.adapter_format, err);
}

const lt_command lt_cli_export = {
    .id = LT_COMMAND_EXPORT,
    .name = "export",
    .section = "Models",
    .summary = "write an adapter for another program",
    .usage = "ADAPTER --format peft|gguf|mlx --output PATH [--model DIR|FILE]",
    .details = "Reads a LoRA adapter (PEFT or MLX folder, GGUF file) and writes it in another format. What a format cannot say is "
               "folded into the numbers: rsLoRA and alpha patterns, ranks of their own in MLX, the order of q and k in Llama GGUFs. "
               "What it cannot hold at all (DoRA or whole modules in GGUF) is an error. The result is read back and compared with "
               "the source before it counts as done.\n\n"
               "GGUF needs --model, the base: its configuration says how tensors are named and ordered.",
    .operand = "adapter",
    .examples = examples,
    .run = run,
};
