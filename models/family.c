#include "models/family.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/json.h"
#include "models/gguf.h"
#include "models/table.h"

/* The registry: one line per family. */
static const lt_family *const families[] = {
    &lt_family_llama,  &lt_family_qwen2, &lt_family_qwen3,   &lt_family_mistral, &lt_family_gemma,   &lt_family_gemma2,
    &lt_family_gemma3, &lt_family_phi3,  &lt_family_smollm3, &lt_family_olmo2,   &lt_family_granite, &lt_family_gpt2,
    &lt_family_bert,   &lt_family_afm,   &lt_family_mixtral, &lt_family_qwen2_moe, &lt_family_qwen3_moe,
};

enum { FAMILIES = sizeof families / sizeof *families };

/* Bounds far above any model there is. They keep every product of sizes within 64 bits, and a hostile file from asking
 * for much memory before its tensors are looked at. */
enum {
    MAX_LAYERS = 4096,
    MAX_HEADS = 65536,
    MAX_HEAD_WIDTH = 65536,
    MAX_WIDTH = 1 << 22, /* also of all heads together */
    MAX_VOCABULARY = 1 << 28,
    MAX_LABELS = 1 << 20,
};

const char *lt_family_key(const lt_family *family, const char *usual)
{
    for (int i = 0; i < LT_MAX_ALIASES && family->aliases[i].usual; i++)
        if (!strcmp(family->aliases[i].usual, usual))
            return family->aliases[i].own;
    return usual;
}

/* ---- which family ---- */

/* Edits (insert, delete, replace) from a to b, both short. */
static int edit_distance(const char *a, const char *b)
{
    int row[65], n = (int)strnlen(b, 64);
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; *a && i <= 64; i++, a++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int replace = diagonal + (*a != b[j - 1]), insert = row[j - 1] + 1, erase = row[j] + 1;
            diagonal = row[j];
            row[j] = replace < insert ? replace : insert;
            if (erase < row[j])
                row[j] = erase;
        }
    }
    return row[n];
}

/* Small numbers are near. A name within the other ("roberta", "qwen2_vl") means more than the edits between them, and a known
 * architecture says more than its spelling. */
static int distance_between(const char *model_type, const char *known)
{
    static const struct {
        const char *part, *known;
    } kin[] = {{"gpt", "gpt2"},      {"opt", "gpt2"},        {"bloom", "gpt2"},  {"electra", "bert"}, {"deberta", "bert"},
               {"gemma3", "gemma3_text"}, {"phi", "phi3"},      {"olmo", "olmo2"},      {"granite", "granite"}, {"yi", "llama"}, {"deepseek", "llama"},
               {"falcon", "llama"},  {"internlm", "llama"},  {"ministral", "mistral"}, {"moe", "mixtral"}};
    if (strstr(model_type, known))
        return -(int)strlen(known) * 100;
    for (size_t i = 0; i < sizeof kin / sizeof *kin; i++)
        if (!strcmp(kin[i].known, known) && strstr(model_type, kin[i].part))
            return -(int)strlen(kin[i].part) * 100;
    return edit_distance(model_type, known);
}

static const lt_family *nearest_family(const char *model_type)
{
    const lt_family *best = families[0];
    int best_distance = 1000;
    for (int i = 0; i < FAMILIES; i++) {
        int distance = distance_between(model_type, families[i]->model_type);
        if (distance < best_distance) {
            best = families[i];
            best_distance = distance;
        }
    }
    return best;
}

const lt_family *lt_family_find(const char *model_type)
{
    for (int i = 0; i < FAMILIES; i++)
        if (!strcmp(families[i]->model_type, model_type))
            return families[i];
    return NULL;
}

static bool choose_family(lt_family_reader *reader)
{
    lt_json at;
    const char *model_type;
    if (!lt_json_member(&reader->top, "model_type", &at))
        return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT, "expected a field 'model_type', found none");
    if (!lt_json_string(&at, &model_type, reader->err))
        return false;
    reader->family = lt_family_find(model_type);
    if (!reader->family)
        return lt_json_error(&at, reader->err, LT_ERR_UNSUPPORTED,
                             "no model family of this type is known: \"%.60s\"; the nearest known one is \"%s\"",
                             model_type, nearest_family(model_type)->model_type);
    snprintf(reader->config->model_type, sizeof reader->config->model_type, "%s", model_type);
    return true;
}

