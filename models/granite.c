/* Granite 3, dense: Llama with four multipliers. */
#include "models/table.h"

const lt_family lt_family_granite = {
    .model_type = "granite",
    .causal_class = "GraniteForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION, LT_LLAMA_MLP},
    .norms = {LT_LLAMA_NORMS},
    .bias = {LT_LLAMA_ATTENTION_BIAS, LT_LLAMA_MLP_BIAS},
    .norm = LT_NORM_RMS,
    .norm_epsilon = 1e-6,
    .activation = "silu",
    .scales = {{LT_SCALE_ATTENTION, "attention_multiplier", 1},
               {LT_SCALE_EMBEDDING, "embedding_multiplier", 1},
               {LT_SCALE_RESIDUAL, "residual_multiplier", 1},
               {LT_SCALE_LOGITS_DIVIDED, "logits_scaling", 1}},
    .rope_theta = 10000,
    .max_position = 2048,
    .window = LT_WINDOW_NEVER,
    .bos_id = 1,
    .eos_id = 2,
    .pad_id = -1,
};
