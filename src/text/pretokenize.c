#include "text/pretokenize.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/unicode.h"

typedef struct lt_step lt_step;

/* Cuts the pieces `in` of *view into `out`; may rewrite the text, in scratch->texts[next_text]. */
typedef bool apply_fn(const lt_step *step, lt_pretokenize_scratch *s, lt_view *view, const lt_pieces *in,
                      lt_pieces *out, lt_error *err);

struct lt_step {
    apply_fn *apply;
    lt_pattern *pattern;                       /* Split, ByteLevel with its own pattern */
    bool (*is)(uint32_t c, uint32_t argument); /* the delimiter, when there is no pattern */
    uint32_t argument;                         /* of `is`; Metaspace: the replacement; FixedLength: the length */
    lt_split split;
    bool invert;
    bool add_prefix_space, leave_bytes;    /* ByteLevel */
    enum { ALWAYS, FIRST, NEVER } prepend; /* Metaspace */
    bool cut;                              /* Metaspace: "split" */
};

struct lt_pretokenizer {
    lt_step *steps;
    size_t count, capacity;
};

enum { MAX_DEPTH = 20, MAX_STEPS = 100 };

/* GPT-2's way to cut a text, which ByteLevel has built in: contractions, then words, numbers and the rest, each with a
 * space before it; of white space before a word, all but the last. */
static const char gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

void lt_pretokenize_scratch_free(lt_pretokenize_scratch *s)
{
    for (int i = 0; i < 2; i++) {
        free(s->pieces[i].data);
        lt_ntext_free(&s->texts[i]);
    }
    lt_pattern_scratch_free(&s->pattern);
    *s = (lt_pretokenize_scratch){0};
}

void lt_pretokenize_begin(lt_pretokenize_scratch *s, size_t size, bool track)
{
    for (int i = 0; i < 2; i++) {
        s->texts[i].track = track;
        s->texts[i].limit = size < (UINT32_MAX - (1 << 20)) / 64 ? 64 * size + (1 << 20) : UINT32_MAX;
    }
}

/* A fresh text to rewrite *view into. */
static lt_ntext *begin_rewrite(lt_pretokenize_scratch *s)
{
    lt_ntext *out = &s->texts[s->next_text];
    s->next_text ^= 1;
    out->text.size = 0;
    return out;
}

static bool apply_split(const lt_step *step, lt_pretokenize_scratch *s, lt_view *view, const lt_pieces *in,
                        lt_pieces *out, lt_error *err)
{
    for (size_t i = 0; i < in->count; i++) {
        lt_piece p = in->data[i];
        const char *text = view->text + p.begin;
        size_t size = p.end - p.begin;
        bool ok = step->pattern ? lt_pattern_find(step->pattern, &s->pattern, text, size, err)
                                : lt_split_find(step->is, step->argument, text, size, &s->pattern.matches, err);
        if (!ok || !lt_split_apply(step->split, step->invert, &s->pattern.matches, p.begin, out, err))
            return false;
    }
    return true;
}

static bool is_space(uint32_t c, uint32_t unused)
{
    (void)unused;
    return lt_unicode_is_space(c);
}

static bool is_numeric(uint32_t c, uint32_t unused)
{
    (void)unused;
    return lt_unicode_is_numeric(c);
}

static bool is_punctuation(uint32_t c, uint32_t unused)
{
    (void)unused;
    return lt_unicode_is_punctuation(c);
}

static bool is_equal(uint32_t c, uint32_t delimiter)
{
    return c == delimiter;
}

/* Runs of word characters, and runs of what is neither that nor white space. */
static bool apply_whitespace(const lt_step *step, lt_pretokenize_scratch *s, lt_view *view, const lt_pieces *in,
                             lt_pieces *out, lt_error *err)
{
    (void)step;
    (void)s;
    for (size_t i = 0; i < in->count; i++) {
        size_t begin = in->data[i].begin, at = begin, end = in->data[i].end;
        int last = 0; /* 0: white space, 1: word, 2: neither */
        while (at < end) {
            uint32_t c;
            int length = lt_utf8_decode(view->text + at, end - at, &c);
            int kind = lt_unicode_is_word(c) ? 1 : lt_unicode_is_space(c) ? 0 : 2;
            if (kind != last) {
                if (last && !lt_pieces_push(out, begin, at, err))
                    return false;
                begin = at;
            }
            last = kind;
            at += (size_t)length;
        }
        if (last && !lt_pieces_push(out, begin, at, err))
            return false;
    }
    return true;
}

