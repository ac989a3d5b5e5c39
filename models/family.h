/* Model families as data. A family is one table in a file of its own (models/llama.c, …) and one line in the registry of
 * models/family.c; one reader turns config.json and the table into an lt_config. */
#ifndef LT_MODELS_FAMILY_H
#define LT_MODELS_FAMILY_H

#include <jansson.h>

#include "core/error.h"
#include "nn/config.h"

/* Reads folder/config.json, or the metadata of a GGUF file. LT_ERR_UNSUPPORTED for an unknown model_type or mechanism (unknown rope type, activation …):
 * the message names the nearest family that is known. Every size is checked (positive, products fit, H a multiple of K). */
bool lt_family_load(const char *folder, lt_config *config, lt_error *err);

/* The same from a parsed config.json; `source` names it in errors. */
bool lt_family_read(const json_t *root, const char *source, lt_config *config, lt_error *err);

/* The same from the text of a config.json; `source` names it in errors. */
bool lt_family_parse(const char *text, const char *source, lt_config *config, lt_error *err);

/* Makes a language model's configuration that of a classifier with so many labels its head drawn from seed; of a
 * classifier with as many labels nothing is changed, with another number its head is new. architecture becomes transformers' name. */
bool lt_family_as_classifier(lt_config *config, int64_t labels, uint64_t seed, lt_error *err);

#endif
