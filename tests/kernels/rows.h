/* Rows under test: what the tests of the row kernels share. */
#ifndef LT_TESTS_KERNELS_ROWS_H
#define LT_TESTS_KERNELS_ROWS_H

#include "tests/kernels/harness.h"

enum { ROWS = 5 }; /* rows a kernel may have */

/* One call's worth of rows: n floats each, ending at an unmapped page, and a copy of what they held. */
typedef struct rows {
    int64_t n;
    guarded memory[ROWS];
    float *row[ROWS], *before[ROWS];
} rows;

void rows_make(rows *r, int64_t n, data_kind kind);
void rows_restore(rows *r);
void rows_free(rows *r, const char *kernel); /* checks the surroundings */

/* Compares a row with what a function of the element says. Rows that are not outputs must be as they were. */
typedef double (*truth)(const rows *r, int64_t i);
void row_is(const rows *r, int row, truth want, double relative, double absolute, const char *kernel);
void row_unchanged(const rows *r, int row, const char *kernel);

/* Parts of check_rows. */
void check_activations(const lt_kernels *set, int64_t n, data_kind kind);
void check_activation_ranges(const lt_kernels *set);

#endif
