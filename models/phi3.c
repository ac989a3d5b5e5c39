/* Phi-3, Phi-3.5 and Phi-4 mini: q, k and v in one matrix, gate and up in another; longrope, on a part of each head in
 * Phi-4. */
#include "models/table.h"

const lt_family lt_family_phi3 = {
    .model_type = "phi3",
    .causal_class = "Phi3ForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {[LT_LINEAR_QKV] = "model.layers.%d.self_attn.qkv_proj",
               [LT_LINEAR_O] = "model.layers.%d.self_attn.o_proj",
               [LT_LINEAR_GATE_UP] = "model.layers.%d.mlp.gate_up_proj",
               [LT_LINEAR_DOWN] = "model.layers.%d.mlp.down_proj"},
    .norms = {LT_LLAMA_NORMS},
    .norm = LT_NORM_RMS,
    .norm_epsilon = 1e-5,
    .activation = "silu",
    .partial_rotary = true,
    .longrope = true,
    .rope_theta = 10000,
    .max_position = 4096,
    .original_max_position = 4096,
    .window = LT_WINDOW_EVERY_LAYER,
    .bos_id = 1,
    .eos_id = 32000,
    .pad_id = 32000,
};
