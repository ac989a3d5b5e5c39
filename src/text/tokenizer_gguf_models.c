/* The models of GGUF's vocabularies, each as a tokenizer.json without its added tokens. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/tokenizer_gguf_source.h"
#include "text/tokenizer_layout.h"

/* Sets vocab[token] = id; the first of two tokens of one spelling wins. */
static bool put(const lt_gguf_source *s, json_t *vocab, const char *token, uint64_t id)
{
    if (json_object_get(vocab, token))
        return true;
    return json_object_set_new_nocheck(vocab, token, json_integer((json_int_t)id)) == 0 || lt_gguf_source_no_memory(s);
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

static json_t *read_merges(const lt_gguf_source *s)
{
    const lt_gguf_entry *entry = lt_gguf_find(s->file, "tokenizer.ggml.merges");
    lt_gguf_string *list;
    size_t at;
    if (!entry || entry->count > 4 * (uint64_t)LT_GGUF_MOST_TOKENS) {
        lt_gguf_source_bad(s, LT_ERR_FORMAT, "expected the key 'tokenizer.ggml.merges', found none of a usable length");
        return NULL;
    }
    if (!lt_gguf_strings(s->file, entry, &list, s->err))
        return NULL;
    json_t *merges = json_array();
    bool ok = merges || lt_gguf_source_no_memory(s);
    for (uint64_t i = 0; ok && i < entry->count; i++) {
        if (!lt_utf8_valid(list[i].data, list[i].size, &at))
            ok = lt_error_set(s->err, LT_ERR_FORMAT, "%s: 'tokenizer.ggml.merges': merge %" PRIu64 " is not UTF-8", s->file->path, i);
        else if (json_array_append_new(merges, lt_gguf_string_json(list[i])))
            ok = lt_gguf_source_no_memory(s);
    }
    free(list);
    if (ok)
        return merges;
    json_decref(merges);
    return NULL;
}

/* Tokens by name. Control tokens stay out where a whole word may be a token without any merge, so that their spelling is just
 * text when it is asked to be. */
static json_t *vocabulary(const lt_gguf_source *s, bool with_control)
{
    char *name = NULL;
    json_t *vocab = json_object();
    bool ok = vocab || lt_gguf_source_no_memory(s);
    for (uint64_t i = 0; ok && i < s->count; i++) {
        if (s->tokens[i].size == 0 || (!with_control && lt_gguf_token_type(s, i) == LT_GGUF_TOKEN_CONTROL))
            continue;
        free(name);
        name = strndup(s->tokens[i].data, s->tokens[i].size);
        ok = name ? put(s, vocab, name, i) : lt_gguf_source_no_memory(s);
    }
    free(name);
    if (ok)
        return vocab;
    json_decref(vocab);
    return NULL;
}

json_t *lt_gguf_root_bytes(const lt_gguf_source *s)
{
    const lt_gguf_pre *pre = lt_gguf_source_pre(s);
    if (pre && pre->pieces)
        return lt_gguf_root_merged_pieces(s);
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

/* ---- pieces as SentencePiece has them, with merges written down: "gemma4" ---- */

static json_t *unknown_token(const lt_gguf_source *s)
{
    int64_t id = lt_gguf_unknown_id(s);
    return id >= 0 ? lt_gguf_string_json(s->tokens[id]) : json_null();
}

json_t *lt_gguf_root_merged_pieces(const lt_gguf_source *s)
{
    json_t *vocab = vocabulary(s, true), *merges = vocab ? read_merges(s) : NULL;
    if (!merges) {
        json_decref(vocab);
        return NULL;
    }
    return json_pack("{s:{s:s, s:{s:s}, s:s}, s:{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]}, s:{s:s, s:o, s:b, s:b, s:o, s:o}}",
                     "normalizer", "type", "Replace", "pattern", "String", " ", "content", "▁", "decoder", "type", "Sequence",
                     "decoders", "type", "Replace", "pattern", "String", "▁", "content", " ", "type", "ByteFallback", "type", "Fuse",
                     "model", "type", "BPE", "unk_token", unknown_token(s), "fuse_unk", 1, "byte_fallback", 1, "vocab", vocab, "merges",
                     merges);
}

/* ---- SentencePiece: "llama" and "t5" ---- */

/* The vocabulary as a SentencePiece model; *spm's pieces are owned. */
static bool read_spm(const lt_gguf_source *s, lt_spm *spm)
{
    spm->pieces = calloc(s->count + 1, sizeof *spm->pieces);
    if (!spm->pieces)
        return lt_gguf_source_no_memory(s);
    spm->count = s->count;
    for (uint64_t i = 0; i < s->count; i++) {
        int type = lt_gguf_token_type(s, i);
        spm->pieces[i] = (lt_spm_piece){s->tokens[i].data, s->tokens[i].size, (float)lt_gguf_token_score(s, i), type};
        if (type == LT_GGUF_TOKEN_UNUSED && spm->model == LT_SPM_BPE)
            spm->pieces[i].type = LT_GGUF_TOKEN_NORMAL;
        spm->byte_fallback = spm->byte_fallback || type == LT_GGUF_TOKEN_BYTE;
    }
    spm->unk_id = (int)lt_gguf_unknown_id(s);
    spm->bos_id = spm->eos_id = -1; /* what goes around a text is in the configuration */
    spm->escape = spm->prefix_each = spm->dummy_prefix = true;
    return lt_gguf_get_bool(s->file, "tokenizer.ggml.add_space_prefix", &spm->dummy_prefix, s->err);
}

static json_t *spm_root(const lt_gguf_source *s, const lt_spm *spm)
{
    return lt_tokenizer_spm_json(spm, s->file->path, "", s->err);
}

json_t *lt_gguf_root_pieces(const lt_gguf_source *s)
{
    lt_spm spm = {.model = LT_SPM_BPE, .byte_fallback = true};
    json_t *root = read_spm(s, &spm) ? spm_root(s, &spm) : NULL;
    free(spm.pieces);
    return root;
}

json_t *lt_gguf_root_unigram(const lt_gguf_source *s)
{
    lt_spm spm = {.model = LT_SPM_UNIGRAM};
    const lt_gguf_entry *map = lt_gguf_find(s->file, "tokenizer.ggml.precompiled_charsmap");
    json_t *root = NULL;
    if (map && (map->type != LT_GGUF_ARRAY || (map->element != LT_GGUF_U8 && map->element != LT_GGUF_I8))) {
        lt_gguf_source_bad(s, LT_ERR_FORMAT, "'tokenizer.ggml.precompiled_charsmap': expected an array of bytes");
        return NULL;
    }
    if (map && map->count) {
        spm.charsmap = (const char *)map->value;
        spm.charsmap_size = map->count;
    }
    if (read_spm(s, &spm) && lt_gguf_get_bool(s->file, "tokenizer.ggml.remove_extra_whitespaces", &spm.one_space, s->err))
        root = spm_root(s, &spm);
    free(spm.pieces);
    return root;
}

/* ---- WordPiece: "bert" ---- */

/* A piece that begins a word carries a "▁" here, one that goes on is bare. */
static json_t *word_piece_vocabulary(const lt_gguf_source *s, bool *cased)
{
    json_t *vocab = json_object();
    bool ok = vocab || lt_gguf_source_no_memory(s);
    *cased = false;
    for (uint64_t i = 0; ok && i < s->count; i++) {
        static const char mark[] = "▁";
        lt_gguf_string token = s->tokens[i];
        bool begins = token.size >= 3 && !memcmp(token.data, mark, 3);
        bool special = lt_gguf_token_type(s, i) == LT_GGUF_TOKEN_CONTROL || lt_gguf_token_type(s, i) == LT_GGUF_TOKEN_UNKNOWN ||
                       (token.size > 2 && token.data[0] == '[' && token.data[token.size - 1] == ']');
        char *name = NULL;
        int n = asprintf(&name, "%s%.*s", begins || special ? "" : "##", (int)token.size - (begins ? 3 : 0),
                         token.data + (begins ? 3 : 0));
        if (n < 0)
            ok = lt_gguf_source_no_memory(s);
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

json_t *lt_gguf_root_words(const lt_gguf_source *s)
{
    bool cased;
    json_t *vocab = word_piece_vocabulary(s, &cased);
    if (!vocab)
        return NULL;
    bool lowercase = !cased;
    if (!lt_gguf_get_bool(s->file, "tokenizer.ggml.normalizer.lowercase", &lowercase, s->err)) {
        json_decref(vocab);
        return NULL;
    }
    bool strip = lowercase;
    if (!lt_gguf_get_bool(s->file, "tokenizer.ggml.normalizer.strip_accents", &strip, s->err)) {
        json_decref(vocab);
        return NULL;
    }
    json_t *unknown = unknown_token(s);
    if (json_is_null(unknown)) {
        json_decref(unknown);
        unknown = json_string("[UNK]");
    }
    return json_pack("{s:{s:s, s:b, s:b, s:b, s:b}, s:{s:s}, s:{s:s, s:s, s:b}, s:{s:s, s:o, s:s, s:i, s:o}}", "normalizer", "type",
                     "BertNormalizer", "clean_text", 1, "handle_chinese_chars", 1, "strip_accents", strip, "lowercase", lowercase,
                     "pre_tokenizer", "type", "BertPreTokenizer", "decoder", "type", "WordPiece", "prefix", "##", "cleanup", 1,
                     "model", "type", "WordPiece", "unk_token", unknown, "continuing_subword_prefix", "##",
                     "max_input_chars_per_word", 100, "vocab", vocab);
}

