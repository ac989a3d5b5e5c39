/* A reward model scores the answers: its number for prompt and answer as the policy wrote them. It is a PEFT adapter with a head of
 * one output (what `lathe reward` leaves) or a ForSequenceClassification folder, and must have the policy's tokenizer: it is given
 * the policy's token ids. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/threads.h"
#include "formats/json.h"
#include "rl/scorer.h"
#include "simd/kernels.h"
#include "train/score_model.h"

enum { PASS_TOKENS = 2048 };

typedef struct reward {
    char *model, *adapter; /* adapter NULL: the model has its head */
    lt_score_model *scores;
    int64_t max_T;
} reward;

static void reward_close(void *state)
{
    reward *r = state;
    if (!r)
        return;
    lt_score_model_close(r->scores);
    free(r->model);
    free(r->adapter);
    free(r);
}

/* The folder that the adapter names as its base when it is there, otherwise the policy's model. */
static bool find_base(reward *r, const char *config, const char *policy, lt_error *err)
{
    const char *base = NULL;
    json_t *json = lt_json_load(config, LT_JSON_CONFIG_LIMIT_BYTES, err);
    if (!json)
        return false;
    lt_json root = lt_json_root(json, config);
    bool ok = lt_json_get_string(&root, "base_model_name_or_path", &base, err);
    if (ok && base && lt_file_is_folder(base))
        r->model = strdup(base);
    else if (ok && policy)
        r->model = strdup(policy);
    json_decref(json);
    return ok && (r->model || lt_error_set(err, LT_ERR_USAGE, "%s: its base is not here", config));
}

static bool load(reward *r, int64_t max_T, lt_error *err)
{
    lt_score_model_options options = {.model = r->model, .adapter = r->adapter, .threads = lt_threads_count(), .max_T = max_T, .pad_id = -1,
                                      .compute = lt_kernels_get()->bf16_products ? LT_COMPUTE_BF16 : LT_COMPUTE_F32};
    lt_score_model_close(r->scores);
    r->scores = NULL;
    r->max_T = max_T;
    if (!lt_score_model_open(&r->scores, &options, err))
        return false;
    if (lt_score_model_outputs(r->scores) != 1)
        return lt_error_set(err, LT_ERR_USAGE, "%s: a reward model has one output, this one has %lld", r->adapter ? r->adapter : r->model,
                            (long long)lt_score_model_outputs(r->scores));
    return true;
}

static bool reward_open(void **state, const lt_scorer_options *o, lt_error *err)
{
    char config[4096];
    if (!o->reward_model)
        return lt_error_set(err, LT_ERR_USAGE, "scorer reward needs a reward model (reward_model)");
    reward *r = calloc(1, sizeof *r);
    if (!r)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    bool ok = lt_file_join(config, sizeof config, o->reward_model, "adapter_config.json", err);
    if (ok && lt_file_exists(config)) {
        r->adapter = strdup(o->reward_model);
        ok = find_base(r, config, o->base_model, err);
    } else if (ok) {
        r->model = strdup(o->reward_model);
    }
    ok = ok && load(r, PASS_TOKENS, err);
    if (!ok)
        reward_close(r);
    else
        *state = r;
    return ok || lt_error_context(err, "scorer reward");
}

static bool reward_score(void *state, const lt_scored_answer *a, int64_t count, double *scores, lt_error *err)
{
    reward *r = state;
    int64_t total = 0, longest = 0;
    for (int64_t i = 0; i < count; i++) {
        total += a[i].all_ids;
        longest = a[i].all_ids > longest ? a[i].all_ids : longest;
    }
    if (longest > r->max_T && !load(r, longest, err))
        return lt_error_context(err, "scorer reward");
    int32_t *ids = malloc((size_t)(total + 1) * sizeof *ids), *lengths = malloc((size_t)count * sizeof *lengths);
    float *numbers = malloc((size_t)count * sizeof *numbers);
    bool ok = (ids && lengths && numbers) || lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld answers", (long long)count);
    for (int64_t i = 0, at = 0; ok && i < count; at += a[i++].all_ids) {
        memcpy(ids + at, a[i].ids, (size_t)a[i].all_ids * sizeof *ids);
        lengths[i] = (int32_t)a[i].all_ids;
    }
    ok = ok && lt_score_model_score(r->scores, ids, lengths, count, numbers, err);
    for (int64_t i = 0; ok && i < count; i++)
        scores[i] = numbers[i];
    free(ids);
    free(lengths);
    free(numbers);
    return ok || lt_error_context(err, "scorer reward");
}

const lt_scorer_kind lt_scorer_reward = {.name = "reward", .open = reward_open, .score = reward_score, .close = reward_close};
