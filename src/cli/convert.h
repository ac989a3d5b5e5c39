/* What export and import have in common. */
#ifndef LT_CLI_CONVERT_H
#define LT_CLI_CONVERT_H

#include "api/merge.h"
#include "cli/options.h"

/* Converts options->model (the operand) to `to` at --output, with --model as the base, and reports. */
bool lt_cli_convert(lt_options *options, lt_adapter_format to, lt_error *err);

#endif
