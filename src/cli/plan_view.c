#include "cli/plan_view.h"

#include <string.h>

#include "cli/terminal.h"

static void print_bytes(FILE *out, const char *purpose, int64_t bytes)
{
    char figure[LT_FIGURE];
    if (bytes > 0)
        fprintf(out, "  %-22s%12s\n", purpose, lt_figure_bytes(bytes, figure));
}

static void heading(FILE *out, const char *text)
{
    fprintf(out, "%s%s%s\n", lt_style_on(out, LT_STYLE_BOLD), text, lt_style_off(out));
}

static const char *explain(const char *mode)
{
    static const char *const words[][2] = {
        {"keep-all", "all activations are kept, nothing is computed twice"},
        {"keep-attention", "the feed-forward part of each layer is computed again on the way back"},
        {"recompute", "each layer is computed again on the way back"},
        {"mixed", "some layers keep more than others"},
        {"forward", "forward passes only"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], mode) == 0)
            return words[i][1];
    return mode;
}

void lt_plan_view_print(const lt_plan *plan, FILE *out)
{
    char a[LT_FIGURE], b[LT_FIGURE];
    const lt_plan_bytes *bytes = &plan->bytes;
    heading(out, "memory");
    print_bytes(out, "program and threads", bytes->process);
    print_bytes(out, "trained tensors", bytes->parameters);
    print_bytes(out, "gradients", bytes->gradients);
    print_bytes(out, "optimiser", bytes->optimizer);
    print_bytes(out, "window of weights", bytes->weights);
    print_bytes(out, "activations", bytes->activations);
    print_bytes(out, "workspace", bytes->workspace);
    print_bytes(out, "data", bytes->data);
    print_bytes(out, "teacher", bytes->teacher);
    print_bytes(out, "saving", bytes->saving);
    fprintf(out, "  %-22s%s%12s%s  of %s\n", "peak", lt_style_on(out, LT_STYLE_BOLD),
            lt_figure_bytes(plan->peak_bytes, a), lt_style_off(out), lt_figure_bytes(plan->limit_bytes, b));
    heading(out, "a step");
    fprintf(out, "  %-22s%12s  of them trained %s\n", "tokens", lt_figure_count(plan->extent.mean_tokens, a),
            lt_figure_count(plan->extent.mean_targets, b));
    if (plan->extent.mean_passes > 1)
        fprintf(out, "  %-22s%12.1f\n", "passes", plan->extent.mean_passes);
    if (plan->seconds_per_step > 0)
        fprintf(out, "  %-22s%12s  at %.0f GFLOP/s\n", "time", lt_figure_seconds(plan->seconds_per_step, a),
                plan->flops_per_second / 1e9);
    if (plan->seconds_per_cached_step > 0)
        fprintf(out, "  %-22s%12s  once the frozen blocks' output is on disk\n", "", lt_figure_seconds(plan->seconds_per_cached_step, a));
    if (plan->frozen_cache_bytes > 0)
        fprintf(out, "  %-22s%12s  at most, on disk, for the output of the frozen blocks\n", "cache",
                lt_figure_bytes(plan->frozen_cache_bytes, a));
    fprintf(out, "  %-22s%12s\n", "read from disk", lt_figure_bytes(plan->bytes_read_per_step, a));
    fprintf(out, "  %-22s%12s  %s\n", "mode", plan->mode, explain(plan->mode));
}
