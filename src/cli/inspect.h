/* Facts about folders that hold models, adapters and runs, as JSON. A fact that cannot be had is absent; a file that is
 * there and broken is an error. */
#ifndef LT_CLI_INSPECT_H
#define LT_CLI_INSPECT_H

#include <jansson.h>

#include "cli/tensors.h"

/* "kind" is "model", "adapter", "run" or "file"; see inspect.c for the members. *set (may stay NULL: a run without
 * weights) is the open tensors, to be closed by the caller. New reference, or NULL with *err set. */
json_t *lt_inspect(const char *path, lt_safetensors **set, lt_error *err);

#endif
