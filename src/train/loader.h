/* From the token store to the packed tokens of a step: the order of rows, and the batch.
 *
 * The order is a pure function of (seed, epoch, position): a keyed permutation of the record numbers, computed one number
 * at a time, so it takes no memory and resumes anywhere. An epoch has ceil(records / rows_per_step) steps, the last one
 * may be short; or, with wrap, rows run on into the next epoch so that every step is full.
 *
 * With a mix every data set has its share of each epoch, whatever its size: it is gone through in an order of its own, begins
 * again when it is used up, and goes on in the next epoch where it stopped. */
#ifndef LT_TRAIN_LOADER_H
#define LT_TRAIN_LOADER_H

#include "core/arena.h"
#include "nn/engine.h"
#include "objective/objective.h"
#include "train/token_store.h"

/* Shares of data sets (lt_row.source). */
typedef struct lt_mix {
    int32_t sources;                   /* 0: no mix, every record once an epoch */
    double weight[LT_ROW_SOURCES_MAX]; /* in proportion; none is negative */
    int32_t whole;                     /* an epoch is as long as it takes the first so many sources to be used once, those
                                        * together; 0: as long as all records are many */
} lt_mix;

typedef struct lt_loader_options {
    int64_t rows_per_step; /* batch size × gradient accumulation */
    bool shuffle;          /* false: file order */
    bool wrap;             /* steps are always full */
    int64_t overhead;      /* rows that a model puts before every sequence (virtual tokens): they count in pass_tokens */
    uint64_t seed;
    lt_mix mix;            /* needs shuffle */
} lt_loader_options;

/* Where the next step begins. Saved in checkpoints. */
typedef struct lt_loader_place {
    int64_t epoch, position; /* position: records of this epoch already taken */
} lt_loader_place;

typedef struct lt_loader {
    lt_token_store *store;
    lt_loader_options options;
    lt_loader_place place;
    int64_t length;                         /* records of an epoch */
    int64_t share_end[LT_ROW_SOURCES_MAX];  /* of a mix: places of an epoch before this one are source s's, or an earlier one's */
} lt_loader;

/* A mix whose sources are not those of the store, or of which one has a share and no rows, is LT_ERR_USAGE. */
bool lt_loader_init(lt_loader *loader, lt_token_store *store, const lt_loader_options *options, lt_error *err);

/* The record at a position of an epoch. */
int64_t lt_loader_record(const lt_loader *loader, int64_t epoch, int64_t position);

int64_t lt_loader_steps_per_epoch(const lt_loader *loader);

/* What the largest of the steps first, … first + steps - 1 of a run takes; exact, by walking through their records' sizes.
 * A step larger than pass_tokens, overhead included, is run as several passes of whole rows (0: always one). */
typedef struct lt_loader_extent {
    int64_t pass_tokens, pass_targets, pass_sequences, pass_rows; /* the largest pass */
    int64_t pass_size;                                            /* its tokens with the overhead: rows of the stream */
    int64_t step_tokens, step_rows;                               /* the largest step */
    double mean_tokens, mean_targets, mean_passes;                /* of a step */
    double mean_size;                                             /* mean_tokens with the overhead */
    bool typed, firsts;                                           /* tokens have types; first tokens may be targets */
    double mean_squares;                                          /* Σ length² of the sequences of a step: attention's work */
} lt_loader_extent;

bool lt_loader_measure(lt_loader *loader, int64_t steps, int64_t pass_tokens, lt_loader_extent *extent, lt_error *err);

/* Memory for the largest pass and step, from the arena (or only counts). */
typedef struct lt_step_batch {
    lt_batch batch; /* of the present pass */
    lt_objective_row *rows;
    int64_t row_count;
    int64_t *sequence_targets; /* (sequences + 1) */
    int64_t *records;          /* (step_rows) record numbers of the step */
    int64_t *epochs;           /* (step_rows) the epoch that each is taken in: masks differ */
    bool mask_one;             /* no token of the step was drawn: its first row gets one target */
    lt_record_size *sizes;     /* (step_rows) */
    int64_t step_rows, step_targets, step_first_targets, step_tokens;
    int64_t next_row;          /* first row of the next pass */
    int64_t passes;            /* passes made so far */
    int32_t *ids, *starts, *targets;
    int32_t *types; /* NULL: the store has none */
    int32_t *firsts; /* NULL: first tokens are no targets */
    uint8_t *trained;
    uint8_t *kinds;  /* (pass_targets) lt_target_kind of each target */
    float *values;   /* (pass_rows, values), NULL when rows have one */
    int32_t *lengths;
    lt_loader_extent extent;
} lt_step_batch;

void lt_step_batch_layout(lt_step_batch *step, const lt_token_store *store, const lt_loader_extent *extent, lt_arena *arena);

/* Takes the next step's rows and moves the loader's place on; then each lt_loader_next_pass packs the next pass, until
 * *more is false. pass_tokens as in lt_loader_measure. */
bool lt_loader_next_step(lt_loader *loader, lt_step_batch *step, lt_error *err);
bool lt_loader_next_pass(lt_loader *loader, lt_step_batch *step, int64_t pass_tokens, bool *more, lt_error *err);

#endif
