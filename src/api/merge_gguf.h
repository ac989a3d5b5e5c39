/* Metadata of a GGUF file from a model in a folder. */
#ifndef LT_API_MERGE_GGUF_H
#define LT_API_MERGE_GGUF_H

#include "formats/gguf_write.h"
#include "nn/config.h"

/* All of a GGUF file's entries but those that say how it is stored or split. */
void lt_gguf_metadata_copy(lt_gguf_metadata *metadata, const lt_gguf *from);

/* Architecture, sizes and, where folder has a tokenizer.json, vocabulary and chat template. LT_ERR_UNSUPPORTED when there is no
 * architecture, or no way to say something, in GGUF. */
bool lt_gguf_metadata_of_folder(lt_gguf_metadata *metadata, const char *folder, const lt_config *config, lt_error *err);

/* Reads the configuration of a written file back: LT_ERR_UNSUPPORTED names what it does not say as the model had it. */
bool lt_gguf_check_written(const char *path, const lt_config *was, lt_error *err);

/* rope_freqs.weight of a model whose rope is Llama 3.1's: what each frequency is divided by. NULL without error for others. *out is
 * malloc'ed. */
bool lt_gguf_rope_freqs(const lt_config *config, float **out, int64_t *count, lt_error *err);

#endif
