/* The ids of special tokens. */
#include <inttypes.h>
#include <string.h>

#include "core/log.h"
#include "models/table.h"

/* An id that no row of the embedding has is as good as none: some exports name the padding of a vocabulary that was
 * never resized. */
static bool usable(const lt_json *at, int64_t id, const lt_config *config)
{
    if (id >= 0 && id < config->V)
        return true;
    if (id >= 0)
        lt_log_warning("'%s' is %" PRId64 ", beyond the vocabulary of %" PRId64 " tokens; taken as none",
                       at->key ? at->key : "eos_token_id", id, config->V);
    return false;
}

static bool add_end(const lt_json *at, lt_config *config, lt_error *err)
{
    enum { CAPACITY = sizeof config->eos_ids / sizeof *config->eos_ids };
    int64_t id;
    if (!lt_json_int(at, -1, INT32_MAX, &id, err))
        return false;
    if (!usable(at, id, config))
        return true;
    for (int i = 0; i < config->eos_count; i++)
        if (config->eos_ids[i] == id)
            return true;
    if (config->eos_count == CAPACITY)
        return lt_json_error(at, err, LT_ERR_UNSUPPORTED, "expected at most %d different end tokens", CAPACITY);
    config->eos_ids[config->eos_count++] = (int)id;
    return true;
}

bool lt_family_tokens_merge(const lt_json *from, lt_config *config, lt_error *err)
{
    lt_json at;
    if (!lt_json_member(from, "eos_token_id", &at))
        return true;
    if (!json_is_array(at.value))
        return add_end(&at, config, err);
    for (size_t i = 0; i < json_array_size(at.value); i++) {
        lt_json element = lt_json_element(&at, i);
        if (!add_end(&element, config, err))
            return false;
    }
    return true;
}

/* Absent: the family's default; null: none. */
static bool read_id(lt_family_reader *reader, const char *key, int fallback, int *out)
{
    int64_t id = fallback;
    lt_json at;
    if (json_is_null(json_object_get(reader->top.value, key)))
        id = -1;
    if (lt_json_member(&reader->top, key, &at) && (!lt_json_int(&at, -1, INT32_MAX, &id, reader->err)))
        return false;
    *out = id >= 0 && id < reader->config->V ? (int)id : -1;
    if (lt_json_has(&reader->top, key))
        usable(&at, id, reader->config);
    return true;
}

bool lt_family_tokens_read(lt_family_reader *reader)
{
    lt_config *config = reader->config;
    if (!read_id(reader, "bos_token_id", reader->family->bos_id, &config->bos_id) ||
        !read_id(reader, "pad_token_id", reader->family->pad_id, &config->pad_id))
        return false;
    int fallback = reader->family->eos_id;
    if (!json_object_get(reader->top.value, "eos_token_id") && fallback >= 0 && fallback < config->V)
        config->eos_ids[config->eos_count++] = fallback;
    return lt_family_tokens_merge(&reader->top, config, reader->err);
}
