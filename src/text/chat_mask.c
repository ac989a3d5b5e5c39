/* Which bytes of a rendered conversation are trained.
 *
 * A template is a program; where a turn begins and ends in its output is found by running it on other conversations.
 *
 * Begin: the conversation before the turn, with the generation prompt, is what the model sees when it writes that turn.
 * Mostly that text is the beginning of the whole. It is not when the template treats the last turns in another way
 * (Qwen3 drops the reasoning of earlier turns, Mistral puts the tools before the last question): then the place is found
 * where the whole agrees longest with the end of that text.
 *
 * End: the turn's text is replaced by another, and the conversation rendered up to the next turn; what comes after the
 * replacement is what the template puts behind the turn, and begins with the stop token. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/chat_internal.h"

static const char SENTINEL[] = "Qz7vTurnText0kLathe4wX";

enum { ALIGN_BYTES = 8 }; /* places that agree on less are not looked at */

typedef struct turn {
    size_t message; /* index in the conversation */
    size_t begin;   /* of what the model writes */
    bool known, located;
} turn;

typedef struct masker {
    const lt_chat *chat;
    const lt_chat_request *request;
    const lt_jinja_template *template;
    json_t *context;        /* of the whole conversation */
    const json_t *messages; /* in it: normalised */
    size_t message_count;
    lt_chat_stops stops;
    lt_chat_masked *out;
    turn *turns;
    size_t turn_count;
    lt_jinja_buffer prompt, plain, probe; /* other renderings */
} masker;

void lt_chat_masked_free(lt_chat_masked *masked)
{
    lt_jinja_buffer_free(&masked->text);
    lt_jinja_spans_free(&masked->spans);
    *masked = (lt_chat_masked){0};
}

static bool out_of_memory(const masker *m, lt_error *err)
{
    return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", m->chat->name);
}

static bool add_span(masker *m, size_t begin, size_t end, lt_error *err)
{
    lt_jinja_spans *spans = &m->out->spans;
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity ? spans->capacity * 2 : 8;
        lt_jinja_span *items = realloc(spans->items, capacity * sizeof *items);
        if (!items)
            return out_of_memory(m, err);
        spans->items = items;
        spans->capacity = capacity;
    }
    spans->items[spans->count++] = (lt_jinja_span){begin, end};
    return true;
}

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

static bool is_assistant(const json_t *message)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    return role && (strcmp(role, "assistant") == 0 || strcmp(role, "model") == 0 || strcmp(role, "assistant_tool_call") == 0);
}

static bool has_tool_calls(const json_t *message)
{
    return json_array_size(json_object_get(message, "tool_calls")) > 0 ||
           strcmp(json_string_value(json_object_get(message, "role")), "assistant_tool_call") == 0;
}

/* ---- other renderings ------------------------------------------------------------------------------------------------------ */

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
static bool render(masker *m, size_t count, size_t replaced, bool generation_prompt, lt_jinja_buffer *out)
{
    lt_error ignored;
    json_t *context = json_copy(m->context), *messages = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *message = json_array_get(m->messages, i);
        json_array_append_new(messages, i == replaced ? with_sentinel(message) : json_incref(message));
    }
    bool complete = json_array_size(messages) == count && json_object_set_new(context, "messages", messages) == 0 &&
                    json_object_set_new(context, "add_generation_prompt", json_boolean(generation_prompt)) == 0;
    lt_jinja_options options = {.limits = m->request->limits, .now = m->request->now};
    bool ok = complete && count > 0 && lt_jinja_render(m->template, context, &options, out, &ignored);
    json_decref(context);
    return ok && out->data; /* without data nothing was ever written */
}

/* ---- where turns begin ------------------------------------------------------------------------------------------------------- */

static size_t common_prefix(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t n = 0;
    while (n < a_size && n < b_size && a[n] == b[n])
        n++;
    return n;
}

static bool is_prefix(const lt_jinja_buffer *part, const lt_jinja_buffer *whole)
{
    return common_prefix(part->data, part->size, whole->data, whole->size) == part->size;
}

/* The place in the whole, behind `from`, where it agrees longest with the end of `part`; 0 when they agree on less than
 * `least` bytes. */
static size_t align(const lt_jinja_buffer *whole, size_t from, const lt_jinja_buffer *part, size_t least)
{
    size_t k = part->size < ALIGN_BYTES ? part->size : ALIGN_BYTES, best = 0, best_length = 0;
    if (k == 0)
        return 0;
    const char *tail = part->data + part->size - k;
    for (size_t at = from;; at++) {
        const char *found = at + k <= whole->size ? memmem(whole->data + at, whole->size - at, tail, k) : NULL;
        if (!found)
            break;
        at = (size_t)(found - whole->data);
        size_t end = at + k, length = k;
        while (length < part->size && length < end && whole->data[end - length - 1] == part->data[part->size - length - 1])
            length++;
        if (length > best_length) {
            best_length = length;
            best = end;
        }
    }
    return best_length >= least ? best : 0;
}

