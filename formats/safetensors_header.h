/* The JSON header of one safetensors file, apart from any file, so that it can be fuzzed alone. */
#ifndef LT_FORMATS_SAFETENSORS_HEADER_H
#define LT_FORMATS_SAFETENSORS_HEADER_H

#include <jansson.h>

#include "formats/safetensors.h"

/* Parses text[0..n) and checks it against the data_bytes that follow it in the file `source`: every name once, known
 * dtypes, sizes that agree with shapes, and tensors that tile the data without overlap, hole or trailing bytes.
 * On success *infos is a malloc'ed array ordered by offset (offsets from the start of the data, shard 0) and *metadata
 * a new reference or NULL. */
bool lt_safetensors_parse_header(const char *text, size_t n, const char *source, int64_t data_bytes,
                                 lt_tensor_info **infos, int64_t *count, json_t **metadata, lt_error *err);

void lt_safetensors_free_infos(lt_tensor_info *infos, int64_t count); /* NULL is fine */

#endif
