/* The kernel table: every inner loop of lathe, once per instruction set.
 *
 * lt_kernels_get() is the table of the best set that this CPU and system allow (or of the one that LATHE_CPU names:
 * ref | avx2 | avx512 | avx512bf16 | amx). A table is filled with the plain C of ref/, which is the definition, and
 * overlaid upward; a set that brings nothing better for an entry inherits it.
 *
 * Row kernels work on contiguous f32 rows of n elements, any n ≥ 0, any alignment, and may run in place where out and
 * in have the same type, unless a comment says otherwise. None of them is parallel. Sums are formed in an order that
 * depends on n alone, so a result is the same bytes for any number of threads. */
#ifndef LT_SIMD_KERNELS_H
#define LT_SIMD_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"

/* Activations: value and derivative as transformers defines them under these names. */
typedef enum lt_activation {
    LT_ACT_SILU,      /* x · sigmoid(x) */
    LT_ACT_GELU_TANH, /* gelu_pytorch_tanh, gelu_new */
    LT_ACT_GELU_ERF,  /* gelu: exact, with erf */
    LT_ACT_RELU,
    LT_ACT_COUNT
} lt_activation;

enum { LT_QUANT_BLOCK = 32 }; /* elements that share a scale in the activation store; the last block may be short */

typedef struct lt_adamw_step {
    float learning_rate, beta1, beta2, epsilon, weight_decay;
    float bias_correction1, bias_correction2; /* 1 - beta^t, t from 1 */
    float gradient_scale;                     /* multiplies every gradient first (clipping) */
} lt_adamw_step;

struct lt_panel_kernels;
struct lt_matrix;

typedef struct lt_kernels {
    const char *name;   /* "ref", "avx2", … */
    bool bf16_products; /* the set multiplies bf16 natively: --compute auto picks bf16 */

    /* Conversions, round to nearest even. */
    void (*f32_to_bf16)(const float *in, uint16_t *out, int64_t n);
    void (*bf16_to_f32)(const uint16_t *in, float *out, int64_t n);
    void (*f32_to_f16)(const float *in, uint16_t *out, int64_t n);
    void (*f16_to_f32)(const uint16_t *in, float *out, int64_t n);

    /* Reductions. */
    float (*dot)(const float *a, const float *b, int64_t n);
    float (*sum)(const float *a, int64_t n);
    float (*max)(const float *a, int64_t n);                  /* -inf for n = 0; NaN where there is one */
    float (*sum_exp)(const float *a, float shift, int64_t n); /* Σ exp(a[i] - shift) */
    double (*sum_squares)(const float *a, int64_t n);         /* in f64: gradient norms */

    /* Elementwise. */
    void (*scale)(float *y, float alpha, int64_t n);                                   /* y *= alpha */
    void (*axpy)(float *y, float alpha, const float *x, int64_t n);                    /* y += alpha x */
    void (*multiply)(float *y, const float *a, const float *b, int64_t n);             /* y = a b */
    void (*multiply_add)(float *y, const float *a, const float *b, int64_t n);         /* y += a b */
    void (*exp_scaled)(float *y, const float *a, float shift, float scale, int64_t n); /* y = exp(a - shift) · scale */

    /* out = act(gate) · up; up may be NULL (then out = act(gate)). */
    void (*act_forward)(lt_activation act, const float *gate, const float *up, float *out, int64_t n);
    /* From dout: dgate = dout · up · act'(gate), dup = dout · act(gate). up and dup are NULL together.
     * dgate may be gate's or dout's memory, dup may be up's or dout's, but dgate and dup differ. */
    void (*act_backward)(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
                         float *dup, int64_t n);

    /* Rotary positions on one head: pairs (x[i], x[i + half]) for i < half, as HF's rotate_half:
     * x[i]' = x[i] cos[i] - x[i+half] sin[i],  x[i+half]' = x[i+half] cos[i] + x[i] sin[i]. In place.
     * The transpose (backward) is the same with sin negated: direction is +1 or -1. */
    void (*rope)(float *x, const float *cos, const float *sin, float direction, int64_t half);

    /* Activation store, symmetric per block of LT_QUANT_BLOCK: scale = max|x| / 127 (bf16, rounded upward so that no
     * code exceeds 127), code = round(x / scale), ties to even. An all-zero block has scale 0. Not in place. The
     * division is a product with 1 / scale, so that every set gives the same codes. A block with a NaN or an infinity
     * comes back as NaN. */
    void (*quantize_q8)(const float *in, int8_t *codes, uint16_t *scales_bf16, int64_t n);
    void (*dequantize_q8)(const int8_t *codes, const uint16_t *scales_bf16, float *out, int64_t n);

    /* Columns [col, col + n) of a row of a stored matrix (simd/quant.h), of any type and alignment. As bf16 the f32 values
     * are rounded to nearest even. */
    void (*decode_f32)(const struct lt_matrix *matrix, int64_t row, int64_t col, int64_t n, float *out);
    void (*decode_bf16)(const struct lt_matrix *matrix, int64_t row, int64_t col, int64_t n, uint16_t *out);

    /* AdamW with decoupled decay, as torch.optim.AdamW: p -= lr wd p; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g²;
     * p -= lr (m / bias_correction1) / (sqrt(v / bias_correction2) + eps), g = gradient · gradient_scale. */
    void (*adamw)(float *param, float *m, float *v, const float *gradient, const lt_adamw_step *step, int64_t n);

    /* Products of small packed operands and the softmax between them, by lt_compute: simd/panel.h. */
    const struct lt_panel_kernels *panel[2];
} lt_kernels;

/* The table in use; chosen on first call, the same for the life of the process. */
const lt_kernels *lt_kernels_get(void);

/* The table of a set by name, or NULL when this build or this machine does not have it. For tests, benches and doctor.
 */
const lt_kernels *lt_kernels_find(const char *name);

/* Names of all sets of this build that this machine can run, best first; NULL-terminated. */
const char *const *lt_kernels_available(void);

/* Why LATHE_CPU could not be honoured (unknown name, not supported here), or NULL. The CLI turns it into an error. */
const char *lt_kernels_complaint(void);

#endif
