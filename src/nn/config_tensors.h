/* The tensors that a model of a configuration has: names, shapes, roles. The one inventory behind opening a model (what
 * must be in its files), creating one, and counting parameters. */
#ifndef LT_NN_CONFIG_TENSORS_H
#define LT_NN_CONFIG_TENSORS_H

#include "core/error.h"
#include "nn/config.h"

typedef enum lt_tensor_role {
    LT_ROLE_EMBEDDING,  /* (V,C) */
    LT_ROLE_TABLE,      /* learned positions or token types, (rows,C) */
    LT_ROLE_ROUTER,     /* (experts,C) */
    LT_ROLE_LINEAR,     /* (out,in), or (in,out) with conv1d */
    LT_ROLE_BIAS,       /* of a linear layer, (out) */
    LT_ROLE_NORM,       /* a norm's weight, (C), (D) or (heads · D) */
    LT_ROLE_NORM_BIAS,  /* of LT_NORM_LAYER */
    LT_ROLE_HEAD,       /* (V,C); not listed when tied to the embedding */
    LT_ROLE_CLASSIFIER, /* (labels,C) */
} lt_tensor_role;

enum { LT_SHARED_EXPERT = -2 };

typedef struct lt_config_tensor {
    char name[LT_NAME_MAX + 16]; /* "model.layers.3.mlp.up_proj.weight" */
    lt_tensor_role role;
    int layer; /* -1 outside the blocks */
    int slot;  /* lt_linear_slot or lt_norm_slot inside the blocks, else -1 */
    int expert, part; /* of a mixture: which expert, or LT_SHARED_EXPERT; gate, up, down, and 3 for the shared one's own gate. Else -1 */
    int dims;  /* 1 or 2 */
    int64_t shape[2];
} lt_config_tensor;

/* Every tensor, in the order in which a forward pass uses them. *list is malloc'ed. */
bool lt_config_tensors(const lt_config *config, lt_config_tensor **list, int64_t *count, lt_error *err);

/* Sum of their elements: what transformers' num_parameters() says. */
bool lt_config_parameter_count(const lt_config *config, int64_t *elements, lt_error *err);

/* Writes `pattern` with its "%d" replaced by the layer; a pattern without one is copied. */
void lt_config_name(char out[LT_NAME_MAX], const char *pattern, int layer);

/* The same with "%e" replaced by the expert as well. */
void lt_config_expert_name(char out[LT_NAME_MAX], const char *pattern, int layer, int expert);

/* Has this layer such a linear slot? A sparse layer has no MLP of its own. */
bool lt_config_layer_has_linear(const lt_config *config, int64_t layer, lt_linear_slot slot);

/* Width of a norm's weight: C, or for q and k one head or all of them. */
int64_t lt_config_norm_width(const lt_config *config, lt_norm_slot slot);

#endif
