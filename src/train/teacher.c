#include "train/teacher.h"

#include <stdlib.h>

#include "adapt/adapter.h"
#include "models/open.h"

struct lt_teacher {
    lt_model *model;
    lt_used_adapter *adapter; /* or NULL */
    lt_engine *engine;        /* once started */
};

bool lt_teacher_open(lt_teacher **out, const char *model, const char *adapter, lt_error *err)
{
    lt_teacher *t = calloc(1, sizeof *t);
    if (!t)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the teacher");
    if (!lt_model_open(&t->model, model, err) || !lt_model_has_head(t->model, err) ||
        (adapter && !lt_used_adapter_open(&t->adapter, t->model, adapter, err))) {
        lt_teacher_close(t);
        return lt_error_context(err, "the teacher");
    }
    *out = t;
    return true;
}

void lt_teacher_close(lt_teacher *t)
{
    if (!t)
        return;
    lt_engine_close(t->engine);
    lt_used_adapter_close(t->adapter);
    if (t->model)
        lt_model_close(t->model);
    free(t);
}

lt_model *lt_teacher_model(const lt_teacher *t) { return t->model; }

int64_t lt_teacher_overhead(const lt_teacher *t) { return lt_virtual_rows(t->model->virtual); }

bool lt_teacher_start(lt_teacher *t, const lt_engine_shape *shape, int64_t window_bytes, lt_error *err)
{
    lt_weights_set_window(t->model->weights, window_bytes);
    return lt_engine_open(&t->engine, t->model, shape, err) || lt_error_context(err, "the teacher");
}

bool lt_teacher_forward(lt_teacher *t, const lt_batch *batch, lt_error *err)
{
    return lt_engine_forward(t->engine, batch, err) || lt_error_context(err, "the teacher");
}

lt_engine *lt_teacher_engine(const lt_teacher *t) { return t->engine; }
