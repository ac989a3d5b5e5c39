/* lathe merge: base and adapters become one model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/merge.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/stop.h"
#include "cli/terminal.h"

static const lt_command_example examples[] = {
    {"lathe merge --model SmolLM2-135M/ --adapter run/ --output merged/", "a Hugging Face folder"},
    {"lathe merge --model model.gguf --adapter run/ --output merged.gguf --format gguf", "a GGUF file for llama.cpp"},
    {"lathe merge --model base/ --adapter a/ b/ --weights 0.7 0.3 --combination ties --density 0.5 --output merged/",
     "two adapters as one"},
    {NULL, NULL}};

static bool show_progress(int64_t done, int64_t total, void *context)
{
    const volatile sig_atomic_t *stop = context;
    char text[128], a[LT_FIGURE], b[LT_FIGURE];
    if (lt_terminal_is_live()) {
        snprintf(text, sizeof text, "merging  %s of %s", lt_figure_bytes(done, a), lt_figure_bytes(total, b));
        lt_console_status(text);
    }
    return !*stop;
}

static bool read_weights(const lt_strings *from, int adapters, double **out, lt_error *err)
{
    *out = NULL;
    if (from->count == 0)
        return true;
    if (from->count != adapters)
        return lt_error_set(err, LT_ERR_USAGE, "--weights: expected one for each of %d adapters, found %d", adapters, from->count);
    double *weights = malloc((size_t)adapters * sizeof *weights);
    if (!weights)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int i = 0; i < adapters; i++) {
        char *end;
        weights[i] = strtod(from->items[i], &end);
        if (*end || end == from->items[i] || !(weights[i] > -1e30 && weights[i] < 1e30)) {
            free(weights);
            return lt_error_set(err, LT_ERR_USAGE, "--weights: expected a number, found \"%.60s\"", from->items[i]);
        }
    }
    *out = weights;
    return true;
}

static void report(const lt_merge_options *merge, const lt_merge_result *r)
{
    char size[LT_FIGURE];
    printf("%s: %lld of %lld tensors merged, %s in %d file%s, %s\n", merge->output, (long long)r->merged, (long long)r->tensors,
           lt_figure_bytes(r->bytes, size), r->files, r->files == 1 ? "" : "s", r->dtype);
    if (r->largest_rounding > 0)
        printf("  rounding    sums are formed in F32 and rounded once to %s: at most %.2g of a matrix' largest value\n", r->dtype,
               r->largest_rounding);
}

static bool run(lt_options *options, lt_error *err)
{
    static const lt_dtype dtypes[] = {LT_DTYPE_COUNT, LT_DTYPE_F32, LT_DTYPE_F16, LT_DTYPE_BF16, LT_DTYPE_Q8_0};
    lt_merge_options merge = {.model = options->train.model,
                              .adapters = options->merge.adapters.items,
                              .adapter_count = options->merge.adapters.count,
                              .combination = (lt_combination)options->merge.combination,
                              .density = options->merge.density,
                              .seed = (uint64_t)options->train.seed,
                              .output = options->train.output,
                              .gguf = options->merge.format == 1,
                              .dtype = dtypes[options->merge.dtype],
                              .progress = show_progress,
                              .context = (void *)lt_stop_watch("stopping; nothing is left behind")};
    lt_merge_result result;
    double *weights;
    if (!merge.gguf && merge.dtype == LT_DTYPE_Q8_0)
        return lt_error_set(err, LT_ERR_USAGE, "--dtype q8_0 goes with --format gguf");
    if (!read_weights(&options->merge.weights, merge.adapter_count, &weights, err))
        return false;
    merge.weights = weights;
    bool ok = lt_api_merge(&merge, &result, err);
    free(weights);
    lt_console_clear_status();
    if (!ok)
        return false;
    if (!options->json) {
        report(&merge, &result);
        return true;
    }
    return lt_output_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:i, s:s, s:f, s:b}", "output", merge.output, "format",
                                    merge.gguf ? "gguf" : "safetensors", "tensors", (json_int_t)result.tensors, "merged",
                                    (json_int_t)result.merged, "bytes", (json_int_t)result.bytes, "files", result.files, "dtype",
                                    result.dtype, "largest_rounding", result.largest_rounding, "untied", (int)result.untied),
                          err);
}

const lt_command lt_cli_merge = {
    .id = LT_COMMAND_MERGE,
    .name = "merge",
    .section = "Models",
    .summary = "put adapters into the model they were trained on",
    .usage = "--model DIR|FILE [--adapter DIR…] --output DIR|FILE",
    .details = "Writes a model folder, or with --format gguf one file, that needs no adapter any more. Adapters may be PEFT or MLX "
               "folders or GGUF files. Sums are formed in F32 and rounded once, to the nearest of the type that is written. Memory "
               "does not grow with the model: a few rows of one matrix are held at a time.\n\n"
               "Several adapters are added up, each times its weight. The other ways of combining them are those of PEFT's "
               "add_weighted_adapter.",
    .examples = examples,
    .run = run,
};
