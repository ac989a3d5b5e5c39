/* What a choice costs: bytes by purpose, FLOPs, traffic. Internal to the plan. */
#ifndef LT_TRAIN_PLAN_COST_H
#define LT_TRAIN_PLAN_COST_H

#include "train/plan.h"

/* What is known once per request. */
typedef struct lt_plan_facts {
    const lt_plan_request *request;
    int64_t taken_bytes; /* that the process was once already: cannot be undone */
    int64_t process_bytes, parameter_bytes, gradient_bytes, optimizer_bytes;
    int64_t block_bytes, head_bytes; /* streamed bytes of the largest block, and of the head */
    int64_t forward_bytes;           /* of all blocks */
    int64_t teacher_block_bytes, teacher_head_bytes, teacher_forward_bytes; /* the three of a teacher */
    int64_t backward_bytes;          /* of the blocks that the backward pass walks */
    int64_t trained_layers;
    int64_t forward_parameters;      /* of the matrices of all blocks */
    int64_t trained_parameters;      /* of those that the backward pass walks */
    int threads;                     /* that the plan makes room for: of the machine, or more if more were asked for */
    bool training;
    bool larger_than_memory; /* the streamed weights do not fit into the machine's page cache */
} lt_plan_facts;

bool lt_plan_facts_gather(lt_plan_facts *facts, const lt_plan_request *request, lt_error *err);

/* The engine's shape for a choice and an extent. */
lt_engine_shape lt_plan_shape(const lt_plan_facts *facts, const lt_plan_choice *choice, const lt_loader_extent *extent,
                              int threads);

/* The teacher's engine beside an engine of that shape: the same passes and chunks, forward only; and the window of its weights, as
 * many of its blocks as the choice has of the model's. Neither changes a number that the teacher computes. */
lt_engine_shape lt_plan_teacher_shape(const lt_plan_facts *facts, const lt_engine_shape *shape);
int64_t lt_plan_teacher_window(const lt_plan_facts *facts, const lt_plan_choice *choice);

/* Bytes by purpose of that shape. */
lt_plan_bytes lt_plan_count(const lt_plan_facts *facts, const lt_engine_shape *shape, const lt_plan_choice *choice,
                            const lt_loader_extent *extent);

/* Bytes asked of the weight files in a step. */
int64_t lt_plan_traffic(const lt_plan_facts *facts, const lt_plan_choice *choice, const lt_loader_extent *extent);

/* FLOPs of a mean step. */
double lt_plan_flops(const lt_plan_facts *facts, const lt_engine_shape *shape, const lt_loader_extent *extent, double *useful);

/* Seconds of a mean step on a machine that multiplies at flops_per_second. */
double lt_plan_seconds(const lt_plan_facts *facts, const lt_engine_shape *shape, const lt_plan_choice *choice,
                       const lt_loader_extent *extent, double flops_per_second);

#endif
