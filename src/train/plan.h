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
#include "train/frozen_cache.h"
#include "train/loader.h"
#include "train/optimizer.h"
#include "train/pass.h"

typedef struct lt_plan_request {
    lt_model *model;             /* adapter attached, trained tensors plugged in */
    const lt_param_list *params; /* NULL: evaluation, nothing is trained */
    lt_optimizer *optimizer;     /* not laid out yet; NULL with params NULL */
    lt_loader *loader;           /* NULL: only least_tokens count */
    lt_model *teacher;           /* that passes are computed beside, or NULL */
    const lt_pass_means *means;  /* what passes are computed with; NULL: language modelling */
    int64_t steps;               /* of the run from the loader's place; how far the data is walked through */
    int64_t least_tokens;        /* room for at least this many tokens (the longest evaluation row, virtual tokens included) */
    int64_t longest_sequence;    /* of all data */
    lt_compute compute;
    int threads;                 /* > 0 */
    int activation_bits;         /* 8, 16, 32; 0: 8 with bf16 products, 32 with f32 */
    int64_t max_memory_bytes;    /* 0: what the system has available */
    const lt_frozen_cache_options *frozen; /* the cache of frozen blocks; NULL: none */
    int64_t process_bytes;       /* what the process holds before; 0: what it holds now */
    bool measure_speed;          /* run lt_gemm_peak for a moment to predict seconds */
} lt_plan_request;

/* Bytes by purpose. */
typedef struct lt_plan_bytes {
    int64_t process;     /* resident now, and what threads and code will add */
    int64_t parameters, gradients, optimizer;
    int64_t weights;     /* the window of streamed weights */
    int64_t activations; /* the engine's store */
    int64_t workspace;   /* the rest of the engine */
    int64_t data;        /* the batch and its log-probabilities */
    int64_t teacher;     /* a teacher's engine and its window of streamed weights */
    int64_t saving;      /* buffers of a checkpoint being written */
    int64_t total;
} lt_plan_bytes;

/* What a plan is free to choose. Sums are formed in another order with another choice, so a resumed run takes it from
 * its checkpoint. */
typedef struct lt_plan_choice {
    int64_t pass_tokens; /* a step above this many tokens is cut into passes of whole rows; 0: never */
    int64_t chunk, head_chunk, keep_all, keep_attention, window_bytes;
    int activation_bits, input_bits;
} lt_plan_choice;

typedef struct lt_plan {
    lt_plan_choice choice;
    lt_engine_shape shape;     /* as the choice and the data make it */
    lt_engine_shape teacher_shape; /* of the teacher's engine, where there is one */
    int64_t teacher_window_bytes;
    lt_loader_extent extent;   /* of the loader's steps, cut as chosen */
    lt_plan_bytes bytes;
    int64_t peak_bytes;        /* predicted: bytes.total, or what the process once was if that was more */
    int64_t limit_bytes;       /* what it was made under: --max-memory, or what was available */
    double flops_per_step, useful_flops_per_step;
    double flops_per_second;   /* 0 when not measured */
    double seconds_per_step;   /* 0 when not measured */
    int64_t bytes_read_per_step;
    int64_t frozen_cache_bytes;     /* on disk at most; 0: no cache of frozen blocks */
    double seconds_per_cached_step; /* of the steps that start from it; 0 when not measured or without */
    const char *mode;          /* "keep-all", "keep-attention", "recompute", "mixed", "forward" */
} lt_plan;

/* LT_ERR_MEMORY when nothing fits; the message names the least that would. */
bool lt_plan_make(lt_plan *plan, const lt_plan_request *request, lt_error *err);

json_t *lt_plan_choice_json(const lt_plan_choice *choice); /* new reference */
bool lt_plan_choice_read(lt_plan_choice *choice, const json_t *json, const char *source, lt_error *err);

/* A plan with the choice given. LT_ERR_MEMORY when it does not fit any more. */
bool lt_plan_restore(lt_plan *plan, const lt_plan_request *request, const lt_plan_choice *choice, lt_error *err);

/* What `lathe plan --json` prints: peak_bytes, bytes by purpose, seconds_per_step, bytes_read_per_step, mode, and the
 * choices. New reference. */
json_t *lt_plan_json(const lt_plan *plan);

#endif
