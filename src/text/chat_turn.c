/* Where the turns of a conversation begin and end in its text.
 *
 * A template is a program; where a turn begins and ends in its output is found by running it on other conversations.
 *
 * Begin: the conversation before the turn, with the generation prompt, is what the model sees when it writes that turn.
 * Mostly that text is the beginning of the whole. It is not when the template treats the last messages in another way
 * (Qwen3 drops the reasoning of earlier turns, Mistral puts the tools before the last question): then the place is
 * found where the whole agrees longest with the end of that text, between the messages around.
 *
 * End: the turn's text is replaced by another, and the conversation rendered up to the next turn; what comes after the
 * replacement is what the template puts behind the turn, and begins with the stop token. */
#include "text/chat_turn.h"

#include <stdlib.h>
#include <string.h>

static const char SENTINEL[] = "Qz7vTurnText0kLathe4wX";

enum { ALIGN_BYTES = 8 }; /* places that agree on less are not looked at */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* ---- the turns of a conversation ------------------------------------------------------------------------------- */

static bool is_role(const json_t *message, const char *name)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    return role && strcmp(role, name) == 0;
}

bool lt_chat_turns_list(lt_chat_turns *turns, lt_error *err)
{
    turns->items = calloc(turns->message_count, sizeof *turns->items);
    if (!turns->items)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", turns->chat->name);
    for (size_t i = 0; i < turns->message_count; i++) {
        const json_t *message = json_array_get(turns->messages, i);
        bool call_role = is_role(message, "assistant_tool_call"); /* Granite */
        if (!call_role && !is_role(message, "assistant") && !is_role(message, "model"))
            continue;
        bool calls = call_role || json_array_size(json_object_get(message, "tool_calls")) > 0;
        turns->items[turns->count++] = (lt_chat_turn){.message = i, .calls = calls};
    }
    return true;
}

void lt_chat_turns_free(lt_chat_turns *turns)
{
    free(turns->items);
    lt_jinja_buffer_free(&turns->prompt);
    lt_jinja_buffer_free(&turns->plain);
    lt_jinja_buffer_free(&turns->probe);
}

/* The message's text, if it is a plain string, without blanks around it; size 0 if there is none. */
static const char *plain_content(const lt_chat_turns *turns, size_t message, size_t *size)
{
    const json_t *content = json_object_get(json_array_get(turns->messages, message), "content");
    const char *text = json_string_value(content);
    *size = text ? json_string_length(content) : 0;
    while (*size && is_blank(text[*size - 1]))
        --*size;
    while (*size && is_blank(*text)) {
        text++;
        --*size;
    }
    return text;
}

/* ---- other renderings ------------------------------------------------------------------------------------------ */

/* A copy of the message with the sentinel as its text; a list of parts keeps its shape. */
static json_t *with_sentinel(const json_t *message)
{
    json_t *copy = json_copy((json_t *)message), *content = json_object_get(message, "content");
    json_t *replaced = json_string(SENTINEL);
    for (size_t i = json_array_size(content); i-- > 0;) {
        json_t *part = json_array_get(content, i);
        if (!json_is_string(json_object_get(part, "text")))
            continue;
        json_t *parts = json_copy(content), *changed = json_copy(part);
        json_object_set_new(changed, "text", replaced);
        json_array_set_new(parts, i, changed);
        replaced = parts;
        break;
    }
    json_object_set_new(copy, "content", replaced);
    return copy;
}

/* Renders messages[0..count), message `replaced` (if below count) with the sentinel as its text. False when the
 * template refuses such a conversation, which is no error of the caller's. */
static bool render(lt_chat_turns *turns, size_t count, size_t replaced, bool generation_prompt, lt_jinja_buffer *out)
{
    lt_error ignored;
    json_t *context = json_copy(turns->context), *messages = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *message = json_array_get(turns->messages, i);
        json_array_append_new(messages, i == replaced ? with_sentinel(message) : json_incref(message));
    }
    bool complete = json_array_size(messages) == count && json_object_set_new(context, "messages", messages) == 0 &&
                    json_object_set_new(context, "add_generation_prompt", json_boolean(generation_prompt)) == 0;
    lt_jinja_options options = {.limits = turns->request->limits, .now = turns->request->now};
    bool ok = complete && count > 0 && lt_jinja_render(turns->template, context, &options, out, &ignored);
    json_decref(context);
    return ok && out->data; /* without data nothing was ever written */
}

