/* What one round of sampling gives a policy gradient: answers with everything that is known about their tokens, packed into
 * passes of whole answers for the engine. */
#ifndef LT_RL_EXPERIENCE_H
#define LT_RL_EXPERIENCE_H

#include "nn/engine.h"
#include "nn/score_head.h"
#include "objective/objective.h"

/* One answer. Its tokens are targets first … first + tokens - 1 of the arrays below. */
typedef struct lt_experience_answer {
    int64_t begin, prompt, tokens; /* ids from begin on: prompt, then tokens of the answer */
    int64_t first;
    bool ended;
    bool masked;  /* trains nothing */
    double score; /* the scorers' */
    double reward; /* what the advantage is made of */
    double advantage;
} lt_experience_answer;

typedef struct lt_experience {
    lt_experience_answer *answers;
    int64_t count, tokens, all_ids; /* answers; their tokens; ids */
    int32_t *ids;
    float *per_target[LT_TARGET_ARRAYS]; /* (tokens) */
    int64_t counted_tokens;              /* of answers that are not masked */
} lt_experience;

/* Room for answers with so many ids and tokens in all. */
bool lt_experience_init(lt_experience *experience, int64_t answers, int64_t ids, int64_t tokens, lt_error *err);
void lt_experience_free(lt_experience *experience);

/* Appends one; ids are prompt and answer. */
void lt_experience_add(lt_experience *experience, const int32_t *prompt, int64_t prompt_ids, const int32_t *answer, int64_t tokens, bool ended,
                       double score);

/* Passes: whole answers, packed up to pass_tokens. */
typedef struct lt_experience_pass {
    lt_batch batch;
    lt_objective_pass view;        /* rows and per_target are filled in */
    lt_objective_row *rows;        /* view.row_count */
    int32_t *ids, *starts, *targets;
    int64_t *sequence_targets;
    int64_t *which;                /* answer of each row */
    int64_t *target_rows;          /* (targets) the row of the batch that predicts each */
    float *logp, *weight, *entropy;
    float *arrays[LT_TARGET_ARRAYS];
    float *hidden, *gradient, *score, *dscore; /* (targets,C), (targets,C), (targets), (targets); with a value head */
    int64_t capacity, answers;     /* tokens, rows */
} lt_experience_pass;

bool lt_experience_pass_init(lt_experience_pass *pass, int64_t tokens, int64_t answers, int64_t value_width, lt_error *err);
void lt_experience_pass_free(lt_experience_pass *pass);

/* Packs answers from *next on that `wanted` has (NULL: all that are not masked); false when none is left. */
bool lt_experience_next(const lt_experience *experience, lt_experience_pass *pass, const bool *wanted, int64_t *next);

/* Copies an array of the pass back to the experience: what was computed for its targets. */
void lt_experience_store(const lt_experience_pass *pass, lt_experience *experience, const float *from, float *to);

#endif
