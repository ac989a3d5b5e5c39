/* Rotary positions. Older configurations have rope_theta and rope_scaling (null, or an object with "type" or
 * "rope_type") side by side; transformers 5 writes rope_parameters with everything in it, one object per layer type
 * where local and global layers differ. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/table.h"

/* Where a rope's numbers are: `own` is the object that scales it (NULL when there is none), `theta` its base. */
typedef struct rope_source {
    const lt_json *own;
    double theta;
} rope_source;

static bool positive(const lt_json *at, double value, lt_error *err)
{
    return (value > 0 && value < 1e30) ||
           lt_json_error(at, err, LT_ERR_FORMAT, "expected a positive number, found %g", value);
}

/* A positive number that must be there. */
static bool need_positive(const lt_json *own, const char *key, double *out, lt_error *err)
{
    lt_json at;
    if (!lt_json_member(own, key, &at))
        return lt_json_error(own, err, LT_ERR_FORMAT, "expected a field '%s', found none", key);
    return lt_json_real(&at, out, err) && positive(&at, *out, err);
}

/* A positive number, else *out as it is. */
static bool may_positive(const lt_json *from, const char *key, double *out, lt_error *err)
{
    lt_json at;
    return !lt_json_member(from, key, &at) || (lt_json_real(&at, out, err) && positive(&at, *out, err));
}

static bool read_kind(const lt_family_reader *reader, const lt_json *own, lt_rope_kind *kind)
{
    const char *name = "default";
    if (!lt_json_get_string(own, "type", &name, reader->err) ||
        !lt_json_get_string(own, "rope_type", &name, reader->err))
        return false;
    bool longrope = !strcmp(name, "longrope") || !strcmp(name, "su") || !strcmp(name, "yarn");
    if (!strcmp(name, "default"))
        *kind = LT_ROPE_DEFAULT;
    else if (!strcmp(name, "linear"))
        *kind = LT_ROPE_LINEAR;
    else if (!strcmp(name, "llama3"))
        *kind = LT_ROPE_LLAMA3;
    else if (!strcmp(name, "longrope") || (longrope && reader->family->longrope))
        *kind = LT_ROPE_LONGROPE;
    else
        return lt_json_error(
            own, reader->err, LT_ERR_UNSUPPORTED,
            "rope scaling of type \"%.40s\" is not supported for %s (default, linear, longrope and llama3 are)", name,
            reader->family->model_type);
    return true;
}

static bool read_factors(const lt_json *own, const char *key, int count, float **out, lt_error *err)
{
    lt_json list;
    if (!lt_json_member(own, key, &list))
        return lt_json_error(own, err, LT_ERR_FORMAT, "expected a field '%s', found none", key);
    if (!lt_json_array(&list, err))
        return false;
    if (json_array_size(list.value) != (size_t)count)
        return lt_json_error(&list, err, LT_ERR_FORMAT, "expected %d numbers (half of what rotates), found %zu", count,
                             json_array_size(list.value));
    *out = malloc((size_t)count * sizeof **out);
    if (!*out)
        return lt_json_error(&list, err, LT_ERR_MEMORY, "out of memory");
    for (int i = 0; i < count; i++) {
        lt_json at = lt_json_element(&list, (size_t)i);
        double value;
        if (!lt_json_real(&at, &value, err) || !positive(&at, value, err))
            return false;
        (*out)[i] = (float)value;
    }
    return true;
}

/* A key beside the scaling object (Phi-3) goes before the one inside it; without either the model was never stretched.
 */
static bool read_original_positions(const lt_family_reader *reader, const lt_json *own, int *out)
{
    static const char key[] = "original_max_position_embeddings";
    int64_t value = reader->family->original_max_position;
    if (value == 0) {
        value = reader->config->max_position;
        if (!lt_json_get_int(own, key, 1, INT32_MAX, &value, reader->err))
            return false;
    }
    if (!lt_json_get_int(&reader->top, key, 1, INT32_MAX, &value, reader->err))
        return false;
    *out = (int)value;
    return true;
}

static bool read_llama3(const lt_family_reader *reader, const lt_json *own, lt_rope_config *rope)
{
    if (!need_positive(own, "factor", &rope->factor, reader->err) ||
        !need_positive(own, "low_freq_factor", &rope->low_freq_factor, reader->err) ||
        !need_positive(own, "high_freq_factor", &rope->high_freq_factor, reader->err) ||
        !read_original_positions(reader, own, &rope->original_max_position))
        return false;
    if (rope->high_freq_factor <= rope->low_freq_factor)
        return lt_json_error(own, reader->err, LT_ERR_FORMAT,
                             "high_freq_factor (%g) must be above low_freq_factor (%g)", rope->high_freq_factor,
                             rope->low_freq_factor);
    return true;
}

/* The magnitude as transformers' _compute_longrope_parameters: sqrt(1 + ln(factor) / ln(original length)). */
static bool read_longrope(const lt_family_reader *reader, const lt_json *own, lt_rope_config *rope)
{
    int half = rope->rotary_width / 2;
    if (!read_factors(own, "short_factor", half, &rope->short_factor, reader->err) ||
        !read_factors(own, "long_factor", half, &rope->long_factor, reader->err) ||
        !read_original_positions(reader, own, &rope->original_max_position))
        return false;
    if (rope->original_max_position < 2) /* its logarithm divides */
        return lt_json_error(own, reader->err, LT_ERR_FORMAT,
                             "original_max_position_embeddings: expected at least 2, found %d",
                             rope->original_max_position);
    rope->factor = (double)reader->config->max_position / rope->original_max_position;
    if (!may_positive(own, "factor", &rope->factor, reader->err))
        return false;
    rope->attention_factor = 1;
    if (rope->factor > 1)
        rope->attention_factor = sqrt(1 + log(rope->factor) / log(rope->original_max_position));
    return may_positive(own, "attention_factor", &rope->attention_factor, reader->err);
}

