/* How a model is made trainable: all of it, or through an adapter. One row of a table per method; the run asks for
 * attaching, filling and saving and knows nothing else about methods. */
#ifndef LT_TRAIN_TUNING_H
#define LT_TRAIN_TUNING_H

#include "nn/model.h"
#include "train/trainer.h"

typedef struct lt_tuning lt_tuning;

/* Attaches what options ask for and registers the trained tensors in params. */
bool lt_tuning_open(lt_tuning **tuning, lt_model *model, const lt_train_options *options, lt_param_list *params, lt_error *err);

/* After lt_param_list_layout and the plan: first values, from the adapter that options name, from the base, or drawn from
 * the seed. */
bool lt_tuning_fill(lt_tuning *tuning, lt_param_list *params, lt_error *err);

/* The same from a checkpoint of this run. */
bool lt_tuning_resume(lt_tuning *tuning, lt_param_list *params, const char *folder, lt_error *err);

/* The files that lt_tuning_save writes into a folder. NULL-terminated. */
const char *const *lt_tuning_files(const lt_tuning *tuning);

/* Writes them. dtype: of the tensors, F32 in checkpoints. */
bool lt_tuning_save(const lt_tuning *tuning, const lt_param_list *params, lt_dtype dtype, const char *folder, lt_error *err);

/* What a finished run has besides (the tokenizer of a fully trained model). */
bool lt_tuning_save_companions(const lt_tuning *tuning, const char *folder, lt_error *err);

const char *lt_tuning_name(const lt_tuning *tuning); /* as --method calls it: "lora", "prefix-tuning", "full" */

/* Probability with which the method drops elements while it trains: resuming with another one changes the numbers. */
double lt_tuning_dropout(const lt_tuning *tuning);

/* The model without its adapter (or with it again): the reference of policy gradients. False: there is none to take off. */
bool lt_tuning_enable(lt_tuning *tuning, bool enabled);

void lt_tuning_close(lt_tuning *tuning); /* NULL is fine */

#endif
