#include "nn/model.h"

#include "nn/config_tensors.h"
#include "nn/weights_quant.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void layer_name(char out[2 * LT_NAME_MAX], const char *pattern, int64_t layer, const char *suffix)
{
    /* The pattern comes from our own tables, but is still expanded by hand: it is data, not a format string. */
    const char *mark = strstr(pattern, "%d");
    if (mark)
        snprintf(out, 2 * LT_NAME_MAX, "%.*s%lld%s%s", (int)(mark - pattern), pattern, (long long)layer, mark + 2, suffix);
    else
        snprintf(out, 2 * LT_NAME_MAX, "%s%s", pattern, suffix);
}

static char *copy(const char *text)
{
    char *s = strdup(text);
    assert(s && "out of memory for a name");
    return s;
}

static bool open_vector(lt_model *m, const char *name, int64_t n, const float **out, lt_error *err)
{
    float *v = LT_ARENA_NEW(&m->vectors, float, n);
    *out = v;
    return lt_weights_read_vector(m->weights, name, n, v, err);
}

static bool open_norm(lt_model *m, const char *pattern, int64_t layer, int64_t width, lt_norm *norm, lt_error *err)
{
    char name[2 * LT_NAME_MAX];
    *norm = (lt_norm){.kind = m->config.norm, .epsilon = (float)m->config.norm_epsilon, .width = width};
    if (!pattern[0])
        return true;
    layer_name(name, pattern, layer, ".weight");
    if (!open_vector(m, name, width, &norm->weight, err))
        return false;
    layer_name(name, pattern, layer, ".bias");
    return m->config.norm != LT_NORM_LAYER || open_vector(m, name, width, &norm->bias, err);
}

static bool open_linear(lt_model *m, lt_linear_slot slot, int64_t layer, lt_linear *linear, lt_error *err)
{
    const lt_config *c = &m->config;
    char name[2 * LT_NAME_MAX];
    if (!lt_config_layer_has_linear(c, layer, slot))
        return true;
    layer_name(name, c->linear_name[slot], layer, "");
    *linear = (lt_linear){.module = copy(name), .N = lt_config_linear_out(c, slot), .K = lt_config_linear_in(c, slot),
                          .transposed = c->conv1d, .id = (uint64_t)(layer * LT_LINEAR_SLOTS + slot)};
    int64_t rows = linear->transposed ? linear->K : linear->N, cols = linear->transposed ? linear->N : linear->K;
    layer_name(name, c->linear_name[slot], layer, ".weight");
    if (!lt_weights_find(m->weights, name, rows, cols, &linear->weight, err))
        return false;
    layer_name(name, c->linear_name[slot], layer, ".bias");
    return !c->linear_bias[slot] || open_vector(m, name, linear->N, &linear->bias, err);
}

static bool open_block(lt_model *m, int64_t layer, lt_error *err)
{
    lt_block *block = &m->blocks[layer];
    for (int slot = 0; slot < LT_NORM_SLOTS; slot++)
        if (!open_norm(m, m->config.norm_name[slot], layer, lt_config_norm_width(&m->config, slot), &block->norm[slot], err))
            return false;
    for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++)
        if (!open_linear(m, (lt_linear_slot)slot, layer, &block->linear[slot], err))
            return false;
    return !m->config.layers[layer].sparse || lt_moe_open(&block->moe, m->weights, &m->config, (int)layer, err);
}

/* Bytes of all norm weights and biases. */
static int64_t vector_bytes(const lt_config *c)
{
    int64_t per_block = 0;
    for (int slot = 0; slot < LT_NORM_SLOTS; slot++)
        per_block += 2 * lt_align_up(lt_config_norm_width(c, slot) * (int64_t)sizeof(float));
    for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++)
        per_block += lt_align_up(lt_config_linear_out(c, (lt_linear_slot)slot) * (int64_t)sizeof(float));
    int64_t head_bias = c->head_bias_name[0] ? lt_align_up(c->V * (int64_t)sizeof(float)) : 0;
    return c->L * per_block + 9 * lt_align_up(c->C * (int64_t)sizeof(float)) + head_bias;
}

