#include "text/token_decoder.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/normalize.h"
#include "text/utf8_lossy.h"

/* The steps of a decoder form a chain; each is handed tokens and hands on tokens. After Fuse or ByteLevel there is a
 * single token, which would only be whole at the very end; so tokens travel in parts, marked at their beginning and
 * end. */
enum { BEGIN = 1, END = 2, WHOLE = BEGIN | END };

typedef struct lt_step lt_step;
typedef struct lt_state lt_state;
typedef bool take_fn(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err);
typedef bool finish_fn(lt_token_decoding *d, size_t k, lt_error *err);

struct lt_step {
    take_fn *take;
    finish_fn *finish;   /* NULL: nothing is held back */
    bool takes_parts;    /* false: parts are put together before `take` sees them */
    lt_pattern *pattern; /* Replace */
    char *text;          /* Replace: content; WordPiece: prefix; BPEDecoder: suffix */
    size_t text_size;
    uint32_t character;  /* Strip, Metaspace */
    int64_t start, stop; /* Strip */
    bool flag;           /* WordPiece: cleanup; Metaspace: the first token loses its marks */
};

/* What one step remembers. */
struct lt_state {
    size_t tokens;    /* seen so far */
    lt_textbuf whole; /* a token being put together from parts */
    lt_textbuf hold;  /* bytes held back */
    lt_textbuf made;  /* what is handed on */
    int64_t stripped, pending;
    bool leading;
};

struct lt_token_decoder {
    lt_step *steps;
    size_t count, capacity;
};

struct lt_token_decoding {
    const lt_token_decoder *decoder;
    lt_state *states; /* one per step */
    lt_pattern_scratch pattern;
    lt_textbuf *out; /* during a call */
};

enum { MAX_DEPTH = 20, MAX_STEPS = 100 };

/* Hands a part of a token to step k, or to the output behind the last one. */
static bool feed(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err)
{
    if (k == d->decoder->count)
        return lt_textbuf_append(d->out, text, size, err);
    const lt_step *step = &d->decoder->steps[k];
    lt_state *s = &d->states[k];
    if (!step->takes_parts && part != WHOLE) {
        if (part & BEGIN)
            s->whole.size = 0;
        if (!lt_textbuf_append(&s->whole, text, size, err))
            return false;
        if (!(part & END))
            return true;
        text = s->whole.data;
        size = s->whole.size;
        part = WHOLE;
    }
    s->tokens += part & BEGIN;
    return step->take(d, k, text, size, part, err);
}

/* No decoder: tokens with spaces between. */
static bool take_spaced(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err)
{
    return (!(part & BEGIN) || d->states[k].tokens == 1 || feed(d, k + 1, " ", 1, WHOLE, err)) &&
           feed(d, k + 1, text, size, part, err);
}

static bool take_fuse(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err)
{
    return feed(d, k + 1, text, size, part & BEGIN && d->states[k].tokens == 1 ? BEGIN : 0, err);
}

static bool finish_fuse(lt_token_decoding *d, size_t k, lt_error *err)
{
    return feed(d, k + 1, "", 0, d->states[k].tokens ? END : WHOLE, err);
}

/* The bytes of a token in the byte-level alphabet; a token with another character in it is its own bytes. */
static bool unspell(lt_textbuf *out, const char *text, size_t size, lt_error *err)
{
    size_t before = out->size;
    for (size_t i = 0; i < size;) {
        uint32_t c;
        i += (size_t)lt_utf8_decode(text + i, size - i, &c);
        int byte = lt_bytelevel_byte(c);
        if (byte < 0) {
            out->size = before;
            return lt_textbuf_append(out, text, size, err);
        }
        char one = (char)byte;
        if (!lt_textbuf_append(out, &one, 1, err))
            return false;
    }
    return true;
}

static bool take_bytelevel(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err)
{
    (void)part;
    lt_state *s = &d->states[k];
    s->whole.size = s->made.size = 0;
    return unspell(&s->whole, text, size, err) &&
           lt_utf8_lossy_append(&s->made, &s->hold, s->whole.data, s->whole.size, false, err) &&
           feed(d, k + 1, s->made.data, s->made.size, s->tokens == 1 ? BEGIN : 0, err);
}

static bool finish_bytelevel(lt_token_decoding *d, size_t k, lt_error *err)
{
    lt_state *s = &d->states[k];
    s->made.size = 0;
    return lt_utf8_lossy_append(&s->made, &s->hold, "", 0, true, err) &&
           feed(d, k + 1, s->made.data, s->made.size, s->tokens ? END : WHOLE, err);
}

