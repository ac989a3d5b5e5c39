/* A model folder in the making: written in a folder beside it that is renamed at the end, so that it appears whole or not at
 * all. */
#ifndef LT_MODELS_NEW_FOLDER_H
#define LT_MODELS_NEW_FOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

enum { LT_SHARD_NAME = 64 };

typedef struct lt_new_folder {
    char output[4000]; /* its name, without a slash at the end */
    char folder[4096]; /* where everything is written until it is complete; empty: not begun */
} lt_new_folder;

/* output may exist if it is empty. bytes: of the weights to come; a disk without room for them is an error. */
bool lt_new_folder_begin(lt_new_folder *folder, const char *output, int64_t bytes, lt_error *err);

/* JSON as transformers writes it: two spaces and a newline at the end. */
bool lt_new_folder_write_json(const char *folder, const char *name, const json_t *root, bool sorted, lt_error *err);

/* "model.safetensors", or "model-00001-of-00002.safetensors" for shard 0 of 2. */
void lt_new_folder_shard_name(int shard, int shards, char out[LT_SHARD_NAME]);

bool lt_new_folder_publish(lt_new_folder *folder, lt_error *err);
void lt_new_folder_abandon(lt_new_folder *folder); /* removes what was written; harmless when not begun or published */

#endif
