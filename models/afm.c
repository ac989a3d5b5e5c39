/* Apple's foundation models as their report of 2024 describes them: tied embeddings, norms before the branches and on every
 * head's q and k, eight key/value heads, a gated MLP with SiLU, rope with a base of 500,000. There are no public weights, so a model
 * begins with `lathe init`. The one for devices has width 3072, 26 layers, 24 heads of 128 and a vocabulary of 49,152 tokens (2.58
 * billion parameters beside 0.15 billion of the embedding, which a feed-forward width of 8,064 comes near to). */
#include "models/table.h"

const lt_family lt_family_afm = {
    .model_type = "afm",
    .causal_class = "AFMForCausalLM",
    LT_LLAMA_TRUNK,
    .linear = {LT_LLAMA_ATTENTION, LT_LLAMA_MLP},
    .norms = {LT_LLAMA_NORMS, LT_LLAMA_QK_NORMS},
    .norm = LT_NORM_RMS,
    .norm_epsilon = 1e-5,
    .activation = "silu",
    .width = 3072,
    .layers = 26,
    .heads = 24,
    .kv_heads = 8,
    .head_width = 128,
    .vocabulary = 49152,
    .rope_theta = 500000,
    .max_position = 4096,
    .window = LT_WINDOW_NEVER,
    .tied_head = true,
    .bos_id = -1,
    .eos_id = -1,
    .pad_id = -1,
};
