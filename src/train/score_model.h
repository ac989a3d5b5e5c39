/* Numbers for sequences of tokens from a trained classifier or reward model: a base with a SEQ_CLS adapter, or a
 * ForSequenceClassification folder. */
#ifndef LT_TRAIN_SCORE_MODEL_H
#define LT_TRAIN_SCORE_MODEL_H

#include "nn/engine.h"

typedef struct lt_score_model lt_score_model;

typedef struct lt_score_model_options {
    const char *model;   /* folder */
    const char *adapter; /* PEFT folder with a head of its own, or NULL: the model has one */
    lt_compute compute;
    int threads;
    int64_t max_T;            /* tokens that pass at once: the longest sequence at least */
    int64_t max_memory_bytes; /* 0: what is available */
    int32_t pad_id;           /* the head reads the last token that is not this one; -1: the model's own */
} lt_score_model_options;

bool lt_score_model_open(lt_score_model **scorer, const lt_score_model_options *options, lt_error *err);
void lt_score_model_close(lt_score_model *scorer); /* NULL is fine */

int64_t lt_score_model_outputs(const lt_score_model *scorer); /* N: 1 of a reward model, else the number of classes */

/* score (sequences, N) of sequences that stand behind one another in ids. Each has a token at least; one longer than max_T is an
 * error. */
bool lt_score_model_score(lt_score_model *scorer, const int32_t *ids, const int32_t *lengths, int64_t sequences, float *score, lt_error *err);

/* How many outputs the head of a PEFT adapter has; 0: it has no head. */
bool lt_score_model_adapter_outputs(const char *adapter, int64_t *outputs, lt_error *err);

#endif
