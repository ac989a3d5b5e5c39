/* GGUF metadata as a config.json. The families' own reader then checks every value, so this only translates. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "models/family.h"
#include "models/gguf.h"
#include "models/table.h"

/* ---- architectures ---- */

static const lt_gguf_family families[] = {
    {"llama", "llama", true, false},
    {"qwen2", "qwen2", false, false},
    {"qwen3", "qwen3", false, false},
    {"gemma", "gemma", false, true},
    {"gemma2", "gemma2", false, true},
    {"gemma3", "gemma3_text", false, true},
    {"phi3", "phi3", false, false},
    {"smollm3", "smollm3", true, false},
    {"olmo2", "olmo2", false, false},
    {"granite", "granite", true, false},
    {"gpt2", "gpt2", false, false},
    {"qwen2moe", "qwen2_moe", false, false},
    {"qwen3moe", "qwen3_moe", false, false},
    {"llama", "mixtral", true, false}, /* written as Llama, which has experts if it says how many */
    {"llama", "mistral", true, false}, /* written as Llama: without a window it is one */
};

enum { FAMILIES = sizeof families / sizeof *families };

const lt_gguf_family *lt_gguf_family_of(const lt_gguf *file, lt_error *err)
{
    lt_gguf_string name = {NULL, 0};
    char known[512] = "";
    if (!lt_gguf_get_string(file, "general.architecture", &name, err))
        return NULL;
    if (!name.data) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: expected the key 'general.architecture', found none", file->path);
        return NULL;
    }
    for (int i = 0; i < FAMILIES; i++) {
        if (strlen(families[i].architecture) == name.size && !memcmp(families[i].architecture, name.data, name.size))
            return &families[i];
        if (!strstr(known, families[i].architecture))
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", families[i].architecture);
    }
    lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: 'general.architecture': no architecture \"%.*s\" is known (%s are)", file->path,
                 name.size < 60 ? (int)name.size : 60, name.data, known);
    return NULL;
}

const lt_gguf_family *lt_gguf_family_named(const char *model_type)
{
    for (int i = 0; i < FAMILIES; i++)
        if (!strcmp(families[i].model_type, model_type))
            return &families[i];
    return NULL;
}

/* ---- keys ---- */

/* Metadata under "<architecture>.": what config.json calls it (before a family's own spelling), and how it is read. */
static const struct {
    const char *suffix, *key;
    enum { SIZE, REAL } kind;
} keys[] = {
    {"context_length", "max_position_embeddings", SIZE},
    {"block_count", "num_hidden_layers", SIZE},
    {"embedding_length", "hidden_size", SIZE},
    {"feed_forward_length", "intermediate_size", SIZE},
    {"attention.head_count", "num_attention_heads", SIZE},
    {"attention.head_count_kv", "num_key_value_heads", SIZE},
    {"attention.key_length", "head_dim", SIZE},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", REAL},
    {"attention.layer_norm_epsilon", "rms_norm_eps", REAL}, /* which LayerNorm families spell otherwise */
    {"attention.sliding_window", "sliding_window", SIZE},
    {"expert_count", "num_local_experts", SIZE},
    {"expert_used_count", "num_experts_per_tok", SIZE},
    {"expert_feed_forward_length", "moe_intermediate_size", SIZE},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size", SIZE},
    {"rope.freq_base", "rope_theta", REAL},
    {"rope.freq_base_swa", "rope_local_base_freq", REAL},
    {"rope.scaling.original_context_length", "original_max_position_embeddings", SIZE},
    {"attn_logit_softcapping", "attn_logit_softcapping", REAL},
    {"final_logit_softcapping", "final_logit_softcapping", REAL},
    {"attention.scale", "attention_multiplier", REAL},
    {"embedding_scale", "embedding_multiplier", REAL},
    {"residual_scale", "residual_multiplier", REAL},
    {"logit_scale", "logits_scaling", REAL},
};

typedef struct translation {
    const lt_gguf *file;
    const lt_gguf_family *gguf;
    const lt_family *family;
    json_t *config;
    lt_error *err;
} translation;

static void full_key(const translation *t, const char *suffix, char out[256])
{
    snprintf(out, 256, "%s.%s", t->gguf->architecture, suffix);
}

