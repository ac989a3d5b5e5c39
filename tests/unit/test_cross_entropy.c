#include "each_set.h"
#include "gradcheck.h"

#include <string.h>

#include "nn/cross_entropy.h"

typedef struct ce_case {
    int64_t T, V;
    int32_t *labels;
    float *weight, *logits, scale, softcap;
} ce_case;

static ce_case make_case(int64_t T, int64_t V, float scale, float softcap)
{
    ce_case c = {T, V, malloc((size_t)T * 4), malloc((size_t)T * 4), malloc((size_t)(T * V) * 4), scale, softcap};
    lt_rng rng = lt_rng_make(11, (uint64_t)V);
    gradcheck_normal(c.logits, T * V, 12, 4);
    gradcheck_normal(c.weight, T, 13, 1);
    for (int64_t t = 0; t < T; t++)
        c.labels[t] = (int32_t)lt_rng_below(&rng, (uint32_t)V);
    return c;
}

static void free_case(ce_case *c)
{
    free(c->labels), free(c->weight), free(c->logits);
}

static void reference_row(const ce_case *c, int64_t t, double *z, double *logp, double *entropy, double *dlogits)
{
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < c->V; i++) {
        z[i] = (double)c->logits[t * c->V + i] * c->scale;
        if (c->softcap != 0)
            z[i] = c->softcap * tanh(z[i] / c->softcap);
        max = fmax(max, z[i]);
    }
    for (int64_t i = 0; i < c->V; i++)
        sum += exp(z[i] - max);
    *logp = z[c->labels[t]] - max - log(sum);
    *entropy = 0;
    for (int64_t i = 0; i < c->V; i++) {
        double p = exp(z[i] - max) / sum, d = c->weight[t] * (p - (i == c->labels[t]));
        *entropy -= p > 0 ? p * log(p) : 0;
        if (c->softcap != 0)
            d *= 1 - z[i] / c->softcap * (z[i] / c->softcap);
        dlogits[i] = d * c->scale;
    }
}

static void compare_with_reference(int64_t T, int64_t V, float scale, float softcap)
{
    ce_case c = make_case(T, V, scale, softcap);
    float *got = malloc((size_t)(T * V) * 4), *logp = malloc((size_t)T * 4), *entropy = malloc((size_t)T * 4);
    double *z = malloc((size_t)V * 8), *want = malloc((size_t)V * 8), want_logp, want_entropy;
    memcpy(got, c.logits, (size_t)(T * V) * 4);
    lt_cross_entropy(got, T, V, c.labels, c.weight, scale, softcap, logp, entropy);
    for (int64_t t = 0; t < T; t++) {
        reference_row(&c, t, z, &want_logp, &want_entropy, want);
        cr_assert_float_eq(logp[t], want_logp, 2e-6 * (1 + fabs(want_logp)), "V %lld: %g, expected %g", (long long)V,
                           logp[t], want_logp);
        cr_assert_float_eq(entropy[t], want_entropy, 1e-5);
        for (int64_t i = 0; i < V; i++)
            cr_assert_float_eq(got[t * V + i], want[i], 5e-7 * fabs(c.weight[t]) + 3e-6 * fabs(want[i]));
    }
    free(z), free(want), free(got), free(logp), free(entropy);
    free_case(&c);
}

EachSetTest(cross_entropy, agrees_with_the_formulas_in_double)
{
    static const int64_t vocabularies[] = {1, 2, 63, 2048, 2049, 9001};
    for (size_t i = 0; i < sizeof vocabularies / sizeof vocabularies[0]; i++) {
        compare_with_reference(5, vocabularies[i], 1, 0);
        compare_with_reference(5, vocabularies[i], 0.25f, 0);
        compare_with_reference(5, vocabularies[i], 1, 30);
        compare_with_reference(5, vocabularies[i], 0.5f, 5);
    }
}

static double weighted_loss(const float *logits, void *context)
{
    ce_case *c = context;
    float *copy = malloc((size_t)(c->T * c->V) * 4), logp[16];
    double loss = 0;
    memcpy(copy, logits, (size_t)(c->T * c->V) * 4);
    lt_cross_entropy(copy, c->T, c->V, c->labels, NULL, c->scale, c->softcap, logp, NULL);
    cr_assert_eq(memcmp(copy, logits, (size_t)(c->T * c->V) * 4), 0,
                 "logits changed although no gradient was asked for");
    for (int64_t t = 0; t < c->T; t++)
        loss -= (double)c->weight[t] * logp[t];
    free(copy);
    return loss;
}

EachSetTest(cross_entropy, gradient_matches_finite_differences)
{
    static const float caps[] = {0, 4};
    for (int i = 0; i < 2; i++) {
        ce_case c = make_case(4, 50, 0.7f, caps[i]);
        float *gradient = malloc(sizeof(float) * 200), logp[4];
        memcpy(gradient, c.logits, sizeof(float) * 200);
        lt_cross_entropy(gradient, 4, 50, c.labels, c.weight, c.scale, c.softcap, logp, NULL);
        gradcheck_directions(weighted_loss, &c, c.logits, 200, gradient, 3e-3, 1e-3, 4);
        gradcheck_elements(weighted_loss, &c, c.logits, 200, gradient, 2e-2, 3e-3, 1);
        free(gradient);
        free_case(&c);
    }
}

EachSetTest(cross_entropy, survives_huge_infinite_and_missing_numbers)
{
    enum { V = 5000 };
    float *logits = malloc(sizeof(float) * V), logp, entropy, weight = 1;
    int32_t label = 4000;
    for (int i = 0; i < V; i++)
        logits[i] = i < 3000 ? -INFINITY : 3e38f; /* whole blocks without probability, then values near the limit */
    lt_cross_entropy(logits, 1, V, &label, &weight, 1, 0, &logp, &entropy);
    cr_assert_float_eq(logp, -log(2000), 1e-5);
    cr_assert_float_eq(entropy, log(2000), 1e-5);
    cr_assert_eq(logits[0], 0.0f);
    cr_assert_float_eq(logits[3500], 1.0 / 2000, 1e-9);
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < V; i++)
            logits[i] = kind == 2 ? -INFINITY : 0;
        logits[77] = kind == 0 ? NAN : kind == 1 ? INFINITY : -INFINITY;
        lt_cross_entropy(logits, 1, V, &label, &weight, 1, 0, &logp, &entropy);
        cr_assert(isnan(logp), "case %d gave %g", kind, logp);
        cr_assert(isnan(logits[V - 1]));
    }
    for (int i = 0; i < V; i++)
        logits[i] = 0;
    logits[77] = NAN;
    lt_cross_entropy(logits, 1, V, &label, &weight, 1, 30, &logp, NULL);
    cr_assert(isnan(logp));
    free(logits);
}

EachSetTest(cross_entropy, a_row_of_weight_zero_has_no_gradient)
{
    ce_case c = make_case(3, 100, 1, 0);
    float logp[3];
    c.weight[1] = 0;
    lt_cross_entropy(c.logits, 3, 100, c.labels, c.weight, 1, 0, logp, NULL);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(c.logits[100 + i], 0.0f);
    cr_assert_neq(c.logits[0], 0.0f);
    free_case(&c);
}