static bool apply_fixed_length(const lt_step *step, lt_pretokenize_scratch *s, lt_view *view, const lt_pieces *in,
                               lt_pieces *out, lt_error *err)
{
    (void)s;
    for (size_t i = 0; i < in->count; i++) {
        size_t begin = in->data[i].begin, at = begin, end = in->data[i].end;
        for (uint32_t n = 0; at < end;) {
            uint32_t c;
            at += (size_t)lt_utf8_decode(view->text + at, end - at, &c);
            if (++n == step->argument || at == end) {
                if (!lt_pieces_push(out, begin, at, err))
                    return false;
                begin = at;
                n = 0;
            }
        }
    }
    return true;
}

/* Spaces become the replacement character, which also goes before a piece that does not start with it; every piece is
 * then cut before each replacement character. */
static bool apply_metaspace(const lt_step *step, lt_pretokenize_scratch *s, lt_view *view, const lt_pieces *in,
                            lt_pieces *out, lt_error *err)
{
    char mark[4];
    size_t mark_size = (size_t)lt_utf8_encode(step->argument, mark);
    lt_ntext *text = begin_rewrite(s);
    for (size_t i = 0; i < in->count; i++) {
        size_t at = in->data[i].begin, end = in->data[i].end, begin = text->text.size;
        bool has_mark = view->text[at] == ' ' || (end - at >= mark_size && !memcmp(view->text + at, mark, mark_size));
        bool first = lt_view_from(view, at).begin == 0;
        if (!has_mark && (step->prepend == ALWAYS || (step->prepend == FIRST && first)) &&
            !lt_ntext_push(text, mark, mark_size, lt_view_char(view, at), err))
            return false;
        while (at < end) {
            const char *space = memchr(view->text + at, ' ', end - at);
            size_t stop = space ? (size_t)(space - view->text) : end;
            if (!lt_ntext_copy(text, view, at, stop, err) ||
                (space && !lt_ntext_push(text, mark, mark_size, lt_view_span(view, stop, stop + 1), err)))
                return false;
            at = space ? stop + 1 : stop;
        }
        while (step->cut && begin < text->text.size) {
            const char *start = text->text.data + begin;
            size_t left = text->text.size - begin;
            const char *next = left > 1 ? memmem(start + 1, left - 1, mark, mark_size) : NULL;
            size_t stop = next ? begin + (size_t)(next - start) : text->text.size;
            if (!lt_pieces_push(out, begin, stop, err))
                return false;
            begin = stop;
        }
        if (!lt_pieces_push(out, begin, text->text.size, err))
            return false;
    }
    size_t base = view->base;
    *view = lt_ntext_view(text);
    view->base = base;
    return true;
}

/* A space before every piece that does not start with one. */
static bool prefix_spaces(lt_pretokenize_scratch *s, lt_view *view, const lt_pieces *in, lt_pieces *out, lt_error *err)
{
    lt_ntext *text = begin_rewrite(s);
    for (size_t i = 0; i < in->count; i++) {
        lt_piece p = in->data[i];
        size_t begin = text->text.size;
        if (view->text[p.begin] != ' ' && !lt_ntext_push(text, " ", 1, lt_view_char(view, p.begin), err))
            return false;
        if (!lt_ntext_copy(text, view, p.begin, p.end, err) || !lt_pieces_push(out, begin, text->text.size, err))
            return false;
    }
    size_t base = view->base;
    *view = lt_ntext_view(text);
    view->base = base;
    return true;
}

/* Every byte of every piece becomes its character. */
static bool spell_bytes(lt_pretokenize_scratch *s, lt_view *view, lt_pieces *pieces, lt_error *err)
{
    lt_ntext *text = begin_rewrite(s);
    for (size_t i = 0; i < pieces->count; i++) {
        lt_piece *p = &pieces->data[i];
        size_t begin = text->text.size;
        if (!lt_bytelevel_push(text, view, p->begin, p->end, err))
            return false;
        *p = (lt_piece){(uint32_t)begin, (uint32_t)text->text.size};
    }
    size_t base = view->base;
    *view = lt_ntext_view(text);
    view->base = base;
    return true;
}

