/* Internal to sampling.c and sampling_write.c. */
#ifndef LT_RL_SAMPLING_INTERNAL_H
#define LT_RL_SAMPLING_INTERNAL_H

#include <stdio.h>

#include "rl/sampling.h"

enum { LT_SAMPLING_FILES = 3 }; /* sft, preferences, samples */

/* The folder that is written. */
typedef struct lt_sampling_folder {
    const char *path;
    FILE *files[LT_SAMPLING_FILES];
    int lock;
    int64_t rows; /* of the data, that are done */
} lt_sampling_folder;

/* Opens a new folder, or one to go on with: then rows and *result are as they were left. */
bool lt_sampling_folder_open(lt_sampling_folder *folder, const lt_sampling_request *request, lt_sampling_result *result, lt_error *err);
void lt_sampling_folder_close(lt_sampling_folder *folder);

/* Everything written so far is on disk, and state.json says so. */
bool lt_sampling_folder_keep(lt_sampling_folder *folder, const lt_sampling_request *request, const lt_sampling_result *result, lt_error *err);

/* The rows of one prompt with its n answers. Adds to the counts. */
bool lt_sampling_write(lt_sampling_folder *folder, const lt_sampling_request *request, const lt_scorer *scorer, const lt_prompt *prompt,
                       const lt_rollout_answer *const *answers, const char *const *texts, const size_t *sizes, const double *scores,
                       const double *parts, int64_t parts_stride, int64_t n, lt_sampling_result *result, lt_error *err);

#endif
