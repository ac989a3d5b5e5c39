/* Mixtures of experts: how many, how wide, and which layers have them. */
#include <inttypes.h>
#include <stdio.h>

#include "models/table.h"

enum { MAX_EXPERTS = 4096, MAX_WIDTH = 1 << 22 };

static void copy_name(char out[LT_NAME_MAX], const char *name)
{
    snprintf(out, LT_NAME_MAX, "%s", name ? name : "");
}

static bool read_sizes(lt_family_reader *reader)
{
    const lt_family *family = reader->family;
    lt_config *config = reader->config;
    config->experts = family->expert_count;
    config->experts_per_token = family->expert_top;
    config->expert_F = family->expert_width ? family->expert_width : config->F;
    config->shared_F = family->shared_width;
    config->normalise_routing = family->routing_is_normalised;
    /* A configuration that a library wrote may have the number under either name. */
    if (!lt_json_get_int(&reader->top, "num_local_experts", 1, MAX_EXPERTS, &config->experts, reader->err) ||
        !lt_json_get_int(&reader->top, "num_experts", 1, MAX_EXPERTS, &config->experts, reader->err) ||
        !lt_json_get_int(&reader->top, "num_experts_per_tok", 1, MAX_EXPERTS, &config->experts_per_token, reader->err) ||
        (family->expert_width &&
         !lt_json_get_int(&reader->top, "moe_intermediate_size", 1, MAX_WIDTH, &config->expert_F, reader->err)) ||
        (family->shared_width &&
         !lt_json_get_int(&reader->top, "shared_expert_intermediate_size", 1, MAX_WIDTH, &config->shared_F, reader->err)) ||
        (!family->routing_is_normalised &&
         !lt_json_get_bool(&reader->top, "norm_topk_prob", &config->normalise_routing, reader->err)))
        return false;
    return config->experts_per_token <= config->experts ||
           lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT,
                         "num_experts_per_tok (%" PRId64 ") is above the number of experts (%" PRId64 ")",
                         config->experts_per_token, config->experts);
}

/* Every decoder_sparse_step-th layer, but those in mlp_only_layers. */
static bool read_sparse_layers(lt_family_reader *reader)
{
    lt_config *config = reader->config;
    int64_t step = 1, layer;
    lt_json list;
    if (!lt_json_get_int(&reader->top, "decoder_sparse_step", 1, INT32_MAX, &step, reader->err))
        return false;
    for (int64_t l = 0; l < config->L; l++)
        config->layers[l].sparse = (l + 1) % step == 0;
    if (!lt_json_member(&reader->top, "mlp_only_layers", &list))
        return true;
    if (!lt_json_array(&list, reader->err))
        return false;
    for (size_t i = 0; i < json_array_size(list.value); i++) {
        lt_json at = lt_json_element(&list, i);
        if (!lt_json_int(&at, 0, INT32_MAX, &layer, reader->err))
            return false;
        if (layer < config->L)
            config->layers[layer].sparse = false;
    }
    return true;
}

bool lt_family_experts_read(lt_family_reader *reader)
{
    const lt_family *family = reader->family;
    lt_config *config = reader->config;
    bool losses = false;
    if (!family->router)
        return true;
    if (!lt_json_get_bool(&reader->top, "output_router_logits", &losses, reader->err))
        return false;
    if (losses)
        return lt_json_error(&reader->top, reader->err, LT_ERR_UNSUPPORTED,
                             "field 'output_router_logits': routers are frozen, so the loss that balances them is not "
                             "computed; set it to false");
    copy_name(config->router_name, family->router);
    copy_name(config->experts_module, family->experts_module);
    copy_name(config->shared_gate_name, family->shared_gate);
    for (int part = 0; part < 3; part++) {
        copy_name(config->expert_name[part], family->experts[part]);
        copy_name(config->shared_name[part], family->shared[part]);
    }
    return read_sizes(reader) && read_sparse_layers(reader);
}
