/* Row kernels of a set against double-precision truth and, where the definition fixes every bit, against the reference.
 */
#include "tests/kernels/rows.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "simd/ref/ref.h"

/* ---- conversions ---- */

static void check_conversions(const lt_kernels *set, int64_t n, data_kind kind)
{
    rows r;
    rows_make(&r, n, kind);
    guarded halves = guarded_make(2 * n, 2 * random_below(5)), same = guarded_make(2 * n, 0);
    uint16_t *h = halves.data, *ref = same.data;
    bool good = true;
    set->f32_to_bf16(r.row[0], h, n);
    lt_ref_f32_to_bf16(r.row[0], ref, n);
    for (int64_t i = 0; i < n; i++)
        good &= isnan(r.row[0][i]) ? isnan(lt_bf16_to_f32(h[i])) : h[i] == ref[i];
    check(good, "f32_to_bf16", "n %d: other bits than the reference", (int)n);
    for (int64_t i = 0; i < n; i++)
        h[i] = (uint16_t)random_u32();
    set->bf16_to_f32(h, r.row[1], n);
    good = true;
    for (int64_t i = 0; i < n; i++)
        good &= near(r.row[1][i], lt_bf16_to_f32(h[i]), 0, 0);
    check(good, "bf16_to_f32", "n %d: other values than the reference", (int)n);
    set->f16_to_f32(h, r.row[2], n);
    good = true;
    for (int64_t i = 0; i < n; i++)
        good &= near(r.row[2][i], lt_f16_to_f32(h[i]), 0, 0);
    check(good, "f16_to_f32", "n %d: other values than the reference", (int)n);
    set->f32_to_f16(r.row[0], h, n);
    lt_ref_f32_to_f16(r.row[0], ref, n);
    good = true;
    for (int64_t i = 0; i < n; i++)
        good &= isnan(r.row[0][i]) ? isnan(lt_f16_to_f32(h[i])) : h[i] == ref[i];
    check(good, "f32_to_f16", "n %d: other bits than the reference", (int)n);
    check(guarded_intact(&halves), "f32_to_f16", "n %d: wrote outside", (int)n);
    guarded_free(&halves);
    guarded_free(&same);
    rows_free(&r, "bf16_to_f32");
}

/* The reference's own conversions, against arithmetic: the nearest representable value, ties to the even code. */
static double half_value(lt_dtype dtype, uint16_t code)
{
    int bits = dtype == LT_DTYPE_F16 ? 10 : 7, bias = dtype == LT_DTYPE_F16 ? 15 : 127;
    int exponent = (code & 0x7FFF) >> bits, mantissa = code & ((1 << bits) - 1);
    double magnitude =
        exponent ? ldexp(mantissa + (1 << bits), exponent - bias - bits) : ldexp(mantissa, 1 - bias - bits);
    return code >> 15 ? -magnitude : magnitude;
}

static void check_rounding_of_halves(void)
{
    for (int dtype = LT_DTYPE_F16; dtype <= LT_DTYPE_BF16; dtype++)
        for (uint32_t code = 0; code < 0x8000; code += 1 + (uint32_t)random_below(3)) {
            int infinity = dtype == LT_DTYPE_F16 ? 0x7C00 : 0x7F80;
            if ((int)code + 1 >= infinity)
                break;
            double low = half_value((lt_dtype)dtype, (uint16_t)code),
                   high = half_value((lt_dtype)dtype, (uint16_t)(code + 1));
            float middle = (float)((low + high) / 2); /* exact: one bit more */
            float below = nextafterf(middle, 0), above = nextafterf(middle, INFINITY);
            uint16_t even = (uint16_t)(code & 1 ? code + 1 : code);
            uint16_t (*to)(float) = dtype == LT_DTYPE_F16 ? lt_f32_to_f16 : lt_f32_to_bf16;
            float (*from)(uint16_t) = dtype == LT_DTYPE_F16 ? lt_f16_to_f32 : lt_bf16_to_f32;
            bool good = to((float)low) == code && to(middle) == even && to(below) == code && to(above) == code + 1;
            check(good && from((uint16_t)code) == (float)low, "dtype", "rounding around code %x of type %d", code,
                  dtype);
        }
}

/* ---- reductions ---- */

