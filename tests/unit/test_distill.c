#include "each_set.h"
#include "gradcheck.h"
#include "tiny_model.h"

#include <math.h>

#include "adapt/lora_linear.h"
#include "nn/distill.h"
#include "nn/engine.h"

/* ---- rows ---- */

typedef struct rows {
    lt_distill d;
    int64_t T;
    float *logits, *teacher, *weight, *kl_weight;
    int32_t *labels;
} rows;

static rows make_rows(lt_distill d, int64_t T)
{
    rows r = {d, T, malloc((size_t)(T * d.V) * 4), malloc((size_t)(T * d.teacher_V) * 4), malloc((size_t)T * 4), malloc((size_t)T * 4),
              malloc((size_t)T * 4)};
    lt_rng rng = lt_rng_make(17, (uint64_t)d.V);
    gradcheck_normal(r.logits, T * d.V, 1, 3);
    gradcheck_normal(r.teacher, T * d.teacher_V, 2, 3);
    gradcheck_normal(r.weight, T, 3, 1);
    gradcheck_normal(r.kl_weight, T, 4, 1);
    for (int64_t t = 0; t < T; t++)
        r.labels[t] = (int32_t)lt_rng_below(&rng, (uint32_t)d.V);
    return r;
}

static void free_rows(rows *r)
{
    free(r->logits), free(r->teacher), free(r->weight), free(r->kl_weight), free(r->labels);
}

/* softmax(z / temperature) over n, in double. */
static void softmax(const double *z, int64_t n, double temperature, double *out)
{
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        max = fmax(max, z[i] / temperature);
    for (int64_t i = 0; i < n; i++)
        sum += out[i] = exp(z[i] / temperature - max);
    for (int64_t i = 0; i < n; i++)
        out[i] /= sum;
}

/* The formulas of the header as they stand. */
static void reference_row(const rows *r, int64_t t, double *logp, double *kl, double *gradient)
{
    const lt_distill *d = &r->d;
    double *z = malloc((size_t)d->V * 8), *u = malloc((size_t)d->common * 8), *whole = malloc((size_t)d->V * 8),
           *q = malloc((size_t)d->common * 8), *p = malloc((size_t)d->common * 8);
    for (int64_t i = 0; i < d->V; i++) {
        z[i] = (double)r->logits[t * d->V + i] * d->scale;
        z[i] = d->softcap != 0 ? d->softcap * tanh(z[i] / d->softcap) : z[i];
    }
    for (int64_t i = 0; i < d->common; i++)
        u[i] = r->teacher[t * d->teacher_V + i];
    softmax(z, d->V, 1, whole);
    softmax(z, d->common, d->temperature, q);
    softmax(u, d->common, d->temperature, p);
    *logp = log(whole[r->labels[t]]);
    *kl = 0;
    for (int64_t i = 0; i < d->V; i++) {
        gradient[i] = r->weight[t] * (whole[i] - (i == r->labels[t]));
        if (i < d->common) {
            *kl += p[i] > 0 ? p[i] * log(p[i] / q[i]) : 0;
            gradient[i] += r->kl_weight[t] / d->temperature * (q[i] - p[i]);
        }
        gradient[i] *= d->scale * (d->softcap != 0 ? 1 - pow(z[i] / d->softcap, 2) : 1);
    }
    free(z), free(u), free(whole), free(q), free(p);
}

static void compare(lt_distill d, int64_t T)
{
    rows r = make_rows(d, T);
    float *got = malloc((size_t)(T * d.V) * 4), *logp = malloc((size_t)T * 4), *kl = malloc((size_t)T * 4);
    double *want = malloc((size_t)d.V * 8), want_logp, want_kl;
    memcpy(got, r.logits, (size_t)(T * d.V) * 4);
    lt_distill_rows(&d, got, r.teacher, T, r.labels, r.weight, r.kl_weight, logp, kl);
    for (int64_t t = 0; t < T; t++) {
        reference_row(&r, t, &want_logp, &want_kl, want);
        cr_assert_float_eq(logp[t], want_logp, 2e-5 * (1 + fabs(want_logp)), "row %ld: %g, %g", (long)t, logp[t], want_logp);
        cr_assert_float_eq(kl[t], want_kl, 2e-5 * (1 + fabs(want_kl)), "row %ld: KL %g, %g", (long)t, kl[t], want_kl);
        for (int64_t i = 0; i < d.V; i++)
            cr_assert_float_eq(got[t * d.V + i], want[i], 1e-6 + 2e-5 * fabs(want[i]), "row %ld, %ld: %g, %g", (long)t, (long)i,
                               got[t * d.V + i], want[i]);
    }
    /* Without weights the same numbers. */
    float *again = malloc((size_t)T * 4);
    memcpy(got, r.logits, (size_t)(T * d.V) * 4);
    lt_distill_rows(&d, got, r.teacher, T, r.labels, NULL, NULL, again, logp);
    cr_assert_arr_eq(logp, kl, (size_t)T * 4);
    free(got), free(logp), free(kl), free(want), free(again);
    free_rows(&r);
}

