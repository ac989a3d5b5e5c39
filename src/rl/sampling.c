#include "rl/sampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapt/adapter.h"
#include "core/file.h"
#include "core/log.h"
#include "core/threads.h"
#include "rl/sampling_internal.h"
#include "train/memory.h"

/* One call of lt_sampling_run. */
typedef struct run {
    const lt_sampling_request *r;
    lt_sampling_result *result;
    lt_policy policy;
    lt_scorer *scorer;
    lt_prompts *prompts;
    lt_rollout_options options;
    lt_rollout_shape shape;
    lt_rollout *rollout;
    lt_sampling_folder folder;
    int64_t group, members; /* prompts at a time; who answers each */
    double begin;
} run;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void show(int64_t answers, int64_t tokens, void *context)
{
    const run *u = context;
    double seconds = now() - u->begin;
    (void)answers;
    if (u->r->progress)
        u->r->progress("sampling", u->result->prompts, tokens, seconds > 0 ? (double)tokens / seconds : 0, u->r->context);
}

static bool check(const lt_sampling_request *r, lt_error *err)
{
    if (r->rollout.answers < 1)
        return lt_error_set(err, LT_ERR_USAGE, "num_generations: expected 1 or more, found %lld", (long long)r->rollout.answers);
    if (r->rollout.sample.greedy && r->rollout.answers > 1)
        return lt_error_set(err, LT_ERR_USAGE, "num_generations: %lld greedy answers are the same one; give a temperature", (long long)r->rollout.answers);
    if (!r->best_of && isnan(r->threshold))
        return lt_error_set(err, LT_ERR_USAGE, "what shall be kept? Give best_of, a threshold, or both");
    return true;
}

static bool open_all(run *u, lt_error *err)
{
    const lt_sampling_request *r = u->r;
    lt_prompts_options prompts = r->prompts;
    int64_t window;
    if (!lt_policy_open(&u->policy, r->model, r->chat_template, err) ||
        !lt_scorer_open(&u->scorer, r->scorers, r->weights, r->scorer_count, &r->scorer, err))
        return false;
    prompts.tokenizer = u->policy.tokenizer;
    prompts.chat = u->policy.chat;
    u->options = r->rollout;
    u->options.stop_ids = u->policy.stop_ids.data;
    u->options.stop_id_count = r->ignore_eos ? 0 : u->policy.stop_ids.count;
    u->options.stop = r->stop;
    u->options.progress = show;
    u->options.context = u;
    if (!lt_prompts_open(&u->prompts, &prompts, err))
        return false;
    lt_used_adapter *adapter = NULL; /* its hooks take part in the plan */
    if (r->adapter_count && !lt_used_adapter_open(&adapter, u->policy.model, r->adapters[0], err))
        return false;
    bool ok = lt_policy_plan_rollout(&u->policy, r->compute, r->threads, prompts.max_length, &u->options, r->batch, r->max_memory_bytes, 0,
                                     &u->shape, &window, err);
    if (ok) {
        lt_weights_set_window(u->policy.model->weights, window);
        ok = lt_rollout_open(&u->rollout, u->policy.model, &u->shape, err);
    }
    if (adapter)
        lt_used_adapter_close(adapter);
    u->result->batch = u->shape.decoder.sequences;
    u->result->cache_bytes = u->shape.cache_bytes;
    u->members = r->adapter_count ? r->adapter_count : 1;
    u->group = 4 * u->shape.decoder.sequences / u->options.answers;
    u->group = u->group < 8 ? 8 : u->group;
    return ok;
}

/* Prompts done by an earlier session are read again and passed over. */
static bool skip_done(run *u, lt_error *err)
{
    bool end = false;
    for (int64_t i = 0; i < u->folder.rows && !end; i++) {
        lt_prompt prompt;
        if (!lt_prompts_next(u->prompts, false, &prompt, &end, err))
            return false;
        if (!end)
            lt_prompt_free(&prompt);
    }
    return !end || u->folder.rows == 0 || lt_error_set(err, LT_ERR_USAGE, "%s: more rows were done than the data has now", u->r->output);
}