static bool set(translation *t, const char *usual, json_t *value)
{
    return json_object_set_new(t->config, lt_family_key(t->family, usual), value) == 0 ||
           lt_error_set(t->err, LT_ERR_MEMORY, "%s: out of memory for its configuration", t->file->path);
}

/* The number as people wrote it: f32 0.00001 is 9.99999975e-06 as a double. */
static double shortest(double value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtof(text, NULL) == (float)value)
            return strtod(text, NULL);
    }
    return value;
}

/* A size that some files give layer by layer; all must be the same. */
static bool get_size(const translation *t, const char *suffix, int64_t *out)
{
    char key[256];
    int64_t first, other;
    full_key(t, suffix, key);
    const lt_gguf_entry *entry = lt_gguf_find(t->file, key);
    if (!entry || entry->type != LT_GGUF_ARRAY)
        return lt_gguf_get_int(t->file, key, 0, INT64_MAX, out, t->err);
    for (uint64_t i = 0; i < entry->count; i++) {
        if (!lt_gguf_number(entry, i, NULL, &other))
            return lt_error_set(t->err, LT_ERR_FORMAT, "%s: '%s': expected integers", t->file->path, key);
        first = i ? first : other;
        if (other != first)
            return lt_error_set(t->err, LT_ERR_UNSUPPORTED, "%s: '%s': layers of different sizes are not supported", t->file->path,
                                key);
    }
    *out = entry->count ? first : *out;
    return true;
}

static bool get_real(const translation *t, const char *suffix, double *out)
{
    char key[256];
    full_key(t, suffix, key);
    return lt_gguf_get_real(t->file, key, out, t->err);
}

static bool set_keys(translation *t)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t size = -1;
        double real = NAN;
        if (keys[i].kind == SIZE ? !get_size(t, keys[i].suffix, &size) : !get_real(t, keys[i].suffix, &real))
            return false;
        if (keys[i].kind == SIZE ? size >= 0 && !set(t, keys[i].key, json_integer(size))
                                 : !isnan(real) && !set(t, keys[i].key, json_real(shortest(real))))
            return false;
    }
    return true;
}

/* ---- what the tensors say ---- */

static bool set_from_tensors(translation *t)
{
    const lt_gguf_tensor *embedding = lt_gguf_find_tensor(t->file, "token_embd.weight");
    if (!embedding || embedding->dims != 2)
        return lt_error_set(t->err, LT_ERR_FORMAT, "%s: expected a matrix 'token_embd.weight', found none", t->file->path);
    bool head;
    if (!lt_gguf_parts_have(t->file, "output.weight", &head, t->err))
        return false;
    return set(t, "vocab_size", json_integer(embedding->shape[0])) && set(t, "tie_word_embeddings", json_boolean(!head)) &&
           (!lt_gguf_find_tensor(t->file, "blk.0.attn_q.bias") || set(t, "attention_bias", json_true())) &&
           (!lt_gguf_find_tensor(t->file, "blk.0.ffn_up.bias") || set(t, "mlp_bias", json_true()));
}

/* Widths of experts where no key says them, which layers have none, and what is said by the architecture alone. */
static bool set_experts(translation *t)
{
    int64_t layers = 0, experts = 0;
    char name[64];
    if (!get_size(t, "block_count", &layers) || !get_size(t, "expert_count", &experts))
        return false;
    if (experts == 0 || !t->family->router || layers > 4096)
        return true;
    const lt_gguf_tensor *of_all = lt_gguf_find_tensor(t->file, "blk.0.ffn_up_exps.weight");
    const lt_gguf_tensor *shared = lt_gguf_find_tensor(t->file, "blk.0.ffn_up_shexp.weight");
    bool ok = true;
    if (of_all && of_all->dims == 3 && !json_object_get(t->config, "moe_intermediate_size"))
        ok = set(t, "moe_intermediate_size", json_integer(of_all->shape[1]));
    if (ok && shared && shared->dims == 2 && !json_object_get(t->config, "shared_expert_intermediate_size"))
        ok = set(t, "shared_expert_intermediate_size", json_integer(shared->shape[0]));
    if (ok && !t->family->routing_is_normalised)
        ok = set(t, "norm_topk_prob", json_boolean(!strcmp(t->gguf->architecture, "qwen3moe")));
    json_t *dense = json_array();
    for (int l = 0; l < layers; l++) {
        snprintf(name, sizeof name, "blk.%d.ffn_gate.weight", l);
        if (lt_gguf_find_tensor(t->file, name))
            json_array_append_new(dense, json_integer(l));
    }
    return json_array_size(dense) ? ok && set(t, "mlp_only_layers", dense) : (json_decref(dense), ok);
}

