/* The inside of a tokenizer, shared by its own files. */
#ifndef LT_TEXT_TOKENIZER_INTERNAL_H
#define LT_TEXT_TOKENIZER_INTERNAL_H

#include <pthread.h>

#include "text/token_decoder.h"
#include "text/normalize.h"
#include "text/postprocess.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "text/tokenizer_added.h"
#include "text/tokenizer_gguf.h"
#include "text/token_model.h"

/* A special token by its name, "eos_token". */
typedef struct lt_named_token {
    char *name, *text;
} lt_named_token;

typedef struct lt_named_tokens {
    lt_named_token *data;
    size_t count, capacity;
} lt_named_tokens;

/* Everything that encoding writes to. One per encoding in progress. */
typedef struct lt_scratch {
    struct lt_scratch *next; /* in the pool */
    lt_ntext clean;          /* the input, when it was not UTF-8 */
    lt_stretches raw, normal;
    lt_normalize_scratch normalize;
    lt_pretokenize_scratch pretokenize;
    lt_token_model_scratch model;
    lt_tokens tokens; /* the result, before the frame */
    lt_spans spans;   /* of the tokens, when they are wanted */
} lt_scratch;

struct lt_tokenizer {
    lt_normalizer *normalizer;
    lt_pretokenizer *pretokenizer;
    lt_token_model *model;
    lt_added added;
    lt_frame frame;
    lt_pair_frame pair;
    lt_token_decoder *decoder;
    lt_named_tokens named;
    int32_t special_ids[LT_SPECIAL_COUNT];
    lt_ids stop_ids;
    int32_t vocab_size;
    pthread_mutex_t lock; /* of the pool, the only thing that changes after opening */
    lt_scratch *pool;
};

/* tokenizer_config.c: what the files beside tokenizer.json say. */
typedef struct lt_tokenizer_config {
    json_t *config, *map, *generation, *model; /* the parsed files, or NULL */
    char path[4][4096];
} lt_tokenizer_config;

/* Reads the files of a folder that are there. Start with {0}; free in any case. */
bool lt_tokenizer_config_load(lt_tokenizer_config *config, const char *folder, lt_error *err);
void lt_tokenizer_config_free(lt_tokenizer_config *config);

/* Adds to root's added_tokens those that only tokenizer_config.json knows. */
bool lt_tokenizer_config_add_tokens(const lt_tokenizer_config *config, json_t *root, lt_error *err);

/* Fills named, special_ids, stop_ids and, where add_bos_token or add_eos_token are given, frame. */
bool lt_tokenizer_config_apply(const lt_tokenizer_config *config, lt_tokenizer *tokenizer, lt_error *err);

/* tokenizer_layout.c: the tokenizer.json that an older layout of files amounts to, and the name of its main file. The
 * caller owns the reference; NULL on failure, also when the folder has no such files. */
json_t *lt_tokenizer_layout_load(const char *folder, const lt_tokenizer_config *config, char path[4096], lt_error *err);

#endif
