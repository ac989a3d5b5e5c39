/* Setting up: model, adapter, value head, prompts, scorer; then the plan of memory, and only then the memory. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/threads.h"
#include "rl/learn_internal.h"
#include "train/memory.h"

enum { MOST_PASS_TOKENS = 4096, BESIDE = 16 << 20, LEAST_WINDOW = 64 << 20 };

lt_param_list lt_learn_adapter_view(const lt_learn *run)
{
    return (lt_param_list){.items = run->params.items, .count = run->adapter_params, .capacity = run->adapter_params};
}

lt_param_list lt_learn_value_view(const lt_learn *run)
{
    int count = run->params.count - run->adapter_params;
    return (lt_param_list){.items = run->params.items + run->adapter_params, .count = count, .capacity = count};
}

bool lt_learn_needs_reference(const lt_learn *run) { return run->request->objective.beta > 0; }

/* With one update on each round and no divergence in the reward, the policy that sampled is the model itself. */
bool lt_learn_needs_old(const lt_learn *run)
{
    return run->request->num_iterations > 1 || run->request->algorithm == LT_RL_PPO ||
           (run->request->algorithm == LT_RL_RLOO && lt_learn_needs_reference(run));
}

static bool check_reference(lt_learn *run, lt_error *err)
{
    if (!lt_learn_needs_reference(run) || lt_tuning_enable(run->tuning, true))
        return true;
    return lt_error_set(err, LT_ERR_USAGE, "beta: the reference is the model with its adapter off, and full training has none; train an "
                                           "adapter, or set beta to 0");
}

static bool open_tuning(lt_learn *run, lt_error *err)
{
    lt_arena values = lt_arena_measure(), gradients = lt_arena_measure();
    int64_t C = run->policy.model->config.C;
    if (!lt_tuning_open(&run->tuning, run->policy.model, &run->options, &run->params, err) || !check_reference(run, err) ||
        !lt_optimizer_init(&run->optimizer, &run->options.optimizer, err))
        return false;
    run->adapter_params = run->params.count;
    if (run->objective->head == LT_HEAD_LM_VALUE) {
        lt_param_list_add(&run->params, "value_head.weight", 2, (int64_t[]){1, C}, true);
        lt_param_list_add(&run->params, "value_head.bias", 1, (int64_t[]){1}, false);
    }
    lt_param_list_layout(&run->params, &values, &gradients);
    if (!lt_arena_init(&run->values, values.used, err) || !lt_arena_init(&run->gradients, gradients.used, err))
        return false;
    lt_param_list_layout(&run->params, &run->values, &run->gradients);
    lt_model_trained_plug(run->policy.model, &run->params);
    if (run->objective->head == LT_HEAD_LM_VALUE) {
        const lt_param *w = &run->params.items[run->adapter_params], *b = w + 1;
        run->value = (lt_score_head){.C = C, .N = 1, .weight = w->value, .bias = b->value, .dweight = w->gradient, .dbias = b->gradient};
    }
    return true;
}

static bool open_prompts(lt_learn *run, lt_error *err)
{
    lt_prompts *reader;
    lt_prompts_options options = run->request->prompts;
    options.tokenizer = run->policy.tokenizer;
    options.chat = run->policy.chat;
    if (!lt_prompts_open(&reader, &options, err))
        return false;
    bool ok = lt_prompts_read_all(reader, lt_scorer_needs_reference(run->scorer), &run->prompts, &run->prompt_count, err);
    run->too_long = lt_prompts_too_long(reader);
    lt_prompts_close(reader);
    for (int64_t i = 0; ok && i < run->prompt_count; i++)
        if ((int64_t)run->prompts[i].ids.count > run->longest_prompt)
            run->longest_prompt = (int64_t)run->prompts[i].ids.count;
    if (ok && run->too_long)
        lt_log_warning("%lld prompts are longer than %lld tokens and are left out", (long long)run->too_long, (long long)options.max_length);
    if (ok && !(run->order = malloc((size_t)run->prompt_count * sizeof *run->order)))
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    run->ordered_epoch = -1;
    return ok;
}

static bool check_sizes(lt_learn *run, lt_error *err)
{
    const lt_rl_request *r = run->request;
    int64_t K = r->rollout.answers, rows = run->options.batch_size * run->options.gradient_accumulation_steps;
    if (K < (r->algorithm == LT_RL_PPO ? 1 : 2))
        return lt_error_set(err, LT_ERR_USAGE, "num_generations: %s compares answers to one prompt, so it takes 2 or more, found %lld",
                            lt_rl_algorithm_name(r->algorithm), (long long)K);
    if (rows % K)
        return lt_error_set(err, LT_ERR_USAGE, "num_generations: the %lld answers of a step (batch_size × gradient_accumulation_steps) are no "
                                               "multiple of %lld", (long long)rows, (long long)K);
    if (r->rollout.sample.greedy)
        return lt_error_set(err, LT_ERR_USAGE, "temperature: greedy answers to a prompt are all the same; expected more than 0");
    if (r->num_iterations < 1)
        return lt_error_set(err, LT_ERR_USAGE, "num_iterations: expected 1 or more, found %lld", (long long)r->num_iterations);
    run->groups_per_round = rows / K;
    return true;
}