/* Gemma's score scale is in no key: the readers of this format know it by the model's size. 27 billion parameters: the width of
 * a head if heads filled the width; others: the width of a head. */
static bool set_score_scale(translation *t)
{
    int64_t layers = 0, width = 0, heads = 1, key_length = 0;
    bool gemma2 = !strcmp(t->gguf->architecture, "gemma2"), gemma3 = !strcmp(t->gguf->architecture, "gemma3");
    if (!gemma2 && !gemma3)
        return true;
    double given = NAN;
    if (!get_real(t, "attention.scale", &given)) /* lathe's own files of models that are none of theirs */
        return false;
    if (given > 0)
        return set(t, "query_pre_attn_scalar", json_real(1 / (given * given)));
    if (!get_size(t, "block_count", &layers) || !get_size(t, "embedding_length", &width) ||
        !get_size(t, "attention.head_count", &heads) || !get_size(t, "attention.key_length", &key_length))
        return false;
    bool largest = layers == (gemma2 ? 46 : 62) && heads > 0;
    int64_t scalar = largest ? width / heads : key_length;
    return scalar <= 0 || set(t, "query_pre_attn_scalar", json_integer(scalar));
}

/* Which layers have the window: every n-th has none, or a list that says it layer by layer. */
static bool set_window_pattern(translation *t)
{
    char key[256];
    int64_t pattern = -1, layer;
    full_key(t, "attention.sliding_window_pattern", key);
    const lt_gguf_entry *entry = lt_gguf_find(t->file, key);
    if (!entry)
        return true;
    if (entry->type != LT_GGUF_ARRAY)
        return lt_gguf_get_int(t->file, key, 1, INT32_MAX, &pattern, t->err) &&
               set(t, "sliding_window_pattern", json_integer(pattern));
    json_t *list = json_array();
    for (uint64_t i = 0; i < entry->count; i++)
        json_array_append_new(list, json_string(lt_gguf_number(entry, i, NULL, &layer) && layer ? "sliding_attention" : "full_attention"));
    return set(t, "layer_types", list);
}

/* ---- rope ---- */

/* A vector of factors, malloc'ed; NULL without error when there is no such tensor. */
static bool read_factors(const translation *t, const char *name, float **out, int64_t *count)
{
    const lt_gguf_tensor *tensor = lt_gguf_find_tensor(t->file, name);
    *out = NULL;
    *count = 0;
    if (!tensor)
        return true;
    if (tensor->type != 0 || tensor->dims != 1 || tensor->elements > 1 << 16 || t->file->fd < 0)
        return lt_error_set(t->err, LT_ERR_FORMAT, "%s: tensor '%s': expected a vector of F32", t->file->path, name);
    *out = malloc((size_t)tensor->bytes);
    if (!*out)
        return lt_error_set(t->err, LT_ERR_MEMORY, "%s: out of memory", t->file->path);
    *count = tensor->elements;
    if (lt_file_pread(t->file->fd, t->file->path, *out, (size_t)tensor->bytes, tensor->offset, t->err))
        return true;
    free(*out);
    *out = NULL;
    return false;
}

static json_t *factor_list(const float *factors, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++)
        json_array_append_new(list, json_real(shortest(factors[i])));
    return list;
}

/* What Llama 3.1's rule divides frequency i by, with the band of its models (1 to 4 turns over the original length). */
static double llama3_factor(double inv_freq, double factor, double original)
{
    double turns = original * inv_freq / (2 * M_PI);
    if (turns < 1)
        return factor;
    if (turns > 4)
        return 1;
    double smooth = (turns - 1) / 3;
    return 1 / ((1 - smooth) / factor + smooth);
}

