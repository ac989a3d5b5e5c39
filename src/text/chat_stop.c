/* Stop tokens in rendered text. */
#include <string.h>

#include "text/chat_internal.h"

/* Strings that end a turn or a text in the templates of published models, whatever the tokenizer's configuration says:
 * often eos_token is the end of the text, and turns end with another token. */
static const char *const MARKERS[] = {
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<end_of_turn>",
    "<|end_of_turn|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<｜end▁of▁sentence｜>",
    "<|END_OF_TURN_TOKEN|>",
    "<|return|>",
    "<|call|>",
    "<|eot|>",
    "<eos>",
    "<|eos|>",
    "<turn|>",
    "[EOS]",
    "<|endofturn|>",
    "<|role_end|>",
};

static size_t begins(const char *text, size_t at, size_t end, const char *what)
{
    size_t n = strlen(what);
    return n && n <= end - at && memcmp(text + at, what, n) == 0 ? n : 0;
}

/* eos_token and the markers. */
static size_t known_at(const lt_chat_stops *stops, const char *text, size_t at, size_t end)
{
    size_t longest = stops->eos ? begins(text, at, end, stops->eos) : 0, n;
    if (text[at] != '<' && text[at] != '[')
        return longest;
    for (size_t i = 0; i < sizeof MARKERS / sizeof *MARKERS; i++)
        if ((n = begins(text, at, end, MARKERS[i])) > longest)
            longest = n;
    return longest;
}

size_t lt_chat_stop_at(const lt_chat_stops *stops, const char *text, size_t at, size_t end)
{
    size_t longest = known_at(stops, text, at, end), n;
    for (int i = 0; i < stops->learned_count; i++)
        if ((n = begins(text, at, end, stops->learned[i])) > longest)
            longest = n;
    return longest;
}

/* A token that ends a part of a turn (Command R7B's <|END_RESPONSE|>) may stand before the one that ends the turn: the size of both. */
static size_t with_stop_behind(const lt_chat_stops *stops, const char *text, size_t at, size_t size, size_t end)
{
    if (!size || at + size >= end || known_at(stops, text, at, end))
        return size;
    return size + known_at(stops, text, at + size, end);
}

size_t lt_chat_token_at(const lt_chat_stops *stops, const char *text, size_t at, size_t end)
{
    size_t stop = lt_chat_stop_at(stops, text, at, end);
    size_t token = stops->token_length ? stops->token_length(stops->token_context, text + at, end - at) : 0;
    return token > stop ? token : stop;
}

void lt_chat_stop_learn(lt_chat_stops *stops, const char *text, size_t at, size_t size)
{
    if (size >= sizeof stops->learned[0] || stops->learned_count == LT_CHAT_STOPS_MAX ||
        lt_chat_stop_at(stops, text, at, at + size) == size)
        return;
    memcpy(stops->learned[stops->learned_count], text + at, size);
    stops->learned[stops->learned_count++][size] = '\0';
}

size_t lt_chat_stop_find(const lt_chat_stops *stops, const char *text, size_t from, size_t end)
{
    for (size_t at = from; at < end; at++) {
        size_t size = lt_chat_stop_at(stops, text, at, end);
        if (size)
            return at + with_stop_behind(stops, text, at, size, end);
    }
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

size_t lt_chat_stop_follows(const lt_chat_stops *stops, const char *text, size_t from, size_t end)
{
    /* A token may itself be made of blanks: those are skipped, not taken. */
    while (from < end && is_blank(text[from]))
        from++;
    size_t size = from < end ? lt_chat_token_at(stops, text, from, end) : 0;
    return size ? from + with_stop_behind(stops, text, from, size, end) : 0;
}

/* Nothing but blanks and tokens. */
static bool is_tail(const lt_chat_stops *stops, const char *text, size_t at, size_t end)
{
    while (at < end) {
        size_t size = is_blank(text[at]) ? 1 : lt_chat_token_at(stops, text, at, end);
        if (!size)
            return false;
        at += size;
    }
    return true;
}

bool lt_chat_stop_fit(const lt_chat_stops *stops, const char *text, size_t size, lt_jinja_span *span)
{
    for (size_t at = span->begin; at < span->end; at++) {
        size_t n = lt_chat_stop_at(stops, text, at, span->end);
        if (n && is_tail(stops, text, at + n, span->end)) {
            span->end = at + n;
            return true;
        }
    }
    size_t n = span->end < size ? lt_chat_token_at(stops, text, span->end, size) : 0;
    span->end += with_stop_behind(stops, text, span->end, n, size);
    return n > 0;
}
