/* One row to tokens and mask. Part of examples.c; holds the buffers that are used again from row to row. */
#ifndef LT_TEXT_EXAMPLES_ENCODE_H
#define LT_TEXT_EXAMPLES_ENCODE_H

#include "text/examples.h"
#include "text/examples_row.h"

/* Per-token marks; grows. */
typedef struct lt_examples_marks {
    uint8_t *data;
    size_t count, capacity;
} lt_examples_marks;

typedef struct lt_examples_encoder {
    lt_examples_options options;
    lt_examples_row_options row_options;
    lt_examples_counts *counts; /* borrowed */
    int32_t *specials;          /* ids of all special tokens, those that begin with byte b at [special_start[b], …) */
    size_t special_start[257];
    lt_ids ids, alone, labels, type_ids;
    lt_spans spans;
    lt_examples_marks trained;
    lt_chat_masked masked[2];
    lt_jinja_buffer plain[2];
} lt_examples_encoder;

bool lt_examples_encoder_init(lt_examples_encoder *encoder, const lt_examples_options *options,
                              lt_examples_counts *counts, lt_error *err);
void lt_examples_encoder_free(lt_examples_encoder *encoder);

/* Fills *out, whose arrays are the encoder's. keep_whole: plain text is not truncated. */
bool lt_examples_encode(lt_examples_encoder *encoder, const lt_dataset_row *row, bool keep_whole, lt_example *out,
                        lt_error *err);

/* A row of token ids (examples_ids.c). */
bool lt_examples_encode_ids(lt_examples_encoder *encoder, const lt_dataset_row *row, lt_example *out, lt_error *err);

/* Cuts the sequence that begins at `start` and is the last one to max_length; true when it was longer. keep_end: the
 * start goes; keep_last: so many tokens at its end stay. */
bool lt_examples_cut(lt_examples_encoder *encoder, size_t start, bool keep_end, size_t keep_last);

/* One mark for each id so far. */
bool lt_examples_mark_all(lt_examples_encoder *encoder, uint8_t value, lt_error *err);

/* Completes *out from the encoder's arrays and out->lengths; first tokens lose their marks to out->first, targets are counted. */
void lt_examples_finish(lt_examples_encoder *encoder, lt_example *out);

/* Whether rows of this kind are trained token by token. */
bool lt_examples_trains(lt_dataset_kind kind);

#endif