/* Where the generation prompt ends that begins at `at`. Blanks in front of it may differ: written out by another part of
 * the template, it may be indented in another way. The whole may have only its start: a template that forbids thinking
 * adds an empty thought, which earlier turns do not show. */
static size_t after_header(const lt_jinja_buffer *whole, size_t at, const char *header, size_t size)
{
    size_t same = common_prefix(header, size, whole->data + at, whole->size - at), begin = at;
    if (same == size)
        return at + size;
    while (size && is_blank(*header)) {
        header++;
        size--;
    }
    while (begin < whole->size && is_blank(whole->data[begin]))
        begin++;
    size_t later = common_prefix(header, size, whole->data + begin, whole->size - begin);
    return later ? begin + later : at + same;
}

/* What a template writes at the very end of every text stands behind the generation prompt too, but not where the turn
 * begins: compares with a text in which the turn is the sentinel, which is like nothing a template writes. */
static bool begin_before_epilogue(masker *m, turn *t)
{
    const lt_jinja_buffer *prompt = &m->prompt, *whole = &m->out->text;
    if (!render(m, t->message + 1, t->message, false, &m->probe))
        return false;
    size_t begin = common_prefix(prompt->data, prompt->size, m->probe.data, m->probe.size), rest = prompt->size - begin;
    t->begin = begin;
    return rest <= m->probe.size && rest <= whole->size && begin <= whole->size &&
           memcmp(prompt->data + begin, m->probe.data + m->probe.size - rest, rest) == 0 &&
           memcmp(prompt->data + begin, whole->data + whole->size - rest, rest) == 0 &&
           memcmp(prompt->data, whole->data, begin) == 0;
}

/* Finds where the model begins to write turn t; `from` is a place behind the text of the turn before. */
static void find_begin(masker *m, turn *t, size_t from)
{
    const lt_jinja_buffer *whole = &m->out->text;
    if (!render(m, t->message, SIZE_MAX, true, &m->prompt))
        return;
    if (is_prefix(&m->prompt, whole)) {
        t->begin = m->prompt.size;
        t->known = t->begin >= from;
        return;
    }
    /* The generation prompt, if it is simply appended to the conversation. */
    const char *header = NULL;
    size_t header_size = 0;
    if (render(m, t->message, SIZE_MAX, false, &m->plain) && is_prefix(&m->plain, &m->prompt)) {
        header = m->prompt.data + m->plain.size;
        header_size = m->prompt.size - m->plain.size;
        if (is_prefix(&m->plain, whole)) {
            t->begin = after_header(whole, m->plain.size, header, header_size);
            t->known = t->begin >= from;
            return;
        }
    }
    if (begin_before_epilogue(m, t)) {
        t->known = t->begin >= from;
        return;
    }
    t->located = true;
    t->begin = align(whole, from, &m->prompt, header_size + 1);
    if (!t->begin && header) {
        size_t at = align(whole, from, &m->plain, ALIGN_BYTES);
        if (at)
            t->begin = after_header(whole, at, header, header_size);
    }
    t->known = t->begin > 0;
}

