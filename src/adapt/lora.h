/* LoRA (Hu et al. 2021): y = x wᵀ + s · drop(x) Aᵀ Bᵀ, A (R,K), B (N,R); s = alpha / R, or alpha / sqrt(R) with rsLoRA
 * (Kalajdzievski 2023). A starts as PEFT's kaiming_uniform(a = sqrt 5): uniform in ±1/sqrt(K); B as zeros. */
#ifndef LT_ADAPT_LORA_H
#define LT_ADAPT_LORA_H

#include "formats/peft.h"
#include "nn/model.h"

typedef struct lt_lora lt_lora; /* the hooks of one adapter on one model */

/* Attaches an adapter to every linear layer that config's targets match, and registers its tensors and those of modules_to_save in
 * `params` under PEFT's names. config is borrowed for the adapter's life. An adapter that matches nothing is an error that lists
 * the module names there are. */
bool lt_lora_attach(lt_lora **lora, lt_model *model, const lt_peft_config *config, lt_param_list *params, lt_error *err);

/* After lt_param_list_layout: points the hooks at the parameters and initialises them from `seed`. */
void lt_lora_init(lt_lora *lora, lt_param_list *params, uint64_t seed);

/* Switches the whole adapter on or off. */
void lt_lora_enable(lt_lora *lora, bool enabled);
void lt_lora_detach(lt_lora *lora);

#endif
