/* A row source over arrays, for tests of what takes rows. */
#ifndef LT_TESTS_ROWS_OF_H
#define LT_TESTS_ROWS_OF_H

#include "core/rows.h"

typedef struct test_row {
    const char *text;    /* one token per character: 'a' is id 1, 'b' 2 …; '|' ends a sequence */
    const char *trained; /* as long as text: 'x' where the token counts; NULL: all but the first of each sequence */
    float value;
} test_row;

typedef struct test_rows {
    const test_row *rows;
    int count, next, closed;
    int fail_at; /* row that cannot be read; 0 or less: none (rows count from 1) */
    int32_t lengths[64], ids[4096];
    uint8_t trained[4096];
} test_rows;

lt_row_source test_rows_source(test_rows *rows);

#endif
