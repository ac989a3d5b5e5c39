/* Verifiers that compare with the row's own answer: the same text, the same number. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl/scorer.h"

typedef struct slice {
    const char *at;
    size_t n;
} slice;

static slice trimmed(const char *text, size_t n)
{
    while (n && isspace((unsigned char)*text))
        text++, n--;
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    return (slice){text, n};
}

static bool exact_score(void *state, const lt_scored_answer *a, int64_t count, double *scores, lt_error *err)
{
    (void)state;
    (void)err;
    for (int64_t i = 0; i < count; i++) {
        slice got = trimmed(a[i].completion, a[i].completion_size);
        slice want = trimmed(a[i].reference ? a[i].reference : "", a[i].reference_size);
        scores[i] = a[i].reference && got.n == want.n && !memcmp(got.at, want.at, got.n);
    }
    return true;
}

const lt_scorer_kind lt_scorer_exact = {.name = "exact", .needs_reference = true, .score = exact_score};

/* ---- numbers ---- */

static bool digit(slice s, size_t i) { return i < s.n && isdigit((unsigned char)s.at[i]); }

/* Digits from *i on, with commas where three digits follow each; appended to text (capacity) without the commas. */
static bool digits(slice s, size_t *i, char *text, size_t capacity, size_t *used)
{
    size_t begin = *i, group = 0;
    bool commas = false;
    while (digit(s, *i) || (*i < s.n && s.at[*i] == ',' && *i > begin)) {
        if (s.at[*i] == ',') {
            bool thousands = (commas ? group == 3 : group <= 3) && digit(s, *i + 1) && digit(s, *i + 2) && digit(s, *i + 3) && !digit(s, *i + 4);
            if (!thousands)
                break;
            commas = true;
            group = 0;
        } else {
            if (*used + 1 < capacity)
                text[(*used)++] = s.at[*i];
            else
                return false; /* beyond every range */
            group++;
        }
        ++*i;
    }
    return *i > begin;
}

/* An unsigned decimal number that begins at *i. */
static bool decimal(slice s, size_t *i, double *value)
{
    char text[400];
    size_t used = 0, at = *i;
    bool whole = digits(s, &at, text, sizeof text - 2, &used);
    if (at < s.n && s.at[at] == '.' && digit(s, at + 1)) {
        text[used++] = '.';
        for (at++; digit(s, at); at++)
            if (used + 1 < sizeof text) /* what does not fit is below every precision */
                text[used++] = s.at[at];
    } else if (!whole) {
        return false;
    }
    text[used] = '\0';
    *value = strtod(text, NULL);
    *i = at;
    return isfinite(*value);
}

/* "/ 4" after a number at *i. */
static bool denominator(slice s, size_t *i, double *value)
{
    size_t at = *i;
    if (at >= s.n || s.at[at] != '/')
        return false;
    at++;
    if (!digit(s, at) || !decimal(s, &at, value) || *value == 0)
        return false;
    *i = at;
    return true;
}

/* A minus before position i (and a currency sign), where it is a sign: not the dash of "5-3" or "co-3", and with a blank
 * behind it only after nothing, '=' or ':'. */
static bool negative(slice s, size_t i)
{
    bool apart = false;
    for (; i && (s.at[i - 1] == '$' || s.at[i - 1] == ' '); i--)
        apart |= s.at[i - 1] == ' ';
    bool minus = i && s.at[i - 1] == '-', unicode = i >= 3 && !memcmp(s.at + i - 3, "\xE2\x88\x92", 3); /* U+2212 */
    if (!minus && !unicode)
        return false;
    i -= minus ? 1 : 3;
    while (apart && i && s.at[i - 1] == ' ')
        i--;
    char before = i ? s.at[i - 1] : '=';
    return apart ? before == '=' || before == ':' : !isalnum((unsigned char)before) && before != ')' && before != '%';
}

/* The number that begins at *i, with sign and fraction; *i moves behind it. */
static bool number(slice s, size_t *i, double *value)
{
    size_t begin = *i, mixed;
    double low, top;
    if (!decimal(s, i, value)) {
        while (digit(s, *i)) /* too long: passed over as one */
            ++*i;
        return false;
    }
    if (denominator(s, i, &low)) {
        *value /= low;
    } else if (*i < s.n && s.at[*i] == ' ' && digit(s, *i + 1)) { /* 2 1/2 */
        mixed = *i + 1;
        if (decimal(s, &mixed, &top) && denominator(s, &mixed, &low) && top < low) {
            *value += top / low;
            *i = mixed;
        }
    }
    if (negative(s, begin))
        *value = -*value;
    return isfinite(*value);
}

static bool find(slice s, bool last, double *value)
{
    bool found = false;
    for (size_t i = 0; i < s.n;) {
        double v;
        bool begins = digit(s, i) || (s.at[i] == '.' && digit(s, i + 1) && !(i && digit(s, i - 1)));
        if (!begins || (i && s.at[i - 1] == '.' && digit(s, i) && i > 1 && digit(s, i - 2))) {
            i++;
            continue;
        }
        size_t at = i;
        if (number(s, &at, &v)) {
            *value = v;
            found = true;
            if (!last)
                return true;
        }
        i = at > i ? at : i + 1;
    }
    return found;
}

bool lt_scorer_find_number(const char *text, size_t size, double *value)
{
    slice all = {text, size};
    for (size_t i = size >= 4 ? size - 4 + 1 : 0; i-- > 0;)
        if (!memcmp(text + i, "####", 4))
            return find((slice){text + i + 4, size - i - 4}, false, value);
    return find(all, true, value);
}

/* Fractions and decimals of the same number differ in the last digits. */
static bool same_number(double a, double b) { return fabs(a - b) <= 1e-9 * fmax(1, fmax(fabs(a), fabs(b))); }

static bool number_score(void *state, const lt_scored_answer *a, int64_t count, double *scores, lt_error *err)
{
    (void)state;
    (void)err;
    for (int64_t i = 0; i < count; i++) {
        double want, got;
        scores[i] = a[i].reference && lt_scorer_find_number(a[i].reference, a[i].reference_size, &want) &&
                    lt_scorer_find_number(a[i].completion, a[i].completion_size, &got) && same_number(want, got);
    }
    return true;
}

const lt_scorer_kind lt_scorer_number = {.name = "number", .needs_reference = true, .score = number_score};
