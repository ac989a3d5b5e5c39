/* trainer_state.json, as transformers' TrainerState writes and reads it: no key of our own in it, its loader refuses
 * unknown ones. (https://github.com/huggingface/transformers, trainer_callback.py, version 5.23) */
#ifndef LT_TRAIN_TRAINER_STATE_H
#define LT_TRAIN_TRAINER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

typedef struct lt_trainer_state {
    int64_t global_step, max_steps, num_train_epochs;
    int64_t logging_steps, eval_steps, save_steps, train_batch_size;
    int64_t tokens_seen;
    double epoch, total_flos;
} lt_trainer_state;

/* Writes folder/trainer_state.json. Its log_history is made from the rows of metrics (the run's metrics.jsonl) up to the
 * global step, one at a time. */
bool lt_trainer_state_write(const lt_trainer_state *state, const char *folder, const char *metrics, lt_error *err);

#endif
