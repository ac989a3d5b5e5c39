/* LoRA over what its own beginning leaves of w: y = x (w - s B0 A0)ᵀ + s drop(x) Aᵀ Bᵀ, A0 and B0 the values that A and B began
 * with (PiSSA, OLoRA). The base stays as it is on disk: its share of the beginning is taken away on the way. */
#ifndef LT_ADAPT_RESIDUAL_H
#define LT_ADAPT_RESIDUAL_H

#include "adapt/lora_linear.h"

typedef struct lt_residual {
    lt_lora_linear lora; /* first: its hook is ours, with functions of our own */
    float *a0, *b0;      /* (R,K), (N,R) f32; read only */
} lt_residual;

/* Fills the hook's functions; the tensors are plugged in later. */
void lt_residual_init(lt_residual *residual, int64_t R, float scale, float dropout);

#endif
