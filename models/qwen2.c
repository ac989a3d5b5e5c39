/* Qwen2, Qwen2.5, and QwQ: Llama's shape with biases on q, k and v. */
#include "models/table.h"

const lt_family lt_family_qwen2 = {
    .model_type = "qwen2",
    .causal_class = "Qwen2ForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION, LT_LLAMA_MLP},
    .norms = {LT_LLAMA_NORMS},
    .bias = {[LT_LINEAR_Q] = LT_BIAS_ALWAYS, [LT_LINEAR_K] = LT_BIAS_ALWAYS, [LT_LINEAR_V] = LT_BIAS_ALWAYS},
    .norm = LT_NORM_RMS,
    .norm_epsilon = 1e-6,
    .activation = "silu",
    .kv_heads = 32,
    .rope_theta = 10000,
    .max_position = 32768,
    .window = LT_WINDOW_LATE_LAYERS,
    .sliding_window = 4096,
    .max_window_layers = 28,
    .bos_id = -1,
    .eos_id = -1,
    .pad_id = -1,
};
