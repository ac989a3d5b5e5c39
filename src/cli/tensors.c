#include "cli/tensors.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/terminal.h"
#include "core/utf8.h"

/* ---- groups ---- */

/* The first ".N." of a name is the layer, one behind it an expert. Returns the place of N and its length, or NULL. */
static const char *find_layer(const char *name, size_t *length)
{
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        *length = strspn(dot + 1, "0123456789");
        if (*length > 0 && *length < 10 && dot[1 + *length] == '.')
            return dot + 1;
    }
    return NULL;
}

static char *make_pattern(const char *name, int64_t *layer)
{
    size_t digits = 0;
    const char *at = find_layer(name, &digits);
    *layer = at ? strtoll(at, NULL, 10) : -1;
    char *pattern = strdup(name);
    if (pattern && at) {
        size_t before = (size_t)(at - name);
        pattern[before] = '*';
        memmove(pattern + before + 1, pattern + before + digits, strlen(name) - before - digits + 1);
        char *expert = (char *)find_layer(pattern + before, &digits);
        if (expert) {
            *expert = '*';
            memmove(expert + 1, expert + digits, strlen(expert + digits) + 1);
        }
    }
    return pattern;
}

static bool same_shape(const lt_tensor_group *group, const lt_tensor_info *info)
{
    return group->dtype == info->dtype && group->dims == info->dims &&
           memcmp(group->shape, info->shape, (size_t)info->dims * sizeof *info->shape) == 0;
}

/* A model has a dozen kinds of tensors; a hostile file may have a million, and then kinds are no longer looked for. */
static lt_tensor_group *find_group(const lt_tensor_groups *groups, const char *pattern, const lt_tensor_info *info)
{
    enum { KINDS_MAX = 512 };
    for (int i = 0; i < groups->count && i < KINDS_MAX; i++)
        if (same_shape(&groups->items[i], info) && strcmp(groups->items[i].pattern, pattern) == 0)
            return &groups->items[i];
    return NULL;
}

static bool add_tensor(lt_tensor_groups *groups, const lt_tensor_info *info)
{
    int64_t layer;
    char *pattern = make_pattern(info->name, &layer);
    if (!pattern)
        return false;
    lt_tensor_group *group = find_group(groups, pattern, info);
    if (group) {
        free(pattern);
        group->first = layer < group->first ? layer : group->first;
        group->last = layer > group->last ? layer : group->last;
    } else {
        if (groups->count == groups->capacity) {
            int capacity = groups->capacity ? groups->capacity * 2 : 64;
            lt_tensor_group *items = realloc(groups->items, (size_t)capacity * sizeof *items);
            if (!items) {
                free(pattern);
                return false;
            }
            groups->items = items;
            groups->capacity = capacity;
        }
        group = &groups->items[groups->count++];
        *group = (lt_tensor_group){
            .pattern = pattern, .dtype = info->dtype, .dims = info->dims, .first = layer, .last = layer};
        memcpy(group->shape, info->shape, sizeof group->shape);
    }
    group->count++;
    group->bytes += info->bytes;
    return true;
}

bool lt_tensor_groups_make(lt_tensor_groups *groups, const lt_safetensors *set, lt_error *err)
{
    *groups = (lt_tensor_groups){0};
    for (int64_t i = 0; i < lt_safetensors_count(set); i++)
        if (!add_tensor(groups, lt_safetensors_at(set, i)))
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory while listing tensors");
    return true;
}

void lt_tensor_groups_free(lt_tensor_groups *groups)
{
    for (int i = 0; i < groups->count; i++)
        free(groups->items[i].pattern);
    free(groups->items);
    *groups = (lt_tensor_groups){0};
}

/* ---- printing ---- */

static void format_shape(int dims, const int64_t *shape, char *out, size_t capacity)
{
    size_t used = (size_t)snprintf(out, capacity, "(");
    for (int i = 0; i < dims && used < capacity; i++)
        used += (size_t)snprintf(out + used, capacity - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (used < capacity)
        snprintf(out + used, capacity - used, ")");
}

/* "model.layers.0-29.mlp.up_proj.weight" */
static void format_name(const lt_tensor_group *group, char *out, size_t capacity)
{
    char raw[512], range[48];
    const char *star = group->first < 0 ? NULL : strchr(group->pattern, '*');
    if (!star) {
        lt_utf8_printable(group->pattern, out, capacity);
        return;
    }
    if (group->first == group->last)
        snprintf(range, sizeof range, "%lld", (long long)group->first);
    else
        snprintf(range, sizeof range, "%lld-%lld", (long long)group->first, (long long)group->last);
    snprintf(raw, sizeof raw, "%.*s%s%s", (int)(star - group->pattern), group->pattern, range, star + 1);
    lt_utf8_printable(raw, out, capacity);
}

void lt_tensor_groups_print(const lt_tensor_groups *groups, FILE *out)
{
    enum { SHOWN_MAX = 200, NAME_WIDEST = 70 };
    char name[512], shape[128], size[LT_FIGURE];
    int width = 0;
    for (int i = 0; i < groups->count && i < SHOWN_MAX; i++) {
        format_name(&groups->items[i], name, sizeof name);
        int columns = lt_terminal_columns(name);
        width = columns > width && columns <= NAME_WIDEST ? columns : width;
    }
    for (int i = 0; i < groups->count && i < SHOWN_MAX; i++) {
        const lt_tensor_group *group = &groups->items[i];
        format_name(group, name, sizeof name);
        format_shape(group->dims, group->shape, shape, sizeof shape);
        int pad = width - lt_terminal_columns(name);
        fprintf(out, "  %s%*s  %-5s %-18s", name, pad > 0 ? pad : 0, "", lt_dtype_get(group->dtype)->name, shape);
        fprintf(out, group->count > 1 ? " x %-4lld" : "       ", (long long)group->count);
        fprintf(out, " %10s\n", lt_figure_bytes(group->bytes, size));
    }
    if (groups->count > SHOWN_MAX)
        fprintf(out, "  and %d more kinds (--json lists every tensor)\n", groups->count - SHOWN_MAX);
}

json_t *lt_tensors_json(const lt_safetensors *set)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *info = lt_safetensors_at(set, i);
        json_t *shape = json_array();
        for (int d = 0; d < info->dims; d++)
            json_array_append_new(shape, json_integer(info->shape[d]));
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:o, s:I, s:s}", "name", info->name, "dtype",
                                        lt_dtype_get(info->dtype)->name, "shape", shape, "bytes",
                                        (json_int_t)info->bytes, "file", lt_safetensors_shard_path(set, info->shard)));
    }
    return list;
}

const char *lt_tensors_dtypes(const lt_safetensors *set, char out[64])
{
    bool seen[LT_DTYPE_COUNT] = {false};
    size_t used = 0;
    *out = '\0';
    for (int64_t i = 0; i < lt_safetensors_count(set); i++)
        seen[lt_safetensors_at(set, i)->dtype] = true;
    for (int d = 0; d < LT_DTYPE_COUNT; d++)
        if (seen[d] && used < 64)
            used += (size_t)snprintf(out + used, 64 - used, "%s%s", used ? ", " : "", lt_dtype_get((lt_dtype)d)->name);
    return out;
}
