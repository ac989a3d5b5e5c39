/* Qwen3, dense: norms on every head's q and k instead of Qwen2's biases. */
#include "models/table.h"

const lt_family lt_family_qwen3 = {
    .model_type = "qwen3",
    .causal_class = "Qwen3ForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION, LT_LLAMA_MLP},
    .norms = {LT_LLAMA_NORMS, LT_LLAMA_QK_NORMS},
    .bias = {LT_LLAMA_ATTENTION_BIAS},
    .norm = LT_NORM_RMS,
    .norm_epsilon = 1e-6,
    .activation = "silu",
    .kv_heads = 32,
    .head_width = 128,
    .rope_theta = 10000,
    .max_position = 32768,
    .window = LT_WINDOW_LATE_LAYERS,
    .sliding_window = 4096,
    .max_window_layers = 28,
    .bos_id = -1,
    .eos_id = -1,
    .pad_id = -1,
};
