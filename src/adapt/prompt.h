/* Prompt tuning, P-tuning and prefix tuning as adapters: virtual tokens (nn/virtual.h), what they are made from, and PEFT's file,
 * which holds one tensor, "prompt_embeddings" (P, width). */
#ifndef LT_ADAPT_PROMPT_H
#define LT_ADAPT_PROMPT_H

#include "adapt/adapter.h"

extern const lt_adapter_method lt_adapter_prompt_tuning, lt_adapter_p_tuning, lt_adapter_prefix_tuning;

#endif
