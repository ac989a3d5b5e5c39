#include "cli/output.h"

#include <stdio.h>

bool lt_output_json(json_t *value, lt_error *err)
{
    if (!value)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory while the result was put together");
    /* A failed write shows in the stream's state and is reported when the program ends. */
    json_dumpf(value, stdout, JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(value);
    return true;
}
