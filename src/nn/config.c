#include "nn/config.h"

#include <assert.h>
#include <stdlib.h>

int64_t lt_config_linear_out(const lt_config *config, lt_linear_slot slot)
{
    switch (slot) {
    case LT_LINEAR_Q: return config->H * config->D;
    case LT_LINEAR_K:
    case LT_LINEAR_V: return config->K * config->D;
    case LT_LINEAR_QKV: return (config->H + 2 * config->K) * config->D;
    case LT_LINEAR_O:
    case LT_LINEAR_DOWN: return config->C;
    case LT_LINEAR_GATE:
    case LT_LINEAR_UP: return config->F;
    case LT_LINEAR_GATE_UP: return 2 * config->F;
    case LT_LINEAR_SLOTS: break;
    }
    assert(!"no such linear slot");
    return 0;
}

int64_t lt_config_linear_in(const lt_config *config, lt_linear_slot slot)
{
    switch (slot) {
    case LT_LINEAR_O: return config->H * config->D;
    case LT_LINEAR_DOWN: return config->F;
    default: return config->C;
    }
}

int64_t lt_config_linear_offset(const lt_config *config, lt_linear_slot slot)
{
    switch (slot) {
    case LT_LINEAR_K: return config->H * config->D;
    case LT_LINEAR_V: return (config->H + config->K) * config->D;
    case LT_LINEAR_UP: return config->gated_mlp ? config->F : 0;
    default: return 0;
    }
}

void lt_config_free(lt_config *config)
{
    for (int i = 0; i < LT_MAX_ROPES; i++) {
        free(config->ropes[i].short_factor);
        free(config->ropes[i].long_factor);
    }
    free(config->layers);
    *config = (lt_config){0};
}
