/* What a family's table says, and what the readers behind models/family.c share. Included by models/ alone. */
#ifndef LT_MODELS_TABLE_H
#define LT_MODELS_TABLE_H

#include "core/error.h"
#include "formats/json.h"
#include "nn/config.h"

/* Which layers have a sliding window (transformers' configuration classes decide the same by their __post_init__). */
typedef enum lt_window_rule {
    LT_WINDOW_NEVER,
    LT_WINDOW_EVERY_LAYER,  /* sliding_window, unless null */
    LT_WINDOW_LATE_LAYERS,  /* with use_sliding_window: layer_types, or layers from max_window_layers on */
    LT_WINDOW_PATTERN,      /* layer_types, or all but every sliding_window_pattern-th layer */
    LT_WINDOW_ALL_LAYERS,   /* with use_sliding_window: every layer */
    LT_WINDOW_EARLY_EVEN,   /* with use_sliding_window: layer_types, or every other layer below max_window_layers */
    LT_WINDOW_WITHOUT_ROPE, /* with use_sliding_window: layer_types, or the layers that do not rotate positions */
} lt_window_rule;

typedef enum lt_rope_rule {
    LT_ROPE_RULE_ONE,           /* one rope for every layer */
    LT_ROPE_RULE_SKIPS_LAYERS,  /* one, except where no_rope_layers says 0, or every no_rope_layer_interval-th layer */
    LT_ROPE_RULE_NONE,          /* positions are learned, or there are none */
    LT_ROPE_RULE_LOCAL_GLOBAL,  /* ropes[0] in full layers, ropes[1] in sliding ones */
} lt_rope_rule;

/* A number of config.json that scales something. */
typedef enum lt_scale_rule {
    LT_SCALE_END,               /* ends the list */
    LT_SCALE_ATTENTION,         /* attention_scale = value */
    LT_SCALE_ATTENTION_RSQRT,   /* attention_scale = 1 / sqrt(value) */
    LT_SCALE_ATTENTION_SOFTCAP, /* null: none */
    LT_SCALE_LOGIT_SOFTCAP,     /* null: none */
    LT_SCALE_EMBEDDING,         /* embedding_scale = value */
    LT_SCALE_EMBEDDING_SQRT,    /* embedding_scale = sqrt(C); no key */
    LT_SCALE_RESIDUAL,          /* residual_scale = value */
    LT_SCALE_LOGITS_DIVIDED,    /* logit_scale = 1 / value */
} lt_scale_rule;

typedef struct lt_scale_row {
    lt_scale_rule rule;
    const char *key;
    double fallback; /* when the key is absent; 0: no scaling */
} lt_scale_row;

enum { LT_MAX_SCALES = 6, LT_MAX_ALIASES = 10 };

/* Module names that most decoders took over from Llama. */
#define LT_LLAMA_TRUNK                                                                                                 \
    .base_prefix = "model.", .embed = "model.embed_tokens", .head = "lm_head", .final_norm = "model.norm", .classifier = "score"
#define LT_LLAMA_ATTENTION                                                                                             \
    [LT_LINEAR_Q] = "model.layers.%d.self_attn.q_proj", [LT_LINEAR_K] = "model.layers.%d.self_attn.k_proj",            \
    [LT_LINEAR_V] = "model.layers.%d.self_attn.v_proj", [LT_LINEAR_O] = "model.layers.%d.self_attn.o_proj"
#define LT_LLAMA_MLP                                                                                                   \
    [LT_LINEAR_GATE] = "model.layers.%d.mlp.gate_proj", [LT_LINEAR_UP] = "model.layers.%d.mlp.up_proj",                \
    [LT_LINEAR_DOWN] = "model.layers.%d.mlp.down_proj"
#define LT_LLAMA_NORMS                                                                                                 \
    [LT_NORM_BEFORE_ATTENTION] = "model.layers.%d.input_layernorm",                                                    \
    [LT_NORM_BEFORE_MLP] = "model.layers.%d.post_attention_layernorm"
#define LT_LLAMA_QK_NORMS                                                                                              \
    [LT_NORM_Q] = "model.layers.%d.self_attn.q_norm", [LT_NORM_K] = "model.layers.%d.self_attn.k_norm"
#define LT_GEMMA_NORMS                                                                                                 \
    [LT_NORM_BEFORE_ATTENTION] = "model.layers.%d.input_layernorm",                                                    \
    [LT_NORM_AFTER_ATTENTION] = "model.layers.%d.post_attention_layernorm",                                            \
    [LT_NORM_BEFORE_MLP] = "model.layers.%d.pre_feedforward_layernorm",                                                \
    [LT_NORM_AFTER_MLP] = "model.layers.%d.post_feedforward_layernorm"
