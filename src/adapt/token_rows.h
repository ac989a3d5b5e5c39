/* Single rows of the embedding that are trained beside a LoRA (trainable_token_indices): E[id] is replaced by a row of its own, which
 * begins as E[id]. Where the head is the same matrix, it scores these tokens with the same rows: logit[id] = x · row. */
#ifndef LT_ADAPT_TOKEN_ROWS_H
#define LT_ADAPT_TOKEN_ROWS_H

#include "formats/peft.h"
#include "nn/model.h"

typedef struct lt_token_rows lt_token_rows;

/* *tokens is NULL when the configuration names none. Comes after the layers' hooks: an embedding or tied head that has one already, an id
 * that the vocabulary lacks or that is there twice, and rows of any other module are errors. config is borrowed. */
bool lt_token_rows_attach(lt_token_rows **tokens, lt_model *model, const lt_peft_config *config, lt_param_list *params, lt_error *err);

/* All of these do nothing for NULL. */
void lt_token_rows_bind(lt_token_rows *tokens, const lt_param_list *params);
bool lt_token_rows_init(lt_token_rows *tokens, lt_error *err); /* reads the base's rows */
void lt_token_rows_enable(lt_token_rows *tokens, bool enabled);
void lt_token_rows_detach(lt_token_rows *tokens);

#endif
