/* The configuration of a new adapter, from the public options. */
#ifndef LT_API_ADAPTER_H
#define LT_API_ADAPTER_H

#include "formats/peft.h"
#include "lathe.h"

typedef struct lt_api_adapter {
    lt_peft_config peft;
    int32_t *init_ids; /* prompt_tuning_init_text as tokens */
} lt_api_adapter;

/* From options->method and what belongs to it. scores: the model gets a score head, which is trained and saved beside the
 * adapter. Free it in any case. */
bool lt_api_adapter_make(lt_api_adapter *adapter, const lathe_train_options *options, bool scores, lt_error *err);
void lt_api_adapter_free(lt_api_adapter *adapter);

/* Virtual tokens that this method puts before every row; 0: none. */
int64_t lt_api_adapter_virtual_tokens(const lathe_train_options *options);

#endif
