/* Files of rows as examples: data set, tokenizer and chat template opened together, closed together. */
#ifndef LT_API_DATA_H
#define LT_API_DATA_H

#include "core/error.h"
#include "lathe.h"
#include "text/examples_shape.h"
#include "train/masking.h"

/* A model's tokenizer and template; both are NULL when the folder has none (rows of token ids need none). Shared by the
 * data sets that are read with it: the last one that closes frees it. */
typedef struct lt_api_text {
    lt_tokenizer *tokenizer;
    lt_chat *chat;
    int users;
} lt_api_text;

/* model: a folder. chat_template: the user's choice, or NULL for the model's own. *text has one user, the caller. */
bool lt_api_text_open(lt_api_text **text, const char *model, const char *chat_template, lt_error *err);
void lt_api_text_close(lt_api_text *text); /* one user less; NULL is fine */

/* The tokenizer alone; NULL when the model has none. */
bool lt_api_tokenizer_open(lt_tokenizer **tokenizer, const char *model, lt_error *err);

/* Devlin et al. 2019, and transformers' collator. */
#define LT_API_MLM_PROBABILITY 0.15

/* How rows of an encoder are masked; probability 0 where the tokenizer has no mask token. */
lt_masking lt_api_masking(const lt_api_text *text, double probability);

typedef struct lt_api_data {
    lt_api_text *text;
    lt_dataset *dataset;
    lt_examples *examples;
    lt_examples_shape *shape; /* NULL: rows of language */
    lt_row_source rows; /* of the examples */
    uint8_t *special;   /* of the present row, where the tokenizer has a mask token */
    int64_t special_room;
} lt_api_data;

typedef struct lt_api_data_options {
    lathe_strings files;
    lathe_fields fields;
    int64_t max_length;    /* 0: no limit */
    bool split;            /* long rows of plain text become several */
    bool train_everything; /* no mask */
    bool any_kind;         /* the first row decides what the rows are (for looking at them, not for training) */
    const lt_examples_shape_options *shape; /* NULL: rows of language; what it points to is borrowed until the data is closed */
} lt_api_data_options;

bool lt_api_data_open(lt_api_data **data, lt_api_text *text, const lt_api_data_options *options, lt_error *err);
void lt_api_data_close(lt_api_data *data); /* NULL is fine */

/* The examples as rows of a run; source->close warns of what was odd about them and closes `data`. */
void lt_api_data_source(lt_api_data *data, lt_row_source *source);

#endif
