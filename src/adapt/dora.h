/* DoRA (Liu et al. 2024, arXiv 2402.09353, section 4.3): y = g ⊙ (x wᵀ + s x Aᵀ Bᵀ) + bias with g = m / n, n the L2 norm of each
 * row of w + s B A, taken as a constant in the backward pass.
 *
 * With dropout, as PEFT has it, the base product stays whole and only what is added to it sees the dropped input x':
 *     y = x wᵀ + bias + (g - 1) ⊙ (x' wᵀ) + g ⊙ (s x' Aᵀ Bᵀ) */
#ifndef LT_ADAPT_DORA_H
#define LT_ADAPT_DORA_H

#include "adapt/lora_linear.h"

typedef struct lt_dora {
    lt_lora_linear lora;   /* first: its hook is ours, with functions of our own */
    float *m, *dm;         /* (N) f32 magnitude */
    float *norm;           /* (N) f32 n of the last forward pass; owned */
    float dropout;         /* probability that an element of x is dropped */
} lt_dora;

/* Fills the hook's functions; false when out of memory. */
bool lt_dora_init(lt_dora *dora, const lt_linear *linear, int64_t R, float scale, float dropout, lt_error *err);
void lt_dora_free(lt_dora *dora);

/* n (N) = row norms of w + s B A. A fresh adapter's magnitude is this. */
void lt_dora_row_norms(const lt_dora *dora, const lt_linear *linear, float *norm);

#endif
