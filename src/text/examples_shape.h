/* Examples as the rows that an objective wants: pairs, labelled sequences, single answers. */
#ifndef LT_TEXT_EXAMPLES_SHAPE_H
#define LT_TEXT_EXAMPLES_SHAPE_H

#include "objective/objective.h"
#include "text/examples.h"
#include "text/labels.h"

typedef enum lt_label_form { LT_LABEL_CLASS, LT_LABEL_NUMBERS, LT_LABEL_SET } lt_label_form;

typedef struct lt_examples_shape_options {
    const lt_objective *objective; /* its row shape, whether prompts are trained, whether it looks through a score head */
    int64_t group;                 /* LT_ROW_ANSWER: mismatched answers come from so many rows (a batch); at least 1 */
    int64_t max_length;            /* of a mismatched sequence; 0: no limit */
    lt_label_form form;            /* LT_ROW_LABEL: one class; `values` numbers; a set of classes (a list of labels, or of 0 and 1) */
    const lt_labels *labels;       /* LT_ROW_LABEL; borrowed */
    int32_t values;                /* numbers of a row; 1 with a class */
} lt_examples_shape_options;

typedef struct lt_examples_shape_counts {
    int64_t rows, given;
    int64_t one_sided; /* pairs of which an answer trains nothing: left out */
} lt_examples_shape_counts;

typedef struct lt_examples_shape lt_examples_shape;

/* The kinds of rows that a shape is made of. */
uint32_t lt_examples_shape_accepts(lt_row_shape rows);

/* examples is borrowed, and so is what options point to. */
bool lt_examples_shape_open(lt_examples_shape **shape, lt_examples *examples, const lt_examples_shape_options *options,
                            lt_error *err);
void lt_examples_shape_close(lt_examples_shape *shape); /* NULL is fine */

/* Rows of a run. A data set of pairs that are all equal is an error at its end, as one is that trains nothing. source->close
 * stays NULL. */
void lt_examples_shape_source(lt_examples_shape *shape, lt_row_source *source);
const lt_examples_shape_counts *lt_examples_shape_count(const lt_examples_shape *shape);

#endif
