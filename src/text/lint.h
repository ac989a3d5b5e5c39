/* What a data set will look like to a model: `lathe lint`. One pass, in bounded memory. */
#ifndef LT_TEXT_LINT_H
#define LT_TEXT_LINT_H

#include "text/examples.h"

typedef struct lt_lint_options {
    int64_t show;      /* so many rows are kept as the model sees them, the first ones */
    size_t show_bytes; /* of each at most; 0: 64 KiB */
    /* Called now and then with the rows done; false stops with LT_ERR_INTERRUPTED; may be NULL. */
    bool (*progress)(int64_t rows, void *context);
    void *context;
} lt_lint_options;

/* Text that is trained, or that is not. Special tokens that the tokenizer adds by itself are spelt out. */
typedef struct lt_lint_piece {
    char *text; /* NUL-terminated; may hold control characters */
    size_t size;
    bool trained;
} lt_lint_piece;

typedef struct lt_lint_shown {
    char path[256]; /* cut where it is longer */
    int64_t line;
    lt_dataset_kind kind;
    int32_t sequence; /* 0, or 1: the rejected answer */
    int32_t tokens;
    int64_t targets;
    bool cut; /* the row goes on */
    lt_lint_piece *pieces;
    size_t count;
} lt_lint_shown;

typedef struct lt_lint_report {
    lt_examples_counts counts;
    int64_t kinds[LT_DATASET_KINDS];        /* rows of each kind */
    int64_t shortest, median, p95, longest; /* tokens of a sequence as trained; medians above 65,536 are within 2 % */
    int64_t duplicates;                     /* examples with the same tokens as an earlier one */
    bool duplicates_complete;               /* false: only the first LT_LINT_HASHES_MAX examples were remembered */
    char first_duplicate[256], duplicate_of[256]; /* "file:line", or "" */
    json_t *labels; /* labelled rows: how often each label occurs, at most LT_LINT_LABELS_MAX of them; NULL without; owned */
    lt_lint_shown *shown;
    size_t shown_count;
} lt_lint_report;

enum { LT_LINT_HASHES_MAX = 1 << 21, LT_LINT_LABELS_MAX = 64 };

/* Reads all examples. A data set that is well-formed but bad is a report, not an error; see lt_lint_failed. On failure
 * the report is empty. */
bool lt_lint_run(lt_examples *examples, const lt_tokenizer *tokenizer, const lt_lint_options *options,
                 lt_lint_report *report, lt_error *err);
void lt_lint_free(lt_lint_report *report);

/* True when lint should fail: *err then says why (rows that train nothing, with their number and the first place). */
bool lt_lint_failed(const lt_lint_report *report, lt_error *err);

#endif
