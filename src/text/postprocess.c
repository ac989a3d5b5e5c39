#include "text/postprocess.h"

#include <string.h>

#include "text/vocab.h"

enum { MAX_DEPTH = 20 };

static bool push_id(lt_frame *frame, const lt_json *at, lt_error *err)
{
    int64_t id = 0;
    return lt_json_int(at, 0, LT_VOCAB_MAX_ID, &id, err) && lt_ids_push(frame, (int32_t)id, err);
}

/* {"SpecialToken": {"id": name}}: the ids that special_tokens gives for the name. */
static bool push_special(lt_frame *frame, const lt_json *processor, const lt_json *piece, lt_error *err)
{
    const char *name;
    size_t count;
    lt_json tokens, token, ids;
    if (!lt_json_need_string(piece, "id", &name, err) ||
        !lt_json_need_object(processor, "special_tokens", &tokens, err) ||
        !lt_json_need_object(&tokens, name, &token, err) || !lt_json_need_array(&token, "ids", &ids, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        lt_json id = lt_json_element(&ids, i);
        if (!push_id(frame, &id, err))
            return false;
    }
    return true;
}

static bool open_template(lt_frame *frame, const lt_json *at, lt_error *err)
{
    lt_json single;
    size_t count;
    if (!lt_json_need_array(at, "single", &single, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        lt_json piece = lt_json_element(&single, i), part;
        const char *id;
        if (lt_json_member(&piece, "SpecialToken", &part)) {
            if (!push_special(frame, at, &part, err))
                return false;
            continue;
        }
        if (!lt_json_member(&piece, "Sequence", &part))
            return lt_json_expected(&piece, "{\"SpecialToken\": …} or {\"Sequence\": …}", err);
        if (!lt_json_need_string(&part, "id", &id, err))
            return false;
        if (strcmp(id, "A"))
            return lt_json_error(&part, err, LT_ERR_FORMAT, "a single text has sequence \"A\" only, found \"%.20s\"",
                                 id);
        if (!lt_ids_push(frame, LT_FRAME_TEXT, err))
            return false;
    }
    return true;
}

/* [token, id] */
static bool push_pair(lt_frame *frame, const lt_json *at, const char *key, lt_error *err)
{
    lt_json pair;
    size_t count;
    if (!lt_json_need_array(at, key, &pair, &count, err))
        return false;
    if (count != 2)
        return lt_json_expected(&pair, "[token, id]", err);
    lt_json id = lt_json_element(&pair, 1);
    return push_id(frame, &id, err);
}

static bool open_step(lt_frame *frame, const lt_json *at, int depth, lt_error *err)
{
    const char *type;
    if (!lt_json_need_string(at, "type", &type, err))
        return false;
    if (depth > MAX_DEPTH)
        return lt_json_error(at, err, LT_ERR_FORMAT, "post-processors nested more than %d deep", MAX_DEPTH);
    if (!strcmp(type, "ByteLevel")) /* trims offsets, which lathe does not need */
        return true;
    if (!strcmp(type, "Sequence")) {
        lt_json list;
        size_t count;
        bool ok = lt_json_need_array(at, "processors", &list, &count, err);
        for (size_t i = 0; ok && i < count; i++) {
            lt_json item = lt_json_element(&list, i);
            ok = open_step(frame, &item, depth + 1, err);
        }
        return ok;
    }
    bool is_template = !strcmp(type, "TemplateProcessing");
    if (!is_template && strcmp(type, "BertProcessing") && strcmp(type, "RobertaProcessing"))
        return lt_json_error(at, err, LT_ERR_UNSUPPORTED, "no post-processor \"%.60s\" is known", type);
    if (frame->count)
        return lt_json_error(at, err, LT_ERR_UNSUPPORTED, "a second post-processor that adds tokens");
    if (is_template)
        return open_template(frame, at, err);
    return push_pair(frame, at, "cls", err) && lt_ids_push(frame, LT_FRAME_TEXT, err) &&
           push_pair(frame, at, "sep", err);
}

bool lt_frame_open(lt_frame *frame, const lt_json *root, lt_error *err)
{
    lt_json at;
    if (!lt_json_member(root, "post_processor", &at) || open_step(frame, &at, 0, err))
        return true;
    lt_ids_free(frame);
    return false;
}
