/* A vocabulary in GGUF metadata becomes the tokenizer.json that it was made from, as far as its ids go. */
#include "text/tokenizer_gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/vocab.h"

/* tokenizer.ggml.token_type */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };

enum { MOST_TOKENS = 4 << 20 };

typedef struct source {
    const lt_gguf *file;
    lt_gguf_string *tokens; /* malloc'ed */
    uint64_t count;
    const lt_gguf_entry *types, *scores; /* may be NULL */
    lt_error *err;
} source;

static bool bad(const source *s, lt_status status, const char *text)
{
    return lt_error_set(s->err, status, "%s: %s", s->file->path, text);
}

static bool out_of_memory(const source *s)
{
    return bad(s, LT_ERR_MEMORY, "out of memory for its tokenizer");
}

bool lt_tokenizer_gguf_has(const lt_gguf *file)
{
    lt_gguf_string model = {NULL, 0};
    return lt_gguf_find(file, "tokenizer.ggml.tokens") && lt_gguf_get_string(file, "tokenizer.ggml.model", &model, NULL) &&
           model.data && !(model.size == 4 && !memcmp(model.data, "none", 4));
}

static bool is(lt_gguf_string text, const char *what)
{
    return text.size == strlen(what) && memcmp(text.data, what, text.size) == 0;
}

static int type_of(const source *s, uint64_t id)
{
    int64_t type = TYPE_NORMAL;
    if (s->types)
        lt_gguf_number(s->types, id, NULL, &type);
    return (int)type;
}

static double score_of(const source *s, uint64_t id)
{
    double score = 0;
    if (s->scores)
        lt_gguf_number(s->scores, id, &score, NULL);
    return score;
}

static bool open_source(source *s)
{
    const lt_gguf_entry *tokens = lt_gguf_find(s->file, "tokenizer.ggml.tokens");
    size_t at;
    if (!tokens)
        return bad(s, LT_ERR_FORMAT, "expected the key 'tokenizer.ggml.tokens', found none");
    if (tokens->count > MOST_TOKENS)
        return lt_error_set(s->err, LT_ERR_FORMAT, "%s: 'tokenizer.ggml.tokens': %" PRIu64 " tokens, at most %d are accepted",
                            s->file->path, tokens->count, MOST_TOKENS);
    if (!lt_gguf_strings(s->file, tokens, &s->tokens, s->err))
        return false;
    s->count = tokens->count;
    for (uint64_t i = 0; i < s->count; i++)
        if (!lt_utf8_valid(s->tokens[i].data, s->tokens[i].size, &at) || memchr(s->tokens[i].data, 0, s->tokens[i].size))
            return lt_error_set(s->err, LT_ERR_FORMAT, "%s: 'tokenizer.ggml.tokens': token %" PRIu64 " is not UTF-8 without NUL",
                                s->file->path, i);
    s->types = lt_gguf_find(s->file, "tokenizer.ggml.token_type");
    s->scores = lt_gguf_find(s->file, "tokenizer.ggml.scores");
    if ((s->types && s->types->count != s->count) || (s->scores && s->scores->count != s->count))
        return bad(s, LT_ERR_FORMAT, "'tokenizer.ggml.tokens', 'token_type' and 'scores' differ in length");
    return true;
}

static json_t *text_json(lt_gguf_string text)
{
    return json_stringn_nocheck(text.data, text.size);
}

/* Sets vocab[token] = id; the first of two tokens of one spelling wins. */
static bool put(const source *s, json_t *vocab, const char *token, uint64_t id)
{
    if (json_object_get(vocab, token))
        return true;
    return json_object_set_new_nocheck(vocab, token, json_integer((json_int_t)id)) == 0 || out_of_memory(s);
}

/* ---- added tokens ---- */

/* Phi-3's own files say that its control tokens swallow the white space after them; GGUF does not, so readers go by the
 * model's name. */
