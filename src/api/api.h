/* What the parts of the public API share with each other and with the command line. */
#ifndef LT_API_API_H
#define LT_API_API_H

#include <jansson.h>

#include "core/error.h"
#include "lathe.h"
#include "text/tokenizer.h"
#include "train/plan.h"

/* The public tokenizer: a view that its maker owns, or that lathe_tokenizer_close frees. */
struct lathe_tokenizer {
    lt_tokenizer *inner;
};

/* Fills err (may be NULL) and returns false. */
bool lt_api_fail(lathe_error *err, lt_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Hands an error of the library to a caller of the API. Returns false. */
bool lt_api_error(lathe_error *err, const lt_error *from);

/* Replaces what is to be chosen ("auto", NAN) by the choice, so that a recipe says what was really done. */
bool lt_api_train_resolve(lathe_train_options *options, lt_error *err);

/* The arithmetic that a lathe_compute means on this machine. */
lt_compute lt_api_compute(int compute);

/* lathe_train with the recipe that is to stand in the run folder (may be NULL; borrowed). */
bool lt_api_train(const lathe_train_options *options, json_t *recipe, lathe_train_result *result, lt_error *err);

/* The trainer's options alone, without data and objective, for a command with a loop of its own; `options` and `adapter` (filled
 * here, freed with lt_api_adapter_free also after a failure) must outlive *to. */
struct lt_train_options;
struct lt_api_adapter;
bool lt_api_train_options(const lathe_train_options *options, struct lt_api_adapter *adapter, struct lt_train_options *to, lt_error *err);

/* The plan of that run; nothing is written. */
bool lt_api_train_plan(const lathe_train_options *options, lt_plan *plan, lt_error *err);

#endif
