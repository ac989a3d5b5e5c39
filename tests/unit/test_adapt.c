/* Every adapter on a tiny model: gradients against finite differences, decoding against the pass that trains, files read back. */
#include "tiny_model.h"

#include <math.h>

#include "adapt/adapter.h"
#include "adapt/low_rank.h"
#include "core/threads.h"
#include "nn/decode.h"
#include "nn/engine.h"

enum { V = 50, T = 23 };

typedef struct bench {
    lt_model *model;
    lt_peft_config config;
    lt_adapter *adapter;
    lt_param_list params;
    lt_arena values, gradients;
    int32_t ids[T], targets[T], starts[4], firsts[3];
    float weight[T], logp[T];
    lt_batch batch;
    lt_engine_shape shape;
} bench;

static void set_up(bench *b, lt_config model, lt_peft_config config)
{
    lt_error err = {0};
    lt_arena m1 = lt_arena_measure(), m2 = lt_arena_measure();
    memset(b, 0, sizeof *b);
    b->model = tiny_model(model, 11);
    b->config = config;
    lt_adapter_complete(&b->config, b->model);
    cr_assert(lt_peft_config_check(&b->config, &err), "%s", err.message);
    cr_assert(lt_adapter_attach(&b->adapter, b->model, &b->config, &b->params, &err), "%s", err.message);
    lt_param_list_layout(&b->params, &m1, &m2);
    cr_assert(lt_arena_init(&b->values, m1.used, &err) && lt_arena_init(&b->gradients, m2.used, &err));
    lt_param_list_layout(&b->params, &b->values, &b->gradients);
    cr_assert(lt_adapter_init(b->adapter, &b->params, 7, &err), "%s", err.message);
    lt_rng rng = lt_rng_make(3, 3);
    memcpy(b->starts, (int32_t[]){0, 9, 10, T}, sizeof b->starts);
    b->batch = (lt_batch){.T = T, .sequences = 3, .ids = b->ids, .starts = b->starts, .targets = b->targets};
    for (int t = 0; t < T; t++) {
        b->ids[t] = (int32_t)lt_rng_below(&rng, V);
        b->targets[t] = t % 3 == 1 ? -1 : (int32_t)lt_rng_below(&rng, V);
        if (b->targets[t] >= 0)
            b->weight[b->batch.target_count++] = 0.05f + 0.01f * (float)t;
    }
    if (lt_virtual_rows(b->model->virtual)) { /* virtual tokens predict the first real one */
        memcpy(b->firsts, (int32_t[]){5, -1, 11}, sizeof b->firsts);
        b->batch.firsts = b->firsts;
        for (int i = 0; i < 2; i++)
            b->weight[b->batch.target_count++] = 0.2f;
    }
    b->shape = (lt_engine_shape){.compute = LT_COMPUTE_F32, .threads = 2, .training = true, .max_T = T + 3 * 8, .max_sequence = 13 + 8,
                                 .chunk = 8, .head_chunk = 5, .activation_bits = 32, .input_bits = 32};
}

static void tear_down(bench *b)
{
    lt_adapter_close(b->adapter);
    lt_model_close(b->model);
    lt_param_list_free(&b->params);
    lt_arena_free(&b->values);
    lt_arena_free(&b->gradients);
    lt_peft_config_free(&b->config);
}

/* No tensor stays where a beginning leaves it: zeros and ones hide terms. */
static void stir(bench *b, float deviation)
{
    lt_rng rng = lt_rng_make(5, 5);
    for (int i = 0; i < b->params.count; i++)
        for (int64_t e = 0; e < b->params.items[i].elements; e++)
            b->params.items[i].value[e] += deviation * lt_rng_normal(&rng);
}

static double step(bench *b, bool backward)
{
    lt_error err = {0};
    lt_engine *engine;
    cr_assert(lt_engine_open(&engine, b->model, &b->shape, &err), "%s", err.message);
    lt_engine_set_step(engine, 1, 1);
    lt_param_list_zero_gradients(&b->params);
    cr_assert(lt_engine_forward(engine, &b->batch, &err), "%s", err.message);
    cr_assert(lt_engine_head(engine, backward ? b->weight : NULL, b->logp, NULL, NULL, NULL, &err), "%s", err.message);
    if (backward)
        cr_assert(lt_engine_backward(engine, &err), "%s", err.message);
    lt_engine_close(engine);
    double loss = 0;
    for (int64_t i = 0; i < b->batch.target_count; i++)
        loss -= (double)b->weight[i] * b->logp[i];
    return loss;
}

