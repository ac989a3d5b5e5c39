/* What some families put between the last block and the output head (BERT's masked-language-model head):
 *
 *     h = norm(act(x wᵀ + b)) */
#ifndef LT_NN_HEAD_TRANSFORM_H
#define LT_NN_HEAD_TRANSFORM_H

#include "nn/model.h"

/* Memory for n rows: pre, act, out (n,C) f32 each. */
typedef struct lt_head_transform_rows {
    float *pre, *act, *out;
} lt_head_transform_rows;

static inline bool lt_head_transform_has(const lt_model *model)
{
    return model->head_transform.module != NULL;
}

/* True when it has parameters of its own that are trained. */
bool lt_head_transform_trained(const lt_model *model);

/* x (n,C): rows->out (n,C) = h; pre and act are kept for the backward pass. */
void lt_head_transform_forward(const lt_model *model, lt_workspace *ws, const float *x, int64_t n, const lt_head_transform_rows *rows);

/* d (n,C), the gradient of h, is used up; rows->out becomes the gradient of x. */
void lt_head_transform_backward(const lt_model *model, lt_workspace *ws, const float *x, int64_t n, const lt_head_transform_rows *rows,
                                float *d, void *norm_scratch);

#endif
