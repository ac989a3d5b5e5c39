/* A folder's config.json and tokenizer.json as GGUF metadata: what models/gguf_config.c and text/tokenizer_gguf.c read, the other way. */
#include "api/merge_gguf.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/log.h"
#include "formats/json.h"
#include "models/gguf.h"
#include "nn/rope.h"
#include "text/tokenizer.h"
#include "text/tokenizer_gguf.h"

enum { TOKENIZER_LIMIT_BYTES = 512 << 20 };

void lt_gguf_metadata_copy(lt_gguf_metadata *m, const lt_gguf *from)
{
    for (int64_t i = 0; i < from->entry_count; i++) {
        const char *key = from->entries[i].key;
        if (strcmp(key, "general.file_type") && strcmp(key, "general.alignment") && strncmp(key, "split.", 6))
            lt_gguf_set_entry(m, key, &from->entries[i]);
    }
}

/* ---- sizes ---- */

typedef struct writing {
    lt_gguf_metadata *m;
    const lt_config *config;
    const char *architecture;
    lt_error *err;
} writing;

static const char *key_of(const writing *w, const char *suffix)
{
    static _Thread_local char key[256];
    snprintf(key, sizeof key, "%s.%s", w->architecture, suffix);
    return key;
}

static void put_size(const writing *w, const char *suffix, int64_t value)
{
    lt_gguf_set_u32(w->m, key_of(w, suffix), (uint32_t)value);
}

static void put_real(const writing *w, const char *suffix, double value)
{
    lt_gguf_set_f32(w->m, key_of(w, suffix), (float)value);
}

static bool put_rope(const writing *w)
{
    const lt_config *c = w->config;
    if (c->rope_count == 0)
        return true;
    for (int i = 0; i < c->rope_count; i++)
        if (c->ropes[i].kind == LT_ROPE_LONGROPE && strcmp(w->architecture, "phi3"))
            return lt_error_set(w->err, LT_ERR_UNSUPPORTED, "a rope with factors for short and long texts is known to GGUF's readers in "
                                "Phi-3 alone, the model is %s", c->model_type);
    const lt_rope_config *rope = &c->ropes[0];
    put_size(w, "rope.dimension_count", rope->rotary_width);
    put_real(w, "rope.freq_base", rope->theta);
    if (rope->kind == LT_ROPE_LINEAR) {
        lt_gguf_set_string(w->m, key_of(w, "rope.scaling.type"), "linear", 6);
        put_real(w, "rope.scaling.factor", rope->factor);
    }
    if (rope->kind == LT_ROPE_LONGROPE)
        put_real(w, "rope.scaling.attn_factor", rope->attention_factor);
    if (!strcmp(w->architecture, "phi3")) /* how long the context is that the short factors, or none, are for */
        put_size(w, "rope.scaling.original_context_length", rope->kind == LT_ROPE_LONGROPE ? rope->original_max_position : c->max_position);
    if (c->rope_count > 1)
        put_real(w, "rope.freq_base_swa", c->ropes[1].theta);
    return true;
}

/* The window, and a list of the layers that have it where it is not the usual one (all; Gemma 2: every other; Gemma 3: five of six). */
static void put_windows(const writing *w)
{
    const lt_config *c = w->config;
    int64_t period = !strcmp(w->architecture, "gemma2") ? 2 : !strcmp(w->architecture, "gemma3") ? 6 : 0, window = 0;
    bool usual = true;
    for (int64_t l = 0; l < c->L; l++) {
        window = c->layers[l].window ? c->layers[l].window : window;
        usual = usual && (c->layers[l].window > 0) == (period ? (l + 1) % period != 0 : true);
    }
    if (window && window < c->max_position && !period && strcmp(w->architecture, "olmo2"))
        lt_log_warning("lathe reads the sliding window of %" PRId64 " tokens from this file; llama.cpp does not for %s, and computes longer "
                       "texts otherwise", window, w->architecture);
    if (window || !strcmp(w->architecture, "phi3")) /* where 0 says so too */
        put_size(w, "attention.sliding_window", window);
    if (!window || usual || !period)
        return;
    bool *sliding = calloc((size_t)c->L, sizeof *sliding);
    for (int64_t l = 0; sliding && l < c->L; l++)
        sliding[l] = c->layers[l].window > 0;
    if (sliding)
        lt_gguf_set_bools(w->m, key_of(w, "attention.sliding_window_pattern"), sliding, (uint64_t)c->L);
    free(sliding);
}

