/* The folder of a run: who may write there, and the files that are not tensors.
 *
 *     metrics.jsonl   a row per logged step, appended whole; fsynced at checkpoints
 *     recipe.yaml  summary.json  trainer_state.json    replaced as a whole
 *
 * An existing run is never written over by accident. With overwrite its files are set aside in OUTPUT/.previous when the
 * new run starts; they come back when the new one fails before it has saved anything, and go when it is finished. */
#ifndef LT_TRAIN_RUN_FOLDER_H
#define LT_TRAIN_RUN_FOLDER_H

#include <jansson.h>

#include "core/error.h"

typedef struct lt_run_folder {
    char path[4096];
    int lock;       /* descriptor of the folder, locked: one run at a time */
    int metrics;    /* metrics.jsonl, -1 until started */
    bool made;      /* the folder did not exist before: removed again when nothing was written */
    bool started;   /* recipe and metrics are this run's */
    bool aside;     /* an earlier run lies in .previous */
    bool kept;      /* something worth keeping was saved: no going back to the earlier run */
} lt_run_folder;

typedef enum lt_run_mode { LT_RUN_NEW, LT_RUN_OVERWRITE, LT_RUN_RESUME } lt_run_mode;

/* Makes and locks the folder; writes nothing yet. LT_ERR_USAGE when a run is there and mode is LT_RUN_NEW, or when another
 * process runs there. */
bool lt_run_folder_open(lt_run_folder *folder, const char *path, lt_run_mode mode, lt_error *err);

/* The run begins: sets an earlier run aside (LT_RUN_OVERWRITE), writes recipe.yaml (recipe may be NULL), opens
 * metrics.jsonl; when resuming, its rows after `step` are dropped. */
bool lt_run_folder_start(lt_run_folder *folder, lt_run_mode mode, const json_t *recipe, int64_t step, lt_error *err);

/* Appends one row. Numbers have 12 digits. */
bool lt_run_folder_log(lt_run_folder *folder, const json_t *row, lt_error *err);

/* metrics.jsonl on disk. */
bool lt_run_folder_sync(lt_run_folder *folder, lt_error *err);

/* Something was saved that must not be thrown away with the run. */
void lt_run_folder_keep(lt_run_folder *folder);

/* finished: the earlier run, if any, is removed. Otherwise, when nothing was kept, the folder is as it was before. */
void lt_run_folder_close(lt_run_folder *folder, bool finished);

/* Replaces folder/name with JSON text, indented. */
bool lt_run_folder_write_json(const char *folder, const char *name, const json_t *value, lt_error *err);

/* True for a folder that holds a run or parts of one. */
bool lt_run_folder_is_run(const char *path);

/* Removes the files of a checkpoint (or a half-written one), and the folder if nothing else is in it. */
void lt_run_folder_remove_checkpoint(const char *path);

/* Removes what a process left that was killed while it saved. */
void lt_run_folder_remove_unfinished(const char *path);

/* The steps of the checkpoint folders in a run, ascending; *steps is malloc'ed (NULL when there are none). */
int64_t lt_run_folder_checkpoints(const char *path, int64_t **steps);

/* True for "checkpoint-12"; *step is 12 then. */
bool lt_run_folder_checkpoint_name(const char *name, int64_t *step);

#endif
