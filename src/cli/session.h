/* A model in use, as the options of generate, chat and eval say. */
#ifndef LT_CLI_SESSION_H
#define LT_CLI_SESSION_H

#include "api/model.h"
#include "cli/options.h"
#include "nn/decode.h"

/* What --model, --adapter, --chat-template, --compute, --max-memory and --threads say. Close with lt_api_model_close. */
bool lt_session_open(lt_api_model **model, const lt_options *options, lt_error *err);

/* A decoder for `capacity` tokens, and a weight window that keeps both within --max-memory (or within what is free).
 * LT_ERR_MEMORY names the least that would do. */
bool lt_session_decoder(const lt_api_model *model, int64_t capacity, lt_decoder **decoder, lt_error *err);

/* How to sample; stop strings are borrowed from options. */
lt_generate_options lt_session_sampling(const lt_api_model *model, const lt_options *options);

#endif
