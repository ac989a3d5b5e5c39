/* Loss masks of rendered conversations, from the marks of the template or from the turns found in the text. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/chat_turn.h"

void lt_chat_masked_free(lt_chat_masked *masked)
{
    lt_jinja_buffer_free(&masked->text);
    lt_jinja_spans_free(&masked->spans);
    *masked = (lt_chat_masked){0};
}

static bool add_span(lt_chat_masked *masked, size_t begin, size_t end)
{
    lt_jinja_spans *spans = &masked->spans;
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity ? spans->capacity * 2 : 8;
        lt_jinja_span *items = realloc(spans->items, capacity * sizeof *items);
        if (!items)
            return false;
        spans->items = items;
        spans->capacity = capacity;
    }
    spans->items[spans->count++] = (lt_jinja_span){begin, end};
    return true;
}

static bool derive(lt_chat_turns *turns, size_t first_trained, lt_chat_masked *masked, lt_error *err)
{
    size_t from = 0;
    bool calls = false;
    masked->spans.count = 0;
    for (size_t i = 0; i < turns->count; i++) {
        if (turns->items[i].message < first_trained)
            continue;
        lt_chat_turn_find_begin(turns, i, from);
        if (turns->items[i].known)
            from = lt_chat_turn_behind(turns, i);
        calls |= turns->items[i].calls;
    }
    if (calls)
        lt_chat_turns_learn_stop(turns);
    for (size_t i = 0; i < turns->count; i++) {
        const lt_chat_turn *turn = &turns->items[i];
        bool stopped = false;
        if (turn->message < first_trained)
            continue;
        size_t end = turn->known ? lt_chat_turn_find_end(turns, i, &stopped) : 0;
        bool found = turn->known && end > turn->begin;
        masked->turns++;
        masked->turns_lost += !found;
        masked->turns_located += found && turn->located;
        masked->turns_without_stop += found && !stopped;
        if (found && !add_span(masked, turn->begin, end))
            return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", turns->chat->name);
    }
    return true;
}

/* How many of the marked spans belong to turns before first_trained: there is one span a turn, or else the first
 * trained turn's beginning tells. */
static size_t count_earlier(lt_chat_turns *turns, size_t earlier_turns, const lt_jinja_spans *spans)
{
    size_t count = 0;
    if (earlier_turns == 0 || spans->count == turns->count)
        return earlier_turns;
    if (earlier_turns == turns->count)
        return spans->count;
    lt_chat_turn_find_begin(turns, earlier_turns, 0);
    const lt_chat_turn *first = &turns->items[earlier_turns];
    while (first->known && count < spans->count && spans->items[count].end <= first->begin)
        count++;
    return count;
}

/* Spans from {% generation %} marks. */
static void use_marks(lt_chat_turns *turns, size_t first_trained, lt_chat_masked *masked)
{
    lt_jinja_spans *spans = &masked->spans;
    size_t earlier = 0, kept = 0;
    while (earlier < turns->count && turns->items[earlier].message < first_trained)
        earlier++;
    masked->turns = turns->count - earlier;
    for (size_t i = count_earlier(turns, earlier, spans); i < spans->count; i++) {
        lt_jinja_span span = spans->items[i];
        size_t limit = i + 1 < spans->count ? spans->items[i + 1].begin : masked->text.size;
        masked->turns_without_stop += !lt_chat_stop_fit(&turns->stops, masked->text.data, limit, &span);
        if (span.end > span.begin)
            spans->items[kept++] = span;
    }
    spans->count = kept;
    masked->turns_lost = kept < masked->turns ? masked->turns - kept : 0;
}

static bool mask(lt_chat_turns *turns, size_t first_trained, lt_chat_masked *masked, lt_error *err)
{
    lt_jinja_options options = {.limits = turns->request->limits, .now = turns->request->now, .spans = &masked->spans};
    if (!lt_chat_turns_list(turns, err) ||
        !lt_jinja_render(turns->template, turns->context, &options, &masked->text, err))
        return false;
    if (masked->text.size == 0) {
        masked->spans.count = 0;
        for (size_t i = 0; i < turns->count; i++)
            masked->turns += turns->items[i].message >= first_trained;
        masked->turns_lost = masked->turns;
        return true;
    }
    if (!lt_jinja_has_generation(turns->template) || masked->spans.misplaced)
        return derive(turns, first_trained, masked, err);
    use_marks(turns, first_trained, masked);
    return true;
}

bool lt_chat_render_masked(const lt_chat *chat, const lt_chat_request *request, size_t first_trained,
                           lt_chat_token_length token_length, void *token_context, lt_chat_masked *masked,
                           lt_error *err)
{
    assert(!request->add_generation_prompt);
    bool tools = request->tools && !json_is_null(request->tools), ok = false;
    lt_chat_turns turns = {.chat = chat, .request = request, .template = lt_chat_pick(chat, tools, err)};
    masked->text.size = masked->spans.count = 0;
    masked->turns = masked->turns_located = masked->turns_lost = masked->turns_without_stop = 0;
    turns.stops = (lt_chat_stops){
        .eos = lt_chat_special_token(chat, "eos_token"), .token_length = token_length, .token_context = token_context};
    turns.text = &masked->text;
    turns.context = turns.template ? lt_chat_context(chat, request, err) : NULL;
    if (turns.context) {
        turns.messages = json_object_get(turns.context, "messages");
        turns.message_count = json_array_size(turns.messages);
        ok = mask(&turns, first_trained, masked, err);
    }
    if (!ok)
        masked->text.size = masked->spans.count = 0;
    json_decref(turns.context);
    lt_chat_turns_free(&turns);
    return ok;
}
