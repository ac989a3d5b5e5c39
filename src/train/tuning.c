#include "train/tuning.h"

#include <stdlib.h>

#include "adapt/adapter.h"
#include "train/tuning_method.h"

static const lt_tuning_method *const methods[] = {
    [LT_METHOD_LORA] = &lt_tuning_adapter,
    [LT_METHOD_FULL] = &lt_tuning_full,
};

bool lt_tuning_open(lt_tuning **out, lt_model *model, const lt_train_options *options, lt_param_list *params, lt_error *err)
{
    lt_tuning *tuning = calloc(1, sizeof *tuning);
    if (!tuning)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    tuning->method = methods[options->method];
    tuning->options = options;
    tuning->model = model;
    lt_peft_config_init(&tuning->own, LT_PEFT_LORA);
    if (!tuning->method->attach(tuning, params, err)) {
        lt_tuning_close(tuning);
        return false;
    }
    *out = tuning;
    return true;
}

bool lt_tuning_fill(lt_tuning *tuning, lt_param_list *params, lt_error *err)
{
    return tuning->method->fill(tuning, params, err);
}

const char *const *lt_tuning_files(const lt_tuning *tuning) { return tuning->files; }

bool lt_tuning_resume(lt_tuning *tuning, lt_param_list *params, const char *folder, lt_error *err)
{
    return tuning->method->resume(tuning, params, folder, err);
}

bool lt_tuning_save(const lt_tuning *tuning, const lt_param_list *params, lt_dtype dtype, const char *folder, lt_error *err)
{
    return tuning->method->save(tuning, params, dtype, folder, err);
}

bool lt_tuning_save_companions(const lt_tuning *tuning, const char *folder, lt_error *err)
{
    return !tuning->method->companions || tuning->method->companions(tuning, folder, err);
}

const char *lt_tuning_name(const lt_tuning *tuning)
{
    static const char *const names[LT_PEFT_TYPES] = {
        [LT_PEFT_LORA] = "lora",         [LT_PEFT_IA3] = "ia3",
        [LT_PEFT_PROMPT_TUNING] = "prompt-tuning", [LT_PEFT_P_TUNING] = "p-tuning",
        [LT_PEFT_PREFIX_TUNING] = "prefix-tuning",
    };
    if (!tuning->peft)
        return "full";
    return tuning->peft->type == LT_PEFT_LORA && tuning->peft->lora.use_dora ? "dora" : names[tuning->peft->type];
}

double lt_tuning_dropout(const lt_tuning *tuning)
{
    if (!tuning->peft)
        return 0;
    return tuning->peft->type == LT_PEFT_LORA ? tuning->peft->lora.dropout : tuning->peft->prompt.encoder_dropout;
}

bool lt_tuning_enable(lt_tuning *tuning, bool enabled)
{
    if (tuning->adapter)
        lt_adapter_enable(tuning->adapter, enabled);
    return tuning->adapter != NULL;
}

void lt_tuning_close(lt_tuning *tuning)
{
    if (!tuning)
        return;
    if (tuning->method->detach)
        tuning->method->detach(tuning);
    lt_peft_config_free(&tuning->own);
    free(tuning);
}
