#include "api/model.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/merge.h"
#include "models/open.h"
#include "train/score_model.h"

static bool list_stop_ids(lt_api_model *model, lt_error *err)
{
    const lt_config *config = &model->base->config;
    const int32_t *ids = NULL;
    size_t count = model->text->tokenizer ? lt_tokenizer_stop_ids(model->text->tokenizer, &ids) : 0;
    bool ok = lt_ids_append(&model->stop_ids, ids, count, err);
    for (int i = 0; ok && i < config->eos_count; i++)
        ok = lt_ids_push(&model->stop_ids, config->eos_ids[i], err);
    return ok;
}

/* An adapter that brings a classifier's head makes a classifier of the base. */
static bool open_base(lt_api_model *model, const char *path, const char *adapter, lt_error *err)
{
    int64_t outputs = 0;
    if (adapter && !lt_score_model_adapter_outputs(adapter, &outputs, err))
        return false;
    return outputs ? lt_model_open_classifier(&model->base, path, outputs, 0, err) : lt_model_open(&model->base, path, err);
}

bool lt_api_model_open(lt_api_model **out, const char *path, const lathe_model_options *options, lt_error *err)
{
    *out = NULL;
    lt_api_model *model = calloc(1, sizeof *model);
    if (!model)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    model->compute = lt_api_compute(options->compute);
    model->max_memory_bytes = options->max_memory;
    model->adapter_path = options->adapter ? strdup(options->adapter) : NULL;
    lt_peft_view view = {.temporary = false}; /* what is not PEFT's becomes it, for as long as it is read */
    const char *adapter = options->adapter ? view.path : NULL;
    bool ok = (!options->adapter || lt_api_peft_view_open(&view, options->adapter, path, err)) && open_base(model, path, adapter, err) &&
              (!adapter || lt_used_adapter_open(&model->adapter, model->base, adapter, err)) &&
              lt_api_text_open(&model->text, path, options->chat_template, err) && list_stop_ids(model, err);
    lt_api_peft_view_close(&view);
    if (!ok) {
        lt_api_model_close(model);
        return false;
    }
    *out = model;
    return true;
}

void lt_api_model_close(lt_api_model *model)
{
    if (!model)
        return;
    free(model->adapter_path);
    lt_ids_free(&model->stop_ids);
    lt_api_text_close(model->text);
    if (model->adapter)
        lt_used_adapter_close(model->adapter);
    if (model->base)
        lt_model_close(model->base);
    free(model);
}

/* ---- the public handle ---- */

struct lathe_model {
    lt_api_model *inner;
    lathe_tokenizer tokenizer;
};

bool lathe_model_open(lathe_model **out, const char *path, const lathe_model_options *options, lathe_error *err)
{
    static const lathe_model_options defaults;
    lt_error error;
    *out = NULL;
    lathe_model *model = calloc(1, sizeof *model);
    if (!model)
        return lt_api_fail(err, LT_ERR_MEMORY, "out of memory");
    if (!lt_api_model_open(&model->inner, path, options ? options : &defaults, &error)) {
        free(model);
        return lt_api_error(err, &error);
    }
    model->tokenizer.inner = model->inner->text->tokenizer;
    *out = model;
    return true;
}

void lathe_model_close(lathe_model *model)
{
    if (!model)
        return;
    lt_api_model_close(model->inner);
    free(model);
}

const lathe_tokenizer *lathe_model_tokenizer(const lathe_model *model)
{
    return model->tokenizer.inner ? &model->tokenizer : NULL;
}

lt_api_model *lt_api_model_of(lathe_model *model)
{
    return model->inner;
}