static void check_reductions(const lt_kernels *set, int64_t n, data_kind kind)
{
    rows r;
    rows_make(&r, n, kind);
    double dot = 0, sum = 0, squares = 0, dot_scale = 0, sum_scale = 0, exponentials = 0, max = -INFINITY;
    float shift = kind == DATA_NORMAL ? 1.5f : 20;
    const float *a = r.row[0], *b = r.row[1];
    for (int64_t i = 0; i < n; i++) {
        dot += (double)a[i] * b[i];
        dot_scale += fabs((double)a[i] * b[i]);
        sum += a[i];
        sum_scale += fabs((double)a[i]);
        squares += (double)a[i] * a[i];
        exponentials += exp((double)(a[i] - shift));
        max = isnan(a[i]) || isnan(max) ? NAN : fmax(max, a[i]);
    }
    bool huge = !(dot_scale < 1e37), huge_sum = !(sum_scale < 1e37); /* f32 overflows where double does not */
    if (!huge)
        check(near(set->dot(a, b, n), dot, 0, dot_scale * 1e-6 + 1e-37), "dot", "n %d: %.9g for %.9g", (int)n,
              (double)set->dot(a, b, n), dot);
    if (!huge_sum)
        check(near(set->sum(a, n), sum, 0, sum_scale * 1e-6 + 1e-37), "sum", "n %d: %.9g for %.9g", (int)n,
              (double)set->sum(a, n), sum);
    if (!(fabs(exponentials) > 1e37))
        check(near(set->sum_exp(a, shift, n), exponentials, 1e-6, 1e-37), "sum_exp", "n %d: %.9g for %.9g", (int)n,
              (double)set->sum_exp(a, shift, n), exponentials);
    check(near(set->sum_squares(a, n), squares, 1e-12, 0), "sum_squares", "n %d: %.17g for %.17g", (int)n,
          set->sum_squares(a, n), squares);
    check(near(set->max(a, n), max, 0, 0), "max", "n %d: %.9g for %.9g", (int)n, (double)set->max(a, n), max);
    row_unchanged(&r, 0, "reductions");
    rows_free(&r, "reductions");
}

/* A NaN anywhere must reach the result of every reduction. */
static void check_nan_is_found(const lt_kernels *set, int64_t n)
{
    rows r;
    rows_make(&r, n, DATA_NORMAL);
    for (int64_t i = 0; i < n; i++) {
        float kept = r.row[0][i];
        r.row[0][i] = NAN;
        check(isnan(set->max(r.row[0], n)), "max", "n %d: NaN at %d was lost", (int)n, (int)i);
        check(isnan(set->sum(r.row[0], n)), "sum", "n %d: NaN at %d was lost", (int)n, (int)i);
        check(isnan(set->sum_exp(r.row[0], 0, n)), "sum_exp", "n %d: NaN at %d was lost", (int)n, (int)i);
        check(isnan(set->sum_squares(r.row[0], n)), "sum_squares", "n %d: NaN at %d was lost", (int)n, (int)i);
        check(isnan(set->dot(r.row[1], r.row[0], n)), "dot", "n %d: NaN at %d was lost", (int)n, (int)i);
        r.row[0][i] = kept;
    }
    rows_free(&r, "reductions");
}

/* ---- elementwise ---- */

static const float ALPHA = 1.7f, SHIFT = 0.3f;

static double scaled(const rows *r, int64_t i)
{
    return (double)ALPHA * r->before[0][i];
}
static double axpied(const rows *r, int64_t i)
{
    return (double)ALPHA * r->before[1][i] + r->before[0][i];
}
static double multiplied(const rows *r, int64_t i)
{
    return (double)r->before[1][i] * r->before[2][i];
}
static double added(const rows *r, int64_t i)
{
    return multiplied(r, i) + r->before[0][i];
}
static double exponential(const rows *r, int64_t i)
{
    return exp((double)(r->before[1][i] - SHIFT)) * ALPHA;
}
static double own_exponential(const rows *r, int64_t i)
{
    return exp((double)(r->before[0][i] - SHIFT)) * ALPHA;
}
static double squared(const rows *r, int64_t i)
{
    return (double)r->before[0][i] * r->before[0][i];
}

/* Rounding of a sum is relative to its terms: a bound for the cancellation there may be. */
static double cancellation(data_kind kind)
{
    return kind == DATA_NORMAL ? 1e-5 : kind == DATA_WIDE ? 3e6 : kind == DATA_EXTREME ? 1e-4 : 0;
}

