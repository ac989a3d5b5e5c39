/* What the engine needs to know about a model: sizes and mechanisms, no names of families.
 *
 * models/ fills this from a folder's config.json (or a GGUF's metadata) with one table per family; nn/ reads it. A new
 * mechanism is one enum value or one number here and one place in nn/ that honours it.
 *
 * Dimensions: B batch, T tokens, C width, H query heads, K key/value heads, D head width, F feed-forward width,
 * V vocabulary, L layers, R rank. */
#ifndef LT_NN_CONFIG_H
#define LT_NN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "simd/kernels.h"

typedef enum lt_norm_kind {
    LT_NORM_RMS,          /* x / rms(x) · w */
    LT_NORM_RMS_PLUS_ONE, /* x / rms(x) · (1 + w), Gemma */
    LT_NORM_LAYER,        /* (x - mean) / std · w + b */
} lt_norm_kind;

typedef enum lt_rope_kind {
    LT_ROPE_DEFAULT, /* inv_freq = theta^(-2i/D) */
    LT_ROPE_LINEAR,  /* divided by factor */
    LT_ROPE_LLAMA3,  /* low frequencies divided, a smooth band between */
    LT_ROPE_LONGROPE,/* per-frequency factors, short or long by sequence length; and a magnitude */
} lt_rope_kind;

typedef struct lt_rope_config {
    lt_rope_kind kind;
    int rotary_width; /* leading elements of a head that rotate; D in most families */
    double theta, factor;
    double low_freq_factor, high_freq_factor;        /* llama3 */
    int original_max_position;                       /* llama3, longrope */
    double attention_factor;                         /* longrope: multiplies cos and sin; 0 = derive from factor */
    float *short_factor, *long_factor;               /* longrope: rotary_width / 2 each, owned by the config */
} lt_rope_config;

enum { LT_MAX_ROPES = 2 }; /* local and global (Gemma 3) */

/* The linear layers of a block, by what they do. A fused projection fills several parts of the same output row. */
typedef enum lt_linear_slot {
    LT_LINEAR_Q, LT_LINEAR_K, LT_LINEAR_V,
    LT_LINEAR_QKV,     /* rows of q, then k, then v */
    LT_LINEAR_O,
    LT_LINEAR_GATE, LT_LINEAR_UP,
    LT_LINEAR_GATE_UP, /* rows of gate, then up */
    LT_LINEAR_DOWN,
    LT_LINEAR_SLOTS
} lt_linear_slot;

typedef enum lt_norm_slot {
    LT_NORM_BEFORE_ATTENTION, LT_NORM_AFTER_ATTENTION, /* after: on the branch, before it joins the residual stream */
    LT_NORM_BEFORE_MLP, LT_NORM_AFTER_MLP,
    LT_NORM_STREAM_ATTENTION, LT_NORM_STREAM_MLP, /* on the stream itself, once the branch has joined it (BERT) */
    LT_NORM_Q, LT_NORM_K, /* on every head's q and k, or over all of them (qk_norm_whole) */
    LT_NORM_SLOTS
} lt_norm_slot;

typedef struct lt_layer_config {
    int window;     /* tokens a query sees, itself included (sliding window); 0 = all before it */
    int rope;       /* index into ropes, -1 = positions are not rotated in this layer */
    bool sparse;    /* a mixture of experts instead of the MLP's linear slots */
    int score_divisor; /* attention_scale is divided by it; 0 = 1 (GPT-2's scale_attn_by_inverse_layer_idx) */
} lt_layer_config;

enum { LT_NAME_MAX = 256 };

