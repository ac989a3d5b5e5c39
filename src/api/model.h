/* A model that is used rather than trained: base, adapter, tokenizer and template opened together. */
#ifndef LT_API_MODEL_H
#define LT_API_MODEL_H

#include "adapt/adapter.h"
#include "api/data.h"
#include "nn/model.h"
#include "text/generate.h"
#include "train/evaluate.h"

typedef struct lt_api_model {
    lt_model *base;
    lt_used_adapter *adapter; /* NULL: the base alone */
    char *adapter_path; /* of the adapter, or NULL */
    lt_api_text *text;
    lt_compute compute;
    int64_t max_memory_bytes; /* 0: no limit but what is available */
    lt_ids stop_ids;          /* the tokens that end an answer: the model's and the tokenizer's */
} lt_api_model;

/* adapter and chat_template may be NULL. */
bool lt_api_model_open(lt_api_model **model, const char *path, const lathe_model_options *options, lt_error *err);
void lt_api_model_close(lt_api_model *model); /* NULL is fine */

/* What is inside the public handle. */
lt_api_model *lt_api_model_of(lathe_model *model);

/* Continues prompt (at least one id). */
bool lt_api_generate(lt_api_model *model, const int32_t *prompt, size_t count, const lathe_generate_options *options,
                     lt_generated *out, lt_error *err);

/* The ids that ask for an answer to a conversation: rendered with the generation prompt. */
bool lt_api_render(const lt_api_model *model, const json_t *messages, const json_t *tools, lt_ids *ids, lt_error *err);

/* An engine for forward passes with room for the longest row, within the memory limit; *pass_tokens pass at once. */
bool lt_api_engine_open(lt_api_model *model, const lt_token_totals *totals, lt_engine **engine, int64_t *pass_tokens, lt_error *err);

/* The rows as tokens, and an engine with room for pass_tokens of them; the caller closes both. */
bool lt_api_evaluation_open(lt_api_model *model, const lathe_evaluate_options *options, lt_token_store **store,
                            lt_engine **engine, int64_t *pass_tokens, lt_error *err);

/* The loss over files of rows, each row for itself. */
bool lt_api_evaluate(lt_api_model *model, const lathe_evaluate_options *options, lathe_evaluation *out, lt_error *err);

#endif