/* A learned table of the embedding: all rows stay in the file, one is read at a time. */
static bool open_table(lt_model *m, const char *pattern, int64_t rows, lt_weight *table, lt_error *err)
{
    char name[2 * LT_NAME_MAX];
    if (!pattern[0])
        return true;
    layer_name(name, pattern, 0, ".weight");
    if (!m->embed.row)
        m->embed.row = LT_ARENA_NEW(&m->vectors, float, m->config.C);
    return lt_weights_find(m->weights, name, rows, m->config.C, table, err);
}

static bool open_embedding(lt_model *m, lt_error *err)
{
    const lt_config *c = &m->config;
    char name[2 * LT_NAME_MAX];
    layer_name(name, c->embed_name, 0, ".weight");
    m->embed.scale = (float)c->embedding_scale;
    return lt_weights_find(m->weights, name, c->V, c->C, &m->embed.weight, err) &&
           open_table(m, c->position_name, c->max_position, &m->embed.positions, err) &&
           open_table(m, c->type_name, c->types, &m->embed.types, err) &&
           open_norm(m, c->embed_norm_name, 0, c->C, &m->embed.norm, err);
}

static bool open_head_transform(lt_model *m, lt_error *err)
{
    const lt_config *c = &m->config;
    char name[2 * LT_NAME_MAX];
    if (!c->head_transform_name[0])
        return true;
    m->head_transform = (lt_linear){.module = copy(c->head_transform_name), .N = c->C, .K = c->C,
                                    .id = (uint64_t)(c->L * LT_LINEAR_SLOTS + 1)};
    layer_name(name, c->head_transform_name, 0, ".weight");
    if (!lt_weights_find(m->weights, name, c->C, c->C, &m->head_transform.weight, err))
        return false;
    layer_name(name, c->head_transform_name, 0, ".bias");
    return open_vector(m, name, c->C, &m->head_transform.bias, err) && open_norm(m, c->head_norm_name, 0, c->C, &m->head_norm, err);
}

/* The head's own bias is the one that counts when it is not tied; a file with tied heads need not repeat it. */
static void head_bias_name(const lt_model *m, char name[2 * LT_NAME_MAX])
{
    layer_name(name, m->config.head_name, 0, ".bias");
    if (m->config.tied_head || !lt_weights_info(m->weights, name))
        layer_name(name, m->config.head_bias_name, 0, ".bias");
}

static bool open_head_bias(lt_model *m, lt_error *err)
{
    char name[2 * LT_NAME_MAX];
    if (!m->config.head_bias_name[0])
        return true;
    head_bias_name(m, name);
    return open_vector(m, name, m->config.V, &m->head.bias, err);
}

static bool open_pooler(lt_model *m, lt_error *err)
{
    const lt_config *c = &m->config;
    char name[2 * LT_NAME_MAX];
    if (!c->pooler_name[0])
        return true;
    m->pooler = (lt_linear){.module = copy(c->pooler_name), .N = c->C, .K = c->C, .id = (uint64_t)(c->L * LT_LINEAR_SLOTS + 2)};
    layer_name(name, c->pooler_name, 0, ".weight");
    if (!lt_weights_find(m->weights, name, c->C, c->C, &m->pooler.weight, err))
        return false;
    layer_name(name, c->pooler_name, 0, ".bias");
    return open_vector(m, name, c->C, &m->pooler.bias, err);
}