/* The first or the last sentinel in a text; SIZE_MAX when there is none. */
static size_t find_sentinel(const lt_jinja_buffer *text, bool last)
{
    size_t mark = sizeof SENTINEL - 1, found = SIZE_MAX;
    for (size_t at = 0; at + mark <= text->size; at++) {
        const char *next = memmem(text->data + at, text->size - at, SENTINEL, mark);
        if (!next)
            break;
        found = at = (size_t)(next - text->data);
        if (!last)
            break;
    }
    return found;
}

static size_t common_prefix(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t n = 0;
    while (n < a_size && n < b_size && a[n] == b[n])
        n++;
    return n;
}

static size_t common_start(const lt_jinja_buffer *a, const lt_jinja_buffer *b)
{
    return common_prefix(a->data, a->size, b->data, b->size);
}

static bool ends_with(const lt_jinja_buffer *text, const char *end, size_t size)
{
    return size <= text->size && memcmp(text->data + text->size - size, end, size) == 0;
}

/* ---- where turns begin ----------------------------------------------------------------------------------------- */

/* The place in text[from..to] where it agrees longest with the end of `part`; 0 when they agree on less than `least`
 * bytes everywhere. */
static size_t align(const lt_jinja_buffer *text, size_t from, size_t to, const lt_jinja_buffer *part, size_t least)
{
    size_t k = part->size < ALIGN_BYTES ? part->size : ALIGN_BYTES, best = 0, best_length = 0;
    if (k == 0 || to > text->size)
        return 0;
    const char *tail = part->data + part->size - k;
    for (size_t at = from > k ? from - k : 0; at + k <= to; at++) {
        const char *found = memmem(text->data + at, to - at, tail, k);
        if (!found)
            break;
        at = (size_t)(found - text->data);
        size_t end = at + k, length = k;
        while (length < part->size && length < end &&
               text->data[end - length - 1] == part->data[part->size - length - 1])
            length++;
        if (length > best_length && end >= from) {
            best_length = length;
            best = end;
        }
    }
    return best_length >= least ? best : 0;
}

/* Takes back the beginning of a marker such as "<|im_end|>" that two different markers share. */
static size_t before_marker(const lt_jinja_buffer *text, size_t from, size_t end)
{
    while (end > from && strchr("<|[", text->data[end - 1]) && text->data[end - 1])
        end--;
    return end;
}

/* Where the generation prompt ends that begins at `at`. Blanks in front of it may differ: written out by another part
 * of the template, it may be indented in another way. The text may have only its start: a template that forbids
 * thinking adds an empty thought, which earlier turns do not show. */
static size_t after_header(const lt_jinja_buffer *text, size_t at, const char *header, size_t size)
{
    size_t same = common_prefix(header, size, text->data + at, text->size - at), begin = at;
    if (same == size)
        return at + size;
    while (size && is_blank(*header)) {
        header++;
        size--;
    }
    while (begin < text->size && is_blank(text->data[begin]))
        begin++;
    size_t later = common_prefix(header, size, text->data + begin, text->size - begin);
    return later ? before_marker(text, begin, begin + later) : before_marker(text, at, at + same);
}

/* Where the message before the turn ends in the text: what stands behind it, replaced by the sentinel, stands at the
 * end of the text too. 0 when that is not so. */
static size_t find_floor(lt_chat_turns *turns, size_t message)
{
    if (message == 0 || !render(turns, turns->message_count, message - 1, false, &turns->probe))
        return 0;
    size_t at = find_sentinel(&turns->probe, true);
    if (at == SIZE_MAX)
        return 0;
    at += sizeof SENTINEL - 1;
    size_t size = turns->probe.size - at;
    return ends_with(turns->text, turns->probe.data + at, size) ? turns->text->size - size : 0;
}

/* The harder cases: turns->prompt, the text before the turn with the generation prompt, is not how the text begins.
 * turns->probe gets the conversation with the sentinel in place of the turn: there the turn is like nothing else, and
 * up to where the texts part the places are the same. */