typedef struct lt_config {
    char model_type[64];                     /* as config.json says: "llama" */
    char architecture[64];                   /* "LlamaForCausalLM" */
    int64_t C, H, K, D, F, V, L;
    int max_position;
    bool tied_head;                          /* the output head is the embedding matrix */
    bool bidirectional;                      /* encoder: no causal mask */
    bool gated_mlp;                          /* act(gate) · up; otherwise act(up) and no gate */
    lt_activation activation;
    lt_norm_kind norm;
    double norm_epsilon;
    bool qk_norm_whole;                      /* q/k norm over all heads at once (OLMo 2) instead of per head */
    double attention_scale;                  /* multiplies q·k; 1/sqrt(D) in most families */
    double attention_softcap, logit_softcap; /* cap · tanh(x / cap); 0 = none */
    double embedding_scale;                  /* multiplies embeddings; 1 = none */
    double residual_scale;                   /* multiplies each branch before it is added; 1 = none */
    double logit_scale;                      /* multiplies logits; 1 = none */
    lt_rope_config ropes[LT_MAX_ROPES];
    int rope_count;
    lt_layer_config *layers;                 /* L, owned */
    int bos_id, pad_id;                      /* -1 when the model has none */
    int eos_ids[8], eos_count;

    /* Names of the model's tensors, with %d for the layer; empty = the family has no such part. Modules carry no
     * ".weight": LoRA targets and PEFT keys are made from them. */
    char embed_name[LT_NAME_MAX], head_name[LT_NAME_MAX], final_norm_name[LT_NAME_MAX];
    char position_name[LT_NAME_MAX];         /* learned positions, (max_position, C), added to the embedding */
    char type_name[LT_NAME_MAX];             /* (types, C), added by token type (BERT's segments) */
    char embed_norm_name[LT_NAME_MAX];       /* a norm on the sum of them */
    int64_t types;
    int64_t experts, experts_per_token;      /* 0: no mixtures of experts */
    int64_t expert_F, shared_F;              /* widths of an expert and of the one that every token passes; shared_F 0: none */
    bool normalise_routing;                  /* the weights of a token's experts are divided by their sum */
    char router_name[LT_NAME_MAX];           /* (experts,C) */
    char expert_name[3][LT_NAME_MAX];        /* gate, up, down; %d the layer, %e the expert */
    char shared_name[3][LT_NAME_MAX], shared_gate_name[LT_NAME_MAX];
    char experts_module[LT_NAME_MAX];        /* what PEFT calls all experts of a layer: "model.layers.%d.mlp.experts" */
    char head_transform_name[LT_NAME_MAX];   /* (C,C) with a bias, then the activation and a norm, before the head (BERT) */
    char head_norm_name[LT_NAME_MAX];
    char head_bias_name[LT_NAME_MAX];        /* module whose ".bias" (V) the head adds */
    char pooler_name[LT_NAME_MAX];           /* (C,C) with a bias, then tanh, on the first token, for classifiers (BERT) */
    char base_prefix[64];                    /* what a bare base model's file leaves out of its names: "transformer." */
    char linear_name[LT_LINEAR_SLOTS][LT_NAME_MAX];
    char norm_name[LT_NORM_SLOTS][LT_NAME_MAX];
    bool linear_bias[LT_LINEAR_SLOTS];       /* has ".bias" */
    bool conv1d;                             /* matrices are stored (in, out): GPT-2 */

    /* A sequence classifier: (labels, C) on the last token's hidden state. Empty and 0 in a language model; a
     * classifier's file has no output head, and head_name is empty. */
    char classifier_name[LT_NAME_MAX];
    int64_t labels;
    bool classifier_bias;
    bool classifier_is_new;                  /* not in the file: its weights are drawn from the seed */
    uint64_t classifier_seed;
} lt_config;

/* Output width of a linear slot, and where its output begins in the row it fills: q|k|v is one row of (H + 2K) D,
 * gate|up one row of 2 F (or F when there is no gate). */
int64_t lt_config_linear_out(const lt_config *config, lt_linear_slot slot);
int64_t lt_config_linear_in(const lt_config *config, lt_linear_slot slot);
int64_t lt_config_linear_offset(const lt_config *config, lt_linear_slot slot);

static inline bool lt_config_has_linear(const lt_config *config, lt_linear_slot slot) { return config->linear_name[slot][0] != '\0'; }
static inline bool lt_config_has_norm(const lt_config *config, lt_norm_slot slot) { return config->norm_name[slot][0] != '\0'; }

void lt_config_free(lt_config *config);

#endif
