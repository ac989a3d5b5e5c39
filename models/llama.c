/* Llama 1, 2, 3, 3.1, 3.2, and what was trained in their shape: SmolLM2, TinyLlama, Vicuna, Yi, DeepSeek-LLM … */
#include "models/table.h"

const lt_family lt_family_llama = {
    .model_type = "llama",
    .causal_class = "LlamaForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION, LT_LLAMA_MLP},
    .norms = {LT_LLAMA_NORMS},
    .bias = {LT_LLAMA_ATTENTION_BIAS, LT_LLAMA_MLP_BIAS},
    .norm = LT_NORM_RMS,
    .norm_epsilon = 1e-6,
    .activation = "silu",
    .rope_theta = 10000,
    .max_position = 2048,
    .window = LT_WINDOW_NEVER,
    .bos_id = 1,
    .eos_id = 2,
    .pad_id = -1,
};