static void search_begin(lt_chat_turns *turns, lt_chat_turn *turn, size_t from)
{
    const lt_jinja_buffer *text = turns->text, *prompt = &turns->prompt, *plain = &turns->plain, *probe = &turns->probe;
    size_t floor = find_floor(turns, turn->message);
    floor = floor > from ? floor : from;
    bool probed = render(turns, turns->message_count, turn->message, false, &turns->probe);
    size_t sentinel = probed ? find_sentinel(probe, false) : SIZE_MAX, ceiling = probed ? common_start(probe, text) : 0;
    if (sentinel == SIZE_MAX || ceiling < floor) {
        probe = text;
        ceiling = text->size;
    }
    ceiling = sentinel < ceiling ? sentinel : ceiling;
    /* The generation prompt, if it is simply appended to the conversation. */
    size_t header_size = 0;
    bool appended =
        render(turns, turn->message, SIZE_MAX, false, &turns->plain) && common_start(plain, prompt) == plain->size;
    const char *header = appended ? prompt->data + plain->size : NULL;
    if (appended) {
        header_size = prompt->size - plain->size;
        if (common_start(plain, probe) == plain->size) {
            turn->begin = after_header(probe, plain->size, header, header_size);
            turn->known = turn->begin >= from && turn->begin <= ceiling;
            if (turn->known)
                return;
        }
    }
    /* What the template writes at the very end of every text stands behind the generation prompt too, but not here. */
    size_t begin = common_start(prompt, probe), rest = prompt->size - begin;
    if (begin >= from && begin <= ceiling && ends_with(probe, prompt->data + begin, rest) &&
        ends_with(text, prompt->data + begin, rest)) {
        turn->begin = begin;
        turn->known = true;
        return;
    }
    turn->located = true;
    turn->begin = align(probe, floor, ceiling, prompt, header_size + 1);
    if (!turn->begin && appended) {
        size_t at = align(probe, floor, ceiling, plain, ALIGN_BYTES);
        if (at)
            turn->begin = after_header(probe, at, header, header_size);
    }
    if ((!turn->begin || turn->begin > ceiling) && sentinel != SIZE_MAX && ceiling == sentinel)
        turn->begin = sentinel; /* at least where its text begins */
    turn->known = turn->begin > 0 && turn->begin <= ceiling;
}

/* Last resort: the first place behind `from` where the turn's text stands. */
static void search_content(lt_chat_turns *turns, lt_chat_turn *turn, size_t from)
{
    size_t size;
    const char *content = plain_content(turns, turn->message, &size);
    const lt_jinja_buffer *text = turns->text;
    const char *found = size && from < text->size ? memmem(text->data + from, text->size - from, content, size) : NULL;
    if (!found)
        return;
    turn->begin = (size_t)(found - text->data);
    turn->known = turn->located = true;
}

void lt_chat_turn_find_begin(lt_chat_turns *turns, size_t i, size_t from)
{
    lt_chat_turn *turn = &turns->items[i];
    if (render(turns, turn->message, SIZE_MAX, true, &turns->prompt)) {
        turn->begin = turns->prompt.size;
        turn->known = turn->begin >= from && common_start(&turns->prompt, turns->text) == turn->begin;
        if (!turn->known)
            search_begin(turns, turn, from);
    }
    if (!turn->known)
        search_content(turns, turn, from);
}

size_t lt_chat_turn_behind(const lt_chat_turns *turns, size_t i)
{
    const lt_jinja_buffer *text = turns->text;
    size_t size, begin = turns->items[i].begin, at = begin;
    const char *content = plain_content(turns, turns->items[i].message, &size);
    while (at < text->size && is_blank(text->data[at]))
        at++;
    return size && common_prefix(content, size, text->data + at, text->size - at) == size ? at + size : begin;
}

/* ---- where turns end ------------------------------------------------------------------------------------------- */

/* Where the next turn begins whose place is known, or the end of the text. */
static size_t next_begin(const lt_chat_turns *turns, size_t i)
{
    for (size_t k = i + 1; k < turns->count; k++)
        if (turns->items[k].known)
            return turns->items[k].begin;
    return turns->text->size;
}

