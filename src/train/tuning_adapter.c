/* LoRA and its kin: an adapter as PEFT keeps it. */
#include <string.h>

#include "adapt/adapter.h"
#include "core/file.h"
#include "train/params_io.h"
#include "train/tuning_method.h"

static bool lora_attach(lt_tuning *tuning, lt_param_list *params, lt_error *err)
{
    const lt_train_options *o = tuning->options;
    if (o->adapter && !lt_peft_config_read(&tuning->own, o->adapter, lt_adapter_can(LT_PEFT_LORA), err))
        return false;
    tuning->peft = o->adapter ? &tuning->own : o->peft;
    return lt_adapter_attach((lt_adapter **)&tuning->adapter, tuning->model, tuning->peft, params, err);
}

static bool lora_fill(lt_tuning *tuning, lt_param_list *params, lt_error *err)
{
    const lt_train_options *o = tuning->options;
    return lt_adapter_init(tuning->adapter, params, o->seed, err) &&
           (!o->adapter || lt_adapter_load(tuning->adapter, params, o->adapter, err));
}

static bool lora_save(const lt_tuning *tuning, const lt_param_list *params, lt_dtype dtype, const char *folder, lt_error *err)
{
    char path[4096];
    lt_peft_config config = *tuning->peft; /* a shallow copy: nothing of it is freed */
    (void)dtype;                           /* PEFT keeps adapters in f32 */
    config.inference_mode = true;
    config.lora.fan_in_fan_out = tuning->model->config.conv1d; /* what PEFT itself corrects it to */
    config.base_model = (char *)tuning->options->model;
    if (tuning->model->config.bidirectional && config.task_type && !strcmp(config.task_type, "CAUSAL_LM"))
        config.task_type = NULL; /* PEFT has no task of this kind for masked language models */
    if (!config.task_type && !tuning->model->config.bidirectional)
        config.task_type = "CAUSAL_LM";
    return lt_file_join(path, sizeof path, folder, "adapter_model.safetensors", err) &&
           lt_params_save(params, LT_PARAMS_VALUES, LT_DTYPE_F32, path, err) && lt_peft_config_write(&config, folder, err);
}

static void lora_detach(lt_tuning *tuning)
{
    lt_adapter_close(tuning->adapter);
}

const lt_tuning_method lt_tuning_lora = {
    .name = "lora",
    .files = {"adapter_model.safetensors", "adapter_config.json"},
    .attach = lora_attach,
    .fill = lora_fill,
    .save = lora_save,
    .detach = lora_detach,
};
