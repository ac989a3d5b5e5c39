#include "each_set.h"
#include "gradcheck.h"

#include <string.h>

#include "core/threads.h"
#include "nn/attention.h"

enum { MAX_SEQUENCES = 8, PAD = 3 };

typedef struct attention_case {
    const char *name;
    int H, K, D;
    int lengths[MAX_SEQUENCES]; /* 0 ends */
    int window;
    bool bidirectional;
    float softcap;
    int prefix;
} attention_case;

/* Inputs, and the results of the formulas in double. */
typedef struct fixture {
    lt_attention attention;
    lt_attention_rows rows;
    int32_t starts[MAX_SEQUENCES + 1];
    int64_t stride, out_stride, qkv_count, out_count, prefix_count, lse_count;
    float *qkv, *dout, *prefix_k, *prefix_v;
    float *out, *lse, *dqkv, *dprefix_k, *dprefix_v, *scratch;
    double *out_ref, *lse_ref, *dqkv_ref, *dprefix_k_ref, *dprefix_v_ref;
} fixture;

static void *zeros(int64_t count, size_t size)
{
    return calloc((size_t)(count > 0 ? count : 1), size);
}

static fixture make_fixture(const attention_case *c, lt_compute compute)
{
    fixture f = {.attention = {c->H, c->K, c->D, 1 / sqrtf((float)c->D), c->softcap, c->window, c->bidirectional,
                               compute, c->prefix}};
    int longest = 0;
    for (int s = 0; s < MAX_SEQUENCES && c->lengths[s] > 0; s++) {
        f.starts[s + 1] = f.starts[s] + c->lengths[s];
        f.rows.sequences = s + 1;
        longest = c->lengths[s] > longest ? c->lengths[s] : longest;
    }
    f.rows.T = f.starts[f.rows.sequences];
    f.stride = f.rows.qkv_stride = (c->H + 2 * c->K) * c->D + PAD;
    f.out_stride = c->H * c->D + PAD;
    f.qkv_count = f.rows.T * f.stride;
    f.out_count = f.rows.T * f.out_stride;
    f.lse_count = f.rows.T * c->H;
    f.prefix_count = (int64_t)c->prefix * c->K * c->D;
    f.qkv = zeros(f.qkv_count, 4), f.dout = zeros(f.out_count, 4), f.out = zeros(f.out_count, 4),
    f.lse = zeros(f.lse_count, 4);
    f.prefix_k = zeros(f.prefix_count, 4), f.prefix_v = zeros(f.prefix_count, 4), f.dqkv = zeros(f.qkv_count, 4);
    f.dprefix_k = zeros(f.prefix_count, 4), f.dprefix_v = zeros(f.prefix_count, 4);
    f.out_ref = zeros(f.out_count, 8), f.lse_ref = zeros(f.lse_count, 8), f.dqkv_ref = zeros(f.qkv_count, 8);
    f.dprefix_k_ref = zeros(f.prefix_count, 8), f.dprefix_v_ref = zeros(f.prefix_count, 8);
    for (int64_t i = 0; i < f.qkv_count; i++) /* written, not added to; the padding of a row is left alone */
        f.dqkv[i] = i % f.stride < f.stride - PAD ? NAN : 0;
    for (int64_t i = 0; i < f.out_count; i++)
        f.out[i] = i % f.out_stride < f.out_stride - PAD ? NAN : 0;
    gradcheck_normal(f.qkv, f.qkv_count, 1, 1.5f);
    gradcheck_normal(f.dout, f.out_count, 2, 1);
    gradcheck_normal(f.prefix_k, f.prefix_count, 3, 1.5f);
    gradcheck_normal(f.prefix_v, f.prefix_count, 4, 1);
    size_t bytes = (size_t)lt_attention_scratch_bytes(&f.attention, f.rows.T, longest, 8);
    f.scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(f.scratch, 0xFF, bytes); /* NaN: nothing may be read before it is written */
    return f;
}

