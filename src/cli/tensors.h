/* The tensors of a file, put together by what they are: the same tensor of every layer is one line. */
#ifndef LT_CLI_TENSORS_H
#define LT_CLI_TENSORS_H

#include <jansson.h>
#include <stdio.h>

#include "formats/safetensors.h"

typedef struct lt_tensor_group {
    char *pattern; /* name with the number of the layer as "*", and that of an expert too */
    lt_dtype dtype;
    int dims;
    int64_t shape[LT_MAX_DIMS];
    int64_t first, last;  /* layers; -1 when the name has no number */
    int64_t count, bytes; /* tensors, and their bytes */
} lt_tensor_group;

typedef struct lt_tensor_groups {
    lt_tensor_group *items; /* in the order of their first tensors */
    int count, capacity;
} lt_tensor_groups;

bool lt_tensor_groups_make(lt_tensor_groups *groups, const lt_safetensors *set, lt_error *err);
void lt_tensor_groups_free(lt_tensor_groups *groups);

/* A table for people: name, type, shape, how many, size. */
void lt_tensor_groups_print(const lt_tensor_groups *groups, FILE *out);

/* Every tensor: [{"name", "dtype", "shape", "bytes", "file"}, …]. New reference. */
json_t *lt_tensors_json(const lt_safetensors *set);

/* "BF16", or "BF16 and F32". Returns out. */
const char *lt_tensors_dtypes(const lt_safetensors *set, char out[64]);

#endif