/* Gemma's scale of scores goes by the size of the model; a model of other proportions has to say its own. */
static void put_score_scale(const writing *w)
{
    const lt_config *c = w->config;
    bool gemma2 = !strcmp(w->architecture, "gemma2"), gemma3 = !strcmp(w->architecture, "gemma3");
    if (!gemma2 && !gemma3)
        return;
    bool largest = c->L == (gemma2 ? 46 : 62);
    double implied = 1 / sqrt((double)(largest ? c->C / c->H : c->D));
    if (fabs(implied / c->attention_scale - 1) <= 1e-6)
        return;
    put_real(w, "attention.scale", c->attention_scale);
    lt_log_warning("lathe reads the scale of scores (query_pre_attn_scalar %g) from this file; llama.cpp takes it from the size of the "
                   "model, and computes something else", 1 / (c->attention_scale * c->attention_scale));
}

static bool put_experts(const writing *w)
{
    const lt_config *c = w->config;
    if (c->experts == 0)
        return true;
    for (int64_t l = 0; l < c->L; l++)
        if (!c->layers[l].sparse)
            return lt_error_set(w->err, LT_ERR_UNSUPPORTED, "GGUF has no way to say that layer %" PRId64 " has no experts where others do", l);
    put_size(w, "expert_count", c->experts);
    put_size(w, "expert_used_count", c->experts_per_token);
    if (strcmp(w->architecture, "llama"))
        put_size(w, "expert_feed_forward_length", c->expert_F);
    if (c->shared_F)
        put_size(w, "expert_shared_feed_forward_length", c->shared_F);
    return true;
}

