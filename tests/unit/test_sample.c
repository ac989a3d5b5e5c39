#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/sample.h"

enum { V = 7 };
static const float base[V] = {1.0f, 3.0f, 2.0f, -1.0f, 3.0f, 0.5f, -4.0f};

/* How often each id comes out of 20000 draws. */
static void frequencies(lt_sample_options o, const int32_t *seen, int64_t n, double *share)
{
    lt_rng rng = lt_rng_make(1, 1);
    char scratch[V * 16];
    memset(share, 0, V * sizeof *share);
    for (int i = 0; i < 20000; i++) {
        float logits[V];
        memcpy(logits, base, sizeof base);
        share[lt_sample(&o, logits, V, seen, n, &rng, scratch)] += 1 / 20000.0;
    }
}

/* Softmax of x over the ids with keep[i]. */
static void expect(const double *share, const float *x, const int *keep, double temperature)
{
    double total = 0;
    for (int i = 0; i < V; i++)
        total += keep[i] ? exp(x[i] / temperature) : 0;
    for (int i = 0; i < V; i++) {
        double want = keep[i] ? exp(x[i] / temperature) / total : 0;
        cr_assert_float_eq(share[i], want, keep[i] ? 0.015 : 1e-12, "id %d: %g, expected %g", i, share[i], want);
    }
}

Test(sample, greedy_takes_the_lowest_id_among_equals)
{
    lt_sample_options o = lt_sample_defaults();
    o.greedy = true;
    float logits[V];
    char scratch[V * 16];
    memcpy(logits, base, sizeof base);
    cr_assert_eq(lt_sample(&o, logits, V, NULL, 0, NULL, scratch), 1);
}

Test(sample, temperature_shapes_the_whole_distribution)
{
    double share[V];
    lt_sample_options o = lt_sample_defaults();
    o.temperature = 1.7;
    frequencies(o, NULL, 0, share);
    expect(share, base, (int[]){1, 1, 1, 1, 1, 1, 1}, 1.7);
}

Test(sample, top_k_keeps_ties_with_the_kth)
{
    double share[V];
    lt_sample_options o = lt_sample_defaults();
    o.top_k = 1;
    frequencies(o, NULL, 0, share);
    expect(share, base, (int[]){0, 1, 0, 0, 1, 0, 0}, 1);
    o.top_k = 3;
    frequencies(o, NULL, 0, share);
    expect(share, base, (int[]){0, 1, 1, 0, 1, 0, 0}, 1);
}

Test(sample, top_p_keeps_the_smallest_set_that_reaches_p)
{
    double share[V]; /* probabilities: .38 .38 .14 .05 .03 .007 .0003 */
    lt_sample_options o = lt_sample_defaults();
    o.top_p = 0.5;
    frequencies(o, NULL, 0, share);
    expect(share, base, (int[]){0, 1, 0, 0, 1, 0, 0}, 1);
    o.top_p = 0.88;
    frequencies(o, NULL, 0, share);
    expect(share, base, (int[]){0, 1, 1, 0, 1, 0, 0}, 1);
}

Test(sample, min_p_is_relative_to_the_largest)
{
    double share[V];
    lt_sample_options o = lt_sample_defaults();
    o.min_p = 0.1; /* exp(-2) = .135 stays, exp(-2.5) = .08 goes */
    frequencies(o, NULL, 0, share);
    expect(share, base, (int[]){1, 1, 1, 0, 1, 0, 0}, 1);
}

Test(sample, repetition_penalty_counts_a_token_once)
{
    double share[V];
    lt_sample_options o = lt_sample_defaults();
    o.repetition_penalty = 2;
    const int32_t seen[] = {1, 1, 3, 1};
    float x[V];
    memcpy(x, base, sizeof base);
    x[1] /= 2;
    x[3] *= 2;
    frequencies(o, seen, 4, share);
    expect(share, x, (int[]){1, 1, 1, 1, 1, 1, 1}, 1);
}