static bool apply_bytelevel(const lt_step *step, lt_pretokenize_scratch *s, lt_view *view, const lt_pieces *in,
                            lt_pieces *out, lt_error *err)
{
    lt_pieces prefixed = {0};
    bool ok = false;
    if (step->add_prefix_space) {
        if (!prefix_spaces(s, view, in, &prefixed, err))
            goto done;
        in = &prefixed;
    }
    if (step->pattern) {
        if (!apply_split(step, s, view, in, out, err))
            goto done;
    } else {
        for (size_t i = 0; i < in->count; i++)
            if (!lt_pieces_push(out, in->data[i].begin, in->data[i].end, err))
                goto done;
    }
    ok = step->leave_bytes || spell_bytes(s, view, out, err);
done:
    free(prefixed.data);
    return ok;
}

bool lt_pretokenize(const lt_pretokenizer *pretokenizer, lt_pretokenize_scratch *s, lt_view *view,
                    const lt_pieces **pieces, lt_error *err)
{
    lt_pieces *in = &s->pieces[0];
    in->count = 0;
    if (view->size > UINT32_MAX)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "a text of %zu bytes; at most 4 GB go at once", view->size);
    if (!lt_pieces_push(in, 0, view->size, err))
        return false;
    s->next_pieces = 1;
    for (size_t i = 0; pretokenizer && i < pretokenizer->count; i++) {
        lt_pieces *out = &s->pieces[s->next_pieces];
        s->next_pieces ^= 1;
        out->count = 0;
        if (!pretokenizer->steps[i].apply(&pretokenizer->steps[i], s, view, in, out, err))
            return false;
        in = out;
    }
    *pieces = in;
    return true;
}

static bool open_split(lt_step *step, const lt_json *at, lt_error *err)
{
    lt_json behavior;
    step->apply = apply_split;
    return lt_pattern_open(&step->pattern, at, err) && lt_json_need(at, "behavior", &behavior, err) &&
           lt_split_read(&behavior, &step->split, err) && lt_json_need_bool(at, "invert", &step->invert, err);
}

static bool open_bytelevel(lt_step *step, const lt_json *at, lt_error *err)
{
    bool use_regex = true;
    step->apply = apply_bytelevel;
    step->split = LT_SPLIT_ISOLATED;
    if (!lt_json_need_bool(at, "add_prefix_space", &step->add_prefix_space, err) ||
        !lt_json_get_bool(at, "use_regex", &use_regex, err))
        return false;
    return !use_regex || lt_pattern_open_regex(&step->pattern, gpt2_pattern, sizeof gpt2_pattern - 1, at, err);
}

static bool open_digits(lt_step *step, const lt_json *at, lt_error *err)
{
    bool each;
    if (!lt_json_need_bool(at, "individual_digits", &each, err))
        return false;
    *step = (lt_step){.apply = apply_split, .is = is_numeric, .split = each ? LT_SPLIT_ISOLATED : LT_SPLIT_CONTIGUOUS};
    return true;
}

static bool open_punctuation(lt_step *step, const lt_json *at, lt_error *err)
{
    lt_json behavior;
    *step = (lt_step){.apply = apply_split, .is = is_punctuation, .split = LT_SPLIT_ISOLATED};
    return !lt_json_member(at, "behavior", &behavior) || lt_split_read(&behavior, &step->split, err);
}

static bool open_delimiter(lt_step *step, const lt_json *at, lt_error *err)
{
    *step = (lt_step){.apply = apply_split, .is = is_equal, .split = LT_SPLIT_REMOVED};
    return lt_json_need_char(at, "delimiter", &step->argument, err);
}

static bool open_fixed_length(lt_step *step, const lt_json *at, lt_error *err)
{
    int64_t length = 5;
    if (!lt_json_get_int(at, "length", 1, 1 << 30, &length, err))
        return false;
    *step = (lt_step){.apply = apply_fixed_length, .argument = (uint32_t)length};
    return true;
}

static bool open_metaspace(lt_step *step, const lt_json *at, lt_error *err)
{
    static const char *const schemes[] = {"always", "first", "never"}; /* in the order of the enum */
    const char *name = NULL;
    bool add_prefix = true;
    *step = (lt_step){.apply = apply_metaspace, .cut = true};
    if (!lt_json_need_char(at, "replacement", &step->argument, err) ||
        !lt_json_get_string(at, "prepend_scheme", &name, err) ||
        !lt_json_get_bool(at, "add_prefix_space", &add_prefix, err) || !lt_json_get_bool(at, "split", &step->cut, err))
        return false;
    int found = -1;
    for (int i = 0; i < 3; i++)
        if (!strcmp(name ? name : "always", schemes[i]))
            found = i;
    if (found < 0)
        return lt_json_error(at, err, LT_ERR_FORMAT, "prepend_scheme: expected always, first or never, found \"%.60s\"",
                             name);
    if (!add_prefix && name && found != NEVER)
        return lt_json_error(at, err, LT_ERR_FORMAT, "add_prefix_space is false although prepend_scheme is \"%s\"",
                             name);
    step->prepend = add_prefix ? found : NEVER;
    return true;
}