/* The tensors of a classifier's head from the file; a head that is new is drawn. */
static bool open_score(lt_model *m, lt_error *err)
{
    const lt_config *c = &m->config;
    char name[2 * LT_NAME_MAX];
    int64_t elements = c->labels * c->C;
    if (c->labels == 0)
        return true;
    m->score_values = malloc((size_t)(elements + c->labels) * sizeof(float));
    if (!m->score_values)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for a head of %lld labels", m->path, (long long)c->labels);
    float *bias = c->classifier_bias ? m->score_values + elements : NULL;
    m->score = (lt_score_head){.C = c->C, .N = c->labels, .weight = m->score_values, .bias = bias};
    if (!open_pooler(m, err))
        return false;
    if (c->classifier_is_new) {
        lt_score_head_draw(m->score_values, bias, c->labels, c->C, c->classifier_seed);
        return true;
    }
    lt_weight stored;
    layer_name(name, c->classifier_name, 0, ".weight");
    if (!lt_weights_find(m->weights, name, c->labels, c->C, &stored, err) ||
        !lt_safetensors_read_f32(lt_weights_set(m->weights), stored.info, m->score_values, err))
        return false;
    layer_name(name, c->classifier_name, 0, ".bias");
    return !bias || lt_weights_read_vector(m->weights, name, c->labels, bias, err);
}

static bool open_ends(lt_model *m, lt_error *err)
{
    const lt_config *c = &m->config;
    char name[2 * LT_NAME_MAX];
    if (!open_embedding(m, err))
        return false;
    if (!c->head_name[0])
        return open_norm(m, c->final_norm_name, 0, c->C, &m->final_norm, err) && open_score(m, err);
    if (!open_head_transform(m, err) || !open_head_bias(m, err))
        return false;
    m->head = (lt_linear){.module = copy(c->head_name), .N = c->V, .K = c->C, .bias = m->head.bias,
                          .id = (uint64_t)(c->L * LT_LINEAR_SLOTS)};
    if (c->tied_head) {
        m->head.weight = m->embed.weight;
    } else {
        layer_name(name, c->head_name, 0, ".weight");
        if (!lt_weights_find(m->weights, name, c->V, c->C, &m->head.weight, err))
            return false;
    }
    return open_norm(m, c->final_norm_name, 0, c->C, &m->final_norm, err);
}

bool lt_model_build(lt_model **out, const char *path, lt_config *config, lt_error *err)
{
    lt_safetensors *set;
    if (lt_safetensors_open(&set, path, err))
        return lt_model_build_over(out, path, set, config, err);
    lt_config_free(config);
    return false;
}

bool lt_model_build_over(lt_model **out, const char *path, lt_safetensors *set, lt_config *config, lt_error *err)
{
    lt_model *m = calloc(1, sizeof *m);
    if (!m) {
        lt_safetensors_close(set);
        lt_config_free(config);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    }
    m->config = *config;
    snprintf(m->path, sizeof m->path, "%s", path);
    if (!lt_weights_adopt(&m->weights, set, err))
        goto fail;
    m->blocks = calloc((size_t)m->config.L, sizeof *m->blocks);
    if (!m->blocks) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for %lld layers", path, (long long)m->config.L);
        goto fail;
    }
    lt_weights_set_prefix(m->weights, m->config.base_prefix);
    if (!lt_arena_init(&m->vectors, vector_bytes(&m->config), err))
        goto fail;
    if (!open_ends(m, err))
        goto fail;
    for (int64_t l = 0; l < m->config.L; l++)
        if (!open_block(m, l, err))
            goto fail;
    *out = m;
    return true;
fail:
    lt_model_close(m);
    return false;
}

bool lt_model_has_head(const lt_model *m, lt_error *err)
{
    return m->head.module ||
           lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: %s has no language-model head; the %s form of the model is what can be used",
                        m->path, m->config.architecture, m->config.bidirectional ? "ForMaskedLM" : "ForCausalLM");
}

