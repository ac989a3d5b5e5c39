/* Adapters as PEFT keeps them: a folder with adapter_config.json and adapter_model.safetensors.
 *
 * Behaviour follows PEFT 0.21 (peft/tuners/lora/config.py, tuners_utils.py, utils/save_and_load.py). A PEFT type is one
 * enum value, one part of the configuration and one pair of functions in formats/peft_<type>.c. */
#ifndef LT_FORMATS_PEFT_H
#define LT_FORMATS_PEFT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "formats/safetensors.h"

typedef enum lt_peft_type {
    LT_PEFT_LORA,
    LT_PEFT_IA3,           /* Liu et al. 2022, arXiv 2205.05638 */
    LT_PEFT_PROMPT_TUNING, /* Lester et al. 2021, arXiv 2104.08691 */
    LT_PEFT_P_TUNING,      /* Liu et al. 2021, arXiv 2103.10385 */
    LT_PEFT_PREFIX_TUNING, /* Li & Liang 2021, arXiv 2101.00190; P-tuning v2 is the same thing */
    LT_PEFT_TYPES /* how many there are */
} lt_peft_type;

/* Module names as PEFT takes them: null, a list of whole names or last components, or one regular expression. */
typedef struct lt_peft_names {
    bool given;   /* false: null */
    char *regex;  /* a string, matched against the whole name; NULL: a list */
    char **items; /* the list */
    int count;
} lt_peft_names;

/* rank_pattern and alpha_pattern: the first key that matches (as a regular expression) the end of a module's name. */
typedef struct lt_peft_pattern {
    char *key;
    double value;
} lt_peft_pattern;

typedef struct lt_peft_patterns {
    lt_peft_pattern *items;
    int count;
} lt_peft_patterns;

typedef enum lt_lora_bias { LT_LORA_BIAS_NONE, LT_LORA_BIAS_ALL, LT_LORA_BIAS_LORA_ONLY } lt_lora_bias;

/* How A and B begin. Kinds that also change the base (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) are refused when read: a file that
 * says so belongs to a base that is not the one on disk. New adapters can begin as PiSSA and OLoRA; they are saved converted. */
typedef enum lt_lora_init {
    LT_LORA_INIT_KAIMING,    /* true: A uniform, B zero */
    LT_LORA_INIT_RANDOM,     /* false: neither is zero */
    LT_LORA_INIT_GAUSSIAN,   /* "gaussian": A normal with standard deviation 1 / rank, B zero */
    LT_LORA_INIT_EVA,        /* "eva": for reading and writing back only */
    LT_LORA_INIT_ORTHOGONAL, /* "orthogonal": B A = 0 with neither zero (Büyükakyüz's LoRA-ortho, as PEFT has it) */
    LT_LORA_INIT_OLORA,      /* "olora": from the QR factors of w (Büyükakyüz 2024, arXiv 2406.01775) */
    LT_LORA_INIT_PISSA,      /* "pissa", "pissa_niter_N": from w's largest singular values (Meng et al. 2024, arXiv 2404.02948) */
} lt_lora_init;

typedef struct lt_lora_config {
    int rank;       /* "r", 8 */
    double alpha;   /* "lora_alpha", 8 */
    double dropout; /* "lora_dropout", 0 */
    lt_peft_patterns rank_pattern, alpha_pattern;
    lt_peft_names target_modules; /* not given: the family's default; regex "all-linear": every linear layer but the head */
    lt_peft_names exclude_modules;
    bool layers_given;            /* layers_to_transform */
    int *layers, layer_count;
    lt_peft_names layers_pattern; /* regex stands for a single string */
    bool use_rslora, use_dora, fan_in_fan_out, lora_bias, ensure_weight_tying;
    lt_lora_bias bias;
    lt_lora_init init;
    int pissa_niter; /* iterations of the randomised decomposition; 0: until it stands still */

    /* trainable_token_indices: rows of embeddings that are trained. Module NULL: the input embedding. */
    struct lt_lora_tokens {
        char *module;
        int64_t *ids;
        int count;
    } *tokens;
    int token_modules;
    lt_peft_names target_parameters; /* a list */
} lt_lora_config;

/* IA3: target_modules, exclude_modules and fan_in_fan_out are those of `lora`. */
typedef struct lt_ia3_config {
    lt_peft_names feedforward_modules; /* those of the targets whose input is scaled instead of their output */
    bool init_weights;                 /* "init_ia3_weights", true: begin with ones; false: with noise */
} lt_ia3_config;

