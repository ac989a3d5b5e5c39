/* LoRA on the embedding: x = E[id] + s · B A[:, id], A (R,V), B (C,R), as PEFT's lora_embedding_A and _B. */
#ifndef LT_ADAPT_LORA_EMBEDDING_H
#define LT_ADAPT_LORA_EMBEDDING_H

#include "nn/embed.h"

typedef struct lt_lora_embedding {
    lt_embed_hook hook; /* first: the engine holds a pointer to it */
    int64_t R, V;
    float scale;
    float *a, *da; /* (R,V) f32 */
    float *b, *db; /* (C,R) f32 */
} lt_lora_embedding;

void lt_lora_embedding_init(lt_lora_embedding *lora, int64_t R, int64_t V, float scale);

#endif
