#include "tiny_model.h"

#include <math.h>

#include "adapt/lora_linear.h"
#include "core/threads.h"
#include "nn/engine.h"

/* A model with LoRA on every linear layer of its blocks, a batch of three sequences, and an engine. */
typedef struct bench {
    lt_model *model;
    lt_param_list params;
    lt_arena values, gradients;
    lt_lora_linear lora[64];
    int lora_count;
    int32_t ids[64], targets[64], starts[4];
    float weight[64], logp[64];
    lt_batch batch;
    lt_engine_shape shape;
} bench;

static void attach(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    bench *b = context;
    (void)block;
    if (slot == LT_LINEAR_SLOTS)
        return;
    lt_lora_linear *lora = &b->lora[b->lora_count++];
    lt_lora_linear_init(lora, 3, 0.7f, 0.0f);
    lt_param_list_add(&b->params, "a", 2, (int64_t[]){3, linear->K}, true);
    lt_param_list_add(&b->params, "b", 2, (int64_t[]){linear->N, 3}, true);
    linear->hook = &lora->hook;
}

static void layout_params(bench *b)
{
    lt_arena m1 = lt_arena_measure(), m2 = lt_arena_measure();
    lt_error err;
    lt_param_list_layout(&b->params, &m1, &m2);
    cr_assert(lt_arena_init(&b->values, m1.used, &err) && lt_arena_init(&b->gradients, m2.used, &err));
    lt_param_list_layout(&b->params, &b->values, &b->gradients);
}

static void set_up(bench *b, lt_config config, bool full)
{
    memset(b, 0, sizeof *b);
    b->model = tiny_model(config, 11);
    lt_error err;
    if (full) {
        lt_model_train_tensors(b->model, &b->params, "", NULL, NULL);
        layout_params(b);
        cr_assert(lt_model_trained_load(b->model, &b->params, &err), "%s", err.message);
    } else {
        lt_model_each_linear(b->model, attach, b);
        layout_params(b);
        lt_rng rng = lt_rng_make(5, 5);
        for (int i = 0; i < b->lora_count; i++) {
            lt_param *pa = &b->params.items[2 * i], *pb = &b->params.items[2 * i + 1];
            for (int64_t e = 0; e < pa->elements; e++)
                pa->value[e] = 0.3f * lt_rng_normal(&rng);
            for (int64_t e = 0; e < pb->elements; e++)
                pb->value[e] = 0.3f * lt_rng_normal(&rng);
            b->lora[i].a = pa->value;
            b->lora[i].da = pa->gradient;
            b->lora[i].b = pb->value;
            b->lora[i].db = pb->gradient;
        }
    }
    lt_rng rng = lt_rng_make(3, 3);
    int32_t starts[4] = {0, 9, 10, 23};
    memcpy(b->starts, starts, sizeof starts);
    b->batch = (lt_batch){.T = 23, .sequences = 3, .ids = b->ids, .starts = b->starts, .targets = b->targets};
    for (int t = 0; t < 23; t++) {
        b->ids[t] = (int32_t)lt_rng_below(&rng, 50);
        b->targets[t] = t % 3 == 1 ? -1 : (int32_t)lt_rng_below(&rng, 50);
        if (b->targets[t] >= 0)
            b->weight[b->batch.target_count++] = 0.05f + 0.01f * (float)t;
    }
    b->shape = (lt_engine_shape){.compute = LT_COMPUTE_F32, .threads = 2, .training = true, .max_T = 23, .max_sequence = 13, .chunk = 8,
                                 .head_chunk = 5, .activation_bits = 32, .input_bits = 32};
}

static void tear_down(bench *b)
{
    lt_model_close(b->model);
    lt_param_list_free(&b->params);
    lt_arena_free(&b->values);
    lt_arena_free(&b->gradients);
}

/* The weighted loss; gradients are left in params when asked for. */
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

