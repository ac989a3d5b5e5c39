/* tiktoken's files of ranks as byte-level BPE: bytes get their printable characters, and every two tokens that make a third are a
 * merge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base64.h"
#include "core/utf8.h"
#include "text/piece_merges.h"
#include "text/pretokenize.h"
#include "text/textbuf.h"
#include "text/tokenizer_layout.h"

enum { MOST_TOKENS = 4 << 20, LONGEST_LINE = 4096 };

/* Which tokens follow those of the file. */
typedef struct flavour {
    const char *class_name; /* or NULL: */
    size_t count;           /* known by the number of ranks */
    bool nfc, begins;
    const char *digits;     /* how the pattern takes digits */
} flavour;

static const flavour flavours[] = {
    {"Qwen", 151643, true, false, "\\p{N}"},
    {NULL, 128000, false, true, "\\p{N}{1,3}"},
    {NULL, 0, false, false, "\\p{N}{1,3}"}, /* any other */
};

typedef struct ranks {
    lt_textbuf text; /* the tokens' characters, one behind the other */
    size_t *begin;   /* (count + 1) by rank; SIZE_MAX: no such rank */
    size_t *size;
    size_t count, capacity, size_capacity;
} ranks;

bool lt_tokenizer_is_tiktoken(const char *bytes, size_t size)
{
    unsigned char out[LONGEST_LINE];
    size_t n, end = 0;
    while (end < size && end < 1024 && bytes[end] != ' ' && bytes[end] != '\n')
        end++;
    return end > 0 && end < size && bytes[end] == ' ' && lt_base64_decode(bytes, end, out, &n) && end + 1 < size &&
           bytes[end + 1] >= '0' && bytes[end + 1] <= '9';
}

static bool put(ranks *r, size_t rank, const unsigned char *bytes, size_t n, lt_error *err)
{
    if (!lt_grow(&r->begin, &r->capacity, rank + 1, sizeof *r->begin, err) ||
        !lt_grow(&r->size, &r->size_capacity, rank + 1, sizeof *r->size, err))
        return false;
    for (; r->count <= rank; r->count++)
        r->begin[r->count] = SIZE_MAX;
    r->begin[rank] = r->text.size;
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        size_t k = (size_t)lt_utf8_encode(lt_bytelevel_char(bytes[i]), utf8);
        if (!lt_textbuf_append(&r->text, utf8, k, err))
            return false;
    }
    r->size[rank] = r->text.size - r->begin[rank];
    return true;
}

static bool read_line(ranks *r, const char *line, size_t n, size_t number, const char *name, lt_error *err)
{
    unsigned char bytes[LONGEST_LINE];
    const char *space = memchr(line, ' ', n);
    size_t size, rank = 0, at = space ? (size_t)(space - line) + 1 : n;
    bool ok = n < LONGEST_LINE && space && at < n && lt_base64_decode(line, (size_t)(space - line), bytes, &size) && size > 0;
    for (; ok && at < n; at++) {
        ok = line[at] >= '0' && line[at] <= '9' && rank < MOST_TOKENS;
        rank = rank * 10 + (size_t)(line[at] - '0');
    }
    if (!ok || rank >= MOST_TOKENS)
        return lt_error_set(err, LT_ERR_FORMAT, "%s:%zu: expected a token in base64, a space and its rank", name, number);
    if (rank < r->count && r->begin[rank] != SIZE_MAX)
        return lt_error_set(err, LT_ERR_FORMAT, "%s:%zu: rank %zu is there twice", name, number, rank);
    return put(r, rank, bytes, size, err);
}

static bool read_ranks(ranks *r, const char *bytes, size_t size, const char *name, lt_error *err)
{
    size_t number = 1;
    for (size_t at = 0; at < size; number++) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t n = (end ? (size_t)(end - bytes) : size) - at, whole = n;
        if (n > 0 && bytes[at + n - 1] == '\r')
            n--;
        if (n > 0 && !read_line(r, bytes + at, n, number, name, err))
            return false;
        at += whole + 1;
    }
    return r->count > 0 || lt_error_set(err, LT_ERR_FORMAT, "%s: expected tokens and ranks, found none", name);
}

/* ---- special tokens ---- */

static void add_special(json_t *list, size_t id, const char *content)
{
    json_array_append_new(list, json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)id, "content", content, "single_word", 0,
                                          "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
}

