#include "nn/config_tensors.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lt_config_name(char out[LT_NAME_MAX], const char *pattern, int layer)
{
    const char *hole = strstr(pattern, "%d");
    if (hole)
        snprintf(out, LT_NAME_MAX, "%.*s%d%s", (int)(hole - pattern), pattern, layer, hole + 2);
    else
        snprintf(out, LT_NAME_MAX, "%s", pattern);
}

void lt_config_expert_name(char out[LT_NAME_MAX], const char *pattern, int layer, int expert)
{
    char with_expert[LT_NAME_MAX];
    const char *hole = strstr(pattern, "%e");
    if (hole)
        snprintf(with_expert, sizeof with_expert, "%.*s%d%s", (int)(hole - pattern), pattern, expert, hole + 2);
    lt_config_name(out, hole ? with_expert : pattern, layer);
}

bool lt_config_layer_has_linear(const lt_config *config, int64_t layer, lt_linear_slot slot)
{
    return lt_config_has_linear(config, slot) && (slot <= LT_LINEAR_O || !config->layers[layer].sparse);
}

int64_t lt_config_norm_width(const lt_config *config, lt_norm_slot slot)
{
    if (slot != LT_NORM_Q && slot != LT_NORM_K)
        return config->C;
    if (!config->qk_norm_whole)
        return config->D;
    return (slot == LT_NORM_Q ? config->H : config->K) * config->D;
}

typedef struct inventory {
    const lt_config *config;
    lt_config_tensor *items; /* NULL while counting */
    int64_t count;
} inventory;

/* columns 0: a vector of `rows` elements. */
static void add(inventory *list, const char *pattern, const char *suffix, lt_tensor_role role, int layer, int slot,
                int64_t rows, int64_t columns)
{
    if (list->items) {
        lt_config_tensor *item = &list->items[list->count];
        char module[LT_NAME_MAX];
        lt_config_name(module, pattern, layer);
        *item = (lt_config_tensor){.role = role, .layer = layer, .slot = slot, .expert = -1, .part = -1,
                                   .dims = columns ? 2 : 1, .shape = {rows, columns}};
        snprintf(item->name, sizeof item->name, "%s%s", module, suffix);
    }
    list->count++;
}

static void add_norm(inventory *list, const char *pattern, int layer, int slot, int64_t width)
{
    if (!*pattern)
        return;
    add(list, pattern, ".weight", LT_ROLE_NORM, layer, slot, width, 0);
    if (list->config->norm == LT_NORM_LAYER)
        add(list, pattern, ".bias", LT_ROLE_NORM_BIAS, layer, slot, width, 0);
}

static void add_block_norm(inventory *list, int layer, lt_norm_slot slot)
{
    add_norm(list, list->config->norm_name[slot], layer, slot, lt_config_norm_width(list->config, slot));
}

static void add_linear(inventory *list, int layer, lt_linear_slot slot)
{
    const lt_config *config = list->config;
    if (!lt_config_layer_has_linear(config, layer, slot))
        return;
    int64_t out = lt_config_linear_out(config, slot), in = lt_config_linear_in(config, slot);
    add(list, config->linear_name[slot], ".weight", LT_ROLE_LINEAR, layer, slot, config->conv1d ? in : out,
        config->conv1d ? out : in);
    if (config->linear_bias[slot])
        add(list, config->linear_name[slot], ".bias", LT_ROLE_BIAS, layer, slot, out, 0);
}

/* A gate, up or down matrix (part 0, 1, 2) of width F; part 3: what a shared expert is let through by. */
static void add_expert_part(inventory *list, const char *name, int layer, int expert, int part, int64_t F)
{
    int64_t C = list->config->C;
    add(list, name, ".weight", LT_ROLE_LINEAR, layer, -1, part == 2 ? C : part == 3 ? 1 : F, part == 2 ? F : C);
    if (!list->items)
        return;
    list->items[list->count - 1].expert = expert;
    list->items[list->count - 1].part = part;
}