/* Along a random direction of each tensor; the kinks of an encoder's ReLU ask for a small step. */
static void check_gradients(bench *b, const char *skip)
{
    step(b, true);
    int64_t n = lt_param_list_elements(&b->params), at = 0;
    float *gradient = malloc((size_t)n * sizeof *gradient);
    for (int i = 0; i < b->params.count; at += b->params.items[i++].elements)
        memcpy(gradient + at, b->params.items[i].gradient, (size_t)b->params.items[i].elements * sizeof *gradient);
    at = 0;
    for (int i = 0; i < b->params.count; at += b->params.items[i++].elements) {
        lt_param *p = &b->params.items[i];
        if (skip && strstr(p->name, skip))
            continue;
        lt_rng rng = lt_rng_make(99, (uint64_t)i);
        float *old = malloc((size_t)p->elements * sizeof *old), *direction = malloc((size_t)p->elements * sizeof *direction);
        double slope = 0, norm = 0, h = 5e-4, loss[2];
        memcpy(old, p->value, (size_t)p->elements * sizeof *old);
        for (int64_t e = 0; e < p->elements; e++) {
            direction[e] = lt_rng_normal(&rng);
            slope += (double)direction[e] * gradient[at + e];
            norm += (double)gradient[at + e] * gradient[at + e];
        }
        for (int side = 0; side < 2; side++) {
            for (int64_t e = 0; e < p->elements; e++)
                p->value[e] = old[e] + (float)(side ? h : -h) * direction[e];
            loss[side] = step(b, false);
        }
        memcpy(p->value, old, (size_t)p->elements * sizeof *old);
        double numeric = (loss[1] - loss[0]) / (2 * h);
        cr_assert_float_eq(numeric, slope, 0.05 * sqrt(norm) + 1e-3, "%s: finite difference %g, gradient %g, norm %g", p->name, numeric,
                           slope, sqrt(norm));
        free(old);
        free(direction);
    }
    free(gradient);
}

static lt_peft_config lora_config(const char *init, bool dora, double dropout)
{
    static const char *const targets[] = {"q_proj", "v_proj", "down_proj"};
    lt_peft_config c;
    lt_error err = {0};
    lt_peft_config_init(&c, LT_PEFT_LORA);
    c.lora.rank = 4;
    c.lora.alpha = 6;
    c.lora.use_dora = dora;
    c.lora.dropout = dropout;
    cr_assert(lt_peft_lora_init_named(&c.lora, init) && lt_peft_names_set(&c.lora.target_modules, targets, 3, &err));
    return c;
}

static lt_peft_config ia3_config(void)
{
    static const char *const targets[] = {"k_proj", "v_proj", "up_proj", "down_proj"}, *const inputs[] = {"up_proj", "down_proj"};
    lt_peft_config c;
    lt_error err = {0};
    lt_peft_config_init(&c, LT_PEFT_IA3);
    cr_assert(lt_peft_names_set(&c.lora.target_modules, targets, 4, &err) &&
              lt_peft_names_set(&c.ia3.feedforward_modules, inputs, 2, &err));
    return c;
}

static lt_peft_config prompt_config(lt_peft_type type)
{
    lt_peft_config c;
    lt_peft_config_init(&c, type);
    c.prompt.virtual_tokens = 5;
    c.prompt.encoder_hidden_size = 7;
    return c;
}

static void check(lt_peft_config config, float deviation, const char *skip)
{
    for (int64_t kept = 0; kept < 4; kept += 3) { /* everything computed again; everything kept */
        bench b;
        set_up(&b, tiny_config(), config);
        b.shape.keep_all = kept;
        stir(&b, deviation);
        check_gradients(&b, skip);
        if (kept == 0)
            b.config = (lt_peft_config){0}; /* the copy is freed once */
        tear_down(&b);
    }
}

Test(adapt, ia3_gradients_agree_with_finite_differences)
{
    check(ia3_config(), 0.2f, NULL);
}

Test(adapt, prompt_tuning_gradients_agree_with_finite_differences)
{
    check(prompt_config(LT_PEFT_PROMPT_TUNING), 0.0f, NULL);
}

Test(adapt, p_tuning_gradients_agree_with_finite_differences)
{
    check(prompt_config(LT_PEFT_P_TUNING), 0.3f, NULL);
}

Test(adapt, p_tuning_gradients_of_an_lstm_agree_with_finite_differences)
{
    lt_peft_config c = prompt_config(LT_PEFT_P_TUNING);
    c.prompt.encoder = LT_PROMPT_ENCODER_LSTM;
    c.prompt.encoder_num_layers = 3;
    check(c, 0.3f, NULL);
    c.prompt.encoder_dropout = 0.4;
    check(c, 0.3f, NULL);
}

Test(adapt, prefix_tuning_gradients_agree_with_finite_differences)
{
    check(prompt_config(LT_PEFT_PREFIX_TUNING), 0.0f, NULL);
}

