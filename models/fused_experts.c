#include "models/fused_experts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/config_tensors.h"

typedef struct splitting {
    const lt_safetensors *from;
    const lt_config *config;
    lt_tensor_info *infos;
    int64_t count, capacity;
    lt_error *err;
} splitting;

typedef enum kind { WHOLE, GATE_UP, DOWN, ROUTER } kind;

/* What a stored tensor is, and of which layer. */
static kind kind_of(const lt_config *c, const char *stored, int *layer)
{
    char module[LT_NAME_MAX];
    size_t prefix = strlen(c->base_prefix);
    for (int l = 0; l < c->L; l++) {
        lt_config_name(module, c->experts_module, l);
        /* A base model saved by itself leaves the prefix out. */
        const char *name = !strncmp(stored, c->base_prefix, prefix) ? module : module + prefix;
        size_t n = strlen(name), parent = n - strlen(".experts");
        *layer = l;
        if (!strncmp(stored, name, n) && !strcmp(stored + n, ".gate_up_proj"))
            return GATE_UP;
        if (!strncmp(stored, name, n) && !strcmp(stored + n, ".down_proj"))
            return DOWN;
        if (!strncmp(stored, name, parent) && !strcmp(stored + parent, ".gate.weight"))
            return ROUTER;
    }
    return WHOLE;
}

static bool has_fused(const lt_safetensors *set, const lt_config *config)
{
    int layer;
    for (int64_t i = 0; i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *info = lt_safetensors_at(set, i);
        size_t n = strlen(info->name);
        bool maybe = n > 5 && !strcmp(info->name + n - 5, "_proj"); /* modules end in .weight */
        if (maybe && kind_of(config, info->name, &layer) != WHOLE)
            return true;
    }
    return false;
}

/* A copy of `from` with the name `module`.weight, or its own. */
static lt_tensor_info *add(splitting *s, const lt_tensor_info *from, const char *module)
{
    char name[LT_NAME_MAX + 16];
    if (s->count == s->capacity) {
        int64_t capacity = s->capacity ? 2 * s->capacity : 1024;
        lt_tensor_info *grown = realloc(s->infos, (size_t)capacity * sizeof *grown);
        if (!grown) {
            lt_error_set(s->err, LT_ERR_MEMORY, "out of memory for the tensors of experts");
            return NULL;
        }
        s->infos = grown;
        s->capacity = capacity;
    }
    snprintf(name, sizeof name, "%s.weight", module ? module : "");
    lt_tensor_info *info = &s->infos[s->count];
    *info = *from;
    if (!(info->name = strdup(module ? name : from->name))) {
        lt_error_set(s->err, LT_ERR_MEMORY, "out of memory for the tensors of experts");
        return NULL;
    }
    s->count++;
    return info;
}

/* Rows [first, first + rows) of one expert's matrix. */
static bool add_part(splitting *s, const lt_tensor_info *from, int layer, int expert, int part, int64_t first, int64_t rows)
{
    char module[LT_NAME_MAX];
    lt_config_expert_name(module, s->config->expert_name[part], layer, expert);
    int64_t row_bytes = from->bytes / (from->shape[0] * from->shape[1]);
    lt_tensor_info *info = add(s, from, module);
    if (!info)
        return false;
    info->dims = 2;
    info->shape[0] = rows;
    info->shape[1] = from->shape[2];
    info->elements = rows * from->shape[2];
    info->bytes = rows * row_bytes;
    info->offset = from->offset + ((int64_t)expert * from->shape[1] + first) * row_bytes;
    return true;
}

static bool split_one(splitting *s, const lt_tensor_info *from)
{
    const lt_config *c = s->config;
    char router[LT_NAME_MAX];
    int layer;
    kind what = kind_of(c, from->name, &layer);
    lt_config_name(router, c->router_name, layer);
    if (what == WHOLE)
        return add(s, from, NULL);
    if (what == ROUTER)
        return add(s, from, router);
    int64_t rows = what == DOWN ? c->C : 2 * c->expert_F, cols = what == DOWN ? c->expert_F : c->C;
    if (from->dims != 3 || from->shape[0] != c->experts || from->shape[1] != rows || from->shape[2] != cols || lt_dtype_is_block(from->dtype))
        return lt_error_set(s->err, LT_ERR_FORMAT, "%s: tensor '%s': expected (%" PRId64 ", %" PRId64 ", %" PRId64 ") for all experts",
                            lt_safetensors_shard_path(s->from, from->shard), from->name, c->experts, rows, cols);
    bool ok = true;
    for (int e = 0; ok && e < c->experts; e++)
        ok = what == DOWN ? add_part(s, from, layer, e, 2, 0, rows)
                          : add_part(s, from, layer, e, 0, 0, rows / 2) && add_part(s, from, layer, e, 1, rows / 2, rows / 2);
    return ok;
}

bool lt_fused_experts_split(lt_safetensors **set, const lt_config *config, lt_error *err)
{
    if (config->experts == 0 || !has_fused(*set, config))
        return true;
    splitting s = {.from = *set, .config = config, .err = err};
    int shards = lt_safetensors_shard_count(*set);
    char **paths = calloc((size_t)shards, sizeof *paths);
    bool ok = paths || lt_error_set(err, LT_ERR_MEMORY, "out of memory for the tensors of experts");
    for (int64_t i = 0; ok && i < lt_safetensors_count(*set); i++)
        ok = split_one(&s, lt_safetensors_at(*set, i));
    for (int i = 0; ok && i < shards; i++)
        ok = (paths[i] = strdup(lt_safetensors_shard_path(*set, i))) || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    lt_safetensors_close(*set);
    *set = NULL;
    if (ok)
        ok = lt_safetensors_assemble(set, (const char *const *)paths, shards, s.infos, s.count, err);
    else {
        for (int64_t i = 0; i < s.count; i++)
            free((char *)s.infos[i].name);
        free(s.infos);
    }
    for (int i = 0; paths && i < shards; i++)
        free(paths[i]);
    free(paths);
    return ok;
}