static void bind(fixture *f)
{
    f->rows.starts = f->starts;
    f->rows.qkv = f->qkv;
    f->rows.prefix_k = f->prefix_k;
    f->rows.prefix_v = f->prefix_v;
}

static void free_fixture(fixture *f)
{
    free(f->qkv), free(f->dout), free(f->prefix_k), free(f->prefix_v), free(f->out), free(f->lse), free(f->dqkv);
    free(f->dprefix_k), free(f->dprefix_v), free(f->scratch), free(f->out_ref), free(f->lse_ref), free(f->dqkv_ref);
    free(f->dprefix_k_ref), free(f->dprefix_v_ref);
}

static bool sees(const lt_attention *a, int t, int s)
{
    if (!a->bidirectional && s > t)
        return false;
    return a->window == 0 || llabs((long long)t - s) < a->window;
}

/* One key that a query meets: where its k and v are, and where their gradients go. */
typedef struct met_key {
    const float *k, *v;
    double *dk, *dv, z, p;
} met_key;

static int keys_met(const fixture *f, int sequence, int t, int kv_head, met_key *keys)
{
    const lt_attention *a = &f->attention;
    int count = 0;
    for (int64_t s = 0; s < a->prefix; s++) {
        int64_t at = (s * a->K + kv_head) * a->D;
        keys[count++] =
            (met_key){f->prefix_k + at, f->prefix_v + at, f->dprefix_k_ref + at, f->dprefix_v_ref + at, 0, 0};
    }
    for (int s = 0; s < f->starts[sequence + 1] - f->starts[sequence]; s++)
        if (sees(a, t, s)) {
            int64_t k = (f->starts[sequence] + s) * f->stride + (a->H + kv_head) * a->D, v = k + a->K * a->D;
            keys[count++] = (met_key){f->qkv + k, f->qkv + v, f->dqkv_ref + k, f->dqkv_ref + v, 0, 0};
        }
    return count;
}

static void reference_query(const fixture *f, int sequence, int t, int head, met_key *keys)
{
    const lt_attention *a = &f->attention;
    const int count = keys_met(f, sequence, t, (int)(head / (a->H / a->K)), keys);
    const int64_t row = f->starts[sequence] + t, at = row * f->stride + head * a->D,
                  out_at = row * f->out_stride + head * a->D;
    double max = -INFINITY, sum = 0, delta = 0;
    for (int i = 0; i < count; i++) {
        for (int d = 0; d < a->D; d++)
            keys[i].z += (double)f->qkv[at + d] * keys[i].k[d] * a->scale;
        if (a->softcap > 0)
            keys[i].z = a->softcap * tanh(keys[i].z / a->softcap);
        max = fmax(max, keys[i].z);
    }
    for (int i = 0; i < count; i++)
        sum += exp(keys[i].z - max);
    f->lse_ref[row * a->H + head] = max + log(sum);
    for (int i = 0; i < count; i++) {
        keys[i].p = exp(keys[i].z - max) / sum;
        for (int d = 0; d < a->D; d++)
            f->out_ref[out_at + d] += keys[i].p * keys[i].v[d];
    }
    for (int d = 0; d < a->D; d++)
        delta += f->out_ref[out_at + d] * f->dout[out_at + d];
    for (int i = 0; i < count; i++) {
        double dp = 0, capped = a->softcap > 0 ? keys[i].z / a->softcap : 0;
        for (int d = 0; d < a->D; d++)
            dp += (double)f->dout[out_at + d] * keys[i].v[d];
        double ds = keys[i].p * (dp - delta) * (1 - capped * capped) * a->scale;
        for (int d = 0; d < a->D; d++) {
            f->dqkv_ref[at + d] += ds * keys[i].k[d];
            keys[i].dk[d] += ds * f->qkv[at + d];
            keys[i].dv[d] += keys[i].p * f->dout[out_at + d];
        }
    }
}

static void reference(const fixture *f)
{
    met_key *keys = malloc(sizeof *keys * (size_t)(f->attention.prefix + f->rows.T));
    for (int s = 0; s < f->rows.sequences; s++)
        for (int t = 0; t < f->starts[s + 1] - f->starts[s]; t++)
            for (int h = 0; h < f->attention.H; h++)
                reference_query(f, s, t, h, keys);
    free(keys);
}