/* K answers of every member to each of n prompts; answers (members, n, K). */
static bool answer_all(run *u, const lt_prompt *list, int64_t n, lt_rollout_answer *answers, lt_error *err)
{
    lt_rollout_prompt *prompts = calloc((size_t)n, sizeof *prompts);
    lt_rollout_counts counts = {0};
    bool ok = prompts || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; ok && i < n; i++)
        prompts[i] = (lt_rollout_prompt){list[i].ids.data, (int64_t)list[i].ids.count, (uint64_t)list[i].index};
    for (int64_t m = 0; ok && m < u->members; m++) {
        lt_used_adapter *adapter = NULL;
        lt_rollout_options options = u->options;
        options.seed += (uint64_t)m * 0x9E3779B97F4A7C15ull;
        if (u->r->adapter_count)
            ok = lt_used_adapter_open(&adapter, u->policy.model, u->r->adapters[m], err);
        ok = ok && lt_rollout_run(u->rollout, prompts, n, &options, answers + m * n * options.answers, &counts, err);
        if (adapter)
            lt_used_adapter_close(adapter);
    }
    u->result->tokens += counts.tokens;
    u->result->prompt_tokens += counts.prompt_tokens;
    u->result->seconds += counts.seconds;
    u->result->step_seconds += counts.step_seconds;
    free(prompts);
    return ok;
}

/* Answers of one prompt side by side: member after member. */
static bool write_prompt(run *u, const lt_prompt *prompt, int64_t i, int64_t n, const lt_rollout_answer *answers, const lt_scored *s, lt_error *err)
{
    int64_t K = u->options.answers, all = u->members * K;
    const lt_rollout_answer **a = malloc((size_t)all * sizeof *a);
    const char **texts = malloc((size_t)all * sizeof *texts);
    size_t *sizes = malloc((size_t)all * sizeof *sizes);
    double *scores = malloc((size_t)all * sizeof *scores), *parts = malloc((size_t)(all * lt_scorer_count(u->scorer)) * sizeof *parts);
    bool ok = (a && texts && sizes && scores && parts) || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int64_t m = 0; ok && m < u->members; m++)
        for (int64_t k = 0; k < K; k++) {
            int64_t from = (m * n + i) * K + k, to = m * K + k;
            a[to] = &answers[from];
            texts[to] = s->text[from];
            sizes[to] = s->size[from];
            scores[to] = s->score[from];
            for (int p = 0; p < lt_scorer_count(u->scorer); p++)
                parts[p * all + to] = s->parts[p * u->members * n * K + from];
        }
    ok = ok && lt_sampling_write(&u->folder, u->r, u->scorer, prompt, a, texts, sizes, scores, parts, all, all, u->result, err);
    free(a);
    free(texts);
    free(sizes);
    free(scores);
    free(parts);
    return ok;
}

static bool do_group(run *u, const lt_prompt *list, int64_t n, lt_error *err)
{
    int64_t all = u->members * n * u->options.answers;
    lt_rollout_answer *answers = calloc((size_t)all, sizeof *answers);
    const lt_prompt **asked = malloc((size_t)(u->members * n) * sizeof *asked);
    lt_scored scored = {0};
    bool ok = (answers && asked) || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; ok && i < u->members * n; i++)
        asked[i] = &list[i % n];
    ok = ok && answer_all(u, list, n, answers, err) &&
         lt_policy_score(&u->policy, u->scorer, asked, u->members * n, u->options.answers, answers, &scored, err);
    for (int64_t i = 0; ok && i < n; i++)
        ok = write_prompt(u, &list[i], i, n, answers, &scored, err);
    lt_scored_free(&scored, all);
    if (answers)
        lt_rollout_free(answers, all);
    free(answers);
    free(asked);
    if (!ok)
        return false;
    u->folder.rows += n;
    u->result->too_long = lt_prompts_too_long(u->prompts);
    return lt_sampling_folder_keep(&u->folder, u->r, u->result, err);
}