/* Llama 3.1 and later; the first release has reserved tokens in the places of the pad and eom tokens. */
static void add_llama3(json_t *list, size_t id)
{
    static const char *const named[] = {"begin_of_text", "end_of_text", NULL, NULL, "finetune_right_pad_id", NULL,
                                        "start_header_id", "end_header_id", "eom_id", "eot_id", "python_tag"};
    int reserved = 0;
    for (size_t i = 0; i < 256; i++) {
        char text[64];
        if (i < sizeof named / sizeof *named && named[i])
            snprintf(text, sizeof text, "<|%s|>", named[i]);
        else
            snprintf(text, sizeof text, "<|reserved_special_token_%d|>", reserved++);
        add_special(list, id + i, text);
    }
}

static void add_qwen(json_t *list, size_t id)
{
    add_special(list, id, "<|endoftext|>");
    add_special(list, id + 1, "<|im_start|>");
    add_special(list, id + 2, "<|im_end|>");
    for (size_t i = 0; i < 205; i++) {
        char text[32];
        snprintf(text, sizeof text, "<|extra_%zu|>", i);
        add_special(list, id + 3 + i, text);
    }
}

static json_t *special_tokens(const flavour *f, size_t count)
{
    json_t *list = json_array();
    if (f->class_name)
        add_qwen(list, count);
    else if (f->count)
        add_llama3(list, count);
    return list;
}

/* ---- the whole ---- */

static const flavour *find_flavour(const char *class_name, size_t count)
{
    const flavour *f = flavours;
    for (; f->class_name || f->count; f++)
        if (f->class_name ? class_name && !strncasecmp(class_name, f->class_name, strlen(f->class_name)) : count == f->count)
            return f;
    return f;
}

static json_t *model_json(const ranks *r, lt_error *err)
{
    lt_merge_piece *pieces = calloc(r->count, sizeof *pieces);
    json_t *vocab = json_object(), *model = NULL;
    for (size_t i = 0; pieces && i < r->count; i++) {
        bool is_there = r->begin[i] != SIZE_MAX;
        pieces[i] = (lt_merge_piece){is_there ? r->text.data + r->begin[i] : "", is_there ? r->size[i] : 0, 0, !is_there};
        char *name = is_there ? strndup(pieces[i].text, pieces[i].size) : NULL;
        if (name)
            json_object_set_new_nocheck(vocab, name, json_integer((json_int_t)i));
        free(name);
    }
    model = json_pack("{s:s, s:b, s:o}", "type", "BPE", "ignore_merges", 1, "vocab", vocab);
    if (pieces && model && !lt_piece_merges(pieces, r->count, false, model, err)) {
        json_decref(model);
        model = NULL;
    }
    free(pieces);
    return model;
}

static json_t *pre_tokenizer(const flavour *f)
{
    char pattern[256];
    snprintf(pattern, sizeof pattern,
             "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|%s| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
             "\\s+(?!\\S)|\\s+",
             f->digits);
    return json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, {s:s, s:b, s:b}]}", "type", "Sequence", "pretokenizers", "type", "Split",
                     "pattern", "Regex", pattern, "behavior", "Isolated", "invert", 0, "type", "ByteLevel", "add_prefix_space", 0,
                     "use_regex", 0);
}

static json_t *frame(const flavour *f, size_t id)
{
    static const char bos[] = "<|begin_of_text|>";
    if (!f->begins)
        return json_null();
    return json_pack("{s:s, s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}], s:[], s:{s:{s:s, s:[I], s:[s]}}}", "type", "TemplateProcessing", "single",
                     "SpecialToken", "id", bos, "type_id", 0, "Sequence", "id", "A", "type_id", 0, "pair", "special_tokens", bos, "id", bos,
                     "ids", (json_int_t)id, "tokens", bos);
}

json_t *lt_tokenizer_tiktoken_root(const char *bytes, size_t size, const char *name, const char *class_name, lt_error *err)
{
    ranks r = {0};
    json_t *root = NULL, *model = NULL;
    if (read_ranks(&r, bytes, size, name, err))
        model = model_json(&r, err);
    if (model) {
        const flavour *f = find_flavour(class_name, r.count);
        root = json_pack("{s:o, s:o, s:o, s:{s:s}, s:o, s:o}", "model", model, "normalizer", f->nfc ? json_pack("{s:s}", "type", "NFC") : json_null(),
                         "pre_tokenizer", pre_tokenizer(f), "decoder", "type", "ByteLevel", "added_tokens", special_tokens(f, r.count),
                         "post_processor", frame(f, r.count));
        if (!root)
            lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", name);
    }
    free(r.text.data);
    free(r.begin);
    free(r.size);
    return root;
}