static void run(fixture *f)
{
    lt_attention_forward(&f->attention, &f->rows, f->out, f->out_stride, f->lse, f->scratch);
    lt_attention_backward(&f->attention, &f->rows, f->out, f->dout, f->out_stride, f->lse, f->dqkv, f->dprefix_k,
                          f->dprefix_v, f->scratch);
}

static const attention_case cases[] = {
    {"one token", 2, 1, 8, {1}, 0, false, 0, 0},
    {"grouped, odd lengths", 6, 2, 16, {37, 1, 2, 64, 65}, 0, false, 0, 0},
    {"longer than a tile", 3, 1, 64, {300, 129}, 0, false, 0, 0},
    {"width not a whole vector", 4, 2, 40, {70, 13}, 0, false, 0, 0},
    {"odd width", 2, 2, 13, {50}, 0, false, 0, 0},
    {"wide heads", 2, 1, 256, {130, 5}, 0, false, 0, 0},
    {"window", 2, 1, 32, {400, 40}, 50, false, 0, 0},
    {"window, many sequences", 2, 2, 32, {100, 40, 200, 70, 3}, 50, false, 0, 0},
    {"window of one", 2, 1, 32, {70}, 1, false, 0, 0},
    {"window longer than a tile", 2, 1, 80, {500}, 270, false, 0, 0},
    {"both ways", 2, 2, 32, {200, 33, 1}, 0, true, 0, 0},
    {"both ways, window", 2, 1, 32, {333}, 40, true, 0, 0},
    {"softcap", 4, 2, 16, {100, 20}, 0, false, 2, 0},
    {"softcap and window", 2, 1, 128, {150}, 60, false, 4, 0},
    {"prefix", 4, 2, 16, {40, 3, 100, 5, 1, 20, 31, 64}, 0, false, 0, 7},
    {"prefix longer than a tile", 2, 1, 64, {70, 20}, 30, false, 0, 270},
    {"prefix, softcap, both ways", 2, 1, 24, {20, 90}, 0, true, 3, 5},
};

static void compare(const attention_case *c, lt_compute compute, double tolerance)
{
    fixture f = make_fixture(c, compute);
    bind(&f);
    reference(&f);
    run(&f);
    double distance[] = {relative_distance(f.out, f.out_ref, f.out_count),
                         relative_distance(f.lse, f.lse_ref, f.lse_count),
                         relative_distance(f.dqkv, f.dqkv_ref, f.qkv_count),
                         relative_distance(f.dprefix_k, f.dprefix_k_ref, f.prefix_count),
                         relative_distance(f.dprefix_v, f.dprefix_v_ref, f.prefix_count)};
    static const char *const names[] = {"out", "lse", "dqkv", "dprefix_k", "dprefix_v"};
    for (int i = 0; i < 5; i++)
        cr_assert(distance[i] <= tolerance, "%s, %s: relative distance %.3g", c->name, names[i], distance[i]);
    free_fixture(&f);
}

EachSetTest(attention, agrees_with_the_formulas_in_double)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        compare(&cases[i], LT_COMPUTE_F32, 3e-6);
}

EachSetTest(attention, agrees_within_bf16_rounding_when_products_are_bf16)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        compare(&cases[i], LT_COMPUTE_BF16, 1e-2);
}

EachSetTest(attention, gives_the_same_bytes_for_any_number_of_threads)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int compute = 0; compute < 2; compute++) {
            fixture one = make_fixture(&cases[i], (lt_compute)compute),
                    many = make_fixture(&cases[i], (lt_compute)compute);
            bind(&one), bind(&many);
            lt_threads_set(1);
            run(&one);
            lt_threads_set(5);
            run(&many);
            cr_assert_eq(memcmp(one.out, many.out, (size_t)one.out_count * 4), 0, "%s: out", cases[i].name);
            cr_assert_eq(memcmp(one.dqkv, many.dqkv, (size_t)one.qkv_count * 4), 0, "%s: dqkv", cases[i].name);
            cr_assert_eq(memcmp(one.dprefix_k, many.dprefix_k, (size_t)one.prefix_count * 4), 0, "%s: dprefix_k",
                         cases[i].name);
            free_fixture(&one), free_fixture(&many);
        }
}

