/* A round of sampling: prompts, answers, scores, and what the advantage is made of. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "rl/learn_internal.h"

static const uint64_t GOLDEN = 0x9E3779B97F4A7C15ull;

/* Groups of a round as they come in. */
typedef struct round_of {
    lt_learn *run;
    const lt_prompt **prompts;  /* (groups) */
    lt_rollout_answer *answers; /* (groups, K) */
    double *score, *parts;      /* (groups, K), (scorers, groups, K) */
    int64_t groups, have, K;
} round_of;

static bool init_round(round_of *r, lt_learn *run, lt_error *err)
{
    int64_t G = run->groups_per_round, K = run->rollout_options.answers;
    *r = (round_of){.run = run, .groups = G, .K = K};
    r->prompts = calloc((size_t)G, sizeof *r->prompts);
    r->answers = calloc((size_t)(G * K), sizeof *r->answers);
    r->score = calloc((size_t)(G * K), sizeof *r->score);
    r->parts = calloc((size_t)(lt_scorer_count(run->scorer) * G * K), sizeof *r->parts);
    return (r->prompts && r->answers && r->score && r->parts) || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
}

static void free_round(round_of *r)
{
    if (r->answers)
        lt_rollout_free(r->answers, r->groups * r->K);
    free(r->prompts);
    free(r->answers);
    free(r->score);
    free(r->parts);
}

/* The next prompt: another order in every epoch, or that of the files. */
static const lt_prompt *next_prompt(lt_learn *run)
{
    lt_learn_counters *at = &run->at;
    if (run->ordered_epoch != at->epoch) {
        for (int64_t i = 0; i < run->prompt_count; i++)
            run->order[i] = (uint32_t)i;
        lt_rng rng = lt_rng_make(run->options.seed, 0x70726F6D + (uint64_t)at->epoch);
        if (run->options.shuffle)
            lt_rng_shuffle(&rng, run->order, (uint32_t)run->prompt_count);
        run->ordered_epoch = at->epoch;
    }
    const lt_prompt *prompt = &run->prompts[run->order[at->position]];
    if (++at->position == run->prompt_count) {
        at->position = 0;
        at->epoch++;
    }
    return prompt;
}

static void show_sampling(int64_t answers, int64_t tokens, void *context)
{
    (void)tokens;
    const lt_learn *run = context;
    lt_learn_show(run, "sampling", answers, run->groups_per_round * run->rollout_options.answers);
}

static bool all_equal(const double *score, int64_t K)
{
    for (int64_t i = 1; i < K; i++)
        if (score[i] != score[0])
            return false;
    return true;
}

/* Moves group `from` of what was sampled to the end of what is kept. */
static void keep_group(round_of *r, const lt_prompt *prompt, lt_rollout_answer *answers, const lt_scored *scored, int64_t from, int64_t sampled)
{
    int64_t to = r->have++, K = r->K;
    r->prompts[to] = prompt;
    memcpy(r->answers + to * K, answers + from * K, (size_t)K * sizeof *answers);
    memset(answers + from * K, 0, (size_t)K * sizeof *answers);
    memcpy(r->score + to * K, scored->score + from * K, (size_t)K * sizeof(double));
    for (int s = 0; s < lt_scorer_count(r->run->scorer); s++)
        memcpy(r->parts + (s * r->groups + to) * K, scored->parts + (s * sampled + from) * K, (size_t)K * sizeof(double));
}

