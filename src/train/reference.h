/* What a reference model thinks of every target of a data set: computed once before training, kept in a file without a name in the
 * run folder. The reference is a model of its own while it computes (the same base without the adapter that is trained, or with
 * another one), and gone before the run takes its memory: no second model is ever resident beside the first. */
#ifndef LT_TRAIN_REFERENCE_H
#define LT_TRAIN_REFERENCE_H

#include "nn/engine.h"
#include "train/token_store.h"

typedef struct lt_reference lt_reference;

typedef struct lt_reference_options {
    const char *model;   /* folder */
    const char *adapter; /* PEFT folder, or NULL: the base alone */
    const char *folder;  /* where the file lies */
    lt_compute compute;
    int threads;
    int64_t max_memory_bytes; /* 0: what is available */
    /* Called now and then with the tokens done; false stops with LT_ERR_INTERRUPTED. May be NULL. */
    bool (*progress)(int64_t done, int64_t total, void *context);
    void *context;
} lt_reference_options;

/* store is borrowed for the reference's life. */
bool lt_reference_build(lt_reference **reference, lt_token_store *store, const lt_reference_options *options, lt_error *err);
void lt_reference_close(lt_reference *reference); /* NULL is fine */

/* The log-probabilities of record's targets, in their order. */
bool lt_reference_read(lt_reference *reference, int64_t record, float *logp, lt_error *err);

#endif
