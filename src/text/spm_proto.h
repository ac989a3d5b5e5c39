/* SentencePiece's tokenizer.model: a protocol buffer (sentencepiece_model.proto) with the pieces, how they were trained and how text
 * is normalised. Unknown fields are passed over. */
#ifndef LT_TEXT_SPM_PROTO_H
#define LT_TEXT_SPM_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

typedef enum lt_spm_type {
    LT_SPM_NORMAL = 1, LT_SPM_UNKNOWN, LT_SPM_CONTROL, LT_SPM_USER, LT_SPM_UNUSED, LT_SPM_BYTE
} lt_spm_type;

typedef enum lt_spm_model { LT_SPM_UNIGRAM = 1, LT_SPM_BPE, LT_SPM_WORD, LT_SPM_CHAR } lt_spm_model;

typedef struct lt_spm_piece {
    const char *text; /* UTF-8, not terminated; in the bytes that were parsed */
    size_t size;
    float score;
    int type; /* lt_spm_type */
} lt_spm_piece;

typedef struct lt_spm {
    lt_spm_piece *pieces; /* owned */
    size_t count, capacity;
    int model;                             /* lt_spm_model */
    int unk_id, bos_id, eos_id;            /* -1: none */
    bool byte_fallback, space_is_suffix;
    const char *charsmap;                  /* precompiled normalisation rules; NULL: none */
    size_t charsmap_size;
    bool dummy_prefix, one_space, escape;  /* a space before the text; runs of spaces become one; "▁" for spaces */
    bool float_sums;                       /* unigram scores are added in single precision, as SentencePiece itself does */
    bool prefix_each;                      /* every stretch between added tokens is treated as a text of its own */
} lt_spm;

/* Parses bytes (borrowed by *spm, which lt_spm_free frees, also after a failure). `name` is for messages. */
bool lt_spm_parse(lt_spm *spm, const char *bytes, size_t size, const char *name, lt_error *err);
void lt_spm_free(lt_spm *spm);

#endif
