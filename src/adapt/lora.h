/* LoRA (Hu et al. 2021), rsLoRA (Kalajdzievski 2023) and DoRA (Liu et al. 2024) as adapters: which layers get one, under which
 * names, and how they begin. The mathematics is in lora_linear.c, lora_embedding.c and dora.c. */
#ifndef LT_ADAPT_LORA_H
#define LT_ADAPT_LORA_H

#include "adapt/adapter.h"

extern const lt_adapter_method lt_adapter_lora;

#endif