/* The byte that a token like "<0x0A>" names, or -1. */
static int named_byte(const char *text, size_t size)
{
    int value = 0;
    if (size != 6 || memcmp(text, "<0x", 3) || text[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char c = text[i], lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value * 16 + c - '0';
        else if (lower >= 'a' && lower <= 'f')
            value = value * 16 + lower - 'a' + 10;
        else if (c == '+' && i == 3) /* the reference's number parser takes a sign */
            value = 0;
        else
            return -1;
    }
    return value;
}

/* A run of bytes is text when all of it is; otherwise every byte is U+FFFD. So nothing of it is certain before it ends.
 */
static bool finish_bytefallback(lt_token_decoding *d, size_t k, lt_error *err)
{
    lt_textbuf *run = &d->states[k].hold;
    size_t size = run->size;
    run->size = 0;
    if (size == 0)
        return true;
    if (lt_utf8_good_part(run->data, size) == size)
        return feed(d, k + 1, run->data, size, WHOLE, err);
    for (size_t i = 0; i < size; i++)
        if (!feed(d, k + 1, LT_REPLACEMENT, 3, WHOLE, err))
            return false;
    return true;
}

static bool take_bytefallback(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part,
                              lt_error *err)
{
    int byte = named_byte(text, size);
    if (byte >= 0) {
        char one = (char)byte;
        return lt_textbuf_append(&d->states[k].hold, &one, 1, err);
    }
    return finish_bytefallback(d, k, err) && feed(d, k + 1, text, size, part, err);
}

/* Up to `start` of the character go from the beginning of a token, up to `stop` from its end. */
static bool take_strip(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err)
{
    const lt_step *step = &d->decoder->steps[k];
    lt_state *s = &d->states[k];
    char mark[4];
    size_t mark_size = (size_t)lt_utf8_encode(step->character, mark);
    if (part & BEGIN) {
        s->stripped = s->pending = 0;
        s->leading = true;
    }
    s->made.size = 0;
    for (size_t i = 0; i < size;) {
        uint32_t c;
        size_t n = (size_t)lt_utf8_decode(text + i, size - i, &c);
        bool hit = c == step->character;
        if (s->leading && hit && s->stripped < step->start) {
            s->stripped++;
            i += n;
            continue;
        }
        s->leading = false;
        if (hit && s->pending < step->stop) { /* maybe the end: wait and see */
            s->pending++;
        } else if (hit) { /* one more than may go: the first of those waiting stays, this one waits */
            if (!lt_textbuf_append(&s->made, text + i, n, err))
                return false;
        } else {
            for (; s->pending; s->pending--)
                if (!lt_textbuf_append(&s->made, mark, mark_size, err))
                    return false;
            if (!lt_textbuf_append(&s->made, text + i, n, err))
                return false;
        }
        i += n;
    }
    return feed(d, k + 1, s->made.data, s->made.size, part, err);
}

static bool take_replace(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err)
{
    const lt_step *step = &d->decoder->steps[k];
    lt_state *s = &d->states[k];
    if (!lt_pattern_find(step->pattern, &d->pattern, text, size, err))
        return false;
    s->made.size = 0;
    for (size_t i = 0; i < d->pattern.matches.count; i++) {
        lt_match m = d->pattern.matches.data[i];
        bool ok = m.is_match ? lt_textbuf_append(&s->made, step->text, step->text_size, err)
                             : lt_textbuf_append(&s->made, text + m.begin, m.end - m.begin, err);
        if (!ok)
            return false;
    }
    return feed(d, k + 1, s->made.data, s->made.size, part, err);
}

/* The mark is a space; in the first token it is nothing, when encoding puts one there. */
static bool take_metaspace(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err)
{
    const lt_step *step = &d->decoder->steps[k];
    lt_state *s = &d->states[k];
    s->made.size = 0;
    for (size_t i = 0; i < size;) {
        uint32_t c;
        size_t n = (size_t)lt_utf8_decode(text + i, size - i, &c);
        bool mark = c == step->character, dropped = mark && s->tokens == 1 && step->flag;
        if (!dropped && !lt_textbuf_append(&s->made, mark ? " " : text + i, mark ? 1 : n, err))
            return false;
        i += n;
    }
    return feed(d, k + 1, s->made.data, s->made.size, part, err);
}

static bool replace_all(lt_textbuf *text, lt_textbuf *copy, const char *from, const char *to, lt_error *err)
{
    size_t from_size = strlen(from), at = 0;
    const char *hit = text->size ? memmem(text->data, text->size, from, from_size) : NULL;
    if (!hit)
        return true;
    copy->size = 0;
    for (; hit; hit = memmem(text->data + at, text->size - at, from, from_size)) {
        size_t stop = (size_t)(hit - text->data);
        if (!lt_textbuf_append(copy, text->data + at, stop - at, err) || !lt_textbuf_append(copy, to, strlen(to), err))
            return false;
        at = stop + from_size;
    }
    if (!lt_textbuf_append(copy, text->data + at, text->size - at, err))
        return false;
    lt_textbuf swap = *text;
    *text = *copy;
    *copy = swap;
    return true;
}

static bool take_wordpiece(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err)
{
    static const char *const cleanups[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                              {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                              {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    const lt_step *step = &d->decoder->steps[k];
    lt_state *s = &d->states[k];
    s->made.size = 0;
    if (s->tokens > 1) {
        if (size >= step->text_size && !memcmp(text, step->text, step->text_size)) {
            text += step->text_size;
            size -= step->text_size;
        } else if (!lt_textbuf_append(&s->made, " ", 1, err)) {
            return false;
        }
    }
    if (!lt_textbuf_append(&s->made, text, size, err))
        return false;
    for (size_t i = 0; step->flag && i < sizeof cleanups / sizeof *cleanups; i++)
        if (!replace_all(&s->made, &s->hold, cleanups[i][0], cleanups[i][1], err))
            return false;
    return feed(d, k + 1, s->made.data, s->made.size, part, err);
}

/* The suffix is a space, but nothing in the last token: a token waits for the next. */
static bool release_bpe(lt_token_decoding *d, size_t k, const char *instead, lt_error *err)
{
    const lt_step *step = &d->decoder->steps[k];
    lt_state *s = &d->states[k];
    if (step->text_size && !replace_all(&s->hold, &s->made, step->text, instead, err))
        return false;
    return feed(d, k + 1, s->hold.data, s->hold.size, WHOLE, err);
}

static bool take_bpe(lt_token_decoding *d, size_t k, const char *text, size_t size, unsigned part, lt_error *err)
{
    (void)part;
    lt_state *s = &d->states[k];
    if (s->tokens > 1 && !release_bpe(d, k, " ", err))
        return false;
    s->hold.size = 0;
    return lt_textbuf_append(&s->hold, text, size, err);
}

static bool finish_bpe(lt_token_decoding *d, size_t k, lt_error *err)
{
    return d->states[k].tokens == 0 || release_bpe(d, k, "", err);
}

bool lt_token_decoding_open(lt_token_decoding **out, const lt_token_decoder *decoder, lt_error *err)
{
    lt_token_decoding *d = calloc(1, sizeof *d);
    if (d)
        d->states = calloc(decoder->count + 1, sizeof *d->states);
    if (!d || !d->states) {
        free(d);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for decoding");
    }
    d->decoder = decoder;
    *out = d;
    return true;
}

void lt_token_decoding_close(lt_token_decoding *d)
{
    if (!d)
        return;
    for (size_t k = 0; k < d->decoder->count; k++) {
        lt_textbuf_free(&d->states[k].whole);
        lt_textbuf_free(&d->states[k].hold);
        lt_textbuf_free(&d->states[k].made);
    }
    lt_pattern_scratch_free(&d->pattern);
    free(d->states);
    free(d);
}

bool lt_token_decoding_push(lt_token_decoding *d, const char *token, size_t size, lt_textbuf *out, lt_error *err)
{
    d->out = out;
    return feed(d, 0, token, size, WHOLE, err);
}

bool lt_token_decoding_finish(lt_token_decoding *d, lt_textbuf *out, lt_error *err)
{
    bool ok = true;
    d->out = out;
    for (size_t k = 0; ok && k < d->decoder->count; k++)
        if (d->decoder->steps[k].finish)
            ok = d->decoder->steps[k].finish(d, k, err);
    for (size_t k = 0; k < d->decoder->count; k++) {
        lt_state *s = &d->states[k];
        s->tokens = 0;
        s->whole.size = s->hold.size = s->made.size = 0;
    }
    return ok;
}

static bool read_text(lt_step *step, const lt_json *at, const char *key, lt_error *err)
{
    const char *text;
    if (!lt_json_need_string(at, key, &text, err))
        return false;
    step->text_size = strlen(text);
    step->text = lt_text_copy(text, step->text_size, err);
    return step->text != NULL;
}

static bool open_strip(lt_step *step, const lt_json *at, lt_error *err)
{
    return lt_json_need_char(at, "content", &step->character, err) &&
           lt_json_need_int(at, "start", 0, 1 << 30, &step->start, err) &&
           lt_json_need_int(at, "stop", 0, 1 << 30, &step->stop, err);
}

static bool open_replace(lt_step *step, const lt_json *at, lt_error *err)
{
    return lt_pattern_open(&step->pattern, at, err) && read_text(step, at, "content", err);
}

static bool open_metaspace(lt_step *step, const lt_json *at, lt_error *err)
{
    const char *scheme = "always";
    bool add_prefix = true;
    if (!lt_json_need_char(at, "replacement", &step->character, err) ||
        !lt_json_get_string(at, "prepend_scheme", &scheme, err) ||
        !lt_json_get_bool(at, "add_prefix_space", &add_prefix, err))
        return false;
    step->flag = add_prefix && strcmp(scheme, "never") != 0;
    return true;
}

static bool open_wordpiece(lt_step *step, const lt_json *at, lt_error *err)
{
    return lt_json_need_bool(at, "cleanup", &step->flag, err) && read_text(step, at, "prefix", err);
}

static bool open_bpe(lt_step *step, const lt_json *at, lt_error *err)
{
    return read_text(step, at, "suffix", err);
}

static bool open_step(lt_token_decoder *decoder, const lt_json *at, int depth, lt_error *err);

static bool open_sequence(lt_token_decoder *decoder, const lt_json *at, int depth, lt_error *err)
{
    lt_json list;
    size_t count;
    bool ok = lt_json_need_array(at, "decoders", &list, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        lt_json item = lt_json_element(&list, i);
        ok = open_step(decoder, &item, depth + 1, err);
    }
    return ok;
}

static bool open_step(lt_token_decoder *decoder, const lt_json *at, int depth, lt_error *err)
{
    static const struct {
        const char *type;
        bool (*open)(lt_step *step, const lt_json *at, lt_error *err); /* NULL: no fields that matter */
        lt_step step;
    } kinds[] = {
        {"ByteLevel", NULL, {.take = take_bytelevel, .finish = finish_bytelevel}},
        {"ByteFallback", NULL, {.take = take_bytefallback, .finish = finish_bytefallback}},
        {"Fuse", NULL, {.take = take_fuse, .finish = finish_fuse, .takes_parts = true}},
        {"Strip", open_strip, {.take = take_strip, .takes_parts = true}},
        {"Replace", open_replace, {.take = take_replace}},
        {"Metaspace", open_metaspace, {.take = take_metaspace, .takes_parts = true}},
        {"WordPiece", open_wordpiece, {.take = take_wordpiece}},
        {"BPEDecoder", open_bpe, {.take = take_bpe, .finish = finish_bpe}},
    };
    const char *type;
    if (!lt_json_need_string(at, "type", &type, err))
        return false;
    if (depth > MAX_DEPTH || decoder->count == MAX_STEPS)
        return lt_json_error(at, err, LT_ERR_FORMAT, "too many decoders");
    if (!strcmp(type, "Sequence"))
        return open_sequence(decoder, at, depth, err);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(type, kinds[i].type)) {
            if (!lt_grow(&decoder->steps, &decoder->capacity, decoder->count + 1, sizeof(lt_step), err))
                return false;
            lt_step *step = &decoder->steps[decoder->count++];
            *step = kinds[i].step;
            return !kinds[i].open || kinds[i].open(step, at, err);
        }
    return lt_json_error(at, err, LT_ERR_UNSUPPORTED, "no decoder \"%.60s\" is known", type);
}

bool lt_token_decoder_open(lt_token_decoder **out, const lt_json *root, lt_error *err)
{
    lt_json at;
    lt_token_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a decoder");
    bool ok;
    if (lt_json_member(root, "decoder", &at)) {
        ok = open_step(decoder, &at, 0, err);
    } else {
        ok = lt_grow(&decoder->steps, &decoder->capacity, 1, sizeof(lt_step), err);
        if (ok)
            decoder->steps[decoder->count++] = (lt_step){.take = take_spaced, .takes_parts = true};
    }
    if (ok)
        *out = decoder;
    else
        lt_token_decoder_close(decoder);
    return ok;
}

void lt_token_decoder_close(lt_token_decoder *decoder)
{
    if (!decoder)
        return;
    for (size_t k = 0; k < decoder->count; k++) {
        lt_pattern_close(decoder->steps[k].pattern);
        free(decoder->steps[k].text);
    }
    free(decoder->steps);
    free(decoder);
}
