#include "train/score_model.h"

#include <stdlib.h>
#include <string.h>

#include "adapt/adapter.h"
#include "models/open.h"
#include "nn/pooler.h"
#include "train/plan.h"

struct lt_score_model {
    lt_model *model;
    lt_used_adapter *adapter;
    lt_engine *engine;
    int64_t max_T;
    int32_t pad_id;
    int32_t *starts, *targets; /* (max_T + 1), (max_T) */
    float *hidden, *pooled;    /* (max_T, C): as many sequences as tokens at most */
};

bool lt_score_model_adapter_outputs(const char *adapter, int64_t *outputs, lt_error *err)
{
    static const char *const keys[] = {"base_model.model.score.weight", "base_model.model.classifier.weight",
                                       LT_ADAPTER_PROMPT_PREFIX "score.weight", LT_ADAPTER_PROMPT_PREFIX "classifier.weight"};
    lt_safetensors *set;
    *outputs = 0;
    if (!lt_peft_open_tensors(&set, adapter, err))
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const lt_tensor_info *info = lt_safetensors_find(set, keys[i]);
        if (info && info->dims == 2)
            *outputs = info->shape[0];
    }
    lt_safetensors_close(set);
    return true;
}

static bool open_model(lt_score_model *s, const lt_score_model_options *o, lt_error *err)
{
    int64_t outputs = 0;
    if (o->adapter && !lt_score_model_adapter_outputs(o->adapter, &outputs, err))
        return false;
    bool ok = outputs ? lt_model_open_classifier(&s->model, o->model, outputs, 0, err) : lt_model_open(&s->model, o->model, err);
    if (!ok || (o->adapter && !lt_used_adapter_open(&s->adapter, s->model, o->adapter, err)))
        return false;
    return s->model->score.N || lt_error_set(err, LT_ERR_USAGE, "%s: expected a classifier or a reward model, found %s without a head",
                                             o->model, s->model->config.architecture);
}

static bool open_engine(lt_score_model *s, const lt_score_model_options *o, lt_error *err)
{
    lt_plan plan;
    lt_plan_request request = {.model = s->model,
                               .least_tokens = o->max_T,
                               .longest_sequence = o->max_T,
                               .compute = o->compute,
                               .threads = o->threads,
                               .max_memory_bytes = o->max_memory_bytes};
    if (!lt_plan_make(&plan, &request, err))
        return false;
    lt_weights_set_window(s->model->weights, plan.choice.window_bytes);
    return lt_engine_open(&s->engine, s->model, &plan.shape, err);
}

bool lt_score_model_open(lt_score_model **out, const lt_score_model_options *o, lt_error *err)
{
    lt_score_model *s = calloc(1, sizeof *s);
    if (!s)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    s->max_T = o->max_T;
    if (!open_model(s, o, err))
        goto fail;
    int64_t C = s->model->config.C;
    s->pad_id = o->pad_id >= 0 ? o->pad_id : s->model->config.pad_id;
    s->starts = malloc((size_t)(o->max_T + 1) * sizeof *s->starts);
    s->targets = malloc((size_t)o->max_T * sizeof *s->targets);
    s->hidden = malloc((size_t)(o->max_T * C) * sizeof *s->hidden);
    s->pooled = malloc((size_t)(o->max_T * C) * sizeof *s->pooled);
    if (!s->starts || !s->targets || !s->hidden || !s->pooled) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld tokens", (long long)o->max_T);
        goto fail;
    }
    for (int64_t t = 0; t < o->max_T; t++)
        s->targets[t] = -1;
    if (!open_engine(s, o, err))
        goto fail;
    *out = s;
    return true;
fail:
    lt_score_model_close(s);
    return false;
}

void lt_score_model_close(lt_score_model *s)
{
    if (!s)
        return;
    lt_engine_close(s->engine);
    if (s->adapter)
        lt_used_adapter_close(s->adapter);
    if (s->model)
        lt_model_close(s->model);
    free(s->starts);
    free(s->targets);
    free(s->hidden);
    free(s->pooled);
    free(s);
}

int64_t lt_score_model_outputs(const lt_score_model *s) { return s->model->score.N; }

/* n sequences that fit together. */
static bool score_pass(lt_score_model *s, const int32_t *ids, const int32_t *lengths, int64_t n, float *score, lt_error *err)
{
    int64_t C = s->model->config.C;
    s->starts[0] = 0;
    for (int64_t i = 0; i < n; i++)
        s->starts[i + 1] = s->starts[i] + lengths[i];
    lt_batch batch = {.T = s->starts[n], .sequences = n, .ids = ids, .starts = s->starts, .targets = s->targets};
    if (!lt_engine_forward(s->engine, &batch, err))
        return false;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = s->model->config.bidirectional ? 0 : lt_score_head_position(ids + s->starts[i], lengths[i], s->pad_id);
        lt_engine_hidden(s->engine, s->starts[i] + at, s->hidden + i * C);
    }
    lt_pooler_forward(s->engine, s->hidden, n, s->pooled);
    lt_score_head_forward(&s->model->score, s->pooled, n, score);
    return true;
}

bool lt_score_model_score(lt_score_model *s, const int32_t *ids, const int32_t *lengths, int64_t sequences, float *score, lt_error *err)
{
    int64_t P = lt_virtual_rows(s->model->virtual);
    for (int64_t i = 0; i < sequences;) {
        int64_t n = 0, room = s->max_T, tokens = 0;
        for (; i + n < sequences && lengths[i + n] + P <= room; n++) {
            room -= lengths[i + n] + P;
            tokens += lengths[i + n];
        }
        if (n == 0)
            return lt_error_set(err, LT_ERR_USAGE, "a sequence of %d tokens is to be scored; there is room for %lld", lengths[i],
                                (long long)(s->max_T - P));
        for (int64_t t = 0; t < tokens; t++)
            if (ids[t] < 0 || ids[t] >= s->model->config.V)
                return lt_error_set(err, LT_ERR_FORMAT, "token %d is none of the reward model's: its vocabulary has %lld", ids[t],
                                    (long long)s->model->config.V);
        if (!score_pass(s, ids, lengths + i, n, score + i * s->model->score.N, err))
            return false;
        ids += tokens;
        i += n;
    }
    return true;
}
