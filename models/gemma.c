/* Gemma 1: Llama's names; embeddings times sqrt(C), norms that add one, a gelu gate, a tied head. */
#include "models/table.h"

const lt_family lt_family_gemma = {
    .model_type = "gemma",
    .causal_class = "GemmaForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION, LT_LLAMA_MLP},
    .norms = {LT_LLAMA_NORMS},
    .bias = {LT_LLAMA_ATTENTION_BIAS},
    .norm = LT_NORM_RMS_PLUS_ONE,
    .norm_epsilon = 1e-6,
    .activation = "gelu_pytorch_tanh",
    .gelu_means_tanh = true,
    .scales = {{LT_SCALE_EMBEDDING_SQRT, NULL, 0}},
    .kv_heads = 16,
    .head_width = 256,
    .rope_theta = 10000,
    .max_position = 8192,
    .window = LT_WINDOW_NEVER,
    .tied_head = true,
    .bos_id = 2,
    .eos_id = 1,
    .pad_id = 0,
};
