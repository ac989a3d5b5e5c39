/* SmolLM3: every fourth layer does not rotate positions. */
#include "models/table.h"

const lt_family lt_family_smollm3 = {
    .model_type = "smollm3",
    .causal_class = "SmolLM3ForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION, LT_LLAMA_MLP},
    .norms = {LT_LLAMA_NORMS},
    .bias = {LT_LLAMA_ATTENTION_BIAS, LT_LLAMA_MLP_BIAS},
    .norm = LT_NORM_RMS,
    .norm_epsilon = 1e-6,
    .activation = "silu",
    .rope = LT_ROPE_RULE_SKIPS_LAYERS,
    .kv_heads = 4,
    .rope_theta = 2000000,
    .max_position = 32768,
    .window = LT_WINDOW_WITHOUT_ROPE,
    .no_rope_interval = 4,
    .tied_head = true,
    .bos_id = 128000,
    .eos_id = 128001,
    .pad_id = 128004,
};
