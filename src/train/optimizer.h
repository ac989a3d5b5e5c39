/* Optimisers over the list of trained tensors. One file each (optimizer_adamw.c, …) and one line in the registry of
 * optimizer.c. State is f32, laid out from an arena by the plan; every element is updated from its own numbers only, or from
 * sums in a fixed order, so the bytes do not depend on the number of threads. */
#ifndef LT_TRAIN_OPTIMIZER_H
#define LT_TRAIN_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "adapt/param.h"
#include "core/error.h"

typedef struct lt_optimizer_options {
    const char *name; /* "adamw_torch" or "adamw"; see lt_optimizer_names */
    double beta1, beta2, epsilon, weight_decay;
    double momentum; /* of Muon; 0: 0.95 */
    int compute;     /* lt_compute of Muon's products */
} lt_optimizer_options;

/* What a step is given. */
typedef struct lt_optimizer_step {
    double learning_rate;  /* of this step */
    double gradient_scale; /* multiplies every gradient: clipping */
    int64_t number;        /* from 1 */
} lt_optimizer_step;

typedef struct lt_optimizer_kind lt_optimizer_kind;

enum { LT_OPTIMIZER_STATES = 3 };

typedef struct lt_optimizer {
    const lt_optimizer_kind *kind;
    lt_optimizer_options options;
    float **state[LT_OPTIMIZER_STATES]; /* state[s][i]: that of the list's tensor i */
    void *scratch;                      /* of kinds that need some between the tensors of a step */
} lt_optimizer;

struct lt_optimizer_kind {
    const char *name;
    const char *const *states; /* names of its state tensors, for the checkpoint: "exp_avg" …; NULL-terminated */
    /* Elements of state s for a tensor. */
    int64_t (*state_elements)(const lt_param *param, int s);
    /* Updates elements [begin, end) of one tensor; called in parallel for pieces that begin at multiples of 65,536. */
    void (*update)(const lt_optimizer *optimizer, const lt_param *param, float *const *state, const lt_optimizer_step *step,
                   int64_t begin, int64_t end);
    /* Or, for kinds whose elements depend on one another: a whole tensor, one after the other, parallel inside. It may use up the
     * gradient. */
    void (*update_tensor)(const lt_optimizer *optimizer, const lt_param *param, float *const *state, const lt_optimizer_step *step);
    /* Scratch memory, from the arena (or only counts); may be NULL. */
    void (*layout)(const lt_param_list *params, lt_arena *arena, void **scratch);
};

/* LT_ERR_USAGE for an unknown name or numbers out of range. */
bool lt_optimizer_init(lt_optimizer *optimizer, const lt_optimizer_options *options, lt_error *err);

/* State memory for every tensor, zeroed, from the arena (or only counts, when the arena measures). */
bool lt_optimizer_layout(lt_optimizer *optimizer, const lt_param_list *params, lt_arena *arena, lt_error *err);
void lt_optimizer_free(lt_optimizer *optimizer); /* not the arena's memory */

/* One step on all tensors, in parallel. */
void lt_optimizer_apply(lt_optimizer *optimizer, lt_param_list *params, const lt_optimizer_step *step);

/* The factor of torch's clip_grad_norm_: min(1, max_norm / (norm + 1e-6)); 1 when max_norm is 0. */
double lt_optimizer_clip(double norm, double max_norm);

const char *const *lt_optimizer_names(void); /* NULL-terminated */

extern const lt_optimizer_kind lt_optimizer_adamw;     /* optimizer_adamw.c */
extern const lt_optimizer_kind lt_optimizer_lion;      /* optimizer_lion.c */
extern const lt_optimizer_kind lt_optimizer_adafactor; /* optimizer_adafactor.c */
extern const lt_optimizer_kind lt_optimizer_muon;      /* optimizer_muon.c */

#endif
