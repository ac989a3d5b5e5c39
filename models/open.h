/* From a path to a model that runs. */
#ifndef LT_MODELS_OPEN_H
#define LT_MODELS_OPEN_H

#include "nn/model.h"

/* A Hugging Face folder (config.json and safetensors) or a GGUF file. The error names what is missing or wrong. Free with lt_model_close. */
bool lt_model_open(lt_model **model, const char *path, lt_error *err);

#endif
