#include "cli/convert.h"

#include <stdio.h>

#include "cli/output.h"

bool lt_cli_convert(lt_options *options, lt_adapter_format to, lt_error *err)
{
    lt_convert_result r;
    if (!lt_api_convert(options->merge.source, options->train.model, to, options->train.output, &r, err))
        return false;
    if (options->json)
        return lt_output_json(json_pack("{s:s, s:s, s:s, s:i, s:f}", "output", options->train.output, "from",
                                        lt_adapter_format_name(r.from), "to", lt_adapter_format_name(r.to), "modules", r.modules,
                                        "largest_deviation", r.largest_deviation),
                              err);
    printf("%s: %d adapted layers, %s to %s\n", options->train.output, r.modules, lt_adapter_format_name(r.from),
           lt_adapter_format_name(r.to));
    printf("  checked     read back and compared layer by layer: at most %.2g apart\n", r.largest_deviation);
    return true;
}
