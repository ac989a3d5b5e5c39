/* Mixtral: Mistral with a mixture of experts in every layer; the weights of a token's experts sum to one. */
#include "models/table.h"

const lt_family lt_family_mixtral = {
    .model_type = "mixtral",
    .causal_class = "MixtralForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION},
    .norms = {LT_LLAMA_NORMS},
    .router = "model.layers.%d.block_sparse_moe.gate",
    .experts = {"model.layers.%d.block_sparse_moe.experts.%e.w1", "model.layers.%d.block_sparse_moe.experts.%e.w3",
                "model.layers.%d.block_sparse_moe.experts.%e.w2"},
    .experts_module = "model.layers.%d.mlp.experts",
    .routing_is_normalised = true,
    .norm = LT_NORM_RMS,
    .norm_epsilon = 1e-5,
    .activation = "silu",
    .kv_heads = 8,
    .rope_theta = 1000000,
    .max_position = 4096 * 32,
    .window = LT_WINDOW_EVERY_LAYER,
    .expert_count = 8,
    .expert_top = 2,
    .bos_id = 1,
    .eos_id = 2,
    .pad_id = -1,
};