/* ---- sizes ---- */

/* A size; fallback 0 means that it must be there. */
static bool read_size(lt_family_reader *reader, const char *usual, int64_t fallback, int64_t limit, int64_t *out)
{
    const char *key = lt_family_key(reader->family, usual);
    *out = fallback;
    if (!lt_json_get_int(&reader->top, key, 1, limit, out, reader->err))
        return false;
    if (*out == 0)
        return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT, "expected a field '%s', found none", key);
    return true;
}

static bool is_null(const lt_family_reader *reader, const char *usual)
{
    return json_is_null(json_object_get(reader->top.value, lt_family_key(reader->family, usual)));
}

static bool read_sizes(lt_family_reader *reader)
{
    const lt_family *family = reader->family;
    lt_config *config = reader->config;
    int64_t positions;
    if (!read_size(reader, "hidden_size", family->width, MAX_WIDTH, &config->C) ||
        !read_size(reader, "num_hidden_layers", family->layers, MAX_LAYERS, &config->L) ||
        !read_size(reader, "num_attention_heads", family->heads, MAX_HEADS, &config->H) ||
        !read_size(reader, "intermediate_size", family->mlp_ratio * config->C, MAX_WIDTH, &config->F) ||
        !read_size(reader, "vocab_size", family->vocabulary, MAX_VOCABULARY, &config->V) ||
        !read_size(reader, "max_position_embeddings", family->max_position, INT32_MAX, &positions))
        return false;
    config->max_position = (int)positions;

    bool as_heads = family->kv_heads == 0 || is_null(reader, "num_key_value_heads");
    if (!read_size(reader, "num_key_value_heads", as_heads ? config->H : family->kv_heads, MAX_HEADS, &config->K))
        return false;
    if (config->H % config->K)
        return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT,
                             "num_attention_heads (%" PRId64 ") is not a multiple of num_key_value_heads (%" PRId64 ")",
                             config->H, config->K);

    bool derived = (family->head_width == 0 || is_null(reader, "head_dim")) && !lt_json_has(&reader->top, "head_dim");
    if (derived && config->C % config->H)
        return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT,
                             "hidden_size (%" PRId64 ") is not a multiple of num_attention_heads (%" PRId64 ")",
                             config->C, config->H);
    if (!read_size(reader, "head_dim", derived ? config->C / config->H : family->head_width, MAX_HEAD_WIDTH,
                   &config->D))
        return false;
    if (config->H * config->D > MAX_WIDTH)
        return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT,
                             "%" PRId64 " heads of %" PRId64 " values exceed %d together", config->H, config->D,
                             MAX_WIDTH);
    return true;
}

/* ---- mechanisms ---- */

static bool read_activation(lt_family_reader *reader)
{
    static const struct {
        const char *name;
        lt_activation activation;
    } known[] = {
        {"silu", LT_ACT_SILU},           {"swish", LT_ACT_SILU},
        {"gelu", LT_ACT_GELU_ERF},       {"gelu_python", LT_ACT_GELU_ERF},
        {"gelu_new", LT_ACT_GELU_TANH},  {"gelu_pytorch_tanh", LT_ACT_GELU_TANH},
        {"gelu_fast", LT_ACT_GELU_TANH}, {"gelu_python_tanh", LT_ACT_GELU_TANH},
        {"relu", LT_ACT_RELU},
    };
    const char *key = lt_family_key(reader->family, "hidden_act"), *name = reader->family->activation;
    if (!lt_json_get_string(&reader->top, key, &name, reader->err))
        return false;
    if (reader->family->gelu_means_tanh && !strcmp(name, "gelu"))
        name = "gelu_pytorch_tanh";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name)) {
            reader->config->activation = known[i].activation;
            return true;
        }
    return lt_json_error(
        &reader->top, reader->err, LT_ERR_UNSUPPORTED,
        "field '%s': the activation \"%.60s\" is not known (silu, gelu, gelu_pytorch_tanh and relu are)", key, name);
}

