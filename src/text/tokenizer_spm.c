/* SentencePiece's tokenizer.model as the tokenizer.json that transformers makes of it. */
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "text/piece_merges.h"
#include "text/spm_proto.h"
#include "text/tokenizer_layout.h"

static json_t *text_json(const lt_spm_piece *piece)
{
    return json_stringn_nocheck(piece->text, piece->size);
}

static bool is(const lt_spm_piece *piece, const char *text)
{
    return piece->size == strlen(text) && !memcmp(piece->text, text, piece->size);
}

/* Gemma's first files have no tab; transformers gives it the place of its byte. */
static size_t missing_tab(const lt_spm *spm, bool gemma)
{
    size_t byte = spm->count;
    for (size_t i = 0; gemma && i < spm->count; i++) {
        if (is(&spm->pieces[i], "\t"))
            return spm->count;
        if (is(&spm->pieces[i], "<0x09>"))
            byte = i;
    }
    return byte;
}

/* ---- models ---- */

static json_t *bpe_vocabulary(const lt_spm *spm, size_t tab)
{
    json_t *vocab = json_object();
    for (size_t i = 0; i < spm->count; i++) {
        char *name = i == tab ? strdup("\t") : strndup(spm->pieces[i].text, spm->pieces[i].size);
        if (name && *name && !json_object_get(vocab, name))
            json_object_set_new_nocheck(vocab, name, json_integer((json_int_t)i));
        free(name);
    }
    return vocab;
}

static json_t *bpe_model(const lt_spm *spm, bool gemma, lt_error *err)
{
    lt_merge_piece *pieces = calloc(spm->count, sizeof *pieces);
    json_t *unknown = spm->unk_id >= 0 && (size_t)spm->unk_id < spm->count ? text_json(&spm->pieces[spm->unk_id]) : json_null();
    json_t *model = json_pack("{s:s, s:o, s:b, s:b, s:o}", "type", "BPE", "unk_token", unknown, "fuse_unk", 1, "byte_fallback",
                              spm->byte_fallback, "vocab", bpe_vocabulary(spm, missing_tab(spm, gemma)));
    for (size_t i = 0; pieces && i < spm->count; i++) {
        const lt_spm_piece *piece = &spm->pieces[i];
        int type = piece->type;
        pieces[i] = (lt_merge_piece){piece->text, piece->size, piece->score,
                                     type == LT_SPM_CONTROL || type == LT_SPM_UNKNOWN || type == LT_SPM_BYTE || type == LT_SPM_UNUSED};
    }
    if (pieces && model && !lt_piece_merges(pieces, spm->count, true, model, err)) {
        json_decref(model);
        model = NULL;
    }
    free(pieces);
    return model;
}

static json_t *unigram_model(const lt_spm *spm)
{
    json_t *vocab = json_array(), *unmatched = json_array();
    for (size_t i = 0; i < spm->count; i++) {
        int type = spm->pieces[i].type;
        json_array_append_new(vocab, json_pack("[o, f]", text_json(&spm->pieces[i]), (double)spm->pieces[i].score));
        if (type != LT_SPM_NORMAL && type != LT_SPM_USER)
            json_array_append_new(unmatched, json_integer((json_int_t)i));
    }
    return json_pack("{s:s, s:i, s:b, s:b, s:o, s:o}", "type", "Unigram", "unk_id", spm->unk_id < 0 ? 0 : spm->unk_id, "byte_fallback",
                     spm->byte_fallback, "single_precision", spm->float_sums, "vocab", vocab, "unmatched", unmatched);
}

/* ---- the steps around them ---- */

static json_t *normalizer(const lt_spm *spm, bool prefix)
{
    json_t *step = json_pack("{s:s, s:b, s:s, s:b}", "type", "SentencePiece", "remove_extra_whitespaces", spm->one_space, "prefix",
                             !prefix            ? "none"
                             : spm->prefix_each ? "each"
                                                : "first",
                             "escape_whitespaces", spm->escape);
    if (spm->charsmap) {
        char *text = lt_base64_encode(spm->charsmap, spm->charsmap_size);
        json_object_set_new(step, "precompiled_charsmap", json_string(text ? text : ""));
        free(text);
    }
    return step;
}