EachSetTest(distill, loss_divergence_and_gradient_are_the_formulas)
{
    compare((lt_distill){.V = 33, .teacher_V = 33, .common = 33, .scale = 1, .temperature = 1}, 3);
    compare((lt_distill){.V = 33, .teacher_V = 33, .common = 33, .scale = 1, .temperature = 2.5f}, 3);
    compare((lt_distill){.V = 5000, .teacher_V = 5000, .common = 5000, .scale = 0.5f, .softcap = 4, .temperature = 1}, 2);
    compare((lt_distill){.V = 5000, .teacher_V = 5000, .common = 5000, .scale = 0.5f, .softcap = 4, .temperature = 0.7f}, 2);
}

Test(distill, rows_of_different_length_are_compared_over_the_shorter)
{
    compare((lt_distill){.V = 40, .teacher_V = 33, .common = 33, .scale = 1, .temperature = 1}, 3);
    compare((lt_distill){.V = 33, .teacher_V = 40, .common = 33, .scale = 2, .softcap = 5, .temperature = 1.5f}, 3);
    compare((lt_distill){.V = 4100, .teacher_V = 2049, .common = 2049, .scale = 1, .temperature = 3}, 2);
}

Test(distill, a_teacher_that_agrees_teaches_nothing)
{
    lt_distill d = {.V = 3000, .teacher_V = 3000, .common = 3000, .scale = 1, .temperature = 2};
    rows r = make_rows(d, 2);
    float logp[2], kl[2], none[2] = {0, 0};
    memcpy(r.teacher, r.logits, 2 * 3000 * 4);
    lt_distill_rows(&d, r.logits, r.teacher, 2, r.labels, none, r.kl_weight, logp, kl);
    for (int t = 0; t < 2; t++)
        cr_assert_eq(kl[t], 0);
    for (int i = 0; i < 6000; i++)
        cr_assert_eq(r.logits[i], 0);
    free_rows(&r);
}

Test(distill, tokens_that_the_teacher_rules_out_count_nothing)
{
    lt_distill d = {.V = 4, .teacher_V = 4, .common = 4, .scale = 1, .temperature = 1};
    float logits[4] = {0, 1, 2, 3}, teacher[4] = {-INFINITY, 1, -INFINITY, 1}, weight = 0, one = 1, logp, kl;
    lt_distill_rows(&d, logits, teacher, 1, (int32_t[]){1}, &weight, &one, &logp, &kl);
    double Z = exp(0) + exp(1) + exp(2) + exp(3), want = 0.5 * log(0.5 * Z / exp(1)) + 0.5 * log(0.5 * Z / exp(3));
    cr_assert_float_eq(kl, want, 1e-6);
    cr_assert_float_eq(logits[0], 1 / Z, 1e-6);
    cr_assert_float_eq(logits[1], exp(1) / Z - 0.5, 1e-6);
}

/* ---- the engine beside a teacher ---- */

typedef struct bench {
    lt_model *model, *teacher;
    lt_param_list params;
    lt_arena values, gradients;
    lt_lora_linear lora[64];
    int lora_count;
    lt_batch batch;
    int32_t ids[23], targets[23], starts[4];
    float weight[23], kl_weight[23], logp[23], kl[23], temperature;
} bench;

static void attach(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    bench *b = context;
    (void)block;
    if (slot == LT_LINEAR_SLOTS)
        return;
    lt_lora_linear *lora = &b->lora[b->lora_count++];
    lt_lora_linear_init(lora, 2, 0.7f, 0.0f);
    lt_param_list_add(&b->params, "a", 2, (int64_t[]){2, linear->K}, true);
    lt_param_list_add(&b->params, "b", 2, (int64_t[]){linear->N, 2}, true);
    linear->hook = &lora->hook;
}

static void set_up(bench *b, int64_t teacher_V, double softcap, float temperature)
{
    lt_error err;
    lt_config student = tiny_config(), teacher = tiny_config();
    memset(b, 0, sizeof *b);
    student.logit_softcap = softcap;
    teacher.V = teacher_V;
    teacher.L = 2;
    b->model = tiny_model(student, 11);
    b->teacher = tiny_model(teacher, 12);
    b->temperature = temperature;
    lt_model_each_linear(b->model, attach, b);
    lt_arena m1 = lt_arena_measure(), m2 = lt_arena_measure();
    lt_param_list_layout(&b->params, &m1, &m2);
    cr_assert(lt_arena_init(&b->values, m1.used, &err) && lt_arena_init(&b->gradients, m2.used, &err));
    lt_param_list_layout(&b->params, &b->values, &b->gradients);
    for (int i = 0; i < b->lora_count; i++) {
        lt_param *pa = &b->params.items[2 * i], *pb = &b->params.items[2 * i + 1];
        gradcheck_normal(pa->value, pa->elements, (uint64_t)i, 0.3f);
        gradcheck_normal(pb->value, pb->elements, (uint64_t)i + 100, 0.3f);
        b->lora[i].a = pa->value, b->lora[i].da = pa->gradient, b->lora[i].b = pb->value, b->lora[i].db = pb->gradient;
    }
    lt_rng rng = lt_rng_make(3, 3);
    memcpy(b->starts, (int32_t[]){0, 9, 10, 23}, sizeof b->starts);
    b->batch = (lt_batch){.T = 23, .sequences = 3, .ids = b->ids, .starts = b->starts, .targets = b->targets};
    for (int t = 0; t < 23; t++) {
        b->ids[t] = (int32_t)lt_rng_below(&rng, 45);
        b->targets[t] = t % 3 == 1 ? -1 : (int32_t)lt_rng_below(&rng, 45);
        if (b->targets[t] >= 0) {
            b->weight[b->batch.target_count] = 0.02f;
            b->kl_weight[b->batch.target_count++] = 0.05f + 0.01f * (float)t;
        }
    }
}

