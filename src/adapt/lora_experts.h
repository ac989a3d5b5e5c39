/* LoRA on the experts of a mixture, as PEFT has it for parameters of three dimensions (target_parameters): all experts of a layer share
 * one pair of tensors, and gate and up count as one matrix of 2 F rows.
 *
 *     A (E·R, in)     rows e·R … e·R + R - 1 belong to expert e
 *     B (out, R·E)    columns j·E + e, j = 0 … R - 1, belong to expert e */
#ifndef LT_ADAPT_LORA_EXPERTS_H
#define LT_ADAPT_LORA_EXPERTS_H

#include "formats/peft.h"
#include "nn/model.h"

typedef struct lt_lora_experts lt_lora_experts;

/* Hooks the experts that config's target_parameters name; *experts is NULL when they name none here. */
bool lt_lora_experts_attach(lt_lora_experts **experts, lt_model *model, const lt_peft_config *config, lt_param_list *params,
                            lt_error *err);
void lt_lora_experts_detach(lt_lora_experts *experts); /* NULL is fine */

void lt_lora_experts_bind(lt_lora_experts *experts, lt_param_list *params);
void lt_lora_experts_enable(lt_lora_experts *experts, bool enabled);

/* The tensors: *a and *b are parameters' indices, *in what A's matrix takes. False behind the last one. */
bool lt_lora_experts_tensors(const lt_lora_experts *experts, int i, int *a, int *b, int64_t *in);

#endif