void lt_model_close(lt_model *m)
{
    if (!m)
        return;
    for (int64_t l = 0; m->blocks && l < m->config.L; l++) {
        for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++)
            free(m->blocks[l].linear[slot].module);
        lt_moe_close(m->blocks[l].moe);
    }
    for (int i = 0; i < m->trained_count; i++)
        free(m->trained[i].source);
    free(m->trained);
    free(m->head.module);
    free(m->head_transform.module);
    free(m->pooler.module);
    free(m->score_values);
    free(m->blocks);
    lt_arena_free(&m->vectors);
    lt_weights_close(m->weights);
    lt_config_free(&m->config);
    free(m);
}

static void visit_shared(lt_moe *moe, int64_t block, lt_linear_visitor visit, void *context)
{
    static const lt_linear_slot slots[LT_EXPERT_PARTS] = {LT_LINEAR_GATE, LT_LINEAR_UP, LT_LINEAR_DOWN};
    for (int part = 0; part < LT_EXPERT_PARTS && moe && moe->shared_gate.module; part++)
        visit(&moe->shared[part], block, slots[part], context);
    if (moe && moe->shared_gate.module)
        visit(&moe->shared_gate, block, LT_LINEAR_DOWN, context);
}

void lt_model_each_expert(lt_model *m, lt_linear_visitor visit, void *context)
{
    static const lt_linear_slot slots[LT_EXPERT_PARTS] = {LT_LINEAR_GATE, LT_LINEAR_UP, LT_LINEAR_DOWN};
    for (int64_t l = 0; l < m->config.L; l++)
        for (int64_t e = 0; m->blocks[l].moe && e < m->config.experts; e++)
            for (int part = 0; part < LT_EXPERT_PARTS; part++)
                visit(&m->blocks[l].moe->experts[e][part], l, slots[part], context);
}

void lt_model_each_linear(lt_model *m, lt_linear_visitor visit, void *context)
{
    for (int64_t l = 0; l < m->config.L; l++) {
        for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++)
            if (m->blocks[l].linear[slot].module)
                visit(&m->blocks[l].linear[slot], l, (lt_linear_slot)slot, context);
        visit_shared(m->blocks[l].moe, l, visit, context);
    }
    if (m->head_transform.module)
        visit(&m->head_transform, m->config.L, LT_LINEAR_UP, context);
    if (m->pooler.module)
        visit(&m->pooler, m->config.L, LT_LINEAR_UP, context);
    if (m->head.module)
        visit(&m->head, m->config.L, LT_LINEAR_SLOTS, context);
}

/* One walk of lt_model_train_tensors. */
typedef struct train_walk {
    lt_model *model;
    lt_param_list *params;
    const char *prefix;
    bool (*wanted)(const char *module, void *context);
    void *context;
} train_walk;

static void train_one(train_walk *w, const char *module, const char *suffix, int dims, const int64_t *shape, lt_trained_tensor place)
{
    if (w->wanted && !w->wanted(module, w->context))
        return;
    char source[3 * LT_NAME_MAX], key[4 * LT_NAME_MAX];
    snprintf(source, sizeof source, "%s%s", module, suffix);
    snprintf(key, sizeof key, "%s%s", w->prefix, source);
    lt_model *m = w->model;
    m->trained = realloc(m->trained, (size_t)(m->trained_count + 1) * sizeof *m->trained);
    assert(m->trained && "out of memory for the list of trained tensors");
    place.source = copy(source);
    place.param = lt_param_list_add(w->params, key, dims, shape, dims > 1);
    m->trained[m->trained_count++] = place;
}

static void train_norm(train_walk *w, const char *pattern, int64_t layer, lt_norm *norm, float **gradient, float **bias_gradient)
{
    if (!norm->weight)
        return;
    char module[2 * LT_NAME_MAX];
    layer_name(module, pattern, layer, "");
    train_one(w, module, ".weight", 1, &norm->width, (lt_trained_tensor){.vector = &norm->weight, .gradient = gradient});
    if (norm->bias)
        train_one(w, module, ".bias", 1, &norm->width, (lt_trained_tensor){.vector = &norm->bias, .gradient = bias_gradient});
}

