/* The labels of a classifier: names in the order of their numbers. */
#ifndef LT_TEXT_LABELS_H
#define LT_TEXT_LABELS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "core/error.h"

enum { LT_LABELS_MAX = 4096 };

typedef struct lt_labels {
    char **names; /* owned */
    int32_t count;
} lt_labels;

/* From config.json's id2label {"0": "negative", …}: every number from 0 on once. */
bool lt_labels_read(lt_labels *labels, const json_t *id2label, const char *source, lt_error *err);
/* LABEL_0, LABEL_1 …, as transformers calls those without names. */
bool lt_labels_number(lt_labels *labels, int32_t count, lt_error *err);

/* Collects the labels of a data set: start from zeros, call lt_labels_see for each row's, then lt_labels_settle. Strings become names in
 * alphabetical order; whole numbers n stand for themselves, with names LABEL_0 … LABEL_max. Both together are an error. */
typedef struct lt_labels_seen {
    json_t *names;    /* object: string labels as keys */
    int64_t greatest; /* whole number, plus 1; 0: none */
} lt_labels_seen;
bool lt_labels_see(lt_labels_seen *seen, const json_t *label, const char *where, lt_error *err);
bool lt_labels_settle(lt_labels_seen *seen, lt_labels *labels, lt_error *err); /* frees seen, also when it fails */

/* The number of a label: a name, or a whole number below count. `where` begins the error. */
bool lt_labels_find(const lt_labels *labels, const json_t *label, const char *where, int32_t *number, lt_error *err);

/* {"0": name, …} and {name: 0, …}. New references. */
json_t *lt_labels_id2label(const lt_labels *labels);
json_t *lt_labels_label2id(const lt_labels *labels);

void lt_labels_free(lt_labels *labels);

#endif
