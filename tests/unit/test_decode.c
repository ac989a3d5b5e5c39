#include "tiny_model.h"

#include <math.h>

#include "core/threads.h"
#include "nn/decode.h"
#include "nn/engine.h"

enum { V = 50, PROMPT = 21, ANSWER = 6 };

static int32_t token(int64_t sequence, int64_t i) { return (int32_t)((sequence * 13 + i * 7 + 3) % V); }

static lt_decoder *open_decoder(lt_model *model, int64_t sequences, int64_t prefixes, lt_compute compute)
{
    lt_decoder_shape shape = {.compute = compute, .threads = lt_threads_count(), .sequences = sequences, .capacity = 32,
                              .chunk = 40, .prefixes = prefixes, .prefix_capacity = 32};
    lt_decoder *decoder;
    lt_error err = {0};
    cr_assert_lt(lt_decoder_cache_bytes(model, &shape), lt_decoder_bytes(model, &shape));
    cr_assert(lt_decoder_open(&decoder, model, &shape, &err), "%s", err.message);
    return decoder;
}

/* The prompt in prefix p, `salt` telling prompts apart. */
static void read_prompt(lt_decoder *d, int64_t p, int64_t salt, int64_t n, float *logits)
{
    int32_t ids[PROMPT];
    lt_error err = {0};
    for (int64_t i = 0; i < n; i++)
        ids[i] = token(salt, i);
    cr_assert(lt_decoder_feed(d, lt_decoder_prefix(d, p), ids, n, logits, &err), "%s", err.message);
}

static void take_logits(int64_t first, int64_t count, const float *logits, void *context)
{
    memcpy((float *)context + first * V, logits, (size_t)(count * V) * sizeof(float));
}

/* The logits of every position of ids as a training engine computes them. */
static void whole(lt_model *model, const int32_t *ids, int32_t n, float *logits)
{
    int32_t starts[2] = {0, n}, targets[PROMPT + ANSWER];
    float logp[PROMPT + ANSWER];
    lt_engine_shape shape = {.compute = LT_COMPUTE_F32, .threads = lt_threads_count(), .max_T = n, .max_sequence = n, .chunk = 8,
                             .head_chunk = 5, .activation_bits = 32, .input_bits = 32};
    lt_engine *engine;
    lt_error err = {0};
    for (int i = 0; i < n; i++)
        targets[i] = 1;
    lt_batch batch = {.T = n, .sequences = 1, .ids = ids, .starts = starts, .targets = targets, .target_count = n};
    cr_assert(lt_engine_open(&engine, model, &shape, &err), "%s", err.message);
    cr_assert(lt_engine_forward(engine, &batch, &err) && lt_engine_head(engine, NULL, logp, NULL, take_logits, logits, &err));
    lt_engine_close(engine);
}

Test(decode, answers_behind_a_shared_prompt_have_the_logits_of_a_pass_over_everything)
{
    lt_model *model = tiny_model(tiny_config(), 5);
    lt_decoder *d = open_decoder(model, 3, 1, LT_COMPUTE_F32);
    float logits[3 * V], expected[(PROMPT + ANSWER) * V];
    lt_error err = {0};
    read_prompt(d, 0, 0, PROMPT, logits);
    for (int64_t s = 0; s < 3; s++)
        lt_decoder_attach(d, s, lt_decoder_prefix(d, 0));
    for (int64_t i = 0; i < ANSWER; i++) {
        int32_t ids[3] = {token(1, i), token(2, i), token(3, i)};
        cr_assert(lt_decoder_step(d, (int64_t[]){0, 1, 2}, ids, 3, logits, &err), "%s", err.message);
    }
    for (int64_t s = 0; s < 3; s++) {
        int32_t all[PROMPT + ANSWER];
        for (int64_t i = 0; i < PROMPT + ANSWER; i++)
            all[i] = i < PROMPT ? token(0, i) : token(s + 1, i - PROMPT);
        cr_expect_eq(lt_decoder_length(d, s), PROMPT + ANSWER);
        whole(model, all, PROMPT + ANSWER, expected);
        for (int v = 0; v < V; v++)
            cr_expect_float_eq(logits[s * V + v], expected[(PROMPT + ANSWER - 1) * V + v], 2e-5f, "sequence %d, id %d", (int)s, v);
    }
    lt_decoder_close(d);
    lt_model_close(model);
}

