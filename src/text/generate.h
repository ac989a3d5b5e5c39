/* Generation: a prompt's tokens in, sampled tokens and their text out, a piece at a time. */
#ifndef LT_TEXT_GENERATE_H
#define LT_TEXT_GENERATE_H

#include <signal.h>

#include "nn/decode.h"
#include "nn/sample.h"
#include "text/tokenizer.h"

typedef struct lt_generate_options {
    int64_t max_new_tokens; /* at least 1 */
    lt_sample_options sample;
    uint64_t seed;          /* the same seed, prompt and options give the same tokens */
    const int32_t *stop_ids; /* end-of-text tokens: generation ends with one, and it is not part of the text */
    size_t stop_id_count;
    const char *const *stop; /* strings that end it; the text ends before them */
    size_t stop_count;
    /* Called with each piece of text as soon as it is certain: no half characters, nothing that may become a stop string. */
    void (*piece)(const char *text, size_t size, void *context);
    void *context;
    const volatile sig_atomic_t *cancel; /* ends it when set; may be NULL */
} lt_generate_options;

typedef enum lt_stop_reason {
    LT_STOPPED_LENGTH,  /* max_new_tokens */
    LT_STOPPED_EOS,     /* a stop id */
    LT_STOPPED_STRING,  /* a stop string */
    LT_STOPPED_FULL,    /* the decoder's capacity */
    LT_STOPPED_CANCELLED,
} lt_stop_reason;

const char *lt_stop_reason_name(lt_stop_reason reason); /* "length", "eos", "stop", "capacity", "cancelled" */

typedef struct lt_generated {
    lt_ids ids;  /* the new tokens, a final stop id included */
    char *text;  /* NUL-terminated; "" without a tokenizer */
    size_t size;
    lt_stop_reason reason;
    double prompt_seconds, seconds; /* reading the prompt; the new tokens after the first */
    double tokens_per_second;       /* of those; 0 when there was just one */
} lt_generated;

/* Continues `sequence` of the decoder with prompt (count ≥ 1 ids) and generates. tokenizer may be NULL. *out is filled also up to a
 * failure; free it with lt_generated_free. */
bool lt_generate(lt_decoder *decoder, int64_t sequence, int64_t capacity, int64_t V, const lt_tokenizer *tokenizer,
                 const int32_t *prompt, size_t count, const lt_generate_options *options, lt_generated *out, lt_error *err);
void lt_generated_free(lt_generated *generated);

#endif