typedef enum lt_prompt_init { LT_PROMPT_INIT_RANDOM, LT_PROMPT_INIT_TEXT, LT_PROMPT_INIT_SAMPLE_VOCAB } lt_prompt_init;
typedef enum lt_prompt_encoder { LT_PROMPT_ENCODER_MLP, LT_PROMPT_ENCODER_LSTM } lt_prompt_encoder;

/* Prompt tuning, P-tuning and prefix tuning. What PEFT works out from the model is 0 until lt_peft_prompt_complete. */
typedef struct lt_prompt_config {
    int virtual_tokens;         /* "num_virtual_tokens" */
    int token_dim, num_layers, num_attention_heads, submodules; /* submodules: "num_transformer_submodules", 1 */
    lt_prompt_init init;        /* prompt tuning: "prompt_tuning_init" */
    const int32_t *init_ids;    /* that text as tokens: the caller's, who has a tokenizer; not in the file */
    int64_t init_id_count;
    char *init_text, *tokenizer; /* "prompt_tuning_init_text", "tokenizer_name_or_path" */
    lt_prompt_encoder encoder;  /* P-tuning: "encoder_reparameterization_type" */
    int encoder_hidden_size;    /* P-tuning; prefix tuning with projection */
    int encoder_num_layers;     /* of the LSTM, 2 */
    double encoder_dropout;     /* between its layers */
    bool prefix_projection;
    bool zero_init;             /* prefix tuning: "init_weights" is "zero" */
} lt_prompt_config;

typedef struct lt_peft_config {
    lt_peft_type type;
    char *task_type;               /* "CAUSAL_LM", "SEQ_CLS", … or NULL */
    char *base_model, *revision;   /* or NULL */
    bool inference_mode;
    lt_peft_names modules_to_save; /* a list */
    lt_lora_config lora;
    lt_ia3_config ia3;
    lt_prompt_config prompt;
} lt_peft_config;

static inline bool lt_peft_is_prompt(const lt_peft_config *config)
{
    return config->type == LT_PEFT_PROMPT_TUNING || config->type == LT_PEFT_P_TUNING || config->type == LT_PEFT_PREFIX_TUNING;
}

/* What the caller can do. A configuration that asks for something else is LT_ERR_UNSUPPORTED, so that nothing in it is
 * ignored in silence. */
enum {
    LT_PEFT_CAN_DORA = 1 << 0,
    LT_PEFT_CAN_BIAS = 1 << 1,       /* bias "all", "lora_only" */
    LT_PEFT_CAN_LORA_BIAS = 1 << 2,  /* lora_bias */
    LT_PEFT_CAN_TOKENS = 1 << 3,     /* trainable_token_indices */
    LT_PEFT_CAN_PARAMETERS = 1 << 4, /* target_parameters */
    LT_PEFT_CAN_TYING = 1 << 5,      /* ensure_weight_tying */
    LT_PEFT_CAN_ALL = (1 << 6) - 1,
};

/* ---- configurations ---- */

/* PEFT's defaults for a type; task_type NULL, inference_mode false. Release with lt_peft_config_free. */
void lt_peft_config_init(lt_peft_config *config, lt_peft_type type);
void lt_peft_config_free(lt_peft_config *config);

/* Both copy. A list of one "all-linear" is the shorthand, as on TRL's command line. */
bool lt_peft_names_set(lt_peft_names *names, const char *const *items, int count, lt_error *err);
bool lt_peft_names_set_regex(lt_peft_names *names, const char *regex, lt_error *err);
void lt_peft_names_free(lt_peft_names *names);

/* Adds a pattern; the key is copied. */
bool lt_peft_patterns_add(lt_peft_patterns *patterns, const char *key, double value, lt_error *err);

/* Contradictions that PEFT refuses too (layers_to_transform with a regex …), ranks and dropout out of range. */
bool lt_peft_config_check(const lt_peft_config *config, lt_error *err);

/* Reads folder/adapter_config.json. can: a sum of LT_PEFT_CAN_… Unknown options that are null, false or empty are fine. */
bool lt_peft_config_read(lt_peft_config *config, const char *folder, unsigned can, lt_error *err);
bool lt_peft_config_parse(lt_peft_config *config, const char *text, const char *source, unsigned can, lt_error *err);

/* Writes folder/adapter_config.json as PEFT would (sorted keys, two spaces). Options that PEFT gained over the years are
 * left out while unset: older versions refuse keys that they do not know. */
bool lt_peft_config_write(const lt_peft_config *config, const char *folder, lt_error *err);
char *lt_peft_config_text(const lt_peft_config *config); /* malloc'ed; NULL when out of memory */

