/* A model: configuration, streamed weights, and the layers as views on them. It owns no activations; engine.h runs it. */
#ifndef LT_NN_MODEL_H
#define LT_NN_MODEL_H

#include "adapt/param.h"
#include "nn/config.h"
#include "nn/linear.h"
#include "nn/norm.h"

typedef struct lt_block {
    lt_linear linear[LT_LINEAR_SLOTS]; /* module NULL: the family has no such slot */
    lt_norm norm[LT_NORM_SLOTS];       /* weight NULL: none */
    float *dnorm[LT_NORM_SLOTS];       /* gradients when trained, else NULL (width f32; bias gradient behind it) */
    bool trained;                      /* something in this block is trained */
} lt_block;

typedef struct lt_model {
    lt_config config;       /* owned */
    char path[4096];        /* as given */
    lt_weights *weights;    /* owned */
    lt_weight embed;        /* (V,C) */
    float *dembed;          /* (V,C) f32 when trained; with a tied head the head adds to it too */
    lt_linear head;         /* (V,C); weight = embed's when tied */
    lt_norm final_norm;
    float *dfinal_norm;
    lt_block *blocks;       /* L */
    lt_arena vectors;       /* norm weights and biases, f32 */
} lt_model;

/* Opens folder (config.json + safetensors). Every tensor's name, shape and type is checked before this returns. */
bool lt_model_open(lt_model **model, const char *path, lt_error *err);
void lt_model_close(lt_model *model);

/* Visits every linear layer in a fixed order (blocks from below, slots in enum order, then the head). */
typedef void (*lt_linear_visitor)(lt_linear *linear, int block, lt_linear_slot slot, void *context); /* head: block = L, slot = LT_LINEAR_SLOTS */
void lt_model_each_linear(lt_model *model, lt_linear_visitor visit, void *context);

/* Makes tensors trainable: those whose module name `wanted` accepts (all when NULL: full training) become f32 parameters in
 * `params`, named key_prefix + tensor name, to be filled by lt_model_trained_load after lt_param_list_layout. Tied embeddings count
 * once. Modules: linear layers, "…embed_tokens", norms. */
void lt_model_train_tensors(lt_model *model, lt_param_list *params, const char *key_prefix,
                            bool (*wanted)(const char *module, void *context), void *context);
/* Points the layers at the parameters' memory, and fills it from the stored tensors. */
bool lt_model_trained_load(lt_model *model, lt_param_list *params, lt_error *err);

/* Lowest block that has something trained; L when only the head or final norm is; -1 when the embedding is. Updates
 * block.trained. */
int64_t lt_model_lowest_trained(lt_model *model);

int64_t lt_model_parameter_count(const lt_model *model); /* as transformers counts: tied matrices once */

#endif
