/* A mixture of experts in place of a block's MLP, forward beside backward.
 *
 *     p = softmax(x rᵀ)     w = p of the k largest, each divided by their sum where the family says so
 *     y = Σ w_e · down_e(act(gate_e x) · up_e x)   [+ σ(x gᵀ) · down(act(gate x) · up x) of a shared expert]
 *
 * An expert sees only the tokens routed to it, and its weights are read only then. Router and experts are frozen; gradients go through
 * the routing weights to x. Experts are taken in order and their tokens in the order of the step, so sums have one order. */
#ifndef LT_NN_MOE_H
#define LT_NN_MOE_H

#include "nn/config.h"
#include "nn/linear.h"

enum { LT_EXPERT_GATE, LT_EXPERT_UP, LT_EXPERT_DOWN, LT_EXPERT_PARTS };

typedef struct lt_moe {
    lt_linear router;                  /* (E,C) */
    int64_t expert_count;
    lt_linear (*experts)[LT_EXPERT_PARTS]; /* (E), owned */
    lt_linear shared[LT_EXPERT_PARTS]; /* module NULL: no shared expert */
    lt_linear shared_gate;             /* (1,C) */
} lt_moe;

/* The mixture of a layer; *moe is to be closed also when this fails. */
bool lt_moe_open(lt_moe **moe, lt_weights *weights, const lt_config *config, int layer, lt_error *err);
void lt_moe_close(lt_moe *moe); /* NULL is fine */

/* True when an adapter trains something in it. */
bool lt_moe_trained(const lt_moe *moe);

/* Asks for what every token passes; experts are asked for once tokens are routed to them. */
void lt_moe_prefetch(const lt_moe *moe);

/* Memory for chunks of n tokens; k experts a token, W the widest of an expert's and the shared one's feed-forward width. */
typedef struct lt_moe_rows {
    float *probability, *dlogits;    /* (n,E) */
    int32_t *choice;                 /* (n,k) */
    float *weight, *dweight;         /* (n,k) */
    int32_t *list, *start;           /* (n·k) token · k + place, by expert; (E + 1) */
    float *x, *y, *gu, *act;         /* (n,C), (n,C), (n,2W), (n,W) */
    float *dx, *dact;                /* (n,C), (n,W); training only */
    float *sigma;                    /* (n,2) */
} lt_moe_rows;

/* Lays out rows (or measures); nothing when the model has no experts. */
void lt_moe_layout(lt_moe_rows *rows, const lt_config *config, int64_t n, bool training, lt_arena *arena);

/* y (n,C) = the experts' sum for x (n,C). */
void lt_moe_forward(const lt_moe *moe, const lt_config *config, lt_workspace *ws, const lt_moe_rows *rows, const float *x, int64_t n,
                    float *y);

/* dx (n,C) = gradient of x from dy (n,C); everything is computed again from x. */
void lt_moe_backward(const lt_moe *moe, const lt_config *config, lt_workspace *ws, const lt_moe_rows *rows, const float *x, int64_t n,
                     const float *dy, float *dx);

#endif
