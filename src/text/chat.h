/* Conversations as a model reads them: the model's own chat template, the rendered text, and which bytes of it are
 * trained.
 *
 * What transformers does is followed: message members that are null count as absent, the names of a message's reasoning
 * (`reasoning_content`, `thinking`, `reasoning`) are aliases of one another, and bos_token, eos_token, … are variables
 * of the template. */
#ifndef LT_TEXT_CHAT_H
#define LT_TEXT_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/error.h"
#include "text/jinja.h"

/* A model's chat templates, compiled, and its special-token strings. Immutable: threads may share it. */
typedef struct lt_chat lt_chat;

/* Opens the template of a model folder: chat_template.jinja (and chat_templates/NAME.jinja) if there, else the
 * `chat_template` of tokenizer_config.json, a string or a list of {name, template}. Special tokens come from
 * tokenizer_config.json and special_tokens_map.json.
 *
 * `choice` is the user's --chat-template: NULL for the model's own, the path of a template file, the name of one of the
 * model's templates, or "chatml", which is built in. LT_ERR_USAGE when the model has no template and none is chosen:
 * the message names --chat-template. */
bool lt_chat_open(lt_chat **chat, const char *folder, const char *choice, lt_error *err);

/* The same from parts, for models in one file (GGUF). source[0..size) is the template, or NULL if the model has none;
 * special_tokens (may be NULL) is an object such as {"bos_token": "<s>", "eos_token": "</s>"}; choice as above. */
bool lt_chat_open_source(lt_chat **chat, const char *name, const char *source, size_t size,
                         const json_t *special_tokens, const char *choice, lt_error *err);
void lt_chat_close(lt_chat *chat); /* NULL is fine */

/* A special-token string by its name ("bos_token", "eos_token", …), or NULL. Lives as long as the chat. */
const char *lt_chat_special_token(const lt_chat *chat, const char *name);

/* One conversation. Everything is borrowed and only read. */
typedef struct lt_chat_request {
    const json_t *messages;     /* array of objects, at least one */
    const json_t *tools;        /* array of objects, or NULL; with tools, a template named `tool_use` is preferred */
    const json_t *documents;    /* array of objects, or NULL */
    const json_t *variables;    /* object of further template variables (enable_thinking, …), or NULL */
    bool add_generation_prompt; /* end with the header of an assistant turn */
    const struct tm *now;       /* what strftime_now prints; NULL: the clock, in local time */
    lt_jinja_limits limits;     /* zeros: the defaults */
} lt_chat_request;

/* The rendered text, byte for byte what apply_chat_template(tokenize=False) gives. Errors as lt_jinja_render;
 * a conversation the template refuses is LT_ERR_USAGE with the template's own message. */
bool lt_chat_render(const lt_chat *chat, const lt_chat_request *request, lt_jinja_buffer *out, lt_error *err);

/* Finds out about tokens: the length in bytes of the added token (special or not) that text[0..n) begins with, the
 * longest if there are several, or 0. Used to see where a turn's stop token ends. */
typedef size_t (*lt_chat_token_length)(void *context, const char *text, size_t n);

/* A rendered conversation and its loss mask. Start with {0}; may be reused; free with lt_chat_masked_free. */
typedef struct lt_chat_masked {
    lt_jinja_buffer text;
    lt_jinja_spans spans;      /* trained bytes of text: ascending, apart from each other, none empty */
    size_t turns;              /* assistant turns that were to be trained */
    size_t turns_located;      /* of those: the template treats earlier messages differently once more follow, so that
                                * the place was found by comparing texts */
    size_t turns_lost;         /* of those: not found (the template leaves the turn out); not trained */
    size_t turns_without_stop; /* of those: no stop token follows, so the model would not learn to stop */
} lt_chat_masked;

void lt_chat_masked_free(lt_chat_masked *masked);

/* Renders and masks. Trained is every assistant turn from message first_trained on (0: all): what the model has to
 * write after the generation prompt, up to and with the turn's stop token, and nothing that the template puts after
 * that (Qwen's newline after <|im_end|>, Phi-3's <|endoftext|> after <|end|>).
 *
 * A span is made of bytes; what becomes of a token that lies across its edge is the caller's choice (transformers
 * trains every token that touches one). The stop token is eos_token, a well-known end-of-turn marker, or the first added
 * token that follows the turn's text: token_length (may be NULL) tells which strings are tokens.
 *
 * {% generation %} marks are used where the template has them. Elsewhere the beginning of a turn is where the
 * conversation before it, with the generation prompt, ends; its end is found by rendering with another text in its
 * place. request->add_generation_prompt must be false. */
bool lt_chat_render_masked(const lt_chat *chat, const lt_chat_request *request, size_t first_trained,
                           lt_chat_token_length token_length, void *token_context, lt_chat_masked *masked,
                           lt_error *err);

/* New conversations from rows of other shapes; new references, NULL only without memory.
 * system and assistant may be NULL (no such message). */
json_t *lt_chat_messages_make(const char *system, const char *user, const char *assistant);

/* prompt and completion are strings (a user turn, an assistant turn) or arrays of messages. *first_trained is set to
 * the index of the completion's first message. NULL when one is neither. */
json_t *lt_chat_messages_join(const json_t *prompt, const json_t *completion, size_t *first_trained);

#endif