/* Where the text of turn i ends, or 0 if that cannot be told. */
static size_t find_content_end(lt_chat_turns *turns, size_t i)
{
    const lt_chat_turn *turn = &turns->items[i];
    const lt_jinja_buffer *text = turns->text, *probe = &turns->probe;
    bool last = i + 1 == turns->count;
    size_t next = last ? turns->message_count : turns->items[i + 1].message, limit = next_begin(turns, i), at, size;
    if (!render(turns, next, turn->message, !last, &turns->probe) || (at = find_sentinel(probe, true)) == SIZE_MAX)
        return 0;
    at += sizeof SENTINEL - 1;
    size = probe->size - at;
    if (size <= limit - turn->begin && memcmp(text->data + limit - size, probe->data + at, size) == 0)
        return limit - size;
    /* The generation prompt may look a little different in the text: without it, up to the next turn. */
    if (last || !render(turns, next, turn->message, false, &turns->probe) ||
        (at = find_sentinel(probe, true)) == SIZE_MAX)
        return 0;
    at += sizeof SENTINEL - 1;
    size = probe->size - at;
    while (size && is_blank(probe->data[at + size - 1]))
        size--;
    const char *found =
        size >= ALIGN_BYTES ? memmem(text->data + turn->begin, limit - turn->begin, probe->data + at, size) : NULL;
    return found ? (size_t)(found - text->data) : 0;
}

/* The end of a turn with tool calls: a stop token in front of the tools' answers, or else where the conversation that
 * ends with this turn and the whole one part. */
static size_t find_call_end(lt_chat_turns *turns, size_t i, size_t from, size_t limit, bool *stopped)
{
    const lt_chat_turn *turn = &turns->items[i];
    const lt_jinja_buffer *text = turns->text;
    if (turn->message + 1 < turns->message_count &&
        render(turns, turns->message_count, turn->message + 1, false, &turns->probe)) {
        size_t answer = find_sentinel(&turns->probe, false), same = common_start(&turns->probe, text);
        answer = answer < same ? answer : same;
        limit = answer > turn->begin && answer < limit ? answer : limit;
    }
    size_t end = lt_chat_stop_find(&turns->stops, text->data, from, limit);
    *stopped = end > 0;
    if (end || !render(turns, turn->message + 1, SIZE_MAX, false, &turns->probe))
        return end;
    end = before_marker(text, turn->begin, common_start(&turns->probe, text));
    return end > turn->begin && end <= limit ? end : 0;
}

size_t lt_chat_turn_find_end(lt_chat_turns *turns, size_t i, bool *stopped)
{
    const lt_chat_turn *turn = &turns->items[i];
    const char *text = turns->text->data;
    size_t limit = next_begin(turns, i), content_end = find_content_end(turns, i), end;
    if (turn->calls)
        return find_call_end(turns, i, content_end ? content_end : turn->begin, limit, stopped);
    if (content_end)
        end = lt_chat_stop_follows(&turns->stops, text, content_end, limit);
    else
        end = lt_chat_stop_find(&turns->stops, text, turn->begin, limit);
    *stopped = end > 0;
    if (end || content_end)
        return end ? end : content_end;
    /* Without a stop token and without knowing what the template puts behind the text: the text itself. */
    size_t size;
    const char *content = plain_content(turns, turn->message, &size);
    const char *found = size ? memmem(text + turn->begin, limit - turn->begin, content, size) : NULL;
    return found ? (size_t)(found - text) + size : 0;
}

void lt_chat_turns_learn_stop(lt_chat_turns *turns)
{
    const char *text = turns->text->data;
    for (size_t i = 0; i < turns->count && turns->stops.token_length; i++) {
        if (!turns->items[i].known || turns->items[i].calls)
            continue;
        size_t at = find_content_end(turns, i);
        size_t end = at ? lt_chat_stop_follows(&turns->stops, text, at, next_begin(turns, i)) : 0;
        if (!end)
            continue;
        while (is_blank(text[at]))
            at++;
        lt_chat_stop_learn(&turns->stops, text, at, end - at);
        return;
    }
}
