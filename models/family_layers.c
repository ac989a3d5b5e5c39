/* What differs from layer to layer: the sliding window, and which rope turns its heads. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "models/table.h"

/* no_rope_layers says 1 for a layer that rotates; without it every interval-th layer does not. */
static bool read_ropes(lt_family_reader *reader)
{
    lt_config *config = reader->config;
    int64_t interval = reader->family->no_rope_interval, rotates;
    lt_json list, at;
    for (int64_t l = 0; l < config->L && reader->family->rope == LT_ROPE_RULE_NONE; l++)
        config->layers[l].rope = -1;
    if (reader->family->rope != LT_ROPE_RULE_SKIPS_LAYERS)
        return true; /* 0 everywhere; local and global layers are told apart by their window */
    if (!lt_json_get_int(&reader->top, "no_rope_layer_interval", 1, INT32_MAX, &interval, reader->err))
        return false;
    bool listed = lt_json_member(&reader->top, "no_rope_layers", &list);
    if (listed && !lt_json_array(&list, reader->err))
        return false;
    if (listed && (int64_t)json_array_size(list.value) < config->L)
        return lt_json_error(&list, reader->err, LT_ERR_FORMAT,
                             "expected a value for each of %" PRId64 " layers, found %zu", config->L,
                             json_array_size(list.value));
    for (int64_t l = 0; l < config->L; l++) {
        rotates = (l + 1) % interval != 0;
        if (listed) {
            at = lt_json_element(&list, (size_t)l);
            if (!lt_json_int(&at, 0, 1, &rotates, reader->err))
                return false;
        }
        config->layers[l].rope = rotates ? 0 : -1;
    }
    return true;
}

/* layer_types, one string per layer: sliding[l] says whether layer l has a window. *found is false when there is none.
 */
static bool read_layer_types(lt_family_reader *reader, bool *sliding, bool *found)
{
    lt_json list;
    *found = lt_json_member(&reader->top, "layer_types", &list);
    if (!*found)
        return true;
    if (!lt_json_array(&list, reader->err))
        return false;
    if ((int64_t)json_array_size(list.value) != reader->config->L)
        return lt_json_error(&list, reader->err, LT_ERR_FORMAT,
                             "expected a type for each of %" PRId64 " layers, found %zu", reader->config->L,
                             json_array_size(list.value));
    for (int64_t l = 0; l < reader->config->L; l++) {
        lt_json at = lt_json_element(&list, (size_t)l);
        const char *name;
        if (!lt_json_string(&at, &name, reader->err))
            return false;
        sliding[l] = !strcmp(name, "sliding_attention");
        if (!sliding[l] && strcmp(name, "full_attention"))
            return lt_json_error(&at, reader->err, LT_ERR_UNSUPPORTED,
                                 "the layer type \"%.60s\" is not known (full_attention and sliding_attention are)",
                                 name);
    }
    return true;
}

static bool read_rule(lt_family_reader *reader, bool windows_on, bool *sliding)
{
    const lt_family *family = reader->family;
    int64_t first = family->max_window_layers, pattern = family->window_pattern;
    if (!lt_json_get_int(&reader->top, "max_window_layers", 0, INT32_MAX, &first, reader->err) ||
        !lt_json_get_int(&reader->top, "sliding_window_pattern", 1, INT32_MAX, &pattern, reader->err))
        return false;
    for (int64_t l = 0; l < reader->config->L; l++)
        switch (family->window) {
        case LT_WINDOW_NEVER: sliding[l] = false; break;
        case LT_WINDOW_ALL_LAYERS:
        case LT_WINDOW_EVERY_LAYER: sliding[l] = windows_on; break;
        case LT_WINDOW_EARLY_EVEN: sliding[l] = windows_on && l % 2 == 0 && l < first; break;
        case LT_WINDOW_LATE_LAYERS: sliding[l] = windows_on && l >= first; break;
        case LT_WINDOW_PATTERN: sliding[l] = (l + 1) % pattern != 0; break;
        case LT_WINDOW_WITHOUT_ROPE: sliding[l] = windows_on && reader->config->layers[l].rope < 0; break;
        }
    return true;
}

static bool read_windows(lt_family_reader *reader, bool *sliding)
{
    const lt_family *family = reader->family;
    lt_config *config = reader->config;
    bool flagged = family->window == LT_WINDOW_LATE_LAYERS || family->window == LT_WINDOW_WITHOUT_ROPE ||
                   family->window == LT_WINDOW_ALL_LAYERS || family->window == LT_WINDOW_EARLY_EVEN;
    bool of_all = family->window == LT_WINDOW_EVERY_LAYER || family->window == LT_WINDOW_ALL_LAYERS;
    bool enabled = !flagged, listed = false;
    int64_t window = json_is_null(json_object_get(reader->top.value, "sliding_window")) ? 0 : family->sliding_window;
    if (family->window == LT_WINDOW_NEVER)
        return true;
    if (!lt_json_get_int(&reader->top, "sliding_window", 0, INT32_MAX, &window, reader->err) ||
        (flagged && !lt_json_get_bool(&reader->top, "use_sliding_window", &enabled, reader->err)))
        return false;
    if (!enabled)
        window = 0;
    if (!of_all && !read_layer_types(reader, sliding, &listed))
        return false;
    if (!listed && !read_rule(reader, window > 0, sliding))
        return false;
    for (int64_t l = 0; l < config->L; l++) {
        if (sliding[l] && window == 0 && family->window == LT_WINDOW_WITHOUT_ROPE)
            continue; /* transformers' SmolLM3 looks at the switch first */
        if (sliding[l] && window == 0)
            return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT,
                                 "layer %" PRId64 " has sliding attention, but there is no sliding_window%s", l,
                                 enabled ? "" : " (use_sliding_window is off)");
        config->layers[l].window = sliding[l] ? (int)window : 0;
        if (family->rope == LT_ROPE_RULE_LOCAL_GLOBAL)
            config->layers[l].rope = sliding[l];
    }
    return true;
}

/* GPT-2's switches: scores that are not scaled, or in layer l also divided by l + 1. */
static bool read_score_switches(lt_family_reader *reader)
{
    lt_config *config = reader->config;
    bool scaled = true, by_layer = false;
    if (!reader->family->score_switches)
        return true;
    if (!lt_json_get_bool(&reader->top, "scale_attn_weights", &scaled, reader->err) ||
        !lt_json_get_bool(&reader->top, "scale_attn_by_inverse_layer_idx", &by_layer, reader->err))
        return false;
    if (!scaled)
        config->attention_scale = 1;
    for (int64_t l = 0; l < config->L && by_layer; l++)
        config->layers[l].score_divisor = (int)l + 1;
    return true;
}

bool lt_family_layers_read(lt_family_reader *reader)
{
    size_t count = (size_t)reader->config->L;
    reader->config->layers = calloc(count, sizeof *reader->config->layers);
    bool *sliding = calloc(count, sizeof *sliding);
    bool ok = false;
    if (!reader->config->layers || !sliding) {
        lt_json_error(&reader->top, reader->err, LT_ERR_MEMORY, "out of memory for %zu layers", count);
        goto done;
    }
    ok = read_ropes(reader) && read_windows(reader, sliding) && read_score_switches(reader);
done:
    free(sliding);
    return ok;
}
