/* The state file of a checkpoint, and checksums of files. Internal to the snapshot; the format is in snapshot.h. */
#ifndef LT_TRAIN_SNAPSHOT_STATE_H
#define LT_TRAIN_SNAPSHOT_STATE_H

#include <jansson.h>

#include "adapt/param.h"
#include "core/error.h"
#include "train/optimizer.h"

typedef struct lt_file_digest {
    int64_t bytes;
    char hex[17]; /* XXH3, 64 bits */
} lt_file_digest;

bool lt_snapshot_digest(const char *path, lt_file_digest *digest, lt_error *err);

/* Writes head (its "tensors" are added) and the optimiser's state. */
bool lt_snapshot_state_write(const char *path, json_t *head, const lt_param_list *params, const lt_optimizer *optimizer,
                             lt_error *err);

/* Reads the file to its end and checks it. With params NULL the tensors are only checked; otherwise they must be those of
 * the list, and fill the optimiser's state. *head is a new reference. */
bool lt_snapshot_state_read(const char *path, json_t **head, const lt_param_list *params, lt_optimizer *optimizer,
                            lt_error *err);

#endif