static bool open_step(lt_pretokenizer *p, const lt_json *at, int depth, lt_error *err);

static bool open_sequence(lt_pretokenizer *p, const lt_json *at, int depth, lt_error *err)
{
    lt_json list;
    size_t count;
    if (!lt_json_need_array(at, "pretokenizers", &list, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        lt_json item = lt_json_element(&list, i);
        if (!open_step(p, &item, depth + 1, err))
            return false;
    }
    return true;
}

static bool add_step(lt_pretokenizer *p, lt_step step, const lt_json *at, lt_error *err)
{
    if (p->count == MAX_STEPS)
        return lt_json_error(at, err, LT_ERR_FORMAT, "more than %d pre-tokenizers", MAX_STEPS);
    if (!lt_grow(&p->steps, &p->capacity, p->count + 1, sizeof *p->steps, err))
        return false;
    p->steps[p->count++] = step;
    return true;
}

static bool open_step(lt_pretokenizer *p, const lt_json *at, int depth, lt_error *err)
{
    static const struct {
        const char *type;
        bool (*open)(lt_step *step, const lt_json *at, lt_error *err); /* NULL: no fields */
        lt_step step;
    } kinds[] = {
        {"ByteLevel", open_bytelevel, {0}},
        {"Split", open_split, {0}},
        {"Digits", open_digits, {0}},
        {"Punctuation", open_punctuation, {0}},
        {"CharDelimiterSplit", open_delimiter, {0}},
        {"FixedLength", open_fixed_length, {0}},
        {"Metaspace", open_metaspace, {0}},
        {"Whitespace", NULL, {.apply = apply_whitespace}},
        {"WhitespaceSplit", NULL, {.apply = apply_split, .is = is_space, .split = LT_SPLIT_REMOVED}},
    };
    const char *type;
    if (!lt_json_need_string(at, "type", &type, err))
        return false;
    if (depth > MAX_DEPTH)
        return lt_json_error(at, err, LT_ERR_FORMAT, "pre-tokenizers nested more than %d deep", MAX_DEPTH);
    if (!strcmp(type, "Sequence"))
        return open_sequence(p, at, depth, err);
    if (!strcmp(type, "BertPreTokenizer")) /* white space goes, punctuation stands alone */
        return add_step(p, (lt_step){.apply = apply_split, .is = is_space, .split = LT_SPLIT_REMOVED}, at, err) &&
               add_step(p, (lt_step){.apply = apply_split, .is = is_punctuation, .split = LT_SPLIT_ISOLATED}, at, err);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(type, kinds[i].type))
            return add_step(p, kinds[i].step, at, err) &&
                   (!kinds[i].open || kinds[i].open(&p->steps[p->count - 1], at, err));
    return lt_json_error(at, err, LT_ERR_UNSUPPORTED, "no pre-tokenizer \"%.60s\" is known", type);
}

bool lt_pretokenizer_open(lt_pretokenizer **out, const lt_json *root, bool model_takes_bytes, lt_error *err)
{
    lt_json at;
    *out = NULL;
    if (!lt_json_member(root, "pre_tokenizer", &at))
        return true;
    lt_pretokenizer *p = calloc(1, sizeof *p);
    if (!p)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a pre-tokenizer");
    if (!open_step(p, &at, 0, err)) {
        lt_pretokenizer_close(p);
        return false;
    }
    if (p->count && p->steps[p->count - 1].apply == apply_bytelevel)
        p->steps[p->count - 1].leave_bytes = model_takes_bytes;
    *out = p;
    return true;
}

void lt_pretokenizer_close(lt_pretokenizer *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        lt_pattern_close(p->steps[i].pattern);
    free(p->steps);
    free(p);
}

bool lt_pretokenizer_gives_bytes(const lt_pretokenizer *p)
{
    return p && p->count && p->steps[p->count - 1].leave_bytes;
}

bool lt_pretokenizer_needs_origins(const lt_pretokenizer *p)
{
    for (size_t i = 0; p && i < p->count; i++)
        if (p->steps[i].apply == apply_metaspace && p->steps[i].prepend == FIRST)
            return true;
    return false;
}