/* Share of each head that rotates, from inside the rope's object or from beside it. */
static bool read_rotary_width(const lt_family_reader *reader, const lt_json *own, int *out)
{
    static const char key[] = "partial_rotary_factor";
    double share = 1;
    if (!may_positive(&reader->top, key, &share, reader->err) || (own && !may_positive(own, key, &share, reader->err)))
        return false;
    if (share != 1 && !reader->family->partial_rotary)
        return lt_json_error(&reader->top, reader->err, LT_ERR_UNSUPPORTED,
                             "field '%s': %s rotates whole heads, found %g", key, reader->family->model_type, share);
    if (share > 1)
        return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT, "field '%s': expected at most 1, found %g", key,
                             share);
    *out = (int)((double)reader->config->D * share);
    if (*out < 2 || *out % 2)
        return lt_json_error(&reader->top, reader->err, LT_ERR_FORMAT,
                             "%d of the %" PRId64 " values of a head would rotate; expected an even number above 0",
                             *out, reader->config->D);
    return true;
}

static bool read_one(lt_family_reader *reader, rope_source source)
{
    lt_rope_config *rope = &reader->config->ropes[reader->config->rope_count++];
    *rope = (lt_rope_config){.kind = LT_ROPE_DEFAULT, .theta = source.theta, .factor = 1};
    if (!read_rotary_width(reader, source.own, &rope->rotary_width))
        return false;
    if (!source.own)
        return true;
    if (!may_positive(source.own, "rope_theta", &rope->theta, reader->err) ||
        !read_kind(reader, source.own, &rope->kind))
        return false;
    switch (rope->kind) {
    case LT_ROPE_DEFAULT: return true;
    case LT_ROPE_LINEAR: return need_positive(source.own, "factor", &rope->factor, reader->err);
    case LT_ROPE_LLAMA3: return read_llama3(reader, source.own, rope);
    case LT_ROPE_LONGROPE: return read_longrope(reader, source.own, rope);
    }
    return true;
}

/* The object under `key`, when there is one that says anything. */
static bool find_object(const lt_json *from, const char *key, lt_json *out, bool *found, lt_error *err)
{
    *found = lt_json_member(from, key, out);
    if (*found && !lt_json_object(out, err))
        return false;
    *found = *found && json_object_size(out->value) > 0;
    return true;
}

static bool read_single(lt_family_reader *reader)
{
    rope_source source = {.theta = reader->family->rope_theta};
    lt_json scaling, parameters, nested;
    bool old, new;
    if (!find_object(&reader->top, "rope_scaling", &scaling, &old, reader->err) ||
        !find_object(&reader->top, "rope_parameters", &parameters, &new, reader->err) ||
        !may_positive(&reader->top, "rope_theta", &source.theta, reader->err))
        return false;
    source.own = old ? &scaling : new ? &parameters : NULL;
    if (source.own && (lt_json_member(source.own, "full_attention", &nested) ||
                       lt_json_member(source.own, "sliding_attention", &nested)))
        return lt_json_error(&nested, reader->err, LT_ERR_UNSUPPORTED, "%s has one rope for every layer",
                             reader->family->model_type);
    return read_one(reader, source);
}

/* Gemma 3: ropes[0] of full layers, which rope_scaling stretches, and ropes[1] of sliding ones. */
static bool read_local_global(lt_family_reader *reader)
{
    rope_source global = {.theta = reader->family->rope_theta}, local = {.theta = reader->family->local_rope_theta};
    lt_json scaling, parameters, full, sliding;
    bool old, new, has_full = false, has_sliding = false;
    if (!find_object(&reader->top, "rope_scaling", &scaling, &old, reader->err) ||
        !find_object(&reader->top, "rope_parameters", &parameters, &new, reader->err) ||
        !may_positive(&reader->top, "rope_theta", &global.theta, reader->err) ||
        !may_positive(&reader->top, "rope_local_base_freq", &local.theta, reader->err))
        return false;
    if (new && (!find_object(&parameters, "full_attention", &full, &has_full, reader->err) ||
                !find_object(&parameters, "sliding_attention", &sliding, &has_sliding, reader->err)))
        return false;
    if (new && !has_full && !has_sliding)
        return lt_json_error(&parameters, reader->err, LT_ERR_FORMAT,
                             "expected objects 'full_attention' and 'sliding_attention', found neither");
    global.own = old ? &scaling : has_full ? &full : NULL;
    local.own = has_sliding ? &sliding : NULL;
    return read_one(reader, global) && read_one(reader, local);
}

bool lt_family_rope_read(lt_family_reader *reader)
{
    if (reader->family->rope == LT_ROPE_RULE_NONE)
        return true;
    return reader->family->rope == LT_ROPE_RULE_LOCAL_GLOBAL ? read_local_global(reader) : read_single(reader);
}
