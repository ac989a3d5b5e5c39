/* Text to token ids and back, by the rules a model's own tokenizer files give.
 *
 * A handle does not change after lt_tokenizer_open: any number of threads may encode and decode with it at once.
 * Ids are those of the Python `tokenizers` package on every text; the `truncation` and `padding` sections of
 * tokenizer.json are left to the caller (batches are packed without padding).
 *
 * Text is UTF-8 with an explicit length; a NUL is a character like any other. Bytes that are not UTF-8 are read as
 * Python's bytes.decode("utf-8", "replace") reads them: one U+FFFD for each maximal ill-formed sequence. */
#ifndef LT_TEXT_TOKENIZER_H
#define LT_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

typedef struct lt_tokenizer lt_tokenizer;

/* A growing list of ids. Start with {0}; set count to 0 to reuse the memory. */
typedef struct lt_ids {
    int32_t *data;
    size_t count, capacity;
} lt_ids;

bool lt_ids_push(lt_ids *ids, int32_t id, lt_error *err);                          /* LT_ERR_MEMORY */
bool lt_ids_append(lt_ids *ids, const int32_t *more, size_t count, lt_error *err); /* LT_ERR_MEMORY */
void lt_ids_free(lt_ids *ids);                                                     /* leaves {0} */

/* The bytes text[begin, end) that a token stands for. A token that the post-processor adds is empty, at the place where
 * it was put. Tokens that share one character (its UTF-8 bytes) each get the whole character, and a space that the
 * tokenizer puts before a text shares the first character. These are the reference's offsets, with `trim_offsets` off.
 */
typedef struct lt_span {
    size_t begin, end;
} lt_span;

typedef struct lt_spans {
    lt_span *data;
    size_t count, capacity;
} lt_spans;

void lt_spans_free(lt_spans *spans);

/* path: a model folder, or its tokenizer.json, or a GGUF file. In place of tokenizer.json a folder may hold vocab.json and merges.txt,
 * SentencePiece's or tiktoken's tokenizer.model, qwen.tiktoken, or BERT's vocab.txt.
 * It may also hold tokenizer_config.json, special_tokens_map.json, generation_config.json and config.json: from them
 * come the named special tokens, tokens added later, and, where add_bos_token or add_eos_token are given, what
 * LT_ENCODE_ADD_SPECIAL adds. *out is owned by the caller. Errors name file and field; a kind of model, normalizer, ...
 * that lathe does not know is LT_ERR_UNSUPPORTED. */
bool lt_tokenizer_open(lt_tokenizer **out, const char *path, lt_error *err);
void lt_tokenizer_close(lt_tokenizer *tokenizer); /* NULL is fine */

/* Has this folder files of a tokenizer? */
bool lt_tokenizer_exists(const char *folder);

enum {
    LT_ENCODE_ADD_SPECIAL = 1,     /* let the post-processor add its tokens (BOS, [CLS] ...): add_special_tokens=True */
    LT_ENCODE_SPECIAL_AS_TEXT = 2, /* "<|im_end|>" in the text is just characters: split_special_tokens=True. For text
                                    * of strangers, which must not end a turn. Added tokens that are not marked special
                                    * are still recognised. */
    LT_DECODE_SKIP_SPECIAL = 4,    /* leave out special tokens: skip_special_tokens=True */
};

/* Appends the ids of text[0, size) to *ids, size below 2 GB. flags: LT_ENCODE_*. Fails only when memory runs out, when
 * the tokenizer's own rules take more steps or make more text than lathe allows (LT_ERR_UNSUPPORTED), or when its
 * vocabulary has neither a character of the text nor the unknown token it names (LT_ERR_FORMAT); *ids is then as it
 * was.
 */
bool lt_tokenizer_encode(const lt_tokenizer *tokenizer, const char *text, size_t size, unsigned flags, lt_ids *ids,
                         lt_error *err);

/* As lt_tokenizer_encode, and appends to *spans the bytes of the text that each id stands for. */
bool lt_tokenizer_encode_spans(const lt_tokenizer *tokenizer, const char *text, size_t size, unsigned flags,
                               lt_ids *ids, lt_spans *spans, lt_error *err);

