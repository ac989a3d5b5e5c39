/* A model: configuration, streamed weights, and the layers as views on them. It owns no activations; engine.h runs it. */
#ifndef LT_NN_MODEL_H
#define LT_NN_MODEL_H

#include "adapt/param.h"
#include "nn/config.h"
#include "nn/embed.h"
#include "nn/linear.h"
#include "nn/moe.h"
#include "nn/norm.h"
#include "nn/score_head.h"

typedef struct lt_block {
    lt_linear linear[LT_LINEAR_SLOTS]; /* module NULL: the family has no such slot */
    lt_norm norm[LT_NORM_SLOTS];       /* weight NULL: none */
    float *dnorm[LT_NORM_SLOTS];       /* (width) f32 gradients when trained, else NULL */
    float *dnorm_bias[LT_NORM_SLOTS];
    lt_moe *moe;                       /* instead of gate, up and down; NULL: none */
    bool trained;                      /* something in this block is trained */
} lt_block;

/* A trained tensor's place in the model: where its memory is plugged in once the parameters have theirs. */
typedef struct lt_trained_tensor {
    char *source;         /* the stored tensor it starts from */
    int param;            /* index in the list of parameters */
    lt_weight *weight;    /* a matrix that becomes our own memory, or NULL */
    const float **vector; /* or a vector that does */
    const float *values;  /* what it starts from when that is in memory; NULL: source */
    float **gradient;
} lt_trained_tensor;

typedef struct lt_model {
    lt_config config;       /* owned */
    char path[4096];        /* as given */
    lt_weights *weights;    /* owned */
    lt_embed embed;         /* (V,C); when it is trained and the head is tied, the head adds to its gradient too */
    lt_linear head;         /* (V,C); weight = embed's when tied; module NULL: the model has no language-model head */
    lt_linear head_transform; /* (C,C) before the head, with head_norm behind it (head_transform.h); module NULL: none */
    lt_norm head_norm;
    float *dhead_norm, *dhead_norm_bias;
    lt_virtual *virtual;    /* what an adapter puts before every sequence, or NULL; embed.virtual is the same when it is inputs */
    lt_norm final_norm;
    float *dfinal_norm, *dfinal_norm_bias;
    lt_score_head score;    /* a classifier's; N 0: none */
    float *score_values;    /* its weight and bias as they are stored, or drawn; owned */
    lt_linear pooler;       /* (C,C), before an encoder's score head (pooler.h); module NULL: none */
    lt_block *blocks;       /* L */
    lt_arena vectors;       /* norm weights and biases, f32 */
    lt_trained_tensor *trained;
    int trained_count;
} lt_model;

/* Builds the layers over the tensors of `path` (a folder or a .safetensors file). Every tensor's name, shape and type is checked
 * before this returns. Takes over config, also on failure. models/open.h reads the configuration and calls this. */
bool lt_model_build(lt_model **model, const char *path, lt_config *config, lt_error *err);

/* The same over tensors that are open already and have the names of the configuration; takes over both, also on failure. */
bool lt_model_build_over(lt_model **model, const char *path, lt_safetensors *set, lt_config *config, lt_error *err);
void lt_model_close(lt_model *model);

/* False, with an error that says so, for a model without a language-model head: a classifier, a bare encoder. */
bool lt_model_has_head(const lt_model *model, lt_error *err);

/* Visits every linear layer in a fixed order: blocks from below, slots in enum order, then the head (block = L, slot =
 * LT_LINEAR_SLOTS). A head's transform comes before the head, as block L, slot LT_LINEAR_UP. */
typedef void (*lt_linear_visitor)(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context);
void lt_model_each_linear(lt_model *model, lt_linear_visitor visit, void *context);

/* Visits the experts of all mixtures, which the above leaves out (it has those that every token passes): blocks from below, experts in
 * order, gate, up and down of each. */
void lt_model_each_expert(lt_model *model, lt_linear_visitor visit, void *context);

/* Makes tensors trainable: those whose module name ("model.layers.0.mlp.up_proj", "model.norm") `wanted` accepts, or all when it is
 * NULL, become f32 parameters named key_prefix + tensor name. Tied matrices count once. Norm weights and biases get no
 * weight decay. */
void lt_model_train_tensors(lt_model *model, lt_param_list *params, const char *key_prefix,
                            bool (*wanted)(const char *module, void *context), void *context);

/* After lt_param_list_layout: points the layers at the parameters' memory, without touching it (so that a plan can be made before
 * anything is resident). */
void lt_model_trained_plug(lt_model *model, lt_param_list *params);

/* The same, and fills the memory from the stored tensors. */
bool lt_model_trained_load(lt_model *model, lt_param_list *params, lt_error *err);

/* Lowest block whose input gradient or parameters are needed: 0 when the embedding is trained, L when only the final norm or the
 * head is. Virtual tokens reach down to block 0. Updates block.trained. */
int64_t lt_model_lowest_trained(lt_model *model);

/* Puts virtual tokens before every sequence from now on, or none (NULL). Borrowed. */
void lt_model_set_virtual(lt_model *model, lt_virtual *virtual);

/* The first linear layer whose matrix is stored quantised, or NULL: such a base takes adapters, no training of its own. */
const lt_linear *lt_model_quantised(lt_model *model);

/* Elements of all tensors, tied matrices once, as transformers counts. */
int64_t lt_model_parameter_count(const lt_model *model);

/* Largest output and input width of any linear layer in a block. */
int64_t lt_model_widest(const lt_model *model);

#endif
