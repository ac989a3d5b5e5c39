/* lathe report: a page with the curves of a run. */
#include <stdio.h>

#include "cli/options.h"
#include "cli/output.h"
#include "train/report.h"

static const lt_command_example examples[] = {
    {"lathe report run", "writes run/report.html, and run/runs/ for TensorBoard"},
    {NULL, NULL},
};

static bool run(lt_options *options, lt_error *err)
{
    if (!lt_report_write(options->model, err))
        return false;
    if (options->json)
        return lt_output_json(json_pack("{s:s+}", "report", options->model, "/report.html"), err);
    printf("%s/report.html\n", options->model);
    return true;
}

const lt_command lt_cli_report = {
    .id = LT_COMMAND_REPORT,
    .name = "report",
    .section = "Look",
    .summary = "a page with the curves of a run",
    .usage = "RUN",
    .details = "Writes report.html into the run folder, a page that needs nothing else: curves, summary and recipe; and runs/, the same numbers "
               "as TensorBoard's events. Runs write both themselves when they end; here it is for runs that go on or were stopped.",
    .operand = "run",
    .examples = examples,
    .run = run,
};