/* Σ dout · out as a function of qkv, then of the prefix. */
static double loss_of_qkv(const float *qkv, void *context)
{
    fixture *f = context;
    lt_attention_rows rows = f->rows;
    rows.qkv = qkv;
    lt_attention_forward(&f->attention, &rows, f->out, f->out_stride, NULL, f->scratch);
    return gradcheck_dot(f->out, f->dout, f->out_count);
}

static double loss_of_prefix(const float *prefix_k, void *context)
{
    fixture *f = context;
    lt_attention_rows rows = f->rows;
    rows.prefix_k = prefix_k;
    lt_attention_forward(&f->attention, &rows, f->out, f->out_stride, NULL, f->scratch);
    return gradcheck_dot(f->out, f->dout, f->out_count);
}

EachSetTest(attention, gradients_match_finite_differences_under_every_mask)
{
    static const attention_case small[] = {
        {"causal", 4, 2, 8, {9, 1, 20}, 0, false, 0, 0},   {"window", 2, 1, 8, {30}, 7, false, 0, 0},
        {"both ways", 2, 1, 8, {12, 5}, 0, true, 0, 0},    {"both ways, window", 2, 1, 8, {25}, 4, true, 0, 0},
        {"softcap", 2, 1, 8, {17, 4}, 0, false, 1.5f, 0},  {"prefix", 2, 1, 8, {11, 6}, 0, false, 0, 5},
        {"everything", 4, 2, 12, {21, 3}, 6, false, 2, 4},
    };
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        fixture f = make_fixture(&small[i], LT_COMPUTE_F32);
        bind(&f);
        for (int64_t j = 0; j < f.out_count; j++) /* the padding of a row is nobody's output */
            if (j % f.out_stride >= f.out_stride - PAD)
                f.dout[j] = 0;
        run(&f);
        for (int64_t j = 0; j < f.qkv_count; j++)
            if (j % f.stride >= f.stride - PAD)
                f.dqkv[j] = 0;
        gradcheck_directions(loss_of_qkv, &f, f.qkv, f.qkv_count, f.dqkv, 2e-3, 2e-3, 4);
        gradcheck_elements(loss_of_qkv, &f, f.qkv, f.qkv_count, f.dqkv, 1e-2, 4e-3, 7);
        if (f.prefix_count > 0)
            gradcheck_elements(loss_of_prefix, &f, f.prefix_k, f.prefix_count, f.dprefix_k, 1e-2, 4e-3, 1);
        free_fixture(&f);
    }
}

Test(attention, scratch_grows_with_tokens_alone_and_stays_small)
{
    lt_attention qwen = {14, 2, 64, 0.125f, 0, 0, false, LT_COMPUTE_BF16, 0};
    int64_t short_one = lt_attention_scratch_bytes(&qwen, 512, 512, 2),
            long_one = lt_attention_scratch_bytes(&qwen, 16384, 16384, 2);
    cr_assert_lt(short_one, 2 << 20);
    cr_assert_lt(long_one - short_one, 16384 * 96);
}

EachSetTest(attention, a_number_that_is_not_one_reaches_the_queries_that_see_it)
{
    attention_case c = {"nan", 2, 1, 16, {40}, 0, false, 0, 0};
    fixture f = make_fixture(&c, LT_COMPUTE_F32);
    bind(&f);
    f.qkv[20 * f.stride + 2 * 16 + 3] = NAN; /* a key */
    run(&f);
    cr_assert_not(isnan(f.out[19 * f.out_stride]));
    cr_assert(isnan(f.out[20 * f.out_stride]));
    cr_assert(isnan(f.out[39 * f.out_stride + 31]));
    free_fixture(&f);
}