/* Along a random direction of all parameters, and for one element of each tensor. */
static void check_gradients(bench *b)
{
    step(b, true);
    int64_t n = lt_param_list_elements(&b->params), at = 0;
    float *gradient = malloc((size_t)n * sizeof *gradient);
    for (int i = 0; i < b->params.count; at += b->params.items[i++].elements)
        memcpy(gradient + at, b->params.items[i].gradient, (size_t)b->params.items[i].elements * sizeof *gradient);
    at = 0;
    for (int i = 0; i < b->params.count; at += b->params.items[i++].elements) {
        lt_param *p = &b->params.items[i];
        lt_rng rng = lt_rng_make(99, (uint64_t)i);
        float *direction = malloc((size_t)p->elements * sizeof *direction), *old = malloc((size_t)p->elements * sizeof *old);
        double slope = 0, norm = 0, h = 2e-3;
        memcpy(old, p->value, (size_t)p->elements * sizeof *old);
        for (int64_t e = 0; e < p->elements; e++) {
            direction[e] = lt_rng_normal(&rng);
            slope += (double)direction[e] * gradient[at + e];
            norm += (double)gradient[at + e] * gradient[at + e];
        }
        double loss[2];
        for (int side = 0; side < 2; side++) {
            for (int64_t e = 0; e < p->elements; e++)
                p->value[e] = old[e] + (float)(side ? h : -h) * direction[e];
            loss[side] = step(b, false);
        }
        memcpy(p->value, old, (size_t)p->elements * sizeof *old);
        double numeric = (loss[1] - loss[0]) / (2 * h);
        cr_assert_float_eq(numeric, slope, 0.02 * sqrt(norm) + 5e-4, "tensor %d (%s): finite difference %g, gradient %g, norm %g", i,
                           p->name, numeric, slope, sqrt(norm));
        free(direction);
        free(old);
    }
    free(gradient);
}

Test(engine, lora_gradients_agree_with_finite_differences)
{
    bench b;
    set_up(&b, tiny_config(), false);
    b.shape.keep_all = 1;
    b.shape.keep_attention = 1;
    check_gradients(&b);
    tear_down(&b);
}

Test(engine, full_gradients_agree_with_finite_differences)
{
    bench b;
    set_up(&b, tiny_config(), true);
    check_gradients(&b);
    tear_down(&b);
}

/* Norms after the branches, on q and k, and a scaled residual: what later families need. */
Test(engine, gradients_hold_with_every_norm_in_place)
{
    lt_config c = tiny_config();
    strcpy(c.norm_name[LT_NORM_AFTER_ATTENTION], "model.layers.%d.after_attention");
    strcpy(c.norm_name[LT_NORM_AFTER_MLP], "model.layers.%d.after_mlp");
    strcpy(c.norm_name[LT_NORM_Q], "model.layers.%d.q_norm");
    strcpy(c.norm_name[LT_NORM_K], "model.layers.%d.k_norm");
    c.residual_scale = 0.7;
    c.embedding_scale = 1.5;
    c.logit_softcap = 5;
    c.attention_softcap = 8;
    c.tied_head = false;
    c.layers[1].window = 4;
    c.layers[2].rope = -1;
    bench b;
    set_up(&b, c, true);
    b.shape.keep_all = 1;
    b.shape.keep_attention = 1;
    check_gradients(&b);
    tear_down(&b);
}

static void gradients_of(bench *b, float **out)
{
    step(b, true);
    int64_t at = 0;
    *out = malloc((size_t)lt_param_list_elements(&b->params) * sizeof **out);
    for (int i = 0; i < b->params.count; at += b->params.items[i++].elements)
        memcpy(*out + at, b->params.items[i].gradient, (size_t)b->params.items[i].elements * sizeof **out);
}

static double distance(const float *a, const float *b, int64_t n)
{
    double d = 0, s = 0;
    for (int64_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        s += (double)b[i] * b[i];
    }
    return sqrt(d / s);
}

Test(engine, keeping_and_recomputing_give_the_same_bytes)
{
    bench b;
    set_up(&b, tiny_config(), false);
    float *recompute, *mixed, *keep;
    int64_t n = lt_param_list_elements(&b.params);
    gradients_of(&b, &recompute);
    b.shape.keep_all = b.shape.keep_attention = 1;
    gradients_of(&b, &mixed);
    b.shape.keep_all = 3;
    b.shape.keep_attention = 0;
    gradients_of(&b, &keep);
    cr_assert_arr_eq(recompute, keep, (size_t)n * sizeof *keep);
    cr_assert_arr_eq(mixed, keep, (size_t)n * sizeof *keep);
    free(recompute);
    free(mixed);
    free(keep);
    tear_down(&b);
}

