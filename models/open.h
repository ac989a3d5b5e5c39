/* From a path to a model that runs. */
#ifndef LT_MODELS_OPEN_H
#define LT_MODELS_OPEN_H

#include "nn/model.h"

/* A Hugging Face folder (config.json and safetensors) or a GGUF file. The error names what is missing or wrong. Free with lt_model_close. */
bool lt_model_open(lt_model **model, const char *path, lt_error *err);

/* The same as a classifier with so many labels: its own head where it has one of that many, otherwise a new one drawn from seed. */
bool lt_model_open_classifier(lt_model **model, const char *path, int64_t labels, uint64_t seed, lt_error *err);

#endif
