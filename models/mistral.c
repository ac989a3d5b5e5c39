/* Mistral 7B and its descendants: Llama's shape; the first one had a sliding window on every layer. */
#include "models/table.h"

const lt_family lt_family_mistral = {
    .model_type = "mistral",
    .causal_class = "MistralForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION, LT_LLAMA_MLP},
    .norms = {LT_LLAMA_NORMS},
    .norm = LT_NORM_RMS,
    .norm_epsilon = 1e-6,
    .activation = "silu",
    .kv_heads = 8,
    .rope_theta = 10000,
    .max_position = 131072,
    .window = LT_WINDOW_EVERY_LAYER,
    .sliding_window = 4096,
    .bos_id = 1,
    .eos_id = 2,
    .pad_id = -1,
};
