/* What a classifier is trained on: its labels, found in the model, in an adapter's folder, in the options or in the data. */
#ifndef LT_API_LABELS_H
#define LT_API_LABELS_H

#include "core/error.h"
#include "lathe.h"
#include "objective/objective.h"
#include "text/examples_shape.h"

typedef struct lt_api_labels {
    lt_labels names;
    lt_label_form form;
    int32_t values;       /* numbers of a row */
    float *class_weights; /* (names.count), owned; NULL: all 1 */
    int32_t pad_id;       /* what the classifier was trained with; -1: not known */
} lt_api_labels;

enum { LT_LABELS_FILE_BYTES = 1 << 20 };
#define LT_LABELS_FILE "labels.json" /* beside a SEQ_CLS adapter: {"id2label", "label2id", "problem_type", "pad_token_id"} */

/* For training: names and class weights as options say, or as the data has them. */
bool lt_api_labels_open(lt_api_labels *labels, const lathe_train_options *options, lt_error *err);

/* For using a trained one: from the adapter's folder, or else the model's; names.count 0 when neither says. */
bool lt_api_labels_known(lt_api_labels *labels, const char *model, const char *adapter, lt_error *err);
void lt_api_labels_free(lt_api_labels *labels);

const lt_objective *lt_api_labels_objective(const lt_api_labels *labels);

/* {"id2label", "label2id", "problem_type", "pad_token_id"}. New reference. */
json_t *lt_api_labels_json(const lt_api_labels *labels, int32_t pad_id);

#endif