static bool apply_scale(lt_family_reader *reader, const lt_scale_row *row, double value)
{
    lt_config *config = reader->config;
    if (!(value > 0) || value > 1e30 || value < 1e-30)
        return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT,
                             "field '%s': expected a positive number, found %g", row->key, value);
    switch (row->rule) {
    case LT_SCALE_ATTENTION: config->attention_scale = value; break;
    case LT_SCALE_ATTENTION_RSQRT: config->attention_scale = 1 / sqrt(value); break;
    case LT_SCALE_ATTENTION_SOFTCAP: config->attention_softcap = value; break;
    case LT_SCALE_LOGIT_SOFTCAP: config->logit_softcap = value; break;
    case LT_SCALE_EMBEDDING: config->embedding_scale = value; break;
    case LT_SCALE_EMBEDDING_SQRT: config->embedding_scale = sqrt((double)config->C); break;
    case LT_SCALE_RESIDUAL: config->residual_scale = value; break;
    case LT_SCALE_LOGITS_DIVIDED: config->logit_scale = 1 / value; break;
    case LT_SCALE_END: break;
    }
    return true;
}

static bool read_scales(lt_family_reader *reader)
{
    lt_config *config = reader->config;
    config->attention_scale = 1 / sqrt((double)config->D);
    config->embedding_scale = config->residual_scale = config->logit_scale = 1;
    for (const lt_scale_row *row = reader->family->scales; row->rule != LT_SCALE_END; row++) {
        double value = row->fallback;
        if (row->key && json_is_null(json_object_get(reader->top.value, row->key)))
            continue; /* an explicit null switches the mechanism off */
        if (row->key && !lt_json_get_real(&reader->top, row->key, &value, reader->err))
            return false;
        if (row->key && value == 0 && !lt_json_has(&reader->top, row->key))
            continue;
        if (!row->key)
            value = 1;
        if (!apply_scale(reader, row, value))
            return false;
    }
    return true;
}

static bool read_norm(lt_family_reader *reader)
{
    const char *key = lt_family_key(reader->family, "rms_norm_eps");
    double *epsilon = &reader->config->norm_epsilon;
    reader->config->norm = reader->family->norm;
    reader->config->qk_norm_whole = reader->family->qk_norm_whole;
    *epsilon = reader->family->norm_epsilon;
    if (!lt_json_get_real(&reader->top, key, epsilon, reader->err))
        return false;
    if (!(*epsilon >= 0) || *epsilon > 1)
        return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT,
                             "field '%s': expected a number from 0 to 1, found %g", key, *epsilon);
    return true;
}

/* Things that change what a model computes and that no family here has. */
static bool refuse_unknown_mechanisms(lt_family_reader *reader)
{
    lt_json at;
    if (lt_json_member(&reader->top, "quantization_config", &at)) {
        const char *method = "unnamed";
        if (!lt_json_object(&at, reader->err) || !lt_json_get_string(&at, "quant_method", &method, reader->err))
            return false;
        if (strcmp(method, "bitsandbytes") != 0) /* whose tensors say themselves what they are */
            return lt_json_error(&at, reader->err, LT_ERR_UNSUPPORTED,
                                 "weights quantised with '%s' are not read; use bitsandbytes (nf4, int8), the unquantised model, "
                                 "or a GGUF file", method);
    }
    static const char *const flags[] = {"use_bidirectional_attention", "add_cross_attention", "is_encoder_decoder"};
    const char *positions = "absolute";
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (lt_json_member(&reader->top, flags[i], &at) && !json_is_false(at.value))
            return lt_json_error(&at, reader->err, LT_ERR_UNSUPPORTED, "only false is supported");
    if (reader->family->encoder && lt_json_member(&reader->top, "is_decoder", &at) && !json_is_false(at.value))
        return lt_json_error(&at, reader->err, LT_ERR_UNSUPPORTED, "%s is used as an encoder", reader->family->model_type);
    if (reader->family->encoder && !lt_json_get_string(&reader->top, "position_embedding_type", &positions, reader->err))
        return false;
    return !strcmp(positions, "absolute") ||
           lt_json_error(&reader->top, reader->err, LT_ERR_UNSUPPORTED,
                         "field 'position_embedding_type': expected \"absolute\", found \"%.40s\"", positions);
}

