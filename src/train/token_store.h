/* All rows of a data set as tokens, on disk: a temporary file in the run folder that has no name, so it is gone with the
 * process. Memory is a few buffers, whatever the number of rows.
 *
 * A record is what one "row" of a batch is: a row of the data; or with packing a block, several rows whose sequences
 * stay apart; or a piece of a long stream of text. */
#ifndef LT_TRAIN_TOKEN_STORE_H
#define LT_TRAIN_TOKEN_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/error.h"
#include "core/rows.h"
#include "train/masking.h"

typedef enum lt_packing {
    LT_PACKING_NONE,   /* a record is a row */
    LT_PACKING_ROWS,   /* whole rows while they fit into max_length together; their sequences stay apart */
    LT_PACKING_STREAM, /* rows of one sequence, joined and cut every max_length tokens without regard to their ends */
    LT_PACKING_BLOCKS, /* the same cuts, but a sequence ends where its row ends */
} lt_packing;

typedef struct lt_token_store lt_token_store;

/* Totals, known once the store is built. */
typedef struct lt_token_totals {
    int64_t rows;             /* as the source gave them */
    int64_t records;
    int64_t tokens, targets;
    int64_t longest_record;   /* tokens */
    int64_t longest_sequence; /* tokens */
    int64_t most_sequences;   /* of a record */
    bool in_place, typed, firsts; /* as the options said */
    lt_masking masking;       /* as the options said, where rows came without labels: targets are then the tokens that may be masked;
                               * probability 0 otherwise */
    int32_t sources;          /* data sets that the rows are from, 1 or more */
    int64_t source_end[LT_ROW_SOURCES_MAX]; /* records of source s end before this one; those of s + 1 begin there */
    uint64_t hash;            /* XXH3 of all records: resuming on other data is noticed */
} lt_token_totals;

/* A record in memory. */
typedef struct lt_record {
    int32_t sequences, tokens, targets;
    float value;      /* the first of values */
    int32_t *lengths; /* (sequences) */
    int32_t *ids;     /* (tokens) */
    uint8_t *trained; /* (tokens) */
    int32_t *labels;  /* (tokens) of a store in_place: the id wanted at each place, or -1 */
    int32_t *types;   /* (tokens) of a typed store */
    float *values;    /* (lt_token_store_options.values), or NULL: not wanted */
} lt_record;

/* Takes every row of source (and closes it). folder is where the file lies. Rows without a target are left out and
 * counted in skipped (may be NULL). vocabulary: ids at or above it are an error that names the row. progress (may be
 * NULL) is called now and then with the rows taken so far; returning false stops with LT_ERR_INTERRUPTED. */
typedef struct lt_token_store_options {
    const char *folder;
    lt_packing packing;
    int64_t max_length; /* tokens of a packed block; unused with LT_PACKING_NONE */
    int64_t vocabulary;
    int32_t sequences;  /* every row must have this many (1, or 2 for pairs) */
    bool in_place;      /* targets are the rows' labels at their own places (masked language models) */
    lt_masking masking; /* in_place: how rows without labels are masked when they are loaded; probability 0: they are an error */
    bool typed;         /* token types are kept */
    bool firsts;        /* a sequence's first token may be a target: virtual tokens come before it */
    int32_t values;     /* numbers of a row; 0: one */
    bool keep_all;      /* also rows without a target (labels and scores need none) */
    bool (*progress)(int64_t rows, void *context);
    void *context;
} lt_token_store_options;

bool lt_token_store_build(lt_token_store **store, const lt_row_source *source, const lt_token_store_options *options,
                          int64_t *skipped, lt_error *err);
void lt_token_store_close(lt_token_store *store); /* NULL is fine; the file is gone with it */

const lt_token_totals *lt_token_store_totals(const lt_token_store *store);

/* What there is to know about a record without reading it. */
typedef struct lt_record_size {
    int64_t offset; /* in the data file */
    int32_t tokens, targets, sequences;
    int32_t first_targets; /* of its first sequence */
    float squares;         /* sum of length squared over its sequences: the work of attention */
    float value;           /* the record's first */
} lt_record_size;

bool lt_token_store_size(lt_token_store *store, int64_t index, lt_record_size *size, lt_error *err);

/* How many numbers a record has. */
int32_t lt_token_store_values(const lt_token_store *store);

/* A file without a name in folder, gone with the process; the error says what it was for. Close with fclose. */
FILE *lt_token_store_temporary(const char *folder, lt_error *err);

/* Reads record `index`; out's arrays have room for what lt_token_store_size said. */
bool lt_token_store_read(lt_token_store *store, int64_t index, lt_record *out, lt_error *err);

#endif
