#include "nn/head_transform.h"

bool lt_head_transform_trained(const lt_model *model)
{
    return lt_head_transform_has(model) && (lt_linear_trained(&model->head_transform) || model->dhead_norm || model->dhead_norm_bias);
}

void lt_head_transform_forward(const lt_model *model, lt_workspace *ws, const float *x, int64_t n, const lt_head_transform_rows *rows)
{
    const lt_kernels *k = lt_kernels_get();
    const lt_linear *linear = &model->head_transform;
    int64_t C = model->config.C;
    lt_linear_forward(&linear, 1, ws, x, C, n, &(float *){rows->pre}, C);
    k->act_forward(model->config.activation, rows->pre, NULL, rows->act, n * C);
    lt_norm_forward(&model->head_norm, rows->act, C, rows->out, C, n);
}

void lt_head_transform_backward(const lt_model *model, lt_workspace *ws, const float *x, int64_t n, const lt_head_transform_rows *rows,
                                float *d, void *norm_scratch)
{
    const lt_kernels *k = lt_kernels_get();
    const lt_linear *linear = &model->head_transform;
    int64_t C = model->config.C;
    lt_norm_backward(&model->head_norm, rows->act, C, d, C, d, C, false, model->dhead_norm, model->dhead_norm_bias, n, norm_scratch);
    k->act_backward(model->config.activation, rows->pre, NULL, d, d, NULL, n * C);
    lt_linear_backward(&linear, 1, ws, x, C, n, &(float *){d}, C, rows->out, C, false);
}
