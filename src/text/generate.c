#include "text/generate.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *lt_stop_reason_name(lt_stop_reason reason)
{
    static const char *const names[] = {"length", "eos", "stop", "capacity", "cancelled"};
    return names[reason];
}

/* Text on its way out: what was decoded, and how much of it was handed on. */
typedef struct outlet {
    const lt_generate_options *options;
    char *text;
    size_t size, capacity, sent;
} outlet;

static bool append(outlet *o, const char *piece, size_t n, lt_error *err)
{
    if (o->size + n + 1 > o->capacity) {
        size_t capacity = 2 * (o->size + n + 64);
        char *grown = realloc(o->text, capacity);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the generated text");
        o->text = grown;
        o->capacity = capacity;
    }
    memcpy(o->text + o->size, piece, n);
    o->size += n;
    o->text[o->size] = '\0';
    return true;
}

/* Hands on text up to `end`. */
static void send(outlet *o, size_t end)
{
    if (end > o->sent && o->options->piece)
        o->options->piece(o->text + o->sent, end - o->sent, o->options->context);
    if (end > o->sent)
        o->sent = end;
}

/* The first stop string in text from `from` on cuts it there: true. */
static bool cut_at_stop(outlet *o, size_t from)
{
    char *first = NULL;
    for (size_t i = 0; i < o->options->stop_count; i++) {
        const char *stop = o->options->stop[i];
        size_t n = strlen(stop);
        for (size_t at = from; n && at + n <= o->size && (!first || o->text + at < first); at++)
            if (!memcmp(o->text + at, stop, n))
                first = o->text + at;
    }
    if (!first)
        return false;
    *first = '\0';
    o->size = (size_t)(first - o->text);
    return true;
}

/* Bytes at the end of the text that may be the beginning of a stop string. */
static size_t held_back(const outlet *o)
{
    size_t longest = 0;
    for (size_t i = 0; i < o->options->stop_count; i++) {
        size_t n = strlen(o->options->stop[i]);
        for (size_t k = n ? n - 1 : 0; k > longest; k--)
            if (k <= o->size && !memcmp(o->text + o->size - k, o->options->stop[i], k))
                longest = k;
    }
    return longest;
}

/* A new piece of decoded text; true in *stopped when a stop string is complete. */
static bool take_piece(outlet *o, const char *piece, size_t n, bool *stopped, lt_error *err)
{
    size_t longest = 0;
    for (size_t i = 0; i < o->options->stop_count; i++)
        longest = strlen(o->options->stop[i]) > longest ? strlen(o->options->stop[i]) : longest;
    size_t from = o->size > longest ? o->size - longest : 0;
    if (!append(o, piece, n, err))
        return false;
    *stopped = cut_at_stop(o, from < o->sent ? o->sent : from);
    send(o, *stopped ? o->size : o->size - held_back(o));
    return true;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_stop(const lt_generate_options *options, int32_t id)
{
    for (size_t i = 0; i < options->stop_id_count; i++)
        if (options->stop_ids[i] == id)
            return true;
    return false;
}

/* Everything one call holds. */
typedef struct session {
    const lt_generate_options *options;
    lt_ids seen; /* prompt and new tokens, for the repetition penalty */
    float *logits;
    void *scratch;
    lt_token_stream *stream;
    outlet outlet;
} session;

static bool loop(session *s, lt_decoder *decoder, int64_t sequence, int64_t capacity, int64_t V, lt_generated *out, lt_error *err)
{
    lt_rng rng = lt_rng_make(s->options->seed, 0x67656E); /* a stream of its own: sampling never shares numbers with training */
    double begin = now();
    for (;;) {
        int32_t id = lt_sample(&s->options->sample, s->logits, V, s->seen.data, (int64_t)s->seen.count, &rng, s->scratch);
        if (!lt_ids_push(&out->ids, id, err) || !lt_ids_push(&s->seen, id, err))
            return false;
        out->reason = LT_STOPPED_EOS;
        if (is_stop(s->options, id))
            break;
        bool stopped = false;
        const char *piece;
        size_t n;
        if (s->stream && (!lt_token_stream_push(s->stream, id, &piece, &n, err) || !take_piece(&s->outlet, piece, n, &stopped, err)))
            return false;
        out->reason = LT_STOPPED_STRING;
        if (stopped)
            break;
        out->reason = LT_STOPPED_LENGTH;
        if ((int64_t)out->ids.count >= s->options->max_new_tokens)
            break;
        out->reason = LT_STOPPED_FULL;
        if (lt_decoder_length(decoder, sequence) >= capacity)
            break;
        out->reason = LT_STOPPED_CANCELLED;
        if (s->options->cancel && *s->options->cancel)
            break;
        if (!lt_decoder_feed(decoder, sequence, &id, 1, s->logits, err))
            return false;
    }
    out->seconds = now() - begin;
    out->tokens_per_second = out->ids.count > 1 && out->seconds > 0 ? (double)(out->ids.count - 1) / out->seconds : 0;
    return true;
}

/* The characters that were held back for more to come. */
static bool flush(session *s, lt_generated *out, lt_error *err)
{
    const char *piece;
    size_t n;
    bool stopped = false;
    if (s->stream && out->reason != LT_STOPPED_STRING &&
        (!lt_token_stream_finish(s->stream, &piece, &n, err) || !take_piece(&s->outlet, piece, n, &stopped, err)))
        return false;
    if (stopped)
        out->reason = LT_STOPPED_STRING;
    send(&s->outlet, s->outlet.size);
    return true;
}

bool lt_generate(lt_decoder *decoder, int64_t sequence, int64_t capacity, int64_t V, const lt_tokenizer *tokenizer,
                 const int32_t *prompt, size_t count, const lt_generate_options *options, lt_generated *out, lt_error *err)
{
    session s = {.options = options, .outlet = {.options = options}};
    bool ok = false;
    *out = (lt_generated){0};
    if (lt_decoder_length(decoder, sequence) + (int64_t)count > capacity) {
        lt_error_set(err, LT_ERR_USAGE, "the prompt has %zu tokens, but only %lld fit", count,
                     (long long)(capacity - lt_decoder_length(decoder, sequence)));
        goto done;
    }
    for (size_t i = 0; i < count; i++)
        if (prompt[i] < 0 || prompt[i] >= V) {
            lt_error_set(err, LT_ERR_USAGE, "prompt token %zu is %d, but the model's vocabulary has %lld entries", i, (int)prompt[i],
                         (long long)V);
            goto done;
        }
    s.logits = malloc((size_t)V * sizeof *s.logits);
    s.scratch = malloc((size_t)lt_sample_scratch_bytes(V));
    if (!s.logits || !s.scratch || !append(&s.outlet, "", 0, err)) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for sampling");
        goto done;
    }
    if (!lt_ids_append(&s.seen, prompt, count, err) ||
        (tokenizer && !lt_token_stream_open(&s.stream, tokenizer, LT_DECODE_SKIP_SPECIAL, err)))
        goto done;
    double begin = now();
    if (!lt_decoder_feed(decoder, sequence, prompt, (int64_t)count, s.logits, err))
        goto done;
    out->prompt_seconds = now() - begin;
    ok = loop(&s, decoder, sequence, capacity, V, out, err) && flush(&s, out, err);
done:
    out->text = s.outlet.text;
    out->size = s.outlet.size;
    lt_ids_free(&s.seen);
    lt_token_stream_close(s.stream);
    free(s.logits);
    free(s.scratch);
    return ok;
}

void lt_generated_free(lt_generated *generated)
{
    lt_ids_free(&generated->ids);
    free(generated->text);
    *generated = (lt_generated){0};
}
