/* Rotary positions: frequencies of every kind that config.h names, a table of cosines and sines, and its application.
 * Formulas as transformers' modeling_rope_utils. Frequencies are computed in f32 in the order the reference uses, so that
 * angles agree to the last bit at long positions. */
#ifndef LT_NN_ROPE_H
#define LT_NN_ROPE_H

#include <stdint.h>

#include "core/arena.h"
#include "nn/config.h"

typedef struct lt_rope_table {
    int64_t rows, half; /* rows, and rotary_width / 2 */
    float *cos, *sin;   /* (rows, half) f32, in the arena; already multiplied by longrope's magnitude */
    int64_t short_first, short_limit; /* longrope: rows from short_first on are for sequences of up to short_limit tokens; 0: all
                                       * sequences share one set of rows */
} lt_rope_table;

/* inv_freq (rotary_width / 2) f32 and the magnitude that multiplies cos and sin. sequence_length decides between longrope's
 * short and long factors (long when it is above original_max_position). */
void lt_rope_frequencies(const lt_rope_config *rope, int64_t sequence_length, float *inv_freq, float *magnitude);

/* Lays out (measuring arena) or fills a table for positions 0 .. positions-1 of sequences of up to sequence_length tokens. Where
 * longrope's shorter sequences turn otherwise, it has rows for both. */
void lt_rope_table_init(lt_rope_table *table, const lt_rope_config *rope, int64_t positions, int64_t sequence_length, lt_arena *arena);

/* The table's row for a position of a sequence of `length` tokens. */
static inline int32_t lt_rope_row(const lt_rope_table *table, int64_t position, int64_t length)
{
    return (int32_t)(table->short_first && length <= table->short_limit ? table->short_first + position : position);
}

/* Rotates the q and k parts of rows qkv (T, stride) f32 in place: heads 0 .. H+K-1 of width D are q then k. rows (T) of the table.
 * direction +1 forward, -1 backward (the transpose). Elements of a head beyond rotary_width stay. Parallel over rows. */
void lt_rope_apply(const lt_rope_table *table, float *qkv, int64_t stride, const int32_t *rows, int64_t heads, int64_t D,
                   int64_t T, int direction);

#endif
