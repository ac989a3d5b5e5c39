/* Trained tensors to and from safetensors files, under the names of the list. */
#ifndef LT_TRAIN_PARAMS_IO_H
#define LT_TRAIN_PARAMS_IO_H

#include "adapt/param.h"
#include "core/dtype.h"
#include "core/error.h"

typedef enum lt_params_part { LT_PARAMS_VALUES, LT_PARAMS_GRADIENTS } lt_params_part;

/* Writes every tensor as dtype (F32, F16, BF16), with the metadata {"format": "pt"} that transformers and PEFT expect. The
 * file appears under its name only when it is complete. */
bool lt_params_save(const lt_param_list *params, lt_params_part part, lt_dtype dtype, const char *path, lt_error *err);

/* Fills every tensor's value from the file. A missing tensor, another shape or a value that is not finite is an error;
 * tensors of the file that nothing asks for are left alone with a warning. */
bool lt_params_load(lt_param_list *params, const char *path, lt_error *err);

#endif