/* Two texts as one sequence, as the reference encodes a pair with the special tokens: appends to *ids, and to *types the token type of
 * each. max_length (0: none): tokens are taken from the end of the longer text first, as truncation "longest_first" does. Fails as
 * lt_tokenizer_encode does. */
typedef struct lt_text {
    const char *data;
    size_t size;
} lt_text;

bool lt_tokenizer_encode_pair(const lt_tokenizer *tokenizer, lt_text a, lt_text b, int64_t max_length, lt_ids *ids, lt_ids *types,
                              bool *truncated, lt_error *err);

/* The text of ids[0, count), as the reference's decode() gives it: ids that name no token are left out, bytes that form
 * no character become U+FFFD. *text is malloc'ed, with a NUL after its *size bytes. flags: LT_DECODE_*. Fails only when
 * memory runs out or a pattern of the decoder gives up. */
bool lt_tokenizer_decode(const lt_tokenizer *tokenizer, const int32_t *ids, size_t count, unsigned flags, char **text,
                         size_t *size, lt_error *err);

/* Decodes ids as they are generated. All pieces together, with the one from lt_token_stream_finish, are exactly the
 * text of lt_tokenizer_decode on all ids; no piece ends inside a character. */
typedef struct lt_token_stream lt_token_stream;

bool lt_token_stream_open(lt_token_stream **out, const lt_tokenizer *tokenizer, unsigned flags, lt_error *err);
void lt_token_stream_close(lt_token_stream *stream); /* NULL is fine */

/* Takes one more id. *piece is the text that is now certain, maybe empty, NUL-terminated, valid until the next call. */
bool lt_token_stream_push(lt_token_stream *stream, int32_t id, const char **piece, size_t *size, lt_error *err);

/* What was held back (the start of a character that never came is U+FFFD). The stream is then as new. */
bool lt_token_stream_finish(lt_token_stream *stream, const char **piece, size_t *size, lt_error *err);

/* One more than the greatest id, so that every id is a row of an embedding of this many rows; ids between may be
 * unused, and a model's embedding often has more rows. */
int32_t lt_tokenizer_vocab_size(const lt_tokenizer *tokenizer);

/* The token as the file spells it ("Ġthe", "▁the", "<0x0A>"), NUL-terminated, owned by the handle; NULL for an id
 * without a token. *size may be NULL. */
const char *lt_tokenizer_token(const lt_tokenizer *tokenizer, int32_t id, size_t *size);

/* The id of a token as the file spells it, or -1. */
int32_t lt_tokenizer_id(const lt_tokenizer *tokenizer, const char *token, size_t size);

/* True for added tokens that are marked special: those that LT_DECODE_SKIP_SPECIAL leaves out. */
bool lt_tokenizer_is_special(const lt_tokenizer *tokenizer, int32_t id);

typedef enum lt_special {
    LT_SPECIAL_BOS,
    LT_SPECIAL_EOS,
    LT_SPECIAL_PAD,
    LT_SPECIAL_UNK,
    LT_SPECIAL_SEP,
    LT_SPECIAL_CLS,
    LT_SPECIAL_MASK,
    LT_SPECIAL_COUNT
} lt_special;

/* The id of a special token by its role, or -1. From tokenizer_config.json or special_tokens_map.json; bos, eos and pad
 * also from generation_config.json, unk also from the tokenizer's model. */
int32_t lt_tokenizer_special_id(const lt_tokenizer *tokenizer, lt_special which);

/* Its text, or NULL. */
const char *lt_tokenizer_special_token(const lt_tokenizer *tokenizer, lt_special which);

/* The ids that end a generation: generation_config.json's eos_token_id (one or a list) and the eos token. Returns how
 * many; *ids is owned by the handle. */
size_t lt_tokenizer_stop_ids(const lt_tokenizer *tokenizer, const int32_t **ids);

/* The named special tokens, for chat templates: "bos_token", "eos_token", ... and names of the model's own such as
 * "image_token" (extra_special_tokens). Entry i in [0, count): returns its text, *name is its name. */
size_t lt_tokenizer_named_count(const lt_tokenizer *tokenizer);
const char *lt_tokenizer_named(const lt_tokenizer *tokenizer, size_t i, const char **name);

#endif
