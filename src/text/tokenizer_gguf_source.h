/* What the files that read a GGUF file's vocabulary share. */
#ifndef LT_TEXT_TOKENIZER_GGUF_SOURCE_H
#define LT_TEXT_TOKENIZER_GGUF_SOURCE_H

#include "text/tokenizer_gguf.h"

enum { LT_GGUF_MOST_TOKENS = 4 << 20 };

/* tokenizer.ggml.token_type; the numbers are those of SentencePiece. */
enum { LT_GGUF_TOKEN_NORMAL = 1, LT_GGUF_TOKEN_UNKNOWN, LT_GGUF_TOKEN_CONTROL, LT_GGUF_TOKEN_USER, LT_GGUF_TOKEN_UNUSED, LT_GGUF_TOKEN_BYTE };

typedef struct lt_gguf_source {
    const lt_gguf *file;
    lt_gguf_string *tokens; /* malloc'ed */
    uint64_t count;
    const lt_gguf_entry *types, *scores; /* may be NULL */
    lt_error *err;
} lt_gguf_source;

/* Reads the list of tokens; source->file and err are set. Free source->tokens, also after a failure. */
bool lt_gguf_source_open(lt_gguf_source *source);

/* Both set the error and return false. */
bool lt_gguf_source_bad(const lt_gguf_source *source, lt_status status, const char *text);
bool lt_gguf_source_no_memory(const lt_gguf_source *source);

bool lt_gguf_string_is(lt_gguf_string text, const char *what);
int lt_gguf_token_type(const lt_gguf_source *source, uint64_t id);
double lt_gguf_token_score(const lt_gguf_source *source, uint64_t id);
json_t *lt_gguf_string_json(lt_gguf_string text);

/* The id of tokenizer.ggml.unknown_token_id, or the first token of type "unknown"; -1: none. */
int64_t lt_gguf_unknown_id(const lt_gguf_source *source);

/* What a byte-level vocabulary's name says of how text is cut; NULL with the error set for a name that is not known. */
const lt_gguf_pre *lt_gguf_source_pre(const lt_gguf_source *source);

/* A row for each value of tokenizer.ggml.model; NULL with *err set for one that is not known. */
typedef struct lt_gguf_kind {
    const char *model;
    json_t *(*root)(const lt_gguf_source *source); /* all of a tokenizer.json but added tokens, when it gives none itself */
    bool add_bos, add_eos;                         /* when the file does not say */
    bool has_pre;                                  /* tokenizer.ggml.pre counts */
} lt_gguf_kind;

const lt_gguf_kind *lt_gguf_kind_find(const lt_gguf *file, lt_error *err);

/* tokenizer_gguf_models.c */
json_t *lt_gguf_root_bytes(const lt_gguf_source *source);
json_t *lt_gguf_root_pieces(const lt_gguf_source *source);
json_t *lt_gguf_root_unigram(const lt_gguf_source *source);
json_t *lt_gguf_root_words(const lt_gguf_source *source);
json_t *lt_gguf_root_merged_pieces(const lt_gguf_source *source);

#endif
