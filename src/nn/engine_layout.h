/* The engine's inside: its memory, laid out once by code that can also only count. Shared by the files engine*.c. */
#ifndef LT_NN_ENGINE_LAYOUT_H
#define LT_NN_ENGINE_LAYOUT_H

#include "nn/block.h"
#include "nn/engine.h"
#include "nn/head_transform.h"

struct lt_engine {
    lt_model *model;
    lt_engine_shape shape;
    int64_t lowest;      /* blocks below it have nothing to learn */
    lt_arena arena;      /* everything below */
    lt_arena hook_arena; /* a part of arena that hooks take from */
    lt_engine_bytes bytes;
    lt_workspace ws;
    double noise; /* NEFTune's alpha */
    lt_run run;
    lt_kept *kept; /* (L), malloc'ed: where each layer's activations are */

    int32_t *positions; /* (max_T) */
    int32_t *rope_rows; /* (max_T) of the ropes' tables */
    int32_t *ids, *types, *starts; /* (max_T), (max_T), (max_T + 1) with virtual tokens in the stream, or NULL: the batch's own */
    const int32_t *stream_ids, *stream_types; /* of the step in hand: these, or the batch's */
    int32_t *rows;      /* (max_T) row of the i-th target */
    int32_t *labels;    /* (max_T) its id */
    char *has_gradient; /* (max_T) this row of the stream holds a gradient already */
    float *head_x, *head_xn, *head_dx; /* (head_chunk, C) */
    lt_head_transform_rows transform;  /* (head_chunk, C) each, when the model has one */
    float *logits;                     /* (head_chunk, V) */
    const lt_batch *batch;             /* of the step in hand */
    const float *target_gradient;      /* (targets, C) that joins the head's, or NULL */
};

/* Lays out engine->arena (measuring or real) for engine->model and engine->shape; fills the pointers and bytes. */
void lt_engine_layout(lt_engine *engine);

/* The head over targets first … first + n - 1, n at most head_chunk: engine->logits (n,V) as the matrix gives them. Returns what the
 * matrix was given, (n,C), for the way back. */
const float *lt_engine_head_forward(lt_engine *engine, int64_t first, int64_t n);

/* From engine->logits, now d loss / d logits, to the stream's gradient at those targets' rows. */
void lt_engine_head_backward(lt_engine *engine, const float *top, int64_t first, int64_t n);

#endif
