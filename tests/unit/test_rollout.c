#include "tiny_model.h"

#include "core/threads.h"
#include "rl/rollout.h"

enum { PROMPTS = 5, K = 7, TOKENS = 24 };

static int32_t prompt_ids[PROMPTS][20];
static const int32_t stop_ids[2] = {3, 17};

static lt_rollout_options options(void)
{
    return (lt_rollout_options){.sample = {.temperature = 1.3, .top_p = 0.9, .repetition_penalty = 1.1}, .answers = K,
                                .max_new_tokens = TOKENS, .seed = 4, .stop_ids = stop_ids, .stop_id_count = 2};
}

static lt_rollout_counts run(lt_model *model, const lt_rollout_prompt *prompts, int64_t count, const lt_rollout_options *o, int64_t batch,
                             int threads, lt_rollout_answer *answers)
{
    lt_rollout_shape shape;
    lt_rollout *rollout;
    lt_rollout_counts counts = {0};
    lt_error err = {0};
    lt_threads_set(threads);
    cr_assert(lt_rollout_plan(&shape, model, LT_COMPUTE_F32, threads, 20, o, batch, INT64_MAX, &err), "%s", err.message);
    cr_assert_eq(shape.decoder.sequences, batch);
    cr_assert(lt_rollout_open(&rollout, model, &shape, &err), "%s", err.message);
    cr_assert(lt_rollout_run(rollout, prompts, count, o, answers, &counts, &err), "%s", err.message);
    lt_rollout_close(rollout);
    lt_threads_set(0);
    return counts;
}

static void make_prompts(lt_rollout_prompt *prompts)
{
    for (int p = 0; p < PROMPTS; p++) {
        for (int i = 0; i < 20; i++)
            prompt_ids[p][i] = (p * 11 + i * 5 + 1) % 50;
        prompts[p] = (lt_rollout_prompt){prompt_ids[p], 20 - 3 * p, (uint64_t)(100 + p)};
    }
}

Test(rollout, answers_do_not_depend_on_batch_threads_or_the_other_prompts)
{
    lt_model *model = tiny_model(tiny_config(), 11);
    lt_rollout_prompt prompts[PROMPTS];
    lt_rollout_answer first[PROMPTS * K], other[PROMPTS * K];
    lt_rollout_options o = options();
    make_prompts(prompts);
    run(model, prompts, PROMPTS, &o, 1, 1, first);
    static const int batches[3] = {2, 9, 64};
    for (int b = 0; b < 3; b++) {
        lt_rollout_counts counts = run(model, prompts, PROMPTS, &o, batches[b], 1 + b, other);
        int64_t tokens = 0;
        for (int i = 0; i < PROMPTS * K; i++) {
            cr_assert_eq(first[i].count, other[i].count, "batch %d, answer %d", batches[b], i);
            cr_expect_arr_eq(first[i].ids, other[i].ids, (size_t)first[i].count * sizeof(int32_t));
            cr_expect_eq(first[i].ended, other[i].ended);
            tokens += first[i].count;
        }
        cr_expect_eq(counts.tokens, tokens);
        cr_expect_eq(counts.answers, PROMPTS * K);
        lt_rollout_free(other, PROMPTS * K);
    }
    run(model, prompts + 3, 1, &o, 4, 2, other); /* prompt 3 alone */
    for (int k = 0; k < K; k++)
        cr_expect_arr_eq(first[3 * K + k].ids, other[k].ids, (size_t)other[k].count * sizeof(int32_t));
    lt_rollout_free(other, K);
    lt_rollout_free(first, PROMPTS * K);
    lt_model_close(model);
}

Test(rollout, answers_end_with_a_stop_token_or_are_cut)
{
    lt_model *model = tiny_model(tiny_config(), 12);
    lt_rollout_prompt prompts[PROMPTS];
    lt_rollout_answer answers[PROMPTS * K];
    lt_rollout_options o = options();
    int ended = 0, cut = 0, same = 0;
    make_prompts(prompts);
    run(model, prompts, PROMPTS, &o, 6, 2, answers);
    for (int i = 0; i < PROMPTS * K; i++) {
        const lt_rollout_answer *a = &answers[i];
        for (int64_t t = 0; t < a->count; t++) {
            bool stop = a->ids[t] == 3 || a->ids[t] == 17;
            cr_expect_eq(stop, a->ended && t == a->count - 1);
        }
        cr_expect(a->ended || a->count == TOKENS);
        ended += a->ended;
        cut += !a->ended;
        same += i % K && a->count == answers[i - 1].count && !memcmp(a->ids, answers[i - 1].ids, (size_t)a->count * sizeof(int32_t));
    }
    cr_expect(ended > 0 && cut > 0 && same < 5, "%d ended, %d cut, %d like the one before", ended, cut, same);
    lt_rollout_free(answers, PROMPTS * K);
    lt_model_close(model);
}

Test(rollout, the_plan_takes_fewer_at_once_under_a_budget_and_refuses_what_cannot_be)
{
    lt_model *model = tiny_model(tiny_config(), 13);
    lt_rollout_options o = options();
    lt_rollout_shape wide, narrow;
    lt_error err = {0};
    cr_assert(lt_rollout_plan(&wide, model, LT_COMPUTE_F32, 2, 400, &o, 64, INT64_MAX, &err));
    cr_assert(lt_rollout_plan(&narrow, model, LT_COMPUTE_F32, 2, 400, &o, 64, wide.bytes / 2, &err));
    cr_expect(narrow.bytes <= wide.bytes / 2 && narrow.decoder.sequences < 64 && narrow.cache_bytes < narrow.bytes);
    cr_expect_not(lt_rollout_plan(&narrow, model, LT_COMPUTE_F32, 2, 400, &o, 64, 10000, &err));
    cr_expect_eq(err.status, LT_ERR_MEMORY);
    cr_expect(strstr(err.message, "at least"), "%s", err.message);
    lt_model_close(model);
}
