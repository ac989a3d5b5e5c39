/* What a method of tuning consists of. Internal: one file per method has one lt_tuning_method, and tuning.c a row for it. */
#ifndef LT_TRAIN_TUNING_METHOD_H
#define LT_TRAIN_TUNING_METHOD_H

#include "formats/peft.h"
#include "train/tuning.h"

typedef struct lt_tuning_method {
    bool (*attach)(lt_tuning *tuning, lt_param_list *params, lt_error *err);
    bool (*fill)(lt_tuning *tuning, lt_param_list *params, lt_error *err);
    /* First values again, from a checkpoint of this run. */
    bool (*resume)(lt_tuning *tuning, lt_param_list *params, const char *folder, lt_error *err);
    bool (*save)(const lt_tuning *tuning, const lt_param_list *params, lt_dtype dtype, const char *folder, lt_error *err);
    bool (*companions)(const lt_tuning *tuning, const char *folder, lt_error *err); /* or NULL */
    void (*detach)(lt_tuning *tuning);                                              /* or NULL */
} lt_tuning_method;

struct lt_tuning {
    const lt_tuning_method *method;
    const lt_train_options *options;
    lt_model *model;
    void *adapter;              /* the method's own */
    const char *const *files;   /* of a checkpoint, NULL-terminated; set by attach */
    lt_peft_config own;         /* read from options->adapter */
    lt_peft_config completed;   /* own or options->peft with what the model says; borrows from them */
    const lt_peft_config *peft; /* completed; NULL in full training */
};

extern const lt_tuning_method lt_tuning_full;    /* tuning_full.c */
extern const lt_tuning_method lt_tuning_adapter; /* tuning_adapter.c */

#endif
