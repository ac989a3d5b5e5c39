/* Turns of a rendered conversation: where they begin and end. Used by chat_mask.c alone. */
#ifndef LT_TEXT_CHAT_TURN_H
#define LT_TEXT_CHAT_TURN_H

#include "text/chat_internal.h"

/* An assistant turn. */
typedef struct lt_chat_turn {
    size_t message; /* index in the conversation */
    size_t begin;   /* of what the model writes */
    bool calls;     /* it has tool calls */
    bool known;     /* begin was found … */
    bool located;   /* … by comparing texts */
} lt_chat_turn;

/* A conversation, its text, and room for other renderings. */
typedef struct lt_chat_turns {
    const lt_chat *chat;
    const lt_chat_request *request;
    const lt_jinja_template *template;
    json_t *context;        /* the variables of the template */
    const json_t *messages; /* in it: normalised */
    size_t message_count;
    const lt_jinja_buffer *text; /* the conversation rendered, not empty */
    lt_chat_stops stops;
    lt_chat_turn *items;
    size_t count;
    lt_jinja_buffer prompt, plain, probe;
} lt_chat_turns;

/* Lists the assistant turns of the conversation; free with lt_chat_turns_free. */
bool lt_chat_turns_list(lt_chat_turns *turns, lt_error *err);
void lt_chat_turns_free(lt_chat_turns *turns);

/* Finds where turn i begins, behind byte `from`. Fills begin, known, located. */
void lt_chat_turn_find_begin(lt_chat_turns *turns, size_t i, size_t from);

/* A place behind the text of turn i, where to look for what follows. */
size_t lt_chat_turn_behind(const lt_chat_turns *turns, size_t i);

/* The end of the trained bytes of turn i, whose begin is known, or 0 when it cannot be told; *stopped tells whether it
 * is that of a stop token. */
size_t lt_chat_turn_find_end(lt_chat_turns *turns, size_t i, bool *stopped);

/* Learns which token ends a turn from the turns that are known, in case it is none of the well-known ones. */
void lt_chat_turns_learn_stop(lt_chat_turns *turns);

#endif