static void add_experts(inventory *list, int layer)
{
    const lt_config *config = list->config;
    char name[LT_NAME_MAX];
    if (!config->layers[layer].sparse)
        return;
    add(list, config->router_name, ".weight", LT_ROLE_ROUTER, layer, -1, config->experts, config->C);
    for (int expert = 0; expert < config->experts; expert++)
        for (int part = 0; part < 3; part++) {
            lt_config_expert_name(name, config->expert_name[part], layer, expert);
            add_expert_part(list, name, layer, expert, part, config->expert_F);
        }
    if (!config->shared_F)
        return;
    for (int part = 0; part < 3; part++)
        add_expert_part(list, config->shared_name[part], layer, LT_SHARED_EXPERT, part, config->shared_F);
    add_expert_part(list, config->shared_gate_name, layer, LT_SHARED_EXPERT, 3, config->shared_F);
}

static void add_block(inventory *list, int layer)
{
    add_block_norm(list, layer, LT_NORM_BEFORE_ATTENTION);
    for (int slot = LT_LINEAR_Q; slot <= LT_LINEAR_QKV; slot++)
        add_linear(list, layer, (lt_linear_slot)slot);
    add_block_norm(list, layer, LT_NORM_Q);
    add_block_norm(list, layer, LT_NORM_K);
    add_linear(list, layer, LT_LINEAR_O);
    add_block_norm(list, layer, LT_NORM_AFTER_ATTENTION);
    add_block_norm(list, layer, LT_NORM_STREAM_ATTENTION);
    add_block_norm(list, layer, LT_NORM_BEFORE_MLP);
    for (int slot = LT_LINEAR_GATE; slot <= LT_LINEAR_DOWN; slot++)
        add_linear(list, layer, (lt_linear_slot)slot);
    add_experts(list, layer);
    add_block_norm(list, layer, LT_NORM_AFTER_MLP);
    add_block_norm(list, layer, LT_NORM_STREAM_MLP);
}

/* A (C,C) matrix with a bias outside the blocks. */
static void add_affine(inventory *list, const char *name, int64_t C)
{
    if (!*name)
        return;
    add(list, name, ".weight", LT_ROLE_LINEAR, -1, -1, C, C);
    add(list, name, ".bias", LT_ROLE_BIAS, -1, -1, C, 0);
}

static void add_all(inventory *list)
{
    const lt_config *config = list->config;
    add(list, config->embed_name, ".weight", LT_ROLE_EMBEDDING, -1, -1, config->V, config->C);
    if (*config->position_name)
        add(list, config->position_name, ".weight", LT_ROLE_TABLE, -1, -1, config->max_position, config->C);
    if (*config->type_name)
        add(list, config->type_name, ".weight", LT_ROLE_TABLE, -1, -1, config->types, config->C);
    add_norm(list, config->embed_norm_name, -1, -1, config->C);
    for (int layer = 0; layer < config->L; layer++)
        add_block(list, layer);
    add_norm(list, config->final_norm_name, -1, -1, config->C);
    add_affine(list, config->head_transform_name, config->C);
    add_norm(list, config->head_norm_name, -1, -1, config->C);
    if (*config->head_bias_name)
        add(list, config->head_bias_name, ".bias", LT_ROLE_BIAS, -1, -1, config->V, 0);
    if (!*config->head_name)
        add_affine(list, config->pooler_name, config->C);
    if (*config->head_name && !config->tied_head)
        add(list, config->head_name, ".weight", LT_ROLE_HEAD, -1, -1, config->V, config->C);
    if (*config->classifier_name)
        add(list, config->classifier_name, ".weight", LT_ROLE_CLASSIFIER, -1, -1, config->labels, config->C);
    if (*config->classifier_name && config->classifier_bias)
        add(list, config->classifier_name, ".bias", LT_ROLE_BIAS, -1, -1, config->labels, 0);
}

bool lt_config_tensors(const lt_config *config, lt_config_tensor **out, int64_t *count, lt_error *err)
{
    inventory list = {.config = config};
    add_all(&list);
    list.items = malloc((size_t)list.count * sizeof *list.items);
    if (!list.items)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a list of %" PRId64 " tensors", list.count);
    list.count = 0;
    add_all(&list);
    *out = list.items;
    *count = list.count;
    return true;
}

bool lt_config_parameter_count(const lt_config *config, int64_t *elements, lt_error *err)
{
    lt_config_tensor *list;
    int64_t count;
    if (!lt_config_tensors(config, &list, &count, err))
        return false;
    *elements = 0;
    for (int64_t i = 0; i < count; i++)
        *elements += list[i].shape[0] * (list[i].dims == 2 ? list[i].shape[1] : 1);
    free(list);
    return true;
}