static bool strips_right(const source *s, lt_gguf_string token)
{
    static const char *const plain[] = {"<unk>", "<s>", "<|endoftext|>"};
    lt_gguf_string name = {NULL, 0};
    char lower[128];
    if (!lt_gguf_get_string(s->file, "general.name", &name, NULL) || !name.data)
        return false;
    size_t n = name.size < sizeof lower - 1 ? name.size : sizeof lower - 1;
    for (size_t i = 0; i < n; i++)
        lower[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] + 32) : name.data[i];
    lower[n] = '\0';
    if (!strstr(lower, "phi-3") && !strstr(lower, "phi3"))
        return false;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (is(token, plain[i]))
            return false;
    return true;
}

static json_t *added_tokens(const source *s)
{
    json_t *list = json_array();
    for (uint64_t i = 0; list && i < s->count; i++) {
        int type = type_of(s, i);
        bool special = type == TYPE_CONTROL || type == TYPE_UNKNOWN;
        if ((!special && type != TYPE_USER) || s->tokens[i].size == 0)
            continue;
        json_t *token = json_pack("{s:I, s:o, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)i, "content", text_json(s->tokens[i]),
                                  "single_word", 0, "lstrip", 0, "rstrip", special && strips_right(s, s->tokens[i]), "normalized", 0,
                                  "special", special);
        if (!token || json_array_append_new(list, token)) {
            json_decref(list);
            list = NULL;
        }
    }
    if (!list)
        out_of_memory(s);
    return list;
}

/* ---- byte-level BPE: "gpt2" ---- */

static json_t *pre_json(const lt_gguf_pre *pre)
{
    if (pre->steps)
        return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", json_loads(pre->steps, 0, NULL));
    json_t *steps = json_array();
    for (int i = 0; pre->patterns[i]; i++)
        json_array_append_new(steps, json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", pre->patterns[i],
                                               "behavior", "Isolated", "invert", 0));
    json_array_append_new(steps, json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1,
                                           "use_regex", 0));
    return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", steps);
}

static const lt_gguf_pre *find_pre(const source *s)
{
    lt_gguf_string name = {"", 0};
    if (!lt_gguf_get_string(s->file, "tokenizer.ggml.pre", &name, s->err))
        return NULL;
    const lt_gguf_pre *pre = lt_gguf_pre_find(name.data, name.size);
    if (!pre)
        lt_error_set(s->err, LT_ERR_UNSUPPORTED, "%s: 'tokenizer.ggml.pre': lathe does not know how \"%.*s\" cuts a text",
                     s->file->path, name.size < 60 ? (int)name.size : 60, name.data);
    return pre;
}

static json_t *read_merges(const source *s)
{
    const lt_gguf_entry *entry = lt_gguf_find(s->file, "tokenizer.ggml.merges");
    lt_gguf_string *list;
    size_t at;
    if (!entry || entry->count > 4 * (uint64_t)MOST_TOKENS) {
        bad(s, LT_ERR_FORMAT, "expected the key 'tokenizer.ggml.merges', found none of a usable length");
        return NULL;
    }
    if (!lt_gguf_strings(s->file, entry, &list, s->err))
        return NULL;
    json_t *merges = json_array();
    bool ok = merges || out_of_memory(s);
    for (uint64_t i = 0; ok && i < entry->count; i++) {
        if (!lt_utf8_valid(list[i].data, list[i].size, &at))
            ok = lt_error_set(s->err, LT_ERR_FORMAT, "%s: 'tokenizer.ggml.merges': merge %" PRIu64 " is not UTF-8", s->file->path, i);
        else if (json_array_append_new(merges, text_json(list[i])))
            ok = out_of_memory(s);
    }
    free(list);
    if (ok)
        return merges;
    json_decref(merges);
    return NULL;
}

/* Tokens by name. Control tokens stay out where a whole word may be a token without any merge, so that their spelling is just
 * text when it is asked to be. */