static void train_matrix(train_walk *w, lt_linear *linear)
{
    int64_t shape[2] = {linear->transposed ? linear->K : linear->N, linear->transposed ? linear->N : linear->K};
    train_one(w, linear->module, ".weight", 2, shape,
              (lt_trained_tensor){.weight = &linear->weight, .gradient = &linear->dweight});
}

static void train_linear(train_walk *w, lt_linear *linear)
{
    train_matrix(w, linear);
    if (linear->bias)
        train_one(w, linear->module, ".bias", 1, &linear->N, (lt_trained_tensor){.vector = &linear->bias, .gradient = &linear->dbias});
}

static void train_table(train_walk *w, const char *module, lt_weight *table, float **gradient)
{
    if (table->matrix.rows > 0)
        train_one(w, module, ".weight", 2, (int64_t[]){table->matrix.rows, table->matrix.cols},
                  (lt_trained_tensor){.weight = table, .gradient = gradient});
}

static void train_score(train_walk *w)
{
    lt_model *m = w->model;
    int64_t shape[2] = {m->score.N, m->score.C};
    const char *name = m->config.classifier_name;
    if (m->pooler.module)
        train_linear(w, &m->pooler);
    if (!m->score.N)
        return;
    train_one(w, name, ".weight", 2, shape,
              (lt_trained_tensor){.vector = &m->score.weight, .gradient = &m->score.dweight, .values = m->score.weight});
    if (m->score.bias)
        train_one(w, name, ".bias", 1, shape,
                  (lt_trained_tensor){.vector = &m->score.bias, .gradient = &m->score.dbias, .values = m->score.bias});
}

static void train_head(train_walk *w)
{
    lt_model *m = w->model;
    if (m->head_transform.module) {
        train_linear(w, &m->head_transform);
        train_norm(w, m->config.head_norm_name, 0, &m->head_norm, &m->dhead_norm, &m->dhead_norm_bias);
    }
    if (!m->head.module)
        return;
    if (!m->config.tied_head)
        train_matrix(w, &m->head);
    if (m->head.bias) {
        char name[2 * LT_NAME_MAX];
        head_bias_name(m, name);
        name[strlen(name) - strlen(".bias")] = '\0';
        train_one(w, name, ".bias", 1, &m->head.N, (lt_trained_tensor){.vector = &m->head.bias, .gradient = &m->head.dbias});
    }
}

void lt_model_train_tensors(lt_model *m, lt_param_list *params, const char *key_prefix,
                            bool (*wanted)(const char *module, void *context), void *context)
{
    train_walk w = {m, params, key_prefix, wanted, context};
    const lt_config *c = &m->config;
    train_one(&w, c->embed_name, ".weight", 2, (int64_t[]){c->V, c->C},
              (lt_trained_tensor){.weight = &m->embed.weight, .gradient = &m->embed.dweight});
    train_table(&w, c->position_name, &m->embed.positions, &m->embed.dpositions);
    train_table(&w, c->type_name, &m->embed.types, &m->embed.dtypes);
    train_norm(&w, c->embed_norm_name, 0, &m->embed.norm, &m->embed.dnorm, &m->embed.dnorm_bias);
    for (int64_t l = 0; l < c->L; l++) {
        for (int slot = 0; slot < LT_NORM_SLOTS; slot++)
            train_norm(&w, c->norm_name[slot], l, &m->blocks[l].norm[slot], &m->blocks[l].dnorm[slot], &m->blocks[l].dnorm_bias[slot]);
        for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++)
            if (m->blocks[l].linear[slot].module)
                train_linear(&w, &m->blocks[l].linear[slot]);
    }
    train_norm(&w, c->final_norm_name, 0, &m->final_norm, &m->dfinal_norm, &m->dfinal_norm_bias);
    train_head(&w);
    train_score(&w);
}