/* Finds the original length whose rule gives these factors; 0 when none does. */
static int64_t llama3_original(const float *factors, int64_t half, double theta, double *factor)
{
    *factor = 1;
    for (int64_t i = 0; i < half; i++)
        *factor = factors[i] > *factor ? (double)factors[i] : *factor;
    for (int64_t original = 16; original <= 1 << 22; original *= 2) {
        bool same = *factor > 1;
        for (int64_t i = 0; same && i < half; i++) {
            double inv_freq = pow(theta, -2.0 * (double)i / (2.0 * (double)half));
            same = fabs(llama3_factor(inv_freq, *factor, (double)original) / (double)factors[i] - 1) < 1e-4;
        }
        if (same)
            return original;
    }
    return 0;
}

/* rope_freqs.weight: divisors of the frequencies. They come from Llama 3.1's rule; any others are a longrope whose two lists are
 * the same. */
static bool set_rope_freqs(translation *t, bool *found)
{
    float *factors;
    int64_t half, positions = 1 << 20;
    double theta = 10000, factor;
    if (!read_factors(t, "rope_freqs.weight", &factors, &half))
        return false;
    *found = factors != NULL;
    if (!factors)
        return true;
    json_t *scaling = NULL;
    bool ok = get_real(t, "rope.freq_base", &theta) && get_size(t, "context_length", &positions);
    int64_t original = ok ? llama3_original(factors, half, theta, &factor) : 0;
    if (original)
        scaling = json_pack("{s:s, s:f, s:f, s:f, s:I}", "rope_type", "llama3", "factor", shortest(factor), "low_freq_factor", 1.0,
                            "high_freq_factor", 4.0, "original_max_position_embeddings", (json_int_t)original);
    else
        scaling = json_pack("{s:s, s:f, s:f, s:o, s:o, s:I}", "rope_type", "longrope", "factor", 1.0, "attention_factor", 1.0,
                            "short_factor", factor_list(factors, half), "long_factor", factor_list(factors, half),
                            "original_max_position_embeddings", (json_int_t)(positions > 1 ? positions : 2));
    free(factors);
    if (ok)
        return set(t, "rope_scaling", scaling);
    json_decref(scaling);
    return false;
}

static bool set_longrope(translation *t, bool *found)
{
    float *both[2] = {NULL, NULL};
    int64_t count[2];
    double magnitude = NAN;
    bool ok = read_factors(t, "rope_factors_short.weight", &both[0], &count[0]) &&
              read_factors(t, "rope_factors_long.weight", &both[1], &count[1]) && get_real(t, "rope.scaling.attn_factor", &magnitude);
    *found = both[0] && both[1];
    if (ok && *found) {
        json_t *scaling = json_pack("{s:s, s:o, s:o}", "type", "longrope", "short_factor", factor_list(both[0], count[0]),
                                    "long_factor", factor_list(both[1], count[1]));
        if (!isnan(magnitude))
            json_object_set_new(scaling, "attention_factor", json_real(shortest(magnitude)));
        ok = set(t, "rope_scaling", scaling);
    }
    free(both[0]);
    free(both[1]);
    return ok;
}

static bool set_named_scaling(translation *t)
{
    char key[256];
    lt_gguf_string type = {NULL, 0};
    double factor = 1;
    full_key(t, "rope.scaling.type", key);
    if (!lt_gguf_get_string(t->file, key, &type, t->err) || !get_real(t, "rope.scaling.factor", &factor))
        return false;
    if (!type.data || (type.size == 4 && !memcmp(type.data, "none", 4)) || factor == 1)
        return true;
    json_t *name = json_stringn(type.data, type.size);
    if (!name)
        return lt_error_set(t->err, LT_ERR_FORMAT, "%s: '%s' is not UTF-8", t->file->path, key);
    return set(t, "rope_scaling", json_pack("{s:o, s:f}", "rope_type", name, "factor", shortest(factor)));
}