/* ---- names ---- */

static void copy_name(char out[LT_NAME_MAX], const char *name)
{
    snprintf(out, LT_NAME_MAX, "%s", name ? name : "");
}

static bool read_names(lt_family_reader *reader)
{
    const lt_family *family = reader->family;
    lt_config *config = reader->config;
    copy_name(config->embed_name, family->embed);
    copy_name(config->head_name, family->head);
    copy_name(config->final_norm_name, family->final_norm);
    copy_name(config->position_name, family->positions);
    copy_name(config->type_name, family->types);
    copy_name(config->head_transform_name, family->head_transform);
    copy_name(config->head_norm_name, family->head_norm);
    copy_name(config->head_bias_name, family->head_bias);
    copy_name(config->pooler_name, family->pooler);
    config->bidirectional = family->encoder;
    copy_name(config->embed_norm_name, family->embed_norm);
    snprintf(config->base_prefix, sizeof config->base_prefix, "%s", family->base_prefix ? family->base_prefix : "");
    config->conv1d = family->conv1d;
    config->types = family->type_count;
    if (family->types && !lt_json_get_int(&reader->top, "type_vocab_size", 1, MAX_LABELS, &config->types, reader->err))
        return false;
    for (int i = 0; i < LT_NORM_SLOTS; i++)
        copy_name(config->norm_name[i], family->norms[i]);
    for (int i = 0; i < LT_LINEAR_SLOTS; i++) {
        const char *key = family->bias[i];
        copy_name(config->linear_name[i], family->linear[i]);
        config->linear_bias[i] = key && (!strcmp(key, LT_BIAS_ALWAYS) || key[0] == '+');
        if (key && key[0] == '+' && !lt_json_get_bool(&reader->top, key + 1, &config->linear_bias[i], reader->err))
            return false;
        if (key && key[0] != '+' && !config->linear_bias[i] &&
            !lt_json_get_bool(&reader->top, key, &config->linear_bias[i], reader->err))
            return false;
    }
    config->gated_mlp = !family->plain_mlp;
    config->tied_head = family->tied_head;
    return lt_json_get_bool(&reader->top, "tie_word_embeddings", &config->tied_head, reader->err);
}

static void leave_out_head(lt_config *config)
{
    config->head_name[0] = config->head_transform_name[0] = config->head_norm_name[0] = config->head_bias_name[0] = '\0';
    config->tied_head = false;
}

/* The class in `architectures` decides between a language model and a classifier. */
static bool read_architecture(lt_family_reader *reader)
{
    static const char classifier[] = "ForSequenceClassification";
    lt_config *config = reader->config;
    const char *name = reader->family->causal_class;
    lt_json list, at;
    if (lt_json_member(&reader->top, "architectures", &list)) {
        if (!lt_json_array(&list, reader->err))
            return false;
        if (json_array_size(list.value) > 0) {
            at = lt_json_element(&list, 0);
            if (!lt_json_string(&at, &name, reader->err))
                return false;
        }
    }
    snprintf(config->architecture, sizeof config->architecture, "%s", name);
    if (reader->family->encoder && !strstr(name, "ForMaskedLM") && !strstr(name, "ForPreTraining"))
        leave_out_head(config);
    size_t n = strlen(name);
    if (n < sizeof classifier - 1 || strcmp(name + n - (sizeof classifier - 1), classifier))
        return true;

    config->labels = 2; /* what transformers leaves out */
    copy_name(config->classifier_name, reader->family->classifier);
    config->classifier_bias = reader->family->classifier_bias;
    leave_out_head(config);
    if (!lt_json_member(&reader->top, "id2label", &at))
        return lt_json_get_int(&reader->top, "num_labels", 1, MAX_LABELS, &config->labels, reader->err);
    if (!lt_json_object(&at, reader->err))
        return false;
    config->labels = (int64_t)json_object_size(at.value);
    if (config->labels == 0)
        return lt_json_error(&at, reader->err, LT_ERR_FORMAT, "expected at least one label, found none");
    return true;
}