Test(engine, any_number_of_threads_gives_the_same_bytes)
{
    bench b;
    set_up(&b, tiny_config(), false);
    float *one, *three;
    int64_t n = lt_param_list_elements(&b.params);
    lt_threads_set(1);
    b.shape.threads = 1;
    gradients_of(&b, &one);
    lt_threads_set(3);
    b.shape.threads = 3;
    gradients_of(&b, &three);
    cr_assert_arr_eq(one, three, (size_t)n * sizeof *one);
    free(one);
    free(three);
    tear_down(&b);
}

Test(engine, chunks_and_windows_change_nothing_but_rounding)
{
    bench b;
    set_up(&b, tiny_config(), false);
    float *whole, *cut;
    int64_t n = lt_param_list_elements(&b.params);
    b.shape.chunk = b.shape.head_chunk = 23;
    gradients_of(&b, &whole);
    b.shape.chunk = 3;
    b.shape.head_chunk = 1;
    lt_weights_set_window(b.model->weights, 2000); /* less than a matrix: slabs of a few rows */
    gradients_of(&b, &cut);
    cr_assert_lt(distance(cut, whole, n), 1e-5);
    free(whole);
    free(cut);
    tear_down(&b);
}

Test(engine, quantised_activations_stay_close_to_exact_ones)
{
    bench b;
    set_up(&b, tiny_config(), false);
    float *exact, *quantised;
    int64_t n = lt_param_list_elements(&b.params);
    gradients_of(&b, &exact);
    b.shape.activation_bits = 8;
    b.shape.keep_all = 3;
    gradients_of(&b, &quantised);
    double cosine = 0, ee = 0, qq = 0;
    for (int64_t i = 0; i < n; i++) {
        cosine += (double)exact[i] * quantised[i];
        ee += (double)exact[i] * exact[i];
        qq += (double)quantised[i] * quantised[i];
    }
    cr_assert_gt(cosine / sqrt(ee * qq), 0.999);
    cr_assert_neq(memcmp(exact, quantised, (size_t)n * sizeof *exact), 0, "eight bits cannot be exact");
    free(exact);
    free(quantised);
    tear_down(&b);
}

Test(engine, neftune_adds_uniform_noise_of_its_size_while_training_only)
{
    lt_config config = tiny_config();
    lt_model *model = tiny_model(config, 3);
    lt_engine_shape shape = {.compute = LT_COMPUTE_F32, .threads = 1, .training = true, .max_T = 12, .max_sequence = 8, .chunk = 12,
                             .head_chunk = 12, .activation_bits = 32, .input_bits = 32};
    lt_engine *engine;
    lt_error err;
    static const int32_t ids[12] = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4}, starts[3] = {0, 8, 12};
    int32_t targets[12] = {2, 3, 4, 5, 6, 7, 8, -1, 2, 3, 4, -1};
    lt_batch batch = {.T = 12, .sequences = 2, .ids = ids, .starts = starts, .targets = targets, .target_count = 10};
    float plain[10], noisy[10], again[10], off[10];
    model->dfinal_norm = calloc(24, sizeof(float)); /* something is trained */
    cr_assert(lt_engine_open(&engine, model, &shape, &err), "%s", err.message);
    lt_engine_set_step(engine, 1, 1);
    cr_assert(lt_engine_forward(engine, &batch, &err) && lt_engine_head(engine, NULL, plain, NULL, NULL, NULL, &err));
    lt_engine_set_noise(engine, 5);
    cr_assert(lt_engine_forward(engine, &batch, &err) && lt_engine_head(engine, NULL, noisy, NULL, NULL, NULL, &err));
    cr_assert(lt_engine_forward(engine, &batch, &err) && lt_engine_head(engine, NULL, again, NULL, NULL, NULL, &err));
    cr_assert_arr_eq(noisy, again, sizeof noisy);
    for (int i = 0; i < 10; i++)
        cr_assert_neq(plain[i], noisy[i]);
    lt_engine_set_dropout(engine, false);
    cr_assert(lt_engine_forward(engine, &batch, &err) && lt_engine_head(engine, NULL, off, NULL, NULL, NULL, &err));
    cr_assert_arr_eq(plain, off, sizeof plain);
    lt_engine_close(engine);
    free(model->dfinal_norm);
    model->dfinal_norm = NULL;
    lt_model_close(model);
}
