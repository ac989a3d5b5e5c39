/* The linear layers of a mixture of experts over their stored tensors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/config_tensors.h"
#include "nn/moe.h"

static bool open_linear(lt_linear *linear, lt_weights *weights, const char *module, int64_t N, int64_t K, uint64_t id, lt_error *err)
{
    char name[LT_NAME_MAX + 16];
    *linear = (lt_linear){.module = strdup(module), .N = N, .K = K, .id = id};
    if (!linear->module)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the names of experts");
    snprintf(name, sizeof name, "%s.weight", module);
    return lt_weights_find(weights, name, N, K, &linear->weight, err);
}

static bool open_part(lt_linear *parts, lt_weights *weights, const char *module, int64_t C, int64_t F, int part, uint64_t id, lt_error *err)
{
    bool down = part == LT_EXPERT_DOWN;
    return open_linear(&parts[part], weights, module, down ? C : F, down ? F : C, id, err);
}

static bool open_shared(lt_moe *moe, lt_weights *weights, const lt_config *c, int layer, uint64_t id, lt_error *err)
{
    char module[LT_NAME_MAX];
    for (int part = 0; part < LT_EXPERT_PARTS; part++) {
        lt_config_name(module, c->shared_name[part], layer);
        if (!open_part(moe->shared, weights, module, c->C, c->shared_F, part, id + (uint64_t)part, err))
            return false;
    }
    lt_config_name(module, c->shared_gate_name, layer);
    return open_linear(&moe->shared_gate, weights, module, 1, c->C, id + LT_EXPERT_PARTS, err);
}

/* Streams of dropout: far above those of the blocks' own layers, 3 for each expert. */
static uint64_t first_id(const lt_config *c, int layer)
{
    return ((uint64_t)1 << 24) + (uint64_t)layer * (uint64_t)(LT_EXPERT_PARTS * (c->experts + 2));
}

bool lt_moe_open(lt_moe **out, lt_weights *weights, const lt_config *c, int layer, lt_error *err)
{
    char module[LT_NAME_MAX];
    uint64_t id = first_id(c, layer);
    lt_moe *moe = calloc(1, sizeof *moe);
    *out = moe;
    if (!moe || !(moe->experts = calloc((size_t)c->experts, sizeof *moe->experts)))
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld experts", (long long)c->experts);
    moe->expert_count = c->experts;
    lt_config_name(module, c->router_name, layer);
    if (!open_linear(&moe->router, weights, module, c->experts, c->C, id, err))
        return false;
    for (int e = 0; e < c->experts; e++)
        for (int part = 0; part < LT_EXPERT_PARTS; part++) {
            lt_config_expert_name(module, c->expert_name[part], layer, e);
            if (!open_part(moe->experts[e], weights, module, c->C, c->expert_F, part,
                           id + (uint64_t)(LT_EXPERT_PARTS * (e + 2) + part), err))
                return false;
        }
    return c->shared_F == 0 || open_shared(moe, weights, c, layer, id + 1, err);
}

void lt_moe_close(lt_moe *moe)
{
    if (!moe)
        return;
    for (int64_t e = 0; moe->experts && e < moe->expert_count; e++)
        for (int part = 0; part < LT_EXPERT_PARTS; part++)
            free(moe->experts[e][part].module);
    for (int part = 0; part < LT_EXPERT_PARTS; part++)
        free(moe->shared[part].module);
    free(moe->shared_gate.module);
    free(moe->router.module);
    free(moe->experts);
    free(moe);
}

bool lt_moe_trained(const lt_moe *moe)
{
    bool trained = moe->shared_gate.module && lt_linear_trained(&moe->shared_gate);
    for (int part = 0; part < LT_EXPERT_PARTS; part++) {
        trained |= moe->shared[part].module && lt_linear_trained(&moe->shared[part]);
        for (int64_t e = 0; e < moe->expert_count && !trained; e++)
            trained |= lt_linear_trained(&moe->experts[e][part]);
    }
    return trained;
}

void lt_moe_prefetch(const lt_moe *moe)
{
    lt_linear_prefetch(&moe->router);
    lt_linear_prefetch(&moe->shared_gate);
    for (int part = 0; part < LT_EXPERT_PARTS; part++)
        lt_linear_prefetch(&moe->shared[part]);
}
