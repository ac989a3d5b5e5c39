/* The linear layer's share of IA3 (Liu et al. 2022, arXiv 2205.05638, section 3.3), as PEFT has it:
 *
 *     y = l ⊙ (x wᵀ + b)        or, where the layer is a feedforward module,        y = (l ⊙ x) wᵀ + b */
#ifndef LT_ADAPT_IA3_LINEAR_H
#define LT_ADAPT_IA3_LINEAR_H

#include "nn/linear.h"

typedef struct lt_ia3_linear {
    lt_linear_hook hook; /* first: the engine holds a pointer to it */
    bool feedforward;
    float *l, *dl; /* (N) f32, or (K) of a feedforward module */
} lt_ia3_linear;

/* Fills the hook's functions. */
void lt_ia3_linear_init(lt_ia3_linear *ia3, bool feedforward);

/* Where l and its gradient are; gradient may be NULL. */
void lt_ia3_linear_bind(lt_ia3_linear *ia3, float *l, float *dl);

#endif