/* init_lora_weights by its name ("true", "gaussian", "pissa_niter_4" …); false when there is none such. */
bool lt_peft_lora_init_named(lt_lora_config *lora, const char *name);

/* The target modules that PEFT takes when none are given, NULL-terminated; NULL for a model_type that it has none for. */
const char *const *lt_peft_default_targets(const char *model_type);

/* The same for IA3: targets, and in *feedforward those whose input is scaled. */
const char *const *lt_peft_default_ia3_targets(const char *model_type, const char *const **feedforward);

/* Fills token_dim, num_layers and num_attention_heads where they are 0, as peft.utils.other._prepare_prompt_learning_config does:
 * with prefix tuning, heads are those of keys and values (K of width D), otherwise the model's H and its width C. */
void lt_peft_prompt_complete(lt_peft_config *config, int64_t C, int64_t H, int64_t K, int64_t D, int64_t layers);

/* Opens folder/adapter_model.safetensors. Only adapter_model.bin there: LT_ERR_UNSUPPORTED. */
bool lt_peft_open_tensors(lt_safetensors **tensors, const char *folder, lt_error *err);

/* ---- which modules ---- */

typedef enum lt_peft_module_kind {
    LT_PEFT_MODULE_LINEAR,    /* also GPT-2's Conv1D */
    LT_PEFT_MODULE_HEAD,      /* output embedding or classifier: linear, but not part of "all-linear" */
    LT_PEFT_MODULE_EMBEDDING,
    LT_PEFT_MODULE_OTHER,     /* norms */
} lt_peft_module_kind;

typedef struct lt_peft_match {
    bool adapts;          /* the adapter is put on this module */
    int rank;
    double alpha, scale;  /* scale: alpha / rank, with rsLoRA alpha / sqrt(rank) */
    bool feedforward;     /* IA3: its input is scaled */
} lt_peft_match;

typedef struct lt_peft_matcher lt_peft_matcher; /* compiled patterns; borrows the configuration */

/* target_modules must be given by now. LT_ERR_USAGE for a regular expression that does not compile. */
bool lt_peft_matcher_create(lt_peft_matcher **matcher, const lt_peft_config *config, lt_error *err);
void lt_peft_matcher_free(lt_peft_matcher *matcher);

/* module: name in the base model, "model.layers.0.self_attn.q_proj". Fails only on a pattern that explodes. */
bool lt_peft_matcher_match(const lt_peft_matcher *matcher, const char *module, lt_peft_module_kind kind,
                           lt_peft_match *match, lt_error *err);

/* Is the module trained whole? (modules_to_save; PEFT compares ends of names, so "head" takes in "lm_head".) */
bool lt_peft_saves_module(const lt_peft_config *config, const char *module);

/* ---- keys of adapter_model.safetensors ---- */

typedef enum lt_peft_part {
    LT_PEFT_PART_LORA_A,      /* .lora_A.weight (rank, in) */
    LT_PEFT_PART_LORA_B,      /* .lora_B.weight (out, rank) */
    LT_PEFT_PART_LORA_B_BIAS, /* .lora_B.bias (out): lora_bias */
    LT_PEFT_PART_EMBEDDING_A, /* .lora_embedding_A (rank, V) */
    LT_PEFT_PART_EMBEDDING_B, /* .lora_embedding_B (C, rank) */
    LT_PEFT_PART_MAGNITUDE,   /* .lora_magnitude_vector (out): DoRA */
    LT_PEFT_PART_TOKENS,      /* .token_adapter.trainable_tokens_delta (ids, C) */
    LT_PEFT_PART_IA3,         /* .ia3_l (out, 1), or (1, in) of a feedforward module */
    LT_PEFT_PART_BASE_WEIGHT, /* .base_layer.weight: the untouched weight of an adapted embedding or head */
    LT_PEFT_PART_BASE_BIAS,   /* .base_layer.bias: a trained bias of an adapted layer */
    LT_PEFT_PART_WEIGHT,      /* .weight, .bias: of a module in modules_to_save */
    LT_PEFT_PART_BIAS,
    LT_PEFT_PARTS
} lt_peft_part;

enum { LT_PEFT_KEY_MAX = 512 };

/* "base_model.model." + module + the part's ending. */
void lt_peft_key_compose(char out[LT_PEFT_KEY_MAX], const char *module, lt_peft_part part);

/* The other way; false for a key that is none of these (or whose module does not fit). */
bool lt_peft_key_parse(const char *key, char module[LT_PEFT_KEY_MAX], lt_peft_part *part);

#endif
