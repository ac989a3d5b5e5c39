#include "rl/scorer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The registry: a row per kind. */
static const lt_scorer_kind *const kinds[] = {
    &lt_scorer_exact, &lt_scorer_number, &lt_scorer_regex, &lt_scorer_json, &lt_scorer_command, &lt_scorer_reward,
};

enum { KINDS = sizeof kinds / sizeof *kinds, MOST = 16 };

struct lt_scorer {
    const lt_scorer_kind *kind[MOST];
    void *state[MOST];
    double weight[MOST];
    int count;
};

const char *const *lt_scorer_names(void)
{
    static const char *names[KINDS + 1];
    for (int i = 0; i < KINDS; i++)
        names[i] = kinds[i]->name;
    return names;
}

static const lt_scorer_kind *find(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i]->name, name))
            return kinds[i];
    return NULL;
}

static bool unknown(const char *name, lt_error *err)
{
    char list[256] = "";
    for (int i = 0; i < KINDS; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", kinds[i]->name);
    }
    return lt_error_set(err, LT_ERR_USAGE, "there is no scorer '%s'; known are %s", name, list);
}

bool lt_scorer_open(lt_scorer **out, const char *const *names, const double *weights, int count, const lt_scorer_options *options,
                    lt_error *err)
{
    *out = NULL;
    if (count < 1 || count > MOST)
        return lt_error_set(err, LT_ERR_USAGE, "scorer: expected 1 to %d names, found %d", MOST, count);
    lt_scorer *scorer = calloc(1, sizeof *scorer);
    if (!scorer)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int i = 0; i < count; i++) {
        const lt_scorer_kind *kind = find(names[i]);
        scorer->weight[i] = weights ? weights[i] : 1;
        if (!kind ? !unknown(names[i], err) : kind->open && !kind->open(&scorer->state[i], options, err)) {
            lt_scorer_close(scorer);
            return false;
        }
        scorer->kind[i] = kind;
        scorer->count++;
    }
    *out = scorer;
    return true;
}

void lt_scorer_close(lt_scorer *scorer)
{
    if (!scorer)
        return;
    for (int i = 0; i < scorer->count; i++)
        if (scorer->kind[i]->close)
            scorer->kind[i]->close(scorer->state[i]);
    free(scorer);
}

bool lt_scorer_needs_reference(const lt_scorer *scorer)
{
    for (int i = 0; i < scorer->count; i++)
        if (scorer->kind[i]->needs_reference)
            return true;
    return false;
}

int lt_scorer_count(const lt_scorer *scorer) { return scorer->count; }
const char *lt_scorer_name(const lt_scorer *scorer, int i) { return scorer->kind[i]->name; }

bool lt_scorer_score(lt_scorer *scorer, const lt_scored_answer *answers, int64_t count, double *scores, double *parts, lt_error *err)
{
    double *own = malloc((size_t)(count ? count : 1) * sizeof *own);
    bool ok = own || lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld scores", (long long)count);
    for (int64_t i = 0; i < count; i++)
        scores[i] = 0;
    for (int s = 0; ok && count && s < scorer->count; s++) {
        double *to = parts ? parts + s * count : own;
        ok = scorer->kind[s]->score(scorer->state[s], answers, count, to, err);
        for (int64_t i = 0; ok && i < count; i++) {
            scores[i] += scorer->weight[s] * to[i];
            if (!isfinite(scores[i]))
                ok = lt_error_set(err, LT_ERR_NUMERIC, "scorer %s: a score of %g", scorer->kind[s]->name, to[i]);
        }
    }
    free(own);
    return ok;
}
