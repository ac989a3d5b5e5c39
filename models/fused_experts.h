/* Mixtures as transformers 5 holds them in memory and writes them with save_original_format=False: all experts of a layer in two
 * tensors,
 *
 *     <experts>.gate_up_proj (E, 2 F, C)    rows of gate, then of up
 *     <experts>.down_proj (E, C, F)
 *
 * and the router beside them as <experts' parent>.gate. Everything here knows each expert's matrices apart, as the files of the hub have
 * them; they are the same numbers in the same order, so that each is a part of the file. */
#ifndef LT_MODELS_FUSED_EXPERTS_H
#define LT_MODELS_FUSED_EXPERTS_H

#include "formats/safetensors.h"
#include "nn/config.h"

/* Replaces *set by one that names each expert's matrices as config does; leaves it alone where nothing is fused. On failure *set is
 * closed and NULL. */
bool lt_fused_experts_split(lt_safetensors **set, const lt_config *config, lt_error *err);

#endif