Test(adapt, projected_prefix_gradients_agree_with_finite_differences)
{
    lt_peft_config c = prompt_config(LT_PEFT_PREFIX_TUNING);
    c.prompt.prefix_projection = true;
    check(c, 0.3f, NULL);
}

Test(adapt, pissa_and_olora_gradients_agree_with_finite_differences)
{
    check(lora_config("pissa", false, 0), 0.1f, NULL);
    check(lora_config("olora", false, 0.3), 0.1f, NULL);
}

static lt_peft_config token_config(void)
{
    static const int64_t ids[] = {7, 0, 49, 12, 31, 3, 28, 44, 19, 40};
    enum { COUNT = sizeof ids / sizeof *ids };
    lt_peft_config c = lora_config("true", false, 0);
    c.lora.tokens = calloc(1, sizeof *c.lora.tokens);
    c.lora.tokens->ids = malloc(sizeof ids);
    memcpy(c.lora.tokens->ids, ids, sizeof ids);
    c.lora.tokens->count = COUNT;
    c.lora.token_modules = 1;
    return c;
}

Test(adapt, gradients_of_single_rows_agree_with_finite_differences)
{
    for (int tied = 0; tied < 2; tied++) {
        bench b;
        lt_config model = tiny_config();
        model.tied_head = tied;
        model.embedding_scale = 3;
        set_up(&b, model, token_config());
        stir(&b, 0.1f);
        check_gradients(&b, NULL);
        tear_down(&b);
    }
}

Test(adapt, gradients_of_lora_on_a_scaled_embedding_agree_with_finite_differences)
{
    static const char *const names[] = {"embed_tokens"};
    lt_error err;
    bench b;
    lt_config model = tiny_config();
    lt_peft_config c = lora_config("true", false, 0);
    model.embedding_scale = 3;
    cr_assert(lt_peft_names_set(&c.lora.target_modules, names, 1, &err));
    set_up(&b, model, c);
    stir(&b, 0.1f);
    check_gradients(&b, NULL);
    tear_down(&b);
}

Test(adapt, single_rows_are_refused_where_they_have_no_place)
{
    for (int kind = 0; kind < 4; kind++) {
        static const char *const message[] = {"found 50", "12 is there twice", "modules_to_save", "only rows of the embedding"};
        static const char *const saved[] = {"embed_tokens"};
        lt_model *model = NULL;
        lt_adapter *adapter;
        lt_param_list params = {0};
        lt_error err = {0};
        lt_config config = tiny_config();
        lt_peft_config peft = token_config();
        config.tied_head = false;
        model = tiny_model(config, 11);
        peft.lora.tokens->ids[1] = kind == 0 ? 50 : kind == 1 ? 12 : 0;
        cr_assert(kind != 2 || lt_peft_names_set(&peft.modules_to_save, saved, 1, &err));
        peft.lora.tokens->module = kind == 3 ? strdup("lm_head") : NULL;
        cr_assert(!lt_adapter_attach(&adapter, model, &peft, &params, &err) && strstr(err.message, message[kind]), "%d: %s", kind, err.message);
        lt_param_list_free(&params);
        lt_model_close(model);
        lt_peft_config_free(&peft);
    }
}

/* The norm of w + s B A is a constant in the backward pass, so that A and B's differences are others; the magnitude's are not. */
Test(adapt, dora_magnitudes_agree_with_finite_differences_under_dropout)
{
    check(lora_config("false", true, 0.3), 0.1f, ".lora_");
    check(lora_config("false", true, 0), 0.1f, ".lora_");
}

Test(adapt, a_new_adapter_leaves_the_model_as_it_is)
{
    static const char *const inits[] = {"true", "gaussian", "orthogonal", "olora", "pissa", "pissa_niter_3"};
    for (size_t i = 0; i <= sizeof inits / sizeof *inits; i++) {
        bench b;
        set_up(&b, tiny_config(), i < sizeof inits / sizeof *inits ? lora_config(inits[i], false, 0) : ia3_config());
        double with = step(&b, false);
        lt_adapter_enable(b.adapter, false);
        cr_assert_float_eq(with, step(&b, false), 1e-4, "%s", i < sizeof inits / sizeof *inits ? inits[i] : "ia3");
        tear_down(&b);
    }
    bench b;
    set_up(&b, tiny_config(), token_config());
    double with = step(&b, false);
    stir(&b, 0.1f);
    cr_assert(fabs(with - step(&b, false)) > 1e-3);
    lt_adapter_enable(b.adapter, false);
    cr_assert_float_eq(with, step(&b, false), 1e-4);
    tear_down(&b);
}