static void tear_down(bench *b)
{
    lt_model_close(b->model);
    lt_model_close(b->teacher);
    lt_param_list_free(&b->params);
    lt_arena_free(&b->values);
    lt_arena_free(&b->gradients);
}

static double step(bench *b, bool backward)
{
    lt_error err = {0};
    lt_engine *engine, *teacher;
    lt_engine_shape shape = {.compute = LT_COMPUTE_F32, .threads = 2, .training = true, .max_T = 23, .max_sequence = 13, .chunk = 8,
                             .head_chunk = 5, .activation_bits = 32, .input_bits = 32};
    cr_assert(lt_engine_open(&engine, b->model, &shape, &err), "%s", err.message);
    shape.training = false;
    cr_assert(lt_engine_open(&teacher, b->teacher, &shape, &err), "%s", err.message);
    lt_engine_set_step(engine, 1, 1);
    lt_param_list_zero_gradients(&b->params);
    cr_assert(lt_engine_forward(engine, &b->batch, &err) && lt_engine_forward(teacher, &b->batch, &err), "%s", err.message);
    lt_engine_distill how = {teacher, b->temperature, backward ? b->weight : NULL, backward ? b->kl_weight : NULL};
    cr_assert(lt_engine_head_distill(engine, &how, b->logp, b->kl, &err), "%s", err.message);
    if (backward)
        cr_assert(lt_engine_backward(engine, &err), "%s", err.message);
    lt_engine_close(engine);
    lt_engine_close(teacher);
    double loss = 0;
    for (int64_t i = 0; i < b->batch.target_count; i++)
        loss += (double)b->kl_weight[i] * b->kl[i] - (double)b->weight[i] * b->logp[i];
    return loss;
}

/* Along a random direction of each trained tensor. */
static void check_gradients(bench *b)
{
    step(b, true);
    int64_t n = lt_param_list_elements(&b->params), at = 0;
    float *gradient = malloc((size_t)n * sizeof *gradient), *direction = malloc((size_t)n * sizeof *direction);
    for (int i = 0; i < b->params.count; at += b->params.items[i++].elements)
        memcpy(gradient + at, b->params.items[i].gradient, (size_t)b->params.items[i].elements * sizeof *gradient);
    at = 0;
    for (int i = 0; i < b->params.count; at += b->params.items[i++].elements) {
        lt_param *p = &b->params.items[i];
        const double h = 2e-3;
        double loss[2], slope = gradcheck_dot(gradient + at, gradient + at, p->elements), norm = sqrt(slope);
        cr_assert_gt(norm, 0);
        float *old = malloc((size_t)p->elements * sizeof *old);
        memcpy(old, p->value, (size_t)p->elements * sizeof *old);
        gradcheck_normal(direction, p->elements, 99 + (uint64_t)i, 1);
        slope = gradcheck_dot(direction, gradient + at, p->elements);
        for (int side = 0; side < 2; side++) {
            for (int64_t e = 0; e < p->elements; e++)
                p->value[e] = old[e] + (float)(side ? h : -h) * direction[e];
            loss[side] = step(b, false);
        }
        memcpy(p->value, old, (size_t)p->elements * sizeof *old);
        free(old);
        double numeric = (loss[1] - loss[0]) / (2 * h);
        cr_assert_float_eq(numeric, slope, 0.02 * norm + 5e-4, "tensor %d: finite difference %g, gradient %g, norm %g", i, numeric, slope,
                           norm);
    }
    free(gradient);
    free(direction);
}

Test(distill, gradients_of_adapters_agree_with_finite_differences)
{
    bench b;
    set_up(&b, 50, 0, 1);
    check_gradients(&b);
    tear_down(&b);
}

Test(distill, gradients_agree_at_a_temperature_with_capped_logits_and_a_shorter_vocabulary)
{
    bench b;
    set_up(&b, 46, 3, 2);
    check_gradients(&b);
    tear_down(&b);
}