void lt_model_trained_plug(lt_model *m, lt_param_list *params)
{
    for (int i = 0; i < m->trained_count; i++) {
        const lt_trained_tensor *t = &m->trained[i];
        lt_param *param = &params->items[t->param];
        *t->gradient = param->gradient;
        if (t->vector)
            *t->vector = param->value;
        if (t->weight) {
            t->weight->owner = NULL;
            t->weight->paired_rows = 0; /* lt_safetensors_read_f32 puts rows where they belong */
            t->weight->matrix.data = param->value;
            t->weight->matrix.dtype = LT_DTYPE_F32;
        }
    }
    if (m->config.tied_head && m->embed.dweight) {
        m->head.weight = m->embed.weight;
        m->head.dweight = m->embed.dweight;
    }
}

bool lt_model_trained_load(lt_model *m, lt_param_list *params, lt_error *err)
{
    lt_model_trained_plug(m, params);
    for (int i = 0; i < m->trained_count; i++) {
        const lt_trained_tensor *t = &m->trained[i];
        lt_param *param = &params->items[t->param];
        if (t->values) {
            memcpy(param->value, t->values, (size_t)param->elements * sizeof(float));
            continue;
        }
        const lt_tensor_info *stored = lt_weights_info(m->weights, t->source);
        if (lt_weights_quant_is(lt_weights_set(m->weights), stored))
            return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: tensor '%s' is quantised and cannot be trained; train an adapter on it",
                                m->path, stored->name);
        if (!lt_safetensors_read_f32(lt_weights_set(m->weights), stored, params->items[t->param].value, err))
            return false;
    }
    return true;
}

int64_t lt_model_lowest_trained(lt_model *m)
{
    int64_t lowest = m->config.L;
    for (int64_t l = m->config.L - 1; l >= 0; l--) {
        lt_block *block = &m->blocks[l];
        block->trained = false;
        for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++)
            block->trained |= block->linear[slot].module && lt_linear_trained(&block->linear[slot]);
        for (int slot = 0; slot < LT_NORM_SLOTS; slot++)
            block->trained |= block->dnorm[slot] || block->dnorm_bias[slot];
        block->trained |= block->moe && lt_moe_trained(block->moe);
        if (block->trained)
            lowest = l;
    }
    return lt_embed_trained(&m->embed) || lt_virtual_keys(m->virtual) ? 0 : lowest;
}

void lt_model_set_virtual(lt_model *m, lt_virtual *virtual)
{
    m->virtual = virtual;
    m->embed.virtual = virtual && virtual->kind == LT_VIRTUAL_INPUTS ? virtual : NULL;
}

static void find_quantised(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    const lt_linear **found = context;
    (void)block, (void)slot;
    if (!*found && lt_quant_is(linear->weight.matrix.dtype))
        *found = linear;
}

const lt_linear *lt_model_quantised(lt_model *m)
{
    const lt_linear *found = NULL;
    lt_model_each_linear(m, find_quantised, &found);
    lt_model_each_expert(m, find_quantised, &found);
    return found;
}

int64_t lt_model_parameter_count(const lt_model *m)
{
    int64_t elements = 0; /* a configuration that was opened can be counted */
    return lt_config_parameter_count(&m->config, &elements, NULL) ? elements : 0;
}

int64_t lt_model_widest(const lt_model *m)
{
    const lt_config *c = &m->config;
    int64_t widest = c->C, routed[] = {c->experts, c->expert_F, c->shared_F};
    for (int64_t l = 0; l < c->L; l++)
        for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++) {
            const lt_linear *linear = &m->blocks[l].linear[slot];
            if (linear->module && linear->N > widest)
                widest = linear->N;
            if (linear->module && linear->K > widest)
                widest = linear->K;
        }
    for (int i = 0; i < 3; i++)
        widest = routed[i] > widest ? routed[i] : widest;
    return widest;
}
