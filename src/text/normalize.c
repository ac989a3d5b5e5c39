#include "text/normalize.h"

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/normalize_precompiled.h"
#include "text/normalize_sentencepiece.h"
#include "text/unicode.h"

typedef struct lt_step lt_step;

/* Writes what becomes of *in to *out and sets *changed, or leaves it false, and then *out does not matter. */
typedef bool apply_fn(const lt_step *step, lt_normalize_scratch *scratch, const lt_view *in, lt_ntext *out,
                      bool *changed, lt_error *err);

struct lt_step {
    apply_fn *apply;
    lt_form form;
    bool left, right;    /* strip */
    lt_pattern *pattern; /* replace */
    char *content;       /* prepend, replace */
    size_t content_size;
    lt_precompiled *precompiled;
    lt_sentencepiece *sentencepiece;
};

struct lt_normalizer {
    lt_step *steps;
    size_t count, capacity;
};

enum { MAX_DEPTH = 20, MAX_STEPS = 100 };

void lt_ntext_free(lt_ntext *out)
{
    lt_textbuf_free(&out->text);
    free(out->from);
    *out = (lt_ntext){0};
}

lt_span lt_view_char(const lt_view *view, size_t at)
{
    uint32_t c;
    int length = lt_utf8_decode(view->text + at, view->size - at, &c);
    return lt_view_span(view, at, at + (size_t)(length ? length : 1));
}

static bool make_room(lt_ntext *out, size_t size, lt_error *err)
{
    if (size > out->limit || out->text.size > out->limit - size)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "the tokenizer's normalizer makes a text longer than %zu bytes",
                            out->limit);
    if (!lt_textbuf_grow(&out->text, size, err))
        return false;
    return !out->track || lt_grow(&out->from, &out->from_capacity, out->text.size + size, sizeof *out->from, err);
}

bool lt_ntext_push(lt_ntext *out, const char *text, size_t size, lt_span from, lt_error *err)
{
    if (!make_room(out, size, err))
        return false;
    if (out->track)
        for (size_t i = 0; i < size; i++)
            out->from[out->text.size + i] = from;
    return lt_textbuf_append(&out->text, text, size, err);
}

bool lt_ntext_push_char(lt_ntext *out, uint32_t c, lt_span from, lt_error *err)
{
    char text[4];
    int n = lt_utf8_encode(c, text);
    return lt_ntext_push(out, text, (size_t)n, from, err);
}

bool lt_ntext_copy(lt_ntext *out, const lt_view *in, size_t begin, size_t end, lt_error *err)
{
    if (!make_room(out, end - begin, err))
        return false;
    if (out->track)
        for (size_t i = begin; i < end; i++)
            out->from[out->text.size + i - begin] = lt_view_from(in, i);
    return lt_textbuf_append(&out->text, in->text + begin, end - begin, err);
}

lt_view lt_ntext_view(const lt_ntext *text)
{
    return (lt_view){text->text.data, text->text.size, text->track ? text->from : NULL, 0};
}

void lt_normalize_scratch_free(lt_normalize_scratch *s)
{
    lt_ntext_free(&s->texts[0]);
    lt_ntext_free(&s->texts[1]);
    lt_pattern_scratch_free(&s->pattern);
    free(s->points);
    *s = (lt_normalize_scratch){0};
}

void lt_normalize_begin(lt_normalize_scratch *s, size_t size, bool track)
{
    s->total = size;
    for (int i = 0; i < 2; i++) {
        s->texts[i].track = track;
        s->texts[i].limit = size < (UINT32_MAX - (1 << 20)) / 64 ? 64 * size + (1 << 20) : UINT32_MAX;
    }
}

static bool apply_form(const lt_step *step, lt_normalize_scratch *s, const lt_view *in, lt_ntext *out, bool *changed,
                       lt_error *err)
{
    return lt_normalize_form(step->form, s, in, out, changed, err);
}

/* One character to at most three; returns how many. */
typedef int map_fn(uint32_t c, uint32_t out[3]);

/* ASCII that a map leaves as it is: from first to last, but not from `but` to but_last. Most of most texts, and not worth a call. */
typedef struct kept_ascii {
    unsigned char first, last, but, but_last;
} kept_ascii;