static bool put_sizes(const writing *w)
{
    const lt_config *c = w->config;
    put_size(w, "block_count", c->L);
    put_size(w, "context_length", c->max_position);
    put_size(w, "embedding_length", c->C);
    put_size(w, "feed_forward_length", c->F);
    put_size(w, "attention.head_count", c->H);
    put_size(w, "attention.head_count_kv", c->K);
    put_size(w, "vocab_size", c->V);
    if (c->D * c->H != c->C || !strncmp(w->architecture, "qwen3", 5) || !strncmp(w->architecture, "gemma", 5)) {
        put_size(w, "attention.key_length", c->D);
        put_size(w, "attention.value_length", c->D);
    }
    put_real(w, c->norm == LT_NORM_LAYER ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", c->norm_epsilon);
    put_windows(w);
    put_score_scale(w);
    if (c->attention_softcap > 0)
        put_real(w, "attn_logit_softcapping", c->attention_softcap);
    if (c->logit_softcap > 0)
        put_real(w, "final_logit_softcapping", c->logit_softcap);
    if (!strcmp(c->model_type, "granite")) {
        put_real(w, "attention.scale", c->attention_scale);
        put_real(w, "embedding_scale", c->embedding_scale);
        put_real(w, "residual_scale", c->residual_scale);
        put_real(w, "logit_scale", 1 / c->logit_scale);
    }
    return put_experts(w) && put_rope(w);
}

static bool llama3_divisors(const lt_rope_config *rope, float *out, lt_error *err)
{
    lt_rope_config plain = *rope;
    int64_t half = rope->rotary_width / 2;
    float *usual = malloc((size_t)half * sizeof *usual), magnitude;
    if (!usual)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    plain.kind = LT_ROPE_DEFAULT;
    lt_rope_frequencies(rope, 1, out, &magnitude);
    lt_rope_frequencies(&plain, 1, usual, &magnitude);
    for (int64_t i = 0; i < half; i++)
        out[i] = usual[i] / out[i];
    free(usual);
    return true;
}

bool lt_gguf_rope_tensors(const lt_config *config, lt_gguf_rope_tensor out[LT_GGUF_ROPE_TENSORS], int *count, lt_error *err)
{
    const lt_rope_config *rope = &config->ropes[0];
    bool llama3 = config->rope_count && rope->kind == LT_ROPE_LLAMA3, longrope = config->rope_count && rope->kind == LT_ROPE_LONGROPE;
    int64_t half = rope->rotary_width / 2;
    *count = 0;
    for (int i = 0; i < (longrope ? 2 : llama3 ? 1 : 0); i++) {
        float *values = malloc((size_t)half * sizeof *values);
        out[i] = (lt_gguf_rope_tensor){llama3 ? "rope_freqs.weight" : i ? "rope_factors_short.weight" : "rope_factors_long.weight", values,
                                       half};
        ++*count;
        if (!values)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
        if (longrope)
            memcpy(values, i ? rope->short_factor : rope->long_factor, (size_t)half * sizeof *values);
        else if (!llama3_divisors(rope, values, err))
            return false;
    }
    return true;
}

void lt_gguf_rope_tensors_free(lt_gguf_rope_tensor *tensors, int count)
{
    for (int i = 0; i < count; i++)
        free(tensors[i].values);
}

/* ---- reading back ---- */

static bool same_rope(const lt_rope_config *a, const lt_rope_config *b)
{
    if (a->rotary_width != b->rotary_width || fabs(a->theta / b->theta - 1) >= 1e-6)
        return false;
    if (a->kind == LT_ROPE_LLAMA3 && b->kind == LT_ROPE_LONGROPE)
        return true; /* divisors that no rule of the readers gives: the file's own tensor has them */
    if (a->kind != b->kind)
        return false;
    if (a->kind != LT_ROPE_LONGROPE)
        return fabs(a->factor / b->factor - 1) < 1e-6;
    for (int i = 0; i < a->rotary_width / 2; i++)
        if (fabsf(a->short_factor[i] / b->short_factor[i] - 1) > 1e-6f || fabsf(a->long_factor[i] / b->long_factor[i] - 1) > 1e-6f)
            return false;
    return a->original_max_position == b->original_max_position && fabs(a->attention_factor / b->attention_factor - 1) < 1e-6;
}

bool lt_gguf_check_written(const char *path, const lt_config *was, lt_error *err)
{
    lt_gguf *file;
    lt_config is;
    const char *differs = NULL;
    if (!lt_gguf_open(&file, path, err))
        return false;
    bool ok = lt_gguf_config_load(file, &is, err);
    lt_gguf_close(file);
    if (!ok)
        return false;
    const struct {
        const char *what;
        double was, is;
    } numbers[] = {{"scale of its scores", was->attention_scale, is.attention_scale},
                   {"scale of its embeddings", was->embedding_scale, is.embedding_scale},
                   {"scale of its branches", was->residual_scale, is.residual_scale},
                   {"scale of its logits", was->logit_scale, is.logit_scale},
                   {"cap of its scores", was->attention_softcap, is.attention_softcap},
                   {"cap of its logits", was->logit_softcap, is.logit_softcap},
                   {"epsilon of its norms", was->norm_epsilon, is.norm_epsilon}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (fabs(numbers[i].was - numbers[i].is) > 1e-6 * fabs(numbers[i].was))
            differs = numbers[i].what;
    if (was->activation != is.activation)
        differs = "activation";
    if (was->experts != is.experts || was->experts_per_token != is.experts_per_token || was->expert_F != is.expert_F ||
        was->shared_F != is.shared_F || was->normalise_routing != is.normalise_routing)
        differs = "routing to experts";
    for (int i = 0; i < was->rope_count; i++)
        if (was->rope_count != is.rope_count || !same_rope(&was->ropes[i], &is.ropes[i]))
            differs = "rotary positions";
    for (int64_t l = 0; l < was->L; l++)
        if (was->L != is.L || was->layers[l].window != is.layers[l].window || was->layers[l].rope != is.layers[l].rope)
            differs = "layers' windows or positions";
    lt_config_free(&is);
    return !differs || lt_error_set(err, LT_ERR_UNSUPPORTED, "GGUF has no way to say the %s of this model (%s)", differs, was->model_type);
}

/* ---- vocabulary ---- */

/* Names and types by id, out of a tokenizer.json. */
typedef struct vocabulary {
    lt_gguf_string *tokens;
    int32_t *types;
    float *scores; /* NULL: none */
    char *made;    /* names of ids that no token has, and WordPiece's spellings */
    size_t made_size;
    int64_t count;
} vocabulary;

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE, NAME_BYTES = 24 };

static void free_vocabulary(vocabulary *v)
{
    free(v->tokens);
    free(v->types);
    free(v->scores);
    free(v->made);
}

static bool open_vocabulary(vocabulary *v, const json_t *root, int64_t V, lt_error *err)
{
    const json_t *vocab = json_object_get(json_object_get(root, "model"), "vocab");
    const char *name;
    json_t *value;
    size_t i;
    v->count = V;
    v->tokens = calloc((size_t)V, sizeof *v->tokens);
    v->types = calloc((size_t)V, sizeof *v->types);
    v->made = malloc((size_t)V * NAME_BYTES);
    if (!v->tokens || !v->types || !v->made)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for %" PRId64 " tokens", V);
    if (!json_is_object(vocab))
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "a tokenizer of this kind has no place in GGUF");
    json_object_foreach((json_t *)vocab, name, value)
    {
        json_int_t id = json_integer_value(value);
        if (id < 0 || id >= V)
            continue; /* the embedding has no row for it */
        v->tokens[id] = (lt_gguf_string){name, strlen(name)};
        v->types[id] = strlen(name) == 6 && !strncmp(name, "<0x", 3) ? TYPE_BYTE : TYPE_NORMAL;
    }
    json_array_foreach(json_object_get(root, "added_tokens"), i, value)
    {
        json_int_t id = json_integer_value(json_object_get(value, "id"));
        const json_t *content = json_object_get(value, "content");
        if (id < 0 || id >= V || !json_is_string(content))
            continue;
        v->tokens[id] = (lt_gguf_string){json_string_value(content), json_string_length(content)};
        v->types[id] = json_is_true(json_object_get(value, "special")) ? TYPE_CONTROL : TYPE_USER;
    }
    for (int64_t id = 0; id < V; id++)
        if (!v->tokens[id].data) {
            int n = snprintf(v->made + id * NAME_BYTES, NAME_BYTES, "[PAD%" PRId64 "]", id);
            v->tokens[id] = (lt_gguf_string){v->made + id * NAME_BYTES, (size_t)n};
            v->types[id] = TYPE_UNUSED;
        }
    return true;
}

