/* Panel kernels of a set against simd/panel.h, spelled out here in double. */
#include "tests/kernels/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double F32_EPSILON = 0x1p-24, SUBNORMAL = 1.2e-38; /* what a set may flush to zero */

/* ---- packed operands, element by element ---- */

static double element(const lt_panel_kernels *panel, const void *operand, int64_t index)
{
    return to_f64(operand, panel->element_bytes == 2 ? LT_DTYPE_BF16 : LT_DTYPE_F32, index);
}

static void set_element(const lt_panel_kernels *panel, void *operand, int64_t index, float value)
{
    from_f32(operand, panel->element_bytes == 2 ? LT_DTYPE_BF16 : LT_DTYPE_F32, index, value);
}

static int64_t b_index(const lt_panel_kernels *panel, int depth, int cols, int k, int n)
{
    int first = n / LT_PANEL_COLUMNS * LT_PANEL_COLUMNS, width = lt_panel_width(cols, first);
    int64_t start = (int64_t)first * depth;
    if (panel->element_bytes == 2)
        return start + (int64_t)(k / 2 * width + (n - first)) * 2 + k % 2;
    return start + (int64_t)k * width + (n - first);
}

static float rounded(lt_compute compute, float value)
{
    return compute == LT_COMPUTE_BF16 ? lt_bf16_to_f32(lt_f32_to_bf16(value)) : value;
}

static const char *compute_name(lt_compute compute)
{
    return compute == LT_COMPUTE_BF16 ? "bf16" : "f32";
}

/* ---- packing ---- */

typedef struct source {
    guarded memory;
    const float *x;
    int rows, cols;
    int64_t stride;
} source;

static source make_source(int rows, int cols, data_kind data)
{
    source s = {.rows = rows, .cols = cols, .stride = cols + random_below(3) * 7};
    int64_t count = (rows - 1) * s.stride + cols;
    s.memory = guarded_make(count * 4, 0);
    for (int64_t i = 0; i < count; i++)
        ((float *)s.memory.data)[i] = random_of(data);
    s.x = s.memory.data;
    return s;
}

static void check_pack_a(const lt_panel_kernels *panel, lt_compute compute, int M, int K, bool transposed,
                         data_kind data)
{
    const int depth = lt_panel_pad_depth(K);
    const int64_t stride = depth + random_below(3) * 2;
    source s = transposed ? make_source(K, M, data) : make_source(M, K, data);
    guarded a = guarded_make(((M - 1) * stride + depth) * panel->element_bytes, 0);
    memset(a.data, 0xFF, (size_t)a.bytes);
    (transposed ? panel->pack_a_transposed : panel->pack_a)(s.x, s.stride, M, K, a.data, stride);
    bool good = guarded_intact(&a);
    for (int m = 0; m < M; m++)
        for (int k = 0; k < stride && m * stride + k < (M - 1) * stride + depth; k++) {
            double got = element(panel, a.data, m * stride + k);
            if (k >= depth)
                good &= isnan(got); /* between the rows: not touched */
            else
                good &= near(got, k < K ? rounded(compute, s.x[transposed ? k * s.stride + m : m * s.stride + k]) : 0,
                             0, SUBNORMAL);
        }
    check(good, transposed ? "pack_a_transposed" : "pack_a", "%s M %d K %d data %d", compute_name(compute), M, K,
          (int)data);
    guarded_free(&s.memory);
    guarded_free(&a);
}

static void check_pack_b(const lt_panel_kernels *panel, lt_compute compute, int K, int N, bool transposed,
                         data_kind data)
{
    const int depth = lt_panel_pad_depth(K), cols = lt_panel_pad_columns(N);
    source s = transposed ? make_source(N, K, data) : make_source(K, N, data);
    guarded b = guarded_make(lt_panel_b_bytes(panel, K, N), 0);
    memset(b.data, 0xFF, (size_t)b.bytes);
    (transposed ? panel->pack_b_transposed : panel->pack_b)(s.x, s.stride, K, N, b.data);
    bool good = guarded_intact(&b);
    for (int k = 0; k < depth; k++)
        for (int n = 0; n < cols; n++) {
            float want = k < K && n < N ? s.x[transposed ? n * s.stride + k : k * s.stride + n] : 0;
            good &=
                near(element(panel, b.data, b_index(panel, depth, cols, k, n)), rounded(compute, want), 0, SUBNORMAL);
        }
    check(good, transposed ? "pack_b_transposed" : "pack_b", "%s K %d N %d data %d", compute_name(compute), K, N,
          (int)data);
    guarded_free(&s.memory);
    guarded_free(&b);
}

static void check_transpose(const lt_panel_kernels *panel, int rows, int cols)
{
    source s = make_source(rows, cols, DATA_NORMAL);
    const int64_t stride = rows + 3;
    guarded y = guarded_make(((cols - 1) * stride + rows) * 4, 0);
    float *out = y.data;
    for (int64_t i = 0; i < y.bytes / 4; i++)
        out[i] = -99;
    panel->transpose(s.x, s.stride, rows, cols, out, stride);
    bool good = guarded_intact(&y);
    for (int64_t i = 0; i < y.bytes / 4; i++)
        good &= out[i] == (i % stride < rows ? s.x[i % stride * s.stride + i / stride] : -99);
    check(good, "transpose", "rows %d cols %d", rows, cols);
    guarded_free(&s.memory);
    guarded_free(&y);
}