#define LT_LLAMA_ATTENTION_BIAS                                                                                        \
    [LT_LINEAR_Q] = "attention_bias", [LT_LINEAR_K] = "attention_bias", [LT_LINEAR_V] = "attention_bias",              \
    [LT_LINEAR_O] = "attention_bias"
#define LT_LLAMA_MLP_BIAS                                                                                              \
    [LT_LINEAR_GATE] = "mlp_bias", [LT_LINEAR_UP] = "mlp_bias", [LT_LINEAR_DOWN] = "mlp_bias"

#define LT_BIAS_ALWAYS "*" /* otherwise the name of the key that switches a bias on ("+name": off); NULL: never */

typedef struct lt_family {
    const char *model_type;
    const char *causal_class; /* config.json's architectures of a language model, also the default */

    /* Names of tensors, as lt_config has them. NULL: the family has no such part. */
    const char *base_prefix; /* what a base model saved by itself leaves out of its names */
    const char *embed, *head, *final_norm, *classifier;
    const char *router, *experts[3], *shared[3], *shared_gate, *experts_module; /* mixtures of experts, as in lt_config */
    const char *head_transform, *head_norm, *head_bias, *pooler; /* BERT's heads */
    const char *positions, *types, *embed_norm; /* learned tables of the embedding, and a norm behind them */
    const char *linear[LT_LINEAR_SLOTS];
    const char *norms[LT_NORM_SLOTS];
    const char *bias[LT_LINEAR_SLOTS];

    struct {
        const char *usual, *own;
    } aliases[LT_MAX_ALIASES]; /* keys that this family spells its own way */

    lt_norm_kind norm;
    bool qk_norm_whole;
    bool encoder;             /* no causal mask */
    bool classifier_bias;
    bool plain_mlp;           /* no gate */
    bool conv1d;              /* matrices are stored (in, out) */
    bool score_switches;      /* honours scale_attn_weights and scale_attn_by_inverse_layer_idx */
    bool routing_is_normalised; /* always; otherwise norm_topk_prob says so */
    bool gelu_means_tanh;     /* Gemma 1's "gelu" was always the tanh form */
    bool partial_rotary;      /* honours partial_rotary_factor */
    bool longrope;            /* knows longrope, and its older names "su" and "yarn" */
    lt_rope_rule rope;
    lt_window_rule window;
    lt_scale_row scales[LT_MAX_SCALES];

    /* Defaults of keys that configurations leave out. 0 where a size must be given (heads, V) or follows from others. */
    const char *activation;
    int64_t width, layers, heads, vocabulary;
    int64_t mlp_ratio;        /* F = mlp_ratio · C without intermediate_size; 0: it must be given */
    int64_t type_count;
    int64_t expert_count, expert_top, expert_width, shared_width; /* expert_width 0: F */
    int64_t kv_heads;         /* 0: as many as heads. An explicit null always means that */
    int64_t head_width;       /* 0: C / H */
    int64_t max_position;
    int64_t original_max_position; /* longrope */
    int64_t sliding_window;   /* 0: none */
    int64_t window_pattern, max_window_layers, no_rope_interval;
    double norm_epsilon, rope_theta, local_rope_theta;
    bool tied_head;
    int bos_id, eos_id, pad_id; /* -1: none */
} lt_family;

extern const lt_family lt_family_afm, lt_family_bert, lt_family_gemma, lt_family_gemma2, lt_family_gemma3, lt_family_granite, lt_family_gpt2, lt_family_llama,
    lt_family_mistral, lt_family_mixtral, lt_family_olmo2, lt_family_phi3, lt_family_qwen2, lt_family_qwen2_moe,
    lt_family_qwen3, lt_family_qwen3_moe, lt_family_smollm3;

/* One reading of one config.json. */
typedef struct lt_family_reader {
    const lt_family *family;
    lt_json top;
    lt_config *config;
    lt_error *err;
} lt_family_reader;

/* The family of a model_type, or NULL. */
const lt_family *lt_family_find(const char *model_type);

/* The key as this family spells it. */
const char *lt_family_key(const lt_family *family, const char *usual);

/* models/family_rope.c: ropes and rope_count; needs D and max_position. */
bool lt_family_rope_read(lt_family_reader *reader);

/* models/family_layers.c: layers[], their windows and which rope each uses; needs L and the ropes. */
bool lt_family_layers_read(lt_family_reader *reader);

/* models/family_experts.c: mixtures of experts, and which layers are sparse; needs layers[]. */
bool lt_family_experts_read(lt_family_reader *reader);

/* models/family_tokens.c: bos, eos and pad from config.json; more end tokens from generation_config.json. */
bool lt_family_tokens_read(lt_family_reader *reader);
bool lt_family_tokens_merge(const lt_json *generation, lt_config *config, lt_error *err);

#endif
