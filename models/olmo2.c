/* OLMo 2: no norms before the branches, one after each; norms over all of q and all of k. */
#include "models/table.h"

const lt_family lt_family_olmo2 = {
    .model_type = "olmo2",
    .causal_class = "Olmo2ForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION, LT_LLAMA_MLP},
    .norms = {[LT_NORM_AFTER_ATTENTION] = "model.layers.%d.post_attention_layernorm",
              [LT_NORM_AFTER_MLP] = "model.layers.%d.post_feedforward_layernorm",
              LT_LLAMA_QK_NORMS},
    .bias = {LT_LLAMA_ATTENTION_BIAS},
    .norm = LT_NORM_RMS,
    .qk_norm_whole = true,
    .norm_epsilon = 1e-5,
    .activation = "silu",
    .rope_theta = 10000,
    .max_position = 2048,
    .window = LT_WINDOW_NEVER,
    .bos_id = -1,
    .eos_id = 50279,
    .pad_id = 1,
};