static json_t *vocabulary(const source *s, bool with_control)
{
    char *name = NULL;
    json_t *vocab = json_object();
    bool ok = vocab || out_of_memory(s);
    for (uint64_t i = 0; ok && i < s->count; i++) {
        if (s->tokens[i].size == 0 || (!with_control && type_of(s, i) == TYPE_CONTROL))
            continue;
        free(name);
        name = strndup(s->tokens[i].data, s->tokens[i].size);
        ok = name ? put(s, vocab, name, i) : out_of_memory(s);
    }
    free(name);
    if (ok)
        return vocab;
    json_decref(vocab);
    return NULL;
}

static json_t *byte_level_root(const source *s)
{
    const lt_gguf_pre *pre = find_pre(s);
    json_t *vocab = pre ? vocabulary(s, !pre->ignore_merges) : NULL, *merges = vocab ? read_merges(s) : NULL;
    if (!merges) {
        json_decref(vocab);
        return NULL;
    }
    return json_pack("{s:o*, s:o, s:{s:s}, s:{s:s, s:b, s:o, s:o}}", "normalizer",
                     pre->normalizer ? json_pack("{s:s}", "type", pre->normalizer) : NULL, "pre_tokenizer", pre_json(pre), "decoder",
                     "type", "ByteLevel", "model", "type", "BPE", "ignore_merges", pre->ignore_merges, "vocab", vocab, "merges",
                     merges);
}

/* ---- SentencePiece BPE: "llama" ---- */

/* A merge that a piece can come from: its two parts by id, and where it stands. */
typedef struct merge {
    int32_t left, right;
    uint32_t left_chars, right_chars;
    double score;
    uint64_t order;
} merge;

typedef struct merge_list {
    merge *items;
    size_t count, capacity;
} merge_list;

static int by_parts(const void *a, const void *b)
{
    const merge *x = a, *y = b;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return (x->right > y->right) - (x->right < y->right);
}

/* The higher the score of what comes out, the earlier; then the longer the left part, then the right one. */
static int by_rank(const void *a, const void *b)
{
    const merge *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->left_chars != y->left_chars)
        return x->left_chars > y->left_chars ? -1 : 1;
    if (x->right_chars != y->right_chars)
        return x->right_chars > y->right_chars ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static uint32_t count_chars(const char *text, size_t size)
{
    uint32_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* All ways to cut one piece into two others. A piece of hundreds of characters is no result of merging. */
static bool cut_piece(const source *s, const lt_vocab *vocab, uint64_t id, merge_list *list)
{
    enum { LONGEST = 512 };
    const char *text = s->tokens[id].data;
    size_t size = s->tokens[id].size, first = list->count;
    int type = type_of(s, id);
    if (type == TYPE_CONTROL || type == TYPE_BYTE || type == TYPE_UNKNOWN || size > LONGEST)
        return true;
    for (size_t i = 1; i < size; i++) {
        if (((unsigned char)text[i] & 0xC0) == 0x80)
            continue;
        int32_t left = lt_vocab_find(vocab, text, i), right = left < 0 ? -1 : lt_vocab_find(vocab, text + i, size - i);
        if (right < 0)
            continue;
        if (!lt_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items, s->err))
            return false;
        list->items[list->count++] = (merge){.left = left,
                                             .right = right,
                                             .left_chars = count_chars(text, i),
                                             .right_chars = count_chars(text + i, size - i),
                                             .score = score_of(s, id)};
    }
    if (list->count > first + 1)
        qsort(list->items + first, list->count - first, sizeof *list->items, by_parts);
    for (size_t i = first; i < list->count; i++)
        list->items[i].order = i;
    return true;
}

static json_t *merge_json(const source *s, const merge *m)
{
    lt_gguf_string left = s->tokens[m->left], right = s->tokens[m->right];
    if (memchr(left.data, ' ', left.size) || memchr(right.data, ' ', right.size))
        return json_pack("[o, o]", text_json(left), text_json(right));
    char *both = malloc(left.size + right.size + 1);
    if (!both)
        return NULL;
    memcpy(both, left.data, left.size);
    both[left.size] = ' ';
    memcpy(both + left.size + 1, right.data, right.size);
    json_t *text = json_stringn_nocheck(both, left.size + 1 + right.size);
    free(both);
    return text;
}