/* ---- products ---- */

static void check_product(const lt_panel_kernels *panel, lt_compute compute, int M, int N, int K)
{
    const int depth = lt_panel_pad_depth(K), cols = lt_panel_pad_columns(N);
    const int64_t a_stride = depth + 4, c_stride = N + random_below(3);
    guarded a = guarded_make(((M - 1) * a_stride + depth) * panel->element_bytes, 0);
    guarded b = guarded_make((int64_t)depth * cols * panel->element_bytes, 0);
    guarded c = guarded_make(((M - 1) * c_stride + N) * 4, 0);
    float *before = malloc((size_t)c.bytes);
    for (int64_t i = 0; i < a.bytes / panel->element_bytes; i++)
        set_element(panel, a.data, i, rounded(compute, random_normal()));
    for (int64_t i = 0; i < b.bytes / panel->element_bytes; i++)
        set_element(panel, b.data, i, rounded(compute, random_normal()));
    lt_panel_product p = {.M = M,
                          .n0 = random_below(cols / LT_PANEL_LANES) * LT_PANEL_LANES,
                          .n1 = N,
                          .k0 = random_below(depth / 2) * 2,
                          .k1 = depth,
                          .a = a.data,
                          .a_stride = a_stride,
                          .b = b.data,
                          .b_depth = depth,
                          .b_cols = cols,
                          .c = c.data,
                          .c_stride = c_stride,
                          .add = random_below(2)};
    for (int64_t i = 0; i < c.bytes / 4; i++)
        before[i] = p.add ? random_normal() : NAN;
    memcpy(c.data, before, (size_t)c.bytes);
    panel->product(&p);
    bool good = guarded_intact(&c);
    for (int64_t i = 0; i < c.bytes / 4; i++) {
        const int m = (int)(i / c_stride), n = (int)(i % c_stride);
        double sum = p.add ? before[i] : 0, size = fabs(sum);
        if (n < p.n0 || n >= N) {
            good &= !memcmp(&before[i], &p.c[i], 4);
            continue;
        }
        for (int k = p.k0; k < p.k1; k++) {
            double term =
                element(panel, a.data, m * a_stride + k) * element(panel, b.data, b_index(panel, depth, cols, k, n));
            sum += term;
            size += fabs(term);
        }
        good &= near(p.c[i], sum, 0, size * (K / 4.0 + 8) * F32_EPSILON);
    }
    check(good, "product", "%s M %d N %d..%d K %d..%d add %d", compute_name(compute), M, p.n0, N, p.k0, p.k1, p.add);
    guarded_free(&a);
    guarded_free(&b);
    guarded_free(&c);
    free(before);
}

/* ---- softmax ---- */

enum { MAX_ROWS = 16, MAX_COLS = 272 };

/* Which columns a row sees: all, none, or some. */
static void random_columns(int M, int N, int *begin, int *end)
{
    for (int m = 0; m < M; m++) {
        int kind = random_below(4);
        begin[m] = kind == 0 ? 0 : random_below(N + 1);
        end[m] = kind == 0 ? N : begin[m] + random_below(N + 1 - begin[m]);
    }
}

static bool probability_good(lt_compute compute, double got, double want)
{
    return compute == LT_COMPUTE_BF16 ? near(got, want, 0.0040, 1e-36) : near(got, want, 4e-6, 1e-36);
}

static void check_softmax(const lt_panel_kernels *panel, lt_compute compute, int M, int N)
{
    static const int64_t s_stride = MAX_COLS + 3, p_stride = MAX_COLS + 2;
    static float s[MAX_ROWS * (MAX_COLS + 3)];
    int begin[MAX_ROWS], end[MAX_ROWS];
    float max[MAX_ROWS], sum[MAX_ROWS], alpha[MAX_ROWS], old_max[MAX_ROWS], old_sum[MAX_ROWS];
    guarded p = guarded_make(((M - 1) * p_stride + N) * panel->element_bytes, 0);
    bool good = true;
    random_columns(M, N, begin, end);
    for (int i = 0; i < MAX_ROWS * s_stride; i++)
        s[i] = 8 * random_normal();
    for (int m = 0; m < M; m++) {
        max[m] = old_max[m] = random_below(3) ? 3 * random_normal() : -INFINITY;
        sum[m] = old_sum[m] = isinf(max[m]) ? 0 : 1 + (float)random_below(9);
    }
    panel->softmax(&(lt_panel_softmax){M, N, s, s_stride, begin, end, 0.7f, max, sum, alpha, p.data, p_stride});
    for (int m = 0; m < M; m++) {
        double high = old_max[m], total = 0;
        for (int n = begin[m]; n < end[m]; n++)
            if ((double)s[m * s_stride + n] * 0.7f > high)
                high = (double)s[m * s_stride + n] * 0.7f;
        for (int n = 0; n < N; n++) {
            double want = n >= begin[m] && n < end[m] ? exp((double)s[m * s_stride + n] * 0.7f - high) : 0;
            double got = element(panel, p.data, m * p_stride + n);
            good &= want == 0 ? got == 0 : probability_good(compute, got, want);
            total += want;
        }
        double factor = begin[m] < end[m] ? exp(old_max[m] - high) : 1;
        good &= near(alpha[m], factor, 4e-6, 1e-36) && near(sum[m], old_sum[m] * factor + total, 4e-6, 0) &&
                near(max[m], high, 1e-6, 0);
    }
    check(good && guarded_intact(&p), "softmax", "%s M %d N %d", compute_name(compute), M, N);
    guarded_free(&p);
}

