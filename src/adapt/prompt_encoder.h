/* What virtual tokens are made from while they are trained: PEFT's PromptEncoder (P-tuning) and PrefixEncoder with projection.
 *
 *     MLP        embedding (P,C), then C → E → E → C with ReLU between       "mlp_head.0", ".2", ".4"
 *     LSTM       embedding (P,C), bidirectional layers of width E (dropout between them), then 2E → 2E → C with ReLU between
 *     PREFIX     embedding (P,C), then C → E → W with tanh between           "transform.0", ".2"
 *
 * Tensors are named as in PEFT's state, behind "prompt_encoder.". */
#ifndef LT_ADAPT_PROMPT_ENCODER_H
#define LT_ADAPT_PROMPT_ENCODER_H

#include "adapt/param.h"
#include "core/error.h"

typedef enum lt_prompt_encoder_kind {
    LT_PROMPT_ENCODER_NET_MLP,
    LT_PROMPT_ENCODER_NET_LSTM,
    LT_PROMPT_ENCODER_NET_PREFIX
} lt_prompt_encoder_kind;

typedef struct lt_prompt_encoder_shape {
    lt_prompt_encoder_kind kind;
    int64_t P, C, E; /* virtual tokens, width of the embedding, width inside */
    int64_t W;       /* width of the output */
    int layers;      /* of the LSTM */
    float dropout;   /* between them */
} lt_prompt_encoder_shape;

typedef struct lt_prompt_encoder_net lt_prompt_encoder_net;

/* Registers the tensors and takes all memory that running needs. */
bool lt_prompt_encoder_open(lt_prompt_encoder_net **net, const lt_prompt_encoder_shape *shape, lt_param_list *params, lt_error *err);
void lt_prompt_encoder_close(lt_prompt_encoder_net *net); /* NULL is fine */

void lt_prompt_encoder_bind(lt_prompt_encoder_net *net, lt_param_list *params);

/* As PEFT begins; zero: the last layer gives zeros. */
void lt_prompt_encoder_init(lt_prompt_encoder_net *net, lt_param_list *params, uint64_t seed, bool zero);

/* values (P,W) f32 out. Dropout is a function of (seed, step). */
void lt_prompt_encoder_forward(lt_prompt_encoder_net *net, float *values, uint64_t seed, uint64_t step, bool dropout);

/* From dvalues (P,W): gradients +=. After a forward pass. */
void lt_prompt_encoder_backward(lt_prompt_encoder_net *net, const float *dvalues);

#endif