/* Answers for the groups that are still missing. last: groups of equal scores are kept, too. */
static bool sample_missing(round_of *r, int64_t turn, bool last, lt_error *err)
{
    lt_learn *run = r->run;
    int64_t n = r->groups - r->have, K = r->K;
    const lt_prompt **asked = calloc((size_t)n, sizeof *asked);
    lt_rollout_prompt *prompts = calloc((size_t)n, sizeof *prompts);
    lt_rollout_answer *answers = calloc((size_t)(n * K), sizeof *answers);
    lt_rollout_options options = run->rollout_options;
    lt_rollout_counts counts = {0};
    lt_scored scored = {0};
    options.seed = run->options.seed + (uint64_t)run->at.generation * GOLDEN + (uint64_t)turn * 0xD1B54A32D192ED03ull;
    options.progress = show_sampling;
    options.context = run;
    bool ok = (asked && prompts && answers) || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; ok && i < n; i++) {
        asked[i] = next_prompt(run);
        prompts[i] = (lt_rollout_prompt){asked[i]->ids.data, (int64_t)asked[i]->ids.count, (uint64_t)asked[i]->index};
    }
    ok = ok && lt_rollout_run(run->rollout, prompts, n, &options, answers, &counts, err);
    double begin = lt_learn_clock();
    ok = ok && lt_policy_score(&run->policy, run->scorer, asked, n, K, answers, &scored, err);
    run->at.scoring += lt_learn_clock() - begin;
    run->at.sampling += counts.seconds;
    run->at.tokens += counts.tokens;
    run->at.answers += counts.answers;
    if (ok)
        lt_meter_add(&run->meter, "sampling/tokens_per_second", counts.seconds > 0 ? (double)counts.tokens / counts.seconds : 0);
    for (int64_t i = 0; ok && i < n; i++) {
        bool equal = all_equal(scored.score + i * K, K);
        run->at.groups++;
        run->at.equal_groups += equal;
        if (equal && !last)
            run->at.replaced_groups++;
        else
            keep_group(r, asked[i], answers, &scored, i, n);
    }
    lt_scored_free(&scored, n * K);
    if (answers)
        lt_rollout_free(answers, n * K);
    free(asked);
    free(prompts);
    free(answers);
    return ok;
}

/* ---- experience ---- */

static bool gather(round_of *r, lt_error *err)
{
    lt_learn *run = r->run;
    int64_t ids = 0, tokens = 0;
    for (int64_t i = 0; i < r->groups * r->K; i++) {
        ids += (int64_t)r->prompts[i / r->K]->ids.count + r->answers[i].count;
        tokens += r->answers[i].count;
    }
    lt_experience_free(&run->experience);
    if (!lt_experience_init(&run->experience, r->groups * r->K, ids, tokens, err))
        return false;
    for (int64_t i = 0; i < r->groups * r->K; i++) {
        const lt_rollout_answer *a = &r->answers[i];
        const lt_prompt *p = r->prompts[i / r->K];
        lt_experience_add(&run->experience, p->ids.data, (int64_t)p->ids.count, a->ids, a->count, a->ended,
                          r->score[i] - (a->ended ? 0 : run->request->missing_eos_penalty));
        lt_experience_answer *made = &run->experience.answers[i];
        made->masked = run->request->mask_truncated_completions && !a->ended;
        run->experience.counted_tokens += made->masked ? 0 : made->tokens;
    }
    return true;
}

static void measure_scores(const round_of *r)
{
    lt_meter *m = &r->run->meter;
    int64_t n = r->groups * r->K, equal = 0;
    double deviation = 0;
    for (int s = 0; s < lt_scorer_count(r->run->scorer); s++) {
        char name[LT_METER_NAME];
        snprintf(name, sizeof name, "rewards/%s/mean", lt_scorer_name(r->run->scorer, s));
        lt_meter_add(m, name, lt_advantage_mean(r->parts + s * n, n));
        snprintf(name, sizeof name, "rewards/%s/std", lt_scorer_name(r->run->scorer, s));
        lt_meter_add(m, name, lt_advantage_deviation(r->parts + s * n, n));
    }
    for (int64_t g = 0; g < r->groups; g++) {
        double d = lt_advantage_deviation(r->score + g * r->K, r->K);
        deviation += d / (double)r->groups;
        equal += d < 1e-8;
    }
    lt_meter_add(m, "reward", lt_advantage_mean(r->score, n));
    lt_meter_add(m, "reward_std", deviation);
    lt_meter_add(m, "frac_reward_zero_std", (double)equal / (double)r->groups);
    if (equal == r->groups && r->K > 1 && !r->run->warned_equal) {
        lt_log_warning("every group of round %lld has answers that all score the same: there is nothing to learn from them "
                       "(frac_reward_zero_std counts them)", (long long)r->run->at.generation + 1);
        r->run->warned_equal = true;
    }
}