static json_t *decoder(const lt_spm *spm, bool prefix)
{
    json_t *steps = json_array();
    json_array_append_new(steps, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", "▁", "content", " "));
    if (spm->byte_fallback)
        json_array_append_new(steps, json_pack("{s:s}", "type", "ByteFallback"));
    json_array_append_new(steps, json_pack("{s:s}", "type", "Fuse"));
    if (prefix)
        json_array_append_new(steps, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
    return json_pack("{s:s, s:o}", "type", "Sequence", "decoders", steps);
}

/* Control pieces are special, user-defined ones are matched as they stand; where they have a "▁", in the normal form. */
static json_t *added_tokens(const lt_spm *spm, bool gemma)
{
    json_t *list = json_array();
    for (size_t i = 0; i < spm->count; i++) {
        const lt_spm_piece *piece = &spm->pieces[i];
        bool special = piece->type == LT_SPM_CONTROL || piece->type == LT_SPM_UNKNOWN;
        if ((!special && piece->type != LT_SPM_USER) || piece->size == 0)
            continue;
        bool spaced = !special && memmem(piece->text, piece->size, "▁", 3);
        special |= gemma && (is(piece, "<start_of_turn>") || is(piece, "<end_of_turn>"));
        json_array_append_new(list, json_pack("{s:I, s:o, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)i, "content", text_json(piece),
                                              "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", spaced, "special", special));
    }
    return list;
}

static bool is_class(const char *name, const char *wanted)
{
    return name && !strncmp(name, wanted, strlen(wanted));
}

/* Llama's and Gemma's tokenizers begin every text with their first token; tokenizer_config.json may say otherwise. */
static json_t *frame(const lt_spm *spm, const char *class_name)
{
    bool begins = spm->model == LT_SPM_BPE && (!class_name || is_class(class_name, "Llama") || is_class(class_name, "CodeLlama") ||
                                               is_class(class_name, "Gemma") || is_class(class_name, "Phi3"));
    if (!begins || spm->bos_id < 0 || (size_t)spm->bos_id >= spm->count)
        return json_null();
    json_t *bos = text_json(&spm->pieces[spm->bos_id]), *tokens = json_object();
    json_object_set_new(tokens, json_string_value(bos), json_pack("{s:O, s:[i], s:[O]}", "id", bos, "ids", spm->bos_id, "tokens", bos));
    return json_pack("{s:s, s:[{s:{s:o, s:i}}, {s:{s:s, s:i}}], s:[], s:o}", "type", "TemplateProcessing", "single", "SpecialToken", "id",
                     bos, "type_id", 0, "Sequence", "id", "A", "type_id", 0, "pair", "special_tokens", tokens);
}

json_t *lt_tokenizer_spm_json(const lt_spm *spm, const char *name, const char *class_name, lt_error *err)
{
    bool gemma = is_class(class_name, "Gemma"), prefix = spm->dummy_prefix && !gemma;
    json_t *model = NULL, *root = NULL;
    if (spm->model != LT_SPM_BPE && spm->model != LT_SPM_UNIGRAM)
        lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: expected a model of type BPE or unigram, found word or char", name);
    else if (spm->space_is_suffix)
        lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: spaces at the end of words (treat_whitespace_as_suffix) are not read", name);
    else
        model = spm->model == LT_SPM_BPE ? bpe_model(spm, gemma, err) : unigram_model(spm);
    if (!model)
        return NULL;
    root = json_pack("{s:o, s:o, s:o, s:o, s:o}", "model", model, "normalizer", normalizer(spm, prefix), "decoder",
                     decoder(spm, prefix), "added_tokens", added_tokens(spm, gemma), "post_processor", frame(spm, class_name));
    if (!root)
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", name);
    return root;
}

json_t *lt_tokenizer_spm_root(const char *bytes, size_t size, const char *name, const char *class_name, lt_error *err)
{
    lt_spm spm = {0};
    json_t *root = lt_spm_parse(&spm, bytes, size, name, err) ? lt_tokenizer_spm_json(&spm, name, class_name, err) : NULL;
    lt_spm_free(&spm);
    return root;
}
