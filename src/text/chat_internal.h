/* What the files of the chat layer share. */
#ifndef LT_TEXT_CHAT_INTERNAL_H
#define LT_TEXT_CHAT_INTERNAL_H

#include "text/chat.h"

enum { LT_CHAT_TEMPLATES_MAX = 16 };

struct lt_chat {
    char *name; /* where the templates are from, for messages */
    struct {
        char *name; /* "default", "tool_use" … */
        lt_jinja_template *template;
    } templates[LT_CHAT_TEMPLATES_MAX];
    int count;
    json_t *special_tokens; /* object of strings */
    bool fixed;             /* the user chose one template: tools do not change it */
};

/* The template for a conversation with or without tools, or NULL with *err set. */
const lt_jinja_template *lt_chat_pick(const lt_chat *chat, bool tools, lt_error *err);

/* A request made ready: the variables of the template, messages[0..count) of the conversation. Checks its shape. */
json_t *lt_chat_context(const lt_chat *chat, const lt_chat_request *request, lt_error *err);

/* A message as templates see it: members that are null dropped, the names of its reasoning filled in. NULL without
 * memory. */
json_t *lt_chat_normal_message(const json_t *message);

/* Compiles a template into the chat's list. */
bool lt_chat_add_template(lt_chat *chat, const char *name, const char *shown, const char *source, size_t size,
                          lt_error *err);

/* ---- stop tokens (chat_stop.c) --------------------------------------------------------------------------------- */

enum { LT_CHAT_STOPS_MAX = 8 };

/* What ends a turn: eos_token, the well-known markers, and what was seen to end one. */
typedef struct lt_chat_stops {
    const char *eos; /* may be NULL */
    lt_chat_token_length token_length;
    void *token_context;
    char learned[LT_CHAT_STOPS_MAX][64];
    int learned_count;
} lt_chat_stops;

/* The length of the stop token, or of any token, that text[at..end) begins with; 0 when there is none. */
size_t lt_chat_stop_at(const lt_chat_stops *stops, const char *text, size_t at, size_t end);
size_t lt_chat_token_at(const lt_chat_stops *stops, const char *text, size_t at, size_t end);

/* Remembers text[at..at+size) as a stop token. */
void lt_chat_stop_learn(lt_chat_stops *stops, const char *text, size_t at, size_t size);

/* The end of the first stop token in text[from..end), or 0. */
size_t lt_chat_stop_find(const lt_chat_stops *stops, const char *text, size_t from, size_t end);

/* Behind whitespace, is there a token at text[from..end)? Its end, or 0. */
size_t lt_chat_stop_follows(const lt_chat_stops *stops, const char *text, size_t from, size_t end);

/* Moves the end of a marked span behind its stop token: back over what the template puts after it, or forward over a
 * stop token that stands directly behind the span. False when there is no stop token. */
bool lt_chat_stop_fit(const lt_chat_stops *stops, const char *text, size_t size, lt_jinja_span *span);

#endif
