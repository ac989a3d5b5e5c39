/* Trainable tensors. Every adapter (and full training) registers what it trains here; the optimiser, the snapshot, the
 * gradient norm and --save-gradients walk this one list and know nothing else about adapters. */
#ifndef LT_ADAPT_PARAM_H
#define LT_ADAPT_PARAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"

typedef struct lt_param {
    char *name;         /* key in the saved file: "base_model.model.….lora_A.weight", or the tensor's own name (full) */
    int dims;
    int64_t shape[4];
    int64_t elements;
    bool decay;         /* weight decay applies */
    float *value;       /* elements f32 */
    float *gradient;    /* elements f32, summed over the step's tokens */
    float learning_rate_scale; /* 1 unless the method gives this tensor its own (LoRA+) */
} lt_param;

typedef struct lt_param_list {
    lt_param *items; /* fixed order: results and files do not depend on registration accidents */
    int count, capacity;
} lt_param_list;

/* Adds a tensor; returns its index. `name` is copied. value and gradient stay NULL until lt_param_list_layout. */
int lt_param_list_add(lt_param_list *list, const char *name, int dims, const int64_t *shape, bool decay);

/* Gives every tensor its value and gradient memory from the arena (or only counts, when the arena measures). */
void lt_param_list_layout(lt_param_list *list, lt_arena *values, lt_arena *gradients);

void lt_param_list_zero_gradients(lt_param_list *list);
int64_t lt_param_list_elements(const lt_param_list *list);
double lt_param_list_gradient_norm(const lt_param_list *list); /* global L2, in a fixed order */
lt_param *lt_param_list_find(lt_param_list *list, const char *name);
void lt_param_list_free(lt_param_list *list);

#endif