/* The message's text, if it is a plain string, without blanks around it. */
static const char *plain_content(const masker *m, const turn *t, size_t *size)
{
    const json_t *content = json_object_get(json_array_get(m->messages, t->message), "content");
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

/* A place behind the text of turn t, if the text stands where the turn begins; else the beginning. */
static size_t behind_content(const masker *m, const turn *t)
{
    size_t size, at = t->begin;
    const char *text = plain_content(m, t, &size);
    const lt_jinja_buffer *whole = &m->out->text;
    while (at < whole->size && is_blank(whole->data[at]))
        at++;
    return size && common_prefix(text, size, whole->data + at, whole->size - at) == size ? at + size : t->begin;
}

/* Last resort: the first place behind `from` where the turn's text stands. */
static void locate_content(masker *m, turn *t, size_t from)
{
    size_t size;
    const char *text = plain_content(m, t, &size);
    const lt_jinja_buffer *whole = &m->out->text;
    const char *found = size && from < whole->size ? memmem(whole->data + from, whole->size - from, text, size) : NULL;
    if (!found)
        return;
    t->begin = (size_t)(found - whole->data);
    t->known = t->located = true;
}

/* ---- where turns end --------------------------------------------------------------------------------------------------------- */

/* What stands behind the last sentinel of a rendering; false when there is none. */
static bool behind_sentinel(const lt_jinja_buffer *text, const char **behind, size_t *size)
{
    size_t mark = sizeof SENTINEL - 1, after = 0;
    for (size_t at = 0; at + mark <= text->size; at++) {
        const char *found = memmem(text->data + at, text->size - at, SENTINEL, mark);
        if (!found)
            break;
        at = (size_t)(found - text->data);
        after = at + mark;
    }
    *behind = text->data + after;
    *size = text->size - after;
    return after > 0;
}

/* Where the text of turn t ends in the whole, or 0 if that cannot be told. limit: where the next turn begins, or the end. */
static size_t find_content_end(masker *m, const turn *t, size_t next_message, size_t limit)
{
    const lt_jinja_buffer *whole = &m->out->text;
    bool last = next_message == m->message_count;
    const char *behind;
    size_t size;
    if (!render(m, next_message, t->message, !last, &m->probe) || !behind_sentinel(&m->probe, &behind, &size))
        return 0;
    if (size <= limit - t->begin && memcmp(whole->data + limit - size, behind, size) == 0)
        return limit - size;
    /* The generation prompt may look a little different in the whole: without it, up to the next turn. */
    if (last || !render(m, next_message, t->message, false, &m->probe) || !behind_sentinel(&m->probe, &behind, &size))
        return 0;
    while (size && is_blank(behind[size - 1]))
        size--;
    const char *found = size >= ALIGN_BYTES ? memmem(whole->data + t->begin, limit - t->begin, behind, size) : NULL;
    return found ? (size_t)(found - whole->data) : 0;
}

/* The end of the trained bytes of turn t: behind its stop token, if it has one. */
static size_t find_end(masker *m, const turn *t, size_t next_message, size_t limit, bool *stopped)
{
    const char *text = m->out->text.data;
    bool calls = has_tool_calls(json_array_get(m->messages, t->message));
    size_t content_end = find_content_end(m, t, next_message, limit), end = 0;
    if (content_end && !calls) {
        end = lt_chat_stop_follows(&m->stops, text, content_end, m->out->text.size);
        if (end > limit)
            end = 0;
    } else {
        end = lt_chat_stop_find(&m->stops, text, content_end ? content_end : t->begin, limit);
    }
    *stopped = end > 0;
    if (end || content_end)
        return end ? end : content_end;
    /* Without a stop token and without knowing what the template puts behind the text: the text itself. */
    size_t size;
    const char *content = plain_content(m, t, &size);
    const char *found = size ? memmem(text + t->begin, limit - t->begin, content, size) : NULL;
    return found ? (size_t)(found - text) + size : limit;
}

/* Learns the stop token from a turn without tool calls, in case it is none of the well-known ones. */
static void learn_stop(masker *m)
{
    for (size_t i = 0; i < m->turn_count && m->stops.token_length; i++) {
        const turn *t = &m->turns[i];
        if (!t->known || has_tool_calls(json_array_get(m->messages, t->message)))
            continue;
        bool last = i + 1 == m->turn_count;
        if (!last && !m->turns[i + 1].known)
            continue;
        size_t next = last ? m->message_count : m->turns[i + 1].message;
        size_t limit = last ? m->out->text.size : m->turns[i + 1].begin;
        size_t content_end = find_content_end(m, t, next, limit);
        size_t end = content_end ? lt_chat_stop_follows(&m->stops, m->out->text.data, content_end, limit) : 0;
        if (!end)
            continue;
        while (is_blank(m->out->text.data[content_end]))
            content_end++;
        lt_chat_stop_learn(&m->stops, m->out->text.data, content_end, end - content_end);
        return;
    }
}

/* ---- putting it together ------------------------------------------------------------------------------------------------------ */

static bool derive(masker *m, size_t first_trained, lt_error *err)
{
    size_t from = 0;
    bool calls = false;
    for (size_t i = 0; i < m->turn_count; i++) {
        turn *t = &m->turns[i];
        if (t->message < first_trained)
            continue;
        find_begin(m, t, from);
        if (!t->known)
            locate_content(m, t, from);
        if (t->known)
            from = behind_content(m, t);
        calls |= has_tool_calls(json_array_get(m->messages, t->message));
    }
    if (calls)
        learn_stop(m);
    for (size_t i = 0; i < m->turn_count; i++) {
        turn *t = &m->turns[i];
        bool last = i + 1 == m->turn_count, stopped;
        if (t->message < first_trained)
            continue;
        m->out->turns++;
        m->out->turns_located += t->known && t->located;
        size_t next_message = last ? m->message_count : m->turns[i + 1].message, limit = m->out->text.size;
        for (size_t k = i + 1; k < m->turn_count; k++) {
            if (m->turns[k].known) {
                limit = m->turns[k].begin;
                break;
            }
        }
        size_t end = t->known ? find_end(m, t, next_message, limit, &stopped) : 0;
        if (!t->known || end <= t->begin) {
            m->out->turns_lost++;
            continue;
        }
        m->out->turns_without_stop += !stopped;
        if (!add_span(m, t->begin, end, err))
            return false;
    }
    return true;
}

/* Spans from {% generation %} marks. Those of turns before first_trained go: there is one span a turn, or else the first
 * trained turn's beginning tells. */
static void use_marks(masker *m, size_t first_trained)
{
    lt_jinja_spans *spans = &m->out->spans;
    size_t before = 0, skip = 0, kept = 0;
    while (before < m->turn_count && m->turns[before].message < first_trained)
        before++;
    m->out->turns = m->turn_count - before;
    if (before && spans->count == m->turn_count) {
        skip = before;
    } else if (before && before < m->turn_count) {
        turn *t = &m->turns[before];
        find_begin(m, t, 0);
        while (t->known && skip < spans->count && spans->items[skip].end <= t->begin)
            skip++;
    } else if (before) {
        skip = spans->count;
    }
    for (size_t i = skip; i < spans->count; i++) {
        lt_jinja_span span = spans->items[i];
        size_t limit = i + 1 < spans->count ? spans->items[i + 1].begin : m->out->text.size;
        bool stopped = lt_chat_stop_fit(&m->stops, m->out->text.data, limit, &span);
        m->out->turns_without_stop += !stopped;
        if (span.end > span.begin)
            spans->items[kept++] = span;
    }
    spans->count = kept;
    if (kept < m->out->turns)
        m->out->turns_lost = m->out->turns - kept;
}

static bool list_turns(masker *m, lt_error *err)
{
    m->turns = calloc(m->message_count, sizeof *m->turns);
    if (!m->turns)
        return out_of_memory(m, err);
    for (size_t i = 0; i < m->message_count; i++)
        if (is_assistant(json_array_get(m->messages, i)))
            m->turns[m->turn_count++].message = i;
    return true;
}

static bool mask(masker *m, size_t first_trained, lt_error *err)
{
    lt_jinja_spans *spans = &m->out->spans;
    lt_jinja_options options = {.limits = m->request->limits, .now = m->request->now, .spans = spans};
    if (!list_turns(m, err) || !lt_jinja_render(m->template, m->context, &options, &m->out->text, err))
        return false;
    if (m->out->text.size == 0)
        lt_jinja_buffer_free(&m->out->text); /* nothing to search */
    bool marked = lt_jinja_has_generation(m->template) && !spans->misplaced;
    if (!m->out->text.data) {
        spans->count = 0;
        m->out->turns = m->out->turns_lost = m->turn_count;
    } else if (marked) {
        use_marks(m, first_trained);
    } else {
        spans->count = 0;
        return derive(m, first_trained, err);
    }
    return true;
}

bool lt_chat_render_masked(const lt_chat *chat, const lt_chat_request *request, size_t first_trained,
                           lt_chat_token_length token_length, void *token_context, lt_chat_masked *masked,
                           lt_error *err)
{
    assert(!request->add_generation_prompt);
    bool tools = request->tools && !json_is_null(request->tools);
    masker m = {.chat = chat, .request = request, .out = masked, .template = lt_chat_pick(chat, tools, err)};
    masked->text.size = masked->spans.count = 0;
    masked->turns = masked->turns_located = masked->turns_lost = masked->turns_without_stop = 0;
    m.stops = (lt_chat_stops){.eos = lt_chat_special_token(chat, "eos_token"), .token_length = token_length,
                              .token_context = token_context};
    m.context = m.template ? lt_chat_context(chat, request, err) : NULL;
    bool ok = false;
    if (m.context) {
        m.messages = json_object_get(m.context, "messages");
        m.message_count = json_array_size(m.messages);
        ok = mask(&m, first_trained, err);
    }
    if (!ok)
        masked->text.size = masked->spans.count = 0;
    lt_jinja_buffer_free(&m.prompt);
    lt_jinja_buffer_free(&m.plain);
    lt_jinja_buffer_free(&m.probe);
    json_decref(m.context);
    free(m.turns);
    return ok;
}
