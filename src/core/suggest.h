/* "Did you mean …?": the nearest of some known words. */
#ifndef LT_CORE_SUGGEST_H
#define LT_CORE_SUGGEST_H

/* The search for the word nearest to `wanted`; start with {.wanted = …}, offer every candidate, read `best`. */
typedef struct lt_suggest {
    const char *wanted; /* borrowed */
    char best[64];      /* empty when no candidate is near enough to be meant */
    int distance;       /* of best */
} lt_suggest;

void lt_suggest_offer(lt_suggest *suggest, const char *candidate);

/* " (did you mean --best?)", with `before` in front of the word, or "" when there is none. Returns out. */
const char *lt_suggest_question(const lt_suggest *suggest, const char *before, char out[96]);

/* Edits (insert, delete, replace, swap neighbours) between two words; words are cut at 63 bytes. */
int lt_suggest_distance(const char *a, const char *b);

#endif
