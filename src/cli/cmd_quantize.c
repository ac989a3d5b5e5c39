/* lathe quantize: a model with its linear layers in 4 or 8 bits. */
#include <stdio.h>

#include "cli/console.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/stop.h"
#include "cli/terminal.h"
#include "models/quantize.h"

static const lt_command_example examples[] = {
    {"lathe quantize --model SmolLM2-135M-Instruct --output smol-nf4/", "NF4: 4.1 bits a weight"},
    {"lathe quantize --model Qwen2.5-0.5B --output qwen-int8/ --type int8", "8 bits, a scale per row"},
    {NULL, NULL},
};

static bool show_progress(int64_t done, int64_t total, void *context)
{
    const volatile sig_atomic_t *stop = context;
    char text[128], a[LT_FIGURE], b[LT_FIGURE];
    if (lt_terminal_is_live()) {
        snprintf(text, sizeof text, "quantising  %s of %s", lt_figure_bytes(done, a), lt_figure_bytes(total, b));
        lt_console_status(text);
    }
    return !*stop;
}

static bool run(lt_options *options, lt_error *err)
{
    static const lt_dtype types[] = {LT_DTYPE_NF4, LT_DTYPE_I8}; /* the words of --type, in the table's order */
    static const char *const names[] = {"nf4", "int8"};
    lt_quantize_options quantize = {.model = options->model,
                                    .output = options->train.output,
                                    .type = types[options->quant_type],
                                    .progress = show_progress,
                                    .context = (void *)lt_stop_watch("stopping; nothing is left behind")};
    lt_quantize_result result;
    bool ok = lt_quantize_run(&quantize, &result, err);
    lt_console_clear_status();
    if (!ok)
        return false;
    if (options->json)
        return lt_output_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:i}", "output", quantize.output, "type", names[options->quant_type],
                                        "matrices", (json_int_t)result.quantised, "bytes_before", (json_int_t)result.bytes_before,
                                        "bytes", (json_int_t)result.bytes, "files", result.shards),
                              err);
    char before[LT_FIGURE], after[LT_FIGURE];
    printf("%s: %lld matrices as %s, %s instead of %s in %d file%s\n", quantize.output, (long long)result.quantised,
           names[options->quant_type], lt_figure_bytes(result.bytes, after), lt_figure_bytes(result.bytes_before, before),
           result.shards, result.shards == 1 ? "" : "s");
    return true;
}

const lt_command lt_cli_quantize = {
    .id = LT_COMMAND_QUANTIZE,
    .name = "quantize",
    .section = "Models",
    .summary = "write a model with its linear layers in 4 or 8 bits",
    .usage = "--model DIR --output DIR",
    .details = "Writes a model folder whose linear layers are quantised as bitsandbytes does: nf4 in blocks of 64 with doubly "
               "quantised scales, or int8 with a scale per row. Embeddings, norms and the head stay as they are. The folder trains "
               "adapters, evaluates and generates like any other; transformers loads it with bitsandbytes. "
               "Memory does not grow with the model.",
    .examples = examples,
    .run = run,
};
