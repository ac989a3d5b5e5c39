/* Full training: every tensor of the model, in f32; the result is a Hugging Face folder. */
#include <stdlib.h>

#include "core/file.h"
#include "formats/json.h"
#include "models/companions.h"
#include "models/gguf.h"
#include "train/params_io.h"
#include "train/run_folder.h"
#include "train/tuning_method.h"

static const char *const full_files[] = {"model.safetensors", "config.json", NULL};

static bool full_attach(lt_tuning *tuning, lt_param_list *params, lt_error *err)
{
    if (tuning->options->adapter)
        return lt_error_set(err, LT_ERR_USAGE, "adapter: full training starts from a model, not from an adapter; merge them");
    if (tuning->model->config.experts)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "full training of %s: routers and experts are frozen; train an adapter (--method lora)",
                            tuning->model->config.model_type);
    if (tuning->options->loraplus_lr_ratio > 0)
        return lt_error_set(err, LT_ERR_USAGE, "loraplus_lr_ratio: full training has no matrices A and B");
    const lt_linear *quantised = lt_model_quantised(tuning->model);
    if (quantised)
        return lt_error_set(err, LT_ERR_UNSUPPORTED,
                            "%s: full training needs plain weights, but '%s' is stored as %s; train an adapter (--method lora), or start "
                            "from the model that was quantised",
                            tuning->model->path, quantised->module, lt_dtype_get(quantised->weight.matrix.dtype)->name);
    lt_model_train_tensors(tuning->model, params, "", NULL, NULL);
    tuning->files = full_files;
    return true;
}

static bool full_fill(lt_tuning *tuning, lt_param_list *params, lt_error *err)
{
    return lt_model_trained_load(tuning->model, params, err);
}

static bool full_resume(lt_tuning *tuning, lt_param_list *params, const char *folder, lt_error *err)
{
    char path[4096];
    (void)tuning;
    return lt_file_join(path, sizeof path, folder, full_files[0], err) && lt_params_load(params, path, err);
}

/* What makes transformers see a classifier: its class, names of its labels, and the token that its head passes over. */
static void describe_classifier(const lt_tuning *tuning, json_t *config)
{
    const lt_config *c = &tuning->model->config;
    const lt_train_options *o = tuning->options;
    if (c->labels == 0)
        return;
    json_object_set_new(config, "architectures", json_pack("[s]", c->architecture));
    if (o->companion)
        json_object_update(config, o->companion);
    if (!json_is_integer(json_object_get(config, "pad_token_id")) && o->pad_id >= 0)
        json_object_set_new(config, "pad_token_id", json_integer(o->pad_id));
}

static json_t *gguf_config(const char *path, lt_error *err)
{
    lt_gguf *file;
    if (!lt_gguf_open(&file, path, err))
        return NULL;
    json_t *config = lt_gguf_config_json(file, err);
    lt_gguf_close(file);
    return config;
}

/* config.json of the base with the type that the tensors have now, or a reader would round them to the old one. */
static bool write_config(const lt_tuning *tuning, lt_dtype dtype, const char *folder, lt_error *err)
{
    static const char *const keys[] = {"dtype", "torch_dtype"};
    const char *name = dtype == LT_DTYPE_F32 ? "float32" : dtype == LT_DTYPE_F16 ? "float16" : "bfloat16";
    char path[4096];
    if (!lt_file_join(path, sizeof path, tuning->options->model, "config.json", err))
        return false;
    json_t *config = lt_gguf_is(tuning->options->model) ? gguf_config(tuning->options->model, err)
                                                        : lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
    if (!config)
        return false;
    bool known = false;
    for (int i = 0; i < 2; i++)
        if (json_object_get(config, keys[i])) {
            json_object_set_new(config, keys[i], json_string(name));
            known = true;
        }
    if (!known)
        json_object_set_new(config, "torch_dtype", json_string(name));
    describe_classifier(tuning, config);
    bool ok = lt_run_folder_write_json(folder, "config.json", config, err);
    json_decref(config);
    return ok;
}

static bool full_save(const lt_tuning *tuning, const lt_param_list *params, lt_dtype dtype, const char *folder, lt_error *err)
{
    char path[4096];
    return lt_file_join(path, sizeof path, folder, "model.safetensors", err) &&
           lt_params_save(params, LT_PARAMS_VALUES, dtype, path, err) && write_config(tuning, dtype, folder, err);
}

/* The rest of a Hugging Face folder, as far as the base has it. */
static bool full_companions(const lt_tuning *tuning, const char *folder, lt_error *err)
{
    return lt_companions_copy(tuning->options->model, folder, err);
}

const lt_tuning_method lt_tuning_full = {
    .attach = full_attach,
    .fill = full_fill,
    .resume = full_resume,
    .save = full_save,
    .companions = full_companions,
};
