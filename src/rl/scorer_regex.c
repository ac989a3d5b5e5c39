/* A regular expression that must be found in the answer. Where it has a group and the row an answer of its own, what the
 * (last) group took must be that answer. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "rl/scorer.h"

/* An answer that makes the pattern work harder than this is as one that does not match. */
enum { MATCH_LIMIT = 1000000, DEPTH_LIMIT = 10000, HEAP_KILOBYTES = 64 << 10 };

typedef struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    uint32_t groups;
    bool warned;
} regex;

static void regex_close(void *state)
{
    regex *r = state;
    if (!r)
        return;
    pcre2_match_context_free(r->limits);
    pcre2_match_data_free(r->match);
    pcre2_code_free(r->code);
    free(r);
}

static bool regex_open(void **state, const lt_scorer_options *o, lt_error *err)
{
    int code;
    PCRE2_SIZE at;
    if (!o->pattern)
        return lt_error_set(err, LT_ERR_USAGE, "scorer regex needs a pattern (scorer_pattern)");
    regex *r = calloc(1, sizeof *r);
    if (!r)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    r->code = pcre2_compile((PCRE2_SPTR)o->pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE, &code,
                            &at, NULL);
    if (!r->code) {
        char why[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        free(r);
        return lt_error_set(err, LT_ERR_USAGE, "scorer_pattern, character %zu: %s", (size_t)at + 1, why);
    }
    r->match = pcre2_match_data_create_from_pattern(r->code, NULL);
    r->limits = pcre2_match_context_create(NULL);
    if (!r->match || !r->limits) {
        regex_close(r);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    }
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->groups);
    pcre2_set_match_limit(r->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(r->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(r->limits, HEAP_KILOBYTES);
    *state = r;
    return true;
}

static bool same_trimmed(const char *a, size_t n, const char *b, size_t m)
{
    while (n && isspace((unsigned char)*a))
        a++, n--;
    while (n && isspace((unsigned char)a[n - 1]))
        n--;
    while (m && isspace((unsigned char)*b))
        b++, m--;
    while (m && isspace((unsigned char)b[m - 1]))
        m--;
    return n == m && !memcmp(a, b, n);
}

static bool group_agrees(const regex *r, int groups, const lt_scored_answer *a)
{
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(r->match);
    if (!r->groups || !a->reference)
        return true;
    for (int g = groups - 1; g >= 1; g--)
        if (span[2 * g] != PCRE2_UNSET)
            return span[2 * g] <= span[2 * g + 1] && same_trimmed(a->completion + span[2 * g], span[2 * g + 1] - span[2 * g], a->reference, a->reference_size);
    return false;
}

static bool regex_score(void *state, const lt_scored_answer *a, int64_t count, double *scores, lt_error *err)
{
    regex *r = state;
    (void)err;
    for (int64_t i = 0; i < count; i++) {
        int found = pcre2_match(r->code, (PCRE2_SPTR)a[i].completion, a[i].completion_size, 0, 0, r->match, r->limits);
        scores[i] = found > 0 && group_agrees(r, found, &a[i]);
        if (found < 0 && found != PCRE2_ERROR_NOMATCH && !r->warned) {
            lt_log_warning("scorer regex: an answer takes more steps than the limit; it counts as no match");
            r->warned = true;
        }
    }
    return true;
}

const lt_scorer_kind lt_scorer_regex = {.name = "regex", .open = regex_open, .score = regex_score, .close = regex_close};