static void check_elementwise(const lt_kernels *set, int64_t n, data_kind kind)
{
    rows r;
    rows_make(&r, n, kind);
    double sums = cancellation(kind);
    set->scale(r.row[0], ALPHA, n);
    row_is(&r, 0, scaled, 1e-7, 1e-44, "scale");
    rows_restore(&r);
    if (kind != DATA_EXTREME) { /* f32 overflows on the way where double does not */
        set->axpy(r.row[0], ALPHA, r.row[1], n);
        row_is(&r, 0, axpied, 2e-7, sums, "axpy");
        row_unchanged(&r, 1, "axpy");
        rows_restore(&r);
        set->multiply_add(r.row[0], r.row[1], r.row[2], n);
        row_is(&r, 0, added, 2e-7, sums, "multiply_add");
        rows_restore(&r);
    }
    set->multiply(r.row[0], r.row[1], r.row[2], n);
    row_is(&r, 0, multiplied, 1e-7, 1e-44, "multiply");
    row_unchanged(&r, 2, "multiply");
    rows_restore(&r);
    set->multiply(r.row[0], r.row[0], r.row[0], n);
    row_is(&r, 0, squared, 1e-7, 1e-44, "multiply in place");
    rows_restore(&r);
    set->exp_scaled(r.row[0], r.row[1], SHIFT, ALPHA, n);
    row_is(&r, 0, exponential, 4e-7, 2.4e-38, "exp_scaled");
    rows_restore(&r);
    set->exp_scaled(r.row[0], r.row[0], SHIFT, ALPHA, n);
    row_is(&r, 0, own_exponential, 4e-7, 2.4e-38, "exp_scaled in place");
    rows_free(&r, "elementwise");
}

/* exp over its whole range, finely; and the exact places. */
static void check_exp_range(const lt_kernels *set)
{
    enum { N = 4096 };
    static float x[N], y[N];
    double worst = 0;
    for (float start = -110; start < 95; start += 2.5f) {
        for (int i = 0; i < N; i++)
            x[i] = start + 2.5f * (float)i / N;
        set->exp_scaled(y, x, 0, 1, N);
        for (int i = 0; i < N; i++) {
            double want = exp((double)x[i]);
            if (want > FLT_MAX)
                check(isinf(y[i]), "exp_scaled", "exp(%.9g) is %.9g, should overflow", (double)x[i], (double)y[i]);
            else if (want >= FLT_MIN)
                worst = fmax(worst, fabs(y[i] / want - 1));
            else
                check(fabs(y[i] - want) <= FLT_MIN, "exp_scaled", "exp(%.9g) is %.9g", (double)x[i], (double)y[i]);
        }
    }
    check(worst < 2.4e-7, "exp_scaled", "relative error %.3g", worst);
    const float places[] = {0, -0.0f, -INFINITY, INFINITY, -1e30f, 1e30f, NAN, 1};
    const double values[] = {1, 1, 0, INFINITY, 0, INFINITY, NAN, M_E};
    set->exp_scaled(y, places, 0, 1, 8);
    for (int i = 0; i < 8; i++)
        check(near(y[i], values[i], i < 7 ? 0 : 2e-7, 0), "exp_scaled", "exp(%g) is %.9g", (double)places[i],
              (double)y[i]);
}

/* ---- rotary positions ---- */

static void check_rope(const lt_kernels *set, int64_t half, data_kind kind)
{
    guarded memory = guarded_make(2 * half * 4, 4 * random_below(4));
    float *x = memory.data, *before = malloc((size_t)half * 8 + 1), *c = malloc((size_t)half * 4 + 1),
          *s = malloc((size_t)half * 4 + 1);
    for (int64_t i = 0; i < half; i++) {
        c[i] = cosf((float)i * 0.37f);
        s[i] = sinf((float)i * 0.37f);
    }
    for (int direction = -1; direction <= 1; direction += 2) {
        for (int64_t i = 0; i < 2 * half; i++)
            x[i] = before[i] = random_of(kind);
        set->rope(x, c, s, (float)direction, half);
        for (int64_t i = 0; i < half; i++) {
            double a = before[i], b = before[i + half], sine = direction * s[i],
                   size = 3e-7 * (fabs(a) + fabs(b)) + 1e-37;
            bool good = near(x[i], a * c[i] - b * sine, 0, size) && near(x[i + half], b * c[i] + a * sine, 0, size);
            check(good || !(size < 1e30), "rope", "half %d [%d]: %g %g became %g %g", (int)half, (int)i, a, b,
                  (double)x[i], (double)x[i + half]);
        }
    }
    check(guarded_intact(&memory), "rope", "half %d: wrote outside", (int)half);
    guarded_free(&memory);
    free(before);
    free(c);
    free(s);
}

/* ---- the activation store ---- */