static bool put_merges(lt_gguf_metadata *m, const json_t *merges, lt_error *err)
{
    size_t count = json_array_size(merges), i, bytes = 0, used = 0;
    json_t *value;
    json_array_foreach((json_t *)merges, i, value) bytes +=
        json_is_array(value) ? json_string_length(json_array_get(value, 0)) + json_string_length(json_array_get(value, 1)) + 1 : 0;
    lt_gguf_string *list = malloc((count + 1) * sizeof *list);
    char *joined = malloc(bytes + 1);
    bool ok = (list && joined) || lt_error_set(err, LT_ERR_MEMORY, "out of memory for merges");
    json_array_foreach((json_t *)merges, i, value)
    {
        if (!ok)
            break;
        if (json_is_string(value)) {
            list[i] = (lt_gguf_string){json_string_value(value), json_string_length(value)};
            continue;
        }
        const json_t *left = json_array_get(value, 0), *right = json_array_get(value, 1);
        list[i] = (lt_gguf_string){joined + used, json_string_length(left) + json_string_length(right) + 1};
        memcpy(joined + used, json_string_value(left), json_string_length(left));
        used += json_string_length(left);
        joined[used++] = ' ';
        memcpy(joined + used, json_string_value(right), json_string_length(right));
        used += json_string_length(right);
    }
    if (ok)
        lt_gguf_set_strings(m, "tokenizer.ggml.merges", list, count);
    free(list);
    free(joined);
    return ok;
}

