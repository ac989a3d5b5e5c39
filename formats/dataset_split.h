/* Where one row of a data file ends and the next begins. Part of dataset.c. */
#ifndef LT_FORMATS_DATASET_SPLIT_H
#define LT_FORMATS_DATASET_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "formats/dataset.h"
#include "formats/dataset_source.h"

typedef enum lt_dataset_split_mode {
    LT_DATASET_SPLIT_LINES,
    LT_DATASET_SPLIT_ARRAY,
    LT_DATASET_SPLIT_TEXT
} lt_dataset_split_mode;

typedef struct lt_dataset_split {
    lt_dataset_source *source; /* borrowed */
    lt_dataset_split_mode mode;
    lt_dataset_sample_by sample_by;
    bool after_row; /* array: a comma or the end must come next */
    bool inside;    /* text: the document goes on */
    char *copy;     /* text rows without carriage returns */
    size_t copy_capacity;
} lt_dataset_split;

/* One row's bytes, borrowed until the next call. */
typedef struct lt_dataset_piece {
    const char *data;
    size_t size;
    int64_t line;
    bool begins, ends; /* of its document */
} lt_dataset_piece;

/* Chooses the mode from the source's name and first bytes. */
bool lt_dataset_split_open(lt_dataset_split *split, lt_dataset_source *source, lt_dataset_sample_by sample_by,
                           lt_error *err);
void lt_dataset_split_close(lt_dataset_split *split);

/* The next row's bytes, blank lines skipped; *end instead when there are no more. */
bool lt_dataset_split_next(lt_dataset_split *split, lt_dataset_piece *piece, bool *end, lt_error *err);

/* Goes behind a row that was read before; offset > 0. */
bool lt_dataset_split_seek(lt_dataset_split *split, int64_t offset, int64_t line, bool inside, lt_error *err);

/* More about a row that is no valid JSON, or "". */
const char *lt_dataset_split_hint(const lt_dataset_split *split, const lt_dataset_piece *piece);

#endif
