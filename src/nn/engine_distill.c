/* The head beside a teacher: logits of both, chunk by chunk. */
#include <assert.h>

#include "nn/cross_entropy.h"
#include "nn/distill.h"
#include "nn/engine_layout.h"

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

bool lt_engine_head_distill(lt_engine *e, const lt_engine_distill *how, float *logp, float *kl, lt_error *err)
{
    const lt_config *c = &e->model->config, *other = &how->teacher->model->config;
    lt_engine *teacher = how->teacher;
    const lt_distill distill = {.V = c->V,
                                .teacher_V = other->V,
                                .common = min64(c->V, other->V),
                                .scale = (float)c->logit_scale,
                                .softcap = (float)c->logit_softcap,
                                .temperature = how->temperature};
    assert((!how->weight || e->shape.training) && teacher->batch == e->batch && teacher->shape.head_chunk >= e->shape.head_chunk);
    for (int64_t i = 0; i < e->batch->target_count; i += e->shape.head_chunk) {
        int64_t n = min64(e->shape.head_chunk, e->batch->target_count - i);
        lt_engine_head_forward(teacher, i, n);
        lt_cross_entropy_finish_logits(teacher->logits, n, other->V, (float)other->logit_scale, (float)other->logit_softcap);
        const float *top = lt_engine_head_forward(e, i, n);
        lt_distill_rows(&distill, e->logits, teacher->logits, n, e->labels + i, how->weight ? how->weight + i : NULL,
                        how->kl_weight ? how->kl_weight + i : NULL, logp + i, kl + i);
        if (how->weight)
            lt_engine_head_backward(e, top, i, n);
    }
    if (how->weight)
        e->target_gradient = NULL;
    return lt_weights_check(e->model->weights, err) && lt_weights_check(teacher->model->weights, err);
}
