#include "rl/policy.h"

#include <stdlib.h>
#include <string.h>

#include "models/open.h"
#include "train/memory.h"

enum { LEAST_WINDOW = 64 << 20, BESIDE = 16 << 20 };

/* The model's own stop ids, and the eos ids of its configuration. */
static bool find_stops(lt_policy *p, lt_error *err)
{
    const int32_t *ids;
    size_t n = lt_tokenizer_stop_ids(p->tokenizer, &ids);
    if (!lt_ids_append(&p->stop_ids, ids, n, err))
        return false;
    for (int i = 0; i < p->model->config.eos_count; i++)
        if (!lt_ids_push(&p->stop_ids, p->model->config.eos_ids[i], err))
            return false;
    return true;
}

static bool open_chat(lt_policy *p, const char *path, const char *choice, lt_error *err)
{
    lt_error error;
    if (lt_chat_open(&p->chat, path, choice, &error))
        return true;
    p->chat = NULL;
    if (!choice && error.status == LT_ERR_USAGE)
        return true; /* no template: fine until a conversation needs one */
    if (err)
        *err = error;
    return false;
}

bool lt_policy_open(lt_policy *p, const char *path, const char *chat_template, lt_error *err)
{
    *p = (lt_policy){0};
    if (!lt_model_open(&p->model, path, err) || !lt_tokenizer_open(&p->tokenizer, path, err) || !open_chat(p, path, chat_template, err) ||
        !find_stops(p, err)) {
        lt_policy_close(p);
        return false;
    }
    const lt_safetensors *set = lt_weights_set(p->model->weights);
    for (int i = 0; i < lt_safetensors_shard_count(set); i++)
        p->weight_bytes += lt_safetensors_shard_bytes(set, i);
    return true;
}

void lt_policy_close(lt_policy *p)
{
    lt_ids_free(&p->stop_ids);
    lt_chat_close(p->chat);
    lt_tokenizer_close(p->tokenizer);
    if (p->model)
        lt_model_close(p->model);
    *p = (lt_policy){0};
}

bool lt_policy_plan_rollout(const lt_policy *p, lt_compute compute, int threads, int64_t longest_prompt, const lt_rollout_options *o,
                            int64_t batch, int64_t limit, int64_t taken, lt_rollout_shape *shape, int64_t *window, lt_error *err)
{
    int64_t resident = lt_memory_resident(), available = lt_memory_available();
    if (!limit)
        limit = available > INT64_MAX / 2 ? INT64_MAX / 2 : resident + available;
    int64_t left = limit - resident - taken - BESIDE;
    *window = INT64_MAX;
    if (lt_rollout_plan(shape, p->model, compute, threads, longest_prompt, o, batch, left - p->weight_bytes, NULL))
        return true;
    if (!lt_rollout_plan(shape, p->model, compute, threads, longest_prompt, o, batch, left - LEAST_WINDOW, err))
        return false;
    *window = left - shape->bytes;
    return true;
}

void lt_scored_free(lt_scored *s, int64_t answers)
{
    for (int64_t i = 0; s->text && i < answers; i++)
        free(s->text[i]);
    free(s->text);
    free(s->size);
    free(s->score);
    free(s->parts);
    *s = (lt_scored){0};
}

/* The text of an answer, without what ended it. */
static bool decode(const lt_policy *p, const lt_rollout_answer *a, char **text, size_t *size, lt_error *err)
{
    size_t n = (size_t)(a->count - (a->ended ? 1 : 0));
    return lt_tokenizer_decode(p->tokenizer, a->ids, n, LT_DECODE_SKIP_SPECIAL, text, size, err);
}

/* Ids of prompt and answer one behind the other, for a reward model. */
static int32_t *joined(const lt_prompt *prompt, const lt_rollout_answer *a)
{
    int32_t *ids = malloc((prompt->ids.count + (size_t)a->count) * sizeof *ids);
    if (ids) {
        memcpy(ids, prompt->ids.data, prompt->ids.count * sizeof *ids);
        memcpy(ids + prompt->ids.count, a->ids, (size_t)a->count * sizeof *ids);
    }
    return ids;
}

bool lt_policy_score(const lt_policy *p, lt_scorer *scorer, const lt_prompt *const *prompts, int64_t count, int64_t K,
                     const lt_rollout_answer *answers, lt_scored *s, lt_error *err)
{
    int64_t n = count * K;
    size_t room = (size_t)(n ? n : 1);
    lt_scored_answer *list = calloc(room, sizeof *list);
    *s = (lt_scored){.text = calloc(room, sizeof *s->text), .size = calloc(room, sizeof *s->size), .score = calloc(room, sizeof *s->score),
                     .parts = calloc(room * (size_t)lt_scorer_count(scorer), sizeof *s->parts)};
    bool ok = list && s->text && s->size && s->score && s->parts;
    if (!ok)
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld answers", (long long)n);
    for (int64_t i = 0; ok && i < n; i++) {
        const lt_prompt *prompt = prompts[i / K];
        ok = decode(p, &answers[i], &s->text[i], &s->size[i], err);
        list[i] = (lt_scored_answer){.prompt = prompt->text, .prompt_size = prompt->text_size, .completion = s->text[i],
                                     .completion_size = s->size[i], .reference = prompt->reference, .reference_size = prompt->reference_size,
                                     .row = prompt->row, .ids = joined(prompt, &answers[i]), .prompt_ids = (int64_t)prompt->ids.count,
                                     .all_ids = (int64_t)prompt->ids.count + answers[i].count};
        if (ok && !list[i].ids)
            ok = lt_error_set(err, LT_ERR_MEMORY, "out of memory for an answer");
    }
    ok = ok && lt_scorer_score(scorer, list, n, s->score, s->parts, err);
    for (int64_t i = 0; list && i < n; i++)
        free((void *)list[i].ids);
    free(list);
    return ok;
}
