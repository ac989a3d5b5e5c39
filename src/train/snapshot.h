/* Checkpoints: RUN/checkpoint-N, complete or not there at all.
 *
 *     adapter_model.safetensors, adapter_config.json   (or model.safetensors, config.json) as the finished run has them
 *     trainer_state.json                               as transformers writes it
 *     lathe_state.zst                                  what it takes to go on with the same bytes
 *
 * The state file is one zstd frame: "lathe state 1\n", the length of the JSON (8 bytes, little-endian), the JSON, the
 * optimiser's tensors (f32, little-endian, in the order of the list: every state of the first tensor, of the second …), and
 * the XXH3 of all that. The JSON holds the caller's state, and size and XXH3 of the other files.
 *
 * A checkpoint is written under a temporary name, fsynced, renamed, and read back before older ones may go. */
#ifndef LT_TRAIN_SNAPSHOT_H
#define LT_TRAIN_SNAPSHOT_H

#include <jansson.h>

#include "adapt/param.h"
#include "core/error.h"
#include "train/optimizer.h"

typedef struct lt_snapshot_parts {
    const json_t *state;           /* the caller's own: an object */
    const lt_param_list *params;
    const lt_optimizer *optimizer;
    /* Writes the tensors and the files around them into the folder; names (NULL-terminated) are what it wrote and what is
     * checked when the checkpoint is read. */
    bool (*write)(const char *folder, void *context, lt_error *err);
    const char *const *names;
    void *context;
} lt_snapshot_parts;

/* Writes RUN/checkpoint-STEP and verifies it. On failure nothing is left of it and older checkpoints are untouched. */
bool lt_snapshot_save(const char *run, int64_t step, const lt_snapshot_parts *parts, lt_error *err);

/* Reads a checkpoint through and checks every byte of it. *state is a new reference to the caller's object. */
bool lt_snapshot_verify(const char *folder, json_t **state, lt_error *err);

/* The latest checkpoint of a run that verifies; those that do not are passed over with a warning. LT_ERR_USAGE when there
 * is none. */
bool lt_snapshot_latest(const char *run, char folder[4096], json_t **state, lt_error *err);

/* Fills the optimiser's state from a verified checkpoint. LT_ERR_FORMAT when it is not of these tensors. */
bool lt_snapshot_load(const char *folder, const lt_param_list *params, lt_optimizer *optimizer, lt_error *err);

/* Removes the oldest checkpoints until `keep` are left (0: keeps all). Never the one of `step`. */
void lt_snapshot_prune(const char *run, int64_t keep, int64_t step);

#endif
