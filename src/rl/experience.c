#include "rl/experience.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *room(int64_t count, size_t size) { return calloc((size_t)(count > 0 ? count : 1), size); }

bool lt_experience_init(lt_experience *e, int64_t answers, int64_t ids, int64_t tokens, lt_error *err)
{
    *e = (lt_experience){.answers = room(answers, sizeof *e->answers), .ids = room(ids, sizeof *e->ids)};
    bool ok = e->answers && e->ids;
    for (int i = 0; i < LT_TARGET_ARRAYS; i++)
        ok = (e->per_target[i] = room(tokens, sizeof(float))) && ok;
    if (!ok)
        lt_experience_free(e);
    return ok || lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld answers", (long long)answers);
}

void lt_experience_free(lt_experience *e)
{
    for (int i = 0; i < LT_TARGET_ARRAYS; i++)
        free(e->per_target[i]);
    free(e->answers);
    free(e->ids);
    *e = (lt_experience){0};
}

void lt_experience_add(lt_experience *e, const int32_t *prompt, int64_t prompt_ids, const int32_t *answer, int64_t tokens, bool ended, double score)
{
    e->answers[e->count++] = (lt_experience_answer){.begin = e->all_ids, .prompt = prompt_ids, .tokens = tokens, .first = e->tokens,
                                                    .ended = ended, .score = score, .reward = score};
    memcpy(e->ids + e->all_ids, prompt, (size_t)prompt_ids * sizeof *prompt);
    memcpy(e->ids + e->all_ids + prompt_ids, answer, (size_t)tokens * sizeof *answer);
    e->all_ids += prompt_ids + tokens;
    e->tokens += tokens;
}

bool lt_experience_pass_init(lt_experience_pass *p, int64_t tokens, int64_t answers, int64_t C, lt_error *err)
{
    *p = (lt_experience_pass){.capacity = tokens, .answers = answers};
    p->rows = room(answers, sizeof *p->rows);
    p->ids = room(tokens, sizeof *p->ids);
    p->starts = room(answers + 1, sizeof *p->starts);
    p->targets = room(tokens, sizeof *p->targets);
    p->sequence_targets = room(answers + 1, sizeof *p->sequence_targets);
    p->which = room(answers, sizeof *p->which);
    p->target_rows = room(tokens, sizeof *p->target_rows);
    p->logp = room(tokens, sizeof(float));
    p->weight = room(tokens, sizeof(float));
    p->entropy = room(tokens, sizeof(float));
    bool ok = p->rows && p->ids && p->starts && p->targets && p->sequence_targets && p->which && p->target_rows && p->logp && p->weight && p->entropy;
    for (int i = 0; i < LT_TARGET_ARRAYS; i++)
        ok = (p->arrays[i] = room(tokens, sizeof(float))) && ok;
    if (C)
        ok = (p->hidden = room(tokens * C, sizeof(float))) && (p->gradient = room(tokens * C, sizeof(float))) &&
             (p->score = room(tokens, sizeof(float))) && (p->dscore = room(tokens, sizeof(float))) && ok;
    if (!ok)
        lt_experience_pass_free(p);
    return ok || lt_error_set(err, LT_ERR_MEMORY, "out of memory for a pass of %lld tokens", (long long)tokens);
}

void lt_experience_pass_free(lt_experience_pass *p)
{
    for (int i = 0; i < LT_TARGET_ARRAYS; i++)
        free(p->arrays[i]);
    void *all[] = {p->rows, p->ids, p->starts, p->targets, p->sequence_targets, p->which, p->target_rows, p->logp, p->weight, p->entropy,
                   p->hidden, p->gradient, p->score, p->dscore};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    *p = (lt_experience_pass){0};
}

/* The last token of an answer is predicted, but predicts nothing: it has no row. */
static int64_t rows_of(const lt_experience_answer *a) { return a->prompt + a->tokens - 1; }

static void append(const lt_experience *e, lt_experience_pass *p, int64_t index)
{
    const lt_experience_answer *a = &e->answers[index];
    int64_t s = p->batch.sequences, T = p->batch.T, n = rows_of(a), target = p->batch.target_count;
    memcpy(p->ids + T, e->ids + a->begin, (size_t)n * sizeof *p->ids);
    for (int64_t t = 0; t < n; t++) {
        bool trained = t >= a->prompt - 1;
        p->targets[T + t] = trained ? e->ids[a->begin + t + 1] : -1;
        if (trained)
            p->target_rows[target++] = T + t;
    }
    for (int i = 0; i < LT_TARGET_ARRAYS; i++)
        memcpy(p->arrays[i] + p->batch.target_count, e->per_target[i] + a->first, (size_t)a->tokens * sizeof(float));
    p->rows[s] = (lt_objective_row){.row = index, .first_sequence = s, .sequences = 1};
    p->which[s] = index;
    p->starts[s + 1] = (int32_t)(T + n);
    p->sequence_targets[s + 1] = target;
    p->batch.T = T + n;
    p->batch.target_count = target;
    p->batch.sequences = s + 1;
}

bool lt_experience_next(const lt_experience *e, lt_experience_pass *p, const bool *wanted, int64_t *next)
{
    p->batch = (lt_batch){.ids = p->ids, .starts = p->starts, .targets = p->targets};
    p->starts[0] = 0;
    p->sequence_targets[0] = 0;
    for (; *next < e->count; ++*next) {
        const lt_experience_answer *a = &e->answers[*next];
        if (wanted ? !wanted[*next] : a->masked)
            continue;
        assert(rows_of(a) <= p->capacity);
        if (p->batch.T + rows_of(a) > p->capacity || p->batch.sequences == p->answers)
            break;
        append(e, p, *next);
    }
    p->view = (lt_objective_pass){.rows = p->rows, .row_count = p->batch.sequences, .sequence_targets = p->sequence_targets,
                                  .target_count = p->batch.target_count, .step_rows = e->count, .step_targets = e->counted_tokens,
                                  .logp = p->logp, .weight = p->weight, .score = p->score, .score_gradient = p->dscore,
                                  .score_count = p->score ? p->batch.target_count : 0, .labels = p->score ? 1 : 0};
    return p->batch.sequences > 0;
}

void lt_experience_store(const lt_experience_pass *p, lt_experience *e, const float *from, float *to)
{
    for (int64_t s = 0; s < p->batch.sequences; s++) {
        const lt_experience_answer *a = &e->answers[p->which[s]];
        memcpy(to + a->first, from + p->sequence_targets[s], (size_t)a->tokens * sizeof(float));
    }
}
