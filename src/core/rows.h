/* Tokenised rows on their way from text (or anything else) into a run, one at a time. Both know this file, and not each other. */
#ifndef LT_CORE_ROWS_H
#define LT_CORE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

enum { LT_ROW_SEQUENCES_MAX = 1 << 16, LT_ROW_SOURCES_MAX = 32 };

/* One row: sequences one behind the other. Borrowed until the next call of the source. */
typedef struct lt_row {
    int32_t sequences;
    const int32_t *lengths; /* (sequences) tokens of each, > 0 */
    const int32_t *ids;     /* (Σ lengths) */
    const uint8_t *trained; /* (Σ lengths) not 0, a lt_target_kind: predicting it counts (never the first of its sequence) */
    const uint8_t *first;   /* (sequences) what trained would say of each first token if something came before it, as virtual tokens
                             * do; NULL: 0 */
    const int32_t *labels;  /* (Σ lengths) the id wanted at each token's own place (masked language models), -100 for none;
                             * NULL: the data has none */
    const uint8_t *special; /* (Σ lengths) not 0: a special token, which masks leave alone; NULL: not known, as the tokenizer has
                             * no mask token */
    const int32_t *types;   /* (Σ lengths) token types, or NULL: all 0 */
    float value;            /* label, margin …; 0 when the data has none */
    const float *values;    /* as many as lt_token_store_options.values says, or NULL: value alone */
    int32_t source;         /* which of several data sets it is from, never falling; 0 when there is one */
    const char *path;       /* where the row is from, for errors; NULL when there is no such place */
    int64_t line;
} lt_row;

typedef struct lt_row_source {
    /* The next row; *end is set when there is none. */
    bool (*next)(void *context, lt_row *row, bool *end, lt_error *err);
    /* Called once, as soon as the last row was taken (or when the run fails): the tokenizer and all it holds should be
     * freed then, before the engine takes its memory. May be NULL. */
    void (*close)(void *context);
    void *context;
} lt_row_source;

#endif
