/* A LoRA adapter out of any file that holds one (PEFT folder, GGUF, MLX folder), as numbers in memory under the module names of
 * the Hugging Face layout; and back. Scales are resolved: rank and alpha patterns and rsLoRA are one number per module. */
#ifndef LT_MODELS_ADAPTER_FILE_H
#define LT_MODELS_ADAPTER_FILE_H

#include "formats/peft.h"
#include "nn/config.h"

/* One adapted layer: W (N,K) + scale · B A. For an embedding W is (V,C) and what is added scale · (B A)ᵀ, with N = C, K = V. */
typedef struct lt_lora_module {
    char *name; /* "model.layers.0.self_attn.q_proj" */
    int64_t N, K, R;
    double scale;
    float *a;         /* (R,K) */
    float *b;         /* (N,R) */
    float *magnitude; /* (N): DoRA, or NULL */
    float *b_bias;    /* (N): lora_bias, or NULL */
    float *factors;   /* IA3: multiplies W's rows (N), and the bias, or with `of_inputs` its columns (K). Then R is 0, a and b empty */
    bool of_inputs;
    bool embedding;
} lt_lora_module;

/* A tensor that the adapter holds whole, in place of the base's or beside it. */
typedef struct lt_adapter_tensor {
    char *name; /* of the base's tensor: "score.weight" */
    int dims;
    int64_t shape[LT_MAX_DIMS], elements;
    float *values;
} lt_adapter_tensor;

/* Rows of an embedding that the adapter replaces (trainable_token_indices). */
typedef struct lt_adapter_rows {
    char *name; /* of the base's tensor */
    int64_t count, C;
    int64_t *ids;
    float *values; /* (count,C) */
} lt_adapter_rows;

typedef enum lt_adapter_format { LT_ADAPTER_PEFT, LT_ADAPTER_GGUF, LT_ADAPTER_MLX, LT_ADAPTER_FORMATS } lt_adapter_format;

typedef struct lt_adapter_file {
    char *path;
    lt_adapter_format format;  /* of the source */
    lt_peft_config config;     /* PEFT's; of other formats one that says the same */
    lt_lora_module *modules;
    int module_count;
    lt_adapter_tensor *tensors;
    int tensor_count;
    lt_adapter_rows *rows;
    int row_count;
    bool experts;              /* target_parameters: the experts of a mixture are modules of their own here, which PEFT has as one */
    int *by_name;              /* modules in the order of their names, once all are read; owned */
} lt_adapter_file;

const char *lt_adapter_format_name(lt_adapter_format format); /* "peft" */

/* What is at `path`. LT_ERR_FORMAT when it is none of them. */
bool lt_adapter_format_of(const char *path, lt_adapter_format *format, lt_error *err);

/* base: the configuration of the base model. A GGUF adapter, and a PEFT adapter of a mixture's experts, cannot be read without it; else
 * it may be NULL, and then modules are not checked against it. */
bool lt_adapter_file_read(lt_adapter_file **file, const char *path, const lt_config *base, lt_error *err);
void lt_adapter_file_free(lt_adapter_file *file);

lt_lora_module *lt_adapter_file_find(const lt_adapter_file *file, const char *module); /* NULL: not adapted */

/* For the readers. Both copy the name; arrays are allocated and left unfilled. */
lt_lora_module *lt_adapter_file_add(lt_adapter_file *file, const char *module, int64_t N, int64_t K, int64_t R, lt_error *err);
lt_adapter_tensor *lt_adapter_file_add_tensor(lt_adapter_file *file, const char *name, int dims, const int64_t *shape, lt_error *err);

/* adapter_file_peft.c, adapter_file_gguf.c, adapter_file_mlx.c */
bool lt_adapter_read_peft(lt_adapter_file *file, const lt_config *base, lt_error *err);
bool lt_adapter_read_gguf(lt_adapter_file *file, const lt_config *base, lt_error *err);
bool lt_adapter_read_mlx(lt_adapter_file *file, lt_error *err);
bool lt_adapter_write_peft(const lt_adapter_file *file, const char *folder, lt_error *err);
bool lt_adapter_write_gguf(const lt_adapter_file *file, const lt_config *base, const char *path, lt_error *err);
bool lt_adapter_write_mlx(const lt_adapter_file *file, const lt_config *base, const char *folder, lt_error *err);

/* Several adapters as one. weights: one number each. */
typedef enum lt_combination {
    LT_COMBINE_SUM,         /* Σ weight · scale · B A: what applying them all does */
    LT_COMBINE_LINEAR,      /* the others as PEFT's add_weighted_adapter: on A and B apart, each with sqrt(weight · scale) */
    LT_COMBINE_TIES,
    LT_COMBINE_DARE_LINEAR,
    LT_COMBINE_DARE_TIES,
    LT_COMBINE_MAGNITUDE_PRUNE,
    LT_COMBINATIONS
} lt_combination;

/* LT_ERR_UNSUPPORTED for what other formats than PEFT do not hold, and for IA3: what is told to merge instead. */
bool lt_adapter_check_convertible(const lt_adapter_file *file, lt_error *err);

/* The result has scale 1. density: share of values that ties, dare and magnitude_prune keep; seed: of dare's choice. Adapters with
 * DoRA, or that hold one tensor twice, cannot be combined. */
bool lt_adapter_combine(lt_adapter_file **out, lt_adapter_file *const *files, const double *weights, int count,
                        lt_combination combination, double density, uint64_t seed, lt_error *err);

/* W += what a module adds, or W times its factors, for rows [first, first + rows) of W as it is stored (conv1d: (K,N)), with DoRA's rescaling. w is f32,
 * rows · columns. DoRA on a matrix whose rows are inputs takes all of them at once. */
bool lt_lora_merge_rows(const lt_lora_module *module, bool rows_are_inputs, int64_t first, int64_t rows, float *w, lt_error *err);

#endif
