/* Memory, time and disk traffic of a run, before it starts.
 *
 * What a run holds at its peak is the process as it is now, plus: values and gradients of the trained tensors, optimiser
 * state, the window of streamed weights, the engine, the batch, and the buffers that saving takes. Each is measured by the
 * code that allocates it. The plan picks what runs fastest within the limit: how much of each layer is kept, how many
 * tokens pass at once, how wide the window is, and as the last resort how many passes a step is cut into.
 *
 * Choices follow from the limit and the model alone, never from measured speed or from the thread count asked for: the
 * same command gives the same bytes. */
#ifndef LT_TRAIN_PLAN_H
#define LT_TRAIN_PLAN_H

#include <jansson.h>

#include "nn/engine.h"
#include "train/loader.h"
#include "train/optimizer.h"

typedef struct lt_plan_request {
    lt_model *model;             /* adapter attached, parameters registered */
    const lt_param_list *params; /* NULL: evaluation, nothing is trained */
    lt_optimizer *optimizer;     /* NULL with params NULL */
    lt_loader *loader;
    int64_t steps;               /* of the run; how far the data is walked through */
    int64_t least_tokens;        /* room for at least this many tokens (the longest evaluation row) */
    int64_t least_sequence;
    lt_compute compute;
    int threads;
    int activation_bits;         /* 8, 16, 32; 0: 8 with bf16 products, 32 otherwise */
    bool two_head_passes;        /* the objective needs log-probabilities before weights */
    int64_t max_memory_bytes;    /* 0: what the system has available */
    bool measure_speed;          /* run lt_gemm_peak for a moment to predict seconds */
} lt_plan_request;

/* Bytes by purpose. */
typedef struct lt_plan_bytes {
    int64_t process;     /* resident now */
    int64_t parameters, gradients, optimizer;
    int64_t weights;     /* the window of streamed weights */
    int64_t activations; /* the engine's store */
    int64_t workspace;   /* the rest of the engine */
    int64_t data, saving;
    int64_t total;
} lt_plan_bytes;

typedef struct lt_plan {
    lt_engine_shape shape;
    lt_loader_extent extent;
    int64_t window_bytes;
    int64_t pass_tokens;       /* 0: a step is one pass */
    lt_plan_bytes bytes;       /* bytes.total = the predicted peak */
    int64_t max_memory_bytes;  /* the limit it was made under: --max-memory, or what was available */
    double flops_per_step, useful_flops_per_step;
    double flops_per_second;   /* 0 when not measured */
    double seconds_per_step;   /* 0 when not measured */
    int64_t bytes_read_per_step;
    const char *mode;          /* "keep all", "keep attention", "recompute", "mixed" */
} lt_plan;

/* LT_ERR_MEMORY when nothing fits; the message names the least that would. */
bool lt_plan_make(lt_plan *plan, const lt_plan_request *request, lt_error *err);

/* The part of a plan that results depend on; a resumed run takes it from its checkpoint. New reference. */
json_t *lt_plan_numerics(const lt_plan *plan);
/* A plan with those choices given: everything else is measured anew. LT_ERR_MEMORY when they do not fit any more. */
bool lt_plan_restore(lt_plan *plan, const lt_plan_request *request, const json_t *numerics, lt_error *err);

/* What `lathe plan --json` prints: peak_bytes, bytes by purpose, seconds_per_step, bytes_read_per_step, mode, and the
 * choices. New reference. */
json_t *lt_plan_json(const lt_plan *plan);

#endif