/* A piece's score is minus the rank of the first merge that makes it: pieces merge in the same order then. */
static bool put_scores(lt_gguf_metadata *m, vocabulary *v, const json_t *root, lt_error *err)
{
    const json_t *model = json_object_get(root, "model"), *vocab = json_object_get(model, "vocab");
    const json_t *merges = json_object_get(model, "merges");
    size_t i;
    json_t *value;
    float next = -1;
    v->scores = malloc((size_t)v->count * sizeof *v->scores);
    if (!v->scores)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for scores");
    for (int64_t id = 0; id < v->count; id++)
        v->scores[id] = v->types[id] == TYPE_NORMAL ? -1e6f : 0;
    json_array_foreach((json_t *)merges, i, value)
    {
        char piece[1024];
        const char *text = json_string_value(value), *space = text ? strchr(text, ' ') : NULL;
        const char *left = json_string_value(json_array_get(value, 0)), *right = json_string_value(json_array_get(value, 1));
        int n = space ? snprintf(piece, sizeof piece, "%.*s%s", (int)(space - text), text, space + 1)
                      : snprintf(piece, sizeof piece, "%s%s", left ? left : "", right ? right : "");
        const json_t *id = n < (int)sizeof piece ? json_object_get(vocab, piece) : NULL;
        if (!id || json_integer_value(id) < 0 || json_integer_value(id) >= v->count || v->scores[json_integer_value(id)] > -1e6f)
            continue;
        v->scores[json_integer_value(id)] = next;
        next -= 1;
    }
    lt_gguf_set_f32s(m, "tokenizer.ggml.scores", v->scores, (uint64_t)v->count);
    return true;
}

/* ---- kinds of tokenizers ---- */

static json_t *cuts_of(const json_t *root)
{
    json_t *pre = json_object_get(root, "pre_tokenizer");
    json_t *list = json_object_get(pre, "pretokenizers");
    return json_is_array(list) ? json_incref(list) : pre && !json_is_null(pre) ? json_pack("[O]", pre) : json_array();
}

/* The names under which readers know a way of cutting text, by what tells it from the others. */
static const char *pre_name(const json_t *root)
{
    bool merges_ignored = json_is_true(json_object_get(json_object_get(root, "model"), "ignore_merges"));
    bool nfc = false, digits = false;
    const json_t *normalizer = json_object_get(root, "normalizer");
    const char *kind = json_string_value(json_object_get(normalizer, "type")), *found = NULL;
    nfc = kind && !strcmp(kind, "NFC");
    json_t *cuts = cuts_of(root), *cut;
    size_t i;
    json_array_foreach(cuts, i, cut)
    {
        const char *type = json_string_value(json_object_get(cut, "type"));
        const char *regex = json_string_value(json_object_get(json_object_get(cut, "pattern"), "Regex"));
        if (type && !strcmp(type, "Digits"))
            digits = json_is_true(json_object_get(cut, "individual_digits"));
        if (type && !strcmp(type, "ByteLevel") && json_is_true(json_object_get(cut, "use_regex")) && !found)
            found = digits ? nfc ? "command-r" : "smollm" : nfc ? "olmo" : "gpt-2";
        if (!regex)
            continue;
        if (strstr(regex, "\\p{N}{1,3}") && strstr(regex, "\\p{Lu}"))
            found = "gpt-4o";
        else if (strstr(regex, "\\p{Lu}"))
            found = "tekken";
        else if (strstr(regex, "\\p{N}{1,3}") && strstr(regex, "(?i:'s"))
            found = merges_ignored ? "llama-bpe" : "dbrx";
        else if (strstr(regex, "(?i:'s"))
            found = "qwen2";
    }
    json_decref(cuts);
    /* Only what reads back the same will do. */
    const lt_gguf_pre *pre = found ? lt_gguf_pre_find(found, strlen(found)) : NULL;
    return pre && pre->ignore_merges == merges_ignored ? found : NULL;
}

