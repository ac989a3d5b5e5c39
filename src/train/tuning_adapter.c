/* Adapters as PEFT keeps them: LoRA and its kin, IA3, virtual tokens. */
#include <string.h>

#include "adapt/adapter.h"
#include "core/file.h"
#include "train/params_io.h"
#include "train/tuning_method.h"

static const char *const plain_files[] = {"adapter_model.safetensors", "adapter_config.json", NULL};
static const char *const encoder_files[] = {LT_ADAPTER_ENCODER_FILE, "adapter_model.safetensors", "adapter_config.json", NULL};

/* LoRA+ (Hayou et al. 2024, arXiv 2402.12354): B learns faster. As PEFT's create_loraplus_optimizer chooses: what is called lora_B,
 * and all vectors; adapted embeddings at a rate of their own. */
static void set_rates(lt_param_list *params, double ratio, double learning_rate)
{
    const double embedding_rate = 1e-6;
    for (int i = 0; ratio > 0 && i < params->count; i++) {
        lt_param *p = &params->items[i];
        if (strstr(p->name, "lora_embedding"))
            p->learning_rate_scale = learning_rate > 0 ? (float)(embedding_rate / learning_rate) : 1.0f;
        else if (strstr(p->name, "lora_B") || p->dims == 1)
            p->learning_rate_scale = (float)ratio;
    }
}

static bool adapter_attach(lt_tuning *tuning, lt_param_list *params, lt_error *err)
{
    const lt_train_options *o = tuning->options;
    if (o->adapter && !lt_peft_config_read(&tuning->own, o->adapter, lt_adapter_can(LT_PEFT_LORA), err))
        return false;
    tuning->completed = o->adapter ? tuning->own : *o->peft; /* a shallow copy: nothing of it is freed */
    tuning->completed.inference_mode = false;                /* encoders are trained, not only their output used */
    lt_adapter_complete(&tuning->completed, tuning->model);
    tuning->peft = &tuning->completed;
    if (!lt_adapter_attach((lt_adapter **)&tuning->adapter, tuning->model, tuning->peft, params, err))
        return false;
    if (o->loraplus_lr_ratio > 0 && tuning->peft->type != LT_PEFT_LORA)
        return lt_error_set(err, LT_ERR_USAGE, "loraplus_lr_ratio: the adapter has no matrices A and B");
    set_rates(params, o->loraplus_lr_ratio, o->learning_rate);
    tuning->files = lt_adapter_has_encoder(tuning->adapter) ? encoder_files : plain_files;
    return true;
}

static bool adapter_fill(lt_tuning *tuning, lt_param_list *params, lt_error *err)
{
    const lt_train_options *o = tuning->options;
    return lt_adapter_init(tuning->adapter, params, o->seed, err) &&
           (!o->adapter || lt_adapter_load(tuning->adapter, params, o->adapter, err));
}

static bool adapter_resume(lt_tuning *tuning, lt_param_list *params, const char *folder, lt_error *err)
{
    return lt_adapter_load(tuning->adapter, params, folder, err);
}

static bool save_tensors(const lt_param_list *params, const char *folder, const char *name, lt_error *err)
{
    char path[4096]; /* PEFT keeps adapters in f32 */
    return lt_file_join(path, sizeof path, folder, name, err) && lt_params_save(params, LT_PARAMS_VALUES, LT_DTYPE_F32, path, err);
}

static bool adapter_save(const lt_tuning *tuning, const lt_param_list *params, lt_dtype dtype, const char *folder, lt_error *err)
{
    lt_peft_config config = *tuning->peft; /* a shallow copy: nothing of it is freed */
    const lt_param_list *exported;
    (void)dtype;
    config.inference_mode = true;
    config.lora.fan_in_fan_out = tuning->model->config.conv1d; /* what PEFT itself corrects it to */
    config.base_model = (char *)tuning->options->model;
    if (tuning->model->config.bidirectional && config.task_type && !strcmp(config.task_type, "CAUSAL_LM"))
        config.task_type = NULL; /* PEFT has no task of this kind for masked language models */
    if (!config.task_type && !tuning->model->config.bidirectional)
        config.task_type = "CAUSAL_LM";
    return lt_adapter_export_config(tuning->adapter, &config, err) && lt_adapter_exported(tuning->adapter, params, &exported, err) &&
           save_tensors(exported, folder, "adapter_model.safetensors", err) &&
           (!lt_adapter_has_encoder(tuning->adapter) || save_tensors(params, folder, LT_ADAPTER_ENCODER_FILE, err)) &&
           lt_peft_config_write(&config, folder, err);
}

static void adapter_detach(lt_tuning *tuning)
{
    lt_adapter_close(tuning->adapter);
}

const lt_tuning_method lt_tuning_adapter = {
    .attach = adapter_attach,
    .fill = adapter_fill,
    .resume = adapter_resume,
    .save = adapter_save,
    .detach = adapter_detach,
};
