/* The training step, layer-major: every token of the step passes layer l before layer l+1, so each weight is read once
 * forward and once backward. Between the passes a layer's activations are kept quantised, or only its input is and the rest
 * is computed again; the plan decides per layer.
 *
 * Objectives meet the engine in one place: the log-probability of each target token, and the weight of its gradient. */
#ifndef LT_NN_ENGINE_H
#define LT_NN_ENGINE_H

#include "nn/model.h"

/* The packed tokens of one step. Borrowed by the engine while it runs. */
typedef struct lt_batch {
    int64_t T, sequences;
    const int32_t *ids;     /* (T) */
    const int32_t *types;   /* (T) token types, for models that know any; NULL: all 0 */
    const int32_t *starts;  /* (sequences + 1) */
    const int32_t *targets; /* (T) the id that row t shall predict (already shifted), or -1 */
    const int32_t *firsts;  /* (sequences) the id that the last virtual token before each sequence shall predict, or -1; such a
                             * target comes before those of its sequence. NULL: none */
    int64_t target_count;   /* number of targets that are not -1; target i is the i-th of them */
} lt_batch;

/* How much of a layer is kept for its backward pass. */
typedef enum lt_keep {
    LT_KEEP_INPUT,     /* its input: everything is computed again (6 FLOPs per parameter and token) */
    LT_KEEP_ATTENTION, /* input, q k v, attention output, middle of the residual: gate and up are computed again */
    LT_KEEP_ALL,       /* gate and up too: nothing is computed again (4 FLOPs) */
    LT_KEEP_LEVELS
} lt_keep;

/* Everything that sizes the engine's memory. */
typedef struct lt_engine_shape {
    lt_compute compute;
    int threads;
    bool training;          /* false: forward only (eval), nothing is kept */
    int64_t max_T;          /* tokens of the largest step, virtual ones included (lt_virtual_rows a sequence) */
    int64_t max_sequence;   /* longest sequence, with all virtual tokens before it */
    int64_t chunk;          /* tokens that pass the MLP at once */
    int64_t head_chunk;     /* target rows whose logits exist at once */
    int activation_bits;    /* 8, 16, 32: the store of kept activations */
    int input_bits;         /* 8, 16 or 32: the store of the inputs of layers that are computed again */
    int64_t keep_all, keep_attention; /* how many of the trained layers, from the top: all; then attention; the rest input */
} lt_engine_shape;

typedef struct lt_engine lt_engine;

/* Bytes by purpose. attention, mlp and head take turns in the same memory: the total is less than the sum. */
typedef struct lt_engine_bytes {
    int64_t residual, attention, mlp, head, store, gemm, other, total;
} lt_engine_bytes;

/* Plans: what an engine of this shape takes. The same layout code allocates. */
lt_engine_bytes lt_engine_measure(const lt_model *model, const lt_engine_shape *shape);

/* Rows of the stream that every sequence takes beside its own: an engine has room for max_T rows together. */
int64_t lt_engine_overhead(const lt_engine *engine);

bool lt_engine_open(lt_engine **engine, lt_model *model, const lt_engine_shape *shape, lt_error *err);
void lt_engine_close(lt_engine *engine);

/* One forward pass. Gives logp (target_count) f32, and keeps what lt_engine_backward needs when the shape is a training one. */
bool lt_engine_forward(lt_engine *engine, const lt_batch *batch, lt_error *err);

/* The blocks below the lowest trained one are frozen: the same tokens leave them as the same numbers in every epoch, so those can be
 * kept outside and given back. */
typedef struct lt_engine_prefix {
    /* Fills stream (T,C) f32 as it leaves the frozen blocks; *have false: not known, they are to be computed. */
    bool (*load)(float *stream, bool *have, void *context, lt_error *err);
    /* Takes what was computed, and may round it as it will be given back. */
    bool (*store)(float *stream, void *context, lt_error *err);
    void *context;
} lt_engine_prefix;

/* lt_engine_forward, with the frozen blocks through prefix. */
bool lt_engine_forward_cached(lt_engine *engine, const lt_batch *batch, const lt_engine_prefix *prefix, lt_error *err);

/* The head, after lt_engine_forward. logp (target_count) f32 out. When weight (target_count) f32 is given, the loss is
 * Σ weight · (-logp) and its gradient with respect to the last hidden state is kept for lt_engine_backward; it may be called
 * first without weights (objectives that need log-probabilities to find them) and then again with. entropy may be NULL.
 * logits: NULL, or (without weights) called with each chunk of rows: first target row, count, (count,V) f32, scaled and capped. */
typedef void (*lt_logits_sink)(int64_t first, int64_t count, const float *logits, void *context);
bool lt_engine_head(lt_engine *engine, const float *weight, float *logp, float *entropy, lt_logits_sink logits, void *context,
                    lt_error *err);

/* What lt_engine_head_distill needs beside the two engines. */
typedef struct lt_engine_distill {
    lt_engine *teacher;     /* has done lt_engine_forward of the same batch; its head_chunk is no smaller */
    float temperature;      /* of both in the divergence, above 0 */
    const float *weight;    /* (target_count) f32: gradient of the loss by -logp, or NULL: nothing is trained */
    const float *kl_weight; /* (target_count) f32: gradient by the divergence; NULL with weight NULL */
} lt_engine_distill;

/* lt_engine_head beside a teacher: logp, and kl (target_count) f32, the divergence KL(teacher || model) at each target (distill.h). The
 * loss is Σ weight · (-logp) + kl_weight · kl. Logits of both exist for one chunk at a time. Over the smaller vocabulary of the two,
 * where they differ. */
bool lt_engine_head_distill(lt_engine *engine, const lt_engine_distill *distill, float *logp, float *kl, lt_error *err);

/* Walks the layers down, adding to every trained tensor's gradient. After lt_engine_head with weights. */
bool lt_engine_backward(lt_engine *engine, lt_error *err);

/* The model's width. */
int64_t lt_engine_width(const lt_engine *engine);

/* The last hidden state of a row after the final norm, (C) f32, after lt_engine_forward (for heads other than the LM's). */
void lt_engine_hidden(lt_engine *engine, int64_t row, float *out);
/* Gives d loss / d that; at most once a row, instead of lt_engine_head with weights, before lt_engine_backward. */
void lt_engine_add_hidden_gradient(lt_engine *engine, int64_t row, const float *gradient);

/* Gives d loss / d the hidden states of the rows that predict the targets, (targets, C) f32, of a second head beside the LM's: the
 * next lt_engine_head with weights adds it to its own. Not for models with a transform before the head. */
void lt_engine_add_target_gradients(lt_engine *engine, const float *gradient);

/* Dropout's place in the run; on for training shapes only. Call before lt_engine_forward. */
void lt_engine_set_step(lt_engine *engine, uint64_t seed, uint64_t step);
/* Dropout off (or on again, as lt_engine_set_step leaves it): a training engine also evaluates in the middle of a run, with
 * lt_engine_forward and lt_engine_head without weights. */
void lt_engine_set_dropout(lt_engine *engine, bool on);

/* NEFTune (Jain et al. 2023, arXiv 2310.05914): while dropout is on, every embedding gets uniform noise of ± alpha / √(L C), L the
 * tokens of its sequence. 0: none. */
void lt_engine_set_noise(lt_engine *engine, double alpha);

/* FLOPs of one step of T tokens with `targets` target rows as an engine of this shape computes it (recompute counted), and the
 * useful ones: 2 per parameter and token forward, 2 backward. */
double lt_engine_flops(const lt_engine_shape *shape, const lt_model *model, int64_t T, int64_t targets, double *useful);

#endif