static bool put_byte_level(lt_gguf_metadata *m, vocabulary *v, const json_t *root, lt_error *err)
{
    const char *pre = pre_name(root);
    if (!pre)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "GGUF has no name for how this tokenizer cuts a text");
    lt_gguf_set_string(m, "tokenizer.ggml.model", "gpt2", 4);
    lt_gguf_set_string(m, "tokenizer.ggml.pre", pre, strlen(pre));
    lt_gguf_set_strings(m, "tokenizer.ggml.tokens", v->tokens, (uint64_t)v->count);
    lt_gguf_set_i32s(m, "tokenizer.ggml.token_type", v->types, (uint64_t)v->count);
    return put_merges(m, json_object_get(json_object_get(root, "model"), "merges"), err);
}

static bool put_sentence_piece(lt_gguf_metadata *m, vocabulary *v, const json_t *root, lt_error *err)
{
    char *normalizer = json_dumps(json_object_get(root, "normalizer"), JSON_ENCODE_ANY);
    bool prefix = normalizer && strstr(normalizer, "Prepend");
    const char *unknown = json_string_value(json_object_get(json_object_get(root, "model"), "unk_token"));
    free(normalizer);
    for (int64_t id = 0; unknown && id < v->count; id++)
        if (v->tokens[id].size == strlen(unknown) && !memcmp(v->tokens[id].data, unknown, v->tokens[id].size))
            v->types[id] = TYPE_UNKNOWN;
    lt_gguf_set_string(m, "tokenizer.ggml.model", "llama", 5);
    lt_gguf_set_string(m, "tokenizer.ggml.pre", "default", 7);
    lt_gguf_set_bool(m, "tokenizer.ggml.add_space_prefix", prefix);
    lt_gguf_set_strings(m, "tokenizer.ggml.tokens", v->tokens, (uint64_t)v->count);
    lt_gguf_set_i32s(m, "tokenizer.ggml.token_type", v->types, (uint64_t)v->count);
    return put_scores(m, v, root, err);
}

/* ---- special tokens and template ---- */

static void put_roles(lt_gguf_metadata *m, const lt_tokenizer *t, const lt_config *config)
{
    static const struct {
        lt_special which;
        const char *key;
    } roles[] = {{LT_SPECIAL_BOS, "tokenizer.ggml.bos_token_id"}, {LT_SPECIAL_EOS, "tokenizer.ggml.eos_token_id"},
                 {LT_SPECIAL_UNK, "tokenizer.ggml.unknown_token_id"}, {LT_SPECIAL_PAD, "tokenizer.ggml.padding_token_id"}};
    lt_ids none = {0};
    lt_error err;
    int32_t eos = lt_tokenizer_special_id(t, LT_SPECIAL_EOS), bos = lt_tokenizer_special_id(t, LT_SPECIAL_BOS);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        int32_t id = lt_tokenizer_special_id(t, roles[i].which);
        if (id >= 0 && id < config->V)
            lt_gguf_set_u32(m, roles[i].key, (uint32_t)id);
    }
    for (int i = 0; i < config->eos_count; i++)
        if (config->eos_ids[i] != eos) {
            lt_gguf_set_u32(m, "tokenizer.ggml.eot_token_id", (uint32_t)config->eos_ids[i]);
            break;
        }
    /* What is put around an empty text is what is put around any. */
    if (lt_tokenizer_encode(t, "", 0, LT_ENCODE_ADD_SPECIAL, &none, &err)) {
        lt_gguf_set_bool(m, "tokenizer.ggml.add_bos_token", none.count > 0 && none.data[0] == bos && bos >= 0);
        lt_gguf_set_bool(m, "tokenizer.ggml.add_eos_token", none.count > 1 && none.data[none.count - 1] == eos && eos >= 0);
    }
    lt_ids_free(&none);
}

