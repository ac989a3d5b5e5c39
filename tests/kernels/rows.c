#include "tests/kernels/rows.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void rows_make(rows *r, int64_t n, data_kind kind)
{
    r->n = n;
    for (int i = 0; i < ROWS; i++) {
        r->memory[i] = guarded_make(n * 4, 4 * random_below(5));
        r->row[i] = r->memory[i].data;
        r->before[i] = malloc((size_t)n * sizeof(float) + 1);
        for (int64_t j = 0; j < n; j++)
            r->row[i][j] = r->before[i][j] = random_of(kind);
    }
}

void rows_restore(rows *r)
{
    for (int i = 0; i < ROWS; i++)
        memcpy(r->row[i], r->before[i], (size_t)r->n * sizeof(float));
}

void rows_free(rows *r, const char *kernel)
{
    for (int i = 0; i < ROWS; i++) {
        check(guarded_intact(&r->memory[i]), kernel, "n %d: wrote outside of row %d", (int)r->n, i);
        guarded_free(&r->memory[i]);
        free(r->before[i]);
    }
}

void row_is(const rows *r, int row, truth want, double relative, double absolute, const char *kernel)
{
    for (int64_t i = 0; i < r->n; i++) {
        double w = want(r, i), got = r->row[row][i];
        if (fabs(w) > FLT_MAX)
            w = copysign(INFINITY, w);
        /* Near the largest float one rounding more may overflow. */
        bool edge = fabs(w) > 0.999 * FLT_MAX && fabs(got) > 0.999 * FLT_MAX && signbit(got) == signbit(w);
        if (!check(edge || near(got, w, relative, absolute), kernel,
                   "n %d [%d]: %.9g, should be %.9g (from %.9g %.9g %.9g)", (int)r->n, (int)i, got, w,
                   (double)r->before[0][i], (double)r->before[1][i], (double)r->before[2][i]))
            return;
    }
}

void row_unchanged(const rows *r, int row, const char *kernel)
{
    check(!memcmp(r->row[row], r->before[row], (size_t)r->n * sizeof(float)), kernel, "n %d: changed input %d",
          (int)r->n, row);
}
