/* lathe init: a model with random weights. */
#include <stdio.h>

#include "cli/console.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/stop.h"
#include "cli/terminal.h"
#include "models/init.h"

static const lt_command_example examples[] = {
    {"lathe init --config config.json --output new/", "weights in the type that config.json names"},
    {"lathe init --config SmolLM2-135M-Instruct --output fresh/ --dtype bf16 --seed 7",
     "the shape and the tokenizer of another model"},
    {NULL, NULL},
};

static bool show_progress(int64_t done, int64_t total, void *context)
{
    const volatile sig_atomic_t *stop = context;
    char text[128], a[LT_FIGURE], b[LT_FIGURE];
    if (lt_terminal_is_live()) {
        snprintf(text, sizeof text, "writing  %s of %s", lt_figure_bytes(done, a), lt_figure_bytes(total, b));
        lt_console_status(text);
    }
    return !*stop;
}

/* The words of --dtype, in the table's order. */
static lt_dtype dtype_of(int choice)
{
    static const lt_dtype types[] = {LT_DTYPE_COUNT, LT_DTYPE_F32, LT_DTYPE_BF16, LT_DTYPE_F16};
    return types[choice];
}

static bool run(lt_options *options, lt_error *err)
{
    lt_init_options init = {.config = options->model_config,
                            .output = options->train.output,
                            .dtype = dtype_of(options->dtype),
                            .seed = (uint64_t)options->train.seed,
                            .progress = show_progress,
                            .context = (void *)lt_stop_watch("stopping; nothing is left behind")};
    lt_init_result result;
    bool ok = lt_init_create(&init, &result, err);
    lt_console_clear_status();
    if (!ok)
        return false;
    if (options->json)
        return lt_output_json(json_pack("{s:s, s:I, s:I, s:i, s:s}", "output", init.output, "parameters",
                                        (json_int_t)result.parameters, "bytes", (json_int_t)result.bytes, "files",
                                        result.shards, "dtype", lt_dtype_get(result.dtype)->name),
                              err);
    char parameters[LT_FIGURE], bytes[LT_FIGURE];
    printf("%s: %s parameters, %s in %d file%s, %s\n", init.output,
           lt_figure_count((double)result.parameters, parameters), lt_figure_bytes(result.bytes, bytes), result.shards,
           result.shards == 1 ? "" : "s", lt_dtype_get(result.dtype)->name);
    return true;
}

const lt_command lt_cli_init = {
    .id = LT_COMMAND_INIT,
    .name = "init",
    .section = "Models",
    .summary = "make a model with random weights from a configuration",
    .usage = "--config FILE --output DIR",
    .details = "Writes a model folder with random weights, as transformers initialises them, for `lathe pretrain` or "
               "for measuring. "
               "The configuration is a config.json, or a folder that has one; tokenizer files beside it are copied. "
               "Memory does "
               "not grow with the model.",
    .examples = examples,
    .run = run,
};
