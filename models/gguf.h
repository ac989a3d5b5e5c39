/* A model in a GGUF file, as the Hugging Face folder it was made from: its metadata as a config.json, its tensors under the
 * names of the family. What belongs to an architecture is one row of the table in gguf_config.c. */
#ifndef LT_MODELS_GGUF_H
#define LT_MODELS_GGUF_H

#include <jansson.h>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "nn/config.h"

typedef struct lt_gguf_family {
    const char *architecture; /* general.architecture */
    const char *model_type;   /* of the family in models/ */
    bool paired_rows;         /* q and k have the rows of each head in pairs, for a rope that turns neighbours */
    bool norms_plus_one;      /* norm weights have one added */
} lt_gguf_family;

/* The row of a file's architecture; NULL with LT_ERR_UNSUPPORTED, which names the known ones. */
const lt_gguf_family *lt_gguf_family_of(const lt_gguf *file, lt_error *err);

/* The row of a family by its model_type; NULL when GGUF has no such architecture that lathe knows. `file`s of several architectures
 * may have one family: the first is what is written. */
const lt_gguf_family *lt_gguf_family_named(const char *model_type);

/* The config.json that the file amounts to, in the words of the family. New reference, or NULL with *err set. */
json_t *lt_gguf_config_json(const lt_gguf *file, lt_error *err);

/* The configuration. models/family.h's lt_family_load calls this for a path that is a GGUF file. */
bool lt_gguf_config_load(const lt_gguf *file, lt_config *config, lt_error *err);

/* All tensors under the names that `config` gives them, over all files of a model that is split. A tensor that the
 * configuration has no place for is an error. */
bool lt_gguf_tensors_open(const lt_gguf *file, const lt_config *config, lt_safetensors **set, lt_error *err);

/* All tensors of one file under their own names, whatever it holds; for looking. LT_ERR_UNSUPPORTED for a type that lathe does not
 * compute with. */
bool lt_gguf_tensors_raw(const lt_gguf *file, lt_safetensors **set, lt_error *err);

/* Does the model, in one file or several, have a tensor of this name (GGUF's)? */
bool lt_gguf_parts_have(const lt_gguf *file, const char *name, bool *has, lt_error *err);

/* The name of a tensor of the inventory (nn/config_tensors.h) in GGUF: "blk.3.attn_q.weight". False: it has none. The experts of a
 * layer share one tensor, (experts, rows, columns), and so its name. */
struct lt_config_tensor;
bool lt_gguf_tensor_name(const struct lt_config_tensor *tensor, const lt_config *config, char out[LT_NAME_MAX]);

/* The same for a module by its place in the model: "blk.3.attn_q" for a slot, "token_embd", "output". NULL: none. */
const char *lt_gguf_linear_name(lt_linear_slot slot);
const char *lt_gguf_norm_name(lt_norm_slot slot);

#endif