static bool map_characters(map_fn *map, kept_ascii kept, const lt_view *in, lt_ntext *out, bool *changed, lt_error *err)
{
    size_t same = 0; /* what stands from here on is as it was, and is copied in one go */
    for (size_t i = 0; i < in->size;) {
        uint32_t c, to[3];
        unsigned char byte = (unsigned char)in->text[i];
        if (byte >= kept.first && byte <= kept.last && (byte < kept.but || byte > kept.but_last)) {
            i++;
            continue;
        }
        size_t end = i + (size_t)lt_utf8_decode(in->text + i, in->size - i, &c);
        int n = map(c, to);
        if (n != 1 || to[0] != c) {
            *changed = true;
            if (!lt_ntext_copy(out, in, same, i, err))
                return false;
            for (int k = 0; k < n; k++)
                if (!lt_ntext_push_char(out, to[k], lt_view_span(in, i, end), err))
                    return false;
            same = end;
        }
        i = end;
    }
    return !*changed || lt_ntext_copy(out, in, same, in->size, err);
}

#define MAP_STEP(name, ...)                                                                                            \
    static bool apply_##name(const lt_step *step, lt_normalize_scratch *s, const lt_view *in, lt_ntext *out,           \
                             bool *changed, lt_error *err)                                                             \
    {                                                                                                                  \
        (void)step;                                                                                                    \
        (void)s;                                                                                                       \
        return map_characters(map_##name, (kept_ascii){__VA_ARGS__}, in, out, changed, err);                           \
    }

static int map_lowercase(uint32_t c, uint32_t out[3])
{
    return lt_unicode_lower(c, out);
}
MAP_STEP(lowercase, 0, 0x7F, 'A', 'Z')

static int keep_if(bool keep, uint32_t c, uint32_t out[3])
{
    out[0] = c;
    return keep;
}

static int map_strip_accents(uint32_t c, uint32_t out[3])
{
    return keep_if(!lt_unicode_is_mark(c), c, out);
}
MAP_STEP(strip_accents, 0, 0x7F, 0xFF, 0)

static int map_strip_nonspacing(uint32_t c, uint32_t out[3])
{
    return keep_if(!lt_unicode_is_nonspacing(c), c, out);
}
MAP_STEP(strip_nonspacing, 0, 0x7F, 0xFF, 0)

static int map_clean(uint32_t c, uint32_t out[3])
{
    if (lt_unicode_is_control(c))
        return 0;
    out[0] = lt_unicode_is_space(c) ? ' ' : c;
    return 1;
}
MAP_STEP(clean, ' ', '~', 0xFF, 0)

static int map_chinese(uint32_t c, uint32_t out[3])
{
    bool chinese = (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
                   (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
                   (c >= 0x2F800 && c <= 0x2FA1F); /* as the reference has it, with its gap at 2B820 */
    out[0] = chinese ? ' ' : c;
    out[1] = c;
    out[2] = ' ';
    return chinese ? 3 : 1;
}
MAP_STEP(chinese, 0, 0x7F, 0xFF, 0)

/* SentencePiece's clean-up for translation models. */
static int map_nmt(uint32_t c, uint32_t out[3])
{
    if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F)
        return 0;
    bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                 c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    out[0] = space ? ' ' : c;
    return 1;
}
MAP_STEP(nmt, ' ', '~', 0xFF, 0)

static bool apply_bytelevel(const lt_step *step, lt_normalize_scratch *s, const lt_view *in, lt_ntext *out,
                            bool *changed, lt_error *err)
{
    (void)step;
    (void)s;
    *changed = true;
    return lt_bytelevel_push(out, in, 0, in->size, err);
}

static bool apply_strip(const lt_step *step, lt_normalize_scratch *s, const lt_view *in, lt_ntext *out, bool *changed,
                        lt_error *err)
{
    (void)s;
    size_t begin = 0, end = in->size;
    uint32_t c;
    while (step->left && begin < end) {
        int n = lt_utf8_decode(in->text + begin, end - begin, &c);
        if (!lt_unicode_is_space(c))
            break;
        begin += (size_t)n;
    }
    while (step->right && end > begin) {
        size_t last = end - 1;
        while (last > begin && ((unsigned char)in->text[last] & 0xC0) == 0x80)
            last--;
        lt_utf8_decode(in->text + last, end - last, &c);
        if (!lt_unicode_is_space(c))
            break;
        end = last;
    }
    *changed = end - begin != in->size;
    return !*changed || lt_ntext_copy(out, in, begin, end, err);
}

static bool apply_prepend(const lt_step *step, lt_normalize_scratch *s, const lt_view *in, lt_ntext *out, bool *changed,
                          lt_error *err)
{
    (void)s;
    if (in->size == 0)
        return true;
    *changed = true;
    return lt_ntext_push(out, step->content, step->content_size, lt_view_char(in, 0), err) &&
           lt_ntext_copy(out, in, 0, in->size, err);
}

static bool apply_replace(const lt_step *step, lt_normalize_scratch *s, const lt_view *in, lt_ntext *out, bool *changed,
                          lt_error *err)
{
    if (!lt_pattern_find(step->pattern, &s->pattern, in->text, in->size, err))
        return false;
    for (size_t i = 0; i < s->pattern.matches.count; i++) {
        lt_match m = s->pattern.matches.data[i];
        *changed = *changed || m.is_match;
        bool ok = m.is_match
                      ? lt_ntext_push(out, step->content, step->content_size, lt_view_span(in, m.begin, m.end), err)
                      : lt_ntext_copy(out, in, m.begin, m.end, err);
        if (!ok)
            return false;
    }
    return true;
}

static bool apply_precompiled(const lt_step *step, lt_normalize_scratch *s, const lt_view *in, lt_ntext *out,
                              bool *changed, lt_error *err)
{
    return lt_precompiled_apply(step->precompiled, s, in, out, changed, err);
}

static bool apply_sentencepiece(const lt_step *step, lt_normalize_scratch *s, const lt_view *in, lt_ntext *out, bool *changed,
                                lt_error *err)
{
    *changed = true;
    return lt_sentencepiece_apply(step->sentencepiece, s, in, out, err);
}

bool lt_normalize(const lt_normalizer *normalizer, lt_normalize_scratch *s, lt_view *view, lt_error *err)
{
    for (size_t i = 0; normalizer && i < normalizer->count; i++) {
        lt_ntext *out = &s->texts[s->next];
        bool changed = false;
        out->text.size = 0;
        if (!normalizer->steps[i].apply(&normalizer->steps[i], s, view, out, &changed, err))
            return false;
        if (changed) {
            size_t base = view->base;
            *view = lt_ntext_view(out);
            view->base = base;
            s->next ^= 1;
        }
    }
    return true;
}

/* A new step at the end of the list, or NULL. */
static lt_step *add_step(lt_normalizer *n, apply_fn *apply, const lt_json *at, lt_error *err)
{
    if (n->count == MAX_STEPS) {
        lt_json_error(at, err, LT_ERR_FORMAT, "more than %d normalizers", MAX_STEPS);
        return NULL;
    }
    if (!lt_grow(&n->steps, &n->capacity, n->count + 1, sizeof *n->steps, err))
        return NULL;
    n->steps[n->count] = (lt_step){.apply = apply};
    return &n->steps[n->count++];
}

static bool read_content(lt_step *step, const lt_json *at, const char *key, lt_error *err)
{
    const char *text;
    if (!lt_json_need_string(at, key, &text, err))
        return false;
    step->content_size = strlen(text);
    step->content = lt_text_copy(text, step->content_size, err);
    return step->content != NULL;
}

static bool open_form(lt_normalizer *n, const lt_json *at, lt_form form, lt_error *err)
{
    lt_step *step = add_step(n, apply_form, at, err);
    if (step)
        step->form = form;
    return step != NULL;
}

static bool open_strip(lt_normalizer *n, const lt_json *at, lt_error *err)
{
    lt_step *step = add_step(n, apply_strip, at, err);
    return step && lt_json_need_bool(at, "strip_left", &step->left, err) &&
           lt_json_need_bool(at, "strip_right", &step->right, err);
}

static bool open_prepend(lt_normalizer *n, const lt_json *at, lt_error *err)
{
    lt_step *step = add_step(n, apply_prepend, at, err);
    return step && read_content(step, at, "prepend", err);
}

static bool open_replace(lt_normalizer *n, const lt_json *at, lt_error *err)
{
    lt_step *step = add_step(n, apply_replace, at, err);
    return step && lt_pattern_open(&step->pattern, at, err) && read_content(step, at, "content", err);
}

static bool open_precompiled(lt_normalizer *n, const lt_json *at, lt_error *err)
{
    lt_step *step = add_step(n, apply_precompiled, at, err);
    lt_json map;
    return step && lt_json_need(at, "precompiled_charsmap", &map, err) &&
           lt_precompiled_open(&step->precompiled, &map, err);
}

static bool open_sentencepiece(lt_normalizer *n, const lt_json *at, lt_error *err)
{
    lt_step *step = add_step(n, apply_sentencepiece, at, err);
    return step && lt_sentencepiece_open(&step->sentencepiece, at, err);
}

static bool open_bert(lt_normalizer *n, const lt_json *at, lt_error *err)
{
    bool clean, chinese, lowercase;
    if (!lt_json_need_bool(at, "clean_text", &clean, err) ||
        !lt_json_need_bool(at, "handle_chinese_chars", &chinese, err) ||
        !lt_json_need_bool(at, "lowercase", &lowercase, err))
        return false;
    bool strip = lowercase; /* unless it says otherwise */
    if (!lt_json_get_bool(at, "strip_accents", &strip, err))
        return false;
    return (!clean || add_step(n, apply_clean, at, err)) && (!chinese || add_step(n, apply_chinese, at, err)) &&
           (!strip || (open_form(n, at, LT_FORM_NFD, err) && add_step(n, apply_strip_nonspacing, at, err))) &&
           (!lowercase || add_step(n, apply_lowercase, at, err));
}

static bool open_step(lt_normalizer *n, const lt_json *at, int depth, lt_error *err);

static bool open_sequence(lt_normalizer *n, const lt_json *at, int depth, lt_error *err)
{
    lt_json list;
    size_t count;
    if (!lt_json_need_array(at, "normalizers", &list, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        lt_json item = lt_json_element(&list, i);
        if (!open_step(n, &item, depth + 1, err))
            return false;
    }
    return true;
}

static bool open_step(lt_normalizer *n, const lt_json *at, int depth, lt_error *err)
{
    static const struct {
        const char *type;
        bool (*open)(lt_normalizer *n, const lt_json *at, lt_error *err); /* NULL: `apply` needs no fields */
        apply_fn *apply;
    } kinds[] = {
        {"BertNormalizer", open_bert, NULL},
        {"Strip", open_strip, NULL},
        {"StripAccents", NULL, apply_strip_accents},
        {"Lowercase", NULL, apply_lowercase},
        {"Nmt", NULL, apply_nmt},
        {"Precompiled", open_precompiled, NULL},
        {"SentencePiece", open_sentencepiece, NULL},
        {"Replace", open_replace, NULL},
        {"Prepend", open_prepend, NULL},
        {"ByteLevel", NULL, apply_bytelevel},
    };
    static const char *const forms[] = {"NFC", "NFD", "NFKC", "NFKD"}; /* in the order of lt_form */
    const char *type;
    if (!lt_json_need_string(at, "type", &type, err))
        return false;
    if (depth > MAX_DEPTH)
        return lt_json_error(at, err, LT_ERR_FORMAT, "normalizers nested more than %d deep", MAX_DEPTH);
    if (!strcmp(type, "Sequence"))
        return open_sequence(n, at, depth, err);
    for (int form = LT_FORM_NFC; form <= LT_FORM_NFKD; form++)
        if (!strcmp(type, forms[form]))
            return open_form(n, at, (lt_form)form, err);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(type, kinds[i].type))
            return kinds[i].open ? kinds[i].open(n, at, err) : add_step(n, kinds[i].apply, at, err) != NULL;
    return lt_json_error(at, err, LT_ERR_UNSUPPORTED, "no normalizer \"%.60s\" is known", type);
}

bool lt_normalizer_open(lt_normalizer **out, const lt_json *root, lt_error *err)
{
    lt_json at;
    *out = NULL;
    if (!lt_json_member(root, "normalizer", &at))
        return true;
    lt_normalizer *n = calloc(1, sizeof *n);
    if (!n)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a normalizer");
    if (!open_step(n, &at, 0, err)) {
        lt_normalizer_close(n);
        return false;
    }
    *out = n;
    return true;
}

void lt_normalizer_close(lt_normalizer *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->count; i++) {
        lt_pattern_close(n->steps[i].pattern);
        lt_precompiled_close(n->steps[i].precompiled);
        lt_sentencepiece_close(n->steps[i].sentencepiece);
        free(n->steps[i].content);
    }
    free(n->steps);
    free(n);
}