static bool put_template(lt_gguf_metadata *m, const char *folder, lt_error *err)
{
    char path[4096];
    char *text;
    size_t size;
    if (!lt_file_join(path, sizeof path, folder, "chat_template.jinja", err))
        return false;
    if (lt_file_exists(path)) {
        if (!lt_file_read(path, 4 << 20, &text, &size, err))
            return false;
        lt_gguf_set_string(m, "tokenizer.chat_template", text, size);
        free(text);
        return true;
    }
    if (!lt_file_join(path, sizeof path, folder, "tokenizer_config.json", err) || !lt_file_exists(path))
        return true;
    json_t *config = lt_json_load(path, 64 << 20, err);
    if (!config)
        return false;
    const json_t *template = json_object_get(config, "chat_template"), *entry;
    size_t i;
    if (json_is_string(template))
        lt_gguf_set_string(m, "tokenizer.chat_template", json_string_value(template), json_string_length(template));
    json_array_foreach((json_t *)template, i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        const json_t *source = json_object_get(entry, "template");
        char key[256] = "tokenizer.chat_template";
        if (!name || !json_is_string(source))
            continue;
        if (strcmp(name, "default"))
            snprintf(key, sizeof key, "tokenizer.chat_template.%.200s", name);
        lt_gguf_set_string(m, key, json_string_value(source), json_string_length(source));
    }
    json_decref(config);
    return true;
}

static bool put_tokenizer(lt_gguf_metadata *m, const char *folder, const lt_config *config, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, folder, "tokenizer.json", err))
        return false;
    if (!lt_file_exists(path)) {
        lt_gguf_set_string(m, "tokenizer.ggml.model", "none", 4);
        return true;
    }
    lt_tokenizer *tokenizer = NULL;
    json_t *root = lt_json_load(path, TOKENIZER_LIMIT_BYTES, err);
    vocabulary v = {0};
    const json_t *model = json_object_get(root, "model");
    const char *type = json_string_value(json_object_get(model, "type"));
    bool ok = root && lt_tokenizer_open(&tokenizer, folder, err) && open_vocabulary(&v, root, config->V, err);
    if (ok && type && strcmp(type, "BPE"))
        ok = lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: a tokenizer of type \"%.40s\" is not written to GGUF", path, type);
    if (ok)
        ok = json_is_true(json_object_get(model, "byte_fallback")) ? put_sentence_piece(m, &v, root, err) : put_byte_level(m, &v, root, err);
    if (ok)
        put_roles(m, tokenizer, config);
    ok = ok && put_template(m, folder, err);
    free_vocabulary(&v);
    lt_tokenizer_close(tokenizer);
    json_decref(root);
    return ok;
}

bool lt_gguf_metadata_of_folder(lt_gguf_metadata *m, const char *folder, const lt_config *config, lt_error *err)
{
    const lt_gguf_family *family = lt_gguf_family_named(config->model_type);
    if (!family)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: GGUF has no architecture for \"%s\" that lathe knows", folder, config->model_type);
    writing w = {m, config, family->architecture, err};
    const char *slash = strrchr(folder, '/'), *name = slash && slash[1] ? slash + 1 : folder;
    lt_gguf_set_string(m, "general.architecture", family->architecture, strlen(family->architecture));
    lt_gguf_set_string(m, "general.type", "model", 5);
    lt_gguf_set_string(m, "general.name", name, strlen(name));
    return put_sizes(&w) && put_tokenizer(m, folder, config, err);
}
