/* An adapter on a model: what every method has in common, whatever it trains. A method is one row of the registry in adapter.c. */
#ifndef LT_ADAPT_ADAPTER_H
#define LT_ADAPT_ADAPTER_H

#include "formats/peft.h"
#include "nn/model.h"

typedef struct lt_adapter lt_adapter;

/* What a method does. */
typedef struct lt_adapter_method {
    lt_peft_type type;
    unsigned can; /* LT_PEFT_CAN_…: options of its configuration that it honours */
    /* Hooks itself into the model and registers its tensors under PEFT's names. */
    bool (*attach)(void **state, lt_model *model, const lt_peft_config *config, lt_param_list *params, lt_error *err);
    /* Points its hooks at the tensors' memory. */
    void (*bind)(void *state, lt_param_list *params);
    /* Fills freshly made tensors. */
    bool (*init)(void *state, lt_param_list *params, uint64_t seed, lt_error *err);
    /* Does folder/adapter_model.safetensors hold other tensors than those that are trained? Then the three below speak of them.
     * NULL: never. */
    bool (*exports)(const void *state);
    /* A list whose values are up to date and stay the method's. */
    bool (*exported)(void *state, const lt_param_list *params, const lt_param_list **list, lt_error *err);
    /* What the file's configuration says instead, in a shallow copy of it; NULL: the same. */
    bool (*export_config)(void *state, lt_peft_config *config, lt_error *err);
    bool (*load)(void *state, lt_param_list *params, const char *folder, lt_error *err);
    /* The trained tensors have a file of their own beside the exported ones (LT_ADAPTER_ENCODER_FILE). NULL: never. */
    bool (*has_encoder)(const void *state);
    void (*enable)(void *state, bool enabled);
    void (*detach)(void *state);
} lt_adapter_method;

/* The options of a configuration of this type that can be honoured, for lt_peft_config_read. */
unsigned lt_adapter_can(lt_peft_type type);

/* Attaches a new adapter and registers in `params` what it trains, modules_to_save included. config (completed) is borrowed for the
 * adapter's life; with inference_mode nothing is trained, so that an encoder's output will do. One that matches nothing is an error that lists what there is. */
bool lt_adapter_attach(lt_adapter **adapter, lt_model *model, const lt_peft_config *config, lt_param_list *params, lt_error *err);

/* Fills what PEFT works out from the model when an adapter is made: sizes of virtual tokens. Nothing is allocated. */
void lt_adapter_complete(lt_peft_config *config, const lt_model *model);

/* After lt_param_list_layout: binds the hooks and fills the tensors, from `seed` and (modules_to_save) from the base. */
bool lt_adapter_init(lt_adapter *adapter, lt_param_list *params, uint64_t seed, lt_error *err);

/* Then, to start from an existing one: values from folder/adapter_model.safetensors. Every tensor must be there with its
 * shape; the base's own weights that PEFT stores beside an adapted embedding are passed over. */
bool lt_adapter_load(lt_adapter *adapter, lt_param_list *params, const char *folder, lt_error *err);

/* What PEFT puts before the names of modules_to_save beside virtual tokens: there the model is not wrapped once more. */
#define LT_ADAPTER_PROMPT_PREFIX "base_model."

/* Trained tensors whose output alone is in PEFT's file: the encoder of P-tuning and of a projected prefix. */
#define LT_ADAPTER_ENCODER_FILE "prompt_encoder.safetensors"
bool lt_adapter_has_encoder(const lt_adapter *adapter);

/* The tensors of adapter_model.safetensors under PEFT's names: `params`, or what the method makes of them, with values as they
 * are now. Borrowed, until the next call. */
bool lt_adapter_exported(lt_adapter *adapter, const lt_param_list *params, const lt_param_list **list, lt_error *err);

/* Changes a shallow copy of the configuration to what belongs beside them; what it points at stays the adapter's. */
bool lt_adapter_export_config(lt_adapter *adapter, lt_peft_config *config, lt_error *err);

/* For methods: the tensor called as `param` is, into param->value. Shape, type and values are checked. */
bool lt_adapter_load_tensor(lt_safetensors *set, const lt_param *param, const char *folder, lt_error *err);

/* Off: the model is its base. Modules in modules_to_save stay. */
void lt_adapter_enable(lt_adapter *adapter, bool enabled);
void lt_adapter_close(lt_adapter *adapter); /* detaches; NULL is fine */

/* For using an adapter without training it: configuration, tensors and hooks in one, from a PEFT folder. Adds to the model; close it
 * before the model. */
typedef struct lt_used_adapter lt_used_adapter;
bool lt_used_adapter_open(lt_used_adapter **used, lt_model *model, const char *folder, lt_error *err);
void lt_used_adapter_close(lt_used_adapter *used);

#endif