/* Logits of the last of ANSWER steps of the given answers, two prompts, as many at once. */
static void decode_some(lt_model *model, lt_compute compute, const int64_t *answers, int64_t n, float *logits)
{
    lt_decoder *d = open_decoder(model, n, 2, compute);
    float unused[V];
    lt_error err = {0};
    read_prompt(d, 0, 20, PROMPT, unused);
    read_prompt(d, 1, 21, PROMPT - 4, unused);
    for (int64_t s = 0; s < n; s++)
        lt_decoder_attach(d, s, lt_decoder_prefix(d, answers[s] % 2));
    for (int64_t i = 0; i < ANSWER; i++) {
        int64_t sequences[40];
        int32_t ids[40];
        for (int64_t s = 0; s < n; s++) {
            sequences[s] = s;
            ids[s] = token(answers[s], i);
        }
        cr_assert(lt_decoder_step(d, sequences, ids, n, logits, &err), "%s", err.message);
    }
    lt_decoder_close(d);
}

Test(decode, a_sequence_gives_the_same_bytes_alone_and_in_any_batch)
{
    lt_model *model = tiny_model(tiny_config(), 6);
    float *many = malloc(40 * V * sizeof *many), alone[V], few[3 * V];
    for (int c = 0; c < 2; c++) {
        int64_t all[40], mixed[3] = {7, 30, 12};
        for (int64_t s = 0; s < 40; s++)
            all[s] = s;
        decode_some(model, (lt_compute)c, all, 40, many);
        decode_some(model, (lt_compute)c, mixed, 3, few);
        for (int i = 0; i < 3; i++) {
            decode_some(model, (lt_compute)c, &mixed[i], 1, alone);
            cr_expect_arr_eq(alone, many + mixed[i] * V, sizeof alone, "compute %d, answer %d", c, (int)mixed[i]);
            cr_expect_arr_eq(alone, few + i * V, sizeof alone, "compute %d, answer %d", c, (int)mixed[i]);
        }
    }
    free(many);
    lt_model_close(model);
}

Test(decode, a_slot_taken_by_another_prompt_forgets_the_one_before)
{
    lt_model *model = tiny_model(tiny_config(), 7);
    lt_decoder *d = open_decoder(model, 1, 2, LT_COMPUTE_F32);
    float first[V], again[V], unused[V];
    int32_t id = 9;
    lt_error err = {0};
    for (int turn = 0; turn < 3; turn++) {
        int64_t p = turn % 2;
        lt_decoder_rewind(d, lt_decoder_prefix(d, p), 0);
        read_prompt(d, p, 40 + p, PROMPT - (turn == 1 ? 3 : 0), unused);
        lt_decoder_attach(d, 0, lt_decoder_prefix(d, p));
        cr_assert(lt_decoder_step(d, (int64_t[]){0}, &id, 1, turn ? again : first, &err));
    }
    cr_expect_arr_eq(first, again, sizeof first);
    lt_decoder_attach(d, 0, -1);
    cr_expect_eq(lt_decoder_length(d, 0), 0);
    lt_decoder_close(d);
    lt_model_close(model);
}

Test(decode, a_copy_goes_on_as_the_original_and_rewinding_takes_tokens_back)
{
    lt_model *model = tiny_model(tiny_config(), 8);
    lt_decoder *d = open_decoder(model, 2, 1, LT_COMPUTE_F32);
    float a[V], b[V], unused[V];
    int32_t ids[3] = {1, 2, 3}, next = 4;
    lt_error err = {0};
    read_prompt(d, 0, 1, PROMPT, unused);
    lt_decoder_attach(d, 0, lt_decoder_prefix(d, 0));
    cr_assert(lt_decoder_feed(d, 0, ids, 3, unused, &err));
    lt_decoder_copy(d, 0, 1);
    cr_assert(lt_decoder_step(d, (int64_t[]){0}, &next, 1, a, &err));
    cr_assert(lt_decoder_step(d, (int64_t[]){1}, &next, 1, b, &err));
    cr_expect_arr_eq(a, b, sizeof a);
    lt_decoder_rewind(d, 0, PROMPT + 3);
    cr_assert(lt_decoder_step(d, (int64_t[]){0}, &next, 1, b, &err));
    cr_expect_arr_eq(a, b, sizeof a);
    lt_decoder_close(d);
    lt_model_close(model);
}
