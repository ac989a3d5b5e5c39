/* Results on standard output. */
#ifndef LT_CLI_OUTPUT_H
#define LT_CLI_OUTPUT_H

#include <jansson.h>

#include "core/error.h"

/* One JSON value and a newline; takes the reference. LT_ERR_MEMORY when it is NULL. */
bool lt_output_json(json_t *value, lt_error *err);

#endif