static void measure_lengths(const lt_learn *run, lt_meter *m)
{
    const lt_experience *e = &run->experience;
    double sum = 0, low = INFINITY, high = 0, ended_sum = 0, ended_low = INFINITY, ended_high = 0;
    int64_t ended = 0;
    for (int64_t i = 0; i < e->count; i++) {
        double n = (double)e->answers[i].tokens;
        sum += n;
        low = fmin(low, n);
        high = fmax(high, n);
        if (!e->answers[i].ended)
            continue;
        ended++;
        ended_sum += n;
        ended_low = fmin(ended_low, n);
        ended_high = fmax(ended_high, n);
    }
    lt_meter_add(m, "completions/mean_length", sum / (double)e->count);
    lt_meter_add(m, "completions/min_length", low);
    lt_meter_add(m, "completions/max_length", high);
    lt_meter_add(m, "completions/clipped_ratio", 1 - (double)ended / (double)e->count);
    lt_meter_add(m, "completions/mean_terminated_length", ended ? ended_sum / (double)ended : 0);
    lt_meter_add(m, "completions/min_terminated_length", ended ? ended_low : 0);
    lt_meter_add(m, "completions/max_terminated_length", ended_high);
}

/* ---- advantages ---- */

/* Σ over an answer's tokens of old - reference: its divergence, as the sampled tokens estimate it. */
static double divergence(const lt_experience *e, const lt_experience_answer *a)
{
    double sum = 0;
    for (int64_t i = a->first; i < a->first + a->tokens; i++)
        sum += e->per_target[LT_TARGET_OLD_LOGP][i] - e->per_target[LT_TARGET_REFERENCE_LOGP][i];
    return a->masked ? 0 : sum;
}

static bool of_groups(lt_learn *run, lt_error *err)
{
    lt_experience *e = &run->experience;
    int64_t K = run->rollout_options.answers, G = e->count / K;
    bool kl_in_reward = run->request->algorithm == LT_RL_RLOO && lt_learn_needs_reference(run);
    double *reward = malloc((size_t)e->count * sizeof *reward), *advantage = malloc((size_t)e->count * sizeof *advantage), kl = 0;
    if (!reward || !advantage) {
        free(reward);
        free(advantage);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    }
    for (int64_t i = 0; i < e->count; i++) {
        double d = kl_in_reward ? divergence(e, &e->answers[i]) : 0;
        kl += d;
        reward[i] = e->answers[i].reward = e->answers[i].score - run->request->objective.beta * d;
    }
    if (kl_in_reward && e->counted_tokens)
        lt_meter_add(&run->meter, "kl", kl / (double)e->counted_tokens);
    if (run->request->algorithm == LT_RL_RLOO)
        lt_advantage_rloo(reward, G, K, run->request->normalize_advantages, advantage);
    else
        lt_advantage_grpo(reward, G, K, run->request->scale_rewards, advantage);
    for (int64_t i = 0; i < e->count; i++) {
        lt_experience_answer *a = &e->answers[i];
        a->advantage = advantage[i];
        for (int64_t t = a->first; t < a->first + a->tokens; t++)
            e->per_target[LT_TARGET_ADVANTAGE][t] = (float)advantage[i];
    }
    free(reward);
    free(advantage);
    return true;
}

