/* The linear layer's share of LoRA: y += s · drop(x) Aᵀ Bᵀ, forward beside backward. */
#ifndef LT_ADAPT_LORA_LINEAR_H
#define LT_ADAPT_LORA_LINEAR_H

#include "nn/linear.h"

typedef struct lt_lora_linear {
    lt_linear_hook hook; /* first: the engine holds a pointer to it */
    int64_t R;
    float scale;   /* s */
    float dropout; /* probability that an element of x is dropped on its way to A */
    float *a, *da; /* (R,K) f32 */
    float *b, *db; /* (N,R) f32 */
} lt_lora_linear;

/* Fills the hook's functions; a and b are plugged in later. */
void lt_lora_linear_init(lt_lora_linear *lora, int64_t R, float scale, float dropout);

/* Plain LoRA, with nothing around it: the base product may add the adapter's share. */
void lt_lora_linear_lend(lt_lora_linear *lora);

/* The hook's functions, for methods that build on them (dora.c). */
void lt_lora_linear_forward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io);
void lt_lora_linear_backward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io);
int64_t lt_lora_linear_scratch_bytes(const lt_linear_hook *hook, const lt_linear *linear, int64_t T);

#endif