static bool do_all(run *u, lt_error *err)
{
    bool ok = true, end = false, need = lt_scorer_needs_reference(u->scorer);
    while (ok && !end) {
        lt_prompt *list = calloc((size_t)u->group, sizeof *list);
        int64_t n = 0, most = u->r->max_prompts ? u->r->max_prompts - u->folder.rows : INT64_MAX;
        ok = list || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
        while (ok && !end && n < u->group && n < most) {
            ok = lt_prompts_next(u->prompts, need, &list[n], &end, err);
            n += ok && !end;
        }
        end |= n >= most;
        if (ok && n)
            ok = do_group(u, list, n, err);
        for (int64_t i = 0; list && i < n; i++)
            lt_prompt_free(&list[i]);
        free(list);
    }
    u->result->too_long = lt_prompts_too_long(u->prompts);
    return ok;
}

static void warn(const run *u)
{
    const lt_sampling_result *s = u->result;
    if (s->too_long)
        lt_log_warning("%lld prompts are longer than %lld tokens and were left out", (long long)s->too_long, (long long)u->r->prompts.max_length);
    if (s->truncated == s->answers && s->answers && !u->r->keep_truncated)
        lt_log_warning("no answer ended within %lld tokens, so none was chosen; --max-new-tokens or --keep-truncated may help", (long long)u->options.max_new_tokens);
    if (s->equal_scores)
        lt_log_warning("%lld of %lld prompts have answers that all score the same: they make no pair", (long long)s->equal_scores, (long long)s->prompts);
}

json_t *lt_sampling_json(const lt_sampling_request *r, const lt_sampling_result *s)
{
    double prompts = s->prompts ? (double)s->prompts : 1, answers = s->answers ? (double)s->answers : 1;
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:f, s:I, s:I}", "command", "sample",
                     "model", r->model, "prompts", (json_int_t)s->prompts, "num_generations", (json_int_t)r->rollout.answers, "samples",
                     (json_int_t)s->answers, "sft_rows", (json_int_t)s->chosen, "preference_rows", (json_int_t)s->pairs, "truncated",
                     (json_int_t)s->truncated, "duplicates", (json_int_t)s->duplicates, "prompts_too_long", (json_int_t)s->too_long,
                     "prompts_with_equal_scores", (json_int_t)s->equal_scores, "score_mean", s->score_sum / answers, "score_best_mean",
                     s->best_sum / prompts, "solved", (double)s->solved / prompts, "completions/mean_length", (double)s->tokens / answers,
                     "seconds", s->seconds, "tokens", (json_int_t)s->tokens, "prompt_tokens", (json_int_t)s->prompt_tokens, "tokens_per_second",
                     s->seconds > 0 ? (double)s->tokens / s->seconds : 0.0, "batch", (json_int_t)s->batch, "cache_bytes", (json_int_t)s->cache_bytes);
}

static bool write_summary(const run *u, lt_error *err)
{
    char path[4096];
    json_t *summary = lt_sampling_json(u->r, u->result);
    if (summary)
        json_object_set_new(summary, "peak_rss_bytes", json_integer((json_int_t)lt_memory_peak()));
    char *text = summary ? json_dumps(summary, JSON_INDENT(2)) : NULL;
    bool ok = text ? lt_file_join(path, sizeof path, u->r->output, "summary.json", err) && lt_file_replace(path, text, strlen(text), err)
                   : lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    free(text);
    json_decref(summary);
    return ok;
}

bool lt_sampling_run(const lt_sampling_request *request, lt_sampling_result *result, lt_error *err)
{
    run u = {.r = request, .result = result, .begin = now(), .folder.lock = -1};
    lt_sampling_request own = *request;
    own.threads = lt_threads_set(own.threads);
    u.r = &own;
    *result = (lt_sampling_result){0};
    bool ok = check(&own, err) && open_all(&u, err) && lt_sampling_folder_open(&u.folder, &own, result, err) && skip_done(&u, err);
    result->batch = u.shape.decoder.sequences;
    ok = ok && do_all(&u, err);
    if (ok && result->prompts == 0)
        ok = lt_error_set(err, LT_ERR_USAGE, "no prompt was answered: %lld are longer than %lld tokens", (long long)result->too_long,
                          (long long)own.prompts.max_length);
    ok = ok && write_summary(&u, err);
    if (ok)
        warn(&u);
    lt_sampling_folder_close(&u.folder);
    lt_rollout_close(u.rollout);
    lt_prompts_close(u.prompts);
    lt_scorer_close(u.scorer);
    lt_policy_close(&u.policy);
    return ok;
}