static void check_softmax_backward(const lt_panel_kernels *panel, lt_compute compute, int M, int N, float cap_inverse)
{
    static const int64_t stride = MAX_COLS + 3, a_stride = MAX_COLS + 2;
    static float s[MAX_ROWS * (MAX_COLS + 3)], dp[MAX_ROWS * (MAX_COLS + 3)];
    int begin[MAX_ROWS], end[MAX_ROWS];
    float lse[MAX_ROWS], delta[MAX_ROWS];
    const int b_row = random_below(3) * 2, depth = b_row + lt_panel_pad_depth(M);
    guarded p_b = guarded_make((int64_t)depth * N * panel->element_bytes, 0), ds_b = guarded_make(p_b.bytes, 0);
    guarded ds_a = guarded_make(((M - 1) * a_stride + N) * panel->element_bytes, 0);
    bool good = true;
    memset(p_b.data, 0x7F, (size_t)p_b.bytes);
    random_columns(M, N, begin, end);
    for (int i = 0; i < MAX_ROWS * stride; i++) {
        s[i] = 2 * random_normal();
        dp[i] = random_normal();
    }
    for (int m = 0; m < M; m++) {
        lse[m] = 4 + random_normal();
        delta[m] = random_normal();
    }
    panel->softmax_backward(&(lt_panel_softmax_backward){M, N, s, dp, stride, begin, end, 0.7f, 0.3f, cap_inverse, lse,
                                                         delta, p_b.data, ds_b.data, b_row, depth, ds_a.data,
                                                         a_stride});
    for (int m = 0; m < lt_panel_pad_depth(M); m++)
        for (int n = 0; n < N; n++) {
            double p = 0, ds = 0;
            if (m < M && n >= begin[m] && n < end[m]) {
                double z = (double)s[m * stride + n] * 0.7f, capped = z * cap_inverse;
                p = exp(z - lse[m]);
                ds = p * ((double)dp[m * stride + n] - delta[m]) * (1 - capped * capped) * 0.3f;
            }
            const int64_t at = b_index(panel, depth, N, b_row + m, n);
            const double relative = compute == LT_COMPUTE_BF16 ? 0.004 : 2e-6, tiny = 2e-7 * p;
            good &= near(element(panel, p_b.data, at), p, relative, 0) &&
                    near(element(panel, ds_b.data, at), ds, relative, tiny);
            if (m < M)
                good &= element(panel, ds_a.data, m * a_stride + n) == element(panel, ds_b.data, at);
        }
    for (int k = 0; k < b_row; k++)
        for (int n = 0; n < N; n++) /* rows before b_row: not touched */
            good &= element(panel, p_b.data, b_index(panel, depth, N, k, n)) > 1e30;
    check(good && guarded_intact(&p_b) && guarded_intact(&ds_b) && guarded_intact(&ds_a), "softmax_backward",
          "%s M %d N %d cap %g", compute_name(compute), M, N, (double)cap_inverse);
    guarded_free(&p_b);
    guarded_free(&ds_b);
    guarded_free(&ds_a);
}

void check_panel(const lt_kernels *set, bool thorough)
{
    for (int compute = 0; compute < 2; compute++) {
        const lt_panel_kernels *panel = set->panel[compute];
        for (int i = 0; i < (thorough ? 400 : 60); i++) {
            const int M = 1 + random_below(40), N = 1 + random_below(200), K = 1 + random_below(100);
            const data_kind data = (data_kind)(i % DATA_KINDS);
            check_pack_a(panel, (lt_compute)compute, M, K, i & 1, data);
            check_pack_b(panel, (lt_compute)compute, K, N, i & 1, data);
            check_product(panel, (lt_compute)compute, M, N, K);
            check_transpose(panel, M, N);
            const int rows = 1 + random_below(MAX_ROWS),
                      cols = LT_PANEL_LANES * (1 + random_below(MAX_COLS / LT_PANEL_LANES));
            check_softmax(panel, (lt_compute)compute, rows, cols);
            check_softmax_backward(panel, (lt_compute)compute, rows, cols, i & 1 ? 0 : 0.1f);
        }
    }
}