/* SentencePiece has scores where BPE has ranks: every pair of pieces that makes a piece is a merge, in the order of scores. */
static json_t *make_merges(const source *s)
{
    lt_vocab vocab;
    merge_list list = {0};
    json_t *merges = json_array();
    if (!merges || !lt_vocab_init(&vocab, s->count, s->err)) {
        json_decref(merges);
        return NULL;
    }
    bool ok = true;
    for (uint64_t i = 0; ok && i < s->count; i++)
        if (s->tokens[i].size > 0 && type_of(s, i) != TYPE_BYTE)
            ok = lt_vocab_add(&vocab, (int32_t)i, s->tokens[i].data, s->tokens[i].size, s->err) != LT_VOCAB_NO_MEMORY;
    for (uint64_t i = 0; ok && i < s->count; i++)
        ok = cut_piece(s, &vocab, i, &list);
    if (ok && list.count)
        qsort(list.items, list.count, sizeof *list.items, by_rank);
    for (size_t i = 0; ok && i < list.count; i++)
        ok = json_array_append_new(merges, merge_json(s, &list.items[i])) == 0 || out_of_memory(s);
    free(list.items);
    lt_vocab_free(&vocab);
    if (ok)
        return merges;
    json_decref(merges);
    return NULL;
}

static json_t *unknown_token(const source *s)
{
    int64_t id = -1;
    if (!lt_gguf_get_int(s->file, "tokenizer.ggml.unknown_token_id", -1, UINT32_MAX, &id, NULL) || id < 0)
        for (uint64_t i = 0; id < 0 && i < s->count; i++)
            if (type_of(s, i) == TYPE_UNKNOWN)
                id = (int64_t)i;
    return id >= 0 && (uint64_t)id < s->count ? text_json(s->tokens[id]) : json_null();
}