bool lt_family_as_classifier(lt_config *config, int64_t labels, uint64_t seed, lt_error *err)
{
    static const char *const heads[] = {"ForCausalLM", "ForMaskedLM", "ForPreTraining", "LMHeadModel", "Model"};
    const lt_family *family = NULL;
    for (int i = 0; i < FAMILIES; i++)
        if (!strcmp(families[i]->model_type, config->model_type))
            family = families[i];
    if (!family || !family->classifier)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "models of the type %s have no classifier here", config->model_type);
    if (labels < 1 || labels > MAX_LABELS)
        return lt_error_set(err, LT_ERR_USAGE, "labels: expected 1 to %d, found %" PRId64, MAX_LABELS, labels);
    if (config->labels == labels)
        return true;
    size_t n = strlen(config->architecture);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t m = strlen(heads[i]);
        if (n > m && !strcmp(config->architecture + n - m, heads[i])) {
            snprintf(config->architecture + n - m, sizeof config->architecture - (n - m), "ForSequenceClassification");
            break;
        }
    }
    config->labels = labels;
    config->classifier_is_new = true;
    config->classifier_seed = seed;
    config->classifier_bias = family->classifier_bias;
    copy_name(config->classifier_name, family->classifier);
    leave_out_head(config);
    return true;
}

/* ---- the whole ---- */

bool lt_family_read(const json_t *root, const char *source, lt_config *config, lt_error *err)
{
    lt_family_reader reader = {.top = lt_json_root(root, source), .config = config, .err = err};
    *config = (lt_config){.bos_id = -1, .pad_id = -1};
    bool ok = choose_family(&reader) && refuse_unknown_mechanisms(&reader) && read_sizes(&reader) &&
              read_activation(&reader) && read_norm(&reader) && read_scales(&reader) && read_names(&reader) &&
              read_architecture(&reader) && lt_family_rope_read(&reader) && lt_family_layers_read(&reader) &&
              lt_family_experts_read(&reader) &&
              lt_family_tokens_read(&reader);
    if (!ok)
        lt_config_free(config);
    return ok;
}

bool lt_family_parse(const char *text, const char *source, lt_config *config, lt_error *err)
{
    json_t *root = lt_json_parse(text, strlen(text), source, err);
    bool ok = root && lt_family_read(root, source, config, err);
    json_decref(root);
    return ok;
}

static bool merge_generation_config(const char *folder, lt_config *config, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, folder, "generation_config.json", err))
        return false;
    if (!lt_file_exists(path))
        return true;
    json_t *root = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
    if (!root)
        return false;
    lt_json top = lt_json_root(root, path);
    bool ok = lt_family_tokens_merge(&top, config, err);
    json_decref(root);
    return ok;
}

static bool load_gguf(const char *path, lt_config *config, lt_error *err)
{
    lt_gguf *file;
    if (!lt_gguf_open(&file, path, err))
        return false;
    bool ok = lt_gguf_config_load(file, config, err);
    lt_gguf_close(file);
    return ok;
}

bool lt_family_load(const char *folder, lt_config *config, lt_error *err)
{
    char path[4096];
    if (lt_gguf_is(folder))
        return load_gguf(folder, config, err);
    if (!lt_file_join(path, sizeof path, folder, "config.json", err))
        return false;
    json_t *root = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
    if (!root)
        return false;
    bool ok = lt_family_read(root, path, config, err);
    json_decref(root);
    if (ok && !merge_generation_config(folder, config, err)) {
        lt_config_free(config);
        ok = false;
    }
    return ok;
}
