/* Rollouts: K answers to every prompt of a list, decoded many at a time.
 *
 * A prompt is read once and shared by its answers. Whenever an answer ends, the next one takes its place, so the batch stays
 * full until the list ends. The tokens of an answer are a function of (seed, the prompt's key, the answer's number): neither
 * threads, nor the size of the batch, nor what else is in it change them. */
#ifndef LT_RL_ROLLOUT_H
#define LT_RL_ROLLOUT_H

#include <signal.h>

#include "nn/decode.h"
#include "nn/sample.h"

typedef struct lt_rollout_prompt {
    const int32_t *ids;
    int64_t count; /* at least 1 */
    uint64_t key;  /* such as its place in the data */
} lt_rollout_prompt;

typedef struct lt_rollout_options {
    lt_sample_options sample;
    int64_t answers;        /* K, of each prompt */
    int64_t max_new_tokens; /* at least 1 */
    uint64_t seed;
    const int32_t *stop_ids; /* an answer ends with one of them, or after max_new_tokens */
    size_t stop_id_count;
    const volatile sig_atomic_t *stop; /* LT_ERR_INTERRUPTED when set; may be NULL */
    /* Called now and then with the answers done and the tokens so far; may be NULL. */
    void (*progress)(int64_t answers, int64_t tokens, void *context);
    void *context;
} lt_rollout_options;

typedef struct lt_rollout_answer {
    int32_t *ids; /* a final stop id included */
    int64_t count;
    bool ended; /* with a stop id; otherwise it was cut */
} lt_rollout_answer;

/* What one rollout takes; how many answers at once is chosen to stay within a budget. */
typedef struct lt_rollout_shape {
    lt_decoder_shape decoder;
    int64_t bytes;       /* all of it */
    int64_t cache_bytes; /* of that, keys and values */
} lt_rollout_shape;

/* At most `batch` answers at once, fewer when budget_bytes does not hold them. LT_ERR_MEMORY names what one alone takes. */
bool lt_rollout_plan(lt_rollout_shape *shape, const lt_model *model, lt_compute compute, int threads, int64_t longest_prompt,
                     const lt_rollout_options *options, int64_t batch, int64_t budget_bytes, lt_error *err);

typedef struct lt_rollout lt_rollout;

bool lt_rollout_open(lt_rollout **rollout, lt_model *model, const lt_rollout_shape *shape, lt_error *err);
void lt_rollout_close(lt_rollout *rollout); /* NULL is fine */

typedef struct lt_rollout_counts {
    int64_t answers, tokens, prompt_tokens, steps;
    double seconds, step_seconds; /* all of it; decoding alone */
} lt_rollout_counts;

/* answers (prompts · K), answer k of prompt p at [p · K + k]; their ids are malloc'ed, freed with lt_rollout_free also after a
 * failure. counts are added to. Prompts longer than the shape's are a bad call. */
bool lt_rollout_run(lt_rollout *rollout, const lt_rollout_prompt *prompts, int64_t count, const lt_rollout_options *options,
                    lt_rollout_answer *answers, lt_rollout_counts *counts, lt_error *err);
void lt_rollout_free(lt_rollout_answer *answers, int64_t count);

#endif