/* Rewards of tokens: less their divergence, and at the end the score. reward (tokens of the experience). */
static void token_rewards(lt_learn *run, float *reward)
{
    lt_experience *e = &run->experience;
    bool reference = lt_learn_needs_reference(run);
    double kl = 0, scores = 0;
    int64_t counted = 0;
    for (int64_t i = 0; i < e->count; i++) {
        const lt_experience_answer *a = &e->answers[i];
        if (a->masked)
            continue;
        for (int64_t t = a->first; t < a->first + a->tokens; t++)
            reward[t] = reference ? (float)(-run->at.beta * (e->per_target[LT_TARGET_OLD_LOGP][t] - e->per_target[LT_TARGET_REFERENCE_LOGP][t])) : 0;
        reward[a->first + a->tokens - 1] += (float)a->score;
        kl += reference ? divergence(e, a) : 0;
        scores += a->score;
        counted++;
    }
    double n = counted ? (double)counted : 1;
    lt_meter_add(&run->meter, "objective/kl", kl / n);
    lt_meter_add(&run->meter, "objective/non_score_reward", -run->at.beta * kl / n);
    lt_meter_add(&run->meter, "objective/rlhf_reward", (scores - run->at.beta * kl) / n);
    lt_meter_add(&run->meter, "objective/scores", scores / n);
    lt_meter_add(&run->meter, "objective/kl_coef", run->at.beta);
    if (run->request->kl_target > 0 && counted)
        run->at.beta = lt_advantage_adapt_kl(run->at.beta, kl / n, run->request->kl_target, run->request->kl_horizon, counted);
}

/* Tokens of answers that are not masked, from `all` (tokens) one behind another, or back. */
static int64_t pack(const lt_experience *e, float *all, float *packed, bool back)
{
    int64_t n = 0;
    for (int64_t i = 0; i < e->count; i++) {
        const lt_experience_answer *a = &e->answers[i];
        if (a->masked)
            continue;
        if (back)
            memcpy(all + a->first, packed + n, (size_t)a->tokens * sizeof(float));
        else
            memcpy(packed + n, all + a->first, (size_t)a->tokens * sizeof(float));
        n += a->tokens;
    }
    return n;
}

static bool of_tokens(lt_learn *run, lt_error *err)
{
    lt_experience *e = &run->experience;
    size_t room = (size_t)(e->tokens ? e->tokens : 1);
    float *reward = calloc(room, sizeof *reward), *packed = calloc(room, sizeof *packed);
    double *one = calloc(room, sizeof *one);
    bool ok = (reward && packed && one) || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (ok) {
        token_rewards(run, reward);
        if (run->request->whiten_rewards) {
            lt_advantage_whiten(packed, pack(e, reward, packed, false), false);
            pack(e, reward, packed, true);
        }
        for (int64_t i = 0; i < e->count; i++) {
            const lt_experience_answer *a = &e->answers[i];
            for (int64_t t = 0; t < a->tokens; t++)
                one[t] = reward[a->first + t];
            lt_advantage_gae(one, e->per_target[LT_TARGET_OLD_VALUE] + a->first, a->tokens, run->request->gamma, run->request->lam,
                             e->per_target[LT_TARGET_ADVANTAGE] + a->first, e->per_target[LT_TARGET_RETURN] + a->first);
        }
        lt_advantage_whiten(packed, pack(e, e->per_target[LT_TARGET_ADVANTAGE], packed, false), true);
        pack(e, e->per_target[LT_TARGET_ADVANTAGE], packed, true);
    }
    free(reward);
    free(packed);
    free(one);
    return ok;
}

bool lt_learn_sample(lt_learn *run, lt_error *err)
{
    round_of r;
    int64_t turns = run->request->dynamic_sampling;
    bool ok = init_round(&r, run, err);
    for (int64_t turn = 0; ok && r.have < r.groups; turn++)
        ok = sample_missing(&r, turn, turn >= turns, err);
    ok = ok && gather(&r, err);
    if (ok) {
        measure_scores(&r);
        measure_lengths(run, &run->meter);
    }
    free_round(&r);
    return ok && lt_learn_look(run, err) && (run->request->algorithm == LT_RL_PPO ? of_tokens(run, err) : of_groups(run, err));
}