static bool set_rope(translation *t)
{
    int64_t rotated = 0, heads = 1, width = 0, head = 0;
    bool found;
    if (!set_longrope(t, &found) || (!found && !set_rope_freqs(t, &found)) || (!found && !set_named_scaling(t)))
        return false;
    if (!t->family->partial_rotary)
        return true;
    if (!get_size(t, "rope.dimension_count", &rotated) || !get_size(t, "attention.head_count", &heads) ||
        !get_size(t, "embedding_length", &width) || !get_size(t, "attention.key_length", &head))
        return false;
    head = head > 0 ? head : heads > 0 ? width / heads : 0;
    return rotated <= 0 || head <= 0 || rotated >= head ||
           set(t, "partial_rotary_factor", json_real((double)rotated / (double)head));
}

/* ---- special tokens ---- */

static bool set_tokens(translation *t)
{
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    int64_t bos = -1, pad = -1, end;
    json_t *list = json_array();
    bool ok = lt_gguf_get_int(t->file, "tokenizer.ggml.bos_token_id", 0, UINT32_MAX, &bos, t->err) &&
              lt_gguf_get_int(t->file, "tokenizer.ggml.padding_token_id", 0, UINT32_MAX, &pad, t->err);
    for (size_t i = 0; ok && i < sizeof ends / sizeof *ends; i++) {
        end = -1;
        ok = lt_gguf_get_int(t->file, ends[i], 0, UINT32_MAX, &end, t->err);
        bool known = end < 0 || end == UINT32_MAX;
        for (size_t k = 0; !known && k < json_array_size(list); k++)
            known = json_integer_value(json_array_get(list, k)) == end;
        if (!known)
            json_array_append_new(list, json_integer(end));
    }
    ok = ok && set(t, "bos_token_id", bos >= 0 && bos <= INT32_MAX ? json_integer(bos) : json_null()) &&
         set(t, "pad_token_id", pad >= 0 && pad <= INT32_MAX ? json_integer(pad) : json_null());
    if (ok)
        ok = set(t, "eos_token_id",
                 json_array_size(list) == 0   ? json_null()
                 : json_array_size(list) == 1 ? json_incref(json_array_get(list, 0))
                                              : json_incref(list));
    json_decref(list);
    return ok;
}

/* ---- the whole ---- */

static bool check_kind(const lt_gguf *file, lt_error *err)
{
    lt_gguf_string type = {"model", 5};
    if (!lt_gguf_get_string(file, "general.type", &type, err))
        return false;
    if (type.size == 7 && !memcmp(type.data, "adapter", 7))
        return lt_error_set(err, LT_ERR_USAGE, "%s: is an adapter, not a model; it goes with --adapter", file->path);
    return true;
}

json_t *lt_gguf_config_json(const lt_gguf *file, lt_error *err)
{
    translation t = {.file = file, .err = err};
    if (!check_kind(file, err) || !(t.gguf = lt_gguf_family_of(file, err)))
        return NULL;
    const char *model_type = t.gguf->model_type;
    if (!strcmp(model_type, "llama") && lt_gguf_find(file, "llama.attention.sliding_window"))
        model_type = "mistral"; /* which is Llama with a window */
    int64_t experts = 0;
    if (!strcmp(t.gguf->architecture, "llama") && !lt_gguf_get_int(file, "llama.expert_count", 0, INT32_MAX, &experts, err))
        return NULL;
    if (experts > 0)
        model_type = "mixtral";
    t.family = lt_family_find(model_type);
    t.config = t.family ? json_object() : NULL;
    if (!t.config) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its configuration", file->path);
        return NULL;
    }
    bool ok = set(&t, "architectures", json_pack("[s]", t.family->causal_class)) &&
              set(&t, "model_type", json_string(model_type)) && set_keys(&t) && set_from_tensors(&t) &&
              set_experts(&t) && set_score_scale(&t) && set_window_pattern(&t) && set_rope(&t) && set_tokens(&t);
    if (ok)
        return t.config;
    json_decref(t.config);
    return NULL;
}

bool lt_gguf_config_load(const lt_gguf *file, lt_config *config, lt_error *err)
{
    json_t *root = lt_gguf_config_json(file, err);
    if (!root)
        return false;
    bool ok = lt_family_read(root, file->path, config, err);
    json_decref(root);
    if (ok)
        config->conv1d = false; /* matrices are (out, in) in every GGUF */
    return ok;
}
