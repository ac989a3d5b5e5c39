/* lathe chat: a conversation at the terminal. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/console.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "cli/terminal.h"

static const lt_command_example examples[] = {
    {"lathe chat --model SmolLM2-135M-Instruct --adapter run", "talk to the adapted model"},
    {"lathe chat --model SmolLM2-135M-Instruct --system 'Answer in one sentence.'", "with a system message"},
    {NULL, NULL},
};

/* A conversation and what of it the decoder has in its cache. */
typedef struct talk {
    const lt_options *options;
    lt_api_model *model;
    lt_decoder *decoder;
    int64_t capacity;
    json_t *messages;
    lt_ids cached; /* tokens in the cache, in order */
} talk;

static void write_piece(const char *text, size_t size, void *context)
{
    (void)context;
    fwrite(text, 1, size, stdout);
    fflush(stdout);
}

static bool add_message(talk *t, const char *role, const char *content, size_t size, lt_error *err)
{
    json_t *message = json_pack("{s:s, s:s%}", "role", role, "content", content, size);
    if (!message)
        return lt_error_set(err, LT_ERR_USAGE, "that is not UTF-8 text");
    return json_array_append_new(t->messages, message) == 0 || lt_error_set(err, LT_ERR_MEMORY, "out of memory for the conversation");
}

static bool begin_again(talk *t, lt_error *err)
{
    const char *system = t->options->system;
    json_array_clear(t->messages);
    return !system || add_message(t, "system", system, strlen(system), err);
}

/* Answers the conversation so far. Only what the cache does not have yet is read: templates may rewrite earlier turns, so the
 * common beginning is found anew each time. */
static bool answer(talk *t, lt_error *err)
{
    lt_ids prompt = {0};
    lt_generated generated = {0};
    bool ok = lt_api_render(t->model, t->messages, NULL, &prompt, err);
    if (ok && (int64_t)prompt.count >= t->capacity)
        ok = lt_error_set(err, LT_ERR_USAGE, "the conversation has %zu tokens, and the context ends at %lld; /reset begins a new one",
                          prompt.count, (long long)t->capacity);
    if (ok) {
        size_t common = 0;
        while (common < t->cached.count && common + 1 < prompt.count && t->cached.data[common] == prompt.data[common])
            common++;
        lt_decoder_rewind(t->decoder, 0, (int64_t)common);
        lt_generate_options how = lt_session_sampling(t->model, t->options);
        how.piece = write_piece;
        how.cancel = lt_stop_watch("leaving");
        ok = lt_generate(t->decoder, 0, t->capacity, t->model->base->config.V, t->model->text->tokenizer, prompt.data + common,
                         prompt.count - common, &how, &generated, err);
    }
    if (ok) {
        puts(generated.reason == LT_STOPPED_FULL ? "\n[the context is full]" : "");
        t->cached.count = 0;
        ok = lt_ids_append(&t->cached, prompt.data, prompt.count, err) &&
             lt_ids_append(&t->cached, generated.ids.data, generated.ids.count, err) &&
             add_message(t, "assistant", generated.text, generated.size, err);
        /* The last token was drawn, but not read. */
        t->cached.count = (size_t)lt_decoder_length(t->decoder, 0);
        if (ok && generated.reason == LT_STOPPED_CANCELLED)
            ok = lt_error_set(err, LT_ERR_INTERRUPTED, "stopped");
    }
    lt_generated_free(&generated);
    lt_ids_free(&prompt);
    return ok;
}

/* One line of input. *quit is set at the end. */
static bool turn(talk *t, char *line, bool *quit, lt_error *err)
{
    if (!strcmp(line, "/exit") || !strcmp(line, "/quit")) {
        *quit = true;
        return true;
    }
    if (!strcmp(line, "/reset"))
        return begin_again(t, err);
    if (!strcmp(line, "/help")) {
        puts("/reset begins a new conversation, /exit (or the end of input) leaves.");
        return true;
    }
    return !*line || (add_message(t, "user", line, strlen(line), err) && answer(t, err));
}

static bool converse(talk *t, lt_error *err)
{
    bool live = isatty(STDIN_FILENO), quit = false;
    char *line = NULL;
    size_t room = 0;
    bool ok = begin_again(t, err);
    const volatile sig_atomic_t *stop = lt_stop_watch("leaving");
    while (ok && !quit) {
        if (live) {
            fputs("> ", stdout);
            fflush(stdout);
        }
        ssize_t n = getline(&line, &room, stdin);
        if (n < 0 || *stop)
            break;
        line[strcspn(line, "\r\n")] = '\0';
        ok = turn(t, line, &quit, err);
        if (!ok && live && err->status == LT_ERR_USAGE) { /* a mistake in one turn does not end the talk */
            lt_console_error(err);
            json_array_remove(t->messages, json_array_size(t->messages) - 1);
            ok = true;
        }
    }
    free(line);
    return ok;
}

static bool run(lt_options *options, lt_error *err)
{
    talk t = {.options = options, .messages = json_array()};
    bool ok = t.messages || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    ok = ok && lt_session_open(&t.model, options, err);
    if (ok && !t.model->text->chat)
        ok = lt_error_set(err, LT_ERR_USAGE, "%s has no chat template; choose one with --chat-template, or use generate --prompt",
                          options->train.model);
    if (ok) {
        t.capacity = options->sampling.context ? options->sampling.context : 4096;
        int64_t most = t.model->base->config.max_position;
        t.capacity = most && t.capacity > most ? most : t.capacity;
        ok = lt_session_decoder(t.model, t.capacity, &t.decoder, err) && converse(&t, err);
    }
    lt_ids_free(&t.cached);
    lt_decoder_close(t.decoder);
    lt_api_model_close(t.model);
    json_decref(t.messages);
    return ok;
}

const lt_command lt_cli_chat = {
    .id = LT_COMMAND_CHAT,
    .name = "chat",
    .section = "Use",
    .summary = "a conversation at the terminal",
    .usage = "--model DIR [--adapter DIR]",
    .details = "Each line is a turn. /reset begins a new conversation, /exit or the end of input leaves.",
    .examples = examples,
    .run = run,
};