Test(adapt, switched_off_virtual_tokens_leave_the_base)
{
    bench plain;
    set_up(&plain, tiny_config(), ia3_config());
    double base = step(&plain, false);
    for (int i = 0; i < 2; i++) {
        bench b;
        set_up(&b, tiny_config(), prompt_config(i ? LT_PEFT_PREFIX_TUNING : LT_PEFT_PROMPT_TUNING));
        cr_assert(fabs(step(&b, false) - base) > 1e-3);
        lt_adapter_enable(b.adapter, false);
        b.batch.target_count = plain.batch.target_count; /* nothing is left that predicts first tokens */
        b.batch.firsts = NULL;
        cr_assert_float_eq(step(&b, false), base, 1e-5);
        tear_down(&b);
    }
    tear_down(&plain);
}

static void take_logits(int64_t first, int64_t count, const float *logits, void *context)
{
    memcpy((float *)context + first * V, logits, (size_t)(count * V) * sizeof(float));
}

/* A window narrower than prefix and row together: cache and pass must agree on what a token sees. */
static void check_decoding(lt_peft_config config, int window)
{
    enum { N = 13 };
    bench b;
    lt_error err = {0};
    lt_config model = tiny_config();
    model.layers[1].window = window;
    set_up(&b, model, config);
    stir(&b, 0.2f);
    float logits[N * V], last[V];
    int32_t starts[2] = {0, N};
    lt_batch batch = {.T = N, .sequences = 1, .ids = b.ids + 10, .starts = starts, .targets = b.ids + 10, .target_count = N};
    lt_engine *engine;
    lt_engine_shape shape = b.shape;
    shape.training = false;
    cr_assert(lt_engine_open(&engine, b.model, &shape, &err), "%s", err.message);
    cr_assert(lt_engine_forward(engine, &batch, &err) && lt_engine_head(engine, NULL, b.logp, NULL, take_logits, logits, &err));
    lt_engine_close(engine);
    lt_decoder *d;
    lt_decoder_shape roomy = {.compute = LT_COMPUTE_F32, .threads = lt_threads_count(), .sequences = 2, .capacity = N, .chunk = 4};
    cr_assert(lt_decoder_open(&d, b.model, &roomy, &err), "%s", err.message);
    for (int round = 0; round < 2; round++) { /* in two pieces; then again from the start, token by token */
        cr_assert(lt_decoder_feed(d, 1, b.ids + 10, round ? 1 : 5, last, &err), "%s", err.message);
        for (int i = round ? 1 : 5; i < N; i++)
            cr_assert(lt_decoder_step(d, &(int64_t){1}, b.ids + 10 + i, 1, last, &err), "%s", err.message);
        cr_assert_eq(lt_decoder_length(d, 1), N);
        for (int v = 0; v < V; v++)
            cr_assert_float_eq(last[v], logits[(N - 1) * V + v], 2e-4);
        lt_decoder_rewind(d, 1, 0);
        cr_assert_eq(lt_decoder_length(d, 1), 0);
    }
    lt_decoder_close(d);
    tear_down(&b);
}

Test(adapt, decoding_behind_virtual_tokens_gives_the_logits_of_a_pass)
{
    check_decoding(prompt_config(LT_PEFT_PROMPT_TUNING), 0);
    check_decoding(prompt_config(LT_PEFT_P_TUNING), 6);
    check_decoding(prompt_config(LT_PEFT_PREFIX_TUNING), 0);
    check_decoding(ia3_config(), 0);
}

Test(adapt, singular_values_and_qr_factors_reproduce_a_matrix_of_low_rank)
{
    bench b;
    lt_error err = {0};
    set_up(&b, tiny_config(), ia3_config());
    const lt_linear *w = &b.model->blocks[0].linear[LT_LINEAR_K]; /* (16,24) */
    enum { N = 16, K = 24 };
    cr_assert(w->N == N && w->K == K);
    float u[N * N], s[N], v[N * K], full[N * K];
    lt_matrix m = lt_weights_use(&w->weight, 0, &(int64_t){0});
    memcpy(full, m.data, sizeof full);
    cr_assert(lt_low_rank_svd(w, N, 0, 1, u, s, v, &err), "%s", err.message);
    for (int n = 0; n < N; n++)
        for (int k = 0; k < K; k++) {
            double sum = 0;
            for (int r = 0; r < N; r++)
                sum += (double)u[r * N + n] * s[r] * v[r * K + k];
            cr_assert_float_eq(sum, full[n * K + k], 2e-4);
        }
    for (int r = 1; r < N; r++)
        cr_assert_leq(s[r], s[r - 1] * 1.0001f);
    cr_assert(lt_low_rank_qr(w, N, u, v, &err), "%s", err.message);
    for (int n = 0; n < N; n++)
        for (int k = 0; k < K; k++) {
            double sum = 0;
            for (int r = 0; r < N; r++)
                sum += (double)u[r * N + n] * v[r * K + k];
            cr_assert_float_eq(sum, full[n * K + k], 2e-4);
        }
    tear_down(&b);
}