static void check_quantize(const lt_kernels *set, int64_t n, data_kind kind)
{
    int64_t blocks = (n + LT_QUANT_BLOCK - 1) / LT_QUANT_BLOCK;
    rows r;
    rows_make(&r, n, kind);
    guarded code_memory = guarded_make(n, random_below(7)),
            scale_memory = guarded_make(2 * blocks, 2 * random_below(4));
    int8_t *codes = code_memory.data, *ref_codes = malloc((size_t)n + 1);
    uint16_t *scales = scale_memory.data, *ref_scales = malloc((size_t)blocks * 2 + 1);
    set->quantize_q8(r.row[0], codes, scales, n);
    lt_ref_quantize_q8(r.row[0], ref_codes, ref_scales, n);
    check(!memcmp(codes, ref_codes, (size_t)n), "quantize_q8", "n %d: other codes than the reference", (int)n);
    check(!memcmp(scales, ref_scales, (size_t)blocks * 2), "quantize_q8", "n %d: other scales", (int)n);
    set->dequantize_q8(codes, scales, r.row[1], n);
    for (int64_t b = 0; b < blocks; b++) {
        int64_t end = n < (b + 1) * LT_QUANT_BLOCK ? n : (b + 1) * LT_QUANT_BLOCK;
        double max = 0, step = lt_bf16_to_f32(scales[b]);
        bool finite = true;
        for (int64_t i = b * LT_QUANT_BLOCK; i < end; i++) {
            finite &= isfinite(r.row[0][i]) != 0;
            max = fmax(max, fabs((double)r.row[0][i]));
        }
        for (int64_t i = b * LT_QUANT_BLOCK; i < end; i++) {
            double got = r.row[1][i], want = r.row[0][i];
            bool good = finite ? fabs(got - want) <= 0.5001 * step + 2e-36 && step <= max / 127 * 1.008 : isnan(got);
            check(good && codes[i] > -128, "quantize_q8", "n %d [%d]: %.9g became %.9g at step %g", (int)n, (int)i,
                  want, got, step);
        }
        check(max != 0 || step == 0 || !finite, "quantize_q8", "a block of zeros has the scale %g", step);
    }
    check(guarded_intact(&code_memory) && guarded_intact(&scale_memory), "quantize_q8", "n %d: wrote outside", (int)n);
    rows_free(&r, "dequantize_q8");
    guarded_free(&code_memory);
    guarded_free(&scale_memory);
    free(ref_codes);
    free(ref_scales);
}

/* ---- AdamW ---- */

static void check_adamw(const lt_kernels *set, int64_t n)
{
    const lt_adamw_step step = {1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, 1 - 0.9f * 0.9f, 1 - 0.999f * 0.999f, 0.5f};
    rows r;
    rows_make(&r, n, DATA_NORMAL);
    for (int64_t i = 0; i < n; i++)
        r.row[2][i] = r.before[2][i] = fabsf(r.before[2][i]); /* v */
    set->adamw(r.row[0], r.row[1], r.row[2], r.row[3], &step, n);
    for (int64_t i = 0; i < n; i++) {
        double p = r.before[0][i], m = r.before[1][i], v = r.before[2][i], g = 0.5 * r.before[3][i];
        p -= (double)step.learning_rate * step.weight_decay * p;
        m = (double)step.beta1 * m + (1 - (double)step.beta1) * g;
        v = (double)step.beta2 * v + (1 - (double)step.beta2) * g * g;
        p -= step.learning_rate * (m / step.bias_correction1) / (sqrt(v / step.bias_correction2) + step.epsilon);
        bool good =
            near(r.row[0][i], p, 1e-5, 1e-5) && near(r.row[1][i], m, 1e-5, 1e-5) && near(r.row[2][i], v, 1e-5, 1e-6);
        check(good, "adamw", "n %d [%d]: %.9g %.9g %.9g, should be %.9g %.9g %.9g", (int)n, (int)i, (double)r.row[0][i],
              (double)r.row[1][i], (double)r.row[2][i], p, m, v);
    }
    row_unchanged(&r, 3, "adamw");
    rows_free(&r, "adamw");
}

void check_rows(const lt_kernels *set, bool thorough)
{
    random_seed(10);
    check_rounding_of_halves();
    check_exp_range(set);
    check_nan_is_found(set, 77);
    for (int64_t n = 0; n < 3000; n = n < 70 ? n + 1 : n * 2 + random_below(9)) {
        if (!thorough && n % 5 && n > 17)
            continue;
        for (int kind = 0; kind < DATA_KINDS; kind++) {
            check_conversions(set, n, (data_kind)kind);
            check_reductions(set, n, (data_kind)kind);
            check_elementwise(set, n, (data_kind)kind);
            check_rope(set, n, (data_kind)kind);
            check_quantize(set, n, (data_kind)kind);
            check_activations(set, n, (data_kind)kind);
        }
        check_adamw(set, n);
    }
    check_activation_ranges(set);
}