static bool set_schedule(lt_learn *run, lt_error *err)
{
    const lt_train_options *o = &run->options;
    double rounds = ceil((double)run->prompt_count / (double)run->groups_per_round * o->num_train_epochs);
    run->total_steps = o->max_steps > 0 ? o->max_steps : (int64_t)(rounds < 1 ? 1 : rounds) * run->request->num_iterations;
    lt_schedule_options schedule = o->schedule;
    schedule.total_steps = run->total_steps;
    schedule.learning_rate = o->learning_rate;
    return lt_schedule_init(&run->schedule, &schedule, err);
}

bool lt_learn_open(lt_learn *run, lt_error *err)
{
    const lt_rl_request *r = run->request;
    if (!check_sizes(run, err) || !run->objective->check(&r->objective, err) || !lt_policy_open(&run->policy, r->train.model, r->chat_template, err) ||
        !lt_scorer_open(&run->scorer, r->scorers, r->weights, r->scorer_count, &r->scorer, err) || !open_prompts(run, err) ||
        !open_tuning(run, err) || !set_schedule(run, err))
        return false;
    if (run->policy.model->config.logit_softcap > 0 && r->rollout.sample.temperature != 1)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "temperature: %s caps its logits, and is trained at temperature 1 only, found %g", r->train.model,
                            r->rollout.sample.temperature);
    run->rollout_options = r->rollout;
    run->rollout_options.stop_ids = run->policy.stop_ids.data;
    run->rollout_options.stop_id_count = run->policy.stop_ids.count;
    run->rollout_options.stop = r->train.stop;
    run->at.beta = r->objective.beta;
    run->at.reward_first = run->at.reward_last = NAN;
    return true;
}

static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* The engine for passes of at most so many tokens, beside what sampling takes. */
static bool plan_engine(lt_learn *run, const lt_plan_choice *choice, int64_t tokens, int64_t limit, lt_error *err)
{
    lt_plan_request request = {.model = run->policy.model, .params = &run->params, .optimizer = &run->optimizer, .least_tokens = tokens,
                               .longest_sequence = run->longest_prompt + run->rollout_options.max_new_tokens, .compute = run->options.compute,
                               .threads = run->options.threads, .activation_bits = run->options.activation_bits, .max_memory_bytes = limit};
    return choice ? lt_plan_restore(&run->plan, &request, choice, err) : lt_plan_make(&run->plan, &request, err);
}

bool lt_learn_start(lt_learn *run, const lt_plan_choice *choice, int64_t pass_tokens, lt_error *err)
{
    const lt_train_options *o = &run->options;
    int64_t resident = lt_memory_resident(), available = lt_memory_available(), longest = run->longest_prompt + run->rollout_options.max_new_tokens;
    int64_t limit = o->max_memory_bytes ? o->max_memory_bytes : available > INT64_MAX / 4 ? INT64_MAX / 4 : resident + available / 10 * 9;
    int64_t all = max64(longest, o->batch_size * o->gradient_accumulation_steps * longest < MOST_PASS_TOKENS ? o->batch_size * o->gradient_accumulation_steps * longest : MOST_PASS_TOKENS);
    if (!lt_rollout_plan(&run->rollout_shape, run->policy.model, o->compute, o->threads, run->longest_prompt, &run->rollout_options,
                         run->request->decode_batch, (limit - resident - BESIDE) / 2, err))
        return false;
    int64_t left = limit - run->rollout_shape.bytes - BESIDE;
    bool planned = choice && plan_engine(run, choice, pass_tokens, left, err);
    for (int64_t tokens = all; !choice && !planned; tokens = max64(longest, tokens / 2)) {
        planned = plan_engine(run, NULL, tokens, left, err);
        if (!planned && tokens == longest)
            break;
    }
    if (!planned)
        return lt_error_context(err, "learning beside %lld MiB for sampling", (long long)(run->rollout_shape.bytes >> 20));
    int64_t window = left - run->plan.bytes.total + run->plan.bytes.weights;
    lt_weights_set_window(run->policy.model->weights, run->policy.weight_bytes <= window ? INT64_MAX : max64(window, LEAST_WINDOW / 64));
    lt_arena states = lt_arena_measure();
    lt_param_list adapter = lt_learn_adapter_view(run);
    if (!lt_optimizer_layout(&run->optimizer, &run->params, &states, err) || !lt_arena_init(&run->states, states.used, err) ||
        !lt_optimizer_layout(&run->optimizer, &run->params, &run->states, err) || !lt_tuning_fill(run->tuning, &adapter, err) ||
        !lt_engine_open(&run->engine, run->policy.model, &run->plan.shape, err) ||
        !lt_experience_pass_init(&run->pass, run->plan.shape.max_T, o->batch_size * o->gradient_accumulation_steps, run->value.N ? run->value.C : 0, err))
        return false;
    return lt_rollout_open(&run->rollout, run->policy.model, &run->rollout_shape, err);
}

void lt_learn_close(lt_learn *run)
{
    lt_rollout_close(run->rollout);
    lt_experience_pass_free(&run->pass);
    lt_experience_free(&run->experience);
    lt_engine_close(run->engine);
    lt_tuning_close(run->tuning);
    lt_optimizer_free(&run->optimizer);
    lt_param_list_free(&run->params);
    lt_arena_free(&run->values);
    lt_arena_free(&run->gradients);
    lt_arena_free(&run->states);
    if (run->prompts)
        lt_prompts_free_all(run->prompts, run->prompt_count);
    free(run->order);
    lt_scorer_close(run->scorer);
    lt_policy_close(&run->policy);
    json_decref(run->fingerprint);
}
