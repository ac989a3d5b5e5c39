/* What makes a model usable beside its weights and its configuration: tokenizer, chat template, generation settings. */
#ifndef LT_MODELS_COMPANIONS_H
#define LT_MODELS_COMPANIONS_H

#include <stdbool.h>

#include "core/error.h"

/* Copies those that lie in source_folder into folder. */
bool lt_companions_copy(const char *source_folder, const char *folder, lt_error *err);

#endif