static json_t *sentence_piece_root(const source *s)
{
    bool prefix = true;
    if (!lt_gguf_get_bool(s->file, "tokenizer.ggml.add_space_prefix", &prefix, s->err))
        return NULL;
    json_t *vocab = vocabulary(s, true), *merges = vocab ? make_merges(s) : NULL;
    if (!merges) {
        json_decref(vocab);
        return NULL;
    }
    json_t *space = json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", " ", "content", "▁");
    json_t *normalizers = json_array(), *decoders = json_array();
    if (prefix)
        json_array_append_new(normalizers, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", "▁"));
    json_array_append_new(normalizers, space);
    json_array_append_new(decoders, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", "▁", "content", " "));
    json_array_append_new(decoders, json_pack("{s:s}", "type", "ByteFallback"));
    json_array_append_new(decoders, json_pack("{s:s}", "type", "Fuse"));
    if (prefix)
        json_array_append_new(decoders, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
    return json_pack("{s:{s:s, s:o}, s:{s:s, s:o}, s:{s:s, s:o, s:b, s:b, s:o, s:o}}", "normalizer", "type", "Sequence", "normalizers",
                     normalizers, "decoder", "type", "Sequence", "decoders", decoders, "model", "type", "BPE", "unk_token",
                     unknown_token(s), "fuse_unk", 1, "byte_fallback", 1, "vocab", vocab, "merges", merges);
}

/* ---- WordPiece: "bert" ---- */

/* A piece that begins a word carries a "▁" here, one that goes on is bare. */
static json_t *word_piece_vocabulary(const source *s, bool *cased)
{
    json_t *vocab = json_object();
    bool ok = vocab || out_of_memory(s);
    *cased = false;
    for (uint64_t i = 0; ok && i < s->count; i++) {
        static const char mark[] = "▁";
        lt_gguf_string token = s->tokens[i];
        bool begins = token.size >= 3 && !memcmp(token.data, mark, 3);
        bool special = type_of(s, i) == TYPE_CONTROL || type_of(s, i) == TYPE_UNKNOWN ||
                       (token.size > 2 && token.data[0] == '[' && token.data[token.size - 1] == ']');
        char *name = NULL;
        int n = asprintf(&name, "%s%.*s", begins || special ? "" : "##", (int)token.size - (begins ? 3 : 0),
                         token.data + (begins ? 3 : 0));
        if (n < 0)
            ok = out_of_memory(s);
        else if (n > 0)
            ok = put(s, vocab, name, i);
        for (int k = 0; n > 0 && begins && k < n; k++)
            *cased |= name[k] >= 'A' && name[k] <= 'Z';
        if (n >= 0)
            free(name);
    }
    if (ok)
        return vocab;
    json_decref(vocab);
    return NULL;
}

static json_t *word_piece_root(const source *s)
{
    bool cased;
    json_t *vocab = word_piece_vocabulary(s, &cased);
    if (!vocab)
        return NULL;
    json_t *unknown = unknown_token(s);
    if (json_is_null(unknown)) {
        json_decref(unknown);
        unknown = json_string("[UNK]");
    }
    return json_pack("{s:{s:s, s:b, s:b, s:n, s:b}, s:{s:s}, s:{s:s, s:s, s:b}, s:{s:s, s:o, s:s, s:i, s:o}}", "normalizer", "type",
                     "BertNormalizer", "clean_text", 1, "handle_chinese_chars", 1, "strip_accents", "lowercase", !cased,
                     "pre_tokenizer", "type", "BertPreTokenizer", "decoder", "type", "WordPiece", "prefix", "##", "cleanup", 1,
                     "model", "type", "WordPiece", "unk_token", unknown, "continuing_subword_prefix", "##",
                     "max_input_chars_per_word", 100, "vocab", vocab);
}

/* ---- the whole ---- */

static const struct {
    const char *model;
    json_t *(*root)(const source *s);
    bool add_bos, add_eos; /* when the file does not say */
} kinds[] = {
    {"gpt2", byte_level_root, false, false},
    {"llama", sentence_piece_root, true, false},
    {"bert", word_piece_root, true, true},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static int find_kind(const lt_gguf *file, lt_error *err)
{
    lt_gguf_string model = {"", 0};
    if (!lt_gguf_get_string(file, "tokenizer.ggml.model", &model, err))
        return -1;
    for (int i = 0; i < KINDS; i++)
        if (is(model, kinds[i].model))
            return i;
    lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: 'tokenizer.ggml.model': a vocabulary of kind \"%.*s\" is not read (gpt2, llama and bert are)",
                 file->path, model.size < 60 ? (int)model.size : 60, model.data);
    return -1;
}

json_t *lt_tokenizer_gguf_root(const lt_gguf *file, lt_error *err)
{
    source s = {.file = file, .err = err};
    json_t *root = NULL, *added = NULL;
    int kind = find_kind(file, err);
    if (kind >= 0 && open_source(&s) && (added = added_tokens(&s)))
        root = kinds[kind].root(&s);
    if (root && json_object_set(root, "added_tokens", added)) {
        out_of_memory(&s);
        json_decref(root);
        root = NULL;
    }
    json_decref(added);
    free(s.tokens);
    return root;
}

/* ---- what stands beside a tokenizer.json ---- */

static bool set_role(json_t *config, const source *s, const char *role, const char *key)
{
    int64_t id = -1;
    if (!lt_gguf_get_int(s->file, key, -1, UINT32_MAX, &id, s->err))
        return false;
    if (id < 0 || (uint64_t)id >= s->count)
        return true; /* "none", or a padding token that the vocabulary was never given */
    return json_object_set_new(config, role, text_json(s->tokens[id])) == 0 || out_of_memory(s);
}

static bool set_frame(json_t *config, const source *s)
{
    int kind = find_kind(s->file, s->err);
    if (kind < 0)
        return false;
    bool bos = kinds[kind].add_bos, eos = kinds[kind].add_eos;
    if (kind == 0) {
        const lt_gguf_pre *pre = find_pre(s);
        if (!pre)
            return false;
        bos = pre->add_bos;
    }
    if (!lt_gguf_get_bool(s->file, "tokenizer.ggml.add_bos_token", &bos, s->err) ||
        !lt_gguf_get_bool(s->file, "tokenizer.ggml.add_eos_token", &eos, s->err) ||
        !lt_gguf_get_bool(s->file, "tokenizer.ggml.add_sep_token", &eos, s->err))
        return false;
    return (json_object_set_new(config, "add_bos_token", json_boolean(bos)) == 0 &&
            json_object_set_new(config, "add_eos_token", json_boolean(eos)) == 0) ||
           out_of_memory(s);
}

static bool set_templates(json_t *config, const source *s)
{
    lt_gguf_string text = {NULL, 0};
    static const char prefix[] = "tokenizer.chat_template.";
    if (!lt_gguf_get_string(s->file, "tokenizer.chat_template", &text, s->err))
        return false;
    json_t *list = json_array();
    if (text.data)
        json_array_append_new(list, json_pack("{s:s, s:o*}", "name", "default", "template", json_stringn(text.data, text.size)));
    for (int64_t i = 0; i < s->file->entry_count; i++) {
        const lt_gguf_entry *entry = &s->file->entries[i];
        lt_gguf_string other = {NULL, 0};
        if (strncmp(entry->key, prefix, sizeof prefix - 1) || !lt_gguf_get_string(s->file, entry->key, &other, NULL))
            continue;
        json_array_append_new(list, json_pack("{s:s, s:o*}", "name", entry->key + sizeof prefix - 1, "template",
                                              json_stringn(other.data, other.size)));
    }
    bool ok = true;
    if (json_array_size(list) == 1 && text.data) {
        json_t *only = json_object_get(json_array_get(list, 0), "template");
        ok = !only || json_object_set(config, "chat_template", only) == 0;
    } else if (json_array_size(list) > 0)
        ok = json_object_set(config, "chat_template", list) == 0;
    json_decref(list);
    return ok || out_of_memory(s);
}

json_t *lt_tokenizer_gguf_config(const lt_gguf *file, lt_error *err)
{
    static const char *const roles[][2] = {
        {"bos_token", "tokenizer.ggml.bos_token_id"},       {"eos_token", "tokenizer.ggml.eos_token_id"},
        {"unk_token", "tokenizer.ggml.unknown_token_id"},   {"pad_token", "tokenizer.ggml.padding_token_id"},
        {"sep_token", "tokenizer.ggml.seperator_token_id"}, {"cls_token", "tokenizer.ggml.cls_token_id"},
        {"mask_token", "tokenizer.ggml.mask_token_id"},
    };
    source s = {.file = file, .err = err};
    json_t *config = json_object();
    bool ok = (config || out_of_memory(&s)) && open_source(&s) && set_frame(config, &s) && set_templates(config, &s);
    for (size_t i = 0; ok && i < sizeof roles / sizeof *roles; i++)
        ok = set_role(config, &s, roles[i][0], roles[i][1]);
    free(s.tokens);
    if (ok)
        return config;
    json_decref(config);
    return NULL;
}

json_t *lt_tokenizer_gguf_generation(const lt_gguf *file, lt_error *err)
{
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    static const char *const others[][2] = {{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                            {"pad_token_id", "tokenizer.ggml.padding_token_id"}};
    json_t *config = json_object(), *list = json_array();
    bool ok = true;
    for (size_t i = 0; ok && i < 3; i++) {
        int64_t id = -1;
        ok = lt_gguf_get_int(file, ends[i], -1, UINT32_MAX, &id, err);
        if (ok && id >= 0 && id <= INT32_MAX)
            json_array_append_new(list, json_integer(id));
    }
    for (size_t i = 0; ok && i < 2; i++) {
        int64_t id = -1;
        ok = lt_gguf_get_int(file, others[i][1], -1, UINT32_MAX, &id, err);
        if (ok && id >= 0 && id <= INT32_MAX)
            json_object_set_new(config, others[i][0], json_integer(id));
    }
    if (ok && json_array_size(list) > 0)
        json_object_set(config, "eos_token_id", list);
    json_decref(list);
    if (ok)
        return config;
    json_decref(config);
    return NULL;
}
