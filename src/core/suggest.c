#include "core/suggest.h"

#include <stdio.h>
#include <string.h>

enum { WORD_MAX = 63 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: rows of the table are kept three deep, for the swap of neighbours. */
int lt_suggest_distance(const char *a, const char *b)
{
    int n = (int)strnlen(a, WORD_MAX), m = (int)strnlen(b, WORD_MAX);
    int rows[3][WORD_MAX + 1];
    for (int j = 0; j <= m; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void lt_suggest_offer(lt_suggest *suggest, const char *candidate)
{
    int length = (int)strnlen(suggest->wanted, WORD_MAX);
    int limit = length < 4 ? 1 : length < 9 ? 2 : 3;
    int distance = lt_suggest_distance(suggest->wanted, candidate);
    /* A beginning that was cut short ("--learning") is a near miss too, but a typing error is nearer. */
    if (distance > limit && length >= 3 && strncmp(candidate, suggest->wanted, (size_t)length) == 0)
        distance = limit;
    if (distance <= limit && (!*suggest->best || distance < suggest->distance)) {
        snprintf(suggest->best, sizeof suggest->best, "%s", candidate);
        suggest->distance = distance;
    }
}

const char *lt_suggest_question(const lt_suggest *suggest, const char *before, char out[96])
{
    *out = '\0';
    if (*suggest->best)
        snprintf(out, 96, " (did you mean %s%s?)", before, suggest->best);
    return out;
}
